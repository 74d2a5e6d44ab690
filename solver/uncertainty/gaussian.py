"""Maxima of normal vectors: the expected gain of choosing later, and the chance of having chosen the wrong one.

E max_c x_c for x ~ N(mean, covariance). Differences to the leader remove what all have in common. Along the direction of the
strongest rival the integral is exact: the maximum of lines a_c + b_c z, z ~ N(0, 1), is piecewise linear, and

    E max_c (a_c + b_c z) = Σ_c a_c (Φ(h_c) − Φ(l_c)) + b_c (φ(l_c) − φ(h_c)),

line c being on top for z in [l_c, h_c] (Frazier, Powell & Dayanik, INFORMS J. Computing 21, 2009). The other directions, if
any, are integrated over by a fixed Sobol sequence; the integrand is smooth in them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats
from scipy.special import ndtr, ndtri

NUM_POINTS = 1 << 12
NUM_POINTS_OF_CHANCE = 1 << 14
CHUNK = 1 << 21  # numbers per temporary array
FAR = 9.0  # standard deviations beyond which a rival never catches up in double precision
SMALL = 1e-12  # of the largest eigenvalue: rounding


def expected_gain(mean: Float[np.ndarray, " options"], covariance: Float[np.ndarray, "options options"]) -> float:
    """E max_c x_c − max_c mean_c: what choosing after seeing x is worth, in the unit of ``mean``, never negative.

    Args:
        mean: of x.
        covariance: of x, positive semidefinite.

    Returns:
        Exact where one direction is left, as for two options or one measured level; else to about 1e-3 of itself.

    Example:
        >>> float(expected_gain(np.zeros(2), np.eye(2)) * np.sqrt(np.pi))
        1.0
    """
    leader = int(np.argmax(mean))
    behind, spread = _behind_leader(mean, covariance, leader)
    near = behind + FAR * np.sqrt(np.diag(spread)) > 0
    near[leader] = True
    behind, factor = behind[near], _factor(spread[np.ix_(near, near)])
    if factor.shape[1] == 0:
        return 0.0
    factor = _rotated(factor, _strongest_rival(behind, factor))
    offsets = behind[None] + _points(factor.shape[1] - 1, NUM_POINTS) @ factor[:, 1:].T
    step = max(1, CHUNK // len(behind) ** 2)
    parts = [_mean_of_envelope(offsets[i : i + step], factor[:, 0]) for i in range(0, len(offsets), step)]
    return max(0.0, float(np.concatenate(parts).mean()))


class Experiment(NamedTuple):
    """Options that are measured again, ``chosen`` (indices), and the covariance of the new measurements' errors."""

    chosen: Int[np.ndarray, " measured"]
    noise: Float[np.ndarray, "measured measured"]


def response(covariance: Float[np.ndarray, "options options"], experiment: Experiment) -> np.ndarray:
    """How far the means of all options move per unit of surprise in the new measurements, ``[options, measured]``."""
    chosen = experiment.chosen
    total = covariance[np.ix_(chosen, chosen)] + experiment.noise
    return covariance[:, chosen] @ np.linalg.pinv(total, rcond=SMALL, hermitian=True)


def learned(covariance: Float[np.ndarray, "options options"], experiment: Experiment) -> np.ndarray:
    """Covariance of the means after the experiment, seen from before it: how much of ``covariance`` it resolves."""
    return response(covariance, experiment) @ covariance[experiment.chosen]


