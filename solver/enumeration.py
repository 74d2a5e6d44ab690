"""Enumeration of all pure equilibria of a one-segment logit game by sweeping the aggregate; plain NumPy.

Mathematics (docs/theory/all-equilibria.md). With attractions a, profits per query m and R = attraction of everybody else,

    1/U_i(k) = 1/m_k + R/(a_k m_k)

is linear in R, so that "level k is within a relative tolerance t of every other level of provider i" holds on one
interval of R. There the aggregate is Z = R + a_k, an interval again. Between two neighbouring end points of all these
intervals the admissible levels of every provider are constant, and an equilibrium is a choice of one admissible level
each whose own aggregate falls into that cell: no profile is enumerated, only cells, of which there are O(N·K).

Numerics. Everything is in logarithms, intervals are widened by slightly more than rounding can move them, and what is
found is a superset. Each candidate is then checked with well-conditioned sums over the others (never Z − a, which cancels
where one provider dwarfs the rest): in floating point Z alone cannot resolve the leader's own R, but it fixes all
followers to full precision, and the check resolves the leader.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

CHUNK = 1 << 22  # numbers per temporary array


class Enumeration(NamedTuple):
    """Profiles ``[equilibria, providers]`` found, and whether the list is known to be complete."""

    profiles: np.ndarray
    complete: bool


def enumerate_equilibria(
    log_attraction: np.ndarray,
    log_unit_profit: np.ndarray,
    log_outside: float,
    allowed: np.ndarray,
    *,
    tolerance: float,
    max_equilibria: int,
) -> Enumeration:
    """All profiles of ``allowed`` levels from which no deviation gains more than ``tolerance``, relatively.

    Args:
        log_attraction: ln a, ``[providers, levels]``; -inf where no level exists.
        log_unit_profit: ln m, ``[providers, levels]``; -inf where no level exists.
        log_outside: ln of the outside attraction; -inf without one.
        allowed: levels that can be part of an equilibrium, ``[providers, levels]``, at least one per provider.
            Deviations to other levels count all the same.
        tolerance: relative gain that does not count as one.
        max_equilibria: candidates after which the list is cut and called incomplete.
    """
    slack = 4 * tolerance + widening(log_attraction, log_unit_profit, log_outside)
    low, high = _aggregate_intervals(log_attraction, log_unit_profit, allowed, slack)
    found: set[tuple[int, ...]] = set()
    complete = True
    for cell_low, cell_high, admissible in _full_cells(low, high):
        for profile in _profiles_in_cell(log_attraction, log_outside, admissible, cell_low - slack, cell_high + slack):
            found.add(tuple(profile.tolist()))
            if len(found) > 2 * max_equilibria:
                complete = False
                break
        if not complete:
            break
    candidates = np.array(sorted(found), dtype=int).reshape(-1, log_attraction.shape[0])
    profiles = candidates[largest_gain(log_attraction, log_unit_profit, log_outside, candidates) <= np.log1p(tolerance)]
    if len(profiles) > max_equilibria:
        return Enumeration(profiles[:max_equilibria], False)
    return Enumeration(profiles, complete)


def widening(log_attraction: np.ndarray, log_unit_profit: np.ndarray, log_outside: float) -> float:
    """By how much rounding can move an end point or an aggregate at most, proved in docs/theory/all-equilibria.md.

    Args:
        log_attraction: ln a, ``[providers, levels]``; -inf where no level exists.
        log_unit_profit: ln m, likewise.
        log_outside: ln of the outside attraction; -inf without one.
    """
    attraction, profit = (
        float(np.abs(x[np.isfinite(x)]).max(initial=0.0))
        for x in (np.append(log_attraction.ravel(), log_outside), log_unit_profit)
    )
    return float(np.finfo(float).eps) * (4 * attraction + 5 * profit + 256)


def _aggregate_intervals(
    log_attraction: np.ndarray, log_unit_profit: np.ndarray, allowed: np.ndarray, slack: float
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of ln Z on which each allowed level is within ``slack`` of its provider's best; empty as (inf, -inf)."""
    providers, levels = log_attraction.shape
    low = np.full((providers, levels), np.inf)
    high = np.full((providers, levels), -np.inf)
    rows = max(1, CHUNK // (levels * levels))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for start in range(0, providers, rows):
            block = slice(start, start + rows)
            attraction, profit = log_attraction[block], log_unit_profit[block]
            exists = np.isfinite(attraction)
            # Lines 1/m + R/(am): level k stays within the slack of level l while  intercept ≤ R · slope.
            inverse_profit = np.where(exists, np.exp(-profit), np.inf)
            intercept = inverse_profit[:, :, None] - (1 + slack) * inverse_profit[:, None, :]
            log_slope = np.where(exists, -(attraction + profit), np.inf)
            scale = np.minimum(log_slope[:, :, None], log_slope[:, None, :])
            pivot = np.maximum(log_slope[:, :, None], log_slope[:, None, :])
            pivot = np.where(np.isfinite(pivot), pivot, scale)
            slope = (1 + slack) * np.exp(log_slope[:, None, :] - pivot) - np.exp(log_slope[:, :, None] - pivot)
            bound = np.log(np.abs(intercept)) - (np.log(np.abs(slope)) + pivot)
            rival = exists[:, None, :] & exists[:, :, None]
            at_least = np.where(rival & (intercept > 0) & (slope > 0), bound, -np.inf).max(axis=2)
            at_most = np.where(rival & (intercept <= 0) & (slope < 0), bound, np.inf).min(axis=2)
            never = (rival & (intercept > 0) & (slope <= 0)).any(axis=2)
            good = allowed[block] & exists & ~never & (at_least <= at_most)
            low[block] = np.where(good, np.logaddexp(at_least, attraction) - slack, np.inf)
            high[block] = np.where(good, np.logaddexp(at_most, attraction) + slack, -np.inf)
    return low, high


def _full_cells(low: np.ndarray, high: np.ndarray) -> Iterator[tuple[float, float, np.ndarray]]:
    """Cells of ln Z in which every provider has an admissible level, with the mask of these levels.

    The tables of one cell and the next differ in few entries; they are written out for a chunk of cells at a time.
    """
    providers, levels = low.shape
    used = low <= high
    if not np.all(used.any(axis=1)):
        return
    # Nothing happens below the last provider to become available or above the first to drop out.
    floor, ceiling = low.min(axis=1).max(), high.max(axis=1).min()
    if floor > ceiling:
        return
    ends = np.concatenate([low[used], high[used], [floor, ceiling]])
    ends = np.unique(ends[(ends >= floor) & (ends <= ceiling)])
    left, right = (ends[:-1], ends[1:]) if len(ends) > 1 else (ends, ends)
    # Fewer open intervals than providers cannot cover all of them.
    opened = np.searchsorted(np.sort(low[used]), left, side="right")
    closed = np.searchsorted(np.sort(high[used]), right, side="left")
    candidate = np.flatnonzero(opened - closed >= providers)
    step = max(1, CHUNK // (providers * levels))
    for start in range(0, len(candidate), step):
        index = candidate[start : start + step]
        admissible = (low <= left[index, None, None]) & (right[index, None, None] <= high)
        for c in np.flatnonzero(np.all(admissible.any(axis=2), axis=1)):
            yield float(left[index[c]]), float(right[index[c]]), admissible[c]


def _profiles_in_cell(
    log_attraction: np.ndarray, log_outside: float, admissible: np.ndarray, cell_low: float, cell_high: float
) -> Iterator[np.ndarray]:
    """Choices of one admissible level each whose ln Z lies in the cell.

    Most providers have one option; the others are searched depth first, cut by what the rest can still add.
    """
    weight = np.exp(np.minimum(log_attraction - cell_high, 1.0))
    profile = admissible.argmax(axis=1)
    free = np.flatnonzero(admissible.sum(axis=1) > 1)
    fixed = np.delete(np.arange(len(profile)), free)
    base = float(np.exp(min(log_outside - cell_high, 1.0)) + weight[fixed, profile[fixed]].sum())
    lowest = np.where(admissible[free], weight[free], np.inf).min(axis=1)
    highest = np.where(admissible[free], weight[free], -np.inf).max(axis=1)
    rest_low = np.append(np.cumsum(lowest[::-1])[::-1], 0.0)
    rest_high = np.append(np.cumsum(highest[::-1])[::-1], 0.0)
    # Of the sums, one for each term; the cell itself already carries its slack.
    rounding = 1e-12 + 2 * float(np.finfo(float).eps) * len(profile)
    at_least, at_most = np.exp(cell_low - cell_high) * (1 - rounding), 1 + rounding
    stack: list[tuple[tuple[int, ...], float]] = [((), base)]
    while stack:
        chosen, total = stack.pop()
        depth = len(chosen)
        if total + rest_low[depth] > at_most or total + rest_high[depth] < at_least:
            continue
        if depth == len(free):
            profile[free] = chosen
            yield profile.copy()
            continue
        i = free[depth]
        stack.extend(((*chosen, int(k)), total + float(weight[i, k])) for k in np.flatnonzero(admissible[i])[::-1])


def largest_gain(
    log_attraction: np.ndarray, log_unit_profit: np.ndarray, log_outside: float, profiles: np.ndarray
) -> np.ndarray:
    """Largest gain in log payoff of any unilateral deviation, for each profile: ``[profiles]``."""
    providers, levels = log_attraction.shape
    gains = np.empty(len(profiles))
    step = max(1, CHUNK // (providers * levels))
    every = np.arange(providers)
    with np.errstate(invalid="ignore"):
        for start in range(0, len(profiles), step):
            chosen = log_attraction[every, profiles[start : start + step]]
            nothing = np.full((len(chosen), 1), -np.inf)
            before = np.logaddexp.accumulate(np.hstack([nothing, chosen[:, :-1]]), axis=1)
            behind = np.logaddexp.accumulate(np.hstack([nothing, chosen[:, :0:-1]]), axis=1)[:, ::-1]
            others = np.logaddexp(np.logaddexp(before, behind), log_outside)
            payoffs = log_unit_profit + log_attraction - np.logaddexp(others[:, :, None], log_attraction)
            payoffs = np.where(np.isfinite(log_attraction), payoffs, -np.inf)
            own = np.take_along_axis(payoffs, profiles[start : start + step, :, None], axis=2)[:, :, 0]
            gains[start : start + step] = (payoffs.max(axis=2) - own).max(axis=1)
    return gains
