"""What ``ttc-games learn`` runs: one function per kind of method, one record of how a play went."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from jax import Array

    from games import PayPerCompute, Scenario
    from solver.learning_curve import LearningCurve

MIXED = (
    "replicator",
    "hedge",
    "regret-matching",
    "fictitious-play",
    "smooth-fictitious-play",
    "policy-gradient",
)
GRADIENT = {
    "gradient-ascent": "simultaneous",
    "alternating": "alternating",
    "extragradient": "extragradient",
    "optimistic": "optimistic",
}
METHODS = (*MIXED, *GRADIENT, "quantal")
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Outcome:
    """One profile that a play led to.

    Args:
        name: ``last iterate``, ``time average`` or ``limit``.
        profile: probabilities ``[providers, levels]``, or log compute ``[providers]``.
        tokens: expected tokens per query of every provider.
        welfare: dollars per query.
        max_regret: largest relative gain of a deviation, from the certificate.
        tolerance: regret up to which it counts as an equilibrium.
    """

    name: str
    profile: "np.ndarray"
    tokens: "np.ndarray"
    welfare: float
    max_regret: float
    tolerance: float

    @property
    def is_equilibrium(self) -> bool:
        """Whether no provider gains more than the tolerance."""
        return self.max_regret <= self.tolerance

    @property
    def verdict(self) -> str:
        """The same in words."""
        if self.is_equilibrium:
            return f"an equilibrium within {self.tolerance:.0e}"
        return f"no equilibrium: a provider gains {100 * self.max_regret:.2g} %"


@dataclass(frozen=True)
class Play:
    """How one method played.

    Args:
        method: its name.
        continuous: whether profiles are amounts of compute, not probabilities of levels.
        outcomes: last iterate first, then time average or limit.
        num_steps: steps taken, or points of the path.
        explanation: how it ended.
        optimal_welfare: highest welfare of any profile, dollars per query.
        curve: compute, welfare and regret by step.
        axis: what ``curve.steps`` counts.
    """

    method: str
    continuous: bool
    outcomes: tuple[Outcome, ...]
    num_steps: int
    explanation: str
    optimal_welfare: float
    curve: "LearningCurve"
    axis: str


def play(scenario: "Scenario", method: str, rationality: float, seed: int | None, rounds: int) -> Play:
    """Run one method.

    Args:
        scenario: the market.
        method: one of ``METHODS``.
        rationality: users' β, per dollar.
        seed: of a random start; ``None`` starts in the middle.
        rounds: steps after which to stop.

    Raises:
        InputError: an unknown method, with the nearest known ones.
    """
    from games.errors import unknown_name

    if method in GRADIENT:
        run: Callable[..., Play] = _gradient
    elif method == "quantal":
        run = _quantal
    elif method in MIXED:
        run = _mixed
    else:
        raise unknown_name("--method", method, METHODS)
    return run(scenario, method, rationality, seed, rounds)


def _mixed(scenario: "Scenario", method: str, rationality: float, seed: int | None, rounds: int) -> Play:
    import jax

    from solver import learn, welfare_optimum
    from solver.learning_curve import mixed_curve
    from solver.learning_rules import RULES
    from solver.mixed_extension import LogitExtension, mixed_extension

    game = scenario.game(rationality)
    extension = mixed_extension(game)
    assert isinstance(extension, LogitExtension)
    key = None if seed is None else jax.random.key(seed)
    played = learn(extension, RULES[method](), key=key, max_steps=rounds, tolerance=TOLERANCE, record=True)
    assert played.trajectory is not None
    steps = int(played.num_steps)
    return Play(
        method,
        False,
        (_judged(game, "last iterate", played.mixed), _judged(game, "time average", played.average)),
        steps,
        _told(steps, rounds),
        float(welfare_optimum(game).welfare),
        mixed_curve(extension, game.market.tokens, played.trajectory, steps),
        "round",
    )


def _told(steps: int, rounds: int) -> str:
    if steps < rounds:
        return f"the last iterate is an equilibrium after {steps} rounds"
    return f"stopped after {rounds} rounds"


def _judged(game: "PayPerCompute", name: str, mixed: "Array") -> Outcome:
    """A mixed profile with the certificate that shares no code with learning."""
    import numpy as np

    from solver import LogitExtension, mixed_extension, mixed_regret

    found, extension = mixed_regret(game, mixed), mixed_extension(game)
    assert isinstance(extension, LogitExtension)
    tokens = np.asarray((mixed * game.market.tokens).sum(axis=1))
    welfare = float(extension.welfare(mixed))
    tolerance = max(TOLERANCE, float(found.resolution))
    return Outcome(name, np.asarray(mixed), tokens, welfare, float(found.max_regret), tolerance)


def _quantal(scenario: "Scenario", method: str, rationality: float, seed: int | None, rounds: int) -> Play:

    from games.errors import InputError
    from solver import quantal_limit, quantal_path, welfare_optimum
    from solver.learning_curve import profiles_curve
    from solver.mixed_extension import LogitExtension, mixed_extension

    if seed is not None:
        raise InputError("--seed: the quantal path has one start, the centroid; leave the seed out")
    game = scenario.game(rationality)
    # One array holds the whole path: a bound keeps it small.
    path = quantal_path(game, max_points=min(max(rounds, 2), 5000))
    count = int(path.num_points)
    limit = quantal_limit(game, path)
    extension = mixed_extension(game)
    assert isinstance(extension, LogitExtension)
    curve = profiles_curve(
        extension, game.market.tokens, path.precision[:count], path.profiles[:count], path.profiles[:count]
    )
    end = f"precision {float(path.precision[-1]):.4g} after {count} points, {int(path.num_folds)} folds"
    outcomes = (_judged(game, "last iterate", path.last), _judged(game, "limit", limit.profile))
    welfare = float(welfare_optimum(game).welfare)
    return Play(method, False, outcomes, count, f"path of quantal responses to {end}", welfare, curve, "precision")


def _gradient(scenario: "Scenario", method: str, rationality: float, seed: int | None, rounds: int) -> Play:
    import jax
    import numpy as np

    from games import ContinuousCompute
    from solver import Status, continuous_regret, gradient_dynamics, random_starts
    from solver.continuous_optimum import continuous_optimum
    from solver.learning_curve import gradient_curve

    game = ContinuousCompute(scenario.market, scenario.users.with_rationality(rationality))
    start = None if seed is None else random_starts(game, jax.random.key(seed), 1)[0]
    played = gradient_dynamics(game, start=start, update=GRADIENT[method], max_steps=rounds, record=True)
    assert played.trajectory is not None
    steps = int(played.num_steps)
    outcomes = []
    for name, x in (
        ("last iterate", played.log_compute),
        ("time average", played.trajectory[: steps + 1].mean(axis=0)),
    ):
        judged = continuous_regret(game, x)
        outcomes.append(
            Outcome(
                name,
                np.asarray(x),
                np.exp(np.asarray(x)),
                float(game.welfare(x)),
                float(judged.max_regret),
                max(TOLERANCE, float(judged.tolerance)),
            )
        )
    return Play(
        method,
        True,
        tuple(outcomes),
        steps,
        f"{Status(int(played.status)).text}, after {steps} rounds",
        float(continuous_optimum(game).welfare),
        gradient_curve(game, played.trajectory, steps),
        "round",
    )
