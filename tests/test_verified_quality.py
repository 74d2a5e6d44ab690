"""Payment on promised, judged and audited quality: O14 over random parameters, bonds, the mechanism, bad input."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Judge, Market, QualityContract, SecondScoreAuction, Users, smallest_audit
from solver.mechanisms import VerifiedQuality

CASES = 400


class Case(NamedTuple):
    """Random parameters, one entry per case; money spans five orders of magnitude."""

    rate: np.ndarray
    r1: np.ndarray
    r0: np.ndarray
    value: np.ndarray
    correct: np.ndarray
    promise: np.ndarray
    threshold: np.ndarray
    bond: np.ndarray


def random_cases(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    value = 10 ** rng.uniform(-4, 1, CASES)
    r0 = rng.uniform(0, 0.5, CASES) * (rng.random(CASES) < 0.7)
    r1 = np.where(rng.random(CASES) < 0.3, 1.0, r0 + rng.uniform(0.05, 1, CASES) * (1 - r0))
    correct = rng.uniform(size=CASES)
    return Case(
        rate=10 ** rng.uniform(-3, 0, CASES),
        r1=r1,
        r0=r0,
        value=value,
        correct=correct,
        promise=value * rng.uniform(0, 1, CASES),
        threshold=value * rng.uniform(-0.2, 0.9, CASES),
        bond=value * 10 ** rng.uniform(-1, 2, CASES),
    )


@jax.jit
@jax.vmap
def solved(case, cost, overstatement):
    contract = QualityContract(case.rate, Judge(case.r1, case.r0), bond=case.bond)
    lottery = contract.lottery(case.value, case.correct, case.promise, case.threshold)
    gain = contract.overstatement_gain(case.value, case.correct, overstatement)
    over = contract.overpayment(case.value, case.correct)
    return lottery, lottery.mean, lottery.variance, lottery.loss_probability(cost), gain, over


def by_hand(case: Case, promise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability and pay of all eight states, written out; ``[states, cases]``."""
    probability, pay = [], []
    for audited, approved, right in itertools.product((0, 1), repeat=3):
        rate = case.r1 if right else case.r0
        verdict = (approved - case.r0) / (case.r1 - case.r0)
        probability.append(
            (case.rate if audited else 1 - case.rate)
            * (rate if approved else 1 - rate)
            * (case.correct if right else 1 - case.correct)
        )
        correction = np.maximum((case.value * verdict - promise) / case.rate, -case.bond)
        pay.append(promise - case.threshold + audited * correction)
    return np.array(probability), np.array(pay)


@pytest.fixture(scope="module")
def unbonded():
    case = random_cases(0)._replace(bond=np.full(CASES, np.inf))
    cost = case.value * np.random.default_rng(1).uniform(0, 1, CASES)
    return case, cost, solved(case, cost, 0.1 * case.value)


def test_o14_mean_pay_does_not_depend_on_the_promise_or_the_audit_rate(unbonded):
    case, _, (_, mean, _, _, gain, over) = unbonded
    expected = case.value * case.correct - case.threshold
    # Pay in single states is larger by 1/ρ than its mean, and rounds accordingly.
    np.testing.assert_allclose(mean / case.value, expected / case.value, atol=1e-12)
    np.testing.assert_array_equal(gain, 0)
    np.testing.assert_array_equal(over, 0)


def test_o14_variance_and_probability_of_a_loss(unbonded):
    case, cost, (_, _, variance, loss, _, _) = unbonded
    approval = case.r0 + (case.r1 - case.r0) * case.correct
    noise = case.value**2 * approval * (1 - approval) / (case.r1 - case.r0) ** 2
    lie = (case.value * case.correct - case.promise) ** 2
    np.testing.assert_allclose(variance, (noise + lie) / case.rate - lie, rtol=1e-9)
    probability, pay = by_hand(case, case.promise)
    np.testing.assert_allclose(loss, (probability * (pay < cost)).sum(axis=0), atol=1e-12)
    assert (np.asarray(loss) > 0).any()
    assert (np.asarray(loss) < 1).any()


