"""Learning rules: what they converge to, what they only circle, and the contract that all of them keep."""

import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from games import InputError, NormalForm, load_scenario
from solver import learn, mixed_regret, pure_equilibria, two_player_equilibria
from solver.learning_rules import (
    RULES,
    FictitiousPlay,
    Hedge,
    PolicyGradient,
    RegretMatchingPlus,
    Replicator,
    SmoothFictitiousPlay,
)
from solver.log_time import log_time_nodes
from solver.mixed_extension import LogitExtension, mixed_extension
from solver.result import Status
from tests.markets import random_game
from tests.two_providers import two_provider_market

DILEMMA = NormalForm(jnp.array([[[3.0, 0.0], [5.0, 1.0]], [[3.0, 5.0], [0.0, 1.0]]]))


def rock_paper_scissors(rng):
    """Zero-sum: every level beats one and loses to one, by random amounts; one mixed equilibrium, inside."""
    win, loss = rng.uniform(0.3, 1.0, 3), rng.uniform(0.3, 1.0, 3)
    rows = np.zeros((3, 3))
    for k in range(3):
        rows[k, (k + 2) % 3] = win[k]
        rows[k, (k + 1) % 3] = -loss[k]
    return NormalForm(jnp.asarray(np.stack([rows, -rows])))


@pytest.mark.parametrize("name", RULES)
def test_every_rule_solves_a_game_with_a_dominant_level(name):
    found = learn(DILEMMA, RULES[name](), max_steps=400, tolerance=1e-3)
    assert found.converged
    assert found.mixed.argmax(axis=1).tolist() == [1, 1]
    assert float(mixed_regret(DILEMMA, found.mixed).max_regret) <= 1e-3
    assert float(found.last_regret) == pytest.approx(float(mixed_regret(DILEMMA, found.mixed).max_regret))


@pytest.mark.parametrize("name", RULES)
def test_every_rule_keeps_profiles_valid_and_ragged_levels_empty(name):
    tensor = jnp.asarray(np.random.default_rng(1).normal(size=(3, 3, 3, 3)))
    mask = jnp.array([[True, True, True], [True, True, False], [False, True, True]])
    game = NormalForm(jnp.where(jnp.isnan(tensor), 0.0, tensor), mask)
    found = learn(game, RULES[name](), max_steps=60, tolerance=0.0, key=jax.random.key(2), record=True)
    assert int(found.num_steps) == 60
    np.testing.assert_allclose(found.trajectory.sum(axis=2), 1.0, rtol=1e-12)
    assert float(jnp.where(mask, 0.0, found.trajectory).max()) == 0.0
    assert float(found.trajectory.min()) >= 0.0
    np.testing.assert_allclose(found.averages()[-1], found.average, rtol=1e-12)
    np.testing.assert_allclose(found.trajectory[-1], found.mixed)


@pytest.mark.parametrize("name", RULES)
def test_the_currency_and_the_origin_of_payoffs_do_not_matter(name):
    game = rock_paper_scissors(np.random.default_rng(3))
    cents = NormalForm(game.tensor * 1e-9 + 7e-9)
    start = jnp.array([[0.5, 0.2, 0.3], [0.1, 0.6, 0.3]])
    ours, theirs = (learn(g, RULES[name](), start=start, max_steps=25, tolerance=0.0) for g in (game, cents))
    np.testing.assert_allclose(ours.mixed, theirs.mixed, rtol=1e-5, atol=1e-7)


