"""Tune instruments for the equilibrium they lead to: gradient search with derivatives through the equilibrium.

A regulator or a platform sets t (a cap, a levy, a margin, ...) within bounds, providers answer with the equilibrium x(t), and

    max_t objective(game(t), x(t))

is climbed by L-BFGS-B (Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput. 16, 1995; SciPy's) on the total derivative from
``solver.sensitivity``, from several starts: the objective has kinks where bounds begin to bind and jumps where best replies
jump, and a gradient sees neither. The best point that any search looked at is returned, with its certificate.
"""

import dataclasses
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int
from scipy.optimize import minimize

from games.errors import InputError
from games.readable import readable
from games.smooth import ContinuousLogit
from solver.compile import compiled
from solver.continuous_regret import continuous_regret
from solver.sensitivity import DifferentiableEquilibrium, Regularity, differentiable_equilibrium

Objective = Callable[[ContinuousLogit, Float[Array, " providers"]], Float[Array, ""]]
GameOf = Callable[[Float[Array, " parameters"]], ContinuousLogit]


def welfare(game: ContinuousLogit, log_compute: Float[Array, " providers"]) -> Float[Array, ""]:
    """Share-weighted surplus, dollars per query; levies are transfers."""
    return game.welfare(log_compute)


def user_value(game: ContinuousLogit, log_compute: Float[Array, " providers"]) -> Float[Array, ""]:
    """What users get if choice is noise, dollars per query."""
    return game.expected_user_value(log_compute)


class TunedOutcome(eqx.Module):
    """One setting of the instruments and the equilibrium it leads to; money in dollars per query.

    Args:
        parameters: the setting.
        objective: what was maximised.
        welfare, user_value, profit, revenue: welfare is the sum of the other three.
        log_compute: natural logarithm of tokens per query, ``[providers]``.
        max_regret: independent certificate of the equilibrium, relative.
        unique: whether it is proved to be the only equilibrium; if not, it is the one of lowest user value.
        regularity: a ``Regularity`` as an integer: whether the objective has a derivative there.
    """

    __repr__ = readable

    parameters: Float[Array, " parameters"]
    objective: Float[Array, ""]
    welfare: Float[Array, ""]
    user_value: Float[Array, ""]
    profit: Float[Array, ""]
    revenue: Float[Array, ""]
    log_compute: Float[Array, " providers"]
    max_regret: Float[Array, ""]
    unique: Array
    regularity: Int[Array, ""]

    def describe(self) -> str:
        """One line for people."""
        money = (
            f"welfare {float(self.welfare):.6g}, users {float(self.user_value):.6g}, providers {float(self.profit):.6g}"
        )
        setting = ", ".join(f"{float(p):.6g}" for p in self.parameters)
        return f"at {setting}: {money}, levies {float(self.revenue):.6g}; {Regularity(int(self.regularity)).text}"


@dataclasses.dataclass(frozen=True)
class Tuning:
    """Before and after.

    Args:
        before: the outcome at the start.
        after: the best outcome found.
        evaluations: settings that were solved.
    """

    __repr__ = readable

    before: TunedOutcome
    after: TunedOutcome
    evaluations: int

    @property
    def gain(self) -> float:
        """How much the objective rose, dollars per query."""
        return float(self.after.objective - self.before.objective)

    def describe(self) -> str:
        """Two lines for people."""
        return f"before {self.before.describe()}\nafter  {self.after.describe()}"


def tune(
    game_of: GameOf,
    start: Sequence[float] | ArrayLike,
    *,
    lower: Sequence[float] | ArrayLike,
    upper: Sequence[float] | ArrayLike,
    objective: Objective = welfare,
    num_starts: int = 4,
    seed: int = 0,
    max_iterations: int = 100,
) -> Tuning:
    """Find the setting of the instruments whose equilibrium is best.

    Args:
        game_of: builds the game from a setting ``[parameters]``; see ``games.instruments``.
        start: the setting to compare with, and the first start.
        lower, upper: bounds of the setting.
        objective: ``solver.tuning.welfare``, ``solver.tuning.user_value``, or any function of game and log compute.
        num_starts: searches; all but the first start at random settings.
        seed: of the random settings.
        max_iterations: of each search.

    Raises:
        InputError: the bounds are not finite or do not enclose the start.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> from games.instruments import cap_compute
        >>> scenario = load_scenario("GSM8K/reasoning_effort")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> found = tune(lambda t: cap_compute(game, t[0]), [2000.0], lower=[500.0], upper=[2000.0], num_starts=2)
        >>> found.gain > 0
        True
    """
    first, low, high = (np.atleast_1d(np.asarray(x, float)) for x in (start, lower, upper))
    if not (first.shape == low.shape == high.shape and np.all(np.isfinite(low) & np.isfinite(high) & (low < high))):
        raise InputError("tune: start, lower and upper must have one length, and lower < upper must be finite")
    if not np.all((first >= low) & (first <= high)):
        raise InputError(f"tune: start {first} lies outside [{low}, {high}]; move it or widen the bounds")

    def total(t: Float[Array, " parameters"]) -> tuple[Float[Array, ""], DifferentiableEquilibrium]:
        game = game_of(t)
        equilibrium = differentiable_equilibrium(game)
        return objective(game, equilibrium.log_compute), equilibrium

    climb = jax.jit(jax.value_and_grad(total, has_aux=True))
    seen: list[tuple[float, np.ndarray, DifferentiableEquilibrium]] = []

    def evaluate(unit: np.ndarray) -> tuple[float, np.ndarray]:
        setting = low + unit * (high - low)
        (value, equilibrium), slope = climb(jnp.asarray(setting, float))
        seen.append((float(value), setting, equilibrium))
        return float(value), np.asarray(slope, float) * (high - low)

    value, slope = evaluate((first - low) / (high - low))
    # The optimiser's tolerances are absolute: measure in units of what there is to gain by moving across the bounds.
    unit = max(abs(value), float(np.max(np.abs(slope)))) or 1.0

    def down(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = evaluate(x)
        return -value / unit, -slope / unit

    random = np.random.default_rng(seed).uniform(size=(num_starts - 1, len(first)))
    for x in [(first - low) / (high - low), *random]:
        options = {"maxiter": max_iterations, "ftol": 1e-15, "gtol": 1e-10}
        minimize(down, x, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(first), options=options)
    best = max(seen, key=lambda found: found[0] if np.isfinite(found[0]) else -np.inf)
    before, after = (_outcome(game_of(jnp.asarray(t, float)), value, t, found) for value, t, found in (seen[0], best))
    return Tuning(before, after, len(seen))


def _outcome(
    game: ContinuousLogit, value: float, setting: np.ndarray, equilibrium: DifferentiableEquilibrium
) -> TunedOutcome:
    x = equilibrium.log_compute
    made, users, payoffs, revenue = _accounts(game, x)
    return TunedOutcome(
        parameters=jnp.asarray(setting, float),
        objective=jnp.asarray(value),
        welfare=made,
        user_value=users,
        profit=payoffs.sum(),
        revenue=revenue,
        log_compute=x,
        max_regret=continuous_regret(game, x).max_regret,
        unique=equilibrium.unique,
        regularity=equilibrium.regularity,
    )


@compiled
def _accounts(game: ContinuousLogit, x: Float[Array, " providers"]) -> tuple[Array, Array, Array, Array]:
    return game.welfare(x), game.expected_user_value(x), game.payoffs(x), game.revenue(x)
