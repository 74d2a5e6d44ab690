"""The highest welfare of continuous compute, over a grid: levels as many as one likes, and the exact optimum over those.

Welfare is a separable fraction in every provider's choice, whatever set it chooses from, so that the exact
optimum over levels (``solver.optimum``) serves. The measured levels are on the grid: no profile of theirs does better.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from games.curves import PchipCurves
from games.errors import InputError
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.smooth import AccuracyQuality, ContinuousLogit
from games.tariffs import PerToken, PerTokenAndRest
from games.users import Users
from solver.optimum import Optimum, welfare_optimum

POINTS = 513


def continuous_optimum(game: ContinuousLogit, *, points: int = POINTS) -> Optimum:
    """Welfare optimum of a market of continuous compute; ``profile`` holds indices of the grid.

    Args:
        game: quality from accuracy, price and cost through measured levels, as ``games.ContinuousCompute`` makes them.
        points: amounts of compute looked at on each provider's interval, even in their logarithm. Between two of them
            welfare may be higher by a term of the order 1/points².

    Raises:
        InputError: quality, price or cost are of another kind.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> from solver import welfare_optimum
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> best = continuous_optimum(ContinuousCompute(scenario.market, scenario.users))
        >>> bool(best.welfare >= welfare_optimum(scenario.game()).welfare)
        True
    """
    quality, price, cost = game.quality, game.price, game.cost
    kinds = PerToken | PerTokenAndRest
    if not (isinstance(quality, AccuracyQuality) and isinstance(price, kinds) and isinstance(cost, kinds)):
        raise InputError(
            "continuous_optimum: needs quality from accuracy, and price and cost per token; "
            "maximise game.welfare directly"
        )
    grid = _grid(game, quality, points)
    accuracy = jnp.clip(jax.vmap(quality.curves, in_axes=1, out_axes=1)(grid), 0.0, 1.0)
    prices, costs = (jax.vmap(tariff, in_axes=1, out_axes=1)(grid) for tariff in (price, cost))
    market = Market(accuracy, jnp.exp(grid), prices, costs, jnp.ones(grid.shape, bool), (), ())
    users = Users(
        quality.value_per_correct,
        game.rationality,
        outside_value=game.outside_value,
        weight=game.weight,
        baseline=quality.baseline,
        value_curve=quality.value_curve,
    )
    return welfare_optimum(PayPerCompute(market, users))


def _grid(game: ContinuousLogit, quality: AccuracyQuality, points: int) -> Float[Array, "providers points"]:
    """Even points over every interval, and the measured levels within it."""
    lower, upper = (bound[:, None] for bound in game.bounds)
    even = lower + jnp.linspace(0.0, 1.0, points) * (upper - lower)
    if not isinstance(quality.curves, PchipCurves):
        return even
    return jnp.concatenate([even, jnp.clip(quality.curves.log_tokens, lower, upper)], axis=1)
