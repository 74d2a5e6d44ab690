"""Tables of one's own: levels in the order of compute, whatever their names and the order of the rows."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from games import Market, PayPerCompute, Users, load_scenario
from solver import best_response_dynamics, open_sweep, paper_dynamics
from solver.cli.app import app
from solver.grid import Grid, games_at
from solver.sweep import level_names

CURVES = pd.DataFrame(
    {
        "model": ["Ada"] * 3 + ["Bell"] * 3,
        "level": ["high", "low", "medium"] * 2,
        "accuracy": [0.9, 0.5, 0.8, 0.85, 0.4, 0.7],
        "tokens": [4000, 300, 1200, 5000, 200, 900],
    }
)
PRICES = pd.DataFrame({"model": ["Ada", "Bell"], "usd_per_million_tokens": [1.0, 0.8]})


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def files(folder, curves=CURVES, prices=PRICES):
    curves.to_csv(folder / "curves.csv", index=False)
    prices.to_csv(folder / "prices.csv", index=False)
    return ["--curves", folder / "curves.csv", "--prices", folder / "prices.csv", "--value-per-correct", 0.02]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[::2])
def test_levels_go_from_the_fewest_to_the_most_tokens(order):
    rows = [*order, *(3 + k for k in order)]
    market = Market.from_frames(CURVES.iloc[rows], PRICES)
    assert market.level_labels == (("low", "medium", "high"),) * 2
    assert np.all(np.diff(market.tokens, axis=1) > 0)


def test_numbers_as_names_do_not_decide_either_but_where_tokens_are_equal():
    numbered = CURVES.assign(level=[1, 3, 2] * 2)
    assert Market.from_frames(numbered, PRICES).level_labels[0] == ("3", "2", "1")
    equal = numbered.assign(tokens=100.0)
    assert Market.from_frames(equal, PRICES).level_labels[0] == ("1", "2", "3")


def test_bundled_markets_in_which_more_effort_needs_fewer_tokens():
    market = load_scenario("AIME/reasoning_effort").market
    assert market.level_labels[market.providers.index("R1-D-Qwen-1.5B")] == ("2", "1", "3", "4", "5")
    market = load_scenario("frontier/aider-polyglot").market  # keeps the order of effort
    name = "claude-opus-4-20250514"
    assert market.level_labels[market.providers.index(name)] == ("0", "32000")
    assert market.labels(market.lowest_levels)[name] == "32000"


def test_dynamics_start_at_the_fewest_tokens_also_where_arrays_have_another_order():
    market = Market.from_arrays(
        accuracy=[[0.9, 0.5, 0.8], [0.4, 0.7]], tokens=[[4000, 300, 1200], [200, 900]], price_per_million=[1.0, 0.8]
    )
    assert market.lowest_levels.tolist() == [1, 0]
    game = PayPerCompute(market, Users(0.02, 1000))
    assert best_response_dynamics(game, record=True).trajectory[0].tolist() == [1, 0]
    assert paper_dynamics(game, key=jax.random.key(0), record=True).trajectory[0].tolist() == [1, 0]
    capped = games_at(Grid.of(market, game.users, {"compute_cap": [0.0, 1000.0]}), jnp.arange(2)).games
    assert capped.market.mask[0].tolist() == [[False, True, False], [True, False, False]]
    assert capped.market.mask[1].tolist() == [[False, True, False], [True, True, False]]


def test_the_page_says_where_dynamics_start(tmp_path):
    said = run("dynamics", *files(tmp_path))
    assert "from everybody's level with the fewest tokens" in " ".join(said.split())
    assert "Ada:low" in said
    assert "Ada:high" in run("dynamics", *files(tmp_path), "--start", "highest")


def test_sweep_files_hold_labels_or_a_name_that_says_index(tmp_path):
    options = [*files(tmp_path), "--rationality", "50,2000"]
    run("sweep", *options, "--out", tmp_path / "plain.csv", "--json", tmp_path / "plain.json")
    run(
        "sweep", *options, "--axis", "margin=0.1,0.5", "--out", tmp_path / "grid.parquet", "--store", tmp_path / "store"
    )
    tables = [pd.read_csv(tmp_path / "plain.csv"), pd.read_parquet(tmp_path / "grid.parquet")]
    for table in tables:
        levels = [name for name in table.columns if "level" in name]
        assert sorted(levels) == ["best_level", "dynamics_level", "optimal_level", "worst_level"]
        assert set(np.unique(table[levels].to_numpy().astype(str))) <= {"low", "medium", "high"}
    document = json.loads((tmp_path / "plain.json").read_text())["scenarios"][0]
    assert document["level_labels"] == {"Ada": ["low", "medium", "high"], "Bell": ["low", "medium", "high"]}
    stored = open_sweep(tmp_path / "store")
    for data in (document["variables"], stored.variables):
        assert all(
            name.endswith("_level_index") or name in ("level_index", "level_label") for name in data if "level" in name
        )
    rows = tables[0][["rationality", "provider", "worst_level"]].itertuples(index=False)
    for (_, provider, label), index in zip(rows, np.ravel(document["variables"]["worst_level_index"]), strict=True):
        assert document["level_labels"][provider][index] == label
    assert set(level_names(stored, "worst_level_index").values.ravel()) <= {"low", "medium", "high"}


def test_the_default_rationality_is_free_of_the_currency(tmp_path):
    found = {}
    for factor in (1, 100):
        options = files(
            tmp_path, prices=PRICES.assign(usd_per_million_tokens=PRICES["usd_per_million_tokens"] * factor)
        )
        options[-1] = 0.02 * factor
        run("solve", *options, "--json", tmp_path / "solve.json")
        run("sweep", *options, "--json", tmp_path / "sweep.json")
        found[factor] = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("solve", "sweep")]
    for one, other in zip(*(found[factor][0]["equilibria"] for factor in (1, 100)), strict=True):
        assert one["levels"] == other["levels"]
        np.testing.assert_allclose(list(one["shares"].values()), list(other["shares"].values()), rtol=1e-9)
        assert other["welfare"] == pytest.approx(100 * one["welfare"], rel=1e-9)
    assert (found[1][0]["rationality"], found[100][0]["rationality"]) == (pytest.approx(1000), pytest.approx(10))
    swept = [found[factor][1]["scenarios"][0] for factor in (1, 100)]
    np.testing.assert_allclose(swept[0]["rationality"], 100 * np.array(swept[1]["rationality"]), rtol=1e-9)
    np.testing.assert_allclose(*(part["variables"]["price_of_anarchy"] for part in swept), rtol=1e-9)


def test_published_markets_keep_their_rationality(tmp_path):
    run("solve", "AIME/reasoning_effort", "--json", tmp_path / "solve.json")
    assert json.loads((tmp_path / "solve.json").read_text())["rationality"] == 1000


@pytest.mark.parametrize(("beta", "words"), [(1e6, "shares are 1 and 0"), (1e-6, "all shares are alike"), (1000, None)])
@pytest.mark.parametrize("command", ["solve", "dynamics"])
def test_a_rationality_off_the_scale_is_said(command, beta, words, tmp_path):
    said = " ".join(run(command, *files(tmp_path), "--rationality", beta).split())
    if words is None:
        assert "off this market's scale" not in said
    else:
        assert f"β = {beta:.4g} is off this market's scale: {words}. At β = 1000 an offer" in said
