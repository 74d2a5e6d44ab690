"""What providers could gain under a router's rule: the certificate of an equilibrium, and the reward of leaving honest play."""

import functools
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from games import demand
from games.posted_price import PriceAndCompute
from games.routed_prices import RoutedOffers
from games.router import ArgmaxRouter, ConfidentRouter, InversePowerRouter, LogitRouter
from solver.compile import compiled
from solver.price_regret import price_regret, score_regret
from solver.router import RouterEquilibrium, best_reply_payoffs

Numbers = Float[Array, " providers"]
Levels = Int[Array, " providers"]


@compiled
def router_regret(game: RoutedOffers, found: RouterEquilibrium) -> Numbers:
    """Largest gain of every provider by another level or price, dollars per query, ``[providers]``; from payoffs alone.

    Under argmax, where the winner's profit has a supremum but no maximum, the supremum counts.

    Args:
        game: one segment of users.
        found: levels and prices.

    Example:
        >>> from solver.router import router_equilibrium
        >>> ones = jnp.ones((3, 1))
        >>> game = RoutedOffers(InversePowerRouter(2.0), ones, ones, ones > 0, jnp.array(0.0))
        >>> bool(router_regret(game, router_equilibrium(game)).max() < 1e-12)
        True
    """
    if isinstance(game.rule, ArgmaxRouter | ConfidentRouter):
        play = (found.levels, found.price, found.shares)
        gain = score_regret(game.quality, game.cost, game.mask, game.outside_value, *play)
        return jnp.where(jnp.isnan(found.price), jnp.nan, gain)
    return price_regret(game, found.levels, found.log_markup).regret


@compiled
def gain_over_honesty(game: RoutedOffers, levels: Levels) -> Numbers:
    """What every provider earns at its best price and level if all others offer ``levels`` at cost; honest play earns 0.

    Args:
        game: one segment of users.
        levels: the honest level of every provider, usually argmax(q − c).

    Returns:
        Dollars per query, ``[providers]``; inf where a provider could ask any price.

    Example:
        >>> ones = jnp.ones((3, 1))
        >>> gains = [gain_over_honesty(RoutedOffers(InversePowerRouter(k), ones, ones, ones > 0, jnp.array(0.0)),
        ...          jnp.zeros(3, int))[0] for k in (0.5, 1.0, 2.0)]
        >>> [f"{g:.6f}" for g in gains]
        ['inf', '0.500000', '0.112372']
    """
    return _honest_gain(game.rule, game, levels)


@functools.singledispatch
def _honest_gain(rule: Any, game: RoutedOffers, levels: Levels) -> Numbers:
    raise TypeError(f"no best reply known for the router rule {type(rule).__name__}; register one")


@_honest_gain.register
def _(rule: LogitRouter, game: RoutedOffers, levels: Levels) -> Numbers:
    # Others at cost; the own offer is the efficient one, which no level beats at its best price.
    plain = PriceAndCompute(game.quality, game.cost, game.mask, rule.rationality, game.outside_value).at(levels)
    return jnp.exp(plain.log_reply_payoffs(jnp.full(len(levels), -jnp.inf)))


@_honest_gain.register(ArgmaxRouter)
@_honest_gain.register(ConfidentRouter)
def _(rule: ArgmaxRouter | ConfidentRouter, game: RoutedOffers, levels: Levels) -> Numbers:
    honest = game.at(levels)
    shares = jnp.exp(rule.log_shares(honest.cost, honest.quality, game.outside_value))
    return score_regret(game.quality, game.cost, game.mask, game.outside_value, levels, honest.cost, shares)


@_honest_gain.register
def _(rule: InversePowerRouter, game: RoutedOffers, levels: Levels) -> Numbers:
    if len(levels) == 1:
        return jnp.full(1, jnp.inf)
    k = rule.exponent
    merit = rule.log_weights(game.cost, game.quality)
    own = game.at(levels)
    others = demand.log_sum_of_others(rule.log_weights(own.cost, own.quality)[None], jnp.full(1, -jnp.inf))[0]
    steep = jnp.where(k > 1, k, 2.0)
    replies = best_reply_payoffs(steep, merit, jnp.log(game.cost), others)
    # At k = 1 profit rises with price towards q^g/R; below, without end.
    limit = jnp.where(k == 1, rule.log_merit(game.quality) - others[:, None], jnp.inf)
    gains = jnp.where(k > 1, replies, limit)
    return jnp.exp(jnp.where(game.mask, gains, -jnp.inf).max(axis=1))
