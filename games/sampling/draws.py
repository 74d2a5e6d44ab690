"""What all kernels share: how many samples are drawn, and how many there are to draw from."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from games.errors import InputError


def draw_counts(drawn: Sequence[int], what: str = "drawn") -> Int[np.ndarray, " draws"]:
    """Check numbers of samples to draw.

    Args:
        drawn: at least one whole number, each at least 1.
        what: what error messages call it.

    Raises:
        InputError: nothing to draw, not a whole number above 0, or one given twice.

    Example:
        >>> draw_counts([1, 4]).tolist()
        [1, 4]
    """
    given = np.asarray(drawn)
    if given.ndim != 1 or given.size == 0:
        raise InputError(f"{what}: give one or several numbers of samples, such as [1, 4, 16]")
    for value in given.tolist():
        if not isinstance(value, int | float) or value != int(value) or value < 1:
            raise InputError(f"{what}: {value} is not a number of samples; give whole numbers from 1 on")
    if len(np.unique(given)) < given.size:
        raise InputError(f"{what}: {list(drawn)} holds a number twice; each makes one level")
    return given.astype(int)


def rank_weights(num_samples: int, drawn: Int[np.ndarray, " draws"]) -> Float[np.ndarray, "samples draws"]:
    """Probability that the largest of n draws is the r-th smallest of N samples: C(r − 1, n − 1)/C(N, n).

    Draws are without replacement. Computed as a product of ratios from r = N downwards, w_N = n/N and
    w_{r−1}/w_r = (r − n)/(r − 1), so that every weight is exact to some N roundings.

    Args:
        num_samples: N.
        drawn: n, each at most N.

    Example:
        >>> rank_weights(4, np.array([1, 2, 4])).T.round(4).tolist()
        [[0.25, 0.25, 0.25, 0.25], [0.0, 0.1667, 0.3333, 0.5], [0.0, 0.0, 0.0, 1.0]]
    """
    rank = np.arange(num_samples, 1, -1)[:, None]
    ratios = np.clip(rank - drawn, 0, None) / np.maximum(rank - 1, 1)
    return np.cumprod(np.concatenate([drawn[None] / num_samples, ratios]), axis=0)[::-1]
