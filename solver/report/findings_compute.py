"""Who computes too much, in sentences: against a provider's own best offer, and at the margin in dollars.

A choice of compute is *too high* if it takes more tokens than the provider's own best offer and its move there alone would
raise welfare by more than ``IMMATERIAL`` of it (``solver.provision_levels``). The welfare optimum is no yardstick here: it may
ask a weak provider for a level that repels its users.
"""

from collections.abc import Sequence

import numpy as np

from solver.compare import NEGLIGIBLE
from solver.provision_levels import IMMATERIAL, Provision
from solver.report.findings_parts import Finding, where
from solver.report.result import Solved, Verdict
from solver.report.style import Money, count, listed, percent, plain, plural, shorten

SMALL = f"{100 * IMMATERIAL:g}%"
BEST_OFFER = "A provider’s own best offer is its level of largest quality less cost, what it would bid in an auction."


def who_over_computes(
    results: Sequence[Solved], cases: Sequence[Verdict], solved: Sequence[Verdict], money: Money
) -> Finding:
    """The first finding, over all markets and tabled β that have an equilibrium."""
    rows = [row for verdict in solved for row in verdict.efficiency.provision]
    who, high = count(len(rows), "choice"), sum(row.too_high for row in rows)
    betas = [v.rationality for v in results[0].verdicts]
    parts = []
    if len(cases) > 1:
        values = plural(len(betas), "value", "values")
        parts = [f"{count(len(results), 'market')} at {values} of β (how sharply users choose): {len(cases)} cases."]
    missing = len(cases) - len(solved)
    if missing:
        parts.append(
            f"{missing} {'has' if missing == 1 else 'have'} no equilibrium and {'is' if missing == 1 else 'are'} left out."
        )
    parts += [BEST_OFFER, _against(rows, f"At β = {plain(betas[0])} (how sharply users choose), " * (len(cases) == 1))]
    over = [row for row in rows if row.against_best_offer == "over"]
    if over:
        served = sum(row.share for row in over) / len(solved)
        mean = "" if len(solved) == 1 else " on average over cases"
        parts.append(f"What is above it serves {percent(served)} of all queries{mean}.")
    parts += _at_the_margin(rows)
    if 0 < high < len(rows) and len(rows) > 2:
        parts.append(f"Too high are those above it whose move would raise that by more than {SMALL}.")
    parts += _costliest(solved, money)
    if high == len(rows):
        return Finding("Every provider uses too much compute", " ".join(parts))
    if high:
        return Finding(f"{high} of {who} of compute {'is' if high == 1 else 'are'} too high", " ".join(parts))
    if over:
        return Finding("No provider’s compute is too high by a material amount", " ".join(parts))
    return Finding("No provider uses more compute than its own best offer", " ".join(parts))


def _against(rows: Sequence[Provision], start: str) -> str:
    """How many choices are above, below and at the provider's own best offer."""
    sides = [row.against_best_offer for row in rows]
    over, under, equal, mixed = (sides.count(side) for side in ("over", "under", "equal", "mixed"))
    if equal == len(rows):
        text = f"all {count(len(rows), 'choice')} are at it" if len(rows) > 1 else "the only choice is at it"
    else:
        told = f", {mixed} above it for some users and below it for others" if mixed else ""
        text = (
            f"of {count(len(rows), 'choice')} of compute {over} {'is' if over == 1 else 'are'} above it, {under} below "
            f"and {equal} at it{told}"
        )
    return f"{start}{text}." if start else f"{text[0].upper()}{text[1:]}."


def _at_the_margin(rows: Sequence[Provision]) -> list[str]:
    """What the moves to the best offers, one at a time, would do."""
    apart = [row for row in rows if row.against_best_offer != "equal"]
    if not apart:
        return []
    ends = [row.at_the_margin for row in apart]
    words = {
        "gain": "raise {}",
        "loss": "lower {}",
        "immaterial": f"change {{}} by less than {SMALL}, which is immaterial",
    }
    told = [(text, ends.count(end)) for end, text in words.items() if end in ends]
    what = "what users and providers get together"
    if len(apart) == 1:
        return [f"Its move to its best offer alone, all others as they are, would {told[0][0].format(what)}."]
    start = f"The move of one of these {len(apart)} to its best offer alone, all others as they are, would "
    if len(told) == 1:
        return [f"{start}{told[0][0].format(what)}, whichever moves."]
    clauses = [
        f"{text.format('it' if i else what)}{',' if ', ' in text else ''} in {number}"
        for i, (text, number) in enumerate(told)
    ]
    return [f"{start}{listed(clauses)}."]


