"""Reasoning effort read off samples: quantiles of thinking tokens within each question.

Where logs hold no effort setting, the samples of a question can be sorted by how long the model thought, and cut into K groups
of equal mass: group 1 stands for the least effort, group K for the most. Equal lengths are interchangeable.

Two cuts, for N samples of ranks r = 0, …, N − 1:

    split    sample r covers [r, r + 1] of [0, N] and group k covers [kN/K, (k + 1)N/K]; a sample across a border counts in both
    whole    rank r belongs to group k where k(N − 1) ≤ rK < (k + 1)(N − 1), the last rank to the last group: the rule of
             arXiv 2601.21839, whose borders are interpolated quantiles; with few samples groups are unequal or empty

Longer thinking is here something that happened, not something that was chosen: see docs/theory/sampling.md.
"""

import numpy as np
from jaxtyping import Float

from games.errors import InputError


def effort_weights(
    thinking: Float[np.ndarray, "questions samples"], num_groups: int, *, whole_samples: bool = False
) -> Float[np.ndarray, "questions samples groups"]:
    """Weight of every sample in every group of its question; the weights of a group sum to 1, or to 0 if it is empty.

    Args:
        thinking: thinking tokens of every sample; nan for a sample that is absent or not to be counted.
        num_groups: K.
        whole_samples: cut as arXiv 2601.21839 does, instead of splitting samples.

    Raises:
        InputError: fewer than one group.

    Example:
        >>> effort_weights(np.array([[900.0, 100.0, 400.0]]), 2)[0].round(3).tolist()
        [[0.0, 0.667], [0.667, 0.0], [0.333, 0.333]]
    """
    if num_groups < 1:
        raise InputError(f"effort_weights: {num_groups} groups; give a whole number from 1 on, such as 5")
    order = np.argsort(thinking, axis=1, kind="stable")  # nan last
    values = np.take_along_axis(thinking, order, 1)
    present = ~np.isnan(values)
    count = present.sum(axis=1)[:, None, None]
    rank, group = np.arange(thinking.shape[1])[None, :, None], np.arange(num_groups)
    weights = np.where(present[:, :, None], (_whole if whole_samples else _split)(rank, group, count, num_groups), 0.0)
    weights = _share_ties(values, weights)
    mass = weights.sum(axis=1, keepdims=True)
    weights = np.where(mass > 0, weights / np.where(mass > 0, mass, 1.0), 0.0)
    result = np.empty_like(weights)
    np.put_along_axis(result, order[:, :, None], weights, axis=1)
    return result


def _split(rank: np.ndarray, group: np.ndarray, count: np.ndarray, num_groups: int) -> np.ndarray:
    """Overlap of a sample's unit of mass with a group's, in units of 1/K; whole numbers, so that borders are exact."""
    upper = np.minimum((rank + 1) * num_groups, (group + 1) * count)
    lower = np.maximum(rank * num_groups, group * count)
    return np.maximum(upper - lower, 0).astype(float)


def _whole(rank: np.ndarray, group: np.ndarray, count: np.ndarray, num_groups: int) -> np.ndarray:
    """1 where the sample's rank lies in the group."""
    place = rank * num_groups
    inside = (group * (count - 1) <= place) & (place < (group + 1) * (count - 1))
    last = np.where(count > 1, num_groups - 1, 0)  # of a single sample, the first group
    return np.where(rank == count - 1, group == last, inside).astype(float)


def _share_ties(values: Float[np.ndarray, "questions samples"], weights: np.ndarray) -> np.ndarray:
    """Weights averaged over samples of equal value; rows are sorted."""
    first = np.ones(values.shape, bool)
    first[:, 1:] = values[:, 1:] != values[:, :-1]
    run = np.cumsum(first.ravel()) - 1
    starts = np.flatnonzero(first.ravel())
    flat = weights.reshape(-1, weights.shape[2])
    means = np.add.reduceat(flat, starts, axis=0) / np.bincount(run)[:, None]
    return means[run].reshape(weights.shape)
