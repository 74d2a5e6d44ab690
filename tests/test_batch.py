"""Batches and sweeps give what one market at a time gives; devices do not matter; nothing is recomputed wrongly."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, PayPerCompute, Users, load_scenario
from solver import batch, efficiency, pure_equilibria, sweep, welfare_optimum
from solver.sweep import combine
from tests.markets import profiles_of, random_game


def test_batched_equilibria_equal_single_ones():
    rng = np.random.default_rng(12)
    games = [random_game(rng, 3, 4) for _ in range(60)]
    found = batch.equilibria(batch.stack_games(games))
    assert (found.num_equilibria > 1).any()
    for i, game in enumerate(games):
        alone = pure_equilibria(game)
        assert found.num_equilibria[i] == len(alone)
        assert found.worst_welfare[i] == pytest.approx(float(alone.welfare[0]), rel=1e-13, abs=1e-300)
        assert found.best_welfare[i] == pytest.approx(float(alone.welfare[-1]), rel=1e-13, abs=1e-300)
        if len(alone) > 1:
            assert profiles_of(found.sets[i]) == profiles_of(alone.profiles)
    assert float(found.max_regret.max()) <= 1.1e-9


def test_sweep_is_a_labelled_table_of_efficiency():
    scenario = load_scenario("GPQA/reasoning_effort")
    betas = [200.0, 1000.0, 100000.0]
    finished = []
    result = sweep(scenario.market, scenario.users, betas, name=scenario.name, progress=finished.append)
    assert sum(finished) == 3
    assert result.sizes == {"rationality": 3, "provider": 3, "level_index": 5}
    assert result.optimal_welfare.attrs["units"] == "dollars per query"
    for beta in betas:
        verdict = efficiency(scenario.game(beta))
        row = result.sel(rationality=beta)
        assert float(row.price_of_anarchy) == pytest.approx(verdict.price_of_anarchy, rel=1e-13)
        assert float(row.user_value) == pytest.approx(verdict.ledger[0].users, rel=1e-12)
        assert float(row.auction_user_value) == pytest.approx(float(verdict.auction.user_value[0]))
        assert float(row.share.sum()) <= 1 + 1e-12
        np.testing.assert_array_equal(row.worst_level_index, np.asarray(verdict.equilibria.worst))


def test_sweep_longer_than_one_call_equals_the_short_ones():
    scenario = load_scenario("AIME/reasoning_effort")
    betas = np.logspace(0, 6, 300)
    whole = sweep(scenario.market, scenario.users, betas)
    part = sweep(scenario.market, scenario.users, betas[280:290])
    np.testing.assert_array_equal(whole.worst_welfare[280:290], part.worst_welfare)


def test_combined_sweeps_keep_every_provider():
    results = []
    for name in ("GPQA/majority", "GPQA/reasoning_effort"):
        scenario = load_scenario(name)
        results.append(sweep(scenario.market, scenario.users, [1000.0], name=name))
    both = combine(results, ["GPQA/majority", "GPQA/reasoning_effort"])
    assert both.sizes["provider"] == 12
    assert bool(np.isnan(both.share.sel(scenario="GPQA/majority", provider="R1-D-Qwen-7B")).all())


@pytest.mark.parametrize(
    ("users", "rationality", "message"),
    [
        (Users(0.02, 1), [-1.0], "not negative"),
        (Users(0.02, 1), [np.inf], "finite"),
    ],
)
def test_sweep_refuses(users, rationality, message):
    with pytest.raises(InputError, match=message):
        sweep(load_scenario("GPQA/reasoning_effort").market, users, rationality)


SINGLE_PRECISION = """
import jax.numpy as jnp
from games import PrecisionError, load_scenario
from solver import best_response_dynamics, pure_equilibria, lattice_bounds
game = load_scenario("GSM8K/majority").game(rationality=1000)
assert game.market.price.dtype == jnp.float32
end = best_response_dynamics(game)
assert end.converged, end.describe()
for solver in (pure_equilibria, lattice_bounds):
    try:
        solver(game)
    except PrecisionError as error:
        assert "JAX_ENABLE_X64" in str(error)
    else:
        raise SystemExit(f"{solver} ran in single precision")
print("refused")
"""


def run_python(code, **variables):
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_single_precision_runs_dynamics_and_refuses_exact_solvers():
    assert "refused" in run_python(SINGLE_PRECISION, JAX_ENABLE_X64="0")


def test_games_switch_jax_to_double_precision_even_if_jax_came_first():
    code = "import jax, games; import jax.numpy as jnp; print(jnp.ones(1).dtype)"
    environment = {k: v for k, v in os.environ.items() if k != "JAX_ENABLE_X64"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "float64"


def test_packages_import_without_jax():
    code = "import sys, games, solver; print('jax' in sys.modules, 'pandas' in sys.modules)"
    assert run_python(code).split() == ["False", "False"]


def test_public_names_resolve_to_objects_not_modules():
    """Functions named like their module (regret, sweep, efficiency) must win however the module was imported first."""
    code = """
import solver.batch, solver.sweep
from solver import regret, sweep, efficiency, reproduce
print(all(map(callable, (regret, sweep, efficiency, reproduce))))
"""
    assert run_python(code).strip() == "True"


def test_optimum_and_equilibria_run_under_jit_with_traced_prices():
    """Everything about a market is data: prices can be traced, here doubled inside jit."""
    scenario = load_scenario("GPQA/reasoning_effort")

    @jax.jit
    def optimum_at(scale):
        market = scenario.market
        dearer = type(market)(
            market.accuracy, market.tokens, market.price * scale, market.cost * scale, market.mask, (), ()
        )
        return welfare_optimum(PayPerCompute(dearer, scenario.users)).welfare

    assert float(optimum_at(jnp.array(1.0))) == pytest.approx(float(welfare_optimum(scenario.game()).welfare))
    assert float(optimum_at(jnp.array(2.0))) < float(optimum_at(jnp.array(1.0)))
