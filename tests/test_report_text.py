"""Sentences of the report: every number comes from the results, and odd markets are told in words that fit."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from solver import Status
from solver.report import analysis
from solver.report.findings import key_findings
from solver.report.findings_compute import SMALL
from solver.report.findings_market import scenario_findings
from solver.report.findings_mechanisms import mechanism_sentence
from solver.report.findings_parts import how_certain
from solver.report.style import Money, percent, plain
from tests.odd_markets import BETAS, LONG, SEGMENTS, SHELF, SWEEP, scenario, written_report

CENTS = Money(1, cents=True)
NUMBER = re.compile(r"[\d,]*\.?\d+(?:e[−-]?\d+)?[¢%]?")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return written_report(tmp_path_factory)


def solve(accuracy, tokens, price, value, betas, swept):
    market = scenario("m", accuracy, tokens, price=price, value=value, providers=["Ada", "Bell"])
    return analysis.analyse(analysis.solve(market, betas, swept, lambda step: None), lambda step: None, (2, 3), SHELF)


@pytest.fixture(scope="module")
def two():
    """Two markets in which nothing is the same: accuracy, tokens, prices, value, β and how many β there are."""
    first = solve([[0.6] * 3, [0.2, 0.4, 0.9]], [[100, 200, 3000], [120, 240, 3000]], 1.0, 0.01, BETAS, SWEEP)
    betas = (70.0, 300.0, 2500.0)
    swept = np.geomspace(2, 2e5, 7)
    second = solve([[0.3, 0.55, 0.6], [0.5, 0.7, 0.72]], [[55, 310, 2100], [75, 410, 3700]], 3.0, 0.023, betas, swept)
    return first, second


def numbers(text):
    """Every number of a text; whole numbers below 10 are counts, which are checked one by one elsewhere."""
    # 0.1% is the size below which a change is immaterial, a constant that the text names.
    for constant in (f"less than {SMALL}", f"more than {SMALL}"):
        text = text.replace(constant, "")
    found = {match.strip(",") for match in NUMBER.findall(text)}
    return {x for x in found if not (x.isdigit() and int(x) < 10)}


def sentences(result):
    """All sentences about one market, those over all markets first."""
    found = key_findings([result], CENTS) + scenario_findings(result, CENTS)
    return [f"{finding.title}. {finding.text}" for finding in found]


def test_no_number_survives_a_change_of_the_data(two):
    first, second = (sentences(result) for result in two)
    assert len(first) == len(second)
    for ours, theirs in zip(first, second, strict=True):
        assert ours != theirs or not NUMBER.findall(ours)
        assert not numbers(ours) & numbers(theirs)
    assert len(set().union(*map(numbers, first))) >= 15


def test_the_five_findings_hold_the_numbers_of_the_results(written):
    results, money = written.results, written.money
    findings = key_findings(results, money)
    assert len(findings) == 5
    over, cost, auction, losers, certain = findings
    cases = [v for r in results for v in r.verdicts]
    solved = [v for v in cases if v.has_equilibrium]
    assert len(cases) - len(solved) == 1
    rows = [p for v in solved for p in v.efficiency.provision]
    total, high = len(rows), [p for p in rows if p.too_high]
    against = Counter(p.against_best_offer for p in rows)
    assert over.title == f"{len(high)} of {total} choices of compute are too high"
    assert (
        f"Of {total} choices of compute {against['over']} are above it, {against['under']} below and {against['equal']} at it"
        in over.text
    )
    ends = Counter(p.at_the_margin for p in rows if p.against_best_offer != "equal")
    assert f"together in {ends['gain']}, lower it in {ends['loss']} and change it by less than 0.1%" in over.text
    assert f"immaterial, in {ends['immaterial']}." in over.text
    served = sum(p.share for p in rows if p.against_best_offer == "over") / len(solved)
    assert f"serves {percent(served)} of all queries on average over cases" in over.text
    assert f"would be worth {money.amount(max(p.best_offer_change for p in high))} per query" in over.text
    assert f"{len(results)} markets at {len(BETAS)} values of β" in over.text
    assert f"{len(cases)} cases" in over.text
    assert "1 has no equilibrium and is left out" in over.text
    gap = max(v.optimum.users - v.market.users for v in solved)
    assert f"at most {money.amount(gap)}" in cost.text
    assert "in 2 of 9 cases, though it could: the price of anarchy is infinite" in cost.text
    gain = [v.auction.welfare - v.market.welfare for v in solved]
    assert auction.title == f"An auction would add up to {money.amount(max(gain))} per query"
    assert f"{money.amount(float(np.median(gain)))} in the median case" in auction.text
    noise, incentives = (sum(getattr(v.efficiency, name) for v in solved) for name in ("choice_noise", "incentives"))
    assert (
        f"{percent(incentives / (noise + incentives))} of the joint gain is what the market optimum would give"
        in auction.text
    )
    poorer = sum(len([x for x in v.auction.losers if x not in ("users", "platform")]) for v in solved)
    assert f"{poorer} times out of {total} (providers × cases)" in losers.text
    harmed = sum("users" in v.auction.losers for v in solved)
    assert f"Users lose too in {harmed} of {len(solved)} cases" in losers.text
    counts = [len(v.efficiency.equilibria) for v in cases]
    counts += [int(n) for r in results for n in r.sweep.num_equilibria.values]
    assert f"{len(counts)} markets were solved" in certain.text
    several, none = sum(n > 1 for n in counts), sum(n == 0 for n in counts)
    assert f"{several} have more than one (up to {max(counts)}), {none} have none" in certain.text


def test_certainty_follows_the_certificates(written):
    result = written.result("ties")
    sure = how_certain([result], result.verdicts)
    assert sure.title == "Certain, given the curves"
    assert "proved complete in all of them" in sure.text
    found = result.verdict.efficiency
    doubtful = replace(
        found,
        equilibria=replace_leaf(found.equilibria, complete=False, max_regret=found.equilibria.max_regret + 3e-7),
        optimum=replace_leaf(found.optimum, exact=False),
    )
    cases = [result.verdicts[0], replace(result.verdict, efficiency=doubtful)]
    unsure = how_certain([result], cases)
    assert unsure.title == "Certain with gaps, given the curves"
    assert "no provider gains more than 3e-07 of its profit" in unsure.text
    assert f"proved complete in {len(SWEEP) + 1} of them" in unsure.text
    assert "market optimum is proved to be one in 1 of 2 tabled cases" in unsure.text


def replace_leaf(module, **changes):
    """A solver's result with other fields."""
    changed = object.__new__(type(module))
    for name in module.__dataclass_fields__:
        object.__setattr__(changed, name, changes.get(name, getattr(module, name)))
    return changed


