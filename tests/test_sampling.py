"""The kernels against full enumeration of all subsets, exact integers, and what must hold for any samples."""

from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from benchmarks.sampling import exact_majority, main
from games.errors import InputError
from games.sampling import (
    best_of_n_accuracy,
    cap_generations,
    effort_weights,
    majority_accuracy,
    pass_at_k_accuracy,
    tally_votes,
)

SAMPLES = st.lists(st.tuples(st.integers(-1, 3), st.booleans(), st.integers(0, 2)), min_size=1, max_size=12)


def over_subsets(num_samples: int, drawn: int, outcome) -> float:
    """Mean of the outcome over every subset of the size drawn."""
    found = [outcome(subset) for subset in combinations(range(num_samples), drawn)]
    return float(sum(found, Fraction(0)) / len(found))


def best_outcome(correct, reward):
    """The subset's samples of highest reward, one of them at random."""

    def outcome(subset):
        top = [i for i in subset if reward[i] == max(reward[j] for j in subset)]
        return Fraction(int(sum(correct[i] for i in top)), len(top))

    return outcome


def majority_outcome(answer, worth):
    """The subset's most frequent answers, one of them at random; wrong if nobody answers."""

    def outcome(subset):
        votes = [answer[i] for i in subset if answer[i] >= 0]
        winners = [a for a in set(votes) if votes.count(a) == max(map(votes.count, votes))]
        return sum((Fraction(worth[a]) for a in winners), Fraction(0)) / len(winners) if winners else Fraction(0)

    return outcome


def majority(answer, correct, drawn):
    votes = tally_votes(answer, correct)
    return majority_accuracy(votes.counts, votes.worth, votes.abstentions, drawn)


def padded(rows) -> np.ndarray:
    """Rows of unequal length as one array, nan behind the shorter ones."""
    result = np.full((len(rows), max(map(len, rows))), np.nan)
    for i, row in enumerate(rows):
        result[i, : len(row)] = row
    return result


@pytest.fixture(scope="module")
def cases():
    """Questions of 1 to 8 samples with ties, abstentions, equal and missing rewards."""
    rng = np.random.default_rng(0)
    sizes = [1, 2, 3, 4, 5, 6, 7, 8] * 8
    answers = [rng.integers(-1, rng.integers(1, 6), size) for size in sizes]
    right = [rng.integers(0, 2, 6) for _ in sizes]
    rewards = [rng.integers(0, rng.integers(1, 5), size).astype(float) for size in sizes]
    marks = [rng.integers(0, 2, size) for size in sizes]
    return answers, right, rewards, marks


def test_majority_is_the_mean_over_all_subsets(cases):
    answers, right, _, _ = cases
    correct = padded([w[a] * (a >= 0) for a, w in zip(answers, right, strict=True)])
    codes = np.nan_to_num(padded(answers), nan=-1).astype(int)
    ours = majority(codes, correct, range(1, 9))
    for q, (answer, worth) in enumerate(zip(answers, right, strict=True)):
        every = [
            over_subsets(len(answer), n, majority_outcome(answer, worth.tolist())) for n in range(1, len(answer) + 1)
        ]
        np.testing.assert_allclose(ours[q, : len(answer)], every, atol=1e-12)
        assert np.isnan(ours[q, len(answer) :]).all()


def test_best_of_n_is_the_mean_over_all_subsets(cases):
    _, _, rewards, marks = cases
    ours = best_of_n_accuracy(padded(marks), padded(rewards), range(1, 9))
    for q, (correct, reward) in enumerate(zip(marks, rewards, strict=True)):
        every = [over_subsets(len(reward), n, best_outcome(correct, reward)) for n in range(1, len(reward) + 1)]
        np.testing.assert_allclose(ours[q, : len(reward)], every, atol=1e-12)
        assert np.isnan(ours[q, len(reward) :]).all()


def test_pass_at_k_is_the_mean_over_all_subsets(cases):
    marks = cases[3]
    ours = pass_at_k_accuracy(np.array([m.sum() for m in marks]), np.array(list(map(len, marks))), range(1, 9))
    for q, correct in enumerate(marks):
        every = [
            over_subsets(len(correct), k, lambda subset, c=correct: Fraction(int(c[list(subset)].any())))
            for k in range(1, len(correct) + 1)
        ]
        np.testing.assert_allclose(ours[q, : len(correct)], every, atol=1e-12)
        assert np.isnan(ours[q, len(correct) :]).all()


