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

from games.base import LogitGame, require, require_double_precision
from games.errors import InputError
from games.readable import readable
from solver import masked
from solver.compile import compiled

DEFAULT_TOLERANCE = 1e-9
# Where the rounding of β·V exceeds this fraction of a payoff, a list of equilibria is not called complete.
LOOSEST = 1e-6
COUNTED = 32  # levels up to which ranks are counted


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

    __repr__ = readable

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
        InputError: the game has several segments, or is no logit game.
    """
    require(game, LogitGame, solver)
    segments = game.log_attraction.shape[0]
    if segments != 1:
        raise InputError(f"{solver}: needs one segment of users, and this game has {segments}; solve each on its own")
    return LogitArrays(masked.log_attraction(game)[0], masked.log_unit_profit(game), game.log_outside_attraction[0])


def effective_tolerance(arrays: LogitArrays, tolerance: float | Float[Array, ""]) -> Float[Array, ""]:
    """The requested relative tolerance, raised where β·V is so large that its rounding exceeds it."""
    return jnp.maximum(tolerance, resolution(arrays.log_attraction, arrays.log_outside))


def resolution(
    log_attraction: Float[Array, "*segments providers levels"], log_outside: Float[Array, "*segments"]
) -> Float[Array, ""]:
    """Relative error of a payoff that the rounding of β·V makes: sixteen roundings of the largest |β·V|.

    Example:
        >>> float(resolution(jnp.full((1, 1, 1), 1e16), jnp.zeros(1))) > 1
        True
    """
    size = sharpness(log_attraction, log_outside)
    return 16 * jnp.finfo(size.dtype).eps * size


def sharpness(
    log_attraction: Float[Array, "*segments providers levels"], log_outside: Float[Array, "*segments"]
) -> Float[Array, ""]:
    """The largest finite |β·V|, that of the outside option included.

    Example:
        >>> float(sharpness(jnp.full((1, 1, 1), 3.0), jnp.full(1, -4.0)))
        4.0
    """
    logs = jnp.concatenate([log_attraction.ravel(), log_outside.ravel()])
    return jnp.max(jnp.where(jnp.isfinite(logs), jnp.abs(logs), 0.0))


@compiled
def lattice_bounds(game: LogitGame, *, tolerance: float | Float[Array, ""] = DEFAULT_TOLERANCE) -> LatticeBounds:
    """Least and greatest equilibrium of a game with one segment of users.

    Args:
        game: a logit game; vmaps over whole markets.
        tolerance: relative gain in payoff below which a deviation does not count.

    Raises:
        InputError: several segments, for which the order theory does not hold; or no logit game.
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
    rank = _ranks(key)
    count = game.mask.sum(axis=1, keepdims=True)
    orders = jnp.stack([rank, jnp.where(game.mask, count - 1 - rank, rank)])
    ends, sweeps = jax.vmap(lambda order: _climb(arrays, order, effective))(orders)
    return LatticeBounds(ends[0], ends[1], jnp.all(ends[0] == ends[1]), rank, sweeps.max(), effective)


def _ranks(key: Float[Array, "providers levels"]) -> Int[Array, "providers levels"]:
    """Position of every entry in its row when sorted, ties in their order."""
    levels = jnp.arange(key.shape[1])
    if key.shape[1] > COUNTED:
        return jnp.argsort(jnp.argsort(key, axis=1, stable=True), axis=1)
    # Short rows: counting what lies ahead vectorises over markets, sorting does not.
    one, other = key[:, :, None], key[:, None, :]
    return ((other < one) | ((other == one) & (levels < levels[:, None]))).sum(axis=2)


def _climb(
    arrays: LogitArrays, order: Int[Array, "providers levels"], tolerance: Float[Array, ""]
) -> tuple[Int[Array, " providers"], Int[Array, ""]]:
    """Best replies from the first level of every provider in ``order``, ties to the first, until nobody moves."""
    providers, levels = order.shape
    most = jnp.max(arrays.log_unit_profit, axis=1, keepdims=True)
    inverse_profit = jnp.exp(jnp.where(jnp.isfinite(most), most, 0.0) - arrays.log_unit_profit)

    def sweep(state):
        profile, chosen, _, sweeps = state
        # Sums over the providers behind each one. A scan, not cumlogsumexp, which costs twice the rest of the sweep.
        _, behind = jax.lax.scan(lambda sum_, a: (jnp.logaddexp(sum_, a), sum_), nothing, chosen, reverse=True)

        def reply(before, row):
            attraction, inverse, behind_it, rank = row
            others = jnp.logaddexp(before, behind_it)
            log_odds = jnp.where(jnp.isfinite(attraction), others - attraction, jnp.inf)
            level = first_best(_inverse_payoffs(log_odds, inverse), rank, tolerance)
            return jnp.logaddexp(before, attraction[level]), (level, attraction[level])

        rows = (arrays.log_attraction, inverse_profit, behind, order)
        _, (replies, chosen) = jax.lax.scan(reply, arrays.log_outside, rows)
        return replies, chosen, jnp.any(replies != profile), sweeps + 1

    nothing = jnp.full_like(arrays.log_outside, -jnp.inf)
    start = jnp.argmin(order, axis=1)
    chosen = jnp.take_along_axis(arrays.log_attraction, start[:, None], axis=1)[:, 0]
    first = (start, chosen, jnp.array(True), jnp.array(0))
    profile, _, _, sweeps = jax.lax.while_loop(lambda s: s[2] & (s[3] <= providers * levels), sweep, first)
    return profile, sweeps


def _inverse_payoffs(
    log_odds: Float[Array, " levels"], inverse_profit: Float[Array, " levels"]
) -> Float[Array, " levels"]:
    """1/U = (1 + R/a)/m up to a factor that all levels share; ``log_odds`` = ln R/a, one exponential a level.

    The factor makes the sum of the level that users like best 1 to 2, so that nothing overflows that could be a reply.
    """
    shift = jnp.clip(log_odds.min(), 0.0, jnp.finfo(log_odds.dtype).max)
    return (jnp.exp(-shift) + jnp.exp(log_odds - shift)) * inverse_profit


def first_best(
    inverse_payoffs: Float[Array, " levels"], order: Int[Array, " levels"], tolerance: Float[Array, ""]
) -> Int[Array, ""]:
    """Among the levels within ``tolerance`` of the best payoff, the one that comes first in ``order``."""
    good = inverse_payoffs <= inverse_payoffs.min() * (1 + tolerance)
    return jnp.argmin(jnp.where(good, order, order.size))
