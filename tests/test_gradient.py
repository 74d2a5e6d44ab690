"""Gradient dynamics: every update reaches the reference, local optima are called so, second calls do not compile."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from continuous_games import linear, logarithmic, symmetric, together
from scipy.special import lambertw

from games import ContinuousCompute, InputError, LogarithmicQuality, load_scenario
from solver import (
    Ascent,
    Status,
    Update,
    continuous_bounds,
    continuous_regret,
    gradient_dynamics,
    gradient_limits,
    random_starts,
)

ADAM = optax.adam(optax.exponential_decay(0.1, 60, 0.5), b2=0.9)
BETAS = (200.0, 1000.0, 100000.0)


LIMITS = (0.0, 1e4)


@pytest.fixture(scope="module")
def games():
    """Random games of three with q = a ln θ and with q = b + gθ, and the symmetric game at both limits of β."""
    rng = np.random.default_rng(0)
    slope, price = rng.uniform(0.5, 2.0, (16, 3)), rng.uniform(0.2, 2.0, (16, 3))
    beta, outside = 10 ** rng.uniform(-0.5, 1, 16), rng.uniform(-1, 1, 16)
    logarithmic_games = jax.vmap(lambda a, k, b, v: logarithmic(a, k, b, outside=v))(
        *map(jnp.asarray, (slope, price, beta, outside))
    )
    rng = np.random.default_rng(5)
    slope, level, beta = rng.uniform(0.1, 0.8, (12, 3)), rng.uniform(0, 1, (12, 3)), 10 ** rng.uniform(-0.3, 0.8, 12)
    linear_games = jax.vmap(lambda g, b, beta: linear(g, b, jnp.ones(3), beta))(*map(jnp.asarray, (slope, level, beta)))
    return logarithmic_games, linear_games, jax.vmap(symmetric)(jnp.array(LIMITS))


@pytest.fixture(scope="module")
def reference(games):
    """The aggregate solver's answer to the first two kinds."""
    return np.asarray(jax.jit(jax.vmap(lambda game: continuous_bounds(game).least))(together(*games[:2])))


@pytest.mark.parametrize("update", list(Update))
def test_every_update_reaches_the_closed_forms_and_both_limits(update, games, reference):
    """O5 and O6, and the aggregate solver's answer, to 1e-5.

    q = a ln θ: θ_i = (a_i + 1/(β(1 − s_i)))/κ_i. q = b + gθ: θ_i = [1 + W(e^{βb − 1}/R)]/(β(κ − g)). At β = 0 everybody
    sells as much as it can; as β grows the symmetric game tends to θ = a/κ.
    """

    @jax.jit
    @jax.vmap
    def learn(game):
        found = gradient_dynamics(game, update=update, tolerance=1e-13, max_steps=5000)
        return found, game.shares(found.log_compute)[0]

    found, share = learn(together(*games))
    assert np.all(np.asarray(found.status) == Status.CONVERGED)
    x, theta = np.asarray(found.log_compute), np.exp(np.asarray(found.log_compute))
    np.testing.assert_allclose(x[:28], reference, atol=1e-5)
    assert float(found.max_regret[:28].max()) <= 1e-12

    beta, slope, price = (np.asarray(v) for v in (games[0].rationality, games[0].quality.slope, games[0].price.rate))
    expected = (slope + 1 / (beta * (1 - np.asarray(share[:16])))) / price
    np.testing.assert_allclose(theta[:16], expected, rtol=1e-5)

    beta, slope, level = (np.asarray(v) for v in (games[1].rationality, games[1].quality.slope, games[1].quality.level))
    attraction = np.exp(beta * (level + (slope - 1) * theta[16:28]))
    others = 1 + attraction.sum(axis=1, keepdims=True) - attraction
    closed = (1 + lambertw(np.exp(beta * level - 1) / others).real) / (beta * (1 - slope))
    np.testing.assert_allclose(theta[16:28], closed, rtol=1e-5)

    np.testing.assert_array_equal(x[28], games[2].upper[0])
    np.testing.assert_allclose(theta[29], (2 + 3 / 2e4) / 0.5, rtol=1e-5)
    np.testing.assert_allclose(theta[29], 2 / 0.5, rtol=1e-4)


@pytest.mark.parametrize(
    ("optimiser", "ascent"),
    [(ADAM, Ascent.LOG_PAYOFF), (ADAM, Ascent.PAYOFF), (optax.sgd(0.3, momentum=0.5), Ascent.LOG_PAYOFF)],
)
def test_other_optimisers_and_plain_payoffs(optimiser, ascent):
    found = gradient_dynamics(symmetric(2.0), optimiser=optimiser, ascent=ascent, tolerance=1e-13)
    assert found.converged
    np.testing.assert_allclose(found.compute, (2 + 3 / 4) / 0.5, rtol=1e-5)


# Where learning from the middle of every interval rests at a local optimum instead: curves with several peaks.
LOCAL_FROM_THE_MIDDLE = {("GPQA/reasoning_effort", 1000.0), ("GPQA/reasoning_effort", 100000.0)}