def test_disputed_answers_are_right_as_often_as_marked():
    """Answer 0 is marked right in one of its two samples: half of its wins count."""
    answer, correct = np.array([[0, 0, 1]]), np.array([[1.0, 0.0, 0.0]])
    votes = tally_votes(answer, correct)
    assert (votes.counts.tolist(), votes.worth.tolist(), votes.disputed) == ([[2, 1]], [[0.5, 0.0]], 1)
    expected = [over_subsets(3, n, majority_outcome([0, 0, 1], [0.5, 0.0])) for n in (1, 2, 3)]
    np.testing.assert_allclose(majority(answer, correct, [1, 2, 3])[0], expected, atol=1e-12)


def test_majority_of_64_from_128_with_60_answers_is_exact():
    """The size of the speed target, against whole numbers."""
    rng = np.random.default_rng(1)
    counts = np.sort(1 + rng.multinomial(128 - 60, rng.dirichlet(np.full(60, 0.15))))[::-1]
    worth = np.zeros((1, 60))
    worth[0, 1] = 1.0
    ours = majority_accuracy(counts[None], worth, np.zeros(1, int), [64])[0, 0]
    exact = float(exact_majority(counts.tolist(), 1, 64))
    assert 0.01 < exact < 0.99
    assert abs(ours / exact - 1) < 1e-11