def test_o14_pay_on_the_verdict_leaves_the_user_the_threshold_in_every_state():
    case = random_cases(2)
    case = case._replace(rate=np.ones(CASES), r1=np.ones(CASES), r0=np.zeros(CASES), bond=np.full(CASES, np.inf))
    lottery, mean, *_ = solved(case, case.value, case.value)
    np.testing.assert_allclose(mean / case.value, case.correct - case.threshold / case.value, atol=1e-14)
    possible = np.asarray(lottery.probability) > 0
    gap = np.abs(np.asarray(lottery.user_value) - case.threshold[:, None]) / case.value[:, None]
    assert (gap[possible] < 1e-14).all()


def test_o14_noisy_judge_of_every_answer():
    case = random_cases(3)
    case = case._replace(rate=np.ones(CASES), bond=np.full(CASES, np.inf))
    _, mean, variance, *_ = solved(case, case.value, case.value)
    approval = case.r0 + (case.r1 - case.r0) * case.correct
    np.testing.assert_allclose(mean / case.value, case.correct - case.threshold / case.value, atol=1e-12)
    expected = case.value**2 * approval * (1 - approval) / (case.r1 - case.r0) ** 2
    np.testing.assert_allclose(variance, expected, rtol=1e-9)


def test_o14_pay_on_the_promise_gains_the_overstatement():
    overstatement = np.random.default_rng(4).uniform(0, 0.1, 20)

    @jax.jit
    def told(delta):
        contract = QualityContract(0.0)
        means = [contract.lottery(0.05, 0.3, 0.015 + lie, 0.01).mean for lie in (delta, jnp.zeros_like(delta))]
        return contract.overstatement_gain(0.05, 0.3, delta), means[0] - means[1]

    gain, enumerated = told(overstatement)
    np.testing.assert_array_equal(gain, overstatement)
    np.testing.assert_allclose(enumerated, overstatement, atol=1e-16)


def test_a_bond_leaves_a_gain_that_enumeration_confirms():
    case = random_cases(5)
    rng = np.random.default_rng(6)
    overstatement = case.value * rng.uniform(-0.3, 0.5, CASES)
    _, _, _, _, gain, over = solved(case, case.value, overstatement)
    honest = case.value * case.correct

    def mean(promise):
        probability, pay = by_hand(case, promise)
        return (probability * pay).sum(axis=0)

    np.testing.assert_allclose(
        gain / case.value, (mean(honest + overstatement) - mean(honest)) / case.value, atol=1e-11
    )
    np.testing.assert_allclose(over / case.value, (mean(honest) - honest + case.threshold) / case.value, atol=1e-11)
    bound = np.asarray(gain) > 1e-9 * case.value
    assert bound.any()
    assert not bound.all()
    assert (np.asarray(gain)[overstatement < 0] <= 0).all()


def test_gain_under_a_perfect_judge_has_the_textbook_form():
    case = random_cases(7)._replace(r1=np.ones(CASES), r0=np.zeros(CASES))
    quality = case.value * case.correct
    overstatement = (case.value - quality) * np.random.default_rng(8).uniform(0, 1, CASES)
    gain = solved(case, case.value, overstatement)[4]
    limit = case.rate * case.bond
    expected = (1 - case.correct) * (
        overstatement + np.minimum(quality, limit) - np.minimum(quality + overstatement, limit)
    )
    np.testing.assert_allclose(gain / case.value, expected / case.value, atol=1e-12)


@jax.jit
@jax.vmap
def plans(case, overstatement):
    return smallest_audit(
        case.value,
        case.correct,
        overstatement,
        bond=case.bond,
        judge=Judge(case.r1, case.r0),
        cost_per_audit=0.01 * case.value,
    )


