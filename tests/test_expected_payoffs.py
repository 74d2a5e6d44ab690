"""Expected payoffs of mixed profiles against full enumeration, and the certificate against both."""

import itertools
import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from games import InputError, Market, NormalForm, PayPerCompute, Users
from solver.expected_payoffs import expected_payoffs, mixed_payoffs
from solver.log_time import log_time_nodes
from solver.mixed_extension import LogitExtension, expected_shares, mixed_extension, safe_log
from solver.mixed_regret import _quadrature, enumerated_regret, mixed_regret
from tests.markets import random_game

KINDS = ("inside", "pure", "nearly pure", "uneven")


def random_mixed(rng, mask, kind):
    """A mixed profile of one of four kinds; uneven ones have probabilities down to 1e-300."""
    mask = np.asarray(mask)
    x = np.where(mask, rng.exponential(size=mask.shape), 0.0)
    pure = np.zeros(mask.shape)
    for i, row in enumerate(mask):
        pure[i, rng.choice(np.flatnonzero(row))] = 1.0
    if kind == "pure":
        return jnp.asarray(pure)
    if kind == "nearly pure":
        x = pure + 1e-12 * x
    elif kind == "uneven":
        x = np.where(mask, np.maximum(x ** rng.integers(50, 400), 1e-300), 0.0)
    return jnp.asarray(x / x.sum(axis=1, keepdims=True))


def enumerated(game, mixed):
    """ln E[U_i(k)], ln of the expected outside share and expected welfare: numpy, one profile after another."""
    mask, mixed = np.asarray(game.mask), np.asarray(mixed)
    attraction, outside = np.asarray(game.log_attraction), np.asarray(game.log_outside_attraction)
    weight, profit = np.asarray(game.segment_weight), np.asarray(game.unit_profit)
    surplus = np.asarray(game.surplus)
    providers = len(mask)
    terms = [[[] for _ in row] for row in mask]
    welfare = 0.0
    with np.errstate(divide="ignore"):
        log_mixed = np.log(mixed)
    for profile in itertools.product(*[np.flatnonzero(row) for row in mask]):
        chosen = attraction[:, np.arange(providers), profile]
        log_z = logsumexp(np.column_stack([chosen, outside]), axis=1)
        log_share = chosen - log_z[:, None]
        log_x = log_mixed[np.arange(providers), profile]
        for i, k in enumerate(profile):
            log_sold = logsumexp(np.log(weight) + log_share[:, i])
            terms[i][k].append(np.delete(log_x, i).sum() + log_sold + np.log(profit[i, k]))
        created = (np.exp(log_share) * surplus[:, np.arange(providers), profile]).sum(axis=1)
        created += np.exp(outside - log_z) * np.asarray(game.outside_surplus)
        welfare += np.exp(log_x.sum()) * float(weight @ created)
    log_payoffs = np.array([[logsumexp(t) if t else -np.inf for t in row] for row in terms])
    return log_payoffs, welfare


@eqx.filter_jit
def log_payoffs_and_welfare(extension, mixed):
    return extension.log_payoffs(safe_log(mixed)), extension.welfare(mixed)