@pytest.mark.parametrize(("right", "wrong", "drawn"), [(70, 58, [1, 63, 127]), (200, 240, [1, 3, 101, 219, 439])])
def test_two_answers_follow_the_hypergeometric_law(right, wrong, drawn):
    """With odd n and no abstentions nothing ties: at least (n + 1)/2 of the draws must be right."""
    ours = majority_accuracy(np.array([[right, wrong]]), np.array([[1.0, 0.0]]), np.zeros(1, int), drawn)[0]
    n = np.array(drawn)
    expected = hypergeom.sf((n - 1) // 2, right + wrong, right, n)
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_draws_of_very_unequal_size_do_not_underflow():
    """One tilt cannot serve 1 of 1200 draws and 600 of 1200: 2^−1200 is below the smallest float."""
    counts, worth = np.array([[1000, 60], [2, 1]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    ours = majority_accuracy(counts, worth, np.array([140, 0]), [1, 2, 600])
    two = 60 / 1200 * (59 + 2 * 140 + 1000) / 1199  # both right, one abstains, or a tie that is won half of the time
    np.testing.assert_allclose(ours, [[60 / 1200, two, 0.0], [2 / 3, 2 / 3, np.nan]], rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(samples=SAMPLES)
def test_what_holds_for_any_samples(samples):
    answer, correct, reward = (np.array([column]) for column in zip(*samples, strict=True))
    # Whether an answer is right is a property of the answer, and a sample without one is wrong.
    correct = np.where(answer < 0, 0.0, np.isin(answer, answer[correct.astype(bool)])).astype(float)
    total = correct.shape[1]
    every = list(range(1, total + 1))
    vote = majority(answer, correct, every)[0]
    best = best_of_n_accuracy(correct, reward.astype(float), every)[0]
    passed = pass_at_k_accuracy(correct.sum(axis=1).astype(int), np.array([total]), every)[0]
    for curve in (vote, best, passed):
        assert abs(curve[0] - correct.mean()) < 1e-12
        assert (curve >= 0).all()
        assert (curve <= passed + 1e-12).all()
    assert (np.diff(passed) >= -1e-12).all()
    whole = tuple(range(total))
    worth = {a: float(correct[0][answer[0] == a][0]) for a in answer[0]}
    assert abs(vote[-1] - float(majority_outcome(answer[0].tolist(), worth)(whole))) < 1e-12
    assert abs(best[-1] - float(best_outcome(correct[0], reward[0])(whole))) < 1e-12
    # A reward that knows the truth finds a right sample where there is one; a constant one knows nothing.
    np.testing.assert_allclose(best_of_n_accuracy(correct, correct, every)[0], passed, atol=1e-12)
    np.testing.assert_allclose(best_of_n_accuracy(correct, 0 * correct, every)[0], correct.mean(), atol=1e-12)


def test_missing_rewards_rank_last_and_absent_samples_never_win():
    correct = np.array([[1.0, 0.0, np.nan], [0.0, 1.0, 1.0]])
    rewards = np.array([[np.nan, -5.0, 9.0], [np.nan, np.nan, np.nan]])
    ours = best_of_n_accuracy(correct, rewards, [1, 2])
    np.testing.assert_allclose(ours, [[0.5, 0.0], [2 / 3, 2 / 3]], atol=1e-12)


def paper_bins(thinking: np.ndarray, groups: int) -> np.ndarray:
    """Membership by interpolated quantiles of distinct values, the last border closed."""
    borders = np.quantile(thinking, np.linspace(0, 1, groups + 1))
    return np.stack(
        [
            (thinking >= borders[b])
            & ((thinking <= borders[b + 1]) if b == groups - 1 else (thinking < borders[b + 1]))
            for b in range(groups)
        ],
        axis=1,
    )


@pytest.mark.parametrize("thinking", [[5, 1, 9, 4, 7], [3, 3, 3, 8, 1, 8], [2, 2], [4]])
@pytest.mark.parametrize("groups", [2, 3])
def test_whole_samples_are_cut_as_interpolated_quantiles_cut_them(thinking, groups):
    """Ties are broken at random in the paper; here the mean over all ways to break them."""
    size = len(thinking)
    memberships = []
    for order in permutations(range(size)):
        ranks = np.argsort(np.lexsort((order, thinking))).astype(float)
        memberships.append(paper_bins(ranks, groups) if size > 1 else np.eye(1, groups))
    mean = np.mean(memberships, axis=0)
    mass = mean.sum(axis=0)
    expected = np.divide(mean, mass, out=np.zeros_like(mean), where=mass > 0)
    ours = effort_weights(np.array([[*thinking, np.nan]], float), groups, whole_samples=True)[0]
    np.testing.assert_allclose(ours[:-1], expected, atol=1e-12)
    assert (ours[-1] == 0).all()


@settings(max_examples=40, deadline=None)
@given(thinking=st.lists(st.integers(0, 4), min_size=1, max_size=11), groups=st.integers(1, 7))
def test_split_samples_share_the_mass_evenly(thinking, groups):
    values = np.array([thinking], float)
    weights = effort_weights(values, groups)[0]
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), groups / len(thinking), atol=1e-12)
    means = values[0] @ weights
    assert (np.diff(means) >= -1e-12).all()
    assert abs(means.mean() - values.mean()) < 1e-12


def test_caps_count_what_is_finished_and_what_is_spent():
    rng = np.random.default_rng(2)
    correct, tokens = rng.integers(0, 2, (5, 9)).astype(float), rng.integers(1, 50, (5, 9)).astype(float)
    correct[0, 6:] = np.nan
    caps = [10, 25, 25.5, np.inf]
    ours = cap_generations(correct, tokens, caps)
    for q in range(5):
        there = ~np.isnan(correct[q])
        for k, cap in enumerate(caps):
            pairs = list(zip(correct[q][there], tokens[q][there], strict=True))
            assert ours.correct[q, k] == pytest.approx(np.mean([c if t <= cap else 0.0 for c, t in pairs]))
            assert ours.tokens[q, k] == pytest.approx(np.mean([min(t, cap) for _, t in pairs]))
    lost = cap_generations(np.array([[1.0, 1.0]]), np.array([[np.nan, 4.0]]), [8, np.inf])
    assert (lost.correct.tolist(), lost.tokens.tolist()) == ([[0.5, 1.0]], [[4.0, 4.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: majority(np.array([[0]]), np.array([[1.0]]), []), "drawn: give one or several numbers"),
        (lambda: pass_at_k_accuracy(np.array([1]), np.array([2]), [0]), "0 is not a number of samples"),
        (lambda: pass_at_k_accuracy(np.array([1]), np.array([2]), [2, 2]), "holds a number twice"),
        (lambda: cap_generations(np.ones((1, 2)), np.ones((1, 2)), [0, 5]), "unlike numbers of tokens above 0"),
        (lambda: cap_generations(np.ones((1, 2)), np.ones((1, 2)), [5, 5]), "unlike numbers of tokens above 0"),
        (lambda: effort_weights(np.ones((1, 2)), 0), "0 groups"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_benchmark_checks_itself_and_prints(capsys):
    main(samples=12, drawn=5, answers=4, questions=3)
    printed = capsys.readouterr().out
    assert "majority" in printed
    assert "ours differs by" in printed
