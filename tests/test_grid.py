"""Grids: every cell is the market that one would build by hand, whatever varies, and devices do not matter."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Market, PayPerCompute, SecondScoreAuction, Users, load_scenario
from games.sampling import QuestionCurves
from solver import Stages, batch, compare, pure_equilibria, welfare_optimum
from solver.grid import Grid, games_at
from solver.mechanisms import mechanism
from solver.sweep import sweep_grid
from tests.markets import profiles_of, random_game

SCENARIO = load_scenario("GPQA/reasoning_effort")
MARKET, USERS = SCENARIO.market, SCENARIO.users
AXES = {
    "providers": [["R1-D-Llama-8B", "R1-D-Qwen-7B"], ["R1-D-Qwen-1.5B", "R1-D-Qwen-7B"], list(MARKET.providers)],
    "list_price": [0.9, 1.5],
    "margin": [0.1, 0.5],
    "compute_cap": [1.0, 4000.0, 1e9],
    "value_per_correct": [0.005, 0.02],
    "outside_value": [-np.inf, 0.001],
    "rationality": [300.0, 20_000.0],
    "reserve": [-np.inf, 0.01],
}


def by_hand(cell) -> tuple[Market, Users]:
    """The market and users of one cell, from the public constructors."""
    names = cell["providers"].split(", ")
    rows = [MARKET.providers.index(name) for name in names]
    accuracy, tokens, prices = [], [], []
    for i in rows:
        exists = np.asarray(MARKET.mask[i])
        allowed = exists & ((np.asarray(MARKET.tokens[i]) <= cell["compute_cap"]) | (np.arange(exists.size) == 0))
        accuracy.append(np.asarray(MARKET.accuracy[i])[allowed].tolist())
        tokens.append(np.asarray(MARKET.tokens[i])[allowed].tolist())
        prices.append(float(MARKET.price[i, 0] / MARKET.tokens[i, 0] * 1e6 * cell["list_price"]))
    market = Market.from_arrays(
        accuracy=accuracy, tokens=tokens, price_per_million=prices, margin=cell["margin"], providers=names
    )
    users = Users(cell["value_per_correct"], cell["rationality"], outside_value=cell["outside_value"])
    return market, users


@pytest.fixture(scope="module")
def swept():
    grid = Grid.of(MARKET, USERS, AXES, name=SCENARIO.name)
    assert grid.shape == (3, 2, 2, 3, 2, 2, 2, 2)
    return grid, sweep_grid(grid, stages=Stages(dynamics=False))


def test_cells_are_the_markets_one_would_build_by_hand(swept):
    grid, data = swept
    rng = np.random.default_rng(0)
    flat = {name: data[name].values.reshape(grid.size, -1) for name in data.data_vars}
    for number in [0, grid.size - 1, *rng.integers(0, grid.size, 5).tolist()]:
        cell = grid.cell(number)
        market, users = by_hand(cell)
        game = PayPerCompute(market, users)
        found = pure_equilibria(game)
        assert flat["num_equilibria"][number, 0] == len(found)
        assert flat["worst_welfare"][number, 0] == pytest.approx(float(found.welfare[0]), rel=1e-11)
        assert flat["optimal_welfare"][number, 0] == pytest.approx(float(welfare_optimum(game).welfare), rel=1e-11)
        assert flat["user_value"][number, 0] == pytest.approx(float(game.expected_user_value(found.worst)), rel=1e-10)
        present = [MARKET.providers.index(name) for name in market.providers]
        np.testing.assert_allclose(flat["share"][number][present], game.shares(found.worst)[0], rtol=1e-8, atol=1e-300)
        absent = np.delete(flat["share"][number], present)
        assert not absent.any()
        auction = SecondScoreAuction(market, users, reserve=cell["reserve"]).outcome()
        assert flat["auction_user_value"][number, 0] == pytest.approx(float(auction.user_value[0]), rel=1e-11)
    assert float(data.max_regret.max()) <= 1.1e-9


def test_labels_find_what_numbers_find(swept):
    _, data = swept
    one = data.sel(rationality=300, margin=0.1, list_price=1.5, value_per_correct=0.02, method="nearest")
    assert one.providers.values.tolist()[2] == ", ".join(MARKET.providers)
    assert data.rationality.attrs["units"] == "per dollar"
    assert data.attrs["data_hash"] != ""
    assert data.attrs["stages"] == "optimum, equilibria"


def test_zipped_axes_run_together():
    axes = {"margin": [0.1, 0.25, 0.5], "value_per_correct": [0.01, 0.02, 0.03], "rationality": [500.0, 5000.0]}
    grid = Grid.of(MARKET, USERS, axes, zipped=[("margin", "value_per_correct")])
    assert grid.dim_names == ("margin+value_per_correct", "rationality")
    assert grid.shape == (3, 2)
    data = sweep_grid(grid, stages=Stages(equilibria=False, dynamics=False))
    whole = sweep_grid(Grid.of(MARKET, USERS, axes), stages=Stages(equilibria=False, dynamics=False))
    diagonal = np.stack([whole.optimal_welfare.values[i, i] for i in range(3)])
    np.testing.assert_allclose(data.optimal_welfare.values, diagonal, rtol=1e-12)
    assert data["margin"].dims == ("margin+value_per_correct",)


def test_bootstrap_draws_reweight_the_same_questions():
    rng = np.random.default_rng(1)
    correct = rng.uniform(0.2, 0.9, (30, 2, 2))
    questions = QuestionCurves(
        correct=correct,
        output_tokens=rng.uniform(100, 4000, (30, 2, 2)),
        input_tokens=np.zeros((30, 2, 2)),
        answered=np.ones((30, 2, 2)),
        mask=np.ones((2, 2)),
        price_per_million=np.array([0.3, 0.5]),
        input_price_per_million=np.zeros(2),
        providers=("a", "b"),
        level_labels=(("1", "2"),) * 2,
        questions=tuple(map(str, range(30))),
    )
    users = Users(0.01, 1000)
    grid = Grid.of(questions.market(), users, {"draw": 5, "rationality": [100.0, 1000.0]}, questions=questions, seed=3)
    weights = grid.axes["draw"][1].values
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    data = sweep_grid(grid, stages=Stages(dynamics=False))
    for draw in (0, 4):
        game = PayPerCompute(questions.market(jnp.asarray(weights[draw])), users)
        found = pure_equilibria(game)
        assert float(data.worst_welfare[draw, 1]) == pytest.approx(float(found.welfare[0]), rel=1e-11)
    assert len(np.unique(data.optimal_welfare.values[:, 1])) == 5


def test_lists_of_equilibria_say_when_they_are_cut(monkeypatch):
    """Random markets with up to several equilibria, put in place of the grid's own."""
    rng = np.random.default_rng(12)
    games = batch.stack_games([random_game(rng, 3, 4) for _ in range(60)])
    full = batch.equilibria(games)
    assert full.num_equilibria.max() >= 3
    from solver.cells import equilibria_figures

    for listed in (1, 2, 8):
        found = equilibria_figures(games, 1e-9, listed)
        assert (found["overflow"] == (full.num_equilibria > listed)).all()
        for market in range(60):
            rows = found["equilibrium_level_index"][market]
            kept = rows[rows[:, 0] >= 0]
            assert len(kept) == min(listed, full.num_equilibria[market])
            if market in full.sets:
                assert profiles_of(kept) <= profiles_of(full.sets[market])
                assert kept[0].tolist() == full.worst[market].tolist()


