"""Continuous equilibria through one number: the sum Z of everybody's attraction.

With one segment of users, provider i's log payoff at attraction a = e^v, v = βV, unit profit m and R = e^{βV0} + Σ_{j≠i} a_j is

    ln U_i = ln m − ln(1 + R/a),

so that its best reply depends on R alone. The cross derivative in v and ln R is positive: a larger R is never answered
by a smaller v (Topkis 1979). Three things follow. Best replies from the lowest and from the highest attractions run
monotonically to the least and the greatest equilibrium, and an equilibrium in pure strategies exists even where best replies
jump. If the two ends agree, there is one equilibrium. And Z = R + a increases with R, so that a given Z admits at most one
choice of a provider: all equilibria form a chain, and each is a root of Σ_i s_i(Z) + e^{βV0}/Z − 1 in the one unknown Z.
Where a best reply jumps, Z skips an interval; a root inside it is no equilibrium, and is dropped.

See docs/theory/continuous.md. This is the aggregate-games method of Selten (1970) and Nocke & Schutz (Econometrica 86, 2018).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from games import demand
from games.base import ContinuousLogitGame, require
from games.errors import InputError
from games.readable import readable
from solver.compile import compiled

GRID = 769
PEAKS = 3
MAX_SWEEPS = 400
# ln(R/Z) below which a provider that is not at a bound does not occur: 1 − s would be under 1e-26.
LOWEST_LOG_RATIO = -60.0

LogCompute = Float[Array, " providers"]


class ContinuousBounds(eqx.Module):
    """The ends of the chain of continuous equilibria; every equilibrium lies between them, in users' value V.

    Args:
        least: log compute in the equilibrium of lowest user value, ``[providers]``.
        greatest: log compute in the equilibrium of highest user value, ``[providers]``.
        unique: whether best replies from both ends met, which proves that there is one equilibrium.
        converged: whether each end was reached, ``[2]``. One that was not (best replies undercut each other in steps of
            1/β, and the number of sweeps is limited) is where Newton's method led from there, or the last profile:
            ``solver.continuous_equilibria`` then searches between, and ``solver.continuous_regret`` tells.
        log_z: ln Z that the iteration from below and from above reached, ``[2]``; every equilibrium lies between.
        num_sweeps: simultaneous best replies that the slower end took.
    """

    __repr__ = readable

    least: LogCompute
    greatest: LogCompute
    unique: Bool[Array, ""]
    converged: Bool[Array, " ends"]
    log_z: Float[Array, " ends"]
    num_sweeps: Int[Array, ""]


class _Table(NamedTuple):
    """A one-segment game on a grid over every provider's interval."""

    log_compute: Float[Array, "points providers"]
    log_attraction: Float[Array, "points providers"]
    log_unit_profit: Float[Array, "points providers"]


@compiled
def continuous_bounds(game: ContinuousLogitGame, *, grid: int = GRID) -> ContinuousBounds:
    """Least and greatest equilibrium of continuous compute with one segment of users, to machine precision.

    Args:
        game: a continuous logit game; jits, and vmaps over whole games.
        grid: points on which each provider's interval is searched for its best reply before polishing.

    Raises:
        InputError: several segments, for which the order theory does not hold, or no continuous logit game; use
            ``solver.gradient_dynamics``.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> bounds = continuous_bounds(ContinuousCompute(scenario.market, scenario.users))
        >>> bool(bounds.unique)
        True
    """
    require(game, ContinuousLogitGame, "continuous_bounds", "let solver.gradient_dynamics play it")
    table = tabulate(game, grid)
    ends = jnp.stack([table.log_attraction.min(axis=0), table.log_attraction.max(axis=0)])
    log_outside = game.log_outside_attraction[0]
    lower, upper = game.bounds
    settled = 64 * jnp.finfo(lower.dtype).eps * (1 + jnp.abs(lower) + jnp.abs(upper))

    def sweep(state):
        choice, _, attraction, sweeps = state
        reply = best_replies(game, table, demand.log_sum_of_others(attraction, log_outside))
        moving = jnp.any(jnp.abs(reply - choice) > settled)
        return reply, moving, game.log_attraction(reply)[0], sweeps + 1

    def climb(attraction):
        start = (jnp.full_like(lower, jnp.inf), jnp.array(True), attraction, jnp.array(0))
        return jax.lax.while_loop(lambda s: s[1] & (s[3] < MAX_SWEEPS), sweep, start)

    choice, moving, attraction, sweeps = jax.vmap(climb)(ends)
    width = jnp.maximum(upper - lower, jnp.finfo(lower.dtype).tiny)
    met = jnp.max(jnp.abs(choice[0] - choice[1]) / width) < 1e-6
    polished = jax.vmap(lambda x: polish(game, x))(choice)
    log_z = demand.log_sum(attraction, jnp.broadcast_to(log_outside, (2,)))
    return ContinuousBounds(polished[0], jnp.where(met, polished[0], polished[1]), met, ~moving, log_z, sweeps.max())


