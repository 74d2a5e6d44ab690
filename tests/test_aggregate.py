"""Continuous equilibria through the aggregate, against closed forms, brute force and the independent certificate."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from continuous_games import linear, logarithmic, symmetric, together
from scipy.special import lambertw

from games import AccuracyQuality, ContinuousCompute, InputError, LinearValue, PchipCurves, Users, load_scenario
from games.demand import log_sum_of_others
from solver import continuous_bounds, continuous_equilibria, continuous_regret, provision_identity
from solver.efficiency import welfare_ratio

# n = 3, a = 2, κ = 0.5, m = 0.25: rationality → price of anarchy, five decimals.
PRINTED = {0.5: 2.01410, 1.0: 1.11637, 2.0: 1.00775, 3.0: 1.0, 5.0: 1.00558, 20.0: 1.02753}


BETAS = np.array([*PRINTED, 1e5])


@pytest.fixture(scope="module")
def solved(full):
    """Three kinds of games with closed forms, solved in batches: the games, and of each its bounds and what follows."""
    size = 400 if full else 40
    rng = np.random.default_rng(1)
    slope, price = rng.uniform(0.5, 2.0, (size, 3)), rng.uniform(0.2, 2.0, (size, 3))
    beta, outside = 10 ** rng.uniform(-1, 2, size), rng.uniform(-1, 1, size)
    asymmetric = jax.vmap(lambda a, k, b, v: logarithmic(a, k, b, outside=v))(
        *map(jnp.asarray, (slope, price, beta, outside))
    )
    price = rng.uniform(0.5, 2.0, (40, 3))
    slope, level = price * rng.uniform(0.1, 0.8, (40, 3)), rng.uniform(-1, 2, (40, 3))
    beta = 10 ** rng.uniform(-1, 1.3, 40)
    linear_games = jax.vmap(linear)(*map(jnp.asarray, (slope, level, price, beta)))
    batches = {"symmetric": jax.vmap(symmetric)(jnp.asarray(BETAS)), "asymmetric": asymmetric, "linear": linear_games}

    @jax.jit
    @jax.vmap
    def solve(game):
        bounds = continuous_bounds(game)
        x = bounds.least
        others = log_sum_of_others(game.log_attraction(x), game.log_outside_attraction)[0]
        regret = continuous_regret(game, x).max_regret
        return {
            "least": x,
            "unique": bounds.unique,
            "share": game.shares(x)[0],
            "welfare": game.welfare(x),
            "log_others": others,
            "max_regret": regret,
        }

    # Apart from the others, because a batch sweeps until its slowest game is done, and these sweep long.
    slow = solve(together(batches["symmetric"]))
    quick = solve(together(batches["asymmetric"], batches["linear"]))
    columns = {name: np.concatenate([slow[name], quick[name]]) for name in slow}
    ends = np.cumsum([0] + [len(game.rationality) for game in batches.values()])
    return {
        name: (game, {key: column[first:last] for key, column in columns.items()})
        for (name, game), first, last in zip(batches.items(), ends[:-1], ends[1:], strict=True)
    }


def test_symmetric_closed_form_and_printed_prices_of_anarchy(solved):
    found = np.exp(solved["symmetric"][1]["least"])
    expected = (2 + 3 / (BETAS * 2)) / 0.5
    np.testing.assert_allclose(found, np.broadcast_to(expected[:, None], found.shape), rtol=1e-8)

    def welfare(theta):
        return 2 * np.log(theta) - 0.5 * theta / 1.25

    best = welfare(2 * 1.25 / 0.5)
    anarchy = [welfare_ratio(best, float(w)) for w in solved["symmetric"][1]["welfare"]]
    np.testing.assert_allclose(anarchy, best / welfare(expected), rtol=1e-8)
    np.testing.assert_allclose(anarchy[:-1], list(PRINTED.values()), atol=5.1e-6)
    assert abs(anarchy[3] - 1) < 1e-12
    # β → ∞: the users' optimum a/κ, and the last printed number.
    np.testing.assert_allclose(found[-1], 4.0, rtol=1e-5)
    assert abs(anarchy[-1] - 1.03947) < 5.1e-6


def test_undercutting_in_tiny_steps():
    """At β = 10^7 best replies from afar do not arrive within the allowed sweeps; the search over Z does."""
    game = symmetric(1e7)
    assert not bool(continuous_bounds(game).converged.all())
    found = continuous_equilibria(game)
    assert len(found) == 1
    assert not found.complete
    np.testing.assert_allclose(found.compute[0], (2 + 3 / 2e7) / 0.5, rtol=1e-8)


def test_asymmetric_games_with_outside_option_over_random_parameters(solved):
    games, found = solved["asymmetric"]
    beta, slope, price = (np.asarray(x) for x in (games.rationality, games.quality.slope, games.price.rate))
    expected = (slope + 1 / (beta * (1 - found["share"]))) / price
    np.testing.assert_allclose(np.exp(found["least"]), expected, rtol=1e-8)
    assert found["unique"].all()
    assert found["max_regret"].max() < 1e-11


def test_best_reply_with_linear_quality_is_lambert_w(solved):
    games, found = solved["linear"]
    beta, price = np.asarray(games.rationality), np.asarray(games.price.rate)
    slope, level = np.asarray(games.quality.slope), np.asarray(games.quality.level)
    reply = (1 + lambertw(np.exp(beta * level - 1 - found["log_others"])).real) / (beta * (price - slope))
    np.testing.assert_allclose(np.exp(found["least"]), reply, rtol=1e-8)


def test_indifferent_users_make_everybody_sell_the_most():
    game = symmetric(1e-9)
    assert np.array_equal(continuous_bounds(game).least, game.upper)


def test_provision_identity_and_its_reversal():
    """q′ − c′ = (p′ − c′)·[1 − 1/(β(1 − s)(p − c))]; in the symmetric game the sign turns at β* = n/((n − 1)am) = 3."""
    verdicts = {}
    for beta in (2.0, 4.0):
        game = symmetric(beta)
        rows = provision_identity(game, continuous_bounds(game).least)
        verdicts[beta] = {row.verdict for row in rows}
        for row in rows:
            assert not row.held
            profit = row.marginal_price - row.marginal_cost
            np.testing.assert_allclose(row.identity, profit * (1 - row.logit_markup / row.unit_profit), rtol=1e-12)
            np.testing.assert_allclose(row.marginal_surplus, row.identity, rtol=1e-8)
            assert (row.verdict == "over") == (row.unit_profit < row.logit_markup)
    assert verdicts == {2.0: {"over"}, 4.0: {"under"}}


@pytest.mark.parametrize("beta", [200.0, 1000.0, 100000.0])
def test_measured_markets(beta, full):
    """One equilibrium each, certified, and the identity wherever no bound holds a provider."""
    methods = ("majority", "best_of_n", "reasoning_effort") if full else ("majority",)
    for name in [f"{benchmark}/{method}" for benchmark in ("GSM8K", "AIME", "GPQA") for method in methods]:
        scenario = load_scenario(name)
        game = ContinuousCompute(scenario.market, scenario.users.with_rationality(beta))
        bounds = continuous_bounds(game)
        assert bool(bounds.unique)
        assert continuous_regret(game, bounds.least).certified
        for row in provision_identity(game, bounds.least):
            if not row.held:
                scale = abs(row.marginal_price)
                np.testing.assert_allclose(row.marginal_surplus / scale, row.identity / scale, atol=1e-8)


def random_duopoly(seed):
    rng = np.random.default_rng(seed)
    curves = PchipCurves.from_points(
        jnp.sort(jnp.asarray(rng.uniform(0, 4, (2, 5))), axis=1), jnp.asarray(rng.uniform(0, 1, (2, 5)))
    )
    beta, price = 10 ** rng.uniform(0, 2), jnp.asarray(10 ** rng.uniform(-3, -1, 2))
    game = logarithmic(jnp.ones(2), price, beta)
    quality = AccuracyQuality(curves, jnp.ones(1), jnp.zeros(()), LinearValue())
    lower, upper = curves.bounds
    return type(game)(
        quality, game.price, game.cost, game.levy, lower, upper, game.rationality, game.outside_value, game.weight
    )


@jax.jit
def on_grid(game, grid):
    return jax.vmap(lambda x: (game.log_attraction(x)[0], game.log_unit_profit(x)))(grid)


@jax.jit
def payoffs_on_grid(game, grid):
    return jax.vmap(game.payoffs)(grid)


def equilibria_by_enumeration(game, points=1501):
    """Two providers: the first's best reply to the second's best reply to each choice; its fixed points."""
    grid = np.linspace(np.asarray(game.lower), np.asarray(game.upper), points)
    v, m = (np.asarray(column) for column in on_grid(game, jnp.asarray(grid)))
    reply = [np.argmax(m[:, i] + v[:, i] - np.logaddexp(v[None, :, 1 - i].T, v[:, i]), axis=1) for i in (0, 1)]
    back = reply[0][reply[1]]
    distance = grid[back, 0] - grid[:, 0]
    step = np.ptp(grid[:, 0]) / (points - 1)
    # Fixed points of the grid, up to its resolution.
    near = np.abs(distance) <= 2 * step
    places = grid[near, 0]
    # Runs of near points are one equilibrium each; a best reply of few values leaves small holes in a run.
    return np.array([run.mean() for run in np.split(places, np.flatnonzero(np.diff(places) > 20 * step) + 1)])


def test_several_equilibria_are_all_found(full):
    counts = {}
    for seed in (20, 37, 50, 57, 93, 0, 1) if full else (20, 93, 0):
        game = random_duopoly(seed)
        found = continuous_equilibria(game)
        expected = equilibria_by_enumeration(game)
        ours = np.sort(np.asarray(found.log_compute[:, 0]))
        assert len(ours) == len(expected), seed
        np.testing.assert_allclose(ours, np.sort(expected), atol=0.02)
        assert float(found.max_regret.max()) < 1e-12
        assert found.complete == (len(found) == 1)
        # Between two equilibria lies a root in a jump of a best reply, which is none.
        assert found.skipped == len(found) - 1
        assert bool(jnp.all(jnp.diff(found.welfare) >= 0))
        counts[seed] = len(found)
    assert counts == {seed: 1 if seed < 2 else 2 for seed in counts}


def test_certificate_against_a_dense_grid():
    game = random_duopoly(20)
    lower, upper = np.asarray(game.lower), np.asarray(game.upper)
    rng = np.random.default_rng(3)
    for _ in range(3):
        x = lower + rng.uniform(size=2) * (upper - lower)
        judged = continuous_regret(game, jnp.asarray(x))
        for i in range(2):
            choices = np.tile(x, (20003, 1))
            choices[:-2, i] = np.linspace(lower[i], upper[i], 20001)
            choices[-2, i] = float(judged.best_choice[i])
            payoffs = np.asarray(payoffs_on_grid(game, jnp.asarray(choices)))[:, i]
            gains = payoffs[:-1] - payoffs[-1]
            np.testing.assert_allclose(judged.regret[i], max(gains[:-1].max(), 0.0), rtol=1e-5, atol=1e-14)
            np.testing.assert_allclose(gains[-1], judged.regret[i], rtol=1e-9, atol=1e-16)
    assert not judged.certified
    assert "not an equilibrium" in judged.describe()


def test_currency_does_not_matter():
    scenario = load_scenario("GSM8K/majority")
    game = ContinuousCompute(scenario.market, scenario.users)
    scale = 1e4
    from games.instruments import scale_list_price, set_margin, set_rationality, set_value_per_correct

    rich = set_margin(scale_list_price(game, scale), 0.25)
    rich = set_value_per_correct(
        set_rationality(rich, game.rationality / scale), game.quality.value_per_correct * scale
    )
    np.testing.assert_allclose(continuous_bounds(rich).least, continuous_bounds(game).least, atol=1e-9)


def test_several_segments_are_refused():
    scenario = load_scenario("GSM8K/reasoning_effort")
    users = Users([0.008, 0.02], [1000.0, 500.0])
    with pytest.raises(InputError, match="one segment"):
        continuous_equilibria(ContinuousCompute(scenario.market, users))


SINGLE_PRECISION = """
import json, jax.numpy as jnp
from games import ContinuousCompute, load_scenario
from solver import continuous_bounds, continuous_regret, gradient_dynamics
scenario = load_scenario("GSM8K/majority")
game = ContinuousCompute(scenario.market, scenario.users)
least = continuous_bounds(game).least
judged = continuous_regret(game, least)
learned = gradient_dynamics(game)
far = continuous_regret(game, game.lower)
print(json.dumps({"dtype": str(least.dtype), "least": least.tolist(), "learned": learned.log_compute.tolist(),
  "converged": learned.converged, "certified": judged.certified, "tolerance": float(judged.tolerance),
  "says": judged.describe(), "learned_says": learned.describe(), "far": far.certified}))
"""


def test_single_precision_says_what_it_can_certify():
    environment = os.environ | {"JAX_ENABLE_X64": "0"}
    run = subprocess.run(
        [sys.executable, "-c", SINGLE_PRECISION],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["dtype"] == "float32"
    assert result["certified"]
    assert result["converged"]
    assert not result["far"]
    assert result["tolerance"] > 1e-6
    assert "32-bit" in result["says"]
    assert "32-bit" in result["learned_says"]
    assert f"{result['tolerance']:.1e}" in result["says"]
    scenario = load_scenario("GSM8K/majority")
    exact = continuous_bounds(ContinuousCompute(scenario.market, scenario.users)).least
    # A relative gain of 1e-6 leaves a thousandth in ln θ, since payoffs are flat at their maximum.
    np.testing.assert_allclose(result["least"], exact, atol=3e-3)
    np.testing.assert_allclose(result["learned"], exact, atol=3e-2)
