"""Price competition in front of a router: provider i earns U_i = s_i (p_i − c_i) per query, s the shares of a rule.

``RoutedPrices`` holds offers of fixed quality and cost, ``RoutedOffers`` lets providers choose their level of compute too.
One kind of query (one segment of users) at a time; choices of price are x = ln(p − c), as in ``games.posted_price``.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from games.base import is_concrete
from games.errors import InputError
from games.market import Market
from games.router import InversePowerRouter, RouterRule
from games.users import Users

Numbers = Float[Array, " providers"]
Levels = Int[Array, " providers"]
DECADES = 3.0


class RoutedPrices(eqx.Module):
    """Price competition of fixed offers under a rule; implements ``games.base.ContinuousGame`` in ln(p − c).

    Args:
        rule: the router's rule.
        quality: what the router believes, dollars per query, ``[providers]``.
        cost: c > 0, dollars per query served, ``[providers]``.
        outside_value: V0, dollars per query; -inf for none.

    Example:
        >>> game = RoutedPrices(InversePowerRouter(2.0), jnp.ones(3), jnp.ones(3), jnp.array(0.0))
        >>> [f"{u:.6f}" for u in game.payoffs(jnp.log(jnp.array([3.0, 3.0, 3.0])))]
        ['1.000000', '1.000000', '1.000000']
    """

    rule: RouterRule
    quality: Numbers
    cost: Numbers
    outside_value: Float[Array, ""]

    @property
    def bounds(self) -> tuple[Numbers, Numbers]:
        """Markups from a thousandth of cost to a thousand times cost, as logarithms."""
        reach = DECADES * math.log(10)
        return jnp.log(self.cost) - reach, jnp.log(self.cost) + reach

    def price(self, log_markup: Numbers) -> Numbers:
        """p = c + m, dollars per query."""
        return self.cost + jnp.exp(log_markup)

    def log_shares(self, log_markup: Numbers) -> Numbers:
        """ln s; -inf for those that serve nothing."""
        return self.rule.log_shares(self.price(log_markup), self.quality, self.outside_value)

    def log_payoffs(self, log_markup: Numbers) -> Numbers:
        """ln U, U in dollars per query that arrives."""
        return self.log_shares(log_markup) + log_markup

    def payoffs(self, log_markup: Numbers) -> Numbers:
        """U = s·(p − c), dollars per query that arrives."""
        return jnp.exp(self.log_payoffs(log_markup))

    def log_deviation_payoffs(self, log_markup: Numbers, choices: Numbers) -> Numbers:
        """ln U of every provider if it alone played its entry of ``choices``, the others as in ``log_markup``."""
        every = jnp.arange(len(self.cost))
        return jax.vmap(lambda i, c: self.log_payoffs(log_markup.at[i].set(c))[i])(every, choices)


class RoutedOffers(eqx.Module):
    """Providers choose a price per query and a level of compute under a rule.

    Args:
        rule: the router's rule.
        quality: what the router believes, dollars per query, ``[providers, levels]``.
        cost: c, dollars per query served, ``[providers, levels]``.
        mask: True where a level exists.
        outside_value: V0, dollars per query; -inf for none.
    """

    rule: RouterRule
    quality: Float[Array, "providers levels"]
    cost: Float[Array, "providers levels"]
    mask: Bool[Array, "providers levels"]
    outside_value: Float[Array, ""]

    @classmethod
    def per_segment(cls, rule: RouterRule, market: Market, users: Users) -> "RoutedOffers":
        """The games of all segments, stacked: every leaf gains a leading axis, for ``jax.vmap``.

        Raises:
            InputError: a level is free, or worthless to a router that looks at quality: an inverse-power weight of it is
                infinite, or nothing.

        Example:
            >>> from games import load_scenario
            >>> scenario = load_scenario("AIME/reasoning_effort")
            >>> RoutedOffers.per_segment(InversePowerRouter(2.0), scenario.market, scenario.users).quality.shape
            (1, 3, 5)
        """
        quality = rule.perceived_quality(market, users)
        if isinstance(rule, InversePowerRouter) and is_concrete(rule, market, users):
            looks = float(rule.quality_exponent) > 0
            bad = np.asarray(market.mask & ((market.cost <= 0) | (looks & (quality <= 0).any(axis=0))))
            for i, k in np.argwhere(bad):
                what = "is free" if float(market.cost[i, k]) <= 0 else "is worth nothing"
                raise InputError(
                    f"inverse-power router: level {k} of provider {i} {what}, and its weight q^g/p^k infinite or 0; "
                    "drop the level, or give it a cost and a worth"
                )
        size = users.num_segments
        rules = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (size, *leaf.shape)), rule)
        return jax.vmap(lambda r, q, v: cls(r, q, market.cost, market.mask, v))(rules, quality, users.outside_value)

    @property
    def surplus(self) -> Float[Array, "providers levels"]:
        """Quality as the router believes it less cost, dollars per query served; -inf where no level exists."""
        return jnp.where(self.mask, self.quality - self.cost, -jnp.inf)

    def at(self, levels: Levels) -> RoutedPrices:
        """Price competition with every provider's level fixed."""
        quality, cost = (jnp.take_along_axis(x, levels[:, None], axis=1)[:, 0] for x in (self.quality, self.cost))
        return RoutedPrices(self.rule, quality, cost, self.outside_value)

    def log_payoffs(self, levels: Levels, log_markup: Numbers) -> Numbers:
        """ln U, U in dollars per query that arrives."""
        return self.at(levels).log_payoffs(log_markup)
