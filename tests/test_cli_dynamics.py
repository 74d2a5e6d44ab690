"""Learning, continuous compute and sensitivity on the command line: the numbers of the Python API, pictures whole or absent."""

import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from games import ContinuousCompute, load_scenario
from solver import (
    Hedge,
    continuous_equilibria,
    continuous_regret,
    gradient_dynamics,
    learn,
    mixed_extension,
    mixed_regret,
    provision_identity,
    pure_equilibria,
    welfare_optimum,
)
from solver.cli import app
from solver.cli.continuous_commands import differentiate
from solver.cli.plays import MIXED
from solver.continuous_optimum import continuous_optimum
from solver.learning_rules import RULES

SMALL = "GPQA/reasoning_effort"
CURVES = "model,level,accuracy,tokens,method\n" + "".join(
    f"{name},{k + 1},{accuracy[k]},{tokens[k]},{method}\n"
    for name, tokens in (
        ("Ada", (200, 400, 800, 1600, 3000)),
        ("Bell", (150, 300, 700, 1500, 2500)),
        ("Cox", (300, 600, 900, 1800, 3500)),
    )
    for method, accuracy in (("one", (0.5, 0.6, 0.7, 0.72, 0.73)), ("two", (0.4, 0.5, 0.55, 0.56, 0.57)))
    for k in range(5)
)
PRICES = "model,usd_per_million_tokens\nCox,0.4\nAda,0.12\nBell,0.2\n"


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def document(*arguments):
    """What a command writes to ``--json -``, read as strict JSON."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(run(*arguments, "--json", "-").stdout, parse_constant=refuse)


def game_of(rationality=1000.0):
    scenario = load_scenario(SMALL)
    return ContinuousCompute(scenario.market, scenario.users.with_rationality(rationality))


def test_learn_writes_the_numbers_of_the_python_api():
    found = document("learn", SMALL, "--method", "hedge", "--rounds", 60, "--seed", 3)
    game = load_scenario(SMALL).game(1000)
    played = learn(game, Hedge(), key=jax.random.key(3), max_steps=60, tolerance=1e-6, record=True)
    assert (found["num_steps"], found["seed"], found["rounds"]) == (60, 3, 60)
    optimum = float(welfare_optimum(game).welfare)
    for row, mixed in zip(found["outcomes"], (played.mixed, played.average), strict=True):
        judged = mixed_regret(game, mixed)
        assert row["max_regret"] == pytest.approx(float(judged.max_regret), rel=1e-9)
        assert row["is_equilibrium"] is bool(judged.max_regret <= 1e-6)
        welfare = float(mixed_extension(game).welfare(mixed))
        assert row["welfare"] == pytest.approx(welfare, rel=1e-12)
        assert row["welfare_ratio"] == pytest.approx(optimum / welfare, rel=1e-12)
        for i, name in enumerate(game.market.providers):
            assert list(row["probabilities"][name].values()) == pytest.approx(mixed[i].tolist(), abs=1e-12)
            assert row["tokens"][name] == pytest.approx(float(mixed[i] @ game.market.tokens[i]), rel=1e-12)
    assert found["curve"]["last_regret"][-1] == pytest.approx(found["outcomes"][0]["max_regret"], rel=1e-6)
    assert found["curve"]["average_regret"][-1] == pytest.approx(found["outcomes"][1]["max_regret"], rel=1e-6)
    assert found["curve"]["round"][-1] == 60
    other = document("learn", SMALL, "--method", "hedge", "--rounds", 60, "--seed", 4)
    assert other["curve"]["tokens"] != found["curve"]["tokens"]


def test_learn_by_gradients_writes_the_numbers_of_the_python_api():
    found = document("learn", SMALL, "--method", "extragradient", "--rationality", 200, "--rounds", 150)
    game = game_of(200.0)
    played = gradient_dynamics(game, update="extragradient", max_steps=150, record=True)
    last = found["outcomes"][0]
    assert list(last["tokens"].values()) == pytest.approx(np.exp(played.log_compute).tolist(), rel=1e-12)
    regret = float(continuous_regret(game, played.log_compute).max_regret)
    assert last["max_regret"] == pytest.approx(regret, abs=1e-12)
    assert last["is_equilibrium"] is True
    assert last["welfare"] == pytest.approx(float(game.welfare(played.log_compute)), rel=1e-12)
    assert found["optimal_welfare"] == float(continuous_optimum(game).welfare)
    assert "probabilities" not in last


def test_a_local_optimum_is_called_one():
    shown = run("learn", SMALL, "--method", "extragradient", "--rounds", 150).stdout
    assert "local optimum: no small change pays" in " ".join(shown.split())
    assert "no equilibrium: a provider gains" in " ".join(shown.split())


def test_the_quantal_path_ends_at_the_equilibrium():
    found = document("learn", SMALL, "--method", "quantal")
    limit = found["outcomes"][1]
    assert limit["name"] == "limit"
    assert limit["is_equilibrium"] is True
    labels = load_scenario(SMALL).market.labels(pure_equilibria(load_scenario(SMALL).game(1000)).worst)
    assert {name: max(row, key=row.get) for name, row in limit["probabilities"].items()} == labels
    assert found["curve"]["precision"][-1] == pytest.approx(1e4)
    assert run("learn", SMALL, "--method", "quantal", "--seed", 1, code=2).stderr.startswith("error: --seed: ")


def test_the_command_line_knows_every_rule():
    assert set(MIXED) == set(RULES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["learn", SMALL, "--method", "hegde"], "unknown --method 'hegde': did you mean 'hedge'?"),
        (["learn", SMALL, "--method", "extra-gradient"], "did you mean 'extragradient'"),
        (["sensitivity", SMALL, "--wrt", "margn"], "unknown --wrt 'margn': did you mean 'margin'?"),
        (["sensitivity", SMALL, "--wrt", "xyz"], "known are margin, rationality, value, price"),
        (["continuous", "GPQA/reasoning"], "did you mean 'GPQA/reasoning_effort'"),
        (["continuous", SMALL, "--rationality", "-1"], "rationality"),
    ],
)
def test_bad_names_are_refused_in_one_line_with_the_nearest(arguments, words):
    result = run(*arguments, code=2)
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["play.svg", "play.png"])
def test_a_picture_is_written_whole(name, tmp_path):
    file = tmp_path / name
    run("learn", SMALL, "--method", "hedge", "--rounds", 60, "--plot", file)
    content = file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name.endswith("svg"):
        text = content.decode()
        assert all(provider in text for provider in load_scenario(SMALL).market.providers)
        assert "largest relative gain left" in text
        assert "mathdefault" not in text
    else:
        assert content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("plot", "words"),
    [("missing/play.svg", "there is no directory"), ("play.pdf", "must end in .svg or .png"), ("", "must end in")],
)
def test_an_unwritable_picture_is_refused_before_anything_is_computed(plot, words, tmp_path, monkeypatch):
    def computed(*_):
        raise AssertionError("computed before the path was checked")

    monkeypatch.setattr("solver.cli.plays.play", computed)
    result = run("learn", SMALL, "--plot", tmp_path / plot, "--json", tmp_path / "a.json", code=2)
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "matplotlib" else object())
    result = run("learn", SMALL, "--plot", tmp_path / "play.svg", code=2)
    assert result.stderr == "error: --plot: matplotlib is not installed; run: pip install 'ttc-games[report]'\n"
    assert list(tmp_path.iterdir()) == []


def test_learn_takes_the_rows_of_one_method(tmp_path):
    (tmp_path / "c.csv").write_text(CURVES)
    (tmp_path / "p.csv").write_text(PRICES)
    own = ["--curves", tmp_path / "c.csv", "--prices", tmp_path / "p.csv", "--value-per-correct", 0.02]
    found = [
        document("learn", *own, "--curves-method", method, "--rounds", 60)["optimal_welfare"]
        for method in ("one", "two")
    ]
    assert found[0] > found[1]


def test_continuous_writes_the_numbers_of_the_python_api():
    found = document("continuous", SMALL)
    game, scenario = game_of(), load_scenario(SMALL)
    ours = continuous_equilibria(game)
    assert len(found["equilibria"]) == len(ours) == 1
    assert (found["complete"], found["reason"], found["skipped"]) == (ours.complete, ours.reason, ours.skipped)
    row = found["equilibria"][0]
    assert list(row["tokens"].values()) == pytest.approx(ours.compute[0].tolist(), rel=1e-12)
    assert list(row["prices"].values()) == pytest.approx(game.price(ours.worst).tolist(), rel=1e-12)
    assert row["welfare"] == float(ours.welfare[0])
    assert row["max_regret"] == pytest.approx(float(continuous_regret(game, ours.worst).max_regret), abs=1e-12)
    assert row["max_regret"] <= found["tolerance"]
    discrete = pure_equilibria(scenario.game(1000)).worst
    assert found["discrete"]["levels"] == scenario.market.labels(discrete)
    assert found["discrete"]["welfare"] == float(scenario.game(1000).welfare(discrete))
    for mine, theirs in zip(found["provision"], provision_identity(game, ours.worst), strict=True):
        assert (mine["provider"], mine["verdict"], mine["held"]) == (theirs.provider, theirs.verdict, theirs.held)
        assert mine["marginal_quality"] - mine["marginal_cost"] == pytest.approx(mine["identity"], rel=1e-6)
        assert mine["unit_profit"] == theirs.unit_profit
    assert found["optimal_welfare"] >= float(welfare_optimum(scenario.game(1000)).welfare)


def test_no_continuous_profile_beats_the_optimum():
    game = game_of(200.0)
    optimum = float(continuous_optimum(game).welfare)
    lower, upper = game.bounds
    random = lower + jax.random.uniform(jax.random.key(0), (2000, lower.size)) * (upper - lower)
    best = float(jax.vmap(game.welfare)(random).max())
    assert 0.98 * optimum < best <= optimum * (1 + 1e-6)


@pytest.mark.parametrize("wrt", ["rationality", "price", "value", "margin"])
def test_sensitivity_agrees_with_central_differences(wrt):
    found = document("sensitivity", SMALL, "--wrt", wrt)
    assert (found["wrt"], found["regularity"], found["unique"]) == (wrt, "regular", True)
    slope = differentiate(game_of(), wrt)
    assert found["at"] == slope.at
    for name in ("welfare", "user_value"):
        assert found["values"][name] == float(slope.found.values[name])
        assert found["derivatives"][name] == float(slope.found.derivatives[name])

    def at(parameter):
        options = {
            "rationality": ["--rationality", parameter],
            "value": ["--value-per-correct", parameter],
            "margin": ["--margin", parameter],
        }
        if wrt != "price":
            row = document("continuous", SMALL, *options[wrt])["equilibria"][0]
        else:
            # List prices up and costs as they are: every amount of money else down, and β and the margin to match.
            margin = repr(1.25 * parameter - 1)
            scaled = ["--value-per-correct", repr(0.02 / parameter), "--rationality", repr(1000 * parameter)]
            row = document("continuous", SMALL, *scaled, "--margin", margin)["equilibria"][0]
            row["welfare"], row["user_value"] = row["welfare"] * parameter, row["user_value"] * parameter
        return row

    step = 1e-4 * found["at"]
    low, high = at(found["at"] - step), at(found["at"] + step)
    for name in ("welfare", "user_value"):
        difference = (high[name] - low[name]) / (2 * step)
        assert found["derivatives"][name] == pytest.approx(difference, rel=1e-4, abs=1e-12)
    tokens = [np.log(list(row["tokens"].values())) for row in (low, high)]
    ours = list(found["derivatives"]["log_compute"].values())
    np.testing.assert_allclose(ours, (tokens[1] - tokens[0]) / (2 * step), rtol=1e-3, atol=1e-9 / found["at"])


def test_sensitivity_says_which_bound_holds_whom():
    # Users who do not look at value: every provider computes as much as it can.
    shown = " ".join(run("sensitivity", SMALL, "--rationality", 1, "--wrt", "rationality").stdout.split())
    held = document("sensitivity", SMALL, "--rationality", 1, "--wrt", "rationality")["held"]
    assert set(held.values()) == {True}
    assert f"Held by a bound, and moved only with it: {', '.join(held)}" in shown


def test_sensitivity_at_a_bound_that_just_binds_says_so(monkeypatch):
    game = game_of()
    free = continuous_equilibria(game).worst

    def narrow(market, users):
        made = ContinuousCompute(market, users)
        return ContinuousCompute(market, users, upper=jnp.exp(made.upper).at[0].set(jnp.exp(free[0])))

    monkeypatch.setattr("games.ContinuousCompute", narrow)
    result = document("sensitivity", SMALL)
    assert (result["regularity"], result["explanation"]) == (
        "bound_just_binding",
        "a bound is just binding: derivatives hold on one side only",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["learn", SMALL, "--method", "hedge", "--rounds", "60"],
        ["learn", SMALL, "--method", "extragradient", "--rounds", "150"],
        ["continuous", SMALL],
        ["sensitivity", SMALL],
    ],
)
def test_tables_fit_eighty_columns_without_losing_a_cell(arguments, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    narrow = run(*arguments).stdout
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow
    monkeypatch.setenv("COLUMNS", "400")
    wide = run(*arguments).stdout
    squeezed = [sorted(re.sub(r"[\s─]", "", text)) for text in (narrow, wide)]
    assert squeezed[0] == squeezed[1]


SCHEMA = (Path(__file__).parents[1] / "docs/reference/json.md").read_text("utf-8")
BY_NAME = ("levels", "tokens", "prices", "shares", "profits", "probabilities", "held", "log_compute")


def keys(value):
    """Names of the fields of a document; what is keyed by provider counts as one field."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    return set(value) | set().union(*(keys(v) for name, v in value.items() if name not in BY_NAME))


@pytest.mark.parametrize(
    "arguments",
    [["learn", SMALL, "--method", "hedge", "--rounds", "60"], ["continuous", SMALL], ["sensitivity", SMALL]],
)
def test_every_json_field_is_documented(arguments):
    section = SCHEMA.partition(f"\n## {arguments[0]}\n")[2].partition("\n## ")[0]
    common = SCHEMA.partition("\n## Every document\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`(\w+)`", common + section))
    found = keys(document(*arguments))
    assert len(found) > 15
    assert found - documented == set()
