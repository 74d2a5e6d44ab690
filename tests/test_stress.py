"""Stress: rings of bidders (O15), capacity with VCG payments and uniform prices, entry and exit."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from games import InputError, Market, SecondScoreAuction, Users
from games.score_auction import Bids, ScoreAuction, first_score
from solver.capacity import capacity_auction
from solver.capacity_misreport import capacity_misreport
from solver.entry import arrival, exit_until_stable, join
from solver.mechanisms import Mechanism, SecondScore, settle
from solver.misreport import misreport_gain
from solver.result import Status
from solver.ring import best_rings, ring, ring_bids


def market_of(surplus) -> Market:
    """One level per provider, all answers right, so that W_i is as given: q = α = 2 dollars, c = 2 − W."""
    cost = 2 - jnp.asarray(surplus, float)[:, None]
    ones = jnp.ones(cost.shape)
    return Market(ones, ones, cost, cost, ones > 0, (), ())


USERS = Users(2.0, 1000, baseline=0.0)
MUST_BUY = Users(2.0, 1000, baseline=0.0, outside_value=-jnp.inf)


# Rings


@pytest.fixture(scope="module")
def pair_gain():
    """Gain of providers 0 and 1 with and without a reserve, for many markets of three."""

    def of(surplus, reserve):
        found = ring(market_of(surplus), USERS, np.array([True, True, False]), reserve=reserve)
        free = ring(market_of(surplus), USERS, np.array([True, True, False]))
        return found.gain, found.taken_back, free.gain, found.defection_gain, free.segment_gain[0]

    return jax.jit(jax.vmap(of))


def test_o15_ring_of_the_two_best_gains_the_second_score_less_the_third(pair_gain):
    rng = np.random.default_rng(0)
    surplus = -np.sort(-rng.uniform(size=(500, 3)), axis=1)
    reserve = rng.uniform(size=500)
    gain, taken, free, defection, segment = pair_gain(surplus, reserve)
    np.testing.assert_allclose(free, surplus[:, 1] - surplus[:, 2], atol=1e-15)
    np.testing.assert_array_equal(free, segment)
    sold = surplus[:, 0] >= reserve
    held = np.where(sold, np.maximum(surplus[:, 1], reserve) - np.maximum(surplus[:, 2], reserve), 0)
    np.testing.assert_allclose(gain, held, atol=1e-15)
    np.testing.assert_allclose(taken, free - held, atol=1e-15)
    assert np.abs(defection).max() < 1e-11  # a tick of the search


def test_o12_and_o15_on_average_by_exact_quadrature(pair_gain):
    """W iid uniform on [0, 1], n = 3, so that both gaps between order statistics have mean 1/(n + 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(4)
    nodes, weights = (nodes + 1) / 2, weights / 2
    x, y, z = (axis.ravel() for axis in np.meshgrid(nodes, nodes, nodes, indexing="ij"))
    surplus = np.stack([x, x * y, x * y * z], axis=1)  # the ordered corner of the cube, volume 1/3!
    measure = 6 * x**2 * y * np.prod(np.meshgrid(weights, weights, weights, indexing="ij"), axis=0).ravel()
    _, _, free, _, _ = pair_gain(surplus, np.zeros(len(surplus)))
    assert measure.sum() == pytest.approx(1, rel=1e-14)
    assert measure @ np.asarray(free) == pytest.approx(1 / 4, rel=1e-13)

    def user_value(row):
        return SecondScoreAuction(market_of(row), USERS).outcome().user_value[0]

    assert measure @ np.asarray(jax.vmap(user_value)(surplus)) == pytest.approx(2 / 4, rel=1e-13)


def test_o12_with_a_reserve_by_exact_quadrature(pair_gain):
    """n = 3 and r = ½: users get 17/32 and the ring of the two best 3∫_½^1 w(1 − w)² dw = 5/64.

    Scores have density 6 on the ordered corner; integrands are polynomials on the pieces where W_2, W_3 lie above or below r.
    """
    nodes, weights = np.polynomial.legendre.leggauss(5)
    nodes, weights = (nodes + 1) / 2, weights / 2
    x, y, z = (axis.ravel() for axis in np.meshgrid(nodes, nodes, nodes, indexing="ij"))
    measure = np.prod(np.meshgrid(weights, weights, weights, indexing="ij"), axis=0).ravel()
    best = (1 + x) / 2
    low, high = y / 2, 0.5 + (best - 0.5) * y
    pieces = [  # second score, third score, Jacobian
        (low, low * z, 0.5 * 0.5 * low),
        (high, 0.5 * z, 0.5 * (best - 0.5) * 0.5),
        (high, 0.5 + (high - 0.5) * z, 0.5 * (best - 0.5) * (high - 0.5)),
    ]
    user, gain = 0.0, 0.0
    for second, third, volume in pieces:
        surplus = np.stack([best, second, third], axis=1)
        held, *_ = pair_gain(surplus, np.full(len(surplus), 0.5))
        gain += 6 * (measure * volume) @ np.asarray(held)
        value = jax.vmap(lambda row: SecondScoreAuction(market_of(row), USERS, reserve=0.5).outcome().user_value[0])
        user += 6 * (measure * volume) @ np.asarray(value(jnp.asarray(surplus)))
    assert user == pytest.approx(17 / 32, rel=1e-12)
    assert gain == pytest.approx(5 / 64, rel=1e-12)


def brute_force_ring_gain(surplus: np.ndarray, members: tuple[int, ...], reserve: float) -> float:
    """Largest joint profit over all joint bids on a grid that holds every score, less the honest joint profit."""

    def joint_profit(scores: np.ndarray) -> float:
        winner = int(np.argmax(scores))
        if winner not in members or scores[winner] < reserve:
            return 0.0
        return surplus[winner] - max(np.delete(scores, winner).max(), reserve)

    bids = np.concatenate([[-1e9], surplus, surplus + 0.01, [2.0]])
    best = -np.inf
    for said in itertools.product(bids, repeat=len(members)):
        scores = surplus.copy()
        scores[list(members)] = said
        best = max(best, joint_profit(scores))
    return best - joint_profit(surplus)


def test_rings_equal_a_search_over_joint_bids():
    rng = np.random.default_rng(1)
    surplus, reserve = rng.uniform(size=4), 0.3
    market = market_of(surplus)
    for size in (1, 2, 3):
        for members in itertools.combinations(range(4), size):
            found = float(ring(market, USERS, list(members), reserve=reserve).gain)
            assert found == pytest.approx(brute_force_ring_gain(surplus, members, reserve), abs=1e-14)
    # All of them leave the user what not buying is worth, 0 here; where users must buy, nothing sets the price.
    everyone = ring(market, USERS, [0, 1, 2, 3])
    assert float(everyone.gain) == pytest.approx(np.sort(surplus)[-2], abs=1e-14)
    assert float(ring(market, MUST_BUY, [0, 1, 2, 3]).gain) == np.inf


def test_most_profitable_rings_of_each_size():
    rng = np.random.default_rng(2)
    surplus = rng.uniform(size=5)
    ranked = np.append(-np.sort(-surplus), 0.0)
    found = best_rings(market_of(surplus), USERS, reserve=0.0)
    np.testing.assert_allclose(found.gain, ranked[1] - ranked[1:], atol=1e-15)
    assert found.members.sum(axis=1).tolist() == [1, 2, 3, 4, 5]

    # Two segments that rank providers differently: no closed form, so the sets are tried; checked by segment.
    accuracy, tokens = rng.uniform(0.2, 1, (4, 2)), rng.uniform(1e3, 4e4, (4, 2))
    market = Market.from_arrays(accuracy=accuracy, tokens=tokens, price_per_million=0.2)
    users = Users([0.004, 0.05], 1000, weight=[4, 1])
    offers = np.asarray(users.quality(market.accuracy) - market.cost).max(axis=2)
    assert offers[0].argmax() != offers[1].argmax()

    def gain(members: np.ndarray) -> float:
        total = 0.0
        for weight, offer in zip((0.8, 0.2), offers, strict=True):
            if members[offer.argmax()]:
                total += weight * (np.sort(offer)[-2] - max(np.where(members, -np.inf, offer).max(), 0.0))
        return total

    found = best_rings(market, users, reserve=0.0)
    for size in range(1, 5):
        sets = [np.isin(np.arange(4), rows) for rows in itertools.combinations(range(4), size)]
        assert float(found.gain[size - 1]) == pytest.approx(max(map(gain, sets)), rel=1e-12, abs=1e-16)
        assert gain(np.asarray(found.members[size - 1])) == pytest.approx(
            float(found.gain[size - 1]), rel=1e-12, abs=1e-16
        )


def test_a_ring_needs_enforcement_under_the_first_score_rule_only():
    surplus = np.array([0.9, 0.8, 0.3])
    members = jnp.array([True, True, False])
    second = ScoreAuction(market_of(surplus), USERS)
    assert float(misreport_gain(second, ring_bids(second, members)).gain[0, :2].max()) < 1e-11
    first = ScoreAuction(market_of(surplus), USERS, rule=first_score)
    bids = ring_bids(first, members)
    low = Bids(bids.level, bids.promise, bids.ask.at[0, 0].set(bids.promise[0, 0] - 0.3 - 1e-9))
    assert float(misreport_gain(first, low).gain[0, 1]) == pytest.approx(0.8 - 0.3, abs=1e-6)


# Capacity


def offers_market(surplus, scale=1.0) -> tuple[Market, Users]:
    """Levels as segments: segment s has its own accuracy-to-money factor, so that W differs by segment and provider."""
    rng = np.random.default_rng(surplus)
    market = Market.from_arrays(
        accuracy=rng.uniform(0.3, 1, (4, 2)), tokens=rng.uniform(1e3, 6e4, (4, 2)), price_per_million=0.3 * scale
    )
    return market, Users(np.array([0.005, 0.02, 0.05]) * scale, 1000 / scale, outside_value=0.002 * scale)


def test_assignment_is_optimal_and_prices_prove_it():
    for seed in range(8):
        market, users = offers_market(seed)
        rng = np.random.default_rng(seed + 100)
        queries, capacity = rng.integers(0, 9, 3), rng.integers(1, 9, 4)
        outcome = capacity_auction(market, users, queries, capacity)
        surplus = np.asarray(users.quality(market.accuracy) - market.cost).max(axis=2)
        # The same as an assignment of single queries to single places, each query with a place of its own outside.
        rows = np.repeat(np.arange(3), queries)
        table = np.column_stack([np.repeat(surplus, capacity, axis=1)[rows], np.full((len(rows), len(rows)), 0.002)])
        row, column = linear_sum_assignment(table, maximize=True)
        assert outcome.welfare == pytest.approx(table[row, column].sum(), rel=1e-12)
        assert outcome.bound == pytest.approx(outcome.welfare, rel=1e-9)
        np.testing.assert_array_equal(outcome.assigned.sum(axis=1) + outcome.unserved, queries)
        assert (outcome.assigned.sum(axis=0) <= capacity).all()
        if queries.all():
            # u is what one more query adds.
            for s in range(3):
                more = capacity_auction(market, users, queries + np.eye(3, dtype=int)[s], capacity)
                assert more.welfare - outcome.welfare == pytest.approx(outcome.uniform_value[s], rel=1e-9)
        # Uniform prices are a competitive equilibrium: with the rents they leave, the dual bound is attained.
        rents = np.maximum((surplus - outcome.uniform_value[:, None]).max(axis=0), 0)
        total = queries @ outcome.uniform_value + capacity @ rents
        assert total == pytest.approx(outcome.welfare, rel=1e-9)
        # Providers are substitutes: VCG pays at least the best competitive rents and leaves users the outside value.
        assert (outcome.profits >= outcome.uniform_profits - 1e-9 * outcome.welfare).all()
        assert outcome.user_value >= 0.002 * queries.sum() * (1 - 1e-9)


def test_one_query_and_unit_capacities_are_the_second_score_auction():
    surplus = np.array([0.4, 0.9, 0.7])
    outcome = capacity_auction(market_of(surplus), USERS, 1, 1)
    assert outcome.assigned.tolist() == [[0, 1, 0]]
    np.testing.assert_allclose(outcome.profits, [0, 0.2, 0], atol=1e-14)
    assert outcome.user_value == pytest.approx(0.7)
    assert outcome.uniform_price[0, 1] == pytest.approx(2 - 0.7)
    assert outcome.payments[1] == pytest.approx(2 - 0.7)


def test_one_segment_fills_from_the_best_offer_down():
    rng = np.random.default_rng(3)
    surplus, capacity = rng.uniform(size=5), rng.integers(1, 6, 5)
    outcome = capacity_auction(market_of(surplus), USERS, 8, capacity)
    places = np.repeat(surplus, capacity)
    ranked = -np.sort(-places)
    assert outcome.welfare == pytest.approx(ranked[:8].sum(), rel=1e-14)
    assert outcome.uniform_value[0] == pytest.approx(ranked[8], rel=1e-12)
    for i in range(5):
        others = -np.sort(-np.append(np.repeat(np.delete(surplus, i), np.delete(capacity, i)), np.zeros(8)))
        assert outcome.profits[i] == pytest.approx(ranked[:8].sum() - others[:8].sum(), abs=1e-13)


def test_vcg_is_truthful_and_uniform_prices_are_not(full):
    gains = []
    for seed in range(20 if full else 1):
        market, users = offers_market(seed)
        rng = np.random.default_rng(seed + 200)
        queries, capacity = rng.integers(1, 9, 3), rng.integers(2, 7, 4)
        found = capacity_misreport(market, users, queries, capacity, shifts=3, capacities=2)
        welfare = capacity_auction(market, users, queries, capacity).welfare
        assert found.num_lies.min() > 20
        assert found.vcg.max() <= 1e-9 * welfare
        gains.append(found.uniform.max() / welfare)
    assert max(gains) > 1e-3
    # One place each: uniform prices are VCG, and truthful too.
    market, users = offers_market(0)
    single = capacity_misreport(market, users, [1, 1, 0], 1, shifts=3, capacities=1)
    assert max(single.uniform.max(), single.vcg.max()) < 1e-9 * 0.05


def test_a_billion_queries():
    market, users = offers_market(5)
    small = capacity_auction(market, users, [3, 4, 5], [2, 3, 4, 5])
    large = capacity_auction(market, users, np.array([3, 4, 5]) * 10**9, np.array([2, 3, 4, 5]) * 10**9)
    np.testing.assert_array_equal(large.assigned, small.assigned * 10**9)
    np.testing.assert_allclose(large.profits, small.profits * 1e9, rtol=1e-9, atol=1e-9 * large.welfare)
    np.testing.assert_allclose(large.uniform_value, small.uniform_value, rtol=1e-12)


def test_currency_changes_nothing():
    (market, users), (large, large_users) = offers_market(5), offers_market(5, scale=1e6)
    small_outcome = capacity_auction(market, users, [3, 4, 5], [2, 3, 4, 5])
    large_outcome = capacity_auction(large, large_users, [3, 4, 5], [2, 3, 4, 5])
    np.testing.assert_array_equal(small_outcome.assigned, large_outcome.assigned)
    np.testing.assert_allclose(small_outcome.profits * 1e6, large_outcome.profits, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("queries", "capacity", "message"),
    [
        (5, [1, 0, 1], "capacity of '1' is 0; .* leave out a provider that serves nobody"),
        (5, [1, 1.5, 1], "whole number"),
        (5, [1, 1], r"shape \(2,\)"),
        (-1, 1, "queries of segment 0 is -1"),
        (5, 1, "5 queries must be served .* and capacity is 3"),
        (3, 1, "without provider 0"),
    ],
)
def test_bad_capacities_are_explained(queries, capacity, message):
    users = Users(2.0, 1000, baseline=0.0, outside_value=-np.inf)
    with pytest.raises(InputError, match=message):
        capacity_auction(market_of([0.4, 0.9, 0.7]), users, queries, capacity)


@pytest.mark.parametrize(
    ("members", "message"),
    [([], "no member"), ([7], "member 7 does not exist"), ([True], "mask"), (["Ada"], "unknown provider")],
)
def test_bad_rings_are_explained(members, message):
    with pytest.raises(InputError, match=message):
        ring(market_of([0.4, 0.9]), USERS, members)


# Entry and exit


@jax.jit
def equal_shares(market, users):
    n = market.num_providers
    levels = jnp.zeros((1, n), int)
    return settle(market, users, levels=levels, allocation=jnp.full((1, n), 1 / n), price=market.price[None, :, 0])


class PostedShares:
    """A mechanism of two lines: equal shares at posted prices, so that the answer can be worked out by hand."""

    name = "equal-shares"

    def outcome(self, market, users):
        return equal_shares(market.anonymous(), users)


class Unbounded(PostedShares):
    """The same, but without an equilibrium."""

    name = "unbounded"

    def outcome(self, market, users):
        status = jnp.asarray(int(Status.NO_EQUILIBRIUM))
        return eqx.tree_at(lambda outcome: outcome.status, super().outcome(market, users), status)


def named(tokens: dict[str, float], accuracy: float = 0.5) -> Market:
    return Market.from_arrays(
        accuracy=[[accuracy]] * len(tokens),
        tokens=[[count] for count in tokens.values()],
        price_per_million=1.25,
        providers=list(tokens),
    )


def test_providers_leave_until_the_rest_earn_their_fixed_cost():
    """Profits are .25 dollars per million tokens over n: A .1, B .2, C .3, D .6 dollars, all over n."""
    mechanism, users = PostedShares(), Users(10.0, 1.0)
    assert isinstance(mechanism, Mechanism)
    market = named({"A": 4e5, "B": 8e5, "C": 12e5, "D": 24e5})
    path = exit_until_stable(mechanism, market, users, 0.1)
    # n = 4: .025, .05, .075, .15: A leaves; n = 3: .067, .1, .2: B leaves; n = 2: .15, .3.
    assert (path.left, path.stays) == (("A", "B"), ("C", "D"))
    assert len(path.outcomes) == 3
    assert path.net_profit == pytest.approx({"C": 0.05, "D": 0.2})
    assert path.return_gain == pytest.approx({"A": 0.1 / 3 - 0.1, "B": 0.2 / 3 - 0.1})
    assert path.free_entry
    own = exit_until_stable(mechanism, market, users, [0.0, 0.0, 0.1, 0.0])
    assert (own.left, own.return_gain) == (("C",), pytest.approx({"C": -0.025}))
    # n = 4: D loses .35, the most; n = 3: C loses .06; n = 2: A loses .04, and B alone has .2.
    one_left = exit_until_stable(mechanism, market, users, [0.09, 0.095, 0.16, 0.5])
    assert (one_left.left, one_left.stays) == (("D", "C", "A"), ("B",))
    assert one_left.return_gain == pytest.approx({"D": -0.2, "C": -0.01, "A": -0.04})
    empty = exit_until_stable(mechanism, market, users, 1.0)
    assert (empty.stays, empty.free_entry, len(empty.outcomes)) == ((), True, 4)


def test_exit_that_is_not_final_is_reported():
    """X loses most in the crowd, but would pay off in the market that is left: a second round of entry would follow."""
    market = named({"X": 8e5, "Y": 4e5, "Z": 4e5})
    path = exit_until_stable(PostedShares(), market, Users(10.0, 1.0), [0.15, 0.06, 0.06])
    # n = 3: X .067 − .15 leaves; n = 2: .05 − .06 each: Y leaves, Z alone has .1 and stays. X back: .1 − .15 < 0.
    assert (path.left, path.stays, path.free_entry) == (("X", "Y"), ("Z",), True)
    path = exit_until_stable(PostedShares(), market, Users(10.0, 1.0), [0.15, 0.11, 0.11])
    # Y and Z leave in the end too, and X alone would have .2.
    assert (path.left, path.stays) == (("X", "Y", "Z"), ())
    assert path.return_gain == pytest.approx({"X": 0.05, "Y": -0.01, "Z": -0.01})
    assert not path.free_entry


def test_arrival_in_the_auction():
    market, users = named({"A": 1e4, "B": 2e4}), Users(0.1, 1000)
    newcomer = named({"C": 1.5e4}, accuracy=0.6)
    change = arrival(SecondScore(), market, users, newcomer)
    offers = np.asarray(users.quality(market.accuracy)[0, :, 0] - market.cost[:, 0])
    best, second = offers
    new = 0.1 * (0.1 + 0.9 * 0.6) - 0.015
    assert new > best > second
    assert change.users == pytest.approx(best - second)
    assert change.incumbents == pytest.approx({"A": -(best - second), "B": 0.0})
    assert change.newcomer == pytest.approx({"C": new - best})
    assert change.welfare == pytest.approx(new - best)
    assert change.losers == ("A",)
    assert change.platform == 0


def test_arrival_ledger_adds_up():
    market, users = named({"A": 4e5, "B": 8e5}), Users(10.0, 1.0)
    change = arrival(PostedShares(), market, users, named({"C": 4e4}, accuracy=0.3))
    parts = change.users + change.platform + sum(change.incumbents.values()) + sum(change.newcomer.values())
    assert change.welfare == pytest.approx(parts, rel=1e-12)
    assert change.losers == ("users", "A", "B")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: join(named({"A": 1e4}), named({"A": 2e4})), "'A' is in the market already"),
        (lambda: join(named({"A": 1e4}), named({"B": 2e4}).anonymous()), "newcomer has no names"),
        (lambda: exit_until_stable(PostedShares(), named({"A": 1e4}), USERS, -1.0), "fixed_cost is -1"),
        (lambda: exit_until_stable(Unbounded(), named({"A": 1e4, "B": 9e3}), USERS, 1.0), "no equilibrium with A, B"),
        (lambda: arrival(Unbounded(), named({"A": 1e4}), USERS, named({"B": 9e3})), "unbounded has no equilibrium"),
        (lambda: exit_until_stable(PostedShares(), named({"A": 1e4}), USERS, [1.0, 2.0]), "shape"),
        (lambda: exit_until_stable(SecondScore(), named({"A": 1e4, "B": 9e3}), MUST_BUY, 1.0), "must be served"),
        (lambda: exit_until_stable(PostedShares(), named({"A": 1e4}).anonymous(), USERS, 0.0), "no names"),
    ],
)
def test_bad_entry_is_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()