def cases(full):
    """Random markets of up to 5 providers × 6 levels with β from 1 to 1e6, one or two segments."""
    rng = np.random.default_rng(20)
    for case in range(200 if full else 16):
        providers, levels = [(2, 6), (3, 4), (5, 6), (4, 3)][case % 4] if full else [(2, 6), (3, 4)][case % 2]
        yield rng, random_game(rng, providers, levels, segments=1 + case // 2 % 2, log_rationality=(case % 7)), case
    if not full:
        yield rng, random_game(rng, 5, 6, log_rationality=5), 2


def test_payoffs_equal_full_enumeration(full):
    for rng, game, case in cases(full):
        extension = LogitExtension(game, log_time_nodes(game, size=8192)).anonymous()
        kind = KINDS[case // 3 % 4]
        mixed = random_mixed(rng, game.mask, kind)
        wanted, welfare = enumerated(game, mixed)
        ours, our_welfare = log_payoffs_and_welfare(extension, mixed)
        exists = np.asarray(game.mask)
        # The rounding of β·V itself, the same in the oracle, is all that may separate the two.
        size = np.abs(np.asarray(game.log_attraction)[np.isfinite(game.log_attraction)]).max()
        allowed = max(1e-10, 8 * np.finfo(float).eps * size) if size > 1e5 else 1e-10
        assert np.abs(np.expm1(np.asarray(ours)[exists] - wanted[exists])).max() < allowed, (case, kind)
        assert float(our_welfare) == pytest.approx(welfare, rel=1e-10)


def test_certificate_agrees_with_enumeration_and_quadrature(full):
    rng = np.random.default_rng(21)
    for case in range(24 if full else 4):
        game = random_game(rng, 3, 4, segments=1 + case % 2, log_rationality=1 + case % 5)
        mixed = random_mixed(rng, game.mask, KINDS[case % 4])
        wanted, _ = enumerated(game, mixed)
        by_quadrature, error = _quadrature(game, np.asarray(mixed))
        exists = np.asarray(game.mask)
        assert np.abs(by_quadrature[exists] - wanted[exists]).max() < 1e-10
        assert error < 1e-9
        found = enumerated_regret(game, mixed)
        log_own = logsumexp(np.where(exists, wanted, 0.0), axis=1, b=np.asarray(mixed))
        gain = np.expm1(np.maximum(np.where(exists, wanted, -np.inf).max(axis=1) - log_own, 0))
        np.testing.assert_allclose(found.relative_regret, gain, rtol=1e-9, atol=float(found.resolution))


def test_a_hundred_providers_agree_with_quadrature(full):
    rng = np.random.default_rng(22)
    providers, levels = (100, 16) if full else (30, 8)
    market = Market.from_arrays(
        accuracy=rng.uniform(0.2, 0.9, (providers, levels)),
        tokens=np.sort(rng.uniform(100, 10_000, (providers, levels)), axis=1),
        price_per_million=rng.uniform(0.05, 1, providers),
    )
    game = PayPerCompute(market, Users(0.02, 1e5 if full else 3000.0))
    mixed = random_mixed(rng, game.mask, "inside")
    # Logarithms: at full size some payoffs underflow.
    ours = eqx.filter_jit(LogitExtension.log_payoffs)(mixed_extension(game).anonymous(), safe_log(mixed))
    by_quadrature, error = _quadrature(game, np.asarray(mixed))
    assert error < 1e-10
    np.testing.assert_allclose(ours, by_quadrature, rtol=0, atol=1e-10)
    np.testing.assert_allclose(mixed_payoffs(game, mixed), np.exp(ours), rtol=1e-12, atol=1e-300)
    assert float(mixed_regret(game, mixed).max_regret) > 0


def test_shares_and_outside_share_sum_to_one():
    rng = np.random.default_rng(23)
    game = random_game(rng, 3, 4, segments=2, log_rationality=4)
    mixed = random_mixed(rng, game.mask, "inside")
    shares = expected_shares(game, safe_log(mixed), log_time_nodes(game))
    total = (jnp.where(mixed > 0, mixed * jnp.exp(shares.log_shares), 0.0)).sum(axis=(1, 2)) + jnp.exp(
        shares.log_outside
    )
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_a_pure_profile_has_its_deviation_payoffs_and_welfare():
    game = random_game(np.random.default_rng(24), 3, 4, log_rationality=3)
    mixed = random_mixed(np.random.default_rng(25), game.mask, "pure")
    profile = jnp.argmax(mixed, axis=1)
    found = expected_payoffs(game, mixed)
    np.testing.assert_allclose(found.payoffs, game.deviation_payoffs(profile), rtol=1e-12)
    np.testing.assert_allclose(found.own, game.payoffs(profile), rtol=1e-12)
    assert float(found.welfare) == pytest.approx(float(game.welfare(profile)), rel=1e-12)
    assert float(found.relative_error) < 1e-12


def test_doubling_the_nodes_shows_the_error_of_a_coarse_grid():
    game = random_game(np.random.default_rng(26), 3, 4, log_rationality=3)
    mixed = random_mixed(np.random.default_rng(27), game.mask, "inside")
    logs = safe_log(mixed)
    exact = LogitExtension(game, log_time_nodes(game)).log_payoffs(logs)
    errors = []
    for step in (1.0, 0.75, 0.5):
        found = LogitExtension(game, log_time_nodes(game, step=step)).log_payoffs(logs)
        errors.append(float(jnp.where(game.mask, jnp.abs(found - exact), 0).max()))
        assert errors[-1] < 2 * np.e * (2 * np.pi / step) * np.exp(-(np.pi**2) / step)
    assert errors[0] > errors[1] > errors[2] > 0


def test_tables_contract_like_their_game():
    rng = np.random.default_rng(28)
    game = random_game(rng, 3, 4, log_rationality=3)
    mixed = random_mixed(rng, game.mask, "inside")
    table = NormalForm.from_game(game)
    np.testing.assert_allclose(mixed_payoffs(table, mixed), mixed_payoffs(game, mixed), rtol=1e-11)
    # Fractions of one and the same payoff range, though the table's relative regret is one and the game's is not.
    by_table, by_game = mixed_regret(table, mixed), mixed_regret(game, mixed)
    np.testing.assert_allclose(by_table.range_regret, by_game.range_regret, rtol=1e-9)
    np.testing.assert_allclose(by_table.relative_regret, by_table.range_regret)


def test_scaling_the_currency_changes_no_relative_figure():
    game = random_game(np.random.default_rng(29), 3, 4, log_rationality=3)
    market, users = game.market, game.users
    cents = eqx.tree_at(lambda m: (m.price, m.cost), market, (market.price * 1e-6, market.cost * 1e-6))
    scaled = PayPerCompute(
        cents,
        Users(
            users.value_per_correct * 1e-6,
            users.rationality * 1e6,
            outside_value=users.outside_value * 1e-6,
            value_curve=users.value_curve,
        ),
    )
    mixed = random_mixed(np.random.default_rng(30), game.mask, "inside")
    np.testing.assert_allclose(
        mixed_regret(scaled, mixed).relative_regret, mixed_regret(game, mixed).relative_regret, rtol=1e-8
    )
    np.testing.assert_allclose(mixed_payoffs(scaled, mixed), 1e-6 * mixed_payoffs(game, mixed), rtol=1e-9)


def test_derivatives_are_finite_and_right():
    game = random_game(np.random.default_rng(31), 3, 4, log_rationality=4)
    extension = mixed_extension(game)
    count = game.mask.sum(axis=1, keepdims=True)
    logits = jnp.where(game.mask, jnp.log(1.0 / count), -jnp.inf)

    def value(shift):
        return extension.utility(jax.nn.log_softmax(logits + shift, axis=1)).sum()

    direction = jnp.asarray(np.random.default_rng(32).normal(size=game.mask.shape))
    slope = jax.jvp(value, (jnp.zeros(game.mask.shape),), (direction,))[1]
    step = 1e-5
    assert float(slope) == pytest.approx(
        float(value(step * direction) - value(-step * direction)) / (2 * step), rel=1e-6
    )
    assert bool(jnp.all(jnp.isfinite(jax.grad(value)(jnp.zeros(game.mask.shape)))))


@pytest.mark.parametrize(
    ("mixed", "text"),
    [
        ([[0.5, 0.5]], "shape"),
        ([[0.5, 0.4], [1.0, 0.0]], "sum to 0.9"),
        ([[1.5, -0.5], [1.0, 0.0]], "negative"),
        ([[0.5, 0.5], [0.5, 0.5]], "does not exist"),
    ],
)
def test_bad_mixed_profiles_are_refused(mixed, text):
    game = NormalForm(jnp.zeros((2, 2, 2)), jnp.array([[True, True], [True, False]]))
    with pytest.raises(InputError, match=text):
        mixed_payoffs(game, jnp.array(mixed))


def test_a_traced_game_says_what_to_prepare():
    game = random_game(np.random.default_rng(33), 3, 4, log_rationality=3)
    mixed = random_mixed(np.random.default_rng(34), game.mask, "inside")
    with pytest.raises(InputError, match="mixed_extension"):
        eqx.filter_jit(mixed_payoffs)(game.anonymous(), mixed)


def test_the_second_call_with_new_numbers_does_not_compile():
    traces = []

    @eqx.filter_jit
    def counted(extension, mixed):
        traces.append(1)
        return extension.payoffs(mixed)

    rng = np.random.default_rng(35)
    game = random_game(rng, 3, 4, log_rationality=2)
    for rationality in (50.0, 100.0, 200.0):
        other = PayPerCompute(game.market, game.users.with_rationality(rationality)).anonymous()
        counted(mixed_extension(other), random_mixed(rng, game.mask, "inside"))
    assert len(traces) == 1


SINGLE_PRECISION = """
import jax.numpy as jnp
from games import load_scenario
from solver import expected_payoffs, mixed_regret
game = load_scenario("GPQA/reasoning_effort").game(rationality=1000)
mixed = jnp.full((3, 5), 0.2)
found, certificate = expected_payoffs(game, mixed), mixed_regret(game, mixed)
print(found.payoffs.dtype, float(found.payoffs[0, 0]), float(certificate.max_regret), float(certificate.resolution))
"""


def test_single_precision_runs_and_says_its_resolution(capsys):
    run = subprocess.run(
        [sys.executable, "-c", SINGLE_PRECISION],
        env=os.environ | {"JAX_ENABLE_X64": "0", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    exec(SINGLE_PRECISION, {})  # the same in double precision, here
    out = {"0": run.stdout.split(), "1": capsys.readouterr().out.split()}
    assert out["0"][0] == "float32"
    assert out["1"][0] == "float64"
    single, double = (np.array(out[x64][1:], float) for x64 in ("0", "1"))
    np.testing.assert_allclose(single[:2], double[:2], rtol=1e-4)
    assert single[2] > 1e7 * double[2]
    assert abs(single[1] - double[1]) < (1 + double[1]) * single[2]