def test_smallest_audit_rate_is_where_the_enumerated_gain_vanishes():
    case = random_cases(9)
    overstatement = case.value * np.random.default_rng(10).uniform(0.01, 0.5, CASES)
    plan = plans(case, overstatement)
    rate = np.asarray(plan.rate)
    np.testing.assert_allclose(
        rate, (case.value * (case.correct + case.r0 / (case.r1 - case.r0)) + overstatement) / case.bond, rtol=1e-12
    )
    feasible = np.asarray(plan.feasible)
    assert feasible.any()
    assert not feasible.all()
    np.testing.assert_array_equal(np.isinf(np.asarray(plan.budget)), ~feasible)
    np.testing.assert_allclose(
        np.asarray(plan.budget)[feasible], (0.01 * case.value * rate)[feasible], rtol=1e-12, atol=0
    )

    def gain(used):
        at = case._replace(rate=used)
        honest = case.value * case.correct
        means = [(p * pay).sum(axis=0) for p, pay in (by_hand(at, honest + overstatement), by_hand(at, honest))]
        return (means[0] - means[1]) / case.value

    assert np.abs(gain(np.minimum(rate, 1))[feasible]).max() < 1e-11
    rejected = 1 - (case.r0 + (case.r1 - case.r0) * case.correct)
    below = gain(0.99 * np.minimum(rate, 1))
    assert (below[feasible] > 1e-6 * rejected[feasible]).all()
    assert (gain(np.ones(CASES))[~feasible] > 0).all()


def test_a_sure_verdict_needs_only_the_overstatement_as_bond():
    plan = smallest_audit(0.05, 1.0, 0.01, bond=0.1)
    assert float(plan.rate) == pytest.approx(0.1)
    assert float(plan.smallest_bond) == pytest.approx(0.01)


def market_of(rng: np.random.Generator, providers: int = 4, levels: int = 3) -> Market:
    accuracy = np.sort(rng.uniform(0.1, 0.95, (providers, levels)), axis=1)
    tokens = np.sort(rng.uniform(100, 20000, (providers, levels)), axis=1)
    return Market.from_arrays(
        accuracy=accuracy, tokens=tokens, price_per_million=rng.uniform(0.05, 0.5, providers)
    ).anonymous()


USERS = Users([0.01, 0.05], 1000, weight=[1, 3])


@jax.jit
def known_quality(market):
    return SecondScoreAuction(market, USERS).outcome()


@pytest.mark.parametrize(
    "contract",
    [QualityContract(), QualityContract(0.05, Judge(0.9, 0.3)), QualityContract(1.0, Judge(0.6, 0.5))],
    ids=["verdict", "audit", "noisy"],
)
def test_contracts_without_a_binding_bond_are_truthful(contract):
    rng = np.random.default_rng(11)
    for _ in range(5):
        market = market_of(rng)
        outcome = VerifiedQuality(contract).outcome(market, USERS)
        expected = known_quality(market)
        for ours, theirs in (
            (outcome.user_value, expected.user_value),
            (outcome.profits.sum(axis=1), expected.winner_profit),
            (outcome.welfare, expected.welfare),
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-12 * float(expected.winner_surplus.max()))
        scale = float(expected.winner_surplus.min())
        assert float(outcome.misreport_gain.max()) < 1e-9 * scale
        assert float(outcome.max_regret.max()) < 1e-9 * scale


def test_unverified_promises_turn_the_auction_into_one_on_cost():
    rng = np.random.default_rng(12)
    for _ in range(5):
        market = market_of(rng)
        outcome = VerifiedQuality(QualityContract(0.0)).outcome(market, USERS)
        cheapest = np.sort(np.asarray(market.cost[:, 0]))
        winner = int(np.argmin(market.cost[:, 0]))
        assert outcome.allocation[:, winner].tolist() == [1, 1]
        assert outcome.levels[:, winner].tolist() == [0, 0]
        np.testing.assert_allclose(outcome.payment, cheapest[1], rtol=1e-9)
        quality = np.asarray(USERS.quality(market.accuracy))[:, winner, 0]
        np.testing.assert_allclose(outcome.user_value, quality - cheapest[1], rtol=1e-9)
        assert float(outcome.max_regret.max()) < 1e-12 * float(quality.max())
        assert float(outcome.misreport_gain.max()) > 0.01 * float(quality.max())


