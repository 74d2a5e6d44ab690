"""The game itself: potential, shares, both readings of welfare, deviations, segments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, NormalForm, PayPerCompute, load_scenario
from solver import brute_force
from tests.markets import all_profiles, profiles_of, random_game


def random_profile(rng, game):
    return jnp.asarray([rng.choice(np.flatnonzero(row)) for row in np.asarray(game.mask)])


@pytest.mark.parametrize("seed", range(8))
def test_potential_changes_by_the_change_of_log_payoff(seed):
    """O1, for every unilateral move from a random profile."""
    rng = np.random.default_rng(seed)
    game = random_game(rng, 4, 3)
    profile = random_profile(rng, game)
    for i, k in np.argwhere(np.asarray(game.mask)):
        moved = profile.at[i].set(int(k))
        gain = game.log_payoffs(moved)[i] - game.log_payoffs(profile)[i]
        change = game.log_potential(moved) - game.log_potential(profile)
        scale = max(1.0, float(jnp.abs(jnp.where(game.mask, game.log_attraction[0], 0.0)).max()))
        assert float(change - gain) == pytest.approx(0.0, abs=1e-13 * scale)


def test_potential_is_refused_for_several_segments():
    game = random_game(np.random.default_rng(0), 3, 3, segments=2)
    with pytest.raises(InputError, match="one user segment"):
        game.log_potential(jnp.zeros(3, int))


@pytest.mark.parametrize("segments", [1, 3])
def test_payoffs_by_hand(segments):
    """Shares, payoffs and welfare recomputed in plain NumPy from the formulas, at a mild β."""
    rng = np.random.default_rng(segments)
    game = random_game(rng, 4, 3, segments=segments, log_rationality=1.5)
    profile = random_profile(rng, game)
    every = np.arange(4)
    users, market = game.users, game.market
    acc, price, cost = (np.asarray(x)[every, np.asarray(profile)] for x in (market.accuracy, market.price, market.cost))
    weight = np.asarray(users.weight)
    sold = np.zeros(4)
    welfare = tasteful = users_get = 0.0
    for s in range(segments):
        worth = 0.1 + 0.9 * np.asarray(users.value_curve(jnp.asarray(acc)))
        value = float(users.value_per_correct[s]) * worth - price
        outside = float(users.outside_value[s])
        beta = float(users.rationality[s])
        a, a0 = np.exp(beta * value), np.exp(beta * outside)
        share, share0 = a / (a0 + a.sum()), a0 / (a0 + a.sum())
        kept = share0 * outside if np.isfinite(outside) else 0.0
        sold += weight[s] * share
        users_get += weight[s] * (share @ value + kept)
        welfare += weight[s] * (share @ (value + price - cost) + kept)
        tasteful += weight[s] * (np.log(a0 + a.sum()) / beta + share @ (price - cost))
        np.testing.assert_allclose(game.shares(profile)[s], share, rtol=1e-12)
        assert float(game.outside_share(profile)[s]) == pytest.approx(share0, rel=1e-12)
        # The two readings differ by exactly H(s)/β.
        options = np.append(share, share0)
        entropy = -sum(x * np.log(x) for x in options if x > 0)
        if segments == 1:
            assert tasteful - welfare == pytest.approx(entropy / beta, rel=1e-10)
    np.testing.assert_allclose(game.payoffs(profile), sold * (price - cost), rtol=1e-12)
    assert float(game.welfare(profile)) == pytest.approx(welfare, rel=1e-11)
    assert float(game.expected_user_value(profile)) == pytest.approx(users_get, rel=1e-11)
    assert float(game.welfare_with_tastes(profile)) == pytest.approx(tasteful, rel=1e-11)
    users_and_providers = float(game.expected_user_value(profile) + game.payoffs(profile).sum())
    assert users_and_providers == pytest.approx(float(game.welfare(profile)), rel=1e-11)


@pytest.mark.parametrize("segments", [1, 2])
def test_deviation_payoffs_are_payoffs_after_the_deviation(segments):
    rng = np.random.default_rng(11)
    for _ in range(10):
        game = random_game(rng, 3, 4, segments=segments)
        profile = random_profile(rng, game)
        table = np.asarray(game.log_deviation_payoffs(profile))
        for i, k in np.argwhere(np.asarray(game.mask)):
            expected = float(game.log_payoffs(profile.at[i].set(int(k)))[i])
            assert table[i, k] == pytest.approx(expected, rel=1e-12, abs=1e-9)
        rows = [game.provider_log_payoffs(profile, jnp.asarray(i)) for i in range(3)]
        np.testing.assert_allclose(np.stack(rows), table, rtol=1e-12, atol=1e-9)
        assert np.all(np.isneginf(table[~np.asarray(game.mask)]))


def test_payoffs_stay_ordered_where_shares_underflow():
    """At β = 10^6 most payoffs are 0 in floating point; their logarithms still tell better from worse."""
    game = load_scenario("AIME/reasoning_effort").game(rationality=1e6)
    profile = jnp.zeros(3, int)
    assert float(game.payoffs(profile).min()) == 0.0
    logs = game.log_deviation_payoffs(profile)
    assert np.all(np.isfinite(np.asarray(logs)[np.asarray(game.mask)]))
    assert len(np.unique(np.asarray(logs)[0])) == 5


def test_welfare_differentiates_in_rationality():
    scenario = load_scenario("GSM8K/majority")
    profile = jnp.full(9, 2)

    def welfare(beta):
        return PayPerCompute(scenario.market, scenario.users.with_rationality(beta)).welfare(profile)

    step = 1e-3
    central = (welfare(500.0 + step) - welfare(500.0 - step)) / (2 * step)
    assert float(jax.grad(welfare)(500.0)) == pytest.approx(float(central), rel=1e-6)


def test_dense_table_is_the_same_game():
    game = random_game(np.random.default_rng(5), 3, 3)
    table = NormalForm.from_game(game)
    for profile in all_profiles(game):
        np.testing.assert_allclose(table.payoffs(jnp.asarray(profile)), game.payoffs(jnp.asarray(profile)), rtol=1e-12)


def test_nashpy_finds_the_same_pure_equilibria():
    """Two providers, another library: payoffs scaled per player, since its tolerances are absolute."""
    nashpy = pytest.importorskip("nashpy")
    rng = np.random.default_rng(2)
    compared = 0
    while compared < 15:
        game = random_game(rng, 2, 3, log_rationality=3)
        if not np.asarray(game.mask).all():
            continue
        tensor = np.asarray(NormalForm.from_game(game).tensor)
        first, second = (payoff / payoff.max() for payoff in tensor)
        pure = set()
        for row, column in nashpy.Game(first, second).vertex_enumeration():
            if row.max() > 1 - 1e-6 and column.max() > 1 - 1e-6:
                pure.add((int(row.argmax()), int(column.argmax())))
        ours = profiles_of(brute_force(game).equilibria)
        assert pure <= ours
        compared += 1


def test_normal_form_refuses_tables_that_do_not_fit():
    game = load_scenario("GSM8K/majority").game()
    with pytest.raises(InputError, match="9 providers with 6 levels"):
        NormalForm.from_game(game)
    with pytest.raises(InputError, match="shape"):
        NormalForm(jnp.zeros((2, 3)))