def _costliest(cases: Sequence[Verdict], money: Money) -> list[str]:
    """The choice that is too high at the largest cost, and how many others cost as much."""
    pairs = [(v, row) for v in cases for row in v.efficiency.provision if row.too_high]
    if not pairs:
        return []
    (verdict, row), others = _largest(pairs)
    alike = f"; {plural(others, 'other choice costs', 'other choices cost')} as much" if others else ""
    return [
        f"The costliest: {shorten(row.provider, 60)}{where(verdict, cases)}, {_tokens(row)}; the move would be worth "
        f"{money.amount(row.best_offer_change)} {money.per}{alike}."
    ]


def _largest(pairs: Sequence[tuple[Verdict, Provision]]) -> tuple[tuple[Verdict, Provision], int]:
    """The pair whose move is worth most, and how many others are worth as much."""
    worth = np.array([row.best_offer_change for _, row in pairs])
    first = int(np.argmax(worth))
    return pairs[first], int(np.sum(worth >= worth[first] * (1 - NEGLIGIBLE))) - 1


def _tokens(row: Provision) -> str:
    """What is played and what the best offers take."""
    offers = list(dict.fromkeys(plain(offer.tokens) for offer in row.best_offers))
    where_several = " (by segment)" if len(offers) > 1 else ""
    return f"{plain(row.equilibrium_tokens)} tokens per query where its own best offer takes {listed(offers, 4)}{where_several}"


def compute_sentences(verdict: Verdict, money: Money) -> str:
    """Who computes too much or too little in one market at one β."""
    if not verdict.has_equilibrium:
        return "there is no equilibrium: whatever the providers do, one of them would rather do something else."
    rows = verdict.efficiency.provision
    apart = [row for row in rows if row.against_best_offer != "equal"]
    if not apart:
        who = "every provider computes" if len(rows) > 1 else "the provider computes"
        return f"{who} as much as its own best offer, its level of largest quality less cost."
    parts = [
        *_most_of([row for row in rows if row.too_high], "too much", money),
        *_most_of([row for row in rows if row.too_low], "too little", money),
    ]
    rest = [row for row in apart if not (row.too_high or row.too_low)]
    mixed = [row for row in rest if row.at_the_margin == "gain"]
    if mixed:
        parts.append(
            f"{_names(mixed)} {_verb('compute', mixed)} more than {_its(mixed)} own best offer for some users and less for "
            "others; moving there would raise welfare"
        )
    for side, words in (
        ("over", "more {}"),
        ("under", "less {}"),
        ("mixed", "more {} for some users and less for others"),
    ):
        worse = [row for row in rest if row.at_the_margin == "loss" and row.against_best_offer == side]
        if worse:
            parts.append(
                f"{_names(worse)} {_verb('compute', worse)} {words.format(f'than {_its(worse)} own best offer')}, but a move "
                "there alone would lower welfare, by the users it takes from others or leaves to them"
            )
    small = [row for row in rest if row.at_the_margin == "immaterial"]
    if small:
        parts.append(
            f"{_names(small)} {_verb('differ', small)} from {_its(small)} own best offer, but a move there alone would "
            f"change welfare by less than {SMALL}, which is immaterial"
        )
    return "; ".join(parts) + "."


def _most_of(rows: Sequence[Provision], what: str, money: Money) -> list[str]:
    """Who computes too much or too little, and whose move is worth most."""
    if not rows:
        return []
    worth = np.array([row.best_offer_change for row in rows])
    first = rows[int(np.argmax(worth))]
    alike = [row for row in rows if row.best_offer_change >= first.best_offer_change * (1 - NEGLIGIBLE)]
    cost = ""
    if len(rows) > 1:
        cost = f", {shorten(first.provider)} at the largest cost"
        if len(alike) > 1:
            cost = ", all at the same cost" if len(alike) == len(rows) else f", {_names(alike)} at the largest cost"
        if len(alike) > 1:
            cost += f", {shorten(first.provider)} for one"
    return [
        f"{_names(rows)} {_verb('compute', rows)} {what}{cost}: {_tokens(first)}; its move there alone would be worth "
        f"{money.amount(first.best_offer_change)} {money.per}"
    ]


def _names(rows: Sequence[Provision]) -> str:
    return listed([shorten(row.provider) for row in rows])


def _verb(word: str, rows: Sequence[Provision]) -> str:
    return f"{word}s" if len(rows) == 1 else word


def _its(rows: Sequence[Provision]) -> str:
    return "its" if len(rows) == 1 else "their"
