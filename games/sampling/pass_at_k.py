"""pass@k: draw k of a question's N samples; is at least one of them correct?

With c correct samples of N, the unbiased estimate over all C(N, k) subsets (Chen et al., Evaluating large language models
trained on code, arXiv 2107.03374) is

    pass@k = 1 − C(N − c, k)/C(N, k) = 1 − Π_{i<k} (1 − c/(N − i)).

As a level of a market it is the accuracy of a provider that can check answers: unit tests, a proof checker, an oracle.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from games.sampling.draws import draw_counts


def pass_at_k_accuracy(
    num_correct: Int[np.ndarray, " questions"], num_samples: Int[np.ndarray, " questions"], drawn: Sequence[int]
) -> Float[np.ndarray, "questions draws"]:
    """Probability that at least one of k samples is correct, for every question and k, exactly.

    Args:
        num_correct: c, number of correct samples of each question.
        num_samples: N, number of samples of each question.
        drawn: k, numbers of samples.

    Returns:
        Probabilities in [0, 1]; nan where a question has fewer than k samples.

    Raises:
        InputError: a k is not a whole number above 0.

    Example:
        >>> pass_at_k_accuracy(np.array([1]), np.array([4]), [1, 2, 4]).round(4).tolist()
        [[0.25, 0.5, 1.0]]
    """
    ks = draw_counts(drawn)
    left = np.maximum(num_samples[:, None] - np.arange(ks.max()), 1)
    # ln(1 − c/(N − i)) is −∞ once fewer samples are left than are correct, and stays there.
    share = np.minimum(num_correct[:, None] / left, 1.0)
    with np.errstate(divide="ignore"):
        log_all_wrong = np.cumsum(np.log1p(-share), axis=1)
    passed = -np.expm1(log_all_wrong[:, ks - 1])
    return np.where(ks <= num_samples[:, None], passed, np.nan)
