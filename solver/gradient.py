"""Gradient dynamics: every provider climbs its own payoff, with any optax optimiser, within its bounds.

Provider i moves x_i = ln θ_i along d ln U_i/dx_i (or dU_i/dx_i; payoffs are of the order of 1e-5 dollars, so that the
logarithm is the default) by an optimiser that it shares with nobody, and is put back to its bound where it would leave
it. All at once, one after the other, with a look ahead (extragradient, Korpelevich 1976), or with the last gradient's
change added (optimistic, Popov 1980).

The play stops when nobody can gain by *any* amount of compute, on the search of ``solver.continuous_regret`` over every
provider's whole interval. Where no small change pays but a large one would, the status is ``LOCAL_OPTIMUM``: a point at which
learning rests, and no equilibrium.
"""

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from games.base import ContinuousGame, is_concrete, require
from games.errors import InputError, unknown_name
from games.readable import readable
from solver.compile import compiled
from solver.continuous_regret import DEFAULT_TOLERANCE, ContinuousRegret, continuous_regret, quick_regret
from solver.optimisers import check_optimiser
from solver.result import Status

LogCompute = Float[Array, " providers"]

# Resilient propagation (Riedmiller & Braun 1993) looks at the sign of the gradient alone and adapts each provider's
# step in ln θ: gradients of log payoffs span six orders of magnitude, and a step of fixed size would not settle.
DEFAULT_OPTIMISER = optax.rprop(0.05, eta_plus=1.2, max_step_size=0.3, min_step_size=1e-12)


class Update(enum.StrEnum):
    """How the gradient that a provider follows is taken."""

    SIMULTANEOUS = "simultaneous"
    ALTERNATING = "alternating"
    EXTRAGRADIENT = "extragradient"
    OPTIMISTIC = "optimistic"


class Ascent(enum.StrEnum):
    """What a provider climbs."""

    LOG_PAYOFF = "log_payoff"
    PAYOFF = "payoff"


class GradientSolution(eqx.Module):
    """Where gradient dynamics ended; leaves gain leading axes under ``vmap``.

    Args:
        log_compute: natural logarithm of every provider's tokens per query.
        payoffs: dollars per query of every provider.
        max_regret: largest relative gain of any other amount of compute, from ``solver.continuous_regret``.
        tolerance: what ``max_regret`` was held against; larger than asked for where the floats in use demand it.
        status: a ``Status`` as an integer.
        num_steps: steps taken.
        trajectory: log compute after every step, ``[max_steps + 1, providers]``, row 0 the start; rows behind
            ``num_steps`` repeat the end. ``None`` unless recorded.
    """

    __repr__ = readable

    log_compute: LogCompute
    payoffs: LogCompute
    max_regret: Float[Array, ""]
    tolerance: Float[Array, ""]
    status: Int[Array, ""]
    num_steps: Int[Array, ""]
    trajectory: Float[Array, "steps providers"] | None = None

    @property
    def compute(self) -> Float[Array, "*batch providers"]:
        """Tokens per query."""
        return jnp.exp(self.log_compute)

    @property
    def converged(self) -> bool:
        """Whether every solution in the (possibly batched) result is an equilibrium within its tolerance."""
        return bool(np.all(np.asarray(self.status) == Status.CONVERGED))

    def describe(self) -> str:
        """One line for people."""
        bits = jnp.finfo(self.max_regret.dtype).bits
        return (
            f"{Status(int(self.status)).text}; {int(self.num_steps)} steps, largest relative gain "
            f"{float(self.max_regret):.1e}, tolerance {float(self.tolerance):.1e} in {bits}-bit floats"
        )


class _Play(NamedTuple):
    log_compute: LogCompute
    optimiser_state: Any
    last_gradient: LogCompute


Gradient = Callable[[LogCompute], LogCompute]
Move = Callable[[LogCompute, Any, LogCompute], tuple[LogCompute, Any]]


def _simultaneous(gradient: Gradient, move: Move, play: _Play) -> _Play:
    return _Play(*move(play.log_compute, play.optimiser_state, gradient(play.log_compute)), play.last_gradient)


def _alternating(gradient: Gradient, move: Move, play: _Play) -> _Play:
    providers = play.log_compute.shape[0]

    def turn(provider, play):
        moved = _simultaneous(gradient, move, play)
        chosen = jnp.arange(providers) == provider

        def pick(new, old):
            return jnp.where(chosen.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)

        return jax.tree.map(pick, moved, play)

    return jax.lax.fori_loop(0, providers, turn, play)


def _extragradient(gradient: Gradient, move: Move, play: _Play) -> _Play:
    ahead, _ = move(play.log_compute, play.optimiser_state, gradient(play.log_compute))
    return _Play(*move(play.log_compute, play.optimiser_state, gradient(ahead)), play.last_gradient)


def _optimistic(gradient: Gradient, move: Move, play: _Play) -> _Play:
    now = gradient(play.log_compute)
    return _Play(*move(play.log_compute, play.optimiser_state, 2 * now - play.last_gradient), now)


UPDATES: dict[Update, Callable[[Gradient, Move, _Play], _Play]] = {
    Update.SIMULTANEOUS: _simultaneous,
    Update.ALTERNATING: _alternating,
    Update.EXTRAGRADIENT: _extragradient,
    Update.OPTIMISTIC: _optimistic,
}


