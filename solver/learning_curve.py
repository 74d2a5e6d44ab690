"""How far learning has come at a few of its steps: compute, welfare and regret of the play and of its time average.

Steps are spread evenly in their logarithm, since regret falls like a power of time. Regrets are those of the payoffs that
learning itself used, a fraction of each provider's payoff; the verdict on the end is the certificate's.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.readable import readable
from games.smooth import ContinuousLogit
from solver.compile import compiled
from solver.continuous_regret import quick_regret
from solver.mixed_extension import LogitExtension, safe_log

REGRET_GRID = 129


class LearningCurve(eqx.Module):
    """Some steps of a play; row 0 is the start, the last row the end.

    Args:
        steps: which steps, ``[points]``; other positions (a precision, say) where the play has no steps.
        tokens: expected tokens per query of every provider, ``[points, providers]``.
        welfare: dollars per query, ``[points]``.
        last_regret: relative regret of every provider at the play, ``[points, providers]``.
        average_regret: the same at the time average of the play up to there.
    """

    __repr__ = readable

    steps: Float[Array, " points"]
    tokens: Float[Array, "points providers"]
    welfare: Float[Array, " points"]
    last_regret: Float[Array, "points providers"]
    average_regret: Float[Array, "points providers"]


class _Measured(NamedTuple):
    tokens: Float[Array, "points providers"]
    welfare: Float[Array, " points"]
    regret: Float[Array, "points providers"]


def chosen_steps(num_steps: int, points: int = 120) -> Int[np.ndarray, " points"]:
    """Distinct steps from 0 to the last, evenly spread in their logarithm.

    Example:
        >>> chosen_steps(100, 5).tolist(), chosen_steps(3).tolist()
        ([0, 1, 5, 22, 100], [0, 1, 2, 3])
    """
    spread = np.geomspace(1, max(num_steps, 1), points - 1).round().astype(int)
    return np.unique(np.minimum(np.append(0, spread), num_steps))


def mixed_curve(
    extension: LogitExtension,
    tokens: Float[Array, "providers levels"],
    trajectory: Float[Array, "steps providers levels"],
    num_steps: int,
    *,
    points: int = 120,
) -> LearningCurve:
    """The curve of ``learn(..., record=True)``.

    Args:
        extension: from ``mixed_extension``.
        tokens: tokens per query of every level.
        trajectory: mixed profile after every step.
        num_steps: rows of the trajectory that were played, the start not counted.
        points: steps to look at.

    Example:
        >>> from games import load_scenario
        >>> from solver import Hedge, learn, mixed_extension
        >>> game = load_scenario("GPQA/reasoning_effort").game(rationality=1000)
        >>> played = learn(game, Hedge(), max_steps=40, record=True)
        >>> curve = mixed_curve(mixed_extension(game), game.market.tokens, played.trajectory, int(played.num_steps))
        >>> bool(jnp.isclose(curve.average_regret[-1].max(), played.average_regret, rtol=1e-6))
        True
    """
    steps = chosen_steps(num_steps, points)
    averages = jnp.cumsum(trajectory, axis=0)[steps] / (steps[:, None, None] + 1)
    return profiles_curve(extension, tokens, jnp.asarray(steps, float), trajectory[steps], averages)


def profiles_curve(
    extension: LogitExtension,
    tokens: Float[Array, "providers levels"],
    steps: Float[Array, " points"],
    played: Float[Array, "points providers levels"],
    averages: Float[Array, "points providers levels"],
) -> LearningCurve:
    """The curve of given mixed profiles and averages."""
    profiles = _padded(jnp.concatenate([played, averages]))
    return _halves(steps, _measure_mixed(extension, profiles, tokens))


def gradient_curve(game: ContinuousLogit, trajectory: Float[Array, "steps providers"], num_steps: int) -> LearningCurve:
    """The curve of ``gradient_dynamics(..., record=True)``; its time average is that of log compute.

    Args:
        game: the game.
        trajectory: log compute after every step.
        num_steps: rows of the trajectory that were played, the start not counted.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> from solver import gradient_dynamics
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> game = ContinuousCompute(scenario.market, scenario.users.with_rationality(200))
        >>> played = gradient_dynamics(game, record=True)
        >>> curve = gradient_curve(game, played.trajectory, int(played.num_steps))
        >>> bool(curve.last_regret[0].max() > 1e-3 > 1e-6 > curve.last_regret[-1].max())
        True
    """
    steps = chosen_steps(num_steps)
    averages = jnp.cumsum(trajectory, axis=0)[steps] / (steps[:, None] + 1)
    profiles = _padded(jnp.concatenate([trajectory[steps], averages]))
    return _halves(jnp.asarray(steps, float), _measure_continuous(game, profiles))


def _halves(steps: Float[Array, " points"], found: _Measured) -> LearningCurve:
    """Rows of the play, then rows of its averages."""
    n = len(steps)
    return LearningCurve(steps, found.tokens[:n], found.welfare[:n], found.regret[:n], found.regret[n : 2 * n])


def _padded(rows: Array) -> Array:
    """Repeat the last row up to a power of two, so that plays of any length share compiled code."""
    size = 1 << (len(rows) - 1).bit_length()
    return jnp.concatenate([rows, jnp.broadcast_to(rows[-1], (size - len(rows), *rows.shape[1:]))])


@compiled
def _measure_mixed(
    extension: LogitExtension,
    profiles: Float[Array, "points providers levels"],
    tokens: Float[Array, "providers levels"],
) -> _Measured:
    def one(mixed: Float[Array, "providers levels"]) -> _Measured:
        return _Measured((mixed * tokens).sum(axis=1), extension.welfare(mixed), mixed_regrets(extension, mixed))

    return jax.lax.map(one, profiles)


def mixed_regrets(extension: LogitExtension, mixed: Float[Array, "providers levels"]) -> Float[Array, " providers"]:
    """Relative regret of every provider, from logarithms."""
    logs, log_mixed = extension.log_payoffs(safe_log(mixed)), safe_log(mixed)
    own = jax.nn.logsumexp(jnp.where(mixed > 0, log_mixed + logs, -jnp.inf), axis=1)
    return jnp.expm1(jnp.maximum(logs.max(axis=1) - own, 0.0))


@compiled
def _measure_continuous(game: ContinuousLogit, profiles: Float[Array, "points providers"]) -> _Measured:
    def one(log_compute: Float[Array, " providers"]) -> _Measured:
        judged = quick_regret(game, log_compute, tolerance=0.0, points=REGRET_GRID)
        return _Measured(jnp.exp(log_compute), game.welfare(log_compute), judged.relative_regret)

    return jax.lax.map(one, profiles)
