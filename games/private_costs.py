"""Auctions in which every provider alone knows its cost, and the others know the distribution it comes from.

N providers; provider i draws θ_i from its own distribution, independently, and offers what ``games.private_offers`` says. Only
its pseudotype k_i = max_q (S(q) − c(q, θ_i)) matters: a provider that wins with score b earns k_i − b, as in an auction of
one good worth k_i. In the first-score auction the winner delivers its own score b; in the second-score auction it delivers
the larger of the best score of the others and the reserve, and truth, b = k, is dominant.

A fixed quality makes S a constant, k = S − θ, and the first-score auction a first-price auction.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from games.base import is_concrete
from games.cost_distributions import CostDistribution, UniformCosts
from games.errors import InputError
from games.market import Market
from games.private_offers import LevelOffers, Offers
from games.score_auction import reserve_per_segment
from games.users import Users

Providers = Float[Array, " providers"]


class PrivateCosts(eqx.Module):
    """Providers with private cost parameters who compete in scores; all money in dollars per query.

    Every array in ``offers`` and ``costs`` has a leading axis of providers, who thus share one kind of offer and one family of
    distributions. ``PrivateCosts.symmetric`` repeats one provider, ``PrivateCosts.from_market`` takes a market.

    Args:
        offers: ``LevelOffers``, ``CurveOffers`` or another ``games.private_offers.Offers``.
        costs: distribution of θ of every provider.
        reserve: score that an offer must reach; None, the default, for the outside value, which counts wherever it is more.
        outside_value: what users have without a purchase; -inf for users who must be served, who then have no reserve by
            default (and 0 where one keeps the query).

    Raises:
        InputError: no provider, one provider for users who must be served without a reserve, arrays of different numbers of
            providers, offers that cost does not move, or values that are not finite.

    Example:
        >>> offers = LevelOffers(score=jnp.ones((2, 1)), cost=jnp.ones((2, 1)))
        >>> game = PrivateCosts(offers, UniformCosts(jnp.zeros(2), jnp.ones(2)))
        >>> game.pseudotype(jnp.array([0.25, 0.5])).tolist(), game.cdf(jnp.array([0.75, 0.5])).tolist()
        ([0.75, 0.5], [0.75, 0.5])
    """

    offers: Offers
    costs: CostDistribution
    reserve: Float[Array, ""]
    outside_value: Float[Array, ""]

    def __init__(
        self,
        offers: Offers,
        costs: CostDistribution,
        *,
        reserve: ArrayLike | None = None,
        outside_value: ArrayLike = 0.0,
    ) -> None:
        self.offers, self.costs = offers, costs
        outside = jnp.asarray(outside_value, float)
        # Nobody who can have the outside value takes less. A number that is none is refused below, as it was given.
        self.reserve = jnp.maximum(jnp.asarray(-jnp.inf if reserve is None else reserve, float), outside)
        self.outside_value = jnp.where(jnp.isneginf(outside), 0.0, outside)
        if reserve is not None:
            reserve_per_segment(jnp.asarray(reserve, float), 1, outside, "private costs")

    def __check_init__(self) -> None:
        sizes = {x.shape[0] if x.ndim else None for x in jax.tree.leaves((self.offers, self.costs)) if eqx.is_array(x)}
        if None in sizes or len(sizes) > 1:
            raise InputError(
                "private costs: offers and costs must have one row per provider each; "
                "PrivateCosts.symmetric repeats one provider"
            )
        if sizes == {0}:
            raise InputError("private costs: no provider; give at least one")
        if not is_concrete(self.offers, self.costs, self.reserve, self.outside_value):
            return
        if not np.isfinite(self.outside_value):
            raise InputError(
                f"private costs: outside value is {self.outside_value}; it must be finite, or -inf for users who must be served"
            )
        if self.num_providers == 1 and np.isneginf(self.reserve):
            raise InputError(
                "private costs: one bidder and users who must be served (outside value -inf), so that nothing sets the "
                "price; give reserve= or a finite outside value"
            )
        self.offers.check(np.asarray(self.costs.lower), np.asarray(self.costs.upper))
        for i, (low, high) in enumerate(zip(*surplus_bounds(self), strict=True)):
            if not (np.isfinite([low, high]).all() and low < high):
                raise InputError(
                    f"private costs: the surplus of provider {i} runs from {low:g} to {high:g} over its cost parameters; it "
                    "must be finite and fall as θ rises"
                )

    @classmethod
    def symmetric(
        cls,
        offers: Offers,
        costs: CostDistribution,
        num_providers: int,
        *,
        reserve: ArrayLike | None = None,
        outside_value: ArrayLike = 0.0,
    ) -> "PrivateCosts":
        """The same provider ``num_providers`` times, each with its own draw of θ.

        Args:
            offers: of one provider.
            costs: distribution of its θ.
            num_providers: at least 1; at least 2 for users who must be served without a reserve.
            reserve, outside_value: as in the class.

        Raises:
            InputError: no provider, or one for users who must be served without a reserve.

        Example:
            >>> from games import CurveOffers, PowerQuality, ProportionalCost
            >>> che = PrivateCosts.symmetric(
            ...     CurveOffers(PowerQuality(2.0, 0.5), ProportionalCost(), 0.0, 4.0), UniformCosts(1.0, 2.0), 2)
            >>> [x.round(6).tolist() for x in che.bounds]
            [[0.5, 0.5], [1.0, 1.0]]
        """
        if num_providers < 1:
            raise InputError(f"private costs: {num_providers} providers; give at least 1")

        def repeated(module: Any) -> Any:
            def row(x):
                return jnp.broadcast_to(x, (num_providers, *x.shape)) if eqx.is_array(x) else x

            return jax.tree.map(row, module)

        return cls(repeated(offers), repeated(costs), reserve=reserve, outside_value=outside_value)

    @classmethod
    def from_market(
        cls,
        market: Market,
        users: Users,
        *,
        lower: ArrayLike = 0.8,
        upper: ArrayLike = 1.2,
        costs: CostDistribution | None = None,
        reserve: ArrayLike | None = None,
    ) -> "PrivateCosts":
        """A market whose providers' costs are θ times those listed, θ private.

        Args:
            market: N providers; its costs hold at θ = 1.
            users: one segment; q is the score.
            lower, upper: bounds of a uniform θ, one or ``[providers]``.
            costs: another distribution, with one entry per provider; then the bounds are not used.
            reserve: score that an offer must reach, dollars per query; users' outside value counts where it is more.

        Raises:
            InputError: several segments of users (hold one auction for each), or unusable bounds.

        Example:
            >>> from games import load_scenario
            >>> scenario = load_scenario("GPQA/majority")
            >>> game = PrivateCosts.from_market(scenario.market, scenario.users)
            >>> [round(1e3 * float(x[0]), 2) for x in game.bounds]  # dollars per 1,000 queries
            [7.2, 7.26]
        """
        if users.num_segments != 1:
            raise InputError(
                f"private costs: {users.num_segments} segments of users; hold one auction for each segment, with its own Users"
            )
        shape = (market.num_providers,)
        if costs is None:
            costs = UniformCosts(jnp.broadcast_to(lower, shape), jnp.broadcast_to(upper, shape))
        offers = LevelOffers(users.quality(market.accuracy)[0], market.cost, mask=market.mask)
        return cls(offers, costs, reserve=reserve, outside_value=users.outside_value[0])

    @property
    def num_providers(self) -> int:
        """Number of providers N."""
        return self.costs.lower.shape[0]

    @property
    def bounds(self) -> tuple[Providers, Providers]:
        """Least and largest pseudotype of every provider."""
        return self.pseudotype(self.costs.upper), self.pseudotype(self.costs.lower)

    def pseudotype(self, theta: Providers) -> Providers:
        """k_i at a cost parameter for every provider."""
        return eqx.filter_vmap(lambda offers, t: offers.pseudotype(t))(self.offers, theta)

    def quantile(self, probability: Providers) -> Providers:
        """Pseudotype that provider i stays below with the given probability."""
        return self.pseudotype(self.costs.inverse_survival(probability))

    def cdf(self, pseudotype: Providers) -> Providers:
        """F_i(k): probability that provider i has at most so much surplus to give."""
        return self.costs.survival(self.parameter(pseudotype))

    def pdf(self, pseudotype: Providers) -> Providers:
        """f_i(k) within the support, by change of variables: g(θ)/(∂c/∂θ)."""
        theta = self.parameter(pseudotype)
        slope = eqx.filter_vmap(lambda offers, t: offers.marginal_cost(t))(self.offers, theta)
        return self.costs.pdf(theta) / slope

    def parameter(self, pseudotype: Providers) -> Providers:
        """θ_i with the given pseudotype; the nearest bound outside the support."""
        one = eqx.filter_vmap(lambda offers, *rest: offers.parameter(*rest))
        return one(self.offers, pseudotype, self.costs.lower, self.costs.upper)

    def excess(self, theta: Providers) -> Providers:
        """V − S of what provider i delivers at θ_i: users' value less the score that the auction counts."""
        return eqx.filter_vmap(lambda offers, t: offers.excess(t))(self.offers, theta)


def surplus_bounds(game: PrivateCosts) -> tuple[np.ndarray, np.ndarray]:
    """``PrivateCosts.bounds`` of a game whose arrays can be looked at, even while other code is traced."""
    with jax.ensure_compile_time_eval():
        least, most = _bounds(game)
        return np.asarray(least), np.asarray(most)


@eqx.filter_jit
def _bounds(game: PrivateCosts) -> tuple[Providers, Providers]:
    return game.bounds


def alike(game: PrivateCosts) -> bool:
    """Whether all providers have the same offers and distribution; for games whose arrays can be looked at."""
    rows = [np.asarray(x) for x in jax.tree.leaves((game.offers, game.costs)) if eqx.is_array(x)]
    return not any(np.any(row != row[:1]) for row in rows)
