"""What providers gain by lying about costs or capacity, by solving the assignment again for every lie."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from games.market import Market
from games.users import Users
from solver.capacity import Counts, best_offers, check_counts, transport, uniform_values, without

# Distance, relative to the largest surplus, at which either side of a rival's offer is tried.
TICK = 1e-9


class CapacityMisreport(NamedTuple):
    """The largest gain of each provider over the lies tried, dollars for all queries; at least 0, the truth being one.

    Args:
        vcg: under VCG payments; 0 up to rounding.
        uniform: under uniform prices.
        num_lies: lies tried per provider.
    """

    vcg: Float[np.ndarray, " providers"]
    uniform: Float[np.ndarray, " providers"]
    num_lies: Int[np.ndarray, " providers"]


def capacity_misreport(
    market: Market, users: Users, queries: Counts, capacity: Counts, *, shifts: int = 9, capacities: int = 5
) -> CapacityMisreport:
    """Gains from false costs (every level dearer or cheaper by one amount) and from withheld capacity.

    Tried are the amounts that bring a provider's offer level with a rival's or with not buying, a tick to either side, and a
    grid; each with the whole capacity, and the true costs with every smaller capacity of a grid.

    Args:
        market, users, queries, capacity: as in ``solver.capacity.capacity_auction``.
        shifts: size of the grid of amounts, between minus and plus the largest surplus.
        capacities: size of the grid of capacities.

    Raises:
        InputError: as ``capacity_auction`` does.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> gains = capacity_misreport(scenario.market, scenario.users, [100], [120, 50, 40])
        >>> bool(gains.vcg.max() < 1e-12), f"{gains.uniform.max():.4f}"
        (True, '0.1598')
    """
    counts, limits = check_counts(market, users, queries, capacity)
    outside = np.asarray(users.outside_value)
    quality, cost, _ = best_offers(market, users)
    surplus = quality - cost
    scale = float(np.abs(surplus).max())
    gains = np.zeros((2, market.num_providers))
    tried = np.zeros(market.num_providers, int)
    for i in range(market.num_providers):
        rivals = np.column_stack(
            [np.delete(surplus, i, axis=1), np.where(np.isfinite(outside), outside, surplus[:, i])]
        )
        level_with = (surplus[:, i : i + 1] - rivals).ravel()
        grid = np.linspace(-1, 1, shifts) * scale
        amounts = np.concatenate([level_with - TICK * scale, level_with + TICK * scale, grid])
        fewer = np.unique(np.linspace(1, limits[i], capacities).round().astype(int))
        lies = [(amount, int(limits[i])) for amount in amounts.tolist()] + [(0.0, m) for m in fewer.tolist()]
        if capacities < 2 or fewer[-1] != limits[i]:
            lies.append((0.0, int(limits[i])))
        rest = without(i, surplus, outside, counts, limits)
        problem = _Problem(surplus, outside, counts, limits, i, rest)
        profits = np.array([_profits(problem, *lie) for lie in lies])
        honest = profits[-1]  # the true costs with the whole capacity
        gains[:, i] = (profits - honest).max(axis=0)
        tried[i] = len(lies)
    return CapacityMisreport(gains[0], gains[1], tried)


class _Problem(NamedTuple):
    """The true market, seen by one provider; welfare without it does not depend on what it says."""

    surplus: Float[np.ndarray, "segments providers"]
    outside: Float[np.ndarray, " segments"]
    queries: Int[np.ndarray, " segments"]
    capacity: Int[np.ndarray, " providers"]
    provider: int
    welfare_without: float


def _profits(problem: _Problem, amount: float, reported: int) -> tuple[float, float]:
    """True profit under VCG and uniform prices if the provider says that every level costs so much more.

    One amount for all levels leaves its best level as it is.
    """
    surplus, outside, queries, capacity, provider, welfare_without = problem
    said = surplus.copy()
    said[:, provider] -= amount
    limits = capacity.copy()
    limits[provider] = reported
    best = transport(said, outside, queries, limits)
    served = best.assigned[:, provider]
    # What it receives covers the costs it claims, which are larger than the true ones by the amount.
    vcg = best.welfare - welfare_without + amount * served.sum()
    uniform = uniform_values(said, outside, best.assigned, limits)
    return float(vcg), float(served @ (surplus[:, provider] - uniform))
