"""Majority vote: draw n of a question's N samples, give the answer that most of them gave.

Let answer j have a_j samples, a_0 samples have none, and w_j be the correctness of answer j. Draws are without replacement.
Samples without an answer take up draws but do not vote; tied answers win with equal probability; a draw in which nobody
votes is wrong. The winning count is some v ≥ 1, the other answers have less, or v and share the win. With
1/(t + 1) = ∫₀¹ yᵗ dy for t rivals tied with j,

    P(correct) = Σ_v ∫₀¹ [xⁿ] Σ_j w_j C(a_j, v) x^v · Π_{k≠j} F_k(x, y) · (1 + x)^{a_0} dy / C(N, n),
    F_k(x, y)  = Σ_{u<v} C(a_k, u) x^u + y C(a_k, v) x^v.

- The integrand is a polynomial in y of degree below n/v and below the number of answers with v samples or more:
  Gauss–Legendre with half as many nodes is exact.
- Answers with fewer than v samples are never cut short: they merge with a_0 into one factor (1 + x)^B.
- Every coefficient up to x^n comes out of the same products, so all n cost as much as the largest.
- C(a, u) becomes the binomial probability C(a, u) p^u (1 − p)^{a−u}, p ≈ n/N, and C(N, n) that of n among N: the powers of p
  cancel, nothing overflows, all terms are positive and nothing cancels.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from games.sampling.draws import draw_counts

# Draws far from the tilt p·N are computed apart: their probability must not come near the smallest float.
_MIN_LOG_PROBABILITY = -500.0
_FEW_TERMS = 8  # up to an eighth of the size, shifted sums are faster than a product of matrices
_CHUNK = 32  # questions at a time; the products of these fit a processor's cache


def majority_accuracy(
    counts: Int[np.ndarray, "questions answers"],
    worth: Float[np.ndarray, "questions answers"],
    abstentions: Int[np.ndarray, " questions"],
    drawn: Sequence[int],
) -> Float[np.ndarray, "questions draws"]:
    """Probability that the majority vote of n samples is correct, for every question and n, exactly.

    Args:
        counts: samples that gave each answer; 0 behind a question's last answer.
        worth: correctness of each answer, in [0, 1].
        abstentions: samples of each question that gave no answer.
        drawn: n, numbers of samples.

    Returns:
        Probabilities in [0, 1]; nan where a question has fewer than n samples.

    Raises:
        InputError: an n is not a whole number above 0.

    Example:
        Three samples say "A", which is right, two say "B", one says nothing:

        >>> vote = majority_accuracy(np.array([[3, 2]]), np.array([[1.0, 0.0]]), np.array([1]), [1, 2, 3, 6])
        >>> vote.round(4).tolist()
        [[0.5, 0.6, 0.65, 1.0]]
    """
    ns = draw_counts(drawn)
    total = counts.sum(axis=1) + abstentions
    pending = ns <= total[:, None]
    result = np.full(pending.shape, np.nan)
    while pending.any():
        # One tilt serves all draws not far from it; the lead, the largest open draw of the largest question, always.
        lead = int(ns[pending.any(axis=0)].max())
        tilt = (lead + 1) / (int(total[pending[:, ns == lead].any(axis=1)].max()) + 2)
        probability = _binomial(ns[None], total[:, None], tilt)
        near = pending & (probability > np.exp(_MIN_LOG_PROBABILITY))
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        for chunk in np.split(rows, range(_CHUNK, len(rows), _CHUNK)):
            coefficients = _coefficients(counts[chunk], worth[chunk], abstentions[chunk], tilt, int(ns[columns].max()))
            cells = np.ix_(chunk, columns)
            share = coefficients[:, ns[columns]] / np.where(near[cells], probability[cells], 1.0)
            result[cells] = np.where(near[cells], np.clip(share, 0.0, 1.0), result[cells])
        pending &= ~near
    return result


def _binomial(successes: np.ndarray, trials: np.ndarray, probability: float) -> np.ndarray:
    """Binomial probabilities, 0 outside 0 ≤ successes ≤ trials."""
    from scipy.stats import binom  # half a second to import

    return binom.pmf(successes, trials, probability)


def _coefficients(
    counts: Int[np.ndarray, "questions answers"],
    worth: Float[np.ndarray, "questions answers"],
    abstentions: Int[np.ndarray, " questions"],
    tilt: float,
    degree: int,
) -> Float[np.ndarray, "questions powers"]:
    """Coefficients of x⁰ to x^degree of the sum over v, tilted."""
    wrong, _ = _descending(np.where(worth > 0, 0, counts), worth)
    right, right_worth = _descending(np.where(worth > 0, counts, 0), worth)
    # No right answer can win with more votes than it has samples.
    most = min(int(right.max(initial=0)), degree)
    free = abstentions[:, None] + np.stack(
        [np.where(counts < votes, counts, 0).sum(axis=1) for votes in range(most + 1)], axis=1
    )
    sizes = np.unique(np.concatenate([counts.ravel(), free.ravel()]))
    table = _binomial(np.arange(degree + 1)[None], sizes[:, None], tilt)
    total = np.zeros((len(counts), degree + 1))
    for votes in range(1, most + 1):
        rivals, heroes = (int((side >= votes).sum(axis=1).max(initial=0)) for side in (wrong, right))
        nodes, weights = _unit_quadrature(min(rivals + heroes - 1, degree // votes - 1))
        product = np.zeros((len(counts), len(nodes), degree + 1))
        product[:, :, 0] = 1.0
        won = np.zeros_like(product)
        for k in range(rivals):
            product = _times(product, *_factor(wrong[:, k], votes, sizes, table), nodes)
        for k in range(heroes):
            below, tied = _factor(right[:, k], votes, sizes, table)
            won = _times(won, below, tied, nodes)
            won[:, :, votes:] += (tied * right_worth[:, k])[:, None, None] * product[:, :, : degree + 1 - votes]
            product = _times(product, below, tied, nodes)
        mean = np.einsum("qgp,g->qp", won, weights)
        others = table[np.searchsorted(sizes, free[:, votes])]
        total += (mean[:, None] @ _toeplitz(others, degree + 1))[:, 0]
    return total


def _descending(
    counts: Int[np.ndarray, "questions answers"], worth: Float[np.ndarray, "questions answers"]
) -> tuple[Int[np.ndarray, "questions answers"], Float[np.ndarray, "questions answers"]]:
    """Counts from the largest, and their worth in that order."""
    order = np.argsort(-counts, axis=1, kind="stable")
    return np.take_along_axis(counts, order, 1), np.take_along_axis(worth, order, 1)


def _unit_quadrature(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1], exact for polynomials of the degree."""
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return (nodes + 1) / 2, weights / 2


