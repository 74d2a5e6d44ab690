"""What more questions are worth: closed forms, literal preposterior simulation, and what must hold in any market."""

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy import stats

from benchmarks.question_population import SEPARATED, benchmark_of
from games import InputError, Users
from solver import bootstrap, value_of_more_samples
from solver.uncertainty.gaussian import Experiment, chances_of_error, expected_gain, learned

USERS = Users(0.02, 300)


def random_covariance(rng, size, rank=None):
    """Of the given rank, entries of unequal size."""
    root = rng.normal(size=(size, rank or size)) * rng.uniform(0.2, 2, (size, 1))
    return root @ root.T


@pytest.fixture(scope="module")
def curves():
    """Two providers close to each other and one far behind."""
    near = SEPARATED._replace(accuracy=np.array([[0.62, 0.66], [0.60, 0.65], [0.10, 0.12]]))
    return benchmark_of(near, 80, jax.random.key(3))


@pytest.fixture(scope="module")
def value(curves):
    return value_of_more_samples(curves, USERS)


@pytest.mark.parametrize("gap", [0.0, 0.3, 2.0, 6.0])
def test_two_options_are_the_unit_normal_loss(gap):
    """Raiffa & Schlaifer 1961: s·(φ(u) − u·Φ(−u)), u = gap/s."""
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    s = np.sqrt(2.0)
    expected = s * (stats.norm.pdf(gap / s) - gap / s * stats.norm.sf(gap / s))
    assert expected_gain(np.array([1.0, 1.0 - gap]), covariance) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("size", "rank"), [(3, 3), (6, 1), (6, 2), (8, 8)])
def test_expected_maximum_against_simulation(size, rank):
    rng = np.random.default_rng(size + rank)
    for _ in range(4):
        mean, covariance = rng.normal(size=size), random_covariance(rng, size, rank)
        values, vectors = np.linalg.eigh(covariance)
        draws = mean + rng.normal(size=(200_000, size)) @ (vectors * np.sqrt(np.maximum(values, 0))).T
        gain = draws.max(axis=1) - draws[:, np.argmax(mean)]
        error = gain.std() / np.sqrt(len(gain))
        assert abs(expected_gain(mean, covariance) - gain.mean()) < 4 * error


def test_equal_parallel_and_certain_options():
    assert expected_gain(np.array([1.0, 1.0]), np.zeros((2, 2))) == 0
    assert expected_gain(np.array([1.0, 0.5]), np.ones((2, 2))) == 0
    twins = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert expected_gain(np.zeros(3), twins) == pytest.approx(1 / np.sqrt(np.pi), rel=1e-9)


def test_experiment_against_literal_preposterior_simulation():
    """Draw the truth, draw the data, update by precisions, choose, and look what was gained."""
    rng = np.random.default_rng(8)
    mean, covariance = np.array([0.3, 0.0, 0.2, -0.4]), random_covariance(rng, 4)
    chosen, noise = np.array([0, 2]), random_covariance(rng, 2)
    number = 200_000
    truth = rng.multivariate_normal(mean, covariance, number)
    seen = truth[:, chosen] + rng.multivariate_normal(np.zeros(2), noise, number)
    pick = np.eye(4)[chosen]
    prior, data = np.linalg.inv(covariance), np.linalg.inv(noise)
    posterior = np.linalg.inv(prior + pick.T @ data @ pick)
    means = (mean @ prior + seen @ data @ pick) @ posterior
    gain = truth[np.arange(number), means.argmax(axis=1)] - truth[:, 0]
    experiment = Experiment(chosen, noise)
    found = expected_gain(mean, learned(covariance, experiment))
    assert abs(found - gain.mean()) < 4 * gain.std() / np.sqrt(number)
    group = np.array([0, 0, 1, 2])
    now, after = chances_of_error(mean, covariance, [experiment], group)
    best = group[truth.argmax(axis=1)]
    for expected, wrong in ((now, best != 0), (after, best != group[means.argmax(axis=1)])):
        assert abs(expected - wrong.mean()) < 4 * np.sqrt(0.25 / number) + 2e-3


