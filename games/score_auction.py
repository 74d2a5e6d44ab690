"""Score auctions as games: what providers bid, who wins, what is paid.

A bid is a level of compute, a promised quality and an ask; its score is promise − ask, what the user keeps if the ask is
paid. The best score wins if it reaches the reserve r, which is never below users' outside value V0: a user who can have
V0 takes nothing worse. The *payment rule* says which value v the winner must leave to the user; the winner is paid

    price = promise − v,      second score: v = max(second-best score, r),      first score: v = its own score.

Providers deliver the quality of their level whatever they promised: if the promise is not verified, promising more raises
both the chance to win and the pay. Under the second-score rule with verified quality a truthful bid (best level, ask =
cost) is dominant: a bid moves whether one wins, never what one is paid (Che, RAND J. Econ. 24, 1993; arXiv 2601.21839).
Bidding may cost an entry fee, win or lose.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped

from games.base import is_concrete
from games.errors import InputError
from games.market import Market
from games.readable import readable
from games.users import Users, Values

PerProvider = Float[Array, "segments providers"]
PaymentRule = Callable[[Float[Array, "segments providers"], Float[Array, " segments"]], Float[Array, " segments"]]


def second_score(ranked: PerProvider, reserve: Float[Array, " segments"]) -> Float[Array, " segments"]:
    """The winner leaves the user the second-best score, or the reserve if that is higher.

    Args:
        ranked: scores of each segment, best first; -inf where no bid is left.
        reserve: value that the user must get at least.

    Example:
        >>> second_score(jnp.array([[5.0, 3.0, 1.0]]), jnp.array([4.0])).tolist()
        [4.0]
    """
    second = ranked[:, 1] if ranked.shape[1] > 1 else jnp.full(ranked.shape[0], -jnp.inf)
    return jnp.maximum(second, reserve)


def first_score(ranked: PerProvider, reserve: Float[Array, " segments"]) -> Float[Array, " segments"]:
    """The winner is paid its ask: it leaves the user its own score.

    Args:
        ranked: scores of each segment, best first; -inf where no bid is left.
        reserve: value that the user must get at least; the winner's score reaches it.

    Example:
        >>> first_score(jnp.array([[5.0, 3.0]]), jnp.array([4.0])).tolist()
        [5.0]
    """
    return ranked[:, 0]


def reserve_per_segment(
    reserve: Values, num_segments: int, outside_value: ArrayLike, place: str = "auction"
) -> Float[Array, " segments"]:
    """What an auction must leave the user of each segment: the reserve, or users' outside value where that is more.

    Args:
        reserve: dollars per query, one number or one per segment; -inf for none.
        num_segments: S.
        outside_value: V0, dollars per query, one or one per segment; a reserve may be negative only down to V0.
        place: what the text of an error begins with.

    Raises:
        InputError: words, a number of values that is neither 1 nor S, a value that is NaN or +inf, or a negative one.

    Example:
        >>> reserve_per_segment(0.01, 2, jnp.array([0.0, 0.03])).tolist(), reserve_per_segment(-np.inf, 1, 0.0).tolist()
        ([0.01, 0.03], [0.0])
    """
    if isinstance(reserve, str):
        raise InputError(f"{place}: reserve is {reserve!r}; give dollars per query here, or none")
    values = jnp.asarray(reserve, float)
    if values.shape not in ((), (1,), (num_segments,)):
        raise InputError(
            f"{place}: reserve has shape {values.shape}; give one number, or one for each segment: {num_segments}"
        )
    if is_concrete(values) and np.any(np.isnan(values) | np.isposinf(values)):
        raise InputError(f"{place}: reserve is {reserve}; it must be a finite number of dollars per query, or none")
    if is_concrete(values, outside_value):
        outside = np.asarray(outside_value, float)
        lowest = np.minimum(np.where(np.isfinite(outside), outside, 0.0), 0.0)
        if np.any(np.isfinite(values) & (np.asarray(values) < lowest)):
            raise InputError(
                f"{place}: reserve is {reserve}; a negative one leaves users less than nothing; give 0 or more dollars per "
                "query, users' outside value, or None (-inf in games.ScoreAuction) for no reserve"
            )
    return jnp.broadcast_to(jnp.maximum(values, jnp.asarray(outside_value, float)), (num_segments,))


class Bids(eqx.Module):
    """What providers bid in each segment; arrays, or nested lists of numbers.

    Args:
        level: level of compute at which a provider would serve.
        promise: quality that it promises, dollars per query.
        ask: price that it asks, dollars per query; ``inf`` stays out.

    Example:
        >>> Bids([[0, 1]], [[0.02, 0.03]], [[0.01, float("inf")]]).score.tolist()
        [[0.01, -inf]]
    """

    level: Int[Array, "segments providers"] = eqx.field(converter=jnp.asarray)
    promise: PerProvider = eqx.field(converter=lambda values: jnp.asarray(values, float))
    ask: PerProvider = eqx.field(converter=lambda values: jnp.asarray(values, float))

    @property
    def score(self) -> PerProvider:
        """promise − ask, dollars per query; -inf for those who stay out."""
        return self.promise - self.ask


class Award(eqx.Module):
    """Who won an auction and what was paid; dollars per query.

    Args:
        allocation: probability that a provider serves: 1 for the winner, shared among equals if ties are split.
        price: what a provider is paid if it serves.
        value_left: v, the value that the rule makes the winner leave to the user (if promises are kept).
        profits: price − cost, less the entry cost of those who bid.
    """

    __repr__ = readable

    allocation: PerProvider
    price: PerProvider
    value_left: Float[Array, " segments"]
    profits: PerProvider


class ScoreAuction(eqx.Module):
    """A score auction over the levels of a market, one for each segment of users: any bids, any rule of payment.

    For what the paper's auction gives under truthful bids, ``SecondScoreAuction`` is shorter.

    Args:
        market: N providers, K levels.
        users: S segments; the platform knows a query's segment.
        rule: the payment rule; ``second_score`` or ``first_score``, or a function of your own.
        reserve: score that a bid must reach, dollars per query, one or one per segment; -inf, the default, for users'
            outside value alone, which counts wherever it is more than the reserve. To set one that was computed and may be
            negative, such as the no-harm reserve, see ``with_reserve``.
        entry_cost: dollars per query that a bid costs, win or lose.
        verified: whether promises above the quality delivered are paid back: the winner is then paid quality − v.
        split_ties: whether the best bids share queries equally; else the provider listed first wins.

    Raises:
        InputError: a reserve that is NaN, +inf or negative, one bidder for users who must be served and no reserve (nothing
            sets the price), or an entry cost that is negative or not finite.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> auction = ScoreAuction(scenario.market, scenario.users)
        >>> award = auction.play(auction.honest())
        >>> [f"{profit:.5f}" for profit in award.profits[0]]
        ['0.00000', '0.00000', '0.00072']
    """

    market: Market
    users: Users
    rule: PaymentRule = eqx.field(static=True)
    reserve: Float[Array, " segments"]
    entry_cost: Float[Array, ""]
    verified: bool = eqx.field(static=True)
    split_ties: bool = eqx.field(static=True)

    def __init__(
        self,
        market: Market,
        users: Users,
        *,
        rule: PaymentRule = second_score,
        reserve: Values = -jnp.inf,
        entry_cost: float | Float[Array, ""] = 0.0,
        verified: bool = True,
        split_ties: bool = False,
    ) -> None:
        self.market, self.users, self.rule = market, users, rule
        self.verified, self.split_ties = verified, split_ties
        self.reserve = reserve_per_segment(reserve, users.num_segments, users.outside_value)
        self.entry_cost = jnp.asarray(entry_cost, float)

    def __check_init__(self) -> None:
        if not is_concrete(self.reserve, self.entry_cost):
            return
        entry_cost = float(self.entry_cost)
        if self.market.num_providers == 1 and np.any(np.isneginf(self.reserve)):
            raise InputError(
                "auction: one bidder and users who must be served (outside value -inf), so that nothing sets the price; give "
                "a reserve or an outside value"
            )
        if not (np.isfinite(entry_cost) and entry_cost >= 0):
            raise InputError(f"auction: entry cost is {entry_cost:g}; it must be finite and not negative")

    def with_reserve(self, reserve: Float[Array, " segments"]) -> "ScoreAuction":
        """The same auction with another reserve, unchecked: the value of a market may be negative, and inf sells nothing.

        Users' outside value counts where it is more.
        """
        return eqx.tree_at(lambda auction: auction.reserve, self, jnp.maximum(reserve, self.users.outside_value))

    def anonymous(self) -> "ScoreAuction":
        """The same auction without names, which are static and would make compiled solvers compile again."""
        if not self.market.providers:
            return self
        return eqx.tree_at(lambda auction: auction.market, self, self.market.anonymous())

    @property
    def quality(self) -> Float[Array, "segments providers levels"]:
        """q, dollars per query."""
        return self.users.quality(jnp.where(self.market.mask, self.market.accuracy, 0.0))

    @property
    def surplus(self) -> Float[Array, "segments providers levels"]:
        """W = q − c, dollars per query; -inf where no level exists."""
        return jnp.where(self.market.mask, self.quality - self.market.cost, -jnp.inf)

    def honest(self, enters: Bool[Array, "segments providers"] | bool = True) -> Bids:
        """Truthful bids: the level of largest surplus, its true quality, and an ask at cost.

        Args:
            enters: who bids at all.
        """
        level = jnp.argmax(self.surplus, axis=-1)
        return Bids(level, self.at(self.quality, level), jnp.where(enters, self.at(self.market.cost, level), jnp.inf))

    def at(
        self, values: Shaped[Array, "*segments providers levels"], level: Int[Array, "segments providers"]
    ) -> Shaped[Array, "segments providers"]:
        """Pick the values of the levels that are bid."""
        values = jnp.broadcast_to(values, (*level.shape, values.shape[-1]))
        return jnp.take_along_axis(values, level[..., None], axis=-1)[..., 0]

    def play(self, bids: Bids) -> Award:
        """Who wins and what is paid, whatever is bid.

        Raises:
            InputError: bids that are not one per segment and provider, a live bid (an ask that is not inf) with a negative
                or missing ask, with a promise that is no finite number or at a level that does not exist, or a winner whose
                price nothing sets (a single live bid for users who must be served, without a reserve).
        """
        self._check(bids)
        score = jnp.where(self.at(self.market.mask, bids.level), bids.score, -jnp.inf)
        best = score.max(axis=-1)
        sold = jnp.isfinite(best) & (best >= self.reserve)
        tied = (score == best[:, None]) & sold[:, None]
        first = jnp.arange(score.shape[1]) == jnp.argmax(score, axis=-1)[:, None]
        winners = tied if self.split_ties else tied & first
        allocation = winners / jnp.maximum(winners.sum(axis=-1, keepdims=True), 1)
        value_left = self.rule(-jnp.sort(-score, axis=-1), self.reserve)
        if is_concrete(sold, value_left) and np.any(np.asarray(sold) & np.isneginf(np.asarray(value_left))):
            raise InputError(
                "auction: a single live bid and users who must be served (outside value -inf), so that nothing sets the "
                "price; give a reserve or an outside value"
            )
        quality, cost = self.at(self.quality, bids.level), self.at(self.market.cost, bids.level)
        paid_for = jnp.minimum(bids.promise, quality) if self.verified else bids.promise
        price = jnp.where(winners, paid_for - jnp.where(sold, value_left, 0.0)[:, None], 0.0)
        fee = jnp.where(jnp.isfinite(bids.ask), self.entry_cost, 0.0)
        earned = jnp.where(winners, allocation * (price - cost), 0.0)
        return Award(allocation, price, value_left, earned - fee)

    def _check(self, bids: Bids) -> None:
        """Refuse bids that no rule can settle, by place."""
        shape = (self.users.num_segments, self.market.num_providers)
        for name in ("level", "promise", "ask"):
            values = getattr(bids, name)
            if values.shape != shape:
                raise InputError(
                    f"auction: {name} of the bids has shape {values.shape}; give one row for each of {shape[0]} segments, with "
                    f"one number for each of {shape[1]} providers"
                )
        if not jnp.issubdtype(bids.level.dtype, jnp.integer):
            raise InputError(f"auction: level of the bids has type {bids.level.dtype}; give whole numbers")
        if not is_concrete(bids, self.market):
            return
        level, promise, ask, mask = (np.asarray(x) for x in (bids.level, bids.promise, bids.ask, self.market.mask))
        for s, i in np.argwhere(~np.isposinf(ask)):
            place = f"auction: the bid of {self.market.providers[i] if self.market.providers else f'provider {i}'}"
            place += f" in segment {s}" if shape[0] > 1 else ""
            if not ask[s, i] >= 0:
                raise InputError(f"{place} asks {ask[s, i]:g}; give dollars per query, 0 or more, or inf to stay out")
            if not np.isfinite(promise[s, i]):
                raise InputError(f"{place} promises {promise[s, i]:g}; give a finite number of dollars per query")
            k = level[s, i]
            if not (0 <= k < mask.shape[1] and mask[i, k]):
                raise InputError(f"{place} is at level {k}, which does not exist; levels are 0 to {mask[i].sum() - 1}")