def _factor(
    count: Int[np.ndarray, " questions"],
    votes: int,
    sizes: Int[np.ndarray, " sizes"],
    table: Float[np.ndarray, "sizes degrees"],
) -> tuple[Float[np.ndarray, "questions powers"], Float[np.ndarray, " questions"]]:
    """One answer's probabilities of 0 to v − 1 draws, and of v; the number 1 where it has fewer than v samples."""
    drawn = table[np.searchsorted(sizes, count), : votes + 1]
    drawn = np.where((count >= votes)[:, None], drawn, np.eye(1, votes + 1))
    return drawn[:, :votes], drawn[:, votes]


def _times(
    product: Float[np.ndarray, "questions nodes degrees"],
    below: Float[np.ndarray, "questions powers"],
    tied: Float[np.ndarray, " questions"],
    nodes: Float[np.ndarray, " nodes"],
) -> Float[np.ndarray, "questions nodes degrees"]:
    """The product times Σ_u below_u x^u + y·tied·x^v, cut at the product's degree."""
    size, votes = product.shape[2], below.shape[1]
    if votes > size // _FEW_TERMS:
        result = product @ _toeplitz(below, size)
    else:
        result = below[:, 0, None, None] * product
        for power in range(1, votes):
            result[:, :, power:] += below[:, power, None, None] * product[:, :, : size - power]
    result[:, :, votes:] += (tied[:, None] * nodes)[:, :, None] * product[:, :, : size - votes]
    return result


def _toeplitz(terms: Float[np.ndarray, "questions powers"], size: int) -> Float[np.ndarray, "questions size size"]:
    """Matrices by which a row of coefficients is multiplied by a polynomial: entry (i, j) is the term of power j − i."""
    padded = np.zeros((len(terms), 2 * size - 1))
    padded[:, size - 1 : size - 1 + terms.shape[1]] = terms
    return np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, ::-1]
