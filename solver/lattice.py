"""Least and greatest equilibrium of a logit game, and with them a certificate of uniqueness.

Order each provider's levels by the value V they give users. The best reply to a larger attraction of the others is
never a level of smaller V (log payoffs have increasing differences in V and R), so best replies from all-lowest climb to
the least equilibrium and from all-highest descend to the greatest (Topkis 1979; Milgrom & Roberts 1990). The same
holds for the lowest, respectively highest, reply *within a relative tolerance* of the best one, so that the two ends
enclose every ε-equilibrium: where they agree, it is the only one.

One sweep costs O(N·K): the providers behind the current one are summed once, those before it as they move.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from games.base import LogitGame, require_double_precision
from games.errors import InputError
from solver.compile import compiled

DEFAULT_TOLERANCE = 1e-9


class LatticeBounds(eqx.Module):
    """The ends of the equilibrium lattice; every equilibrium lies between them, level by level in V.

    Args:
        least: equilibrium of lowest user value, ``[providers]``.
        greatest: equilibrium of highest user value, ``[providers]``.
        unique: whether the ends agree, so that there is exactly one equilibrium within the tolerance.
        rank: position of each level when a provider's levels are ordered by V, ``[providers, levels]``.
        num_sweeps: sweeps over all providers that the slower end needed.
        tolerance: relative gain below which a deviation does not count.
    """

    least: Int[Array, " providers"]
    greatest: Int[Array, " providers"]
    unique: Bool[Array, ""]
    rank: Int[Array, "providers levels"]
    num_sweeps: Int[Array, ""]
    tolerance: Float[Array, ""]


class LogitArrays(NamedTuple):
    """A one-segment logit game as plain arrays of logarithms."""

    log_attraction: Float[Array, "providers levels"]
    log_unit_profit: Float[Array, "providers levels"]
    log_outside: Float[Array, ""]


def single_segment(game: LogitGame, solver: str) -> LogitArrays:
    """The arrays of a game with one segment of users.

    Raises:
        InputError: the game has several segments.
    """
    segments = game.log_attraction.shape[0]
    if segments != 1:
        raise InputError(f"{solver}: needs one segment of users, and this game has {segments}; solve each on its own")
    profit = game.unit_profit
    return LogitArrays(
        game.log_attraction[0],
        jnp.where(game.mask, jnp.log(jnp.where(game.mask, profit, 1.0)), -jnp.inf),
        game.log_outside_attraction[0],
    )


def effective_tolerance(arrays: LogitArrays, tolerance: float | Float[Array, ""]) -> Float[Array, ""]:
    """The requested relative tolerance, raised where β·V is so large that its rounding exceeds it."""
    logs = jnp.concatenate([arrays.log_attraction.ravel(), arrays.log_outside[None]])
    size = jnp.max(jnp.where(jnp.isfinite(logs), jnp.abs(logs), 0.0))
    return jnp.maximum(tolerance, 16 * jnp.finfo(logs.dtype).eps * size)


@compiled
def lattice_bounds(game: LogitGame, *, tolerance: float | Float[Array, ""] = DEFAULT_TOLERANCE) -> LatticeBounds:
    """Least and greatest equilibrium of a game with one segment of users.

    Args:
        game: a logit game; vmaps over whole markets.
        tolerance: relative gain in payoff below which a deviation does not count.

    Raises:
        InputError: several segments, for which the order theory does not hold.
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> from games import load_scenario
        >>> bounds = lattice_bounds(load_scenario("GSM8K/majority").game(rationality=1000))
        >>> bool(bounds.unique)
        True
    """
    require_double_precision("lattice_bounds")
    arrays = single_segment(game, "lattice_bounds")
    effective = effective_tolerance(arrays, tolerance)
    # Levels that do not exist rank behind all others, so that neither end ever picks them.
    key = jnp.where(game.mask, arrays.log_attraction, jnp.inf)
    rank = jnp.argsort(jnp.argsort(key, axis=1, stable=True), axis=1)
    count = game.mask.sum(axis=1, keepdims=True)
    orders = jnp.stack([rank, jnp.where(game.mask, count - 1 - rank, rank)])
    ends, sweeps = jax.vmap(lambda order: _climb(arrays, order, effective))(orders)
    return LatticeBounds(ends[0], ends[1], jnp.all(ends[0] == ends[1]), rank, sweeps.max(), effective)


def _climb(
    arrays: LogitArrays, order: Int[Array, "providers levels"], tolerance: Float[Array, ""]
) -> tuple[Int[Array, " providers"], Int[Array, ""]]:
    """Best replies from the first level of every provider in ``order``, ties to the first, until nobody moves."""
    providers, levels = order.shape

    def sweep(state):
        profile, _, sweeps = state
        chosen = jnp.take_along_axis(arrays.log_attraction, profile[:, None], axis=1)[:, 0]
        behind = jax.lax.cumlogsumexp(chosen, reverse=True)
        behind = jnp.append(behind[1:], -jnp.inf)

        def reply(before, row):
            attraction, log_profit, behind_it, rank = row
            others = jnp.logaddexp(before, behind_it)
            log_payoffs = log_profit + attraction - jnp.logaddexp(others, attraction)
            exists = jnp.isfinite(log_profit)
            level = first_best(jnp.where(exists, log_payoffs, -jnp.inf), rank, tolerance)
            return jnp.logaddexp(before, attraction[level]), level

        rows = (arrays.log_attraction, arrays.log_unit_profit, behind, order)
        _, replies = jax.lax.scan(reply, arrays.log_outside, rows)
        return replies, jnp.any(replies != profile), sweeps + 1

    start = (jnp.argmin(order, axis=1), jnp.array(True), jnp.array(0))
    profile, _, sweeps = jax.lax.while_loop(lambda s: s[1] & (s[2] <= providers * levels), sweep, start)
    return profile, sweeps


def first_best(
    log_payoffs: Float[Array, " levels"], order: Int[Array, " levels"], tolerance: Float[Array, ""]
) -> Int[Array, ""]:
    """Among the levels within ``tolerance`` of the best payoff, the one that comes first in ``order``."""
    good = log_payoffs >= log_payoffs.max() - jnp.log1p(tolerance)
    return jnp.argmin(jnp.where(good, order, order.size))
