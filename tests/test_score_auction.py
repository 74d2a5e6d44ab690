"""Score auctions as games: misreports searched over the whole bid space, soft winners, reserves."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Market, SecondScoreAuction, Users
from games.score_auction import Bids, ScoreAuction, first_score, second_score
from games.smooth_auction import SmoothAuction
from games.truthful_logit import TruthfulLogitMarket
from solver.gradient_bidders import bid_regret, gradient_bidders
from solver.misreport import misreport_gain
from solver.reserve import optimal_reserve

DRAWS, PROVIDERS, LEVELS = 60, 3, 2
BOLDEST = jnp.array([1.0])


def draws() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy, cost and mask of random markets along a leading axis, a third of them with tied offers."""
    rng = np.random.default_rng(0)
    accuracy = rng.uniform(0.1, 0.9, (DRAWS, PROVIDERS, LEVELS))
    cost = rng.uniform(0.001, 0.3, (DRAWS, PROVIDERS, LEVELS))
    accuracy[::3, 1], cost[::3, 1] = accuracy[::3, 0], cost[::3, 0]
    mask = np.ones(accuracy.shape, bool)
    mask[1::4, 2, 1] = False
    return accuracy, cost, mask


def market_of(accuracy, cost, mask) -> Market:
    return Market(accuracy, 1e6 * cost, 1.25 * cost, cost, mask, (), ())