def tabulate(game: ContinuousLogitGame, points: int) -> _Table:
    """The game on an even grid of log compute.

    Raises:
        InputError: the game has several segments.
    """
    segments = game.log_outside_attraction.shape[0]
    if segments != 1:
        raise InputError(
            f"continuous equilibria: needs one segment of users, and this game has {segments}; solve each on its own, or "
            "let providers learn with gradient_dynamics"
        )
    lower, upper = game.bounds
    grid = lower + jnp.linspace(0.0, 1.0, points)[:, None] * (upper - lower)
    return _Table(grid, jax.vmap(game.log_attraction)(grid)[:, 0], jax.vmap(game.log_unit_profit)(grid))


def best_replies(
    game: ContinuousLogitGame, table: _Table, log_others: LogCompute, *, steps: int = 50, peaks: int = PEAKS
) -> LogCompute:
    """Every provider's best reply to ln R, over its whole interval: the best peaks of the grid, then bisection.

    Args:
        game: one segment.
        table: the game on a grid.
        log_others: ln R that each provider faces.
        steps: halvings of a grid cell.
        peaks: local maxima of the grid that are polished; the best one then wins.
    """
    values = table.log_unit_profit - jax.nn.softplus(log_others - table.log_attraction)
    padded = jnp.pad(values, ((1, 1), (0, 0)), constant_values=-jnp.inf)
    is_peak = (values >= padded[:-2]) & (values >= padded[2:])
    height, index = (x.T for x in jax.lax.top_k(jnp.where(is_peak, values, -jnp.inf).T, peaks))
    last = values.shape[0] - 1
    low = jnp.take_along_axis(table.log_compute, jnp.maximum(index - 1, 0), axis=0)
    high = jnp.take_along_axis(table.log_compute, jnp.minimum(index + 1, last), axis=0)

    def log_payoffs(choice: LogCompute) -> LogCompute:
        return game.log_unit_profit(choice) - jax.nn.softplus(log_others - game.log_attraction(choice)[0])

    slopes = jax.vmap(jax.grad(lambda choice: log_payoffs(choice).sum()))
    # A bound is the answer where the payoff does not fall towards the inside.
    slope_low, slope_high = jnp.split(slopes(jnp.concatenate([low, high])), 2)
    at_low, at_high = (slope_low <= 0) & (index == 0), (slope_high >= 0) & (index == last)

    def halve(_, ends):
        low, high = ends
        middle = low + (high - low) / 2
        rises = slopes(middle) > 0
        return jnp.where(rises, middle, low), jnp.where(rises, high, middle)

    left, right = jax.lax.fori_loop(0, steps, halve, (low, high))
    choice = jnp.where(at_low, low, jnp.where(at_high, high, left + (right - left) / 2))
    # Where a provider has fewer peaks, the rest of the list is no candidate.
    best = jnp.argmax(jnp.where(jnp.isfinite(height), jax.vmap(log_payoffs)(choice), -jnp.inf), axis=0)[None]
    return jnp.take_along_axis(choice, best, axis=0)[0]


class Consistent(NamedTuple):
    """The choice of every provider that is consistent with a total Z.

    Args:
        log_compute: the choice.
        share: its attraction over Z, 1 − R/Z; also where Z lies in a jump, and then for no choice at all.
        jumps: whether the best reply jumps across this Z, so that no choice is consistent with it.
    """

    log_compute: LogCompute
    share: LogCompute
    jumps: Bool[Array, " providers"]


def consistent(game: ContinuousLogitGame, table: _Table, log_z: Float[Array, ""], *, steps: int) -> Consistent:
    """Solve R + a(best reply to R) = Z for every provider, by bisection: the left side increases in R."""
    low = jnp.full(table.log_attraction.shape[1], LOWEST_LOG_RATIO, log_z.dtype)

    def reply(log_ratio: LogCompute) -> LogCompute:
        return best_replies(game, table, log_z + log_ratio, steps=steps)

    def halve(_, ends):
        low, high = ends
        middle = low + (high - low) / 2
        too_much = jnp.logaddexp(middle, game.log_attraction(reply(middle))[0] - log_z) > 0
        return jnp.where(too_much, low, middle), jnp.where(too_much, middle, high)

    low, high = jax.lax.fori_loop(0, steps + 8, halve, (low, jnp.zeros_like(low)))
    below, above = reply(low), reply(high)
    # Both ends are the same reply up to rounding, unless the reply jumps between them.
    cell = table.log_compute[1] - table.log_compute[0]
    return Consistent(below, -jnp.expm1(low), jnp.abs(above - below) > 0.5 * cell)


