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

    Args:
        game: a game of continuous compute.
        rationality: β, one or one per segment.

    Returns:
        The changed game, as all instruments do.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> float(set_rationality(ContinuousCompute(scenario.market, scenario.users), 50.0).rationality[0])
        50.0
    """
    return eqx.tree_at(lambda g: g.rationality, game, _like(game.rationality, rationality))


def set_value_per_correct(game: ContinuousLogit, value_per_correct: ArrayLike) -> ContinuousLogit:
    """Users' α, dollars that a correct answer is worth, for one segment or for all.

    Args:
        game: a game of continuous compute.
        value_per_correct: α, one or one per segment.

    Raises:
        InputError: the game's quality does not come from accuracy.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> float(set_value_per_correct(game, 0.02).quality.value_per_correct[0])
        0.02
    """
    if not isinstance(game.quality, AccuracyQuality):
        raise InputError(
            "set_value_per_correct: the quality of this game does not come from accuracy; change it directly"
        )
    value = _like(game.quality.value_per_correct, value_per_correct)
    return eqx.tree_at(lambda g: g.quality.value_per_correct, game, value)


def set_margin(game: ContinuousLogit, margin: ArrayLike) -> ContinuousLogit:
    """Price / cost − 1, prices as they are: cost = price / (1 + margin).

    Args:
        game: a game of continuous compute.
        margin: price / cost − 1, one or one per provider.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> changed = set_margin(game, 0.5)
        >>> round(float(changed.price.rate[0] / changed.cost.rate[0]), 6), bool((changed.price.rate == game.price.rate).all())
        (1.5, True)
    """
    cost = _scalable(game.price, "set_margin").scaled(1 / (1 + _like(game.lower, margin)))
    return eqx.tree_at(lambda g: g.cost, game, cost)


def regulate_margin(game: ContinuousLogit, margin: ArrayLike) -> ContinuousLogit:
    """Price / cost − 1, costs as they are: price = cost · (1 + margin).

    Args:
        game: a game of continuous compute.
        margin: price / cost − 1, one or one per provider.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> changed = regulate_margin(game, 0.5)
        >>> round(float(changed.price.rate[0] / changed.cost.rate[0]), 6), bool((changed.cost.rate == game.cost.rate).all())
        (1.5, True)
    """
    price = _scalable(game.cost, "regulate_margin").scaled(1 + _like(game.lower, margin))
    return eqx.tree_at(lambda g: g.price, game, price)


def scale_list_price(game: ContinuousLogit, factor: ArrayLike) -> ContinuousLogit:
    """List prices times a factor, costs as they are.

    Args:
        game: a game of continuous compute.
        factor: one or one per provider.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> round(float(scale_list_price(game, 0.9).price.rate[0] / game.price.rate[0]), 6)
        0.9
    """
    price = _scalable(game.price, "scale_list_price").scaled(_like(game.lower, factor))
    return eqx.tree_at(lambda g: g.price, game, price)


def cap_list_price(game: ContinuousLogit, per_million: ArrayLike) -> ContinuousLogit:
    """No list price above so many dollars per million tokens; providers that it leaves without profit are not removed.

    Args:
        game: a game of continuous compute.
        per_million: dollars per million tokens, one or one per provider.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> float(cap_list_price(game, 0.1).price.rate.max())
        1e-07
    """
    cap = _like(game.lower, per_million) * 1e-6
    return eqx.tree_at(lambda g: g.price, game, PerToken(jnp.minimum(_rate(game.price, "cap_list_price"), cap)))


def set_levy(game: ContinuousLogit, per_million: ArrayLike) -> ContinuousLogit:
    """A tax that providers pay, of so many dollars per million tokens sold; negative for a subsidy.

    Where price and cost are proportional to tokens too, it scales a provider's profit by a constant and moves no
    equilibrium (docs/theory/continuous.md); a tax that users pay does, see ``tax_users``.

    Args:
        game: a game of continuous compute.
        per_million: dollars per million tokens, one or one per provider.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> float(set_levy(game, 2.0).levy.rate[0])
        2e-06
    """
    return eqx.tree_at(lambda g: g.levy, game, PerToken(_like(game.lower, per_million) * 1e-6))


def tax_users(game: ContinuousLogit, per_million: ArrayLike) -> ContinuousLogit:
    """A tax that users pay on top of list prices, of so many dollars per million tokens; negative for a subsidy.

    Args:
        game: a game of continuous compute.
        per_million: dollars per million tokens, one or one per provider.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> round(float(tax_users(game, 2.0).price.rate[0] - game.price.rate[0]), 12)
        2e-06
    """
    tax = _like(game.lower, per_million) * 1e-6
    price, levy = _rate(game.price, "tax_users") + tax, _rate(game.levy, "tax_users") + tax
    return eqx.tree_at(lambda g: (g.price, g.levy), game, (PerToken(price), PerToken(levy)))


def cap_compute(game: ContinuousLogit, tokens: ArrayLike) -> ContinuousLogit:
    """No query above so many tokens; a cap below a provider's least compute leaves it there.

    Args:
        game: a game of continuous compute.
        tokens: the most tokens per query, one or one per provider.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> round(float(jnp.exp(cap_compute(game, 1000.0).upper).max()), 6)
        1000.0
    """
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
