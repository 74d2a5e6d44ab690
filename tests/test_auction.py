"""The reverse second-price auction: O12, truthfulness, reserves, ties, segments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Market, SecondScoreAuction, Users, load_scenario
from solver import pure_equilibria


def market_of(surplus) -> Market:
    """One level per provider, all answers right, so that W_i is as given: q = α = 2 dollars, c = 2 − W."""
    cost = 2 - np.asarray(surplus, float)[:, None]
    ones = jnp.ones(cost.shape)
    labels = tuple(("only",) for _ in surplus)
    names = tuple(f"p{i}" for i in range(len(surplus)))
    return Market(ones, ones, jnp.asarray(cost) * 1.25, jnp.asarray(cost), ones > 0, names, labels)


USERS = Users(2.0, 1000, baseline=0.0)


def test_published_example_by_hand():
    outcome = SecondScoreAuction(market_of([0.3, 0.9, 0.5]), USERS).outcome()
    assert (int(outcome.winner[0]), int(outcome.runner_up[0])) == (1, 2)
    assert float(outcome.price[0]) == pytest.approx(2 - 0.5)
    assert float(outcome.user_value[0]) == pytest.approx(0.5)
    assert float(outcome.winner_profit[0]) == pytest.approx(0.9 - 0.5)
    assert float(outcome.welfare[0]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("n", "reserve", "expected"), [(2, None, 1 / 3), (3, None, 2 / 4), (2, 0.5, 5 / 12), (3, 0.5, 17 / 32)]
)
def test_uniform_surpluses_give_the_textbook_averages(n, reserve, expected):
    """O12: W iid uniform on [0, 1]; 20,000 draws, four standard errors."""
    draws = np.random.default_rng(n).uniform(size=(20_000, n))

    def user_value(cost):
        ones = jnp.ones(cost.shape)
        market = Market(ones, ones, cost, cost, ones > 0, (), ())
        outcome = SecondScoreAuction(market, USERS, reserve=reserve).outcome()
        return outcome.user_value[0], outcome.winner_profit[0]

    values, rents = jax.jit(jax.vmap(user_value))(jnp.asarray(2 - draws[:, :, None]))
    error = 4 * np.std(np.asarray(values)) / np.sqrt(len(draws))
    assert float(values.mean()) == pytest.approx(expected, abs=error)
    if reserve is None:
        error = 4 * np.std(np.asarray(rents)) / np.sqrt(len(draws))
        assert float(rents.mean()) == pytest.approx(1 / (n + 1), abs=error)


def test_no_misreport_of_the_ask_gains():
    """Whatever one provider bids, truth pays as much: the bid moves who wins, never what the winner is paid."""
    rng = np.random.default_rng(1)
    surplus = rng.uniform(0, 1, (200, 3))
    rival = surplus[:, 1:].max(axis=1)
    bids = np.concatenate([rng.uniform(-1, 2, (200, 20)), rival[:, None] + [-1e-9, 1e-9], surplus[:, :1]], axis=1)

    @jax.jit
    @jax.vmap
    def profit(scores, own):
        """Provider 0's profit at its true surplus when the scores are bid: it is paid quality − rival's score."""
        cost = 2 - scores[:, None]
        ones = jnp.ones(cost.shape)
        outcome = SecondScoreAuction(Market(ones, ones, cost, cost, ones > 0, (), ()), USERS).outcome()
        return jnp.where(outcome.winner[0] == 0, outcome.price[0] - (2 - own), 0.0)

    scores = np.concatenate([bids.reshape(-1, 1), np.repeat(surplus[:, 1:], bids.shape[1], axis=0)], axis=1)
    profits = np.asarray(profit(scores, np.repeat(surplus[:, 0], bids.shape[1]))).reshape(bids.shape)
    truthful = profits[:, -1]
    np.testing.assert_allclose(truthful, np.maximum(surplus[:, 0] - rival, 0), atol=1e-12)
    assert (profits <= truthful[:, None] + 1e-12).all()
    assert (profits < truthful[:, None] - 1e-3).any()  # some lies do hurt


def test_reserves():
    market = market_of([0.9, 0.5])
    assert float(SecondScoreAuction(market, USERS, reserve=0.7).outcome().user_value[0]) == pytest.approx(0.7)
    unsold = SecondScoreAuction(market, USERS, reserve=0.95).outcome()
    assert int(unsold.winner[0]) == -1
    assert float(unsold.price[0]) == float(unsold.winner_profit[0]) == float(unsold.welfare[0]) == 0.0
    demanding = Users(2.0, 1000, baseline=0.0, outside_value=0.6)
    assert float(SecondScoreAuction(market, demanding, reserve="V0").outcome().user_value[0]) == pytest.approx(0.6)
    assert float(SecondScoreAuction(market, demanding).outcome().user_value[0]) == pytest.approx(0.6)
    assert float(SecondScoreAuction(market, demanding, reserve=0.55).outcome().user_value[0]) == pytest.approx(0.6)
    captive = Users(2.0, 1000, baseline=0.0, outside_value=-np.inf)
    assert float(SecondScoreAuction(market, captive).outcome().user_value[0]) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["GPQA/reasoning_effort", "GSM8K/best_of_n", "AIME/majority"])
@pytest.mark.parametrize("beta", [200, 1000, 100000])
def test_no_harm_reserve_leaves_users_no_worse(name, beta):
    scenario = load_scenario(name)
    game = scenario.game(beta)
    posted = pure_equilibria(game).worst
    outcome = SecondScoreAuction(scenario.market, game.users, reserve="no-harm", posted=posted).outcome()
    before = float(game.expected_user_value(posted))
    assert float(outcome.user_value[0]) >= before * (1 - 1e-12)
    assert int(outcome.winner[0]) >= 0  # always feasible: Σ s V ≤ max W
    assert float(outcome.welfare[0]) >= float(game.welfare(posted))


def test_users_can_lose_from_the_auction_on_a_real_market():
    scenario = load_scenario("GPQA/reasoning_effort")
    game = scenario.game(1000)
    market_value = float(game.expected_user_value(pure_equilibria(game).worst))
    auction_value = float(SecondScoreAuction(scenario.market, game.users).outcome().user_value[0])
    assert market_value == pytest.approx(0.01545, abs=1e-5)
    assert auction_value == pytest.approx(0.01525, abs=1e-5)


def test_tie_goes_to_the_first_and_leaves_no_rent():
    outcome = SecondScoreAuction(market_of([0.5, 0.8, 0.8]), USERS).outcome()
    assert (int(outcome.winner[0]), int(outcome.runner_up[0])) == (1, 2)
    assert float(outcome.winner_profit[0]) == 0.0


def test_each_segment_has_its_own_auction():
    market = Market.from_arrays(accuracy=[[0.6], [0.9]], tokens=[[100], [1e5]], price_per_million=0.1)
    users = Users([0.001, 1.0], 1000, weight=[1, 3])
    outcome = SecondScoreAuction(market, users).outcome()
    assert outcome.winner.tolist() == [0, 1]
    expected = 0.25 * float(outcome.welfare[0]) + 0.75 * float(outcome.welfare[1])
    assert float(outcome.mean(outcome.welfare)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("surplus", "arguments", "message"),
    [
        ([0.5], {"users": Users(2.0, 1000, outside_value=-np.inf)}, "one bidder and users who must be served"),
        ([0.5, 0.4], {"reserve": "no-harm"}, "posted="),
        ([0.5, 0.4], {"reserve": "noharm"}, "'V0', 'no-harm'"),
        ([0.5, 0.4], {"reserve": float("nan")}, "finite"),
    ],
)
def test_bad_reserves_are_explained(surplus, arguments, message):
    with pytest.raises(InputError, match=message):
        SecondScoreAuction(market_of(surplus), **{"users": USERS} | arguments)
