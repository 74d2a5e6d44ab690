"""Costs of one's own, levels that lose money, and columns that nobody knows."""

import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Market, PayPerCompute, SecondScoreAuction, Users
from games.errors import InputWarning
from solver import best_response_dynamics, brute_force, pure_equilibria, welfare_optimum
from solver.equilibria import some_starts
from solver.grid import Grid, games_at
from tests.markets import profiles_of
from tests.test_own_levels import CURVES, PRICES, files, run

USERS = Users(0.02, 1000)
ARRAYS = {
    "accuracy": [[0.5, 0.8, 0.9], [0.4, 0.7]],
    "tokens": [[300, 1200, 4000], [200, 900]],
    "price_per_million": [1.0, 0.8],
}


def with_losses():
    """Ada's first level and Bell's last lose money."""
    price = [[3e-4, 1.2e-3, 4e-3], [1.6e-4, 7.2e-4]]
    cost = [[4e-4, 1e-3, 3e-3], [1e-4, 8e-4]]
    market = Market.from_arrays(**ARRAYS, cost=cost, providers=["Ada", "Bell"])
    np.testing.assert_allclose(market.price, [price[0], [*price[1], 0]], rtol=1e-12)
    return market


def test_costs_of_levels_queries_and_providers():
    plain = Market.from_arrays(**ARRAYS)
    np.testing.assert_allclose(plain.cost, plain.price / 1.25)
    margins = Market.from_arrays(**ARRAYS, margin=[0.1, 1.0])
    np.testing.assert_allclose(margins.cost, plain.price / np.array([[1.1], [2.0]]))
    by_level = Market.from_arrays(**ARRAYS, margin=[[0.1, 0.2, 0.3], [1.0, 2.0]])
    np.testing.assert_allclose(by_level.cost[0], plain.price[0] / np.array([1.1, 1.2, 1.3]))
    fixed = Market.from_arrays(**ARRAYS, fixed_cost=[1e-5, 2e-5])
    np.testing.assert_allclose((fixed.cost - plain.cost)[plain.mask], [1e-5] * 3 + [2e-5] * 2)
    assert float(fixed.cost[1, 2]) == 0.0  # padding
    mixed = Market.from_arrays(**ARRAYS, cost=[[np.nan, 1e-4, np.nan], [np.nan, np.nan]], fixed_cost=1e-6)
    np.testing.assert_allclose(mixed.cost[0, 1], 1.01e-4)
    np.testing.assert_allclose(mixed.cost[0, 0], plain.cost[0, 0] + 1e-6)
    again = plain.with_margin(0.5, fixed_cost=1e-6)
    np.testing.assert_allclose(again.cost, jnp.where(plain.mask, plain.price / 1.5 + 1e-6, 0.0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cost": [[1e-4] * 3, [1e-4] * 2], "margin": 0.25}, "beside a cost of every level"),
        ({"cost": [[1e-4] * 2, [1e-4] * 2]}, r"cost has rows of \[2, 2\]"),
        ({"margin": [0.1, 0.2, 0.3]}, "one for each of 2 providers"),
        ({"margin": [0.1, -1.0]}, "margin is -1 for provider 1 at level 0"),
        ({"fixed_cost": -1.0}, "fixed_cost is -1 for provider 0"),
    ],
)
def test_costs_that_cannot_be(arguments, words):
    with pytest.raises(InputError, match=words):
        Market.from_arrays(**ARRAYS, **arguments)


def test_levels_that_lose_money_are_struck_and_said():
    market = with_losses()
    with pytest.warns(InputWarning, match=r"struck \(Ada: 1; Bell: 2\)"):
        game = PayPerCompute(market, USERS)
    assert game.mask.tolist() == [[False, True, True], [True, False, False]]
    # The same game without those levels.
    rest = Market.from_arrays(
        accuracy=[[0.8, 0.9], [0.4]], tokens=[[1200, 4000], [200]], price_per_million=[1.0, 0.8],
        cost=[[1e-3, 3e-3], [1e-4]],
    )  # fmt: skip
    smaller = PayPerCompute(rest, USERS)
    found, expected = pure_equilibria(game), pure_equilibria(smaller)
    shift = np.array([1, 0])
    assert profiles_of(found.profiles) == profiles_of(np.asarray(expected.profiles) + shift)
    assert profiles_of(brute_force(game).equilibria) == profiles_of(found.profiles)
    best = welfare_optimum(smaller)
    assert welfare_optimum(game).profile.tolist() == (np.asarray(best.profile) + shift).tolist()
    assert float(welfare_optimum(game).welfare) == pytest.approx(float(best.welfare), rel=1e-14)
    assert best_response_dynamics(game, record=True).trajectory[0].tolist() == [1, 0]
    starts = np.asarray(some_starts(game))
    assert np.asarray(game.mask)[[[0, 1]], starts].all()
    # The auction sells at another price: all levels are on offer there.
    dear = eqx.tree_at(lambda m: m.cost, market, market.cost.at[1].set(jnp.array([7e-4, 8e-4, 0.0])))
    outcome = SecondScoreAuction(dear, Users(0.002, 1000)).outcome()
    assert (int(outcome.winner[0]), int(outcome.levels[0, 0])) == (0, 0)


def test_a_free_level_is_struck_too(tmp_path):
    options = files(tmp_path, CURVES.assign(tokens=[4000, 0, 1200, 5000, 200, 900]))
    out = ["-o", tmp_path / "report", "--rationality", "1000", "--sweep-rationality", "100,1000", "--no-figures"]
    assert run("report", *options, *out).count("struck (Ada: low)") == 1