def test_two_methods_agree_on_measured_markets(full):
    """The aggregate solver and gradient dynamics, and the documented exceptions are exactly those."""
    methods = ("majority", "best_of_n", "reasoning_effort") if full else ("majority", "reasoning_effort")
    benchmarks = ("GSM8K", "AIME", "GPQA") if full else ("GPQA",)
    local = set()
    names = [f"{benchmark}/{method}" for benchmark in benchmarks for method in methods]
    for name in names:
        scenario = load_scenario(name)
        for beta in BETAS:
            game = ContinuousCompute(scenario.market, scenario.users.with_rationality(beta))
            reference = continuous_bounds(game).least
            for update in Update if full else (Update.SIMULTANEOUS,):
                found = gradient_dynamics(game, update=update, tolerance=1e-11)
                if int(found.status) == Status.LOCAL_OPTIMUM:
                    local.add((name, beta))
                    assert float(found.max_regret) > 0.1
                else:
                    assert found.converged, (name, beta, update)
                    np.testing.assert_allclose(
                        found.log_compute, reference, atol=1e-5, err_msg=f"{name} {beta} {update}"
                    )
            if (name, beta) in local:
                limits = gradient_limits(game, random_starts(game, jax.random.key(0), 64))
                there = [i for i in range(len(limits)) if limits.status[i] == Status.CONVERGED]
                assert len(there) == 1
                np.testing.assert_allclose(limits.log_compute[there[0]], reference, atol=1e-4)
    assert local == {case for case in LOCAL_FROM_THE_MIDDLE if case[0] in names}


def test_local_optimum_is_not_called_an_equilibrium():
    scenario = load_scenario("GPQA/reasoning_effort")
    game = ContinuousCompute(scenario.market, scenario.users.with_rationality(1000.0))
    found = gradient_dynamics(game)
    assert not found.converged
    assert "local optimum" in found.describe()
    judged = continuous_regret(game, found.log_compute)
    assert float(judged.local_regret) < 1e-9
    assert float(judged.max_regret) > 0.1
    # The deviation that the certificate names does pay.
    i = int(jnp.argmax(judged.relative_regret))
    moved = found.log_compute.at[i].set(judged.best_choice[i])
    gain = game.payoffs(moved)[i] / game.payoffs(found.log_compute)[i] - 1
    np.testing.assert_allclose(gain, judged.max_regret, rtol=1e-9)


def test_limits_of_many_starts():
    scenario = load_scenario("GPQA/reasoning_effort")
    game = ContinuousCompute(scenario.market, scenario.users.with_rationality(1000.0))
    limits = gradient_limits(game, random_starts(game, jax.random.key(1), 64))
    assert limits.count.sum() == 64
    assert set(limits.status.tolist()) == {Status.CONVERGED, Status.LOCAL_OPTIMUM}
    for x, status, regret in zip(limits.log_compute, limits.status, limits.max_regret, strict=True):
        np.testing.assert_allclose(continuous_regret(game, jnp.asarray(x)).max_regret, regret, rtol=1e-6, atol=1e-12)
        assert (status == Status.CONVERGED) == (regret <= limits.tolerance)
    assert len(limits.describe().splitlines()) == len(limits)


class Counted(eqx.Module):
    """A quality curve that counts how often it is traced."""

    inner: LogarithmicQuality
    traces: list = eqx.field(static=True)

    def __call__(self, log_compute):
        self.traces.append(1)
        return self.inner(log_compute)

    def __hash__(self):
        return id(self.traces)


def test_second_call_with_new_numbers_does_not_compile():
    class Trace(list):
        __hash__ = object.__hash__

    traces = Trace()

    def counted(beta):
        game = symmetric(beta)
        return eqx.tree_at(lambda g: g.quality, game, Counted(game.quality, traces))

    first = gradient_dynamics(counted(2.0))
    so_far = len(traces)
    assert so_far > 0
    second = gradient_dynamics(counted(4.0))
    assert len(traces) == so_far
    np.testing.assert_allclose(first.compute, (2 + 3 / 4) / 0.5, rtol=1e-4)
    np.testing.assert_allclose(second.compute, (2 + 3 / 8) / 0.5, rtol=1e-4)


def test_trajectory():
    game = symmetric(2.0)
    start = jnp.array([-1.0, 0.5, 3.0])
    found = gradient_dynamics(game, start=start, record=True, max_steps=300)
    assert found.trajectory.shape == (301, 3)
    np.testing.assert_array_equal(found.trajectory[0], start)
    np.testing.assert_array_equal(found.trajectory[int(found.num_steps)], found.log_compute)
    np.testing.assert_array_equal(found.trajectory[-1], found.log_compute)
    assert bool(jnp.all(found.trajectory[5] != start))


def test_too_few_steps_are_said():
    found = gradient_dynamics(symmetric(2.0), start=jnp.full(3, -3.0), max_steps=10)
    assert int(found.status) == Status.MAX_ROUNDS
    assert int(found.num_steps) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"update": "simultanous"}, "did you mean 'simultaneous'"),
        ({"ascent": "payofs"}, "payoff"),
        ({"start": jnp.full(3, 99.0)}, "bounds"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        gradient_dynamics(symmetric(2.0), **arguments)
