"""Where a quantal path leads: the equilibrium at infinite precision, rounded, polished and certified.

Levels that the end of the path hardly plays are dropped. What is left is either a pure profile, or a mixed one whose
levels must be equally good; Newton's method on that indifference removes the error of the order 1/λ.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games.base import FiniteGame
from games.readable import readable
from solver.compile import compiled
from solver.mixed_extension import MixedExtension, mixed_extension
from solver.mixed_regret import mixed_regret
from solver.quantal import QuantalPath, log_profile

DEFAULT_TOLERANCE = 1e-9
# A probability that exceeds it at the end of the path belongs to the support.
PLAYED = 1e-3
NEWTON_STEPS = 20


class QuantalLimit(eqx.Module):
    """The limiting equilibrium of a path.

    Args:
        profile: probability of every level, ``[providers, levels]``.
        max_regret: from ``solver.mixed_regret``: largest gain relative to the payoff, or to its range.
        certified: whether that is within the tolerance.
        pure: whether every provider plays one level.
        distance: largest change of a probability from the end of the path; large if the path ended too early.
    """

    __repr__ = readable

    profile: Float[Array, "providers levels"]
    max_regret: Float[Array, ""]
    certified: bool = eqx.field(static=True)
    pure: bool = eqx.field(static=True)
    distance: float = eqx.field(static=True)


def quantal_limit(game: FiniteGame, path: QuantalPath, *, tolerance: float = DEFAULT_TOLERANCE) -> QuantalLimit:
    """Round the end of a path to an equilibrium, and certify it.

    Args:
        game: the game of the path.
        path: from ``quantal_path``, followed far enough.
        tolerance: largest regret of an equilibrium; never below the certificate's own resolution.

    Example:
        >>> from games import load_scenario
        >>> from solver import pure_equilibria, quantal_path
        >>> game = load_scenario("GPQA/reasoning_effort").game(rationality=1000)
        >>> limit = quantal_limit(game, quantal_path(game))
        >>> limit.certified, limit.profile.argmax(axis=1).tolist() == pure_equilibria(game).worst.tolist()
        (True, True)
    """
    end = np.asarray(path.last)
    support = end >= PLAYED
    rounded = np.where(support, end, 0.0)
    profile = jnp.asarray(rounded / rounded.sum(axis=1, keepdims=True))
    if np.any(support.sum(axis=1) > 1):
        polished = _indifferent(mixed_extension(game), profile)
        profile = polished if bool(jnp.all(jnp.isfinite(polished))) else profile
    found = mixed_regret(game, profile)
    return QuantalLimit(
        profile,
        found.max_regret,
        bool(found.max_regret <= max(tolerance, float(found.resolution))),
        not bool(np.any(support.sum(axis=1) > 1)),
        float(np.abs(np.asarray(profile) - end).max()),
    )


@compiled
def _indifferent(
    extension: MixedExtension, start: Float[Array, "providers levels"]
) -> Float[Array, "providers levels"]:
    """Newton for equal utility of all played levels, on logits; steps of least norm, since logits have a free constant."""
    support = start > 0
    shape = start.shape

    def gap(logits: Float[Array, " unknowns"]) -> Float[Array, " unknowns"]:
        utility = jnp.where(support, extension.utility(log_profile(logits.reshape(shape), support)), 0.0)
        mean = utility.sum(axis=1, keepdims=True) / support.sum(axis=1, keepdims=True)
        return jnp.where(support, utility - mean, 0.0).ravel()

    def refine(_, logits):
        return logits - jnp.linalg.lstsq(jax.jacfwd(gap)(logits), gap(logits))[0]

    logits = jnp.where(support, jnp.log(jnp.where(support, start, 1.0)), 0.0).ravel()
    logits = jax.lax.fori_loop(0, NEWTON_STEPS, refine, logits)
    return jnp.exp(log_profile(logits.reshape(shape), support))
