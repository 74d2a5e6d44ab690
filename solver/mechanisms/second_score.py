"""The reverse second-price auction of the paper as a mechanism: truthful bids are dominant."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from games.base import is_concrete
from games.errors import InputError
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.score_auction import Award, Bids, PaymentRule, ScoreAuction, reserve_per_segment, second_score
from games.users import Users, Values
from solver.compile import compiled
from solver.equilibria import pure_equilibria
from solver.mechanisms.outcome import Outcome, settle
from solver.misreport import misreport_gain
from solver.reserve import optimal_reserve

KINDS = ("V0", "no-harm", "user-optimal", "revenue-optimal")


class SecondScore(eqx.Module):
    """The second-score auction with truthful bids; ``docs/theory/auction.md``.

    Args:
        reserve: score that the winner must reach and leave to the user: dollars per query (one, or one per segment),
            ``None`` or ``"V0"`` for users' outside value, ``"no-harm"`` for what users get in the worst
            equilibrium of the pay-per-compute market, ``"user-optimal"`` for the one number that is best for users of
            all segments together, ``"revenue-optimal"`` for the same number where the platform sells at users' outside
            value and keeps the rest. Users' outside value counts wherever it is more: nobody buys for less.
        entry_cost: dollars per query that a bid costs, win or lose. Bidders know each other's offers, so only one
            enters: the best, if what it earns over the reserve covers the cost.
        split_ties: whether equal best offers share the queries; else the provider listed first serves all.

    Raises:
        InputError: a reserve that is neither of these; in ``outcome``: a negative number, users who must be served by one
            bidder, or with an entry cost, without a reserve, or ``"revenue-optimal"`` where users have no outside value to
            sell at.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> users = scenario.users.with_rationality(1000)
        >>> outcomes = [SecondScore(reserve=r).outcome(scenario.market, users) for r in (None, "no-harm")]
        >>> [f"{outcome.user_value[0]:.5f}" for outcome in outcomes]
        ['0.01525', '0.01545']
    """

    reserve: Values | str | None = None
    entry_cost: float = 0.0
    split_ties: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_reserve(self.reserve)

    @property
    def name(self) -> str:
        """``second-score``, with the kind of reserve if there is one."""
        return auction_name("second-score", self.reserve)

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger under truthful bids, with the exact gain of the best false bid."""
        reserve = reserve_of(self.reserve, market, users, entry_cost=self.entry_cost)
        auction = make_auction(market, users, second_score, reserve, self.entry_cost, self.split_ties)
        return _truthful(auction, sells_at_outside_value(self.reserve))


def check_reserve(reserve: Values | str | None) -> None:
    """Refuse a reserve that no auction understands.

    Raises:
        InputError: the text lists the ones that exist.
    """
    if isinstance(reserve, str) and reserve not in KINDS:
        raise InputError(f"auction: reserve is {reserve!r}; it must be {', '.join(KINDS)}, dollars per query, or None")


def auction_name(rule: str, reserve: Values | str | None) -> str:
    """Name of an auction: its rule, and its reserve if any.

    Example:
        >>> auction_name("second-score", "V0"), auction_name("first-score", 0.01)
        ('second-score-V0', 'first-score, reserve 0.01')
    """
    if reserve is None:
        return rule
    if isinstance(reserve, str):
        return f"{rule}-{reserve}"
    return f"{rule}, reserve " + ", ".join(f"{value:g}" for value in np.ravel(np.asarray(reserve, float)))


def reserve_of(
    reserve: Values | str | None, market: Market, users: Users, *, entry_cost: float = 0.0
) -> Float[Array, " segments"]:
    """The reserve in dollars per query, one for each segment; -inf for none.

    Raises:
        InputError: an unusable number, ``"no-harm"`` in a market without a pure equilibrium to compare with, or
            ``"revenue-optimal"`` with users who have no outside option.
    """
    outside = users.outside_value
    if reserve is None or (isinstance(reserve, str) and reserve == "V0"):
        return outside
    if isinstance(reserve, str) and reserve == "no-harm":
        game = PayPerCompute(market, users)
        found = pure_equilibria(game)
        if not len(found):
            raise InputError("auction: reserve 'no-harm' needs a pure equilibrium of the posted market; there is none")
        return game.segment_user_value(found.worst)
    if isinstance(reserve, str):
        if reserve == "revenue-optimal" and is_concrete(outside) and np.any(np.isneginf(np.asarray(outside))):
            raise InputError(
                "auction: reserve 'revenue-optimal' sells at users' outside value, and users without an outside option "
                "would pay any price; give users an outside_value, or take 'user-optimal'"
            )
        score = _honest_scores(ScoreAuction(market, users, reserve=0.0))
        alone = jnp.full(users.num_segments, -jnp.inf)
        second = score[:, 1] if market.num_providers > 1 else alone
        # Where bidding costs, only the best bids, and the reserve must leave it that cost.
        second = jnp.where(entry_cost > 0, alone, second)
        best = optimal_reserve(score[:, 0] - entry_cost, second, outside, users.weight)
        # The best reserve is a score, to be met by that very score, which other compiled code may round otherwise.
        quality = jnp.where(market.mask, users.quality(market.accuracy), 0.0)
        rounding = 4 * jnp.finfo(score.dtype).eps * jnp.abs(quality).max()
        return jnp.broadcast_to(best.reserve - rounding, (users.num_segments,))
    return reserve_per_segment(reserve, users.num_segments, outside)