def excess(
    game: ContinuousLogitGame, table: _Table, log_z: Float[Array, ""], *, steps: int
) -> tuple[Float[Array, ""], Consistent]:
    """Σ s_i(Z) + e^{βV0}/Z − 1: zero at an equilibrium, positive where providers want more than Z."""
    found = consistent(game, table, log_z, steps=steps)
    return found.share.sum() + jnp.exp(game.log_outside_attraction[0] - log_z) - 1, found


def own_slopes(game: ContinuousLogitGame, log_compute: LogCompute) -> LogCompute:
    """Derivative of every provider's log payoff in its own log compute."""
    return jax.grad(lambda choice: game.log_deviation_payoffs(log_compute, choice).sum())(log_compute)


def first_order(
    game: ContinuousLogitGame, log_compute: LogCompute
) -> tuple[LogCompute, Float[Array, "providers providers"]]:
    """``own_slopes`` and its Jacobian.

    With one segment, v = βV, o_i = ln R_i and σ = 1/(1 + e^{v−o}), the slope of ln U_i is m_i' + v_i'σ_i, where m = ln of unit
    profit, and o_i moves with x_j by e^{v_j − o_i} v_j'. Written out, that takes a fifth of the time to compile.
    """
    if game.log_outside_attraction.shape[0] > 1:
        return own_slopes(game, log_compute), jax.jacfwd(lambda x: own_slopes(game, x))(log_compute)
    one = jnp.ones_like(log_compute)

    def curves(x: LogCompute) -> tuple[LogCompute, LogCompute]:
        return game.log_unit_profit(x), game.log_attraction(x)[0]

    def with_slopes(x: LogCompute) -> tuple[tuple[LogCompute, LogCompute], tuple[LogCompute, LogCompute]]:
        return jax.jvp(curves, (x,), (one,))

    ((_, v), (profit_slope, slope)), (_, (profit_bend, bend)) = jax.jvp(with_slopes, (log_compute,), (one,))
    others = demand.log_sum_of_others(v, game.log_outside_attraction[0])
    lost, kept = jax.nn.sigmoid(others - v), jax.nn.sigmoid(v - others)
    own = jnp.eye(v.size, dtype=bool)
    rivals = jnp.exp(jnp.where(own, -jnp.inf, v - others[:, None])) * slope
    jacobian = jnp.where(
        own, profit_bend + bend * lost - slope**2 * lost * kept, (slope * lost * kept)[:, None] * rivals
    )
    return profit_slope + slope * lost, jacobian


def binding(game: ContinuousLogitGame, log_compute: LogCompute, slopes: LogCompute) -> Bool[Array, " providers"]:
    """Which providers sit at a bound that they would like to cross."""
    lower, upper = game.bounds
    return ((log_compute <= lower) & (slopes <= 0)) | ((log_compute >= upper) & (slopes >= 0))


def polish(game: ContinuousLogitGame, log_compute: LogCompute, *, max_steps: int = 12) -> LogCompute:
    """Newton's method on the first-order conditions of the providers that no bound holds, while it helps."""
    lower, upper = game.bounds

    def system(x: LogCompute) -> tuple[LogCompute, Float[Array, ""]]:
        slopes, jacobian = first_order(game, x)
        held = binding(game, x, slopes)
        jacobian = jnp.where(held[:, None] | held[None, :], jnp.eye(x.size), jacobian)
        step = -jnp.linalg.solve(jacobian, jnp.where(held, 0.0, slopes))
        return step, jnp.max(jnp.where(held, 0.0, jnp.abs(slopes)))

    def advance(state):
        x, step, residual, _, count = state
        trial = jnp.clip(x + step, lower, upper)
        new_step, new_residual = system(trial)
        # Written so that a NaN counts as no help.
        helps = new_residual < residual
        old, new = (x, step, residual), (trial, new_step, new_residual)
        return (*jax.tree.map(lambda o, n: jnp.where(helps, n, o), old, new), helps, count + 1)

    # The first round only measures where we are.
    state = (
        log_compute,
        jnp.zeros_like(log_compute),
        jnp.full((), jnp.inf, lower.dtype),
        jnp.array(True),
        jnp.array(0),
    )
    return jax.lax.while_loop(lambda s: s[3] & (s[4] <= max_steps), advance, state)[0]
