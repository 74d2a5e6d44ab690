"""An independent solver in 60 digits: best replies from both ends of the lattice, and every profile between them.

It shares nothing with the package but the input numbers. All attractions are kept as they are (mpmath's exponents are
unbounded); the others' attraction is summed, never subtracted.
"""

import itertools

import mpmath
import numpy as np

from games import PayPerCompute

DIGITS = 60


def equilibria(game: PayPerCompute) -> set[tuple[int, ...]]:
    """All pure equilibria of a one-segment game with linear value, ties exact."""
    with mpmath.workdps(DIGITS):
        attraction, profit, outside = _weights(game)
        providers = range(len(attraction))

        def payoffs(profile, i):
            others = outside + mpmath.fsum(attraction[j][profile[j]] for j in providers if j != i)
            return [m * a / (others + a) for a, m in zip(attraction[i], profit[i], strict=True)]

        def end(rank):
            """Best replies from the level of lowest rank, ties to the lowest rank."""
            profile = [min(range(len(row)), key=lambda k, i=i: rank(i, k)) for i, row in enumerate(attraction)]
            while True:
                before = list(profile)
                for i in providers:
                    values = payoffs(profile, i)
                    top = max(values)
                    profile[i] = min((k for k in range(len(values)) if values[k] == top), key=lambda k, i=i: rank(i, k))
                if profile == before:
                    return profile

        least = end(lambda i, k: (attraction[i][k], k))
        greatest = end(lambda i, k: (-attraction[i][k], -k))
        between = []
        for i, row in enumerate(attraction):
            low, high = (row[least[i]], least[i]), (row[greatest[i]], greatest[i])
            between.append([k for k in range(len(row)) if low <= (row[k], k) <= high])
        stable = set()
        for profile in itertools.product(*between):
            if all(payoffs(profile, i)[profile[i]] == max(payoffs(profile, i)) for i in providers):
                stable.add(profile)
        return stable


def largest_relative_gain(game: PayPerCompute, profile) -> mpmath.mpf:
    """Largest relative gain of a deviation, in 60 digits."""
    with mpmath.workdps(DIGITS):
        attraction, profit, outside = _weights(game)
        gains = []
        for i, k in enumerate(profile):
            others = outside + mpmath.fsum(attraction[j][profile[j]] for j in range(len(profile)) if j != i)
            values = [m * a / (others + a) for a, m in zip(attraction[i], profit[i], strict=True)]
            gains.append(max(values) / values[k] - 1)
        return max(gains)


def _weights(game: PayPerCompute):
    """Attractions and profits as ragged lists of mpf, and the outside attraction, from the market's own floats."""
    exact = mpmath.mpf
    market, users = game.market, game.users
    alpha, beta, baseline = (
        exact(float(x)) for x in (users.value_per_correct[0], users.rationality[0], users.baseline)
    )
    attraction, profit = [], []
    tables = [np.asarray(x) for x in (market.accuracy, market.price, market.cost)]
    for i, row in enumerate(np.asarray(market.mask)):
        levels = np.flatnonzero(row)
        accuracy, price, cost = ([exact(float(x[i, k])) for k in levels] for x in tables)
        value = [alpha * (baseline + (1 - baseline) * a) - p for a, p in zip(accuracy, price, strict=True)]
        attraction.append([mpmath.exp(beta * v) for v in value])
        profit.append([p - c for p, c in zip(price, cost, strict=True)])
    return attraction, profit, mpmath.exp(beta * exact(float(users.outside_value[0])))


def aggregate_intervals(log_attraction: np.ndarray, log_profit: np.ndarray) -> dict[tuple[int, int], tuple]:
    """Where each level is a best reply, as an interval of ln Z, in 60 digits; levels that never are do not occur."""
    found = {}
    with mpmath.workdps(DIGITS):
        for i, (attractions, profits) in enumerate(zip(log_attraction, log_profit, strict=True)):
            inverse = [mpmath.exp(-mpmath.mpf(m)) for m in profits]
            slopes = [mpmath.exp(-mpmath.mpf(a) - mpmath.mpf(m)) for a, m in zip(attractions, profits, strict=True)]
            for k in range(len(inverse)):
                least, most = mpmath.mpf(0), mpmath.inf
                for other in range(len(inverse)):
                    # 1/U_k = inverse_k + R slope_k is no more than 1/U_l.
                    ahead, steeper = inverse[k] - inverse[other], slopes[other] - slopes[k]
                    if steeper > 0:
                        least = max(least, ahead / steeper)
                    elif steeper < 0:
                        most = min(most, ahead / steeper)
                    elif ahead > 0:
                        most = mpmath.mpf(-1)
                if 0 <= least <= most:
                    own = mpmath.exp(mpmath.mpf(attractions[k]))
                    found[i, k] = (mpmath.log(least + own), mpmath.log(most + own) if most < mpmath.inf else most)
    return found


def log_aggregate(log_attraction: np.ndarray, profile: np.ndarray, log_outside: float) -> mpmath.mpf:
    """ln of the sum of all attractions of a profile and the outside option's, in 60 digits."""
    with mpmath.workdps(DIGITS):
        chosen = [mpmath.exp(mpmath.mpf(row[k])) for row, k in zip(log_attraction, profile, strict=True)]
        return mpmath.log(mpmath.fsum([*chosen, mpmath.exp(mpmath.mpf(log_outside))]))
