"""Asks on a grid in a score auction, query after query; the platform may have to learn quality."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from games.errors import InputError
from games.market import Market
from games.score_auction import reserve_per_segment
from games.users import Users
from games.verified_quality import Judge
from solver.quality_learning import QualityLearner, learned
from solver.repeated_stage import Knowledge, PerProvider, Round, Table


class AskStage(eqx.Module):
    """A score auction with asks on a grid, one segment of users, every provider at its level of largest surplus.

    Args:
        quality: true quality q of the offers, dollars per query.
        cost: cost of the offers.
        value: α.
        asks: the grid, dollars per query; ``of`` builds one that holds the cost.
        reserve: least score that sells; -inf for none.
        outside: what a user keeps without a sale, dollars per query.
        first_share: how far the winner's own score sets the price: 0 is the second-score rule (the user keeps the best rival
            score), 1 the first-score rule (the winner is paid its ask), between them a mixture.
        learner: how the platform learns quality; ``None`` if it knows.
        judge: whose verdicts it learns from.
        taste_scale: users' tastes, Gumbel of mean 0 and this scale in dollars (1/β), are added to scores; 0 for none.
    """

    quality: PerProvider
    cost: PerProvider
    value: Float[Array, ""]
    asks: Table
    reserve: Float[Array, ""]
    outside: Float[Array, ""]
    first_share: Float[Array, ""]
    learner: QualityLearner | None
    judge: Judge
    taste_scale: Float[Array, ""]

    @classmethod
    def of(
        cls,
        market: Market,
        users: Users,
        *,
        first_share: float = 0.0,
        num_asks: int = 41,
        learner: QualityLearner | None = None,
        judge: Judge | None = None,
        taste_scale: float = 0.0,
        reserve: float | None = None,
    ) -> "AskStage":
        """The stage of a market, with asks from cost − W₁/4 to cost + W₁, W₁ the largest surplus, the cost among them.

        Args:
            market: N providers.
            users: one segment.
            first_share, learner, judge, taste_scale: see the class.
            num_asks: size of the grid, 5k + 1 for a whole number k, so that the cost is on it.
            reserve: dollars per query; users' outside value by default.

        Raises:
            InputError: several segments, a grid of another size, no surplus, a taste scale below 0, a first share outside
                [0, 1], or one bidder without a reserve.

        Example:
            >>> from games import load_scenario
            >>> scenario = load_scenario("GPQA/reasoning_effort")
            >>> stage = AskStage.of(scenario.market, scenario.users)
            >>> stage.asks.shape, bool((stage.asks[:, 8] == stage.cost).all())
            ((3, 41), True)
        """
        if users.num_segments != 1:
            raise InputError(f"repeated play: one segment of users at a time; these have {users.num_segments}")
        if num_asks < 6 or num_asks % 5 != 1:
            raise InputError(
                f"repeated play: num_asks is {num_asks}; it must be 5k + 1 (6, 11, ..., 41) to hold the cost"
            )
        if not (np.isfinite(taste_scale) and taste_scale >= 0):
            raise InputError(f"repeated play: taste_scale is {taste_scale:g}; it must be finite and not negative")
        if not 0 <= first_share <= 1:
            raise InputError(f"repeated play: first_share is {first_share:g}; it must lie within [0, 1]")
        quality = users.quality(market.accuracy)[0]
        surplus = jnp.where(market.mask, quality - market.cost, -jnp.inf)
        best = jnp.argmax(surplus, axis=1)[:, None]
        quality, cost = (jnp.take_along_axis(x, best, axis=1)[:, 0] for x in (quality, market.cost))
        largest = float((quality - cost).max())
        if largest <= 0:
            raise InputError(
                f"repeated play: no offer is worth its cost (largest surplus {largest:g} dollars per query)"
            )
        chosen = users.outside_value if reserve is None else reserve
        floor = float(reserve_per_segment(chosen, 1, users.outside_value, "repeated play")[0])
        if market.num_providers == 1 and np.isneginf(floor):
            raise InputError("repeated play: one bidder and no reserve, so that nothing sets the price; give a reserve")
        at_cost = (num_asks - 1) // 5
        margins = (jnp.arange(num_asks) - at_cost) * (largest / (num_asks - 1 - at_cost))
        return cls(
            quality=quality,
            cost=cost,
            value=users.value_per_correct[0],
            asks=cost[:, None] + margins,
            reserve=jnp.asarray(floor),
            outside=jnp.where(jnp.isfinite(users.outside_value[0]), users.outside_value[0], 0.0),
            first_share=jnp.asarray(first_share, float),
            learner=learner,
            judge=Judge() if judge is None else judge,
            taste_scale=jnp.asarray(taste_scale, float),
        )

    @property
    def mask(self) -> Bool[Array, "providers actions"]:
        """All asks exist."""
        return jnp.ones(self.asks.shape, bool)

    @property
    def actions(self) -> Table:
        """Dollars asked."""
        return self.asks

    @property
    def bounds(self) -> tuple[PerProvider, PerProvider]:
        """A sale pays at least the ask; under second score at most quality less what rivals or the reserve leave users.

        Tastes have no bound: four scales are allowed for, and what lies beyond counts as the bound when providers learn.
        """
        known = self.learner is None
        highest = self.quality if known else jnp.broadcast_to(self.value, self.quality.shape)
        lowest = (self.quality if known else jnp.zeros_like(self.quality)) - self.asks.max(axis=1)
        rival = jnp.where(jnp.eye(len(lowest), dtype=bool), -jnp.inf, lowest[None, :]).max(axis=1, initial=-jnp.inf)
        left = self._left(highest - self.asks.max(axis=1), jnp.maximum(rival, self.reserve))
        top = jnp.maximum(highest - left - self.cost, self.asks.max(axis=1) - self.cost)
        return jnp.minimum(self.asks.min(axis=1) - self.cost, 0.0), top + 4 * self.taste_scale

    def start(self) -> Knowledge:
        """Nothing seen yet."""
        return Knowledge(jnp.zeros_like(self.quality), jnp.zeros_like(self.quality))

    def play(self, knowledge: Knowledge, chosen: Int[Array, " providers"], query: Array, key: PRNGKeyArray) -> Round:
        """Score the bids, pay the winner, learn from the verdict on its answer."""
        taste_key, verdict_key = jax.random.split(key)
        taste = self.taste_scale * (jax.random.gumbel(taste_key, self.quality.shape) - np.euler_gamma)
        estimate = self._estimate(knowledge, query)
        offered = estimate + taste
        asked = jnp.take_along_axis(self.asks, chosen[:, None], axis=1)[:, 0]
        score = offered - asked
        winner = jnp.argmax(score)
        sold = score[winner] >= self.reserve
        served = (jnp.arange(len(score)) == winner) & sold
        values = self._values(offered, score)
        profit = jnp.take_along_axis(values, chosen[:, None], axis=1)[:, 0]
        welfare = jnp.where(sold, (self.quality + taste - self.cost)[winner], self.outside)
        user_value = welfare - profit.sum()
        approved = jax.random.bernoulli(verdict_key, self.judge.approval(self.quality / self.value)[winner])
        seen = Knowledge(knowledge.approved + served * approved, knowledge.seen + served)
        return Round(values, offered, user_value, welfare, served.astype(float), seen, estimate)

    def _estimate(self, knowledge: Knowledge, query: Array) -> PerProvider:
        if self.learner is None:
            return self.quality
        return self.value * learned(self.learner, self.judge, *knowledge, query)

    def _left(self, own: Array, rival: Array) -> Array:
        """What the winner must leave the user, from its own score and the best rival score or the reserve."""
        # Written so that nothing is lost, and an infinite rival score has no part, at either end.
        return jnp.where(self.first_share == 1, own, rival + self.first_share * (own - rival))

    def _values(self, offered: PerProvider, score: PerProvider) -> Table:
        """Profit of every ask; of equal scores the provider listed first wins."""
        index = jnp.arange(len(score))
        others = jnp.where(jnp.eye(len(score), dtype=bool), -jnp.inf, score[None, :])
        rival = others.max(axis=1)
        # The first of the best others: it wins a tie if it is listed before.
        before = jnp.argmax(others, axis=1) < index
        own = offered[:, None] - self.asks
        rival_score = rival[:, None]
        wins = (own > rival_score) | ((own == rival_score) & ~before[:, None])
        sells = wins & (own >= self.reserve)
        left = self._left(own, jnp.maximum(rival_score, self.reserve))
        return jnp.where(sells, offered[:, None] - left - self.cost[:, None], 0.0)

    def expected(self, standing: PerProvider, mixed: Table) -> Table:
        """Exact, from the distribution of the best rival score: all bids in the order in which they win."""
        n, k = mixed.shape
        score = standing[:, None] - self.asks
        provider = jnp.repeat(jnp.arange(n), k)
        order = jnp.lexsort((-provider, score.ravel()))
        rank = jnp.argsort(order).reshape(n, k)
        mass = jnp.zeros((n, n * k)).at[provider, rank.ravel()].set(mixed.ravel())
        cumulative = jnp.cumsum(mass, axis=1)  # probability that a provider's bid ranks no higher

        def of(i: Int[Array, ""]) -> Float[Array, " actions"]:
            below = jnp.where((jnp.arange(n) == i)[:, None], 1.0, cumulative).prod(axis=0)
            # Probability that the best rival bid has this rank; without rivals it has the lowest.
            weight = jnp.diff(below, prepend=0.0)
            rival = jnp.where(n == 1, self.reserve, jnp.maximum(score.ravel()[order], self.reserve))
            pays = standing[i] - self._left(score[i][:, None], rival[None, :]) - self.cost[i]
            wins = (jnp.arange(n * k)[None, :] < rank[i][:, None]) | (n == 1)
            gain = jnp.where(wins, weight[None, :] * pays, 0.0).sum(axis=1)
            return jnp.where(score[i] >= self.reserve, gain, 0.0)

        return jax.vmap(of)(jnp.arange(n))
