"""From a state to the numbers that the explorer shows."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.auction import AuctionOutcome, SecondScoreAuction
from games.errors import InputError
from games.pay_per_compute import PayPerCompute
from solver import batch
from solver.cells import welfare_ratios
from solver.compile import compiled
from solver.equilibria import pure_equilibria
from solver.explorer.rows import Rows, market_of, rows_of, with_silence
from solver.explorer.state import State
from solver.mechanisms.collusion import Collusion
from solver.mechanisms.first_score import FirstScore
from solver.mechanisms.outcome import Mechanism, Outcome
from solver.mechanisms.pay_per_compute import MarketOptimum, PayPerComputeEquilibrium
from solver.mechanisms.posted_price import PostedPrice
from solver.mechanisms.price_and_compute import PriceAndCompute
from solver.mechanisms.registry import mechanism
from solver.mechanisms.routers import Router
from solver.mechanisms.second_score import SecondScore
from solver.mechanisms.truthful_logit import TruthfulLogit
from solver.mechanisms.verified_quality import VerifiedQuality
from solver.provision_levels import moves
from solver.result import Status

CURVE = np.geomspace(1.0, 1e6, 61)
# How a mechanism takes rows that are absent; see solver.explorer.rows. One or two providers are played as they are, for
# there the number of rows decides whether an equilibrium exists; and so is a mechanism that is listed nowhere.
BY_MASK = (
    PayPerComputeEquilibrium,
    MarketOptimum,
    SecondScore,
    FirstScore,
    VerifiedQuality,
    TruthfulLogit,
)
BY_SILENCE = (PostedPrice, PriceAndCompute, Collusion, Router)
FEW = 2


@dataclass(frozen=True)
class Ledger:
    """Who gets what, dollars per query that arrives."""

    users: float
    providers: float
    platform: float
    welfare: float


@dataclass(frozen=True)
class MarketView:
    """The pay-per-compute market of a state; arrays follow the state's offers, absent ones included.

    Args:
        worst, best, optimum: level of each provider in the equilibria of least and most welfare, and at the optimum.
        worst_shares, optimum_shares: market shares there; 0 for the absent.
        worst_profits: dollars per query there.
        best_offers: level of each provider's own best offer, argmax(q − c).
        best_offer_change: change of welfare if it alone moved there from the worst equilibrium, dollars per query.
        unserved: share of queries that takes the outside option in the worst equilibrium.
        num_equilibria: how many pure equilibria there are.
        complete: whether all were found.
        max_regret: largest relative regret of the worst and the best, from the independent certificate.
        anarchy, stability: optimal welfare over that of the worst and of the best.
        worst_ledger, best_ledger, optimum_ledger: who gets what.
        winner, winning_level: who wins the second-price auction with which level; -1 if nobody does.
        auction_ledger: who gets what there; None if it cannot be held, with one bidder and no outside option.
        curve_anarchy, curve_stability, curve_number: the same at each β of ``CURVE``.
        peak_shares: largest share of each provider in the worst equilibrium, over those β.
    """

    worst: np.ndarray
    best: np.ndarray
    optimum: np.ndarray
    worst_shares: np.ndarray
    optimum_shares: np.ndarray
    worst_profits: np.ndarray
    best_offers: np.ndarray
    best_offer_change: np.ndarray
    unserved: float
    num_equilibria: int
    complete: bool
    max_regret: float
    anarchy: float
    stability: float
    worst_ledger: Ledger
    best_ledger: Ledger
    optimum_ledger: Ledger
    winner: int
    winning_level: int
    auction_ledger: Ledger | None
    curve_anarchy: np.ndarray
    curve_stability: np.ndarray
    curve_number: np.ndarray
    peak_shares: np.ndarray


@dataclass(frozen=True)
class MechanismView:
    """One mechanism on the market of a state; arrays follow the state's offers.

    Args:
        name: of the mechanism.
        reason: why it has no outcome, or what is odd about it; empty otherwise.
        ledger: who gets what; None without an outcome.
        levels: level of each provider.
        shares: probability that a provider serves a query.
        price: dollars per query served.
        profits: dollars per query that arrives.
        gaming: the most that a provider gains by leaving honest play, dollars per query.
    """

    name: str
    reason: str
    ledger: Ledger | None
    levels: np.ndarray
    shares: np.ndarray
    price: np.ndarray
    profits: np.ndarray
    gaming: float


def solve(state: State) -> MarketView:
    """Equilibria, optimum and price of anarchy, at the state's β and over β.

    Raises:
        InputError: more providers or levels than the explorer has room for.

    Example:
        >>> from games import load_scenario
        >>> from solver.explorer.state import state_of
        >>> view = solve(state_of(load_scenario("GPQA/reasoning_effort")))
        >>> round(view.anarchy, 4), view.num_equilibria
        (1.0129, 1)
    """
    rows, count = rows_of(state), len(state.offers)
    game = PayPerCompute(market_of(rows), state.users)
    games = batch.rationality_grid(game, jnp.asarray(np.append(state.rationality, CURVE)))
    best_profiles, best_welfare = (np.asarray(x) for x in batch.optima(games))
    found = batch.equilibria(games)
    profiles = np.stack([found.worst[0], found.best[0], best_profiles[0]])
    users, welfare, profits, shares, unserved = (np.asarray(x) for x in _accounts(game, jnp.asarray(profiles)))
    moved = moves(game, jnp.asarray(profiles[0]))
    auction = _auction(game)
    user_value, rent, auctioned = (
        float(x) for x in (auction.user_value[0], auction.winner_profit[0], auction.welfare[0])
    )
    winner = int(auction.winner[0])
    peak = np.asarray(_shares(games, jnp.asarray(found.worst)))[1:].max(axis=0)
    there = rows.mask.any(axis=1)
    profits, shares, peak = (np.where(there, x, 0.0)[..., :count] for x in (profits, shares, peak))
    ledgers = [Ledger(float(users[r]), float(profits[r].sum()), 0.0, float(welfare[r])) for r in range(3)]
    anarchy = welfare_ratios(best_welfare, found.worst_welfare)
    stability = welfare_ratios(best_welfare, found.best_welfare)
    return MarketView(
        worst=profiles[0, :count],
        best=profiles[1, :count],
        optimum=profiles[2, :count],
        worst_shares=shares[0],
        optimum_shares=shares[2],
        worst_profits=profits[0],
        best_offers=np.asarray(moved.best_offers)[0, :count],
        best_offer_change=np.asarray(moved.best_offer_change)[:count],
        unserved=float(unserved[0]),
        num_equilibria=int(found.num_equilibria[0]),
        complete=bool(found.complete[0]),
        max_regret=float(found.max_regret[0]),
        anarchy=float(anarchy[0]),
        stability=float(stability[0]),
        worst_ledger=ledgers[0],
        best_ledger=ledgers[1],
        optimum_ledger=ledgers[2],
        winner=winner,
        winning_level=int(auction.levels[0, winner]),
        auction_ledger=Ledger(user_value, rent, 0.0, auctioned) if np.isfinite(user_value) else None,
        curve_anarchy=anarchy[1:],
        curve_stability=stability[1:],
        curve_number=found.num_equilibria[1:],
        peak_shares=peak,
    )


@compiled
def _accounts(game: PayPerCompute, profiles: Int[Array, "profiles rows"]) -> tuple[Array, ...]:
    def one(profile: Int[Array, " rows"]) -> tuple[Array, ...]:
        return (
            game.expected_user_value(profile),
            game.welfare(profile),
            game.payoffs(profile),
            game.shares(profile)[0],
            game.outside_share(profile)[0],
        )

    return jax.vmap(one)(profiles)


@compiled
def _shares(games: PayPerCompute, profiles: Int[Array, "batch rows"]) -> Float[Array, "batch rows"]:
    return jax.vmap(lambda game, profile: game.shares(profile)[0])(games, profiles)


@compiled
def _auction(game: PayPerCompute) -> AuctionOutcome:
    """As ``solver.efficiency`` holds it: with users' outside value as the reserve."""
    return SecondScoreAuction(game.market, game.users).outcome()


