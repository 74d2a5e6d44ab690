"""The second-score auction in which quality is paid as promised, as judged, or as audited: who then says the truth."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from games.market import Market
from games.score_auction import ScoreAuction, second_score
from games.users import Users, Values
from games.verified_quality import PayLottery, QualityContract
from solver.compile import compiled
from solver.mechanisms.outcome import Outcome, settle
from solver.mechanisms.reserve_from_bids import best_false_profit
from solver.mechanisms.second_score import auction_name, check_reserve, follows_bids, make_auction, reserve_of

PerProvider = Float[Array, "segments providers"]


class VerifiedQuality(eqx.Module):
    """The second-score auction under a contract on quality, played in dominant strategies.

    Mean pay is F(q̂, level) − M with M the best rival score, so that providers compete with max F − cost whatever M: a level,
    a promise within [0, α], and an ask that makes the score of the bid this number. F is the quality delivered where
    no bond binds: promises are then true and compute is efficient. Where one binds or nothing is audited, it pays to promise α.

    Args:
        contract: how the winner is paid; by default on the verdict of a judge that never errs.
        reserve: as in ``SecondScore``; ``"revenue-optimal"`` sets the number only, users pay what the winner gets.

    Raises:
        InputError: a reserve of no known kind; in ``outcome``: one bidder and no reserve.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> for rate in (1.0, 0.0):
        ...     outcome = VerifiedQuality(QualityContract(rate)).outcome(scenario.market, scenario.users)
        ...     print(f"{outcome.welfare[0]:.5f} {outcome.user_value[0]:.5f} {outcome.misreport_gain.max():.5f}")
        0.01597 0.01525 0.00000
        0.01150 0.01147 0.00395
    """

    contract: QualityContract = eqx.field(default_factory=QualityContract)
    reserve: Values | str | None = None

    def __check_init__(self) -> None:
        check_reserve(self.reserve)

    @property
    def name(self) -> str:
        """``verified-quality`` or ``promised-quality``, with the kind of reserve and the audit rate if there is one."""
        rate = float(self.contract.audit_rate)
        name = auction_name("verified-quality" if rate else "promised-quality", self.reserve)
        return name if rate in (0, 1) else f"{name}, audit rate {rate:g}"

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger of dominant play; the platform bears the audits.

        ``misreport_gain`` is the exact gain over all promises, levels and asks where the others bid the truth; a reserve that
        is the best for given scores follows the false bid.
        """
        auction = make_auction(market, users, second_score, reserve_of(self.reserve, market, users), 0.0, False)
        return _settled(auction, self.contract, follows_bids(self.reserve))

    def winners_pay(self, market: Market, users: Users) -> PayLottery:
        """Distribution of the winner's pay in every segment, ``[segments, states]``: for variance and losses."""
        auction = make_auction(market, users, second_score, reserve_of(self.reserve, market, users), 0.0, False)
        return _winners_pay(auction, self.contract)


class _Play(NamedTuple):
    """Level, promise and score of every bid, who serves and what the best rival score is."""

    level: Int[Array, "segments providers"]
    promise: PerProvider
    score: PerProvider
    threshold: PerProvider
    serves: Bool[Array, "segments providers"]


def _play(auction: ScoreAuction, contract: QualityContract) -> _Play:
    alpha = auction.users.value_per_correct[:, None, None]
    quality = auction.quality
    correct = quality / alpha
    gain = contract.overstatement_gain(alpha, correct, alpha - quality)
    scores = auction.surplus + contract.overpayment(alpha, correct) + gain
    level = jnp.argmax(scores, axis=-1)
    promise = jnp.where(gain > 0, jnp.broadcast_to(alpha, quality.shape), quality)
    return _bids(auction, level, auction.at(promise, level), scores.max(axis=-1))


def _bids(auction: ScoreAuction, level: Int[Array, "segments providers"], promise: Array, score: Array) -> _Play:
    first = jnp.arange(score.shape[1]) == jnp.argmax(score, axis=-1)[:, None]
    return _Play(level, promise, score, _threshold(auction, score), first & (score >= auction.reserve[:, None]))