def test_gain_under_a_binding_bond_equals_a_search_over_promises():
    rng = np.random.default_rng(13)
    judge, bond, rate, cost_per_audit = Judge(0.9, 0.2), 0.03, 0.3, 1e-4
    contract = QualityContract(rate, judge, bond=bond, cost_per_audit=cost_per_audit)
    market = market_of(rng)
    outcome = VerifiedQuality(contract).outcome(market, USERS)
    assert float(outcome.max_regret.max()) < 1e-12
    np.testing.assert_allclose(outcome.platform, -rate * cost_per_audit * outcome.served, rtol=1e-12)

    cost = np.asarray(market.cost)
    gains = np.zeros(4)
    for weight, alpha in zip((0.25, 0.75), (0.01, 0.05), strict=True):
        correct = 0.1 + 0.9 * np.asarray(market.accuracy)
        surplus = alpha * correct - cost

        def pay(promise, right, threshold, alpha=alpha):
            """Mean pay, from the definition."""
            approval = 0.2 + 0.7 * right
            owed = [alpha * (v - 0.2) / 0.7 - promise for v in (0, 1)]
            kept = [np.maximum(o / rate, -bond) for o in owed]
            return promise - threshold + rate * ((1 - approval) * kept[0] + approval * kept[1])

        for i in range(4):
            threshold = np.delete(surplus, i, axis=0).max()
            own = surplus[i].max()
            k = int(surplus[i].argmax())
            honest = pay(alpha * correct[i, k], correct[i, k], threshold) - cost[i, k] if own > threshold else 0.0
            promises = np.append(np.linspace(0, alpha, 2001)[:, None], alpha * correct[i])[:, None]
            best = max((pay(promises, correct[i], threshold) - cost[i]).max(), 0.0)
            gains[i] += weight * (best - honest)
    np.testing.assert_allclose(outcome.misreport_gain, gains, atol=1e-14)
    assert gains.max() > 1e-4


def test_risk_of_the_winner():
    market = market_of(np.random.default_rng(14))
    noisy = VerifiedQuality(QualityContract(0.2, Judge(0.9, 0.2)))
    lottery = noisy.winners_pay(market, USERS)
    outcome = noisy.outcome(market, USERS)
    np.testing.assert_allclose(lottery.mean, outcome.payment, rtol=1e-9)
    assert (np.asarray(lottery.variance) > np.asarray(VerifiedQuality().winners_pay(market, USERS).variance)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Judge(0.5, 0.5), "true_positive 0.5 is not above false_positive 0.5"),
        (lambda: Judge(0.3, 0.6), "says nothing"),
        (lambda: Judge(1.2, 0.1), r"true_positive is 1.2; it must lie within \[0, 1\]"),
        (lambda: Judge(0.9, float("nan")), "false_positive is nan"),
        (lambda: QualityContract(0.0, bond=0.1), "a bond of 0.1 dollars and audit_rate 0"),
        (lambda: QualityContract(1.5), r"audit_rate is 1.5; it must lie within \[0, 1\]"),
        (lambda: QualityContract(-0.1), "audit_rate is -0.1"),
        (lambda: QualityContract(0.5, bond=-1.0), "bond is -1"),
        (lambda: QualityContract(0.5, cost_per_audit=-1.0), "cost_per_audit is -1"),
        (lambda: smallest_audit(0.05, 0.5, 0.01, bond=float("inf")), "without a limit"),
        (lambda: smallest_audit(0.05, 0.5, 0.01, bond=0.0), "positive number of dollars"),
        (lambda: smallest_audit(0.05, 0.5, -0.01, bond=0.1), "overstatement must be"),
        (lambda: smallest_audit(0.05, 0.5, 0.01, bond=jnp.array([0.1, 0.2])), "bond has shape"),
        (lambda: smallest_audit(0.05, 0.5, 0.01, bond=0.1, cost_per_audit=-1.0), "cost_per_audit is -1"),
        (lambda: QualityContract().lottery(0.05, 1.5, 0.01, 0.0), "correct is 1.5"),
        (lambda: QualityContract().lottery(-0.05, 0.5, 0.01, 0.0), "value is -0.05"),
        (
            lambda: VerifiedQuality().outcome(
                Market.from_arrays(accuracy=[[0.5]], tokens=[[100]], price_per_million=0.1),
                Users(0.05, 1000, outside_value=-jnp.inf),
            ),
            "one bidder and users who must be served",
        ),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_one_contract_for_many_rates():
    rates = jnp.array([0.01, 0.1, 1.0])
    means = jax.vmap(lambda rate: QualityContract(rate).lottery(0.05, 0.8, 0.05, 0.01).mean)(rates)
    np.testing.assert_allclose(means, 0.03, rtol=1e-12)
