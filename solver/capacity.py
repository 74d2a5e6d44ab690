"""Providers that can serve only so many queries: the assignment of most welfare, VCG payments and uniform prices.

n_s queries of segment s arrive, provider i serves at most m_i of them, W_si = max_k (q_sik − c_ik). The assignment

    max Σ x_si W_si + x_s0 V0_s,    Σ_i x_si + x_s0 = n_s,    Σ_s x_si ≤ m_i,    x ≥ 0

is a transportation problem, whose corners are whole numbers (Dantzig 1951), solved by HiGHS. *VCG* gives every provider
what it adds, profit_i = welfare − welfare without i, which makes true costs and capacities dominant (Clarke, Public Choice 11,
1971). *Uniform prices* leave every query of a segment the same value u_s = what one more query of the segment would add, the
best rejected offer: the competitive equilibrium that is best for providers (Shapley & Shubik, Int. J. Game Theory 1, 1971).
With one unit per provider both are the second-score auction; with more, withheld capacity moves uniform prices.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float, Int
from scipy.optimize import linprog

from games.errors import InputError
from games.market import Market
from games.users import Users

# The tightest that HiGHS accepts, relative to the largest surplus: money is scaled to 1 before it sees it.
TOLERANCE = 1e-10
Counts = ArrayLike | Sequence[int | float]
PerProvider = Float[np.ndarray, "segments providers"]


class CapacityOutcome(NamedTuple):
    """Who serves what, and what is paid; dollars for all queries together, except where it says per query.

    Args:
        assigned: queries of each segment that each provider serves, ``[segments, providers]``.
        levels: level at which a provider serves a segment.
        unserved: queries of each segment that take the outside option, ``[segments]``.
        welfare: Σ x W + unserved queries' V0.
        bound: no assignment has more welfare; from prices, independent of how the assignment was found.
        profits: of each provider under VCG, ``[providers]``.
        payments: what each provider receives under VCG, cost included.
        user_value: what users keep under VCG.
        uniform_value: u_s, what a query of the segment leaves its user under uniform prices, per query.
        uniform_price: q − u_s where a provider serves a segment, per query; 0 elsewhere.
        uniform_profits: of each provider under uniform prices.
        uniform_user_value: Σ n_s u_s.
    """

    assigned: Int[np.ndarray, "segments providers"]
    levels: Int[np.ndarray, "segments providers"]
    unserved: Int[np.ndarray, " segments"]
    welfare: float
    bound: float
    profits: Float[np.ndarray, " providers"]
    payments: Float[np.ndarray, " providers"]
    user_value: float
    uniform_value: Float[np.ndarray, " segments"]
    uniform_price: PerProvider
    uniform_profits: Float[np.ndarray, " providers"]
    uniform_user_value: float


class Assignment(NamedTuple):
    """A solved transportation problem; the last column of ``assigned`` holds unserved queries."""

    assigned: Int[np.ndarray, "segments options"]
    welfare: float
    bound: float


def capacity_auction(market: Market, users: Users, queries: Counts, capacity: Counts) -> CapacityOutcome:
    """The welfare-maximal assignment of queries to providers with limited capacity, VCG payments and uniform prices.

    Args:
        market: N providers.
        users: S segments; their weights are not used, ``queries`` says how many there are.
        queries: number of queries of each segment, ``[segments]``.
        capacity: most queries that each provider can serve, ``[providers]``.

    Raises:
        InputError: a count that is no whole number, a capacity of 0, or users who must be served and cannot, with or
            without one of the providers.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> outcome = capacity_auction(scenario.market, scenario.users, [100], [80, 50, 40])
        >>> outcome.assigned.tolist(), outcome.unserved.tolist()
        ([[60, 0, 40]], [0])
        >>> f"{outcome.uniform_value[0]:.5f} {outcome.profits.sum():.4f} {outcome.uniform_profits.sum():.4f}"
        '0.01525 0.3676 0.0286'
    """
    counts, limits = check_counts(market, users, queries, capacity)
    quality, cost, levels = best_offers(market, users)
    outside = np.asarray(users.outside_value)
    surplus = quality - cost
    best = transport(surplus, outside, counts, limits)
    profits = np.array([best.welfare - without(i, surplus, outside, counts, limits) for i in range(len(limits))])
    uniform = uniform_values(surplus, outside, best.assigned, limits)
    assigned = best.assigned[:, :-1]
    return CapacityOutcome(
        assigned=assigned,
        levels=levels,
        unserved=best.assigned[:, -1],
        welfare=best.welfare,
        bound=best.bound,
        profits=profits,
        payments=profits + (assigned * cost).sum(axis=0),
        user_value=best.welfare - profits.sum(),
        uniform_value=uniform,
        uniform_price=np.where(assigned > 0, quality - uniform[:, None], 0.0),
        uniform_profits=(assigned * (surplus - uniform[:, None])).sum(axis=0),
        uniform_user_value=float(counts @ uniform),
    )


def transport(
    surplus: PerProvider,
    outside: Float[np.ndarray, " segments"],
    queries: Int[np.ndarray, " segments"],
    capacity: Int[np.ndarray, " providers"],
) -> Assignment:
    """The assignment of most welfare, with an upper bound from the prices of capacity.

    For any prices λ ≥ 0, Σ_s n_s max(max_i W_si − λ_i, V0_s) + Σ_i m_i λ_i bounds welfare (weak duality).

    Args:
        surplus: W of every segment and provider, dollars per query.
        outside: V0, dollars per query; -inf where users must be served.
        queries: n.
        capacity: m, 0 allowed here.

    Raises:
        InputError: users must be served and capacity does not suffice.
    """
    segments, providers = surplus.shape
    may_wait = np.isfinite(outside)
    if queries[~may_wait].sum() > capacity.sum():
        raise InputError(
            f"capacity: {queries[~may_wait].sum()} queries must be served (their users have no outside value) and "
            f"capacity is {capacity.sum()}; raise a capacity or give the users an outside value"
        )
    values = np.column_stack([surplus, np.where(may_wait, outside, 0.0)])
    scale = np.abs(values).max() or 1.0
    upper = np.where(may_wait, np.inf, 0.0)
    served = np.zeros((providers, segments, providers + 1))
    served[np.arange(providers), :, np.arange(providers)] = 1.0
    found = linprog(
        -values.ravel() / scale,
        A_ub=served.reshape(providers, -1),
        b_ub=capacity,
        A_eq=np.kron(np.eye(segments), np.ones(providers + 1)),
        b_eq=queries,
        bounds=[(0.0, upper[s] if i == providers else None) for s in range(segments) for i in range(providers + 1)],
        method="highs-ds",
        options={"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE},
    )
    if found.x is None:
        raise InputError(f"capacity: the assignment could not be solved ({found.message})")
    assigned = np.rint(found.x).astype(int).reshape(segments, providers + 1)
    price = scale * np.maximum(-found.ineqlin.marginals, 0.0)
    best = np.maximum((surplus - price).max(axis=1), outside)
    return Assignment(assigned, float((assigned * values).sum()), float(queries @ best + capacity @ price))


def without(
    provider: int,
    surplus: PerProvider,
    outside: Float[np.ndarray, " segments"],
    queries: Int[np.ndarray, " segments"],
    capacity: Int[np.ndarray, " providers"],
) -> float:
    """Welfare without one provider, dollars.

    Raises:
        InputError: without it users who must be served cannot be, so that VCG has no price for it.
    """
    try:
        return transport(surplus, outside, queries, np.where(np.arange(len(capacity)) == provider, 0, capacity)).welfare
    except InputError as error:
        raise InputError(f"without provider {provider}, whose VCG payment rests on that: {error}") from None


def uniform_values(
    surplus: PerProvider,
    outside: Float[np.ndarray, " segments"],
    assigned: Int[np.ndarray, "segments options"],
    capacity: Int[np.ndarray, " providers"],
) -> Float[np.ndarray, " segments"]:
    """u_s, the welfare that one more query of the segment adds: the providers' best competitive prices.

    One more query goes unserved, takes a free place, or takes the place of another segment's query, which then is one more
    query itself: the best such chain, found by relaxing as often as there are segments.

    Raises:
        InputError: capacity is used up and users must be served, so that nothing sets the price.
    """
    served = assigned[:, :-1]
    free = served.sum(axis=0) < capacity
    value = np.maximum(np.where(free, surplus, -np.inf).max(axis=1), outside)
    for _ in range(len(surplus)):
        # What a place of provider i is worth if the query in it has to move on.
        freed = np.where(served > 0, value[:, None] - surplus, -np.inf).max(axis=0)
        value = np.maximum(value, (surplus + freed).max(axis=1))
    if np.any(np.isneginf(value)):
        raise InputError(
            "capacity: all places are taken by users who must be served, so that no rejected offer sets the uniform price; "
            "raise a capacity or give the users an outside value"
        )
    return value


def check_counts(
    market: Market, users: Users, queries: Counts, capacity: Counts
) -> tuple[Int[np.ndarray, " segments"], Int[np.ndarray, " providers"]]:
    """Queries and capacities as whole numbers; one number stands for all.

    Raises:
        InputError: the text names the entry and the remedy.
    """
    names = market.providers or tuple(str(i) for i in range(market.num_providers))
    segments = [f"of segment {s}" for s in range(users.num_segments)]
    found = []
    for field, given, places, least in (
        ("queries", queries, segments, 0),
        ("capacity", capacity, [f"of {name!r}" for name in names], 1),
    ):
        values = np.asarray(given, float)
        if values.shape not in ((), (1,), (len(places),)):
            raise InputError(f"capacity: {field} has shape {values.shape}; give one number or {len(places)}")
        values = np.broadcast_to(values, (len(places),))
        for i in np.flatnonzero(~((values >= least) & (values == np.rint(values)) & np.isfinite(values))):
            remedy = "; leave out a provider that serves nobody" if field == "capacity" and values[i] == 0 else ""
            raise InputError(
                f"capacity: {field} {places[i]} is {values[i]:g}; it must be a whole number, at least {least}{remedy}"
            )
        found.append(values.astype(int))
    return found[0], found[1]


def best_offers(market: Market, users: Users) -> tuple[PerProvider, PerProvider, Int[np.ndarray, "segments providers"]]:
    """Quality, cost and level of the offer of largest surplus, for every segment and provider."""
    quality, cost = np.asarray(users.quality(market.accuracy)), np.asarray(market.cost)
    surplus = np.where(np.asarray(market.mask), quality - cost, -np.inf)
    levels = surplus.argmax(axis=-1)
    pick = levels[..., None]
    picked = [np.take_along_axis(np.broadcast_to(x, quality.shape), pick, axis=-1)[..., 0] for x in (quality, cost)]
    return picked[0], picked[1], levels