def test_odd_markets_are_told_in_words_that_fit(written):
    alone, ties, ruin, crowd = (written.result(name) for name in ("alone", "ties", "ruin <b>& co</b>", "crowd"))
    text = {result.name: " ".join(sentences(result)) for result in (alone, ties, ruin, crowd)}
    assert "Every provider uses too much compute" in text["alone"]
    assert "No provider earns less in the auction than today. Users lose in both cases" in text["alone"]
    assert "No provider uses more compute than its own best offer" in text["ties"]
    assert "Users and providers together lose nothing, in the worst equilibrium" in text["ties"]
    assert "The price of anarchy is infinite" in text[ruin.name]
    assert "The market can destroy all value" in text[ruin.name]
    assert LONG not in text[ruin.name]
    assert re.search(r"and \d+ more compute too much", text["crowd"])
    for words in text.values():
        assert len(words) < 6000
        assert not re.search(r"\bnan\b|\binf\b|  |\.\.|undefined", words), words


def test_a_single_case_is_told_without_counts(written):
    result = written.result("crowd")
    alone = replace(result, verdicts=result.verdicts[1:], focus=0)
    found = key_findings([alone], written.money)
    text = " ".join(finding.text for finding in found)
    assert "case" not in text.replace("in every case", "")
    assert f"At β = {plain(BETAS[1])} (how sharply users choose)" in text


def test_segments_are_named_where_they_lose(written):
    result = written.result("segments")
    assert "Segments" in [finding.title for finding in scenario_findings(result, CENTS)]
    at_100 = replace(result, verdicts=result.verdicts[:1], focus=0)
    short = [f"“{name}”" for name in SEGMENTS]
    verdict = at_100.verdict
    text = next(f.text for f in scenario_findings(at_100, CENTS) if f.title == "Segments")
    for name, before, now in zip(short, verdict.segment_market, verdict.segment_auction, strict=True):
        today, auction = CENTS.apart(before, now)
        assert f"{name} gets {today} today, {auction} in the auction" in text
    assert "No segment loses from the auction" in text
    losing = replace(verdict, segment_auction=verdict.segment_market - np.array([0.0, 0.001]))
    changed = replace(at_100, verdicts=(losing,))
    assert f"Loses from the auction: {short[1]}." in scenario_findings(changed, CENTS)[3].text
    told = key_findings([changed], CENTS)[3].text
    assert f"Segments of users that lose: {short[1]}" in told
    assert " instead of ".join(CENTS.apart(losing.segment_auction[1], losing.segment_market[1])) in told
    assert "No segment of users loses." in key_findings([at_100], CENTS)[3].text