def sells_at_outside_value(reserve: Values | str | None) -> Bool[Array, ""]:
    """Whether users pay the platform what they would give, and the platform pays the winner: ``"revenue-optimal"``."""
    return jnp.asarray(isinstance(reserve, str) and reserve == "revenue-optimal")


def make_auction(
    market: Market,
    users: Users,
    rule: PaymentRule,
    reserve: Float[Array, " segments"],
    entry_cost: float,
    split_ties: bool,
) -> ScoreAuction:
    """The auction, refused where nothing would set the price.

    Raises:
        InputError: users who must be served by one bidder, or by one that enters alone because of an entry cost, and no
            reserve.
    """
    auction = ScoreAuction(market, users, rule=rule, reserve=0.0, entry_cost=entry_cost, split_ties=split_ties)
    auction = auction.with_reserve(reserve)
    if is_concrete(auction.reserve) and np.any(np.isneginf(np.asarray(auction.reserve))):
        remedy = "so that nothing sets the price; give a reserve or an outside value"
        if market.num_providers == 1:
            raise InputError(f"auction: one bidder and users who must be served (outside value -inf), {remedy}")
        if float(entry_cost) > 0:
            raise InputError(
                "auction: an entry cost lets only one bidder enter, and users must be served (outside value -inf), "
                f"{remedy}"
            )
    return auction


def entrants(auction: ScoreAuction) -> Bool[Array, "segments providers"]:
    """Who bids: everybody if bidding is free, else the best alone, if its rent over the reserve covers the cost."""
    offer = auction.surplus.max(axis=-1)
    best = jnp.arange(offer.shape[1]) == jnp.argmax(offer, axis=-1)[:, None]
    pays = offer - auction.entry_cost >= auction.reserve[:, None]
    return jnp.where(auction.entry_cost > 0, best & pays, True)


def record(
    auction: ScoreAuction,
    bids: Bids,
    award: Award,
    *,
    dear: Bool[Array, ""],
    misreport: Float[Array, "segments providers"] | None = None,
) -> Outcome:
    """The outcome of an auction as it was played; what users pay above the winner's price stays with the platform.

    Args:
        auction: the auction.
        bids: what was bid.
        award: what came of it.
        dear: whether users pay so much that they keep their outside value; else what the winner is paid.
        misreport: gains over honest bids, if these are others.
    """
    outside = jnp.where(jnp.isfinite(auction.users.outside_value), auction.users.outside_value, 0.0)
    quality = auction.at(auction.quality, bids.level)
    price = jnp.where(dear & (award.allocation > 0), quality - outside[:, None], award.price)
    fees = jnp.where(jnp.isfinite(bids.ask), auction.entry_cost, 0.0)
    kept = award.allocation * (price - award.price)
    regret = misreport_gain(auction, bids).gain
    weight = auction.users.weight
    return settle(
        auction.market,
        auction.users,
        levels=bids.level,
        allocation=award.allocation,
        price=price,
        transfers=-fees - kept,
        platform=kept.sum(axis=-1),
        max_regret=weight @ regret,
        misreport_gain=weight @ (regret if misreport is None else misreport),
    )


@compiled
def _truthful(auction: ScoreAuction, dear: Bool[Array, ""]) -> Outcome:
    bids = auction.honest(entrants(auction))
    return record(auction, bids, auction.play(bids), dear=dear)


@jax.jit
def _honest_scores(auction: ScoreAuction) -> Float[Array, "segments providers"]:
    return -jnp.sort(-auction.honest().score, axis=-1)