def test_mechanisms_in_a_sweep_are_those_of_compare():
    names = ("pay-per-compute", "second-score-no-harm", "truthful-logit")
    grid = Grid.of(MARKET, USERS, {"rationality": [200.0, 1000.0]}, name=SCENARIO.name)
    data = sweep_grid(grid, stages=Stages(dynamics=False, mechanisms=names))
    table = compare([SCENARIO], [200, 1000], [mechanism(name) for name in names]).table
    for figure in ("user_value", "profits", "platform", "welfare", "price", "tokens", "misreport_gain"):
        expected = table.pivot(index="rationality", columns="mechanism", values=figure)[list(names)]
        scale = 1e-9 * float(np.abs(expected.to_numpy()).max()) + 1e-12
        np.testing.assert_allclose(data[f"mechanism_{figure}"].values, expected.to_numpy(), rtol=1e-9, atol=scale)


def test_mechanisms_with_absent_providers_are_those_without_them():
    names = ("pay-per-compute", "second-score", "truthful-logit")
    pair = ["R1-D-Llama-8B", "R1-D-Qwen-1.5B"]
    data = sweep_grid(
        Grid.of(MARKET, USERS, {"providers": [pair, list(MARKET.providers)], "rationality": [1000.0]}),
        stages=Stages(dynamics=False, mechanisms=names),
    )
    alone = dataclasses.replace(SCENARIO, market=MARKET.subset(pair))
    table = compare([alone], [1000], [mechanism(name) for name in names]).table
    for figure in ("user_value", "profits", "welfare", "misreport_gain"):
        np.testing.assert_allclose(data[f"mechanism_{figure}"][0, 0], table[figure], rtol=1e-9, atol=1e-13)
    assert (data.mechanism_welfare[1] > data.mechanism_welfare[0]).all()
    with pytest.raises(InputError, match="collusion does not take the axis providers"):
        sweep_grid(Grid.of(MARKET, USERS, {"providers": [pair]}), stages=Stages(mechanisms=("collusion",)))


