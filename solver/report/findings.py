"""Five findings over all markets, for a reader who has a minute. Every number and name in them comes from the results.

A case is one market at one tabled β. Cases without an equilibrium (possible with several segments of users) are told and then
left out, since nothing can be compared with them.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from solver.compare import NEGLIGIBLE
from solver.report.findings_parts import Finding, how_certain, in_cases, largest_excess, median_case, where
from solver.report.result import Result, Verdict
from solver.report.style import Money, count, listed, percent, plain, plural, shorten, times
from solver.report.tables_market import loses

QUESTION = (
    "Providers of AI answers are paid per token. Do they spend more compute than it is worth? What does that cost users, and "
    "what would change if providers had to bid for each query?"
)
PARTIES = ("users", "platform")


def key_findings(results: Sequence[Result], money: Money) -> list[Finding]:
    """Five findings over all markets and tabled β."""
    cases = [verdict for result in results for verdict in result.verdicts]
    solved = [verdict for verdict in cases if verdict.has_equilibrium]
    certain = how_certain(results, cases)
    if not solved:
        return [*_nothing_settles(cases, money), certain]
    return [
        _who_over_computes(results, cases, solved),
        _what_it_costs(solved, money),
        _what_the_auction_changes(solved, money),
        _who_loses(results, solved, money),
        certain,
    ]


def _who_over_computes(results: Sequence[Result], cases: Sequence[Verdict], solved: Sequence[Verdict]) -> Finding:
    rows = [p for v in solved for p in v.efficiency.provision]
    over, under = (sum(p.against_optimum == side for p in rows) for side in ("over", "under"))
    who = count(len(rows), "choice")
    betas = [v.rationality for v in results[0].verdicts]
    if len(cases) == 1:
        parts = []
    else:
        values = plural(len(betas), "value", "values")
        parts = [f"{count(len(results), 'market')} at {values} of β (how sharply users choose): {len(cases)} cases."]
    missing = len(cases) - len(solved)
    if missing:
        parts.append(
            f"{missing} {'has' if missing == 1 else 'have'} no equilibrium and {'is' if missing == 1 else 'are'} left out."
        )
    affected = sum(bool(v.efficiency.over_computing) for v in solved)
    right = len(rows) - over - under
    start = "At least one provider spends" if affected else "No provider spends"
    if len(cases) == 1:
        start = f"At β = {plain(betas[0])} (how sharply users choose), {start[0].lower()}{start[1:]}"
    parts.append(
        f"{start} more tokens on a query than is best for users and providers together"
        f"{in_cases(affected, len(solved)) if affected else ''}."
    )
    if under or right:
        parts.append(f"Of {who}, {over} {'is' if over == 1 else 'are'} too high, {under} too low and {right} right.")
    worst = largest_excess(solved)
    if worst is not None:
        verdict, row = worst
        parts.append(
            f"The largest excess: {shorten(row.provider, 60)}{where(verdict, cases)} spends "
            f"{plain(row.equilibrium_tokens)} tokens where {plain(row.optimum_tokens)} are best, "
            f"{times(row.equilibrium_tokens, row.optimum_tokens)} as many."
        )
    title = f"{over} of {who} of compute {'is' if over == 1 else 'are'} too high"
    if over in (0, len(rows)):
        title = f"{'No' if over == 0 else 'Every'} provider uses too much compute"
    return Finding(title, " ".join(parts))


def _what_it_costs(cases: Sequence[Verdict], money: Money) -> Finding:
    gap = np.array([v.optimum.users - v.market.users for v in cases])
    small = np.array([NEGLIGIBLE * max(abs(v.optimum.users), abs(v.market.users)) for v in cases])
    worse, better = int(np.sum(gap > small)), int(np.sum(gap < -small))
    parts = []
    if worse:
        most = int(np.argmax(gap))
        title = f"Users lose up to {money.amount(gap[most])} {money.per}"
        here, best = money.apart(cases[most].market.users, cases[most].optimum.users)
        if len(cases) == 1:
            parts.append(
                f"Users get {money.amount(gap[most])} {money.per} less than in the best outcome: {here} instead of {best}."
            )
        else:
            middle = (
                f"{money.amount(float(np.median(gap)))} {money.per} less in the median case, " if len(cases) > 2 else ""
            )
            parts.append(
                "Users get less than in the best outcome"
                f"{in_cases(worse, len(cases))}: {middle}at most {money.amount(gap[most])}{where(cases[most], cases)}, "
                f"{here} instead of {best}."
            )
    else:
        title = "It costs users nothing"
        parts.append("Users get as much as in the best outcome, or more.")
    if better and worse:
        parts.append(f"They get more than there{in_cases(better, len(cases))}, at the providers' expense.")
    lost = np.array([v.lost for v in cases])
    known = np.flatnonzero(np.isfinite(lost) & np.array([v.market.welfare > 0 for v in cases]))
    if known.size:
        worst = known[int(np.argmax(lost[known]))]
        if lost[worst] <= NEGLIGIBLE:
            parts.append("Users and providers together lose nothing.")
        elif len(known) == 1:
            parts.append(f"Users and providers together lose {percent(float(lost[worst]))} of what they could gain.")
        else:
            middle = percent(max(0.0, float(np.median(lost[known]))))
            parts.append(
                f"Users and providers together lose {middle} of what they could gain in the median case, and at most "
                f"{percent(float(lost[worst]))}{where(cases[worst], cases)}."
            )
    ruined = sum(bool(np.isinf(v.efficiency.price_of_anarchy)) for v in cases)
    hopeless = sum(float(v.efficiency.optimum.welfare) <= 0 for v in cases)
    if ruined:
        title = "The market can destroy all value"
        parts.append(
            f"The market creates no value{in_cases(ruined, len(cases))}, though it could: the price of anarchy is infinite."
        )
    if hopeless:
        parts.append(f"Not even the best outcome creates value{in_cases(hopeless, len(cases))}.")
    return Finding(title, " ".join(parts))


def _what_the_auction_changes(cases: Sequence[Verdict], money: Money) -> Finding:
    gain = np.array([v.auction.welfare - v.market.welfare for v in cases])
    small = np.array([NEGLIGIBLE * max(abs(v.auction.welfare), abs(v.market.welfare)) for v in cases])
    users = np.array([v.auction.users - v.market.users for v in cases])
    up, down = int(np.sum(gain > small)), int(np.sum(gain < -small))
    parts = ["The best offer wins each query, and users get what the second-best would give them."]
    title = "An auction would change little"
    if up:
        most = int(np.argmax(gain))
        title = f"An auction would add up to {money.amount(float(gain[most]))} {money.per}"
        largest = money.amount(float(gain[most]))
        if len(cases) == 1:
            parts.append(f"Users and providers together gain {largest} {money.per}.")
        else:
            middle = f"{money.amount(float(np.median(gain)))} in the median case, " if len(cases) > 2 else ""
            parts.append(
                f"Users and providers together gain{in_cases(up, len(cases))}: {middle}up to {largest} {money.per}"
                f"{where(cases[most], cases)}."
            )
    if down:
        title = "An auction would not always help" if up else "An auction would not help"
        parts.append(f"They lose{in_cases(down, len(cases)) or ' from it'}.")
    typical = float(np.median(users))
    if abs(typical) > float(np.median(small)):
        more = "more" if typical > 0 else "less"
        parts.append(f"Users alone get {money.amount(abs(typical))} {more}{median_case(users)}.")
    noise, incentives = (sum(getattr(v.efficiency, name) for v in cases) for name in ("choice_noise", "incentives"))
    if noise >= 0 and incentives >= 0 and noise + incentives > 0:
        parts.append(
            f"{percent(incentives / (noise + incentives))} of the joint gain comes from better choices of compute."
        )
    return Finding(title, " ".join(parts))


def _who_loses(results: Sequence[Result], cases: Sequence[Verdict], money: Money) -> Finding:
    sellers = sum(len(v.efficiency.provision) for v in cases)
    losers = Counter(name for v in cases for name in v.auction.losers if name not in PARTIES)
    total = losers.total()
    harmed = [v for v in cases if "users" in v.auction.losers]
    parts = []
    if total:
        names = [
            f"{shorten(name)} ({number})" if len(cases) > 1 else shorten(name) for name, number in losers.most_common()
        ]
        if len(cases) == 1:
            earn = "earns" if total == 1 else "earn"
            parts.append(
                f"{total} of {count(sellers, 'provider')} {earn} less in the auction than today: {listed(names)}."
            )
        else:
            most_often = "most often " if len(names) > 1 else "always "
            parts.append(
                f"A provider earns less than today {total} times out of {sellers} (providers × cases), "
                f"{most_often}{listed(names)}."
            )
    else:
        parts.append("No provider earns less in the auction than today.")
    if harmed:
        worst = max(harmed, key=lambda v: v.market.users - v.auction.users)
        parts.append(
            f"Users lose{' too' if total else ''}{in_cases(len(harmed), len(cases))}"
            f"{', most' if len(cases) > 1 else ''}{where(worst, cases)}: "
            f"{' instead of '.join(money.apart(worst.auction.users, worst.market.users))} {money.per}."
        )
    else:
        parts.append("Users on the whole never lose.")
    parts += _segments_that_lose(results, cases, money)
    spared = sum("users" in v.no_harm.losers for v in cases)
    parts.append(
        "If users are promised what they get today, they "
        + ("lose nowhere" if spared == 0 else f"lose{in_cases(spared, len(cases)) or ' all the same'}")
        + "; the winner pays for it."
    )
    if total and harmed:
        title = "Some providers would lose, and sometimes users"
    else:
        title = (
            "Some providers would lose, users would not"
            if total
            else "Users would lose"
            if harmed
            else "Nobody would lose"
        )
    return Finding(title, " ".join(parts))


def _segments_that_lose(results: Sequence[Result], cases: Sequence[Verdict], money: Money) -> list[str]:
    """Which user segments get less in the auction, and which loses most."""
    lost = []
    for result in results:
        if result.scenario.users.num_segments == 1:
            continue
        for v in result.verdicts:
            for name, now, before in zip(
                result.scenario.segment_names, v.segment_auction, v.segment_market, strict=True
            ):
                if loses(float(before), float(now)):
                    lost.append((float(before - now), name, float(now), float(before), v))
    if not any(result.scenario.users.num_segments > 1 for result in results):
        return []
    if not lost:
        return ["No segment of users loses."]
    _, name, now, before, verdict = max(lost, key=lambda entry: entry[0])
    names = [f"“{shorten(each)}”" for each in dict.fromkeys(entry[1] for entry in lost)]
    return [
        f"Segments of users that lose: {listed(names)}; most “{shorten(name)}”{where(verdict, cases)}: "
        f"{' instead of '.join(money.apart(now, before))}."
    ]


def _nothing_settles(cases: Sequence[Verdict], money: Money) -> list[Finding]:
    """The first four findings where no case has an equilibrium."""
    best = np.array([v.auction.welfare for v in cases])
    optimum = np.array([v.optimum.welfare for v in cases])
    harmed = sum(float(v.auction.users) < float(v.optimum.users) for v in cases)
    nowhere = "There is no equilibrium" + ("" if len(cases) == 1 else f" in any of {len(cases)} cases")
    return [
        Finding("Nobody settles", f"{nowhere}: whatever the providers do, one of them would rather do something else."),
        Finding(
            "What it costs users is not defined",
            "Users and providers together could get "
            f"{money.amount(float(np.median(optimum)))} {money.per}{median_case(optimum)}; what they do get keeps changing.",
        ),
        Finding(
            "An auction would settle",
            "Providers bid for each query and the best offer wins: users and providers together get "
            f"{money.amount(float(np.median(best)))} {money.per}{median_case(best)}.",
        ),
        Finding(
            "Who loses is not defined",
            "There is no outcome of today's market to compare with. Against the best outcome of the market users would get "
            f"less in the auction{in_cases(harmed, len(cases)) or ' here'}.",
        ),
    ]
