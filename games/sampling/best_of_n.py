"""Best of n: draw n of a question's N samples, keep the one of highest reward.

Sort the samples by reward. The largest of n draws without replacement is the r-th smallest with probability
C(r − 1, n − 1)/C(N, n), so

    P(correct) = Σ_r c̄_r · C(r − 1, n − 1)/C(N, n),

with c̄_r the mean correctness of all samples of the same reward as the r-th: equal rewards are interchangeable, and a draw
that holds several of the best takes one of them at random. This is the mean over all C(N, n) subsets, not a sample of them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from games.sampling.draws import draw_counts, rank_weights


def best_of_n_accuracy(
    correct: Float[np.ndarray, "questions samples"],
    rewards: Float[np.ndarray, "questions samples"],
    drawn: Sequence[int],
) -> Float[np.ndarray, "questions draws"]:
    """Probability that the best-rewarded of n samples is correct, for every question and n, exactly.

    Args:
        correct: 1 for a right sample, 0 for a wrong one; nan where a question has fewer samples than others.
        rewards: any scale, only the order counts; a missing one (nan) ranks below all others.
        drawn: n, numbers of samples.

    Returns:
        Probabilities in [0, 1]; nan where a question has fewer than n samples.

    Raises:
        InputError: an n is not a whole number above 0.

    Example:
        >>> correct, rewards = np.array([[1.0, 0.0, 0.0, 1.0]]), np.array([[0.9, 0.5, 0.5, 0.1]])
        >>> best_of_n_accuracy(correct, rewards, [1, 2, 4]).tolist()
        [[0.5, 0.5, 1.0]]
    """
    counts = draw_counts(drawn)
    present = ~np.isnan(correct)
    return _weigh(_tie_means(correct, rewards, present), present.sum(axis=1), counts)


def _tie_means(
    correct: Float[np.ndarray, "questions samples"],
    rewards: Float[np.ndarray, "questions samples"],
    present: np.ndarray,
) -> Float[np.ndarray, "questions samples"]:
    """Correctness in the order of rewards, absent samples last, averaged over equal rewards."""
    keys = np.where(present, np.where(np.isnan(rewards), -np.inf, rewards), np.inf)
    # Absent samples go behind present ones even where a reward is infinite, and weigh nothing there.
    order = np.lexsort((keys, ~present), axis=1)
    keys, values = np.take_along_axis(keys, order, 1), np.take_along_axis(np.where(present, correct, 0.0), order, 1)
    absent = np.take_along_axis(~present, order, 1)
    first = np.ones(keys.shape, bool)
    first[:, 1:] = (keys[:, 1:] != keys[:, :-1]) | (absent[:, 1:] != absent[:, :-1])
    group = np.cumsum(first.ravel()) - 1  # runs of equal rewards, never across questions
    means = np.bincount(group, values.ravel()) / np.bincount(group)
    return means[group].reshape(keys.shape)


def _weigh(
    values: Float[np.ndarray, "questions samples"],
    num_samples: Int[np.ndarray, " questions"],
    drawn: Int[np.ndarray, " draws"],
) -> Float[np.ndarray, "questions draws"]:
    """Mean of the sorted values under the law of the largest of n draws."""
    result = np.full((len(values), len(drawn)), np.nan)
    for total in np.unique(num_samples):
        rows, enough = num_samples == total, drawn <= total
        if enough.any():
            mean = values[rows, :total] @ rank_weights(int(total), drawn[enough])
            result[np.ix_(rows, enough)] = np.clip(mean, 0.0, 1.0)
    return result