@pytest.mark.parametrize(
    ("axes", "settings", "message"),
    [
        ({}, {}, "no axis"),
        ({"rationalty": [1.0]}, {}, "did you mean"),
        ({"margin": [0.0]}, {}, "margin must be one-dimensional, finite and positive"),
        ({"baseline": [1.5]}, {}, "within"),
        ({"reserve": [-np.inf, -0.01]}, {}, "reserve must be one-dimensional, finite and not negative"),
        ({"rationality": [[1.0]]}, {}, "one-dimensional"),
        ({"providers": [["nobody"]]}, {}, "provider"),
        ({"providers": [[]]}, {}, "empty"),
        ({"draw": 10}, {}, "questions="),
        ({"margin": [1, 2], "rationality": [1, 2, 3]}, {"zipped": [("margin", "rationality")]}, "differ in length"),
        ({"margin": [1, 2]}, {"zipped": [("margin", "rationality")]}, "zipped axis"),
    ],
)
def test_bad_axes_are_explained(axes, settings, message):
    with pytest.raises(InputError, match=message):
        Grid.of(MARKET, USERS, axes, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"equilibria": False, "listed": 3}, "need the stage equilibria"),
        ({"mechanisms": ("second-scor",)}, "did you mean"),
    ],
)
def test_bad_stages_are_explained(settings, message):
    with pytest.raises(InputError, match=message):
        Stages(**settings)


def test_games_of_cells_are_in_row_major_order():
    grid = Grid.of(MARKET, USERS, {"value_per_correct": [0.01, 0.02], "rationality": [1.0, 2.0, 3.0]})
    users = games_at(grid, jnp.arange(6)).games.users
    assert users.rationality[:, 0].tolist() == [1, 2, 3, 1, 2, 3]
    assert users.value_per_correct[:, 0].tolist() == [0.01] * 3 + [0.02] * 3


DEVICES = """
import sys, jax, numpy as np
from tests.test_grid import device_grid
from solver.sweep import sweep_grid
data = sweep_grid(device_grid())
np.savez(sys.argv[1], **{name: data[name].values for name in data.data_vars})
print(len(jax.devices()))
"""


def device_grid() -> Grid:
    return Grid.of(MARKET, USERS, {"margin": np.linspace(0.1, 1, 4), "rationality": np.geomspace(1, 1e6, 20)})


def test_eight_devices_and_one_give_equal_results(tmp_path):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    file = tmp_path / "eight.npz"
    done = subprocess.run(
        [sys.executable, "-c", DEVICES, str(file)],
        env={**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "8"
    eight, one = np.load(file), sweep_grid(device_grid())
    assert set(eight.files) == set(one.data_vars)
    for name in eight.files:
        # Devices hold fewer markets each, so the compiled code may round differently in the last digits.
        np.testing.assert_allclose(1.0 * eight[name], 1.0 * one[name].values, rtol=1e-12, atol=1e-14)
