"""Welfare optimum: exact for one segment, exact or bounded for several, sound where shares underflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import Market, PayPerCompute, Users, load_scenario
from solver import brute_force, welfare_optimum
from solver.optimum import _several_segments
from tests.markets import random_game


def test_winner_needs_a_rival_to_step_back():
    """The best provider is reached only if a rival lowers its level; W − λ of that rival underflows to 0.

    Provider A's best level gives users so much that it takes all queries, though B creates more value. The optimum
    has A retreat; the sign of a difference of the order e^-500 decides it.
    """
    user_value = np.array([[0.0186, 0.0206], [0.0196, 0.0]])
    surplus = np.array([[0.0188, 0.0212], [0.0217, 0.0]])
    exists = jnp.array([[True, True], [True, False]])
    worth = 0.03 * jnp.ones((2, 2))  # all answers are right and worth 3 cents
    market = Market(
        *(jnp.ones((2, 2)), jnp.ones((2, 2)), worth - user_value, worth - surplus, exists),
        providers=("A", "B"),
        level_labels=(("low", "high"), ("only",)),
    )
    game = PayPerCompute(market, Users(0.03, 5e5))
    truth = brute_force(game)
    optimum = welfare_optimum(game)
    assert optimum.profile.tolist() == truth.optimum.tolist()
    assert float(optimum.welfare) == pytest.approx(float(truth.optimal_welfare), rel=1e-12)
    # The market takes the wrong turn: A's best level alone is worth less than the optimum.
    greedy = game.welfare(jnp.array([1, 0]))
    assert float(greedy) < float(optimum.welfare)


@pytest.mark.parametrize("name", ["GSM8K/majority", "GPQA/all", "AIME/reasoning_effort"])
def test_no_single_change_of_level_improves_the_optimum_of_real_markets(name):
    game = load_scenario(name).game()
    deviations = np.argwhere(np.asarray(game.mask))

    @jax.jit
    def best_change(beta):
        other = PayPerCompute(game.market, game.users.with_rationality(beta))
        optimum = welfare_optimum(other)
        change = jax.vmap(lambda move: other.welfare(optimum.profile.at[move[0]].set(move[1])))
        return change(jnp.asarray(deviations)).max(), optimum.welfare

    for beta in (1.0, 1000.0, 1e6):
        changed, best = best_change(beta)
        assert float(changed) <= float(best) * (1 + 1e-13)


def test_negative_welfare_everywhere_is_still_maximised():
    market = Market.from_arrays(
        accuracy=[[0.1, 0.2], [0.3, 0.1]], tokens=[[1e6, 2e6], [1e6, 3e6]], price_per_million=0.3
    )
    game = PayPerCompute(market, Users(0.01, 3, outside_value=-np.inf))
    truth = brute_force(game)
    assert float(truth.optimal_welfare) < 0
    assert float(welfare_optimum(game).welfare) == pytest.approx(float(truth.optimal_welfare), rel=1e-12)


def test_several_segments_small_is_exact():
    rng = np.random.default_rng(8)
    for _ in range(20):
        game = random_game(rng, 3, 3, segments=3)
        optimum = welfare_optimum(game)
        assert optimum.exact
        assert float(optimum.welfare) == pytest.approx(float(brute_force(game).optimal_welfare), rel=1e-12, abs=1e-300)


def test_several_segments_bound_holds_and_ascent_is_close():
    rng = np.random.default_rng(9)
    gaps = []
    for _ in range(12):
        game = random_game(rng, 4, 3, segments=2)
        found, truth = _several_segments(game), float(brute_force(game).optimal_welfare)
        slack = 1e-12 * abs(truth)
        assert float(found.welfare) <= truth + slack
        assert float(found.upper_bound) >= truth - slack
        gaps.append((truth - float(found.welfare)) / abs(truth))
    assert np.median(gaps) < 1e-12


def test_vmaps_over_whole_markets():
    rng = np.random.default_rng(6)
    games = [random_game(rng, 3, 4).anonymous() for _ in range(5)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *games)
    batch = jax.vmap(lambda game: welfare_optimum(game).welfare)(stacked)
    np.testing.assert_allclose(batch, [float(welfare_optimum(game).welfare) for game in games], rtol=1e-13)