def offers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best surplus of every provider, and the best and second-best of every market."""
    accuracy, cost, mask = draws()
    best = np.where(mask, accuracy - cost, -np.inf).max(axis=2)
    ranked = -np.sort(-best, axis=1)
    return best, ranked[:, 0], ranked[:, 1]


USERS = Users(1.0, 1000, baseline=0.0)
CAPTIVE = Users(1.0, 1.0, outside_value=-np.inf)


@pytest.fixture(scope="module")
def gains():
    """Largest gain from honest bids in every random market, for each rule, with and without verified promises."""

    @jax.jit
    @jax.vmap
    def all_gains(*arrays):
        market = market_of(*arrays)

        def gain(rule, promises, **settings):
            auction = ScoreAuction(market, USERS, rule=rule, **settings)
            honest = auction.honest()
            return misreport_gain(auction, honest, promises=promises, grid=9).gain[0], auction.play(honest).profits[0]

        reserve = {"reserve": jnp.array([0.3])}
        return {
            "second": gain(second_score, BOLDEST),
            "reserve": gain(second_score, BOLDEST, **reserve),
            "first": gain(first_score, None),
            "unverified": gain(second_score, BOLDEST, verified=False),
        }

    return all_gains(*draws())


def test_truth_is_dominant_in_the_second_score_auction(gains):
    _, first, second = offers()
    for name, floor in (("second", second), ("reserve", np.maximum(second, 0.3))):
        gain, profits = gains[name]
        assert float(jnp.max(gain)) <= 1e-9 * first.max()
        np.testing.assert_allclose(profits.max(axis=1), np.maximum(first - floor, 0), atol=1e-12)


def test_the_first_score_auction_can_be_gamed_by_exactly_the_rent(gains):
    _, first, second = offers()
    gain, profits = gains["first"]
    np.testing.assert_allclose(profits, 0.0, atol=1e-15)
    np.testing.assert_allclose(gain.max(axis=1), first - second, atol=1e-10)


def test_an_unverified_promise_is_overstated_as_far_as_it_can_be(gains):
    """O14: paid on the promise, the winner gains exactly what it overstates; a loser gains what is left of it."""
    _, cost, mask = draws()
    best, first, second = offers()
    gain, profits = (np.asarray(x) for x in gains["unverified"])
    boldest = np.where(mask, 1.0 - cost, -np.inf).max(axis=2)  # promise a sure answer, deliver the cheapest
    rival = np.where(np.arange(3) == best.argmax(axis=1)[:, None], second[:, None], first[:, None])
    np.testing.assert_allclose(gain, np.maximum(boldest - rival, 0) - profits, atol=1e-10)


def test_game_and_direct_mechanism_agree():
    @jax.jit
    @jax.vmap
    def both(*arrays):
        market = market_of(*arrays)
        auction = ScoreAuction(market, USERS, reserve=jnp.array([0.2]))
        direct = SecondScoreAuction(market, USERS, reserve=jnp.array([0.2])).outcome()
        award = auction.play(auction.honest())
        return award.allocation[0], award.profits[0], direct.winner[0], direct.winner_profit[0]

    allocation, profits, winner, rent = map(np.asarray, both(*draws()))
    sold = winner >= 0
    assert sold.any()
    assert (allocation.sum(axis=1) == sold).all()
    assert (allocation[sold, winner[sold]] == 1).all()
    np.testing.assert_allclose(profits.sum(axis=1), rent, atol=1e-15)


def test_a_bid_of_a_missing_level_is_refused_and_never_wins_where_it_cannot_be_looked_at():
    market = Market.from_arrays(accuracy=[[0.5], [0.4, 0.6]], tokens=[[10], [10, 20]], price_per_million=1.0)
    auction = ScoreAuction(market, USERS)
    bids = Bids(jnp.array([[1, 0]]), jnp.array([[0.99, 0.4]]), jnp.zeros((1, 2)))
    assert jax.jit(lambda bids: auction.play(bids))(bids).allocation.tolist() == [[0.0, 1.0]]
    with pytest.raises(InputError, match="is at level 1, which does not exist"):
        auction.play(bids)


@pytest.fixture(scope="module")
def learned():
    """Random smooth auctions, learned under both rules."""
    rng = np.random.default_rng(3)
    surplus = jnp.asarray(rng.uniform(0.01, 0.02, (20, 4)))
    temperature = jnp.asarray(10 ** rng.uniform(-3.3, -2, 20))
    reserve = jnp.where(jnp.arange(20) % 2 == 0, -jnp.inf, 0.012)

    def learn(second):
        make = lambda w, t, r: SmoothAuction(w, t, r, second)  # noqa: E731
        run = jax.vmap(lambda w, t, r: gradient_bidders(make(w, t, r), num_steps=300))
        auctions = jax.vmap(make)(surplus, temperature, reserve)
        found = run(surplus, temperature, reserve)
        return auctions, found, jax.vmap(lambda a, s: a.shares(s))(auctions, found.scores)

    return temperature, learn(True), learn(False)


def test_gradient_bidders_end_truthful_under_second_score(learned):
    _, (auctions, found, _), _ = learned
    scale = np.asarray(auctions.surplus).max()
    # Where a share is almost 0 the slope underflows long before it matters: the certificate covers those.
    assert np.median(np.abs(found.shading)) < 1e-9 * scale
    assert float(jnp.max(found.regret)) < 1e-9 * scale
    winners = np.asarray(auctions.surplus).argmax(axis=1)
    assert np.abs(np.asarray(found.shading)[np.arange(20), winners]).max() < 1e-6 * scale


def test_gradient_bidders_shade_under_first_score(learned):
    """Shading is τ/(1 − s), the markup of logit price competition (O7)."""
    temperature, _, (auctions, found, shares) = learned
    np.testing.assert_allclose(found.shading * (1 - shares), np.broadcast_to(temperature[:, None], (20, 4)), rtol=1e-5)
    assert float(jnp.max(found.regret)) < 1e-9 * np.asarray(auctions.surplus).max()


def test_the_search_of_bids_sees_a_bad_bid():
    auction = SmoothAuction(jnp.array([3.0, 2.0, 1.0]), jnp.array(0.3), jnp.array(0.5), True)
    truth = bid_regret(auction, auction.surplus)
    lie = bid_regret(auction, auction.surplus.at[0].add(-1.5))
    assert float(truth.max()) < 1e-12
    assert float(lie[0]) > 0.1
    cold = eqx.tree_at(lambda a: a.temperature, auction, jnp.array(1e-4))
    np.testing.assert_allclose(cold.payoffs(auction.surplus), [1.0, 0.0, 0.0], atol=1e-9)  # the auction itself
    assert float(cold.user_value(auction.surplus)) == pytest.approx(2.0)


@pytest.mark.parametrize(("n", "user_value"), [(2, 5 / 12), (3, 17 / 32)])
def test_best_reserve_of_uniform_draws(n, user_value):
    """O12: the best reserve is 1/2; 40,000 draws, four standard errors."""
    sorted_draws = np.sort(np.random.default_rng(n).uniform(size=(40_000, n)), axis=1)
    weight = np.full(40_000, 1 / 40_000)
    found = optimal_reserve(sorted_draws[:, -1], sorted_draws[:, -2], np.zeros(40_000), weight)
    assert float(found.reserve) == pytest.approx(0.5, abs=0.05)  # the maximum is flat there
    at_half = np.where(sorted_draws[:, -1] >= 0.5, np.maximum(sorted_draws[:, -2], 0.5), 0.0)
    error = 4 * at_half.std() / 200
    assert float(found.user_value) == pytest.approx(user_value, abs=error)
    assert float(found.user_value) >= at_half.mean()


def test_no_reserve_where_none_helps():
    found = optimal_reserve(np.array([2.0, 1.0]), np.array([1.9, 1.0]), np.array([-5.0, -5.0]), np.array([0.5, 0.5]))
    assert float(found.user_value) == pytest.approx(1.45)
    assert float(found.reserve) <= 1.0


@pytest.mark.parametrize(("outside", "reserve", "value"), [(0.5, 1.0, 1.0), (2.0, -np.inf, 2.0), (-np.inf, 1.0, 1.0)])
def test_a_lone_bidder_is_left_nothing_or_nothing_is_sold(outside, reserve, value):
    """Whatever an auction that has no weight would bring."""
    found = optimal_reserve(np.array([1.0, 0.5]), np.full(2, -np.inf), np.full(2, outside), np.array([1.0, 0.0]))
    assert (float(found.reserve), float(found.user_value)) == (reserve, value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda market: ScoreAuction(market, USERS, entry_cost=float("inf")), "entry cost is inf"),
        (lambda market: ScoreAuction(market, USERS, reserve=float("inf")), "reserve"),
        (lambda market: ScoreAuction(market, USERS, reserve=-0.01), "reserve is -0.01.*-inf"),
        (lambda market: ScoreAuction(market, USERS, reserve=[0.1, 0.2]), "each segment: 1"),
        (lambda market: ScoreAuction(market.subset(["a"]), CAPTIVE), "one bidder and users who must be served"),
        (lambda market: SecondScoreAuction(market, USERS, reserve=-0.01), "reserve is -0.01"),
        (lambda market: SmoothAuction.from_market(market, USERS, temperature=1.0, reserve=np.nan), "reserve is nan"),
        (lambda market: SmoothAuction.from_market(market.subset(["a"]), CAPTIVE, temperature=1.0), "one bidder"),
        (lambda market: SmoothAuction.from_market(market, USERS, temperature=0.0), "temperature is 0"),
        (lambda market: SmoothAuction.from_market(market, Users([1, 2], 3), temperature=1.0), "one segment"),
    ],
)
def test_bad_input_is_explained(make, message):
    market = Market.from_arrays(
        accuracy=[[0.5], [0.6]], tokens=[[10], [10]], price_per_million=1.0, providers=["a", "b"]
    )
    with pytest.raises(InputError, match=message):
        make(market)


TWO = Market.from_arrays(accuracy=[[0.5, 0.7], [0.6, 0.8]], tokens=[[10, 20], [10, 20]], price_per_million=1.0)


def test_bids_may_be_lists():
    auction = ScoreAuction(TWO, USERS)
    lists, arrays = [[1, 1]], ([[0.7, 0.8]], [[0.1, 0.1]])
    award = auction.play(Bids(lists, *arrays))
    same = auction.play(Bids(jnp.array(lists), *map(jnp.array, arrays)))
    assert award.profits.tolist() == same.profits.tolist()
    assert award.allocation.tolist() == [[0.0, 1.0]]
    assert float(award.value_left[0]) == pytest.approx(0.6)
    one, other = (SecondScoreAuction(TWO, USERS, reserve="no-harm", posted=p) for p in ([0, 1], jnp.array([0, 1])))
    assert one.reserve.tolist() == other.reserve.tolist()
    soft = SmoothAuction.from_market(TWO, USERS, temperature=0.1)
    assert soft.payoffs([0.5, 0.6]).tolist() == soft.payoffs(jnp.array([0.5, 0.6])).tolist()
    logit = TruthfulLogitMarket(jnp.array([1.0, 0.8]), jnp.array(5.0), jnp.array(0.0))
    assert logit.payoffs([1.0, 0.8]).tolist() == logit.payoffs(jnp.array([1.0, 0.8])).tolist()


@pytest.mark.parametrize(
    ("play", "message"),
    [
        (lambda: ScoreAuction(TWO, CAPTIVE).play(Bids([[1, 1]], [[0.7, 0.8]], [[0.1, np.inf]])), "a single live bid"),
        (lambda: ScoreAuction(TWO, USERS).play(Bids([[1, 1]], [[0.7, 0.8]], [[0.1, np.nan]])), "provider 2 asks nan"),
        (lambda: ScoreAuction(TWO, USERS).play(Bids([[1, 1]], [[0.7, 0.8]], [[-0.1, 0.1]])), "provider 1 asks -0.1"),
        (lambda: ScoreAuction(TWO, USERS).play(Bids([[1, 1]], [[0.7, 0.8]], [[-np.inf, 0.1]])), "provider 1 asks -inf"),
        (lambda: ScoreAuction(TWO, USERS).play(Bids([[1, 2]], [[0.7, 0.8]], [[0.1, 0.1]])), "level 2, which does not"),
        (
            lambda: ScoreAuction(TWO, USERS).play(Bids([[-1, 1]], [[0.7, 0.8]], [[0.1, 0.1]])),
            "level -1, which does not",
        ),
        (lambda: ScoreAuction(TWO, USERS).play(Bids([[0.5, 1]], [[0.7, 0.8]], [[0.1, 0.1]])), "whole numbers"),
        (lambda: ScoreAuction(TWO, USERS).play(Bids([[1, 1]], [[np.nan, 0.8]], [[0.1, 0.1]])), "promises nan"),
        (lambda: ScoreAuction(TWO, USERS).play(Bids([1, 1], [0.7, 0.8], [0.1, 0.1])), "one row for each of 1 segments"),
        (lambda: SecondScoreAuction(TWO, USERS, reserve="no-harm", posted=[0, 2]), "posted has level 2"),
        (lambda: SecondScoreAuction(TWO, USERS, reserve="no-harm", posted=[0]), "index of a level for each of 2"),
        (lambda: SmoothAuction.from_market(TWO, USERS, temperature=0.1).payoffs([0.5, np.nan]), "scores are"),
        (lambda: SmoothAuction.from_market(TWO, USERS, temperature=0.1).payoffs([0.5]), "each of 2 providers"),
        (lambda: TruthfulLogitMarket(jnp.ones(2), jnp.array(5.0), jnp.array(0.0)).shares([np.nan, 1.0]), "each of 2"),
    ],
)
def test_bids_that_no_rule_can_settle_are_refused(play, message):
    with pytest.raises(InputError, match=message):
        play()


def test_a_single_live_bid_is_paid_down_to_the_outside_value():
    award = ScoreAuction(TWO, USERS).play(Bids([[1, 1]], [[0.7, 0.8]], [[0.1, np.inf]]))
    assert award.price.tolist() == [[pytest.approx(0.7), 0.0]]  # before: inf
