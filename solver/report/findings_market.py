"""What one market shows at the β in focus, in sentences. Every number and name in them comes from the results."""

from collections.abc import Sequence

from games.auction import NOBODY
from solver.compare import NEGLIGIBLE
from solver.report.findings_compute import compute_sentences
from solver.report.findings_mechanisms import mechanism_sentence
from solver.report.findings_parts import Finding, how_certain
from solver.report.result import Result, Verdict
from solver.report.style import Money, listed, percent, plain, shorten
from solver.report.tables_market import loses


def scenario_findings(result: Result, money: Money) -> list[Finding]:
    """What one market shows: at the β in focus, and how certain it is over all β."""
    verdict = result.verdict
    several = result.scenario.users.num_segments > 1
    return [
        Finding("Compute", f"At β = {plain(verdict.rationality)}, {compute_sentences(verdict, money)}"),
        Finding("Cost", _cost(verdict, money)),
        Finding("Auction", _auction(result, verdict, money)),
        *([Finding("Segments", _segments(result, verdict, money))] if several else []),
        Finding("Mechanisms", mechanism_sentence(result.mechanisms, verdict.rationality, money)),
        Finding("Certainty", how_certain([result], list(result.verdicts)).text),
    ]


def _cost(verdict: Verdict, money: Money) -> str:
    found = verdict.efficiency
    if not verdict.has_equilibrium:
        best = money.amount(verdict.optimum.users)
        return f"Users would get {best} {money.per} at the market optimum."
    change = verdict.optimum.users - verdict.market.users
    users = f"Users get {money.amount(verdict.market.users)} {money.per}"
    if abs(change) <= NEGLIGIBLE * max(abs(verdict.optimum.users), abs(verdict.market.users)):
        users += ", as at the market optimum."
    else:
        users += f", {money.amount(abs(change))} {'less' if change > 0 else 'more'} than at the market optimum."
    if found.note:
        return f"{users} The price of anarchy is {found.note}."
    several = ", in the worst equilibrium" if len(found.equilibria) > 1 else ""
    lost = (
        "nothing"
        if verdict.lost <= NEGLIGIBLE
        else f"{percent(verdict.lost)} of what the market optimum would give them"
    )
    return f"{users} Users and providers together lose {lost}{several}."


def _auction(result: Result, verdict: Verdict, money: Money) -> str:
    losers = [shorten(name) for name in verdict.auction.losers]
    worse = f" Worse off: {listed(losers, 4)}." if losers else " Nobody is worse off."
    gain = verdict.auction.users - verdict.market.users
    small = NEGLIGIBLE * max(abs(verdict.auction.users), abs(verdict.market.users))
    if not verdict.has_equilibrium:
        change = worse = ""  # nothing to compare with, as the finding on compute says
    elif abs(gain) <= small:
        change = ", as today"
    else:
        change = f", {money.amount(abs(gain))} {'more' if gain > 0 else 'less'} than today"
    users = f"Users would get {money.amount(verdict.auction.users)} {money.per}{change}."
    return f"{_winners(result, verdict, money)} {users}{worse}"


def _winners(result: Result, verdict: Verdict, money: Money) -> str:
    """Who wins whose queries, at what price, and what is left of it."""
    outcome, names = verdict.efficiency.auction, result.scenario.market.providers
    winners = [int(winner) for winner in outcome.winner]
    if set(winners) == {NOBODY}:
        return "No offer meets the reserve, so that nothing is sold."
    profit = f"{money.amount(verdict.auction.providers)} of profit"
    if len(winners) == 1:
        price = money.amount(float(outcome.price[0]))
        return f"{shorten(names[winners[0]])} would win every query at {price} {money.per} and keep {profit}."
    segments, prices = result.scenario.segment_names, [money.amount(price) for price in outcome.price.tolist()]
    if len(set(winners)) == 1:
        parts = [f"{price} from “{shorten(name)}”" for name, price in zip(segments, prices, strict=True)]
        return (
            f"{shorten(names[winners[0]])} would win every query, at {listed(parts, 4)} {money.per}, and keep {profit}."
        )
    parts = [
        f"nobody those of “{shorten(name)}”"
        if winner == NOBODY
        else f"{shorten(names[winner])} those of “{shorten(name)}” at {price}"
        for name, winner, price in zip(segments, winners, prices, strict=True)
    ]
    return f"Queries would be won segment by segment: {listed(parts, 4)} {money.per}; {profit} would be left."


def _segments(result: Result, verdict: Verdict, money: Money) -> str:
    """What each segment of users gets, today and in the auction."""
    parts, losing = [], []
    names: Sequence[str] = result.scenario.segment_names
    for name, before, now in zip(names, verdict.segment_market, verdict.segment_auction, strict=True):
        short = f"“{shorten(name)}”"
        today, auction = money.apart(float(before), float(now))
        parts.append(f"{short} gets {f'{today} today, ' if verdict.has_equilibrium else ''}{auction} in the auction")
        if verdict.has_equilibrium and loses(float(before), float(now)):
            losing.append(short)
    text = f"{money.per.capitalize()}, {'; '.join(parts[:4])}" + (
        f"; and {len(parts) - 4} more" if len(parts) > 4 else ""
    )
    if not verdict.has_equilibrium:
        return f"{text}."
    return (
        f"{text}. Loses from the auction: {listed(losing)}."
        if losing
        else f"{text}. No segment loses from the auction."
    )