def play(state: State, name: str | None = None) -> MechanismView:
    """One mechanism on the state's market.

    Args:
        state: market and users.
        name: of a registered mechanism; by default the state's own.

    Raises:
        InputError: an unknown name. A market in which the mechanism is not defined is no error: the view says why.

    Example:
        >>> from games import load_scenario
        >>> from solver.explorer.state import state_of
        >>> view = play(state_of(load_scenario("GPQA/reasoning_effort")), "second-score")
        >>> f"{view.ledger.users:.5f}", view.shares.tolist()
        ('0.01525', [0.0, 0.0, 1.0])
    """
    name = state.mechanism if name is None else name
    count, reason = len(state.offers), ""
    outcome: Outcome | None = None
    try:
        outcome, levels, place = _outcome(mechanism(name), state)
    except InputError as error:
        reason = str(error)
    if outcome is None or int(outcome.status) == Status.NO_EQUILIBRIUM:
        nothing = np.full(count, np.nan)
        reason = reason or Status.NO_EQUILIBRIUM.text
        return MechanismView(name, reason, None, np.zeros(count, int), nothing, nothing, nothing, np.nan)
    present = _present(state)

    def by_offer(values: Array) -> np.ndarray:
        wide = np.zeros(count)
        wide[present] = np.asarray(values)[place]
        return wide

    status = Status(int(outcome.status))
    profits = by_offer(outcome.profits[0])
    users, platform, welfare = (float(x[0]) for x in (outcome.user_value, outcome.platform, outcome.welfare))
    return MechanismView(
        name=name,
        reason="" if status == Status.CONVERGED else status.text,
        ledger=Ledger(users, float(profits.sum()), platform, welfare),
        levels=levels,
        shares=by_offer(outcome.allocation[0]),
        price=by_offer(outcome.price[0]),
        profits=profits,
        gaming=float(by_offer(outcome.misreport_gain).max()),
    )


def _present(state: State) -> np.ndarray:
    """Which offers take part."""
    return np.flatnonzero([offer.present for offer in state.offers])


def _outcome(made: Mechanism, state: State) -> tuple[Outcome, np.ndarray, np.ndarray]:
    """The outcome, the level of every offer, and which rows of the outcome are those of the present ones."""
    present = _present(state)
    rows, place = rows_of(state), present
    if len(present) <= FEW or not isinstance(made, BY_MASK + BY_SILENCE):
        rows, place = Rows(*(column[present] for column in rows)), np.arange(len(present))
    elif isinstance(made, BY_SILENCE):
        if isinstance(made, PostedPrice):
            # Beside a price that is out of all proportion, the equilibrium of the others would be found less sharply.
            made = PostedPrice(levels=pure_equilibria(PayPerCompute(market_of(rows), state.users)).worst)
        rows = with_silence(rows, state.users)
    outcome = made.outcome(market_of(rows), state.users)
    levels = np.zeros(len(state.offers), int)
    levels[present] = np.asarray(outcome.levels[0])[place]
    return outcome, levels, place
