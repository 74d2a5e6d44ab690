"""The certificate of continuous compute: how much any provider could gain by any other amount, from payoffs alone.

Every deviation is written out as a profile of its own, on a dense grid over the provider's whole interval; the best few
peaks of the grid are then polished by golden-section search. Nothing of a solver (attractions, sums of others,
derivatives) is used. Between the points of the grid a narrower peak could hide: ``points`` is the resolution.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from games.base import ContinuousGame, ContinuousLogitGame, require
from games.readable import readable
from solver.compile import compiled

DEFAULT_TOLERANCE = 1e-9
GOLDEN = (math.sqrt(5) - 1) / 2
PEAKS = 4
NEIGHBOURHOOD = 1e-3
BATCH = 256  # points looked at at once

LogCompute = Float[Array, " providers"]


class ContinuousRegret(eqx.Module):
    """Gains of unilateral deviations from one profile of compute.

    Args:
        regret: largest gain of every provider over its whole interval, dollars per query, at least 0.
        relative_regret: the same as a fraction of the provider's payoff, from logarithms.
        max_regret: the largest relative regret: ε of the ε-equilibrium; the same in any currency.
        local_regret: the largest relative gain of a change of compute of at most 0.1 % of the interval.
        best_choice: log compute that gains the most for every provider.
        tolerance: relative regret below which rounding decides: what was asked for, or more where the precision of the
            floats in use and the size of β·V do not allow it.
    """

    __repr__ = readable

    regret: LogCompute
    relative_regret: LogCompute
    max_regret: Float[Array, ""]
    local_regret: Float[Array, ""]
    best_choice: LogCompute
    tolerance: Float[Array, ""]

    @property
    def certified(self) -> bool:
        """Whether the profile is an equilibrium within the tolerance."""
        return bool(self.max_regret <= self.tolerance)

    def describe(self) -> str:
        """One line for people, with the tolerance and the precision it comes from."""
        digits = jnp.finfo(self.max_regret.dtype).bits
        verdict = "an equilibrium" if self.certified else "not an equilibrium"
        return (
            f"{verdict}: largest relative gain {float(self.max_regret):.1e}, tolerance {float(self.tolerance):.1e} "
            f"in {digits}-bit floats"
        )


def rounding_tolerance(
    game: ContinuousGame, log_compute: LogCompute, tolerance: float | Float[Array, ""]
) -> Float[Array, ""]:
    """The requested relative tolerance, raised to what the floats in use resolve where β·V is large."""
    size = jnp.ones(())
    if isinstance(game, ContinuousLogitGame):
        logs = jnp.concatenate([game.log_attraction(log_compute).ravel(), game.log_outside_attraction])
        size = jnp.maximum(1.0, jnp.max(jnp.where(jnp.isfinite(logs), jnp.abs(logs), 0.0)))
    return jnp.maximum(tolerance, 16 * jnp.finfo(log_compute.dtype).eps * size)


@compiled
def continuous_regret(
    game: ContinuousGame,
    log_compute: LogCompute,
    *,
    tolerance: float | Float[Array, ""] = DEFAULT_TOLERANCE,
    points: int = 1025,
) -> ContinuousRegret:
    """Certify a profile of compute.

    Args:
        game: any continuous game.
        log_compute: natural logarithm of every provider's tokens, ``[providers]``.
        tolerance: relative gain below which a deviation does not count; see ``ContinuousRegret.tolerance``.
        points: grid points over each provider's interval.

    Raises:
        InputError: the game lacks members of ``games.ContinuousGame``.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> bool(continuous_regret(game, game.lower).max_regret > 0.1)
        True
    """
    require(game, ContinuousGame, "continuous_regret")
    every = jnp.arange(log_compute.shape[0])

    def payoffs(choices: LogCompute) -> LogCompute:
        one = jax.vmap(lambda i, c: game.log_payoffs(log_compute.at[i].set(c))[i])
        return one(every, choices)

    return _judge(game, payoffs, log_compute, tolerance, points)


def quick_regret(
    game: ContinuousGame, log_compute: LogCompute, *, tolerance: float | Float[Array, ""], points: int
) -> ContinuousRegret:
    """The same search on the game's own deviation payoffs: N times cheaper, for use inside a solver's loop."""
    return _judge(game, lambda c: game.log_deviation_payoffs(log_compute, c), log_compute, tolerance, points)


def _judge(
    game: ContinuousGame,
    payoffs: Callable[[LogCompute], LogCompute],
    log_compute: LogCompute,
    tolerance: float | Float[Array, ""],
    points: int,
) -> ContinuousRegret:
    lower, upper = game.bounds
    global_grid = lower + jnp.linspace(0.0, 1.0, points)[:, None] * (upper - lower)
    # Offsets by powers of two: one of them takes at least 8/9 of what any small change gains on a parabola.
    offsets = NEIGHBOURHOOD * 2.0 ** -jnp.arange(24)
    steps = jnp.concatenate([jnp.zeros(1), offsets, -offsets]).astype(lower.dtype)[:, None] * (upper - lower)
    near_grid = jnp.clip(log_compute + steps, lower, upper)
    near_grid = near_grid.at[0].set(log_compute)
    grid = jnp.concatenate([near_grid, global_grid])
    # Filled up to whole batches: a rest would compile the game once more.
    rest = -len(grid) % BATCH
    values = jax.lax.map(payoffs, jnp.concatenate([grid, near_grid[:1].repeat(rest, axis=0)]), batch_size=BATCH)
    near, far = values[: len(near_grid)], values[len(near_grid) : len(grid)]
    stay = near[0]
    best, value = polish_peaks(payoffs, global_grid, far)
    nearest = jnp.argmax(near, axis=0)[None]
    near_best, near_value = (jnp.take_along_axis(x, nearest, axis=0)[0] for x in (near_grid, near))
    best, value = jnp.where(near_value > value, near_best, best), jnp.maximum(value, near_value)
    gain, near_gain = jnp.maximum(value - stay, 0.0), jnp.maximum(near_value - stay, 0.0)
    relative = jnp.expm1(gain)
    return ContinuousRegret(
        regret=jnp.exp(stay) * relative,
        relative_regret=relative,
        max_regret=relative.max(),
        local_regret=jnp.expm1(near_gain).max(),
        best_choice=jnp.where(gain > 0, best, log_compute),
        tolerance=rounding_tolerance(game, log_compute, tolerance),
    )


def polish_peaks(
    payoffs: Callable[[LogCompute], LogCompute],
    grid: Float[Array, "points providers"],
    values: Float[Array, "points providers"],
) -> tuple[LogCompute, LogCompute]:
    """Best choice of every provider near the highest peaks of a grid, and its log payoff."""
    points = grid.shape[0]
    padded = jnp.pad(values, ((1, 1), (0, 0)), constant_values=-jnp.inf)
    peak = (values >= padded[:-2]) & (values >= padded[2:])
    index = jax.lax.top_k(jnp.where(peak, values, -jnp.inf).T, min(PEAKS, points))[1].T
    left = jnp.take_along_axis(grid, jnp.maximum(index - 1, 0), axis=0)
    right = jnp.take_along_axis(grid, jnp.minimum(index + 1, points - 1), axis=0)
    every = jax.vmap(payoffs)

    def shrink(_, state):
        # Both points are looked at anew: to keep one from the round before would save little and compile the game once more.
        left, right, _, _ = state
        low, high = right - GOLDEN * (right - left), left + GOLDEN * (right - left)
        looked_at = jnp.concatenate([low, high])
        found = every(looked_at)
        keep_left = found[: len(low)] >= found[len(low) :]
        return jnp.where(keep_left, left, low), jnp.where(keep_left, high, right), looked_at, found

    nowhere = jnp.concatenate([left, right])
    state = jax.lax.fori_loop(0, 41, shrink, (left, right, nowhere, jnp.full_like(nowhere, -jnp.inf)))
    # The peaks of the grid stay candidates: at a bound the best point is the end itself.
    choices = jnp.concatenate([state[2], jnp.take_along_axis(grid, index, axis=0)])
    polished = jnp.concatenate([state[3], jnp.take_along_axis(values, index, axis=0)])
    polished = jnp.where(jnp.isnan(polished), -jnp.inf, polished)
    best = jnp.argmax(polished, axis=0)[None]
    return jnp.take_along_axis(choices, best, axis=0)[0], jnp.take_along_axis(polished, best, axis=0)[0]