def test_covariance_is_that_of_the_paired_bootstrap(curves, value):
    """The probability of a wrong winner, normal, against the share of replicates in which another one wins."""
    wins = bootstrap(curves, USERS, replicates=1000).probabilities().wins
    assert value.winner == str(wins.provider[int(np.argmax(wins.values))].item())
    assert value.wrong_winner == pytest.approx(1 - float(wins.max()), abs=0.06)


def test_more_is_worth_more_and_never_more_than_certainty(curves, value):
    table = value.table
    few, many = (value_of_more_samples(curves, USERS, num_questions=m) for m in (10, 10**9))
    assert np.all(few.table.avoided_loss <= table.avoided_loss)
    assert np.all(table.avoided_loss <= many.table.avoided_loss)
    assert float(table.avoided_loss.max()) <= float(table.everybody_avoided_loss) * (1 + 1e-6)
    assert float(table.everybody_avoided_loss) < value.expected_loss
    assert float(many.table.everybody_avoided_loss) == pytest.approx(value.expected_loss, rel=1e-4)
    assert float(many.table.everybody_wrong_winner_after) < 1e-3
    # A level is part of what its provider answers.
    assert np.all(table.level_avoided_loss.max("level") <= table.avoided_loss * (1 + 1e-6) + 1e-15)
    assert float(table.everybody_wrong_winner_after) < value.wrong_winner
    # Who is far behind need not be asked.
    assert float(table.avoided_loss[2]) < 1e-6 * float(table.avoided_loss.max())
    assert value.next_provider in curves.providers[:2]
    cost = 100 * np.asarray(curves.market().price).sum(axis=1)
    np.testing.assert_allclose(table.cost, cost)


def test_names_order_and_currency_do_not_matter(curves, value):
    order = [2, 1, 0]
    turned = value_of_more_samples(curves.subset([curves.providers[i] for i in order]), USERS)
    np.testing.assert_allclose(
        turned.table.avoided_loss[order], value.table.avoided_loss, rtol=1e-3, atol=1e-12
    )  # precision stated
    assert turned.next_provider == value.next_provider
    cents = eqx.tree_at(lambda c: c.price_per_million, curves, curves.price_per_million * 100)
    scaled = value_of_more_samples(cents, Users(2.0, 300))
    np.testing.assert_allclose(scaled.table.avoided_loss, 100 * value.table.avoided_loss, rtol=1e-6, atol=1e-13)


def test_refusals(curves):
    with pytest.raises(InputError, match="one segment"):
        value_of_more_samples(curves, Users([0.01, 0.02], 1))
    with pytest.raises(InputError, match="at least 1"):
        value_of_more_samples(curves, USERS, num_questions=0)
    single = benchmark_of(SEPARATED, 1, jax.random.key(0))
    with pytest.raises(InputError, match="at least two"):
        value_of_more_samples(single, USERS)


def test_two_measured_levels_by_hand():
    """From the answers themselves: surplus of every question, its covariance, and the closed form of two options."""
    pair = SEPARATED._replace(accuracy=np.array([[0.62], [0.60]]), tokens=np.array([[500.0], [900.0]]))
    pair = pair._replace(price_per_million=np.array([0.4, 0.6]))
    curves = benchmark_of(pair, 80, jax.random.key(4))
    value = value_of_more_samples(curves, USERS, num_questions=40)
    tokens, price = np.asarray(curves.output_tokens)[:, :, 0], pair.price_per_million * 1e-6
    surplus = 0.02 * (0.1 + 0.9 * np.asarray(curves.correct)[:, :, 0]) - tokens * price / 1.25
    covariance = np.cov(surplus.T) / 80
    gap = np.ptp(surplus.mean(axis=0))
    for i in range(2):
        change = (covariance[0, i] - covariance[1, i]) / np.sqrt(covariance[i, i] * (1 + 80 / 40))
        u = gap / abs(change)
        expected = abs(change) * (stats.norm.pdf(u) - u * stats.norm.sf(u))
        assert float(value.table.avoided_loss[i]) == pytest.approx(expected, rel=1e-7)
    spread = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert value.wrong_winner == pytest.approx(stats.norm.sf(gap / spread), abs=2e-3)
