"""Correlated equilibria: known games, the order of the sets, and incentives checked by another road."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Market, NormalForm, PayPerCompute, Users, load_scenario
from solver import correlated_bounds, correlated_regret, learn, pure_equilibria, two_player_equilibria, welfare_optimum
from solver.learning_rules import RegretMatchingPlus
from tests.markets import random_game
from tests.two_providers import two_provider_market


def bimatrix(rows, columns):
    return NormalForm(jnp.stack([jnp.asarray(rows, float), jnp.asarray(columns, float)]))


CHICKEN = bimatrix([[6, 2], [7, 0]], [[6, 7], [2, 0]])
# Rock, paper, scissors with a loss for both at a tie: alternating between the six other cells is a correlated equilibrium.
TIES_HURT = bimatrix([[-1, -1, 1], [1, -1, -1], [-1, 1, -1]], [[-1, 1, -1], [-1, -1, 1], [1, -1, -1]])
# The game of Moulin & Vial (Int. J. Game Theory 7, 1978): only (3, 3) is correlated, a third on each diagonal cell is coarse.
DIAGONAL = bimatrix([[3, 1, 4], [1, 5, 0], [1, 0, 2]], [[3, 1, 1], [4, 2, 0], [1, 0, 5]])


def gains_by_hand(game, profiles, probabilities):
    """Every rule "k' whenever told k" of every provider, summed profile by profile in plain Python."""
    mask = np.asarray(game.mask)
    gains = np.zeros((*mask.shape, mask.shape[1]))
    for profile, p in zip(np.asarray(profiles), np.asarray(probabilities), strict=True):
        own = np.asarray(game.payoffs(jnp.asarray(profile)))
        for i, k in itertools.product(*map(range, mask.shape)):
            if mask[i, k]:
                other = profile.copy()
                other[i] = k
                gains[i, profile[i], k] += p * (float(game.payoffs(jnp.asarray(other))[i]) - own[i])
    return gains


def test_chicken():
    """Worst 36/5 and best 21/2, from the two incentive constraints of the symmetric distribution, solved by hand."""
    found = correlated_bounds(CHICKEN, concept="correlated")
    assert float(found.best.welfare) == pytest.approx(10.5, rel=1e-9)
    assert float(found.worst.welfare) == pytest.approx(7.2, rel=1e-9)
    assert found.optimal_welfare == 12.0
    assert found.price_of_anarchy == pytest.approx(12 / 7.2)
    best = {tuple(p): float(x) for p, x in zip(found.best.profiles.tolist(), found.best.probabilities, strict=True)}
    assert best == pytest.approx({(0, 0): 0.5, (0, 1): 0.25, (1, 0): 0.25})


def test_a_correlated_equilibrium_avoids_the_ties_that_hurt_both():
    found = correlated_bounds(TIES_HURT, concept="correlated")
    (nash,) = two_player_equilibria(TIES_HURT).profiles
    np.testing.assert_allclose(nash, 1 / 3, rtol=1e-9)
    assert float(found.best.welfare) == pytest.approx(0.0, abs=1e-9)
    assert float(found.worst.welfare) <= -2 / 3 + 1e-9


def test_coarse_equilibria_can_do_what_correlated_ones_cannot():
    narrow, wide = (correlated_bounds(DIAGONAL, concept=c) for c in ("correlated", "coarse"))
    assert [float(end.welfare) for end in (narrow.worst, narrow.best)] == pytest.approx([6.0, 6.0], rel=1e-8)
    assert narrow.best.profiles.tolist() == [[0, 0]]
    third = jnp.full(3, 1 / 3)
    diagonal = correlated_regret(DIAGONAL, jnp.array([[0, 0], [1, 1], [2, 2]]), third, jnp.array([5.0, 5.0]))
    assert float(diagonal.coarse) == 0.0
    assert float(diagonal.correlated) > 0.01
    assert float(wide.best.welfare) >= 20 / 3 - 1e-9


@pytest.mark.parametrize("concept", ["coarse", "correlated"])
def test_incentives_hold_by_hand_in_random_markets(concept, full):
    rng = np.random.default_rng(60)
    for case in range(20 if full else 4):
        game = random_game(rng, 3, 3, segments=1 + case % 2, log_rationality=1 + case % 3)
        found = correlated_bounds(game, concept=concept)
        for end in (found.worst, found.best):
            gains = gains_by_hand(game, end.profiles, end.probabilities)
            if concept == "coarse":
                gains = gains.sum(axis=1)
            largest = np.asarray(end.payoffs).max()
            assert gains.max() <= 1e-8 * largest
            assert float(end.max_regret) < 1e-8
            welfare = sum(
                float(p) * float(game.welfare(profile))
                for p, profile in zip(end.probabilities, end.profiles, strict=True)
            )
            assert float(end.welfare) == pytest.approx(welfare, rel=1e-9)


def test_correlated_sets_enclose_every_nash_equilibrium(full):
    for segments in (1, 2):
        rng = np.random.default_rng([53, segments])
        for _ in range(20 if full else 4):
            game = two_provider_market(rng, segments)
            narrow, wide = (correlated_bounds(game, concept=c) for c in ("correlated", "coarse"))
            nash = two_player_equilibria(game).welfare
            pure = pure_equilibria(game).welfare
            slack = 1e-7 * abs(wide.optimal_welfare)
            order = [
                wide.worst.welfare,
                narrow.worst.welfare,
                nash[0],
                nash[-1],
                narrow.best.welfare,
                wide.best.welfare,
            ]
            assert np.all(np.diff(np.asarray(order)) >= -slack)
            if len(pure):
                assert float(narrow.worst.welfare) <= float(pure[0]) + slack
                assert float(narrow.best.welfare) >= float(pure[-1]) - slack
            assert wide.optimal_welfare == pytest.approx(float(welfare_optimum(game).welfare), rel=1e-12)


def test_joint_play_of_regret_matching_is_coarse_correlated():
    """On payoffs of a fixed scale the average regret of T steps over K levels is at most √(K/T) of the range."""
    game = NormalForm.from_game(two_provider_market(np.random.default_rng([53, 2]), 2))
    steps = 2000
    play = learn(game, RegretMatchingPlus(), max_steps=steps - 1, tolerance=0.0, record=True).trajectory
    joint = np.einsum("tk,tl->kl", play[:, 0], play[:, 1]) / steps
    profiles = np.argwhere(np.ones_like(joint))
    spread = jnp.ptp(game.tensor.reshape(2, -1), axis=1)
    found = correlated_regret(game, jnp.asarray(profiles), jnp.asarray(joint.ravel()), spread)
    assert float(found.coarse) <= np.sqrt(5 / steps)
    bounds = correlated_bounds(game)
    welfare = float((joint * np.asarray(game.tensor.sum(axis=0))).sum())
    slack = 2 * float(found.coarse) * float(spread.sum())
    assert float(bounds.worst.welfare) - slack <= welfare <= float(bounds.best.welfare) + slack


def test_the_currency_does_not_matter():
    cents = NormalForm(CHICKEN.tensor * 1e-9)
    ours, theirs = (correlated_bounds(g, concept="correlated") for g in (CHICKEN, cents))
    assert float(theirs.worst.welfare) == pytest.approx(1e-9 * float(ours.worst.welfare), rel=1e-9)
    assert theirs.price_of_anarchy == pytest.approx(ours.price_of_anarchy)


def test_a_real_market_leaves_correlation_nothing():
    game = load_scenario("GPQA/reasoning_effort").game(1000)
    found = correlated_bounds(game)
    assert float(found.worst.welfare) == pytest.approx(float(pure_equilibria(game).welfare[0]), rel=1e-9)
    assert float(found.best.welfare) == pytest.approx(float(pure_equilibria(game).welfare[0]), rel=1e-9)


def test_negative_welfare_is_said_not_divided():
    market = Market.from_arrays(accuracy=[[0.0], [0.0]], tokens=[[1e6], [1e6]], price_per_million=0.1)
    found = correlated_bounds(PayPerCompute(market, Users(0.01, 100, outside_value=-np.inf)))
    assert np.isnan(found.price_of_anarchy)
    assert "positive welfare" in found.note


def test_refuses_what_it_cannot_do():
    with pytest.raises(InputError, match="50,000"):
        correlated_bounds(load_scenario("GSM8K/majority").game())
    with pytest.raises(InputError, match="'coarse'"):
        correlated_bounds(CHICKEN, concept="course")
