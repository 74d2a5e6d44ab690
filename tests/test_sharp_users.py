"""Users whose β·V is so large that rounding decides: no list is called complete, and beyond that nothing is answered."""

import jax
import numpy as np
import optax
import pytest
from typer.testing import CliRunner

from games import ContinuousCompute, InputError, Users, load_scenario
from solver import batch, continuous_equilibria, gradient_dynamics, gradient_limits, pure_equilibria, random_starts
from solver.cli import app
from solver.lattice import LOOSEST
from solver.mechanisms import mechanism
from solver.sweep_cluster import connect


@pytest.mark.parametrize(("beta", "complete"), [(1e6, True), (1e9, True), (1e12, False), (1e14, False)])
def test_where_rounding_decides_no_list_is_complete(beta, complete):
    game = load_scenario("GPQA/majority").game(beta)
    found = pure_equilibria(game)
    assert found.complete is complete
    assert (found.tolerance <= LOOSEST) is complete
    assert ("rounding decides" in found.reason) is not complete
    assert bool(batch.equilibria(batch.stack_games([game])).complete[0]) is complete


def test_a_tolerance_that_was_asked_for_is_no_rounding():
    assert pure_equilibria(load_scenario("GPQA/majority").game(1000), tolerance=1e-3).complete


def test_several_segments_follow_the_same_rule():
    market = load_scenario("GPQA/reasoning_effort").market
    game = load_scenario("GPQA/reasoning_effort").game
    from games import PayPerCompute

    two = PayPerCompute(market, Users([0.02, 0.05], [1e12, 2e12]))
    assert not pure_equilibria(two).complete
    assert pure_equilibria(two).tolerance > LOOSEST
    assert pure_equilibria(game(1000)).complete


def test_rounding_above_payoffs_is_refused():
    """β·V of 2e16: two "equilibria, all of them", with a regret of 1 and a tolerance of 25."""
    with pytest.raises(InputError, match="rounding alone; divide their rationality"):
        pure_equilibria(load_scenario("GPQA/majority").game(1e18))


def test_the_command_line_says_so():
    said = CliRunner().invoke(app, ["solve", "GPQA/majority", "--rationality", "1e12"])
    assert said.exit_code == 0
    assert "perhaps not all (users choose so sharply that rounding decides" in " ".join(said.output.split())


def test_continuous_compute_follows_the_same_rule():
    scenario = load_scenario("GPQA/reasoning_effort")
    assert continuous_equilibria(ContinuousCompute(scenario.market, scenario.users)).complete
    sharp = continuous_equilibria(ContinuousCompute(scenario.market, scenario.users.with_rationality(1e12)))
    assert not sharp.complete
    assert sharp.tolerance > LOOSEST


@pytest.mark.parametrize("optimiser", [optax.lbfgs(), optax.polyak_sgd()], ids=["lbfgs", "polyak_sgd"])
def test_optimisers_that_need_a_value_are_refused(optimiser):
    scenario = load_scenario("GPQA/reasoning_effort")
    game = ContinuousCompute(scenario.market, scenario.users)
    with pytest.raises(InputError, match="gradient dynamics: this optimiser needs more than gradients"):
        gradient_dynamics(game, optimiser=optimiser)
    with pytest.raises(InputError, match="gradient limits: this optimiser needs more than gradients"):
        gradient_limits(game, random_starts(game, jax.random.key(0), 2), optimiser=optimiser)


def test_a_mechanism_in_the_current_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "third_auctions.py").write_text(
        "from solver.mechanisms import FirstScore\n\n\nclass Own(FirstScore):\n    pass\n", encoding="utf-8"
    )
    assert mechanism("third_auctions:Own").name == "first-score"
    with pytest.raises(InputError, match=r"^mechanism nowhere:Own: not found .* in the current folder"):
        mechanism("nowhere:Own")
    with pytest.raises(InputError, match=r"^mechanism :Own: not found"):
        mechanism(":Own")
    with pytest.raises(InputError, match="cannot be made"):
        mechanism("builtins:range")


def test_local_workers_leave_nothing_where_one_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with connect(workers=1) as client:
        assert client.submit(np.add, 1, 2).result(timeout=60) == 3
    assert list(tmp_path.iterdir()) == []
