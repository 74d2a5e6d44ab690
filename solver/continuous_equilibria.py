"""All equilibria of continuous compute with one segment of users: the ends of their chain, then every root between.

If best replies from both ends meet (``solver.aggregate``), there is one equilibrium, and that is proved. Otherwise ln Z is
scanned between the ends: every change of sign of Σ s_i(Z) + e^{βV0}/Z − 1 is bisected, roots inside a jump of a best reply are
dropped, the others are polished by Newton's method and certified. Two roots closer than the scan's step, or one that
touches zero without crossing it, can be missed: such a list is not called complete.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from games.base import ContinuousLogitGame
from games.readable import readable
from games.smooth import ContinuousLogit
from solver.aggregate import ContinuousBounds, consistent, continuous_bounds, excess, polish, tabulate
from solver.compile import compiled
from solver.continuous_regret import DEFAULT_TOLERANCE, continuous_regret
from solver.lattice import LOOSEST

SCAN_POINTS = 257
ROOTS_PER_CALL = 8
COARSE_GRID = 257
SAME = 1e-6


@dataclasses.dataclass(frozen=True)
class ContinuousEquilibria:
    """A set of continuous equilibria, lowest welfare first.

    Args:
        log_compute: natural logarithm of tokens per query, ``[equilibria, providers]``.
        welfare: dollars per query, ``[equilibria]``.
        max_regret: independent certificate of each, relative, ``[equilibria]``; see ``solver.continuous_regret``.
        complete: whether the list is proved to hold every equilibrium.
        reason: why it is complete, or why it may not be.
        skipped: roots that lie in a jump of a best reply, and are no equilibria in pure strategies.
        tolerance: relative gain below which a deviation does not count.
    """

    __repr__ = readable

    log_compute: Float[Array, "equilibria providers"]
    welfare: Float[Array, " equilibria"]
    max_regret: Float[Array, " equilibria"]
    complete: bool
    reason: str
    skipped: int
    tolerance: float

    def __len__(self) -> int:
        return self.log_compute.shape[0]

    @property
    def compute(self) -> Float[Array, "equilibria providers"]:
        """Tokens per query."""
        return jnp.exp(self.log_compute)

    @property
    def worst(self) -> Float[Array, " providers"]:
        """Log compute in the equilibrium of lowest welfare."""
        return self.log_compute[0]

    @property
    def best(self) -> Float[Array, " providers"]:
        """Log compute in the equilibrium of highest welfare."""
        return self.log_compute[-1]


def continuous_equilibria(
    game: ContinuousLogit, *, tolerance: float = DEFAULT_TOLERANCE, scan_points: int = SCAN_POINTS
) -> ContinuousEquilibria:
    """Every equilibrium of a game of continuous compute, as far as a scan of the given resolution can tell.

    Args:
        game: one segment of users.
        tolerance: relative gain in payoff below which a deviation does not count; raised, and said in the result, to what
            the floats in use resolve.
        scan_points: values of ln Z looked at where the ends of the chain differ.

    Returns:
        The equilibria, lowest welfare first; there is at least one, unless rounding hides it.

    Raises:
        InputError: several segments.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> found = continuous_equilibria(ContinuousCompute(scenario.market, scenario.users))
        >>> len(found), found.complete, found.compute[0].round(-2).tolist()[:3]
        (1, True, [9200.0, 10400.0, 10800.0])
    """
    bounds = continuous_bounds(game)
    ends = np.stack([np.asarray(bounds.least), np.asarray(bounds.greatest)])
    if bounds.unique:
        reason = "best replies from both ends meet, so that there is no other"
        return _certified(game, ends[:1], True, reason, 0, tolerance)
    roots, jumps = _roots_between(game, bounds, scan_points)
    reason = (
        f"the ends differ or were not reached; {scan_points} values of Z between them were looked at, others may exist"
    )
    return _certified(game, np.concatenate([ends, roots[~jumps]]), False, reason, int(jumps.sum()), tolerance)


def _roots_between(game: ContinuousLogit, bounds: ContinuousBounds, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Profiles at the roots strictly between the ends, and whether each lies in a jump."""
    low, high = (float(z) for z in bounds.log_z)
    grid = np.linspace(low, high, points)[1:-1]
    signs = np.sign(np.asarray(_scan(game, jnp.asarray(grid))))
    changes = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    profiles, jumps = [np.zeros((0, game.num_providers))], [np.zeros(0, bool)]
    for first in range(0, len(changes), ROOTS_PER_CALL):
        block = changes[first : first + ROOTS_PER_CALL]
        # Padded to one size, so that the compiled function is reused.
        padded = np.resize(block, ROOTS_PER_CALL)
        found = _bisect(game, jnp.asarray(grid[padded]), jnp.asarray(grid[padded + 1]))
        profiles.append(np.asarray(found[0])[: len(block)])
        jumps.append(np.asarray(found[1])[: len(block)])
    return np.concatenate(profiles), np.concatenate(jumps)