def chances_of_error(
    mean: Float[np.ndarray, " options"],
    covariance: Float[np.ndarray, "options options"],
    experiments: Sequence[Experiment],
    group: Int[np.ndarray, " options"],
) -> Float[np.ndarray, " outcomes"]:
    """Probability that the option of highest mean belongs to another group than the best: now, and after each experiment.

    Args:
        mean, covariance: of the options' values now.
        experiments: one at a time, not one after the other.
        group: of every option, for example its provider.

    Returns:
        Probabilities, by a Sobol sequence of 16,384 points; the same points serve all, so that differences are more
        precise than the probabilities themselves.
    """
    factor = _factor(covariance)
    most = max((len(experiment.chosen) for experiment in experiments), default=0)
    draws = _points(factor.shape[1] + most, NUM_POINTS_OF_CHANCE)
    surprise = draws[:, : factor.shape[1]] @ factor.T
    best = group[np.argmax(mean + surprise, axis=1)]
    chances = [np.mean(best != group[np.argmax(mean)])]
    for experiment in experiments:
        error = _factor(experiment.noise)
        seen = surprise[:, experiment.chosen] + draws[:, factor.shape[1] :][:, : error.shape[1]] @ error.T
        # Ties count as the option listed first, as in the auction.
        picked = group[np.argmax(mean + seen @ response(covariance, experiment).T, axis=1)]
        chances.append(np.mean(best != picked))
    return np.array(chances)


def _behind_leader(mean: np.ndarray, covariance: np.ndarray, leader: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the differences x_c − x_leader."""
    column = covariance[:, leader]
    spread = covariance - column[:, None] - column[None, :] + covariance[leader, leader]
    rounding = SMALL * max(np.abs(np.diag(covariance)).max(), 0.0)
    return mean - mean[leader], np.where(np.abs(spread) > rounding, spread, 0.0)


def _factor(covariance: np.ndarray) -> np.ndarray:
    """F with F·Fᵀ = covariance, one column per direction that has any spread, the longest first."""
    values, vectors = np.linalg.eigh(covariance)
    used = np.flatnonzero(values > SMALL * max(values.max(initial=0.0), 0.0))[::-1]
    return vectors[:, used] * np.sqrt(values[used])


def _strongest_rival(behind: np.ndarray, factor: np.ndarray) -> int:
    """The option that alone would give the largest gain over the leader (the unit normal loss, in logarithms)."""
    spread = np.sqrt((factor**2).sum(axis=1))
    moves = spread > 0
    distance = np.where(moves, -behind / np.where(moves, spread, 1.0), np.inf)
    loss = stats.norm.pdf(distance) - np.where(moves, distance, 0.0) * ndtr(-distance)
    return int(np.argmax(np.where(moves, spread * loss, -1.0)))


def _rotated(factor: np.ndarray, option: int) -> np.ndarray:
    """The same vector in axes of which the first is the direction of one option."""
    size = factor.shape[1]
    axes, _ = np.linalg.qr(np.column_stack([factor[option], np.eye(size)]))
    return factor @ axes


def _points(dimensions: int, number: int) -> np.ndarray:
    """Normal points that fill the space evenly; a single one if there is no dimension."""
    if dimensions == 0:
        return np.zeros((1, 0))
    uniform = stats.qmc.Sobol(dimensions, scramble=True, rng=0).random(number)
    return ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))


def _mean_of_envelope(
    offset: Float[np.ndarray, "points options"], slope: Float[np.ndarray, " options"]
) -> Float[np.ndarray, " points"]:
    """E max_c (offset_c + slope_c z), z ~ N(0, 1), for every row of offsets."""
    difference = slope[:, None] - slope[None, :]
    same = np.abs(difference) <= SMALL * np.abs(slope).max()
    ahead = offset[:, None, :] - offset[:, :, None]  # of rival (last axis) over line (middle axis) at z = 0
    crossing = ahead / np.where(same, 1.0, difference)
    low = np.where(~same & (difference > 0), crossing, -np.inf).max(axis=2)
    high = np.where(~same & (difference < 0), crossing, np.inf).min(axis=2)
    # Of parallel lines the highest counts, of equal ones the first.
    earlier = np.tri(len(slope), k=-1, dtype=bool)
    beaten = (same & ((ahead > 0) | ((ahead == 0) & earlier))).any(axis=2)
    top = ~beaten & (low < high)
    low, high = np.where(top, low, 0.0), np.where(top, high, 0.0)
    # Φ(h) − Φ(l) from the nearer tail, where both are close to 1.
    mass = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    return (offset * mass + slope * (stats.norm.pdf(low) - stats.norm.pdf(high))).sum(axis=1)
