"""The first-score auction as a mechanism: the winner is paid what it asks, so bidders shade."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool

from games.market import Market
from games.score_auction import Bids, ScoreAuction, first_score
from games.users import Users, Values
from solver.compile import compiled
from solver.mechanisms.outcome import Outcome
from solver.mechanisms.second_score import (
    auction_name,
    check_reserve,
    entrants,
    false_gain,
    follows_bids,
    make_auction,
    record,
    reserve_of,
    sells_at_outside_value,
)
from solver.misreport import TICK, misreport_gain


class FirstScore(eqx.Module):
    """The first-score auction between bidders who know each other's offers.

    In equilibrium the best bidder asks for as much as still beats the second-best offer, one tick (1e-12 of quality)
    less; the others ask for their cost. So users pay what they would in the second-score auction, but a truthful winner
    could gain its whole rent by shading: ``misreport_gain``. With private costs see ``solver.bayesian``.

    Args:
        reserve: as in ``SecondScore``.
        entry_cost: as in ``SecondScore``.

    Raises:
        InputError: as in ``SecondScore``.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> outcome = FirstScore().outcome(scenario.market, scenario.users)
        >>> f"{outcome.user_value[0]:.5f} {outcome.misreport_gain.max():.5f} {outcome.max_regret.max():.5f}"
        '0.01525 0.00072 0.00000'
    """

    reserve: Values | str | None = None
    entry_cost: float = 0.0

    def __check_init__(self) -> None:
        check_reserve(self.reserve)

    @property
    def name(self) -> str:
        """``first-score``, with the kind of reserve if there is one."""
        return auction_name("first-score", self.reserve)

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger at the equilibrium bids, with the gain of a truthful bidder that starts to shade."""
        reserve = reserve_of(self.reserve, market, users, entry_cost=self.entry_cost)
        auction = make_auction(market, users, first_score, reserve, self.entry_cost, False)
        return _shaded(auction, sells_at_outside_value(self.reserve), follows_bids(self.reserve))


@compiled
def _shaded(auction: ScoreAuction, dear: Bool[Array, ""], follows: bool) -> Outcome:
    honest = auction.honest(entrants(auction))
    score = honest.score
    row = jnp.arange(score.shape[0])
    winner = jnp.argmax(score, axis=-1)
    best = score[row, winner]
    rival = jnp.maximum(score.at[row, winner].set(-jnp.inf).max(axis=-1), auction.reserve)
    beats = jnp.minimum(rival + TICK * jnp.abs(honest.promise[row, winner]), best)
    ask = jnp.where(best >= rival, honest.promise[row, winner] - beats, honest.ask[row, winner])
    bids = Bids(honest.level, honest.promise, honest.ask.at[row, winner].set(ask))
    if follows:
        misreport = false_gain(auction, entrants(auction), own_score_paid=True)
    else:
        misreport = misreport_gain(auction, honest).gain
    return record(auction, bids, auction.play(bids), dear=dear, misreport=misreport)
