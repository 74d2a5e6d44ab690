"""What a market loses and who pays for it: price of anarchy, the auction's gain, over-computing, and the ledger.

Price of anarchy: optimal welfare / welfare of the worst equilibrium; price of stability: the same with the best
equilibrium (Koutsoupias & Papadimitriou 1999; Anshelevich et al. 2008). The auction's gain over an equilibrium splits in two:

    W_auction − W_equilibrium = (W_auction − W_optimum) + (W_optimum − W_equilibrium)

the first part removes noise from users' choice, the second repairs providers' incentives.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Array, Int

from games.auction import NOBODY, AuctionOutcome, SecondScoreAuction
from games.pay_per_compute import PayPerCompute
from games.readable import readable
from games.users import Values
from solver.compile import compiled
from solver.equilibria import Equilibria, pure_equilibria
from solver.lattice import DEFAULT_TOLERANCE
from solver.mechanisms.second_score import reserve_of
from solver.optimum import Optimum, welfare_optimum
from solver.provision_levels import Provision, provision

# A loss smaller than this fraction of welfare is rounding.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class LedgerRow:
    """Who gets what under one arrangement, dollars per query.

    Args:
        name: the arrangement.
        users: what users get if choice is noise (value less price).
        providers: all providers' profit.
        platform: what the platform keeps; 0 here, since neither regime of the paper charges a fee.
        welfare: the sum of the three.
        consumer_surplus: what users get if choice follows tastes; the auction leaves no choice, so no taste term there.
        profits: profit of every provider, in the order of the market.
        losers: who is worse off than in the ledger's first row: users, platform, or a provider's name.
    """

    __repr__ = readable

    name: str
    users: float
    providers: float
    platform: float
    welfare: float
    consumer_surplus: float
    profits: tuple[float, ...]
    losers: tuple[str, ...]


@dataclass(frozen=True)
class Efficiency:
    """The verdict on a market; money in dollars per query.

    Args:
        equilibria: all pure equilibria, lowest welfare first.
        optimum: the welfare optimum.
        price_of_anarchy: ``inf`` if the worst equilibrium creates no welfare, ``nan`` if undefined.
        price_of_stability: the same for the best equilibrium.
        note: why a ratio is infinite or undefined; empty otherwise.
        auction: outcome of the reverse second-price auction.
        choice_noise: part of the auction's gain over the worst equilibrium that removes noise from users' choice.
        incentives: part of that gain that repairs providers' incentives.
        provision: who computes too much in the worst equilibrium, in three readings (``solver.provision_levels``), per
            provider; empty without an equilibrium.
        ledger: ``market equilibrium`` first, the worst one (then ``market, best equilibrium``, if another), then optimum and
            auctions; without an equilibrium no row is compared with another, and nobody is named a loser.
    """

    __repr__ = readable

    equilibria: Equilibria
    optimum: Optimum
    price_of_anarchy: float
    price_of_stability: float
    note: str
    auction: AuctionOutcome
    choice_noise: float
    incentives: float
    provision: tuple[Provision, ...]
    ledger: tuple[LedgerRow, ...]

    @property
    def over_computing(self) -> tuple[str, ...]:
        """Providers that compute more in the worst equilibrium than their own best offer, argmax(q − c)."""
        return tuple(p.provider for p in self.provision if p.against_best_offer == "over")

    @property
    def too_high(self) -> tuple[str, ...]:
        """Those of ``over_computing`` whose move to their best offer alone would raise welfare materially."""
        return tuple(p.provider for p in self.provision if p.too_high)


def welfare_ratio(optimum: float, welfare: float) -> float:
    """Optimal welfare over the welfare of a profile; ``inf`` if the latter is not positive, ``nan`` if the former.

    Args:
        optimum: optimal welfare, dollars per query.
        welfare: that of the profile, likewise.

    Example:
        >>> welfare_ratio(2.0, 1.0), welfare_ratio(2.0, -1.0), welfare_ratio(-1.0, -2.0)
        (2.0, inf, nan)
    """
    if not optimum > 0:
        return math.nan
    return optimum / welfare if welfare > 0 else math.inf


def ratio_note(optimum: float, welfare: float | None) -> str:
    """Why ``welfare_ratio`` is infinite or undefined, in words; empty if it is a number."""
    if welfare is None:
        return "undefined: the market has no pure equilibrium"
    if not optimum > 0:
        return "undefined: not even the optimum creates positive welfare"
    return "" if welfare > 0 else "infinite: the worst equilibrium creates no positive welfare"


def efficiency(
    game: PayPerCompute,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    equilibria: Equilibria | None = None,
    reserve: Values | Literal["V0", "no-harm", "user-optimal"] | None = None,
) -> Efficiency:
    """Optimum, equilibria, prices of anarchy and stability, the auction's gain and split, over-computing, ledger.

    Args:
        game: the pay-per-compute game of a market.
        tolerance: relative gain below which a deviation does not count; see ``pure_equilibria``.
        equilibria: the game's equilibria, if they are known already.
        reserve: reserve of the auction in dollars per query, ``"no-harm"`` (against the worst equilibrium) or
            ``"user-optimal"`` (the one number that is best for users of all segments together). Users' outside value is
            the default, and counts wherever it is more.

    Raises:
        PrecisionError: JAX runs with 32-bit floats.
        InputError: the auction cannot be held: one provider for users who must be served and no reserve, or
            ``"no-harm"`` in a market without equilibrium.

    Example:
        >>> from games import load_scenario
        >>> verdict = efficiency(load_scenario("GPQA/reasoning_effort").game(rationality=1000))
        >>> round(verdict.price_of_anarchy, 4), [row.losers for row in verdict.ledger if "auction" in row.name][0][0]
        (1.0129, 'users')
    """
    found = pure_equilibria(game, tolerance=tolerance) if equilibria is None else equilibria
    optimum = welfare_optimum(game)
    best_welfare = float(optimum.welfare)
    posted = found.worst if len(found) else None
    held = reserve_of(reserve, game.market, game.users) if reserve == "user-optimal" else reserve
    auction = SecondScoreAuction(game.market, game.users, reserve=held, posted=posted).outcome()
    auction_welfare = float(auction.mean(auction.welfare))
    if len(found) == 0:
        nan = math.nan
        row = _market_row("market optimum", game, optimum.profile)
        # Nothing settles: there is no outcome of today's market that anybody could be worse off than.
        ledger = (row, _auction_row("auction", game, auction))
        note = ratio_note(best_welfare, None)
        return Efficiency(found, optimum, nan, nan, note, auction, auction_welfare - best_welfare, nan, (), ledger)
    worst, best = float(found.welfare[0]), float(found.welfare[-1])
    harmless = SecondScoreAuction(game.market, game.users, reserve="no-harm", posted=posted).outcome()
    # The same name whether or not there are others, so that tables of many markets can be grouped by it.
    rows = [_market_row("market equilibrium", game, found.worst)]
    if len(found) > 1:
        rows.append(_market_row("market, best equilibrium", game, found.best))
    rows.append(_market_row("market optimum", game, optimum.profile))
    if reserve != "no-harm":
        rows.append(_auction_row("auction" if reserve is None else f"auction, reserve {reserve}", game, auction))
    rows.append(_auction_row("auction, no-harm reserve", game, harmless))
    return Efficiency(
        equilibria=found,
        optimum=optimum,
        price_of_anarchy=welfare_ratio(best_welfare, worst),
        price_of_stability=welfare_ratio(best_welfare, best),
        note=ratio_note(best_welfare, worst),
        auction=auction,
        choice_noise=auction_welfare - best_welfare,
        incentives=best_welfare - worst,
        provision=provision(game, found.worst, optimum.profile, max(worst, best_welfare, key=abs)),
        ledger=_with_losers(rows, game.market.providers),
    )


@compiled
def _accounts(game: PayPerCompute, profile: Int[Array, " providers"]) -> tuple[Array, ...]:
    return (
        game.expected_user_value(profile),
        game.consumer_surplus(profile),
        game.welfare(profile),
        game.payoffs(profile),
    )


def _market_row(name: str, game: PayPerCompute, profile: Int[Array, " providers"]) -> LedgerRow:
    users, surplus, welfare, payoffs = (np.asarray(x) for x in _accounts(game, profile))
    profits = tuple(payoffs.tolist())
    return LedgerRow(name, float(users), float(payoffs.sum()), 0.0, float(welfare), float(surplus), profits, ())


def _auction_row(name: str, game: PayPerCompute, outcome: AuctionOutcome) -> LedgerRow:
    users = float(outcome.mean(outcome.user_value))
    sold = np.asarray(outcome.winner) != NOBODY
    profits = np.zeros(game.market.num_providers)
    np.add.at(profits, np.asarray(outcome.winner)[sold], np.asarray(outcome.weight * outcome.winner_profit)[sold])
    welfare = float(outcome.mean(outcome.welfare))
    return LedgerRow(name, users, float(profits.sum()), 0.0, welfare, users, tuple(profits.tolist()), ())


def _with_losers(rows: list[LedgerRow], providers: Iterable[str]) -> tuple[LedgerRow, ...]:
    """Name those who are worse off than in the first row."""
    first = rows[0]
    small = NEGLIGIBLE * max(abs(first.welfare), abs(first.users))
    marked = []
    for row in rows:
        parties = [("users", row.users, first.users), ("platform", row.platform, first.platform)]
        parties += list(zip(providers, row.profits, first.profits, strict=True))
        losers = tuple(name for name, now, before in parties if now < before - small)
        marked.append(replace(row, losers=losers))
    return tuple(marked)
