"""What a regulator, a platform or the world can change about a game of continuous compute: one pure function a change.

Every function takes a game and amounts and returns a new game; all are differentiable in the amounts, so that
``solver.sensitivity`` and ``solver.tune`` work on them. Amounts are one for all providers or one each.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from games.errors import InputError
from games.smooth import AccuracyQuality, ContinuousLogit
from games.tariffs import PerToken, PerTokenAndRest


def set_rationality(game: ContinuousLogit, rationality: ArrayLike) -> ContinuousLogit:
    """Users' β, per dollar, for one segment or for all.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> float(set_rationality(ContinuousCompute(scenario.market, scenario.users), 50.0).rationality[0])
        50.0
    """
    return eqx.tree_at(lambda g: g.rationality, game, _like(game.rationality, rationality))


def set_value_per_correct(game: ContinuousLogit, value_per_correct: ArrayLike) -> ContinuousLogit:
    """Users' α, dollars that a correct answer is worth, for one segment or for all.

    Raises:
        InputError: the game's quality does not come from accuracy.
    """
    if not isinstance(game.quality, AccuracyQuality):
        raise InputError(
            "set_value_per_correct: the quality of this game does not come from accuracy; change it directly"
        )
    value = _like(game.quality.value_per_correct, value_per_correct)
    return eqx.tree_at(lambda g: g.quality.value_per_correct, game, value)


def set_margin(game: ContinuousLogit, margin: ArrayLike) -> ContinuousLogit:
    """Price / cost − 1, prices as they are: cost = price / (1 + margin)."""
    cost = _scalable(game.price, "set_margin").scaled(1 / (1 + _like(game.lower, margin)))
    return eqx.tree_at(lambda g: g.cost, game, cost)


def regulate_margin(game: ContinuousLogit, margin: ArrayLike) -> ContinuousLogit:
    """Price / cost − 1, costs as they are: price = cost · (1 + margin)."""
    price = _scalable(game.cost, "regulate_margin").scaled(1 + _like(game.lower, margin))
    return eqx.tree_at(lambda g: g.price, game, price)


def scale_list_price(game: ContinuousLogit, factor: ArrayLike) -> ContinuousLogit:
    """List prices times a factor, costs as they are."""
    price = _scalable(game.price, "scale_list_price").scaled(_like(game.lower, factor))
    return eqx.tree_at(lambda g: g.price, game, price)


def cap_list_price(game: ContinuousLogit, per_million: ArrayLike) -> ContinuousLogit:
    """No list price above so many dollars per million tokens; providers that it leaves without profit are not removed."""
    cap = _like(game.lower, per_million) * 1e-6
    return eqx.tree_at(lambda g: g.price, game, PerToken(jnp.minimum(_rate(game.price, "cap_list_price"), cap)))


def set_levy(game: ContinuousLogit, per_million: ArrayLike) -> ContinuousLogit:
    """A tax that providers pay, of so many dollars per million tokens sold; negative for a subsidy.

    Where price and cost are proportional to tokens too, it scales a provider's profit by a constant and moves no
    equilibrium (docs/theory/continuous.md); a tax that users pay does, see ``tax_users``.
    """
    return eqx.tree_at(lambda g: g.levy, game, PerToken(_like(game.lower, per_million) * 1e-6))


def tax_users(game: ContinuousLogit, per_million: ArrayLike) -> ContinuousLogit:
    """A tax that users pay on top of list prices, of so many dollars per million tokens; negative for a subsidy."""
    tax = _like(game.lower, per_million) * 1e-6
    price, levy = _rate(game.price, "tax_users") + tax, _rate(game.levy, "tax_users") + tax
    return eqx.tree_at(lambda g: (g.price, g.levy), game, (PerToken(price), PerToken(levy)))


def cap_compute(game: ContinuousLogit, tokens: ArrayLike) -> ContinuousLogit:
    """No query above so many tokens; a cap below a provider's least compute leaves it there."""
    cap = jnp.log(_like(game.lower, tokens))
    return eqx.tree_at(lambda g: g.upper, game, jnp.maximum(jnp.minimum(game.upper, cap), game.lower))


def _like(shape_of: Float[Array, " n"], amount: ArrayLike) -> Float[Array, " n"]:
    return jnp.broadcast_to(jnp.asarray(amount, shape_of.dtype), shape_of.shape)


def _scalable(tariff: object, instrument: str) -> PerToken | PerTokenAndRest:
    """A tariff that can be scaled.

    Raises:
        InputError: the amounts are functions of another kind.
    """
    if not isinstance(tariff, PerToken | PerTokenAndRest):
        raise InputError(
            f"{instrument}: needs amounts of money per token (PerToken, PerTokenAndRest), got {type(tariff).__name__}"
        )
    return tariff


def _rate(tariff: object, instrument: str) -> Float[Array, " providers"]:
    """Dollars per token.

    Raises:
        InputError: the amount is not proportional to compute.
    """
    if not isinstance(tariff, PerToken):
        raise InputError(f"{instrument}: needs amounts proportional to tokens (PerToken), got {type(tariff).__name__}")
    return tariff.rate