def test_amounts_that_are_compared_show_their_difference():
    for before, now in ((0.01545, 0.01525), (0.0123456, 0.0123444), (-0.00435, 0.00435), (3.0, 0.0), (0.5, 0.5)):
        for money in (CENTS, Money(1)):
            texts = [text.strip("$¢").replace("−", "-").replace("-$", "-") for text in money.apart(before, now)]
            shown = float(texts[0]) - float(texts[1])
            assert shown == pytest.approx(money.scaled(before - now), rel=0.1, abs=1e-6)


def test_a_market_without_an_equilibrium_says_so(written):
    result = written.result("segments")
    never = replace(result, verdicts=result.verdicts[1:], focus=0)
    for finding in key_findings([never], CENTS) + scenario_findings(never, CENTS):
        assert not re.search(r"\bnan\b|undefined|infinite", finding.text), finding
    text = " ".join(finding.text for finding in key_findings([never], CENTS))
    assert "There is no equilibrium" in text
    assert len(key_findings([never], CENTS)) == 5
    assert "there is no equilibrium" in scenario_findings(never, CENTS)[0].text
    every = [f.text for f in scenario_findings(never, CENTS)]
    assert "No outcome: pay-per-compute (no equilibrium found)" in " ".join(every)
    assert not re.search("lose|worse off|today", " ".join(every[:3]).replace("today's market", ""))
    assert "Against pay-per-compute" not in " ".join(every)


def side_by_side(**changes):
    """A table as ``compare`` makes it, with figures of some mechanisms changed."""
    rows = []
    for name, users, profits, platform, gaming in (
        ("today", 6.0, 2.0, 0.0, 0.5),
        ("auction", 7.0, 2.0, 0.0, 0.0),
        ("fee", 3.0, 1.0, 5.0, 0.0),
    ):
        figures = {"user_value": users, "profits": profits, "platform": platform, "misreport_gain": gaming}
        figures |= {"losers": ("users", "Ada") if name == "fee" else (), "note": ""} | changes.get(name, {})
        welfare = figures["user_value"] + figures["profits"] + figures["platform"]
        rows.append({"mechanism": name, "rationality": 1.0, "welfare": welfare, **figures})
    table = pd.DataFrame(rows)
    return table.assign(user_gain=table["user_value"] - table["user_value"][0])


def test_the_sentence_on_mechanisms_follows_the_data():
    def said(**changes):
        return mechanism_sentence(side_by_side(**changes), 1.0, Money(1))

    assert said() == (
        "Of 3 mechanisms, users get most under auction: $7.00 per query, $1.00 more than under today. The platform "
        "gets most under fee: $5.00. Against today, users lose under fee; some providers lose under fee. A provider gains by "
        "gaming under today ($0.50), not under the others."
    )
    assert "users get most under today and auction: $6.00 per query." in said(auction={"user_value": 6.0})
    assert "None leaves the platform anything" in said(fee={"platform": 0.0})
    assert "users lose under none; some providers lose under all others" in said(
        auction={"losers": ("Ada",)}, fee={"losers": ("Ada",)}
    )
    assert "gaming under auction ($0.75) and today ($0.50)" in said(auction={"misreport_gain": 0.75})
    assert "None can be gamed" in said(today={"misreport_gain": 1e-12})
    gone = dict.fromkeys(("user_value", "profits", "platform", "misreport_gain"), np.nan)
    without = said(fee=gone | {"note": Status.NO_EQUILIBRIUM.text})
    assert "Of 2 mechanisms" in without
    assert without.endswith("No outcome: fee (no equilibrium found).")
    cut_off = said(today=gone | {"note": Status.MAX_ROUNDS.text}, fee={"losers": ()})
    assert cut_off.startswith("Of 2 mechanisms, users get most under auction: $7.00 per query. ")
    assert "Against" not in cut_off
    assert "No outcome: today (no equilibrium found)" in cut_off


@pytest.mark.parametrize(
    ("largest", "unit"),
    [
        (3.0, "$ per query"),
        (0.9994, "¢ per query"),
        (0.0001, "¢ per query"),
        (0.00009, "¢ per 1,000 queries"),
        (5e-8, "¢ per 1,000,000 queries"),
        (0.0, "¢ per query"),
        (np.nan, "¢ per query"),
    ],
)
def test_money_is_shown_in_a_unit_of_its_size(largest, unit):
    money = Money.for_amounts([0.0, largest, -largest / 2, np.inf])
    assert money.unit == unit
    if largest > 0:
        shown = float(money.amount(-largest).strip("−$¢"))
        assert shown == pytest.approx(money.scaled(largest), rel=5e-3)
        assert 0.01 <= shown < 1000
    for size in (12345.678, 1.0, 0.31415, 0.0027182, 0.000012345):
        dollars = size / money.scaled(1.0)
        for text in (money.number(dollars), money.amount(-dollars).strip("−$¢")):
            assert float(text.replace(",", "")) == pytest.approx(size, rel=2e-2)
