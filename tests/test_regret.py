"""The certificate itself, on games where the answer is known by hand or by long arithmetic."""

import jax.numpy as jnp
import numpy as np
import pytest

from games import NormalForm, load_scenario
from solver import regret
from tests import multiprecision
from tests.markets import random_game


def test_prisoners_dilemma_by_hand():
    game = NormalForm(jnp.array([[[3.0, 0.0], [5.0, 1.0]], [[3.0, 5.0], [0.0, 1.0]]]))
    found = regret(game, jnp.array([0, 0]))
    assert found.deviation_gains.tolist() == [[0.0, 2.0], [0.0, 2.0]]
    assert found.regret.tolist() == [2.0, 2.0]
    assert found.relative_regret.tolist() == [1.0, 1.0]  # of the range 5 − 3
    assert float(found.nash_conv) == 4.0
    assert float(regret(game, jnp.array([1, 1])).max_regret) == 0.0


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_sixty_digits_on_random_profiles(seed):
    rng = np.random.default_rng(seed)
    scenario = ["GSM8K/majority", "GPQA/all", "AIME/reasoning_effort"][seed % 3]
    game = load_scenario(scenario).game(10 ** rng.uniform(0, 6))
    profile = np.array([rng.choice(np.flatnonzero(row)) for row in np.asarray(game.mask)])
    exact = multiprecision.largest_relative_gain(game, profile.tolist())
    if exact < 1e300:
        assert float(regret(game, jnp.asarray(profile)).max_regret) == pytest.approx(float(exact), rel=1e-8)
    else:
        assert float(regret(game, jnp.asarray(profile)).max_regret) > 1e300


def test_a_wrong_answer_is_not_certified():
    """Move one provider off its equilibrium level: the certificate must show exactly what it gives up."""
    rng = np.random.default_rng(0)
    from solver import pure_equilibria

    game = random_game(rng, 4, 4, log_rationality=3)
    profile = pure_equilibria(game).worst
    for i in range(4):
        for k in np.flatnonzero(np.asarray(game.mask)[i]):
            wrong = profile.at[i].set(int(k))
            gain = float(game.log_payoffs(profile)[i] - game.log_payoffs(wrong)[i])
            assert float(regret(game, wrong).relative_regret[i]) == pytest.approx(np.expm1(gain), rel=1e-9, abs=1e-12)


def test_padding_is_never_a_deviation():
    game = load_scenario("GPQA/all").game(1000)
    gains = np.asarray(regret(game, jnp.zeros(12, int)).deviation_gains)
    assert np.isneginf(gains[9:, 5:]).all()
    assert np.isfinite(gains[:9]).all()