def test_a_provider_that_sells_nothing_above_cost_is_refused_or_leaves(tmp_path):
    losing = Market.from_arrays(**ARRAYS, cost=[[1.0] * 3, [1e-4, 1e-4]], providers=["Ada", "Bell"])
    with pytest.raises(InputError, match=r"'Ada' at level '1' sells at .* or let such providers leave"):
        PayPerCompute(losing, USERS)
    assert losing.selling().providers == ("Bell",)
    with pytest.raises(InputError, match="no provider has a level"):
        losing.subset(["Ada"]).selling()
    options = files(tmp_path, CURVES.assign(cost=[1.0] * 3 + [1e-4] * 3))
    assert "let such providers leave" in run("solve", *options, code=2)
    said = run("solve", *options, "--unprofitable", "leave", "--json", tmp_path / "solve.json")
    assert said.count("warning: leave the market") == 1
    assert json.loads((tmp_path / "solve.json").read_text())["providers"] == ["Bell"]
    assert "did you mean 'leave'" in run("solve", *options, "--unprofitable", "leaves", code=2)


@pytest.mark.parametrize("command", ["solve", "dynamics", "sweep", "compare", "report"])
def test_commands_strike_once(command, tmp_path):
    costs = [3.9e-3, 4e-4, 1e-3, 3.9e-3, 1e-4, 6e-4]  # Ada at low sells at 3e-4
    options = files(tmp_path, CURVES.assign(cost=costs))
    more = {
        "report": [
            "-o",
            tmp_path / "report",
            "--rationality",
            "1000",
            "--sweep-rationality",
            "100,1000",
            "--no-figures",
        ],
        "sweep": ["--rationality", "100,1000", "--out", tmp_path / "sweep.csv"],
        "compare": ["--rationality", "1000", "--mechanism", "pay-per-compute", "--mechanism", "second-score"],
    }.get(command, ["--json", tmp_path / "out.json"])
    said = run(command, *options, *more)
    assert said.count("warning: levels that sell at or below cost are struck (Ada: low)") == 1
    if command == "solve":
        document = json.loads((tmp_path / "out.json").read_text())
        assert all(row["levels"]["Ada"] != "low" for row in document["equilibria"])
    if command == "dynamics":
        assert json.loads((tmp_path / "out.json").read_text())["trajectory"][0]["levels"]["Ada"] == "medium"
    if command == "report":
        assert "NaN" not in "".join(f.read_text() for f in (tmp_path / "report").rglob("*.json"))


def test_columns_of_costs():
    plain = Market.from_frames(CURVES, PRICES)
    price = np.asarray(plain.price)
    own = Market.from_frames(CURVES.assign(cost=[3e-3, 1e-4, np.nan] * 2, fixed_cost=1e-6), PRICES)
    np.testing.assert_allclose(own.cost[0], [1.01e-4, price[0, 1] / 1.25 + 1e-6, 3.001e-3])
    by_provider = Market.from_frames(CURVES, PRICES.assign(margin=[0.1, 1.0], fixed_cost=[1e-6, 2e-6]))
    np.testing.assert_allclose(by_provider.cost, price / np.array([[1.1], [2.0]]) + np.array([[1e-6], [2e-6]]))


@pytest.mark.parametrize(
    ("curves", "prices", "margin", "words"),
    [
        ({"cost": 1e-4}, {}, 0.3, "curves has the cost of every level"),
        ({}, {"margin": 0.1}, 0.3, "a table has a column 'margin'"),
        ({"margin": 0.2}, {"margin": 0.1}, None, "both have a column 'margin'"),
        ({"cost": 1e-4}, {"margin": 0.1}, None, "cost of every level, and a column 'margin'"),
        ({}, {"cost": 1e-4}, None, "one per level; put it into curves"),
        ({"fixed_cost": [1e-4] * 5 + [-1.0]}, {}, None, r"row 5 \(Bell\): fixed_cost is -1"),
        ({}, {"margin": [0.1, None]}, None, r"row 1 \(Bell\): margin is missing"),
    ],
)
def test_columns_that_contradict(curves, prices, margin, words):
    with pytest.raises(InputError, match=words):
        Market.from_frames(CURVES.assign(**curves), PRICES.assign(**prices), margin=margin)


def test_unknown_columns_are_named(tmp_path):
    with pytest.warns(InputWarning, match=r"curves: columns 'coost', 'remark' not known and ignored; known are model"):
        Market.from_frames(CURVES.assign(coost=1.0, remark="x"), PRICES)
    options = files(tmp_path, prices=PRICES.assign(vendor="me"))
    said = run("dynamics", *options)
    assert said.count("warning: ") == 1
    assert "prices.csv: column 'vendor' not known and ignored" in " ".join(said.split())


def test_a_grid_over_margin_refuses_costs_of_ones_own():
    one = Market.from_arrays(**ARRAYS, margin=0.4)
    grid = Grid.of(one, USERS, {"margin": [0.1, 1.0]})
    np.testing.assert_allclose(games_at(grid, jnp.arange(2)).games.market.cost[1], one.price / 2)
    others = [Market.from_arrays(**ARRAYS, **own) for own in ({"margin": [0.1, 0.2]}, {"fixed_cost": 1e-6})]
    for market in (with_losses(), *others):
        with pytest.raises(InputError, match="margin would overwrite the costs of this market, whose margins run from"):
            Grid.of(market, USERS, {"margin": [0.1]})
    with pytest.warns(InputWarning, match="struck"):
        dearer = games_at(Grid.of(with_losses(), USERS, {"list_price": [1.0, 2.0]}), jnp.arange(2)).games
    exists = np.asarray(dearer.market.mask & (dearer.market.price > dearer.market.cost))
    assert exists.sum(axis=(1, 2)).tolist() == [3, 5]
