"""Token caps: every generation is cut off after b tokens, and a cut one is wrong.

From samples made without a cap, for each question

    q(b) = P(correct and tokens ≤ b)      T(b) = E min(tokens, b).

Both are means over the samples, increasing in b. They hold for a model that does not know of the cap and writes as before;
one that is told of a budget can do better.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from games.errors import InputError


class Capped(NamedTuple):
    """What caps do to one question each.

    Args:
        correct: q(b), ``[questions, caps]``; nan where a question has no sample.
        tokens: T(b), mean tokens billed, ``[questions, caps]``; nan where a question has no sample with tokens.
    """

    correct: Float[np.ndarray, "questions caps"]
    tokens: Float[np.ndarray, "questions caps"]


def cap_generations(
    correct: Float[np.ndarray, "questions samples"],
    tokens: Float[np.ndarray, "questions samples"],
    caps: Sequence[float | int],
) -> Capped:
    """Probability of a right answer within b tokens, and mean tokens spent, for every question and cap b.

    Args:
        correct: 1 for a right sample, 0 for a wrong one; nan where a question has fewer samples than others.
        tokens: billable output tokens of every sample. A sample whose tokens are missing (nan) counts as one that no
            cap below infinity lets finish, and is left out of the mean of tokens.
        caps: b, in tokens; infinity for no cap.

    Raises:
        InputError: no cap, or one that is not positive.

    Example:
        >>> result = cap_generations(np.array([[1.0, 1.0, 0.0]]), np.array([[100.0, 700.0, 300.0]]), [200, 1000])
        >>> result.correct.round(3).tolist(), result.tokens.round(1).tolist()
        ([[0.333, 0.667]], [[166.7, 366.7]])
    """
    limits = np.asarray(caps, float)
    if limits.ndim != 1 or limits.size == 0 or not (limits > 0).all() or len(np.unique(limits)) < limits.size:
        raise InputError(
            f"cap_generations: caps are {caps}; give one or several unlike numbers of tokens above 0, such as [1000, 4000]"
        )
    present = ~np.isnan(correct)
    known = present & ~np.isnan(tokens)
    finished = np.where(known, tokens, np.inf)[:, :, None] <= limits
    right = np.where(present, correct, 0.0)[:, :, None] * finished
    spent = np.where(known[:, :, None], np.minimum(tokens[:, :, None], limits), 0.0)
    return Capped(_mean(right, present), _mean(spent, known))


def _mean(
    values: Float[np.ndarray, "questions samples caps"], counted: np.ndarray
) -> Float[np.ndarray, "questions caps"]:
    count = counted.sum(axis=1)[:, None]
    return np.where(count > 0, values.sum(axis=1) / np.maximum(count, 1), np.nan)