@compiled
def _scan(game: ContinuousLogitGame, log_z: Float[Array, " points"]) -> Float[Array, " points"]:
    table = tabulate(game, COARSE_GRID)
    return jax.lax.map(lambda z: excess(game, table, z, steps=26)[0], log_z, batch_size=16)


@compiled
def _bisect(
    game: ContinuousLogitGame, low: Float[Array, " roots"], high: Float[Array, " roots"]
) -> tuple[Float[Array, "roots providers"], Bool[Array, " roots"]]:
    table = tabulate(game, COARSE_GRID)

    def one(ends):
        low, high = ends
        rises = excess(game, table, high, steps=40)[0] > 0

        def halve(_, ends):
            low, high = ends
            middle = low + (high - low) / 2
            beyond = (excess(game, table, middle, steps=40)[0] > 0) == rises
            return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

        low, high = jax.lax.fori_loop(0, 40, halve, (low, high))
        found = consistent(game, table, low, steps=40)
        return polish(game, found.log_compute), found.jumps.any()

    return jax.lax.map(one, (low, high), batch_size=ROOTS_PER_CALL)


@eqx.filter_jit
def _judge(game: ContinuousLogit, profiles: Float[Array, "candidates providers"], tolerance: Float[Array, ""]):
    def one(x):
        judged = continuous_regret(game, x, tolerance=tolerance)
        return judged.max_regret, judged.tolerance, game.welfare(x)

    return jax.lax.map(one, profiles)


def _certified(
    game: ContinuousLogit, profiles: np.ndarray, complete: bool, reason: str, skipped: int, tolerance: float
) -> ContinuousEquilibria:
    """Drop what the certificate refuses and what repeats, and sort by welfare."""
    anonymous = game.anonymous() if hasattr(game, "anonymous") else game
    # Padded to 4, 8, 16, ..., so that lists of different length share one compiled function.
    size = max(4, 1 << (len(profiles) - 1).bit_length())
    padded = np.concatenate([profiles, np.repeat(profiles[:1], size - len(profiles), axis=0)])
    judged = _judge(anonymous, jnp.asarray(padded), jnp.asarray(tolerance))
    regrets, tolerances, welfare = (np.asarray(x)[: len(profiles)] for x in judged)
    width = np.asarray(game.upper - game.lower)
    kept: list[int] = []
    for i in np.argsort(welfare, kind="stable"):
        new = all(np.any(np.abs(profiles[i] - profiles[j]) > SAME * width) for j in kept)
        if regrets[i] <= tolerances[i] and new:
            kept.append(int(i))
    if not kept:
        complete, reason = False, f"no candidate passed the certificate; smallest relative regret {regrets.min():.1e}"
    elif tolerances.max() > max(tolerance, LOOSEST):
        complete = False
        reason = f"users choose so sharply that rounding decides: gains below {tolerances.max():.1e} cannot be told"
    rows = jnp.asarray(profiles[kept])
    return ContinuousEquilibria(
        rows, jnp.asarray(welfare[kept]), jnp.asarray(regrets[kept]), complete, reason, skipped, float(tolerances.max())
    )