def gradient_dynamics(
    game: ContinuousGame,
    *,
    start: LogCompute | None = None,
    update: Update | str = Update.SIMULTANEOUS,
    optimiser: optax.GradientTransformation = DEFAULT_OPTIMISER,
    ascent: Ascent | str = Ascent.LOG_PAYOFF,
    tolerance: float = DEFAULT_TOLERANCE,
    max_steps: int = 2000,
    check_every: int = 50,
    points: int = 513,
    record: bool = False,
) -> GradientSolution:
    """Let every provider learn its compute by gradient ascent.

    Args:
        game: any continuous game; jits, and vmaps over starts, rationality and whole games.
        start: first log compute, ``[providers]``; the middle of every interval by default.
        update: ``"simultaneous"``, ``"alternating"``, ``"extragradient"`` or ``"optimistic"``.
        optimiser: any optax optimiser that needs gradients only; build it once, since every new one compiles anew.
            Steps are in ln θ. With a fixed step the play need not settle: decay it.
        ascent: ``"log_payoff"`` or ``"payoff"``.
        tolerance: relative regret at which to stop; see ``ContinuousRegret.tolerance``.
        max_steps: steps after which to give up; an alternating step moves everybody once.
        check_every: steps between two looks at the regret.
        points: grid points over each interval on which the regret is searched.
        record: keep the profile after every step in ``trajectory``.

    Raises:
        InputError: an unknown update or ascent, a start outside the bounds, an optimiser that needs more than
            gradients, or a game that lacks members of ``games.ContinuousGame``.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> learned = gradient_dynamics(ContinuousCompute(scenario.market, scenario.users.with_rationality(200)))
        >>> learned.converged
        True
    """
    require(game, ContinuousGame, "gradient dynamics")
    check_optimiser(optimiser, "gradient dynamics")
    how, what = _member(Update, update), _member(Ascent, ascent)
    lower, upper = game.bounds
    first = (lower + upper) / 2 if start is None else jnp.asarray(start, lower.dtype)
    if is_concrete(first, lower, upper) and not bool(jnp.all((first >= lower) & (first <= upper))):
        raise InputError("gradient dynamics: start leaves the bounds; give the logarithm of tokens within game.bounds")
    return _run(game, first, tolerance, optimiser, how, what, max_steps, check_every, points, record)


def _member(kind, value):
    try:
        return kind(value)
    except ValueError:
        raise unknown_name(kind.__name__.lower(), str(value), [str(member) for member in kind]) from None


@compiled
def _run(
    game: ContinuousGame,
    start: LogCompute,
    tolerance: float | Float[Array, ""],
    optimiser: optax.GradientTransformation,
    update: Update,
    ascent: Ascent,
    max_steps: int,
    check_every: int,
    points: int,
    record: bool,
) -> GradientSolution:
    end = play(game, start, tolerance, optimiser, update, ascent, max_steps, check_every, points, record)
    judged = continuous_regret(game, end.log_compute, tolerance=tolerance, points=points)
    return eqx.tree_at(lambda s: (s.max_regret, s.tolerance), end, (judged.max_regret, judged.tolerance))


def play(
    game: ContinuousGame,
    start: LogCompute,
    tolerance: float | Float[Array, ""],
    optimiser: optax.GradientTransformation,
    update: Update,
    ascent: Ascent,
    max_steps: int,
    check_every: int,
    points: int,
    record: bool,
) -> GradientSolution:
    """``gradient_dynamics`` with the regret of the loop in place of the certificate, for use inside ``vmap``."""
    lower, upper = game.bounds
    step = UPDATES[update]

    def gradient(x: LogCompute) -> LogCompute:
        log_payoffs, pull = jax.vjp(lambda choice: game.log_deviation_payoffs(x, choice), x)
        weight = jnp.exp(log_payoffs) if ascent is Ascent.PAYOFF else jnp.ones_like(log_payoffs)
        return pull(weight)[0]

    def move(x: LogCompute, state: Any, direction: LogCompute) -> tuple[LogCompute, Any]:
        change, state = jax.vmap(optimiser.update)(-direction, state, x)
        return jnp.clip(x + change, lower, upper), state

    def block(carry):
        state, steps, _, trajectory, _ = carry

        def one(offset, inner):
            state, trajectory = inner
            state = step(gradient, move, state)
            if trajectory is not None:
                trajectory = trajectory.at[steps + offset + 1].set(state.log_compute)
            return state, trajectory

        size = jnp.minimum(check_every, max_steps - steps)
        state, trajectory = jax.lax.fori_loop(0, size, one, (state, trajectory))
        judged = quick_regret(game, state.log_compute, tolerance=tolerance, points=points)
        return state, steps + size, _status(judged), trajectory, (judged.max_regret, judged.tolerance)

    first = _Play(start, jax.vmap(optimiser.init)(start), gradient(start))
    trajectory = jnp.broadcast_to(start, (max_steps + 1, start.shape[0])) if record else None
    running = int(Status.MAX_ROUNDS)
    unknown = jnp.full((), jnp.inf, start.dtype)
    carry = (first, jnp.array(0), jnp.array(running), trajectory, (unknown, unknown))
    state, steps, status, trajectory, judged = jax.lax.while_loop(
        lambda c: (c[2] == running) & (c[1] < max_steps), block, carry
    )
    end = state.log_compute
    if trajectory is not None:
        trajectory = jnp.where(jnp.arange(max_steps + 1)[:, None] <= steps, trajectory, end)
    return GradientSolution(end, game.payoffs(end), *judged, status, steps, trajectory)


def _status(judged: ContinuousRegret) -> Int[Array, ""]:
    """Equilibrium, local optimum, or still moving."""
    # The look around finds most, not all, of what a small change gains: a regret just above the tolerance may still be
    # local, and the play goes on.
    unclear = (judged.max_regret > judged.tolerance) & (judged.max_regret <= 2 * judged.tolerance)
    rests = (judged.local_regret <= judged.tolerance) & ~unclear
    resting = jnp.where(judged.max_regret <= judged.tolerance, int(Status.CONVERGED), int(Status.LOCAL_OPTIMUM))
    return jnp.where(rests, resting, int(Status.MAX_ROUNDS))
