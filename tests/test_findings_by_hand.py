"""Sentences on who computes too much, and on the auction, each read against its definition on markets solved by hand.

Every market is small enough that levels, surpluses and moves can be checked on paper; the comments do so.
"""

import numpy as np
import pytest

from games import Market, Scenario, Users
from solver.report import analysis
from solver.report.findings import key_findings
from solver.report.findings_compute import compute_sentences
from solver.report.style import Money
from tests.odd_markets import SWEEP, scenario

CENTS = Money(1, cents=True)
BEST = "A provider’s own best offer is its level of largest quality less cost, what it would bid in an auction."


def told(market, betas):
    """The findings on one market, and its sentences on compute at the first β."""
    solved = analysis.solve(market, betas, SWEEP, lambda step: None)
    return key_findings([solved], CENTS), compute_sentences(solved.verdicts[0], CENTS), solved.verdicts


def test_one_provider():
    """Levels of 100, 400, 1,600 tokens at accuracy .5, .7, .75, worth .8 cents: q − c = .432, .552, .492 cents.

    With β = 100 the shares are e^{100 V}/(1 + e^{100 V}), V = .430, .544, .460 cents; profit .002, .008, .032 cents a query:
    it sells 1,600. Moved to 400 it serves .6328 for .6130 and creates .3493 for .3016 cents: .0477 more.
    """
    market = scenario("alone", [[0.5, 0.7, 0.75]], [[100, 400, 1600]])
    findings, sentence, _ = told(market, (100.0,))
    assert findings[0].title == "Every provider uses too much compute"
    assert findings[0].text == (
        f"{BEST} At β = 100 (how sharply users choose), of 1 choice of compute 1 is above it, 0 below and 0 at it. What is "
        "above it serves 61.3% of all queries. Its move to its best offer alone, all others as they are, would raise what "
        "users and providers get together. The costliest: provider 1, 1,600 tokens per query where its own best offer takes "
        "400; the move would be worth 0.0477¢ per query."
    )
    assert sentence == (
        "provider 1 computes too much: 1,600 tokens per query where its own best offer takes 400; its move there alone would "
        "be worth 0.0477¢ per query."
    )
    assert "or what not buying is worth to them where that is more or there is no second" in findings[2].text


def test_a_provider_whom_nobody_buys_from():
    """At β = 100,000 Ada's worst V, 1.61 cents, beats Bell's best by more than a cent: Bell's share is e^{−1000}.

    Ada: q − c = 1.812, 1.670 cents; it sells 3,000 tokens all the same, at a profit of .06 for .002 cents a query.
    """
    market = scenario(
        "zero", [[0.9, 0.95], [0.1, 0.12]], [[100, 3000], [100, 300]], providers=["Ada", "Bell"], value=0.02, beta=1e5
    )
    findings, sentence, verdicts = told(market, (1e5,))
    ada, bell = verdicts[0].efficiency.provision
    assert (bell.share, bell.best_offer_change) == (0.0, 0.0)
    assert ada.best_offer_change == pytest.approx(0.01812 - 0.0167, rel=1e-9)
    assert findings[0].title == "1 of 2 choices of compute is too high"
    assert "What is above it serves 100.0% of all queries." in findings[0].text
    assert sentence == (
        "Ada computes too much: 3,000 tokens per query where its own best offer takes 100; its move there alone would be "
        "worth 0.142¢ per query."
    )


def test_a_verdict_without_effect_is_immaterial():
    """Not buying is worth 2 cents, any offer less than 1: nobody buys, whatever anybody computes."""
    market = scenario(
        "outside", [[0.5, 0.7], [0.5, 0.6]], [[100, 3000], [100, 2000]], providers=["Ada", "Bell"], outside=0.02
    )
    findings, sentence, _ = told(market, (1000.0,))
    assert findings[0].title == "No provider’s compute is too high by a material amount"
    assert (
        "of 2 choices of compute 2 are above it, 0 below and 0 at it. What is above it serves <0.1% of all queries. The move "
        "of one of these 2 to its best offer alone, all others as they are, would change what users and providers get "
        "together by less than 0.1%, which is immaterial, whichever moves." in findings[0].text
    )
    assert sentence == (
        "Ada and Bell differ from their own best offer, but a move there alone would change welfare by less than 0.1%, which "
        "is immaterial."
    )
    # The most that users can be promised is what not buying gives them, and no offer does.
    assert "no offer is good enough for that, and nothing is sold" in findings[3].text


