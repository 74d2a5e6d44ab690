"""Count the votes: how many samples of a question gave each answer, and whether it is right."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Tally(NamedTuple):
    """The answers to each question.

    Args:
        counts: samples that gave each answer, most frequent first, 0 behind the last, ``[questions, answers]``.
        worth: share of an answer's samples that are marked right: 0 or 1 where the marking is consistent.
        abstentions: samples without an answer, ``[questions]``.
        disputed: number of answers that are marked right in some samples and wrong in others.
    """

    counts: Int[np.ndarray, "questions answers"]
    worth: Float[np.ndarray, "questions answers"]
    abstentions: Int[np.ndarray, " questions"]
    disputed: int


def tally_votes(answer: Int[np.ndarray, "questions samples"], correct: Float[np.ndarray, "questions samples"]) -> Tally:
    """Count the answers to each question.

    Args:
        answer: a code from 0 on, equal for equal answers; −1 for none.
        correct: 1 right, 0 wrong; nan where a question has fewer samples than others.

    Example:
        >>> votes = tally_votes(np.array([[7, 7, 3, -1]]), np.array([[0.0, 0.0, 1.0, 0.0]]))
        >>> votes.counts.tolist(), votes.worth.tolist(), votes.abstentions.tolist()
        ([[2, 1]], [[0.0, 1.0]], [1])
    """
    present = ~np.isnan(correct)
    voting = present & (answer >= 0)
    question = np.nonzero(voting)[0]
    width = int(answer.max(initial=0)) + 1
    keys, place = np.unique(question * width + answer[voting], return_inverse=True)
    votes = np.bincount(place, minlength=len(keys))
    right = np.bincount(place, correct[voting], minlength=len(keys))
    share = right / np.maximum(votes, 1)
    owner = keys // width
    order = np.lexsort((-votes, owner))
    owner, votes, share = owner[order], votes[order], share[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    shape = (len(answer), int(rank.max(initial=0)) + 1)
    counts, worth = np.zeros(shape, int), np.zeros(shape)
    counts[owner, rank] = votes
    worth[owner, rank] = share
    disputed = int(((share > 0) & (share < 1)).sum())
    return Tally(counts, worth, (present & (answer < 0)).sum(axis=1), disputed)