def _threshold(auction: ScoreAuction, score: PerProvider) -> PerProvider:
    """The best score of the others, or the reserve."""
    own = jnp.eye(score.shape[1], dtype=bool)
    others = jnp.where(own, -jnp.inf, score[:, None, :]).max(axis=-1)
    return jnp.maximum(others, auction.reserve[:, None])


def _profit(auction: ScoreAuction, contract: QualityContract, play: _Play) -> PerProvider:
    alpha = auction.users.value_per_correct[:, None]
    correct = auction.at(auction.quality, play.level) / alpha
    threshold = jnp.where(play.serves, play.threshold, 0.0)
    pay = contract.lottery(alpha, correct, play.promise, threshold).mean
    return jnp.where(play.serves, pay - auction.at(auction.market.cost, play.level), 0.0)


def _best_profit(auction: ScoreAuction, contract: QualityContract, threshold: PerProvider) -> PerProvider:
    """The best a provider can do against a threshold, from the enumerated pay of every level at every promise.

    Mean pay is piecewise linear in the promise: its maximum over [0, α] is at an end or where a bond starts to bind.
    """
    alpha = auction.users.value_per_correct[:, None, None, None]
    correct = (auction.quality / auction.users.value_per_correct[:, None, None])[..., None]
    limit = jnp.where(jnp.isfinite(contract.bond), contract.audit_rate * contract.bond, 0.0)
    worth = auction.users.value_per_correct[:, None] * contract.judge.corrected()
    top = auction.users.value_per_correct[:, None]
    tried = jnp.concatenate([jnp.zeros_like(top), top, jnp.clip(worth + limit, 0.0, top)], axis=1)
    tried = jnp.concatenate(
        [jnp.broadcast_to(tried[:, None, None, :], (*auction.quality.shape, 4)), auction.quality[..., None]], axis=-1
    )
    finite = jnp.where(jnp.isfinite(threshold), threshold, 0.0)[:, :, None, None]
    pay = contract.lottery(alpha, correct, tried, finite).mean.max(axis=-1)
    profit = jnp.where(auction.market.mask, pay - auction.market.cost, -jnp.inf).max(axis=-1)
    return jnp.maximum(profit, 0.0)


@compiled
def _settled(auction: ScoreAuction, contract: QualityContract, follows: bool) -> Outcome:
    play = _play(auction, contract)
    honest_bids = auction.honest()
    honest = _bids(auction, honest_bids.level, honest_bids.promise, honest_bids.score)
    weight = auction.users.weight

    def regret(played: _Play) -> Float[Array, " providers"]:
        gain = _best_profit(auction, contract, played.threshold) - _profit(auction, contract, played)
        return weight @ jnp.maximum(gain, 0.0)

    misreport = regret(honest)
    if follows:
        best = best_false_profit(auction, True, play.score, own_score_paid=False)
        misreport = jnp.maximum(misreport, best - weight @ _profit(auction, contract, honest))
    price = _profit(auction, contract, play) + auction.at(auction.market.cost, play.level)
    allocation = play.serves.astype(float)
    return settle(
        auction.market,
        auction.users,
        levels=play.level,
        allocation=allocation,
        price=jnp.where(play.serves, price, 0.0),
        platform=-contract.audit_budget * allocation.sum(axis=-1),
        max_regret=regret(play),
        misreport_gain=misreport,
    )


@jax.jit
def _winners_pay(auction: ScoreAuction, contract: QualityContract) -> PayLottery:
    play = _play(auction, contract)
    winner = jnp.argmax(play.score, axis=-1)[:, None]

    def won(values: PerProvider) -> Float[Array, " segments"]:
        return jnp.take_along_axis(values, winner, axis=1)[:, 0]

    alpha = auction.users.value_per_correct
    correct = won(auction.at(auction.quality, play.level)) / alpha
    return contract.lottery(alpha, correct, won(play.promise), won(play.threshold))