def test_equal_providers_share_the_first_place():
    """Two alike: their moves are worth the same, and no sentence singles one out without saying so."""
    market = scenario("equal", [[0.5, 0.7], [0.5, 0.7]], [[100, 3000], [100, 3000]], providers=["Ada", "Bell"])
    findings, sentence, _ = told(market, (100.0,))
    assert findings[0].title == "Every provider uses too much compute"
    assert findings[0].text.endswith("per query; 1 other choice costs as much.")
    assert "would raise what users and providers get together, whichever moves." in findings[0].text
    assert sentence.startswith(
        "Ada and Bell compute too much, all at the same cost, Ada for one: 3,000 tokens per query"
    )


def test_ties_are_at_their_best_offer():
    market = scenario("ties", [[0.5] * 3, [0.6] * 3], [[100] * 3, [100] * 3], providers=["Ada", "Bell"])
    findings, sentence, _ = told(market, (100.0, 1000.0))
    assert findings[0].title == "No provider uses more compute than its own best offer"
    assert findings[0].text.endswith(f"{BEST} All 4 choices are at it.")
    assert sentence == "every provider computes as much as its own best offer, its level of largest quality less cost."


def test_segments_have_a_best_offer_each():
    """A thrifty and a demanding segment: q − c is largest at ``low`` for the first, at ``high`` for the second."""
    market = Market.from_arrays(
        accuracy=[[0.5, 0.8, 0.95], [0.6, 0.7, 0.75]],
        tokens=[[200, 2000, 6000], [300, 900, 2700]],
        price_per_million=2.0,
        providers=["Ada", "Bell"],
    )
    users = Users([0.004, 0.2], [300, 300])
    made = Scenario("two", market, users, source="made by hand", segments=("thrifty", "demanding"))
    findings, sentence, verdicts = told(made, (300.0,))
    for row in verdicts[0].efficiency.provision:
        assert [offer.level for offer in row.best_offers] == ["1", "3"]
    sides = [row.against_best_offer for row in verdicts[0].efficiency.provision]
    assert sides == ["over", "over"]  # at 3: above the best offer to the thrifty, at the one to the demanding
    assert "takes 200 and 6,000 (by segment)" in sentence or "takes 300 and 2,700 (by segment)" in sentence
    assert "(by segment)" in findings[0].text


def test_a_weak_provider_whose_better_offer_would_lower_welfare_is_not_told_to_move():
    """Bell creates less than Ada whatever it does, and its own best offer would take users from Ada.

    Ada: V = 1.8, q − c = 1.8 cents. Bell sells 4,000 tokens (V = .376, q − c = .456 cents), its best offer has 500 (.69, .70).
    At β = 100 its share is 1.456/(1.456 + 6.05) = .194 and would be .248: welfare 1.540 cents, and 1.528 after the move.
    """
    market = scenario(
        "weak", [[0.89], [0.3, 0.32]], [[20], [500, 4000]],
        providers=["Ada", "Bell"], value=0.02, beta=100.0, outside=-np.inf,
    )  # fmt: skip
    findings, sentence, verdicts = told(market, (100.0,))
    bell = verdicts[0].efficiency.provision[1]
    assert (bell.equilibrium, bell.best_offer, bell.against_best_offer, bell.at_the_margin) == (
        "2",
        "1",
        "over",
        "loss",
    )
    assert bell.share == pytest.approx(0.194, abs=5e-4)
    assert bell.best_offer_change == pytest.approx(-1.2e-4, abs=1e-5)
    assert findings[0].title == "No provider’s compute is too high by a material amount"
    assert "would lower what users and providers get together." in findings[0].text
    assert sentence == (
        "Bell computes more than its own best offer, but a move there alone would lower welfare, by the users it takes from "
        "others or leaves to them."
    )
