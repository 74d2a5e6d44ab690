"""The reverse second-price (second-score) auction of the paper, as a direct mechanism.

Providers bid a quality and an ask; the score of a bid is quality − ask. Under truthful bidding provider i offers the
level of largest surplus, W_i = max_k (q_ik − c_ik). The best score wins, and the user pays the winner

    price = q_1 − max(W_2, r),    user value = max(W_2, r),    rent = W_1 − max(W_2, r),

where W_2 is the second-best score and r the reserve: the value below which the user does not buy. It is never below the
outside value V0, since a user who can have V0 takes nothing worse; unserved users have V0. Bidding truthfully is
a dominant strategy, since a bid moves only whether one wins, never what one is paid (arXiv 2601.21839; Vickrey's rule
in scores: Che, RAND J. Econ. 24, 1993).
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.base import is_concrete
from games.errors import InputError
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.readable import readable
from games.score_auction import reserve_per_segment
from games.users import Users, Values

NOBODY = -1


class AuctionOutcome(eqx.Module):
    """What the auction gives, per segment; money is dollars per query.

    Args:
        winner: index of the winning provider; -1 if no offer meets the reserve.
        runner_up: index of the second-best provider; -1 if there is none.
        levels: level that every provider offers.
        winner_surplus: W_1, the best score.
        runner_up_surplus: W_2, the second-best score; -inf if there is none.
        price: what the user pays; 0 without a sale.
        user_value: what the user gets: quality − price, or the outside value without a sale (0 where there is none).
        winner_profit: price − cost of the winner; 0 without a sale.
        welfare: user value + profit.
        weight: share of queries of each segment.
    """

    __repr__ = readable

    winner: Int[Array, " segments"]
    runner_up: Int[Array, " segments"]
    levels: Int[Array, "segments providers"]
    winner_surplus: Float[Array, " segments"]
    runner_up_surplus: Float[Array, " segments"]
    price: Float[Array, " segments"]
    user_value: Float[Array, " segments"]
    winner_profit: Float[Array, " segments"]
    welfare: Float[Array, " segments"]
    weight: Float[Array, " segments"]

    def mean(self, values: Float[Array, " segments"]) -> Float[Array, ""]:
        """Average of a per-segment figure over all queries.

        Example:
            >>> from games import SecondScoreAuction, load_scenario
            >>> scenario = load_scenario("GSM8K/majority")
            >>> outcome = SecondScoreAuction(scenario.market, scenario.users).outcome()
            >>> round(float(outcome.mean(outcome.welfare)), 5)
            0.00726
        """
        return self.weight @ values


class SecondScoreAuction(eqx.Module):
    """The reverse second-price auction of a market; one auction per segment of users.

    The paper's mechanism by its closed form: truthful bids only. To play any bids, or other rules of payment, take
    ``ScoreAuction``; for one ledger with other mechanisms, ``solver.mechanisms.SecondScore``.

    Args:
        market: N providers, K levels.
        users: S segments; the platform knows a query's segment.
        reserve: value in dollars per query that the user must get at least: ``None`` or ``"V0"`` for users' outside
            value, a number (or one per segment), or ``"no-harm"`` for what users get in the posted market at the
            profile ``posted``. Where V0 is more, V0 counts; users who must be served (V0 = -inf) have no reserve by
            default.
        posted: profile of the pay-per-compute game that ``"no-harm"`` compares with, usually an equilibrium.

    Raises:
        InputError: the reserve is unusable or negative, ``posted`` has a level that does not exist, or there is one
            bidder for users who must be served and no reserve (nothing sets the price).

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> outcome = SecondScoreAuction(scenario.market, scenario.users).outcome()
        >>> scenario.market.providers[int(outcome.winner[0])], round(float(outcome.price[0]), 5)
        ('R1-D-Qwen-7B', 0.00091)
        >>> demanding = Users(0.02, 1000, outside_value=0.0157)  # the second-best offer is worth less: they get V0
        >>> float(SecondScoreAuction(scenario.market, demanding).outcome().user_value[0])
        0.0157
    """

    market: Market
    users: Users
    reserve: Float[Array, " segments"]

    def __init__(
        self,
        market: Market,
        users: Users,
        *,
        reserve: Values | str | None = None,
        posted: Int[Array, " providers"] | Sequence[int] | None = None,
    ) -> None:
        self.market = market
        self.users = users
        value: Values
        if reserve is None or (isinstance(reserve, str) and reserve == "V0"):
            value = users.outside_value
        elif isinstance(reserve, str) and reserve == "no-harm":
            if posted is None:
                raise InputError("auction: reserve 'no-harm' needs posted=, the profile played in the posted market")
            played = _existing(posted, market)
            value = jnp.maximum(PayPerCompute(market, users).segment_user_value(played), users.outside_value)
        elif isinstance(reserve, str):
            raise InputError(f"auction: reserve is {reserve!r}; it must be None, 'V0', 'no-harm' or dollars per query")
        else:
            value = reserve_per_segment(reserve, users.num_segments, users.outside_value)
        self.reserve = jnp.broadcast_to(jnp.asarray(value, float), (users.num_segments,))

    def __check_init__(self) -> None:
        if not is_concrete(self.reserve):
            return
        reserve = np.asarray(self.reserve)
        if self.market.num_providers == 1 and np.any(np.isneginf(reserve)):
            raise InputError(
                "auction: one bidder and users who must be served (outside value -inf), so that nothing sets the price; give "
                "a reserve or an outside value"
            )

    def outcome(self) -> AuctionOutcome:
        """Winner, runner-up, price, user value and rent under truthful bidding (module formula).

        Ties go to the provider listed first, within a provider to the lowest level.
        """
        quality = self.users.quality(self.market.accuracy)
        surplus = jnp.where(self.market.mask, quality - self.market.cost, -jnp.inf)
        levels = jnp.argmax(surplus, axis=-1)
        offers = jnp.max(surplus, axis=-1)
        winner = jnp.argmax(offers, axis=-1)
        segment = jnp.arange(self.users.num_segments)
        rivals = offers.at[segment, winner].set(-jnp.inf)
        runner_up = jnp.where(jnp.isfinite(rivals.max(axis=-1)), jnp.argmax(rivals, axis=-1), NOBODY)
        best, second = offers.max(axis=-1), rivals.max(axis=-1)
        pays_for = jnp.maximum(second, self.reserve)
        sold = best >= self.reserve
        outside = jnp.where(jnp.isfinite(self.users.outside_value), self.users.outside_value, 0.0)
        won_quality = quality[segment, winner, levels[segment, winner]]
        return AuctionOutcome(
            winner=jnp.where(sold, winner, NOBODY),
            runner_up=runner_up,
            levels=levels,
            winner_surplus=best,
            runner_up_surplus=second,
            price=jnp.where(sold, won_quality - pays_for, 0.0),
            user_value=jnp.where(sold, pays_for, outside),
            winner_profit=jnp.where(sold, best - pays_for, 0.0),
            welfare=jnp.where(sold, best, outside),
            weight=self.users.weight,
        )


def _existing(posted: Int[Array, " providers"] | Sequence[int], market: Market) -> Int[Array, " providers"]:
    """The profile as an array, refused where a provider has no such level."""
    levels = jnp.asarray(posted)
    if levels.shape != (market.num_providers,) or not jnp.issubdtype(levels.dtype, jnp.integer):
        raise InputError(
            f"auction: posted is {posted}; give the index of a level for each of {market.num_providers} providers"
        )
    if is_concrete(levels, market):
        mask = np.asarray(market.mask)
        for i, k in enumerate(np.asarray(levels)):
            if not (0 <= k < mask.shape[1] and mask[i, k]):
                name = market.providers[i] if market.providers else f"provider {i}"
                raise InputError(f"auction: posted has level {k} for {name}, whose levels are 0 to {mask[i].sum() - 1}")
    return levels