def test_replicator_circles_where_the_averages_converge(full):
    """Zero-sum games with an equilibrium inside: Σ KL(x*, x) is a constant of the replicator flow."""
    rng = np.random.default_rng(4)
    start = jnp.array([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
    for _ in range(20 if full else 4):
        game = rock_paper_scissors(rng)
        (inside,) = two_player_equilibria(game).profiles
        assert float(inside.min()) > 0
        flow = learn(game, Replicator(), start=start, max_steps=4000, tolerance=0.0, record=True)
        distance = (inside * (jnp.log(inside) - jnp.log(flow.trajectory))).sum(axis=(1, 2))
        assert float(jnp.ptp(distance)) < 1e-6
        assert float(distance.min()) > 0.01
        # It leaves its start and comes back, again and again.
        away = np.abs(np.asarray(flow.trajectory) - np.asarray(start)).max(axis=(1, 2))
        assert away[:2000].max() > 0.1
        assert away[2000:].min() < 0.05
        assert float(flow.last_regret) > 3 * float(flow.average_regret)
        for rule, epsilon in ((RegretMatchingPlus(), 0.02), (Hedge(), 0.02), (Replicator(), 0.02)):
            average = learn(game, rule, start=start, max_steps=4000, tolerance=0.0).average
            assert float(mixed_regret(game, average).max_regret) < epsilon
            np.testing.assert_allclose(average, inside, atol=0.05)


def test_learners_reach_equilibria_of_random_markets(full):
    """The last iterate or the average is an ε-equilibrium, ε a fraction of the payoff; some markets have mixed ones only.

    Regret matching+ reaches ε = 0.01 on one of the two scales: where a provider earns next to nothing, rounds long ago
    weigh too much on the fixed one; where the equilibrium is mixed, the moving one distorts the average. Fictitious
    play, which knows no scale, reaches ε = 0.02.
    """
    markets, steps = (50, 4000) if full else (4, 1000)
    for segments in (1, 2):
        rng = np.random.default_rng([53, segments])
        games = [two_provider_market(rng, segments).anonymous() for _ in range(markets)]
        size = max(log_time_nodes(game).log_time.shape[1] for game in games)

        def certified(rule, epsilon, fixed_scale, games=games, size=size):
            # One by one, because most stop within ten steps, and a batch goes on until its last has stopped.
            prepared = [LogitExtension(game, log_time_nodes(game, size=size), fixed_scale) for game in games]
            found = [learn(one, rule, max_steps=steps, tolerance=epsilon) for one in prepared]
            ends = [(game, (one.mixed, one.average)) for game, one in zip(games, found, strict=True)]
            return np.array([min(float(mixed_regret(game, x).max_regret) for x in both) for game, both in ends])

        moving, fixed = (certified(RegretMatchingPlus(), 0.01, scale) for scale in (False, True))
        assert np.minimum(moving, fixed).max() <= 0.01
        assert certified(FictitiousPlay(), 0.02, False).max() <= 0.02


def test_two_providers_learn_the_equilibrium_that_enumeration_finds(full):
    """A market without a pure equilibrium; on a scale that moves with play the average settles elsewhere."""
    steps = 8000 if full else 4000
    game = two_provider_market(np.random.default_rng([53, 2]), 2)
    (wanted,) = two_player_equilibria(game).profiles
    assert float(wanted.max(axis=1).min()) < 1
    fixed = learn(mixed_extension(game, fixed_scale=True), RegretMatchingPlus(), max_steps=steps, tolerance=0.0)
    np.testing.assert_allclose(fixed.average, wanted, atol=0.01)
    moving = learn(game, RegretMatchingPlus(), max_steps=steps, tolerance=0.0)
    assert float(moving.average_regret) > 5 * float(fixed.average_regret)


def test_the_fixed_scale_bounds_every_payoff():
    game = two_provider_market(np.random.default_rng([53, 2]), 2)
    extension = mixed_extension(game, fixed_scale=True)
    every = jax.vmap(lambda p: extension.scaled(jax.nn.one_hot(p, 5, dtype=float)))(
        jnp.indices((5, 5)).reshape(2, -1).T
    )
    assert 0 < float(every.min()) < float(every.max()) <= 1.0


@pytest.mark.parametrize(("rule", "tolerance"), [(RegretMatchingPlus(), 1e-6), (PolicyGradient(optax.adam(0.3)), 1e-4)])
def test_learning_agrees_with_exact_equilibria_of_a_real_market(rule, tolerance):
    game = load_scenario("GPQA/reasoning_effort").game(rationality=1000)
    found = learn(game, rule, max_steps=3000, tolerance=tolerance)
    assert found.converged
    assert found.certified
    np.testing.assert_array_equal(found.mixed.argmax(axis=1), pure_equilibria(game).worst)


def test_smooth_fictitious_play_with_constant_precision_ends_at_a_quantal_response():
    found = learn(DILEMMA, SmoothFictitiousPlay(4.0, 0.0), max_steps=3000, tolerance=0.0)
    values = mixed_extension(DILEMMA).scaled(found.average)
    np.testing.assert_allclose(found.average, jax.nn.softmax(4.0 * values, axis=1), atol=2e-3)


def test_many_starts_at_once():
    extension = mixed_extension(load_scenario("GPQA/reasoning_effort").game(rationality=1000))
    keys = jax.random.split(jax.random.key(5), 16)
    found = jax.vmap(lambda key: learn(extension, RegretMatchingPlus(), key=key, max_steps=500))(keys)
    assert found.mixed.shape == (16, 3, 5)
    assert found.converged
    assert len({tuple(m.argmax(axis=1).tolist()) for m in np.asarray(found.mixed)}) == 1
    alone = learn(extension, RegretMatchingPlus(), key=keys[3], max_steps=500)
    np.testing.assert_allclose(alone.mixed, found.mixed[3], rtol=1e-12)
    assert int(alone.num_steps) == int(found.num_steps[3])


def test_large_games_learn_without_enumeration():
    game = random_game(np.random.default_rng(6), 12, 4, log_rationality=3)
    found = learn(game, Hedge(), max_steps=30, tolerance=0.0)
    assert not found.certified
    assert float(found.last_regret) == pytest.approx(float(mixed_regret(game, found.mixed).max_regret), rel=1e-6)


def test_stops_where_it_starts_at_an_equilibrium():
    start = jnp.array([[0.0, 1.0], [0.0, 1.0]])
    found = learn(DILEMMA, Hedge(), start=start, record=True, max_steps=10)
    assert int(found.num_steps) == 0
    assert int(found.status) == Status.CONVERGED
    np.testing.assert_array_equal(found.trajectory, jnp.broadcast_to(start, (11, 2, 2)))


TRACES = []


class Counted(eqx.Module):
    """A rule that notes every time it is traced."""

    inner: Hedge

    def init(self, mask, start):
        return self.inner.init(mask, start)

    def update(self, *args):
        TRACES.append(1)
        return self.inner.update(*args)


def test_new_numbers_do_not_compile_again():
    TRACES.clear()
    for seed, rate, tolerance in ((7, 1.0, 0.0), (8, 0.5, 1e-3), (9, 2.0, 1e-6)):
        learn(rock_paper_scissors(np.random.default_rng(seed)), Counted(Hedge(rate)), max_steps=5, tolerance=tolerance)
    assert len(TRACES) == 1


def test_refuses_what_is_no_mixed_profile():
    with pytest.raises(InputError, match="sum to"):
        learn(DILEMMA, Hedge(), start=jnp.array([[0.5, 0.6], [0.5, 0.5]]))
    with pytest.raises(InputError, match="record=True"):
        learn(DILEMMA, Hedge(), max_steps=1).averages()


SINGLE_PRECISION = """
from games import load_scenario
from solver import RegretMatchingPlus, learn, quantal_path
game = load_scenario("GPQA/reasoning_effort").game(rationality=1000)
found = learn(game, RegretMatchingPlus(), tolerance=1e-12)
path = quantal_path(game, max_precision=100.0)
print(found.mixed.dtype, found.converged, float(found.tolerance), found.mixed.argmax(axis=1).tolist())
print(path.converged, float(path.residual.max()), path.last.argmax(axis=1).tolist())
"""


def test_single_precision_runs_with_a_tolerance_it_can_keep():
    run = subprocess.run(
        [sys.executable, "-c", SINGLE_PRECISION],
        env=os.environ | {"JAX_ENABLE_X64": "0", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    learned, path = run.stdout.splitlines()
    dtype, converged, tolerance, profile = learned.split(maxsplit=3)
    worst = pure_equilibria(load_scenario("GPQA/reasoning_effort").game(rationality=1000)).worst.tolist()
    assert (dtype, converged, profile) == ("float32", "True", str(worst))
    assert 1e-6 < float(tolerance) < 1e-4
    converged, residual, profile = path.split(maxsplit=2)
    assert (converged, profile) == ("True", str(worst))
    assert float(residual) < 1e-4
