"""Where gradient dynamics can end: many starts in one call, and the set of their distinct limits."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from games.base import ContinuousGame, require
from games.readable import readable
from solver.compile import compiled
from solver.continuous_regret import DEFAULT_TOLERANCE, continuous_regret
from solver.gradient import DEFAULT_OPTIMISER, Ascent, GradientSolution, Update, play
from solver.optimisers import check_optimiser
from solver.result import Status


@dataclasses.dataclass(frozen=True)
class GradientLimits:
    """The distinct ends of gradient dynamics, the most frequent first.

    Args:
        log_compute: natural logarithm of tokens per query, ``[limits, providers]``.
        count: starts that ended there, ``[limits]``.
        status: a ``Status`` of each limit as an integer: an equilibrium, a local optimum, or steps used up.
        max_regret: largest relative gain of any other amount of compute, from ``solver.continuous_regret``.
        tolerance: what the regret was held against.
        num_steps: most steps that a start needed, ``[limits]``.
    """

    __repr__ = readable

    log_compute: Float[np.ndarray, "limits providers"]
    count: Int[np.ndarray, " limits"]
    status: Int[np.ndarray, " limits"]
    max_regret: Float[np.ndarray, " limits"]
    tolerance: float
    num_steps: Int[np.ndarray, " limits"]

    def __len__(self) -> int:
        return len(self.count)

    def describe(self) -> str:
        """One line for each limit."""
        lines = [
            f"{n} starts: {Status(int(s)).text}, largest relative gain {r:.1e}"
            for n, s, r in zip(self.count, self.status, self.max_regret, strict=True)
        ]
        return "\n".join(lines)


def random_starts(game: ContinuousGame, key: PRNGKeyArray, num_starts: int) -> Float[Array, "starts providers"]:
    """Log computes spread evenly over every provider's interval.

    Args:
        game: a game of continuous compute.
        key: random key.
        num_starts: how many.

    Returns:
        Natural logarithms of tokens per query, ``[starts, providers]``.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> starts = random_starts(game, jax.random.key(0), 5)
        >>> starts.shape, bool(((starts >= game.lower) & (starts <= game.upper)).all())
        ((5, 9), True)
    """
    lower, upper = game.bounds
    return lower + jax.random.uniform(key, (num_starts, lower.shape[0]), lower.dtype) * (upper - lower)


def gradient_limits(
    game: ContinuousGame,
    starts: Float[Array, "starts providers"],
    *,
    update: Update = Update.SIMULTANEOUS,
    optimiser: optax.GradientTransformation = DEFAULT_OPTIMISER,
    ascent: Ascent = Ascent.LOG_PAYOFF,
    tolerance: float = DEFAULT_TOLERANCE,
    max_steps: int = 2000,
    check_every: int = 50,
    points: int = 257,
    same: float = 1e-3,
) -> GradientLimits:
    """Run ``gradient_dynamics`` from many starts at once and keep the distinct ends.

    Args:
        game: any continuous game.
        starts: first log computes; see ``random_starts``.
        update, optimiser, ascent, tolerance, max_steps, check_every, points: see ``gradient_dynamics``.
        same: ends that differ by less than this fraction of every interval, and have one status, are one limit.

    Raises:
        InputError: the game lacks members of ``games.ContinuousGame``, or the optimiser needs more than gradients.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> game = ContinuousCompute(scenario.market, scenario.users.with_rationality(200))
        >>> limits = gradient_limits(game, random_starts(game, jax.random.key(0), 20))
        >>> int(limits.count.sum())
        20
    """
    require(game, ContinuousGame, "gradient limits")
    check_optimiser(optimiser, "gradient limits")
    settings = (tolerance, optimiser, Update(update), Ascent(ascent), max_steps, check_every, points)
    ends = _from_all(game, starts, *settings)
    reached, status, steps = (np.asarray(x) for x in (ends.log_compute, ends.status, ends.num_steps))
    lower, upper = (np.asarray(x) for x in game.bounds)
    width = np.where(upper > lower, upper - lower, 1.0)
    regret_in_loop = np.asarray(ends.max_regret)
    groups: list[np.ndarray] = []
    left = np.arange(len(reached))
    while len(left):
        # The start of smallest regret stands for its limit.
        leader = left[np.argmin(regret_in_loop[left])]
        near = np.all(np.abs(reached[left] - reached[leader]) <= same * width, axis=1) & (
            status[left] == status[leader]
        )
        groups.append(np.concatenate([[leader], left[near & (left != leader)]]))
        left = left[~near]
    groups.sort(key=len, reverse=True)
    leaders = np.array([group[0] for group in groups])
    judged = [continuous_regret(game, jnp.asarray(reached[i]), tolerance=tolerance) for i in leaders]
    return GradientLimits(
        log_compute=reached[leaders],
        count=np.array([len(group) for group in groups]),
        status=status[leaders],
        max_regret=np.array([float(j.max_regret) for j in judged]),
        tolerance=max(float(j.tolerance) for j in judged),
        num_steps=np.array([steps[group].max() for group in groups]),
    )


@compiled
def _from_all(
    game: ContinuousGame,
    starts: Float[Array, "starts providers"],
    tolerance: float | Float[Array, ""],
    optimiser: optax.GradientTransformation,
    update: Update,
    ascent: Ascent,
    max_steps: int,
    check_every: int,
    points: int,
) -> GradientSolution:
    run = jax.vmap(
        lambda start: play(game, start, tolerance, optimiser, update, ascent, max_steps, check_every, points, False)
    )
    return run(starts)
