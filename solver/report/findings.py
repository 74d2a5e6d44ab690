"""Five findings over all markets, for a reader who has a minute. Every number and name in them comes from the results.

A case is one market at one tabled β. Cases without an equilibrium (possible with several segments of users) are told and then
left out, since nothing can be compared with them.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from solver.compare import NEGLIGIBLE
from solver.report.findings_compute import who_over_computes
from solver.report.findings_parts import Finding, how_certain, in_cases, median_case, where, where_largest
from solver.report.result import Solved, Verdict
from solver.report.style import Money, count, listed, percent, plural, shorten
from solver.report.tables_market import loses

QUESTION = (
    "Providers of AI answers are paid per token. Do they spend more compute than it is worth? What does that cost users, and "
    "what would change if providers had to bid for each query?"
)
OPTIMUM = "the levels at which users and providers together would get most, users choosing as they do"
PARTIES = ("users", "platform")


def key_findings(results: Sequence[Solved], money: Money) -> list[Finding]:
    """Five findings over all markets and tabled β."""
    cases = [verdict for result in results for verdict in result.verdicts]
    solved = [verdict for verdict in cases if verdict.has_equilibrium]
    certain = how_certain(results, cases)
    if not solved:
        return [*_nothing_settles(cases, money), certain]
    return [
        who_over_computes(results, cases, solved, money),
        _what_it_costs(solved, money),
        _what_the_auction_changes(solved, money),
        _who_loses(results, solved, money),
        certain,
    ]


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
                f"Users get {money.amount(gap[most])} {money.per} less than at the market optimum ({OPTIMUM}): {here} "
                f"instead of {best}."
            )
        else:
            middle = (
                f"{money.amount(float(np.median(gap)))} {money.per} less in the median case, " if len(cases) > 2 else ""
            )
            parts.append(
                f"Users get less than at the market optimum ({OPTIMUM})"
                f"{in_cases(worse, len(cases))}: {middle}at most {money.amount(gap[most])}{where_largest(gap, cases)}, "
                f"{here} instead of {best}."
            )
    else:
        title = "It costs users nothing"
        parts.append(f"Users get as much as at the market optimum ({OPTIMUM}), or more.")
    if better and worse:
        parts.append(f"They get more than there{in_cases(better, len(cases))}, at the providers' expense.")
    lost = np.array([v.lost for v in cases])
    known = np.flatnonzero(np.isfinite(lost) & np.array([v.market.welfare > 0 for v in cases]))
    if known.size:
        worst = int(known[np.argmax(lost[known])])
        if lost[worst] <= NEGLIGIBLE:
            parts.append("Users and providers together lose nothing.")
        elif len(known) == 1:
            parts.append(
                f"Users and providers together lose {percent(float(lost[worst]))} of what that optimum would give them."
            )
        else:
            middle = percent(max(0.0, float(np.median(lost[known]))))
            parts.append(
                f"Users and providers together lose {middle} of what that optimum would give them in the median case, and at "
                f"most {percent(float(lost[worst]))}{where_largest(lost[known], [cases[k] for k in known.tolist()])}."
            )
    ruined = sum(bool(np.isinf(v.efficiency.price_of_anarchy)) for v in cases)
    hopeless = sum(float(v.efficiency.optimum.welfare) <= 0 for v in cases)
    if ruined:
        title = "The market can destroy all value"
        parts.append(
            f"The market creates no value{in_cases(ruined, len(cases))}, though it could: the price of anarchy is infinite."
        )
    if hopeless:
        parts.append(f"Not even the market optimum creates value{in_cases(hopeless, len(cases))}.")
    return Finding(title, " ".join(parts))


def _what_the_auction_changes(cases: Sequence[Verdict], money: Money) -> Finding:
    gain = np.array([v.auction.welfare - v.market.welfare for v in cases])
    small = np.array([NEGLIGIBLE * max(abs(v.auction.welfare), abs(v.market.welfare)) for v in cases])
    users = np.array([v.auction.users - v.market.users for v in cases])
    up, down = int(np.sum(gain > small)), int(np.sum(gain < -small))
    parts = [_how_the_auction_works(cases)]
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
                f"{where_largest(gain, cases)}."
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
            f"{percent(incentives / (noise + incentives))} of the joint gain is what the market optimum would give too; the "
            "rest comes from sending every query to the best offer."
        )
    return Finding(title, " ".join(parts))


def _how_the_auction_works(cases: Sequence[Verdict]) -> str:
    """What users are left with: the second-best offer, or the reserve where that is more or there is no second."""
    outcomes = [v.efficiency.auction for v in cases]
    second = np.concatenate([np.asarray(outcome.runner_up_surplus) for outcome in outcomes])
    users = np.concatenate([np.asarray(outcome.user_value) for outcome in outcomes])
    scale = np.concatenate([np.abs(np.asarray(outcome.winner_surplus)) for outcome in outcomes])
    if np.all(users <= second + NEGLIGIBLE * scale):
        return "The best offer wins each query, and users get what the second-best would give them."
    return (
        "The best offer wins each query, and users get what the second-best would give them, or what not buying is worth to "
        "them where that is more or there is no second."
    )


def _who_loses(results: Sequence[Solved], cases: Sequence[Verdict], money: Money) -> Finding:
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
        fall = np.array([v.market.users - v.auction.users for v in cases])
        worst = cases[int(np.argmax(fall))]
        parts.append(
            f"Users lose{' too' if total else ''}{in_cases(len(harmed), len(cases))}"
            f"{', most' if len(cases) > 1 else ''}{where_largest(fall, cases)}: "
            f"{' instead of '.join(money.apart(worst.auction.users, worst.market.users))} {money.per}."
        )
    else:
        parts.append("Users on the whole never lose.")
    parts += _segments_that_lose(results, cases, money)
    parts.append(_promise(cases))
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


def _promise(cases: Sequence[Verdict]) -> str:
    """What the no-harm reserve does, segment by segment: nothing, the winner pays, or nothing is sold."""
    promised = np.concatenate([v.segment_market for v in cases])
    best, second = (
        np.concatenate([np.asarray(getattr(v.efficiency.auction, name)) for v in cases])
        for name in ("winner_surplus", "runner_up_surplus")
    )
    small = NEGLIGIBLE * np.abs(promised)
    unsold, binds = promised > best + small, promised > second + small
    harmed = sum("users" in v.no_harm.losers for v in cases)
    start = "If users are promised what they get today, they "
    start += "lose nowhere" if harmed == 0 else f"lose{in_cases(harmed, len(cases)) or ' all the same'}"
    if np.all(unsold):
        return f"{start}; no offer is good enough for that, and nothing is sold."
    if np.any(unsold):
        return f"{start}; the winner pays for it, or, where no offer is good enough, nothing is sold."
    return f"{start}; the winner pays for it." if np.any(binds) else f"{start}, at no cost to the winner."


def _segments_that_lose(results: Sequence[Solved], cases: Sequence[Verdict], money: Money) -> list[str]:
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
    most, name, now, before, verdict = max(lost, key=lambda entry: entry[0])
    others = sum(entry[0] >= most * (1 - NEGLIGIBLE) for entry in lost) - 1
    alike = f" (and as much in {plural(others, 'other case', 'other cases')})" if others else ""
    names = [f"“{shorten(each)}”" for each in dict.fromkeys(entry[1] for entry in lost)]
    return [
        f"Segments of users that lose: {listed(names)}; most “{shorten(name)}”{where(verdict, cases)}: "
        f"{' instead of '.join(money.apart(now, before))}{alike}."
    ]


def _nothing_settles(cases: Sequence[Verdict], money: Money) -> list[Finding]:
    """The first four findings where no case has an equilibrium."""
    best = np.array([v.auction.welfare for v in cases])
    optimum = np.array([v.optimum.welfare for v in cases])
    nowhere = "There is no equilibrium" + ("" if len(cases) == 1 else f" in any of {len(cases)} cases")
    return [
        Finding("Nobody settles", f"{nowhere}: whatever the providers do, one of them would rather do something else."),
        Finding(
            "What it costs users is not defined",
            "At the market optimum users and providers together would get "
            f"{money.amount(float(np.median(optimum)))} {money.per}{median_case(optimum)}; what they do get keeps changing.",
        ),
        Finding(
            "An auction would settle",
            "Providers bid for each query and the best offer wins: users and providers together get "
            f"{money.amount(float(np.median(best)))} {money.per}{median_case(best)}.",
        ),
        Finding(
            "Who loses is not defined",
            "Today’s market has no outcome, so that nobody can be said to gain or to lose by another.",
        ),
    ]
