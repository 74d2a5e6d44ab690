"""What solvers read from a game, with the levels that do not exist struck out by its ``mask``.

The padding of a ragged game may hold anything (nan, infinities, numbers that look real): protocols promise -inf or 0
there, but a game of one's own need not keep that promise, and a solver that believed it would call a level that does not
exist an equilibrium. Solvers therefore read games through these functions and never look at padding.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from games.base import FiniteGame, LogFiniteGame, LogitGame


def deviation_payoffs(game: FiniteGame, profile: Int[Array, " providers"]) -> Float[Array, "providers levels"]:
    """Payoff of every unilateral deviation, dollars per query; -inf where no level exists.

    Example:
        >>> from games import NormalForm
        >>> ragged = NormalForm(jnp.array([[7.0, jnp.nan]]), jnp.array([[True, False]]))
        >>> deviation_payoffs(ragged, jnp.array([0])).tolist()
        [[7.0, -inf]]
    """
    return jnp.where(game.mask, game.deviation_payoffs(profile), -jnp.inf)


def log_deviation_payoffs(game: LogFiniteGame, profile: Int[Array, " providers"]) -> Float[Array, "providers levels"]:
    """Natural logarithm of every deviation's payoff; -inf where no level exists."""
    return jnp.where(game.mask, game.log_deviation_payoffs(profile), -jnp.inf)


def provider_log_payoffs(
    game: LogFiniteGame, profile: Int[Array, " providers"], provider: Int[Array, ""]
) -> Float[Array, " levels"]:
    """One row of ``log_deviation_payoffs``."""
    return jnp.where(game.mask[provider], game.provider_log_payoffs(profile, provider), -jnp.inf)


def log_attraction(game: LogitGame) -> Float[Array, "segments providers levels"]:
    """β·V of every level; -inf where no level exists."""
    return jnp.where(game.mask, game.log_attraction, -jnp.inf)


def surplus(game: LogitGame) -> Float[Array, "segments providers levels"]:
    """Quality less cost, in dollars per query served; -inf where no level exists."""
    return jnp.where(game.mask, game.surplus, -jnp.inf)


def log_unit_profit(game: LogitGame) -> Float[Array, "providers levels"]:
    """ln of price less cost, in dollars per query sold; -inf where no level exists."""
    return jnp.where(game.mask, jnp.log(jnp.where(game.mask, game.unit_profit, 1.0)), -jnp.inf)


def first_levels(game: FiniteGame) -> Int[Array, "providers levels"]:
    """The levels that exist, first in every row and in their order: entry k is the k-th level of a provider."""
    return jnp.argsort(~game.mask, axis=1, stable=True)
