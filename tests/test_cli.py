"""The command line: its numbers are those of the Python API, its files are whole, its tables fit, its start is light."""

import csv
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from games import (
    ExponentialValue,
    Market,
    PayPerCompute,
    PowerValue,
    SecondScoreAuction,
    Users,
    frontier_names,
    load_scenario,
    scenario_names,
)
from games.version import VERSION
from solver import best_response_dynamics, efficiency, pure_equilibria, regret, welfare_optimum
from solver import sweep as solve_sweep
from solver.cli import app
from solver.cli.options import MarketOptions, load_market, parse_rationality, parse_value_curve
from solver.cli.serialise import scenarios_document
from solver.cli.sweep_command import write_dataset
from solver.files import write_whole
from solver.reproduce import Cell
from solver.sweep import level_names

SMALL = "GPQA/reasoning_effort"
# Packages show a function of the same name in place of this module.
REPRODUCE = sys.modules[Cell.__module__]
CURVES = """model,level,accuracy,tokens
Ada,low,0.52,210
Ada,mid,0.61,900
Ada,high,0.66,4100
Bell,1,0.48,150
Bell,2,0.57,500
Bell,4,0.63,1400
Bell,8,0.65,2900
Bell,16,0.66,6000
Cox,1,0.70,800
Cox,2,0.74,2600
"""
PRICES = "model,usd_per_million_tokens\nCox,0.4\nAda,0.12\nBell,0.2\n"


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def document(*arguments, code=0):
    """What a command writes to ``--json -``, read as strict JSON."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(run(*arguments, "--json", "-", code=code).stdout, parse_constant=refuse)


@pytest.fixture
def own(tmp_path):
    """Options for a market of one's own in two CSV files."""
    (tmp_path / "my_curves.csv").write_text(CURVES)
    (tmp_path / "my_prices.csv").write_text(PRICES)
    files = ["--curves", tmp_path / "my_curves.csv", "--prices", tmp_path / "my_prices.csv"]
    return [*files, "--value-per-correct", 0.02]


def own_game(rationality, **users):
    market = Market.from_arrays(
        accuracy=[[0.52, 0.61, 0.66], [0.48, 0.57, 0.63, 0.65, 0.66], [0.70, 0.74]],
        tokens=[[210, 900, 4100], [150, 500, 1400, 2900, 6000], [800, 2600]],
        price_per_million=[0.12, 0.2, 0.4],
        providers=["Ada", "Bell", "Cox"],
        level_labels=[["low", "mid", "high"], [1, 2, 4, 8, 16], [1, 2]],
    )
    return PayPerCompute(market, Users(0.02, rationality, **users))


def check_solution(found, game):
    """Every number of a ``solve`` document against the Python API, and its equilibria against the certificate."""
    verdict = efficiency(game)
    market = game.market
    assert found["providers"] == list(market.providers)
    assert found["rationality"] == float(game.users.rationality[0])
    equilibria = pure_equilibria(game)
    assert len(found["equilibria"]) == len(equilibria) > 0
    assert found["complete"] is equilibria.complete
    assert found["reason"] == equilibria.reason
    for row, profile, welfare in zip(found["equilibria"], equilibria.profiles, equilibria.welfare, strict=True):
        assert list(row["level_indices"].values()) == profile.tolist()
        assert row["levels"] == market.labels(profile)
        assert list(row["shares"].values()) == pytest.approx(game.shares(profile)[0].tolist(), rel=1e-12)
        assert row["outside_share"] == pytest.approx(1 - sum(row["shares"].values()), abs=1e-12)
        assert list(row["profits"].values()) == pytest.approx(game.payoffs(profile).tolist(), rel=1e-12)
        assert row["user_value"] == pytest.approx(float(game.expected_user_value(profile)), rel=1e-12)
        assert row["welfare"] == float(welfare)
        assert row["max_regret"] == pytest.approx(float(regret(game, profile).max_regret), abs=1e-12)
        assert row["max_regret"] <= 1e-9
    optimum = welfare_optimum(game)
    assert found["optimum"]["levels"] == market.labels(optimum.profile)
    assert found["optimum"]["welfare"] == float(optimum.welfare)
    assert found["price_of_anarchy"] == verdict.price_of_anarchy >= found["price_of_stability"] >= 1
    assert found["choice_noise"] == verdict.choice_noise
    assert found["incentives"] == verdict.incentives
    auction = SecondScoreAuction(market, game.users).outcome()
    assert found["auction"]["winner"] == market.providers[int(auction.winner[0])]
    assert found["auction"]["runner_up"] == market.providers[int(auction.runner_up[0])]
    for name in ("price", "user_value", "winner_profit", "welfare", "winner_surplus", "runner_up_surplus"):
        assert found["auction"][name] == float(getattr(auction, name)[0])
    assert [row["name"] for row in found["ledger"]] == [row.name for row in verdict.ledger]
    for row, ours in zip(found["ledger"], verdict.ledger, strict=True):
        assert (row["users"], row["welfare"], row["losers"]) == (ours.users, ours.welfare, list(ours.losers))
        assert row["welfare"] == pytest.approx(row["users"] + row["providers"] + row["platform"], rel=1e-9)
    assert found["immaterial"] == 1e-3
    for row, ours in zip(found["provision"], verdict.provision, strict=True):
        for name in (
            "share",
            "against_optimum",
            "against_best_offer",
            "at_the_margin",
            "best_offer_change",
            "too_high",
        ):
            assert row[name] == getattr(ours, name)
        assert row["one_down"] == (ours.one_down or None)
        assert row["one_down_change"] == (ours.one_down_change if ours.one_down else None)
        assert row["best_offer"] == row["best_offers"][0]["level"] == found["auction"]["offers"][row["provider"]]


@pytest.mark.parametrize("rationality", [200, 1000, 1e6])
def test_solve_writes_the_numbers_of_the_python_api(rationality):
    found = document("solve", SMALL, "--rationality", rationality)
    check_solution(found, load_scenario(SMALL).game(rationality))
    assert (found["schema"], found["command"], found["units"]) == (1, "solve", "dollars per query")


def test_a_market_from_two_csv_files_is_solved_end_to_end(own, tmp_path):
    found = document("solve", *own, "--rationality", 2000)
    check_solution(found, own_game(2000))
    assert found["scenario"] == "my_curves"
    file = tmp_path / "solution.json"
    shown = run("solve", *own, "--rationality", 2000, "--json", file).stdout
    assert json.loads(file.read_text()) == found
    assert f"Price of anarchy {found['price_of_anarchy']:.6f}" in shown
    table = tmp_path / "own.csv"
    run("sweep", *own, "--rationality", "100,2000", "--out", table)
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["provider"] for row in rows] == ["Ada", "Bell", "Cox"] * 2
    assert float(rows[3]["optimal_welfare"]) == pytest.approx(found["optimum"]["welfare"], rel=1e-12)


def test_options_reach_the_users_and_the_market(own):
    options = ["--value-curve", "power:2", "--outside-value", 0.001, "--baseline", 0, "--margin", 1]
    found = document("solve", *own, *options, "--rationality", 500)
    game = own_game(500, value_curve=PowerValue(jnp.asarray(2.0)), outside_value=0.001, baseline=0.0)
    check_solution(found, PayPerCompute(game.market.with_margin(1.0), game.users))


def test_options_change_a_bundled_scenario():
    options = MarketOptions(
        margin=1.0,
        value_per_correct=0.5,
        value_curve="exponential",
        outside_value=-math.inf,
        providers="R1-D-Qwen-7B, R1-D-Llama-8B",
    )
    scenario = load_market(SMALL, options)
    assert scenario.market.providers == ("R1-D-Qwen-7B", "R1-D-Llama-8B")
    np.testing.assert_allclose(scenario.market.cost, scenario.market.price / 2)
    assert isinstance(scenario.users.value_curve, ExponentialValue)
    assert float(scenario.users.value_per_correct[0]) == 0.5
    assert float(scenario.users.outside_value[0]) == -math.inf
    assert scenarios_document([scenario], [])["scenarios"][0]["outside_value"] is None
    assert load_market(SMALL, MarketOptions()).users.value_per_correct[0] == 0.02


def test_reserves():
    plain, harmless = (document("solve", SMALL, "--reserve", name) for name in ("none", "no-harm"))
    market_value = plain["equilibria"][0]["user_value"]
    assert plain["auction"]["user_value"] < market_value == harmless["auction"]["user_value"]
    assert "users" not in next(row for row in harmless["ledger"] if "no-harm" in row["name"])["losers"]
    number = document("solve", SMALL, "--reserve", 0.0158)["auction"]
    assert number["user_value"] == 0.0158
    assert number["winner_profit"] == pytest.approx(plain["auction"]["winner_surplus"] - 0.0158)
    unsold = document("solve", SMALL, "--reserve", 1)["auction"]
    assert (unsold["winner"], unsold["price"], unsold["user_value"]) == (None, 0.0, 0.0)
    alone = document("solve", SMALL, "--providers", "R1-D-Qwen-7B")["auction"]
    assert (alone["reserve"], alone["runner_up"], alone["runner_up_surplus"]) == ("V0", None, None)


def test_infinite_and_undefined_ratios_are_words_with_a_note(own):
    # Answers that are worth less than they cost: nobody can create welfare.
    worthless = document("solve", *own[:-1], 1e-5, "--baseline", 0, "--rationality", 10)
    assert worthless["price_of_anarchy"] == worthless["price_of_stability"] == "undefined"
    assert worthless["note"] == "undefined: not even the optimum creates positive welfare"
    # Free-spending providers in a market whose optimum is barely worth having.
    harmful = document("solve", *own[:-1], 0.0002, "--baseline", 0, "--rationality", 10)
    assert harmful["optimum"]["welfare"] > 0 > harmful["equilibria"][0]["welfare"]
    assert harmful["price_of_anarchy"] == "infinite"
    assert harmful["note"].startswith("infinite: ")
    assert "Price of anarchy infinite" in run("solve", *own[:-1], 0.0002, "--baseline", 0, "--rationality", 10).stdout
    at_zero = document("solve", SMALL, "--rationality", 0)
    assert at_zero["ledger"][0]["consumer_surplus"] == "infinite"


def test_dynamics_records_every_round():
    found = document("dynamics", SMALL, "--order", "sequential", "--reply", "best", "--start", "highest")
    game = load_scenario(SMALL).game(1000)
    start = game.mask.sum(axis=1) - 1
    play = best_response_dynamics(game, start=start, tolerance=1e-8, record=True)
    assert (found["status"], found["num_rounds"]) == ("converged", int(play.num_rounds))
    assert len(found["trajectory"]) == found["num_rounds"] + 1
    for row, profile in zip(found["trajectory"], play.trajectory, strict=False):
        assert list(row["level_indices"].values()) == profile.tolist()
        assert row["log_potential"] == pytest.approx(float(game.log_potential(profile)), rel=1e-12)
        assert row["welfare"] == pytest.approx(float(game.welfare(profile)), rel=1e-12)
    potential = [row["log_potential"] for row in found["trajectory"]]
    assert all(after > before for before, after in itertools.pairwise(potential[:-1]))
    assert potential[-1] == potential[-2]
    assert found["max_regret"] == pytest.approx(0, abs=1e-9)


def test_dynamics_takes_labels_and_seeds_and_says_how_it_ended():
    labels = document("dynamics", SMALL, "--start", "2,3,1")["trajectory"][0]["levels"]
    assert list(labels.values()) == ["2", "3", "1"]
    assert document("dynamics", SMALL, "--start", "random", "--seed", 7) == document(
        "dynamics", SMALL, "--start", "random", "--seed", 7
    )
    starts = {str(document("dynamics", SMALL, "--start", "random", "--seed", s)["trajectory"][0]) for s in range(4)}
    assert len(starts) > 1
    assert "converged: no provider has an improving reply" in run("dynamics", SMALL).stdout
    stopped = run("dynamics", SMALL, "--max-rounds", 1).stdout
    assert "stopped: the allowed number of rounds was used up" in stopped


def test_sweep_writes_netcdf_csv_and_json_of_the_same_numbers(tmp_path):
    names = [SMALL, "AIME/reasoning_effort"]
    nc, table = tmp_path / "sweep.nc", tmp_path / "sweep.csv"
    found = document("sweep", *names, "--rationality", "10:1e5:3", "--out", nc)
    run("sweep", *names, "--rationality", "10,1000,100000", "--out", table)
    with xr.open_dataset(nc, engine="scipy") as stored:
        stored.load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.csv", "sweep.nc"]
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 3 * (3 + 3)
    for index, name in enumerate(names):
        scenario = load_scenario(name)
        ours = solve_sweep(scenario.market, scenario.users, [10, 1000, 100000])
        variables = found["scenarios"][index]["variables"]
        assert set(variables) == set(ours.data_vars)
        np.testing.assert_allclose(found["scenarios"][index]["rationality"], [10, 1000, 100000])
        part = stored.sel(scenario=name, provider=list(scenario.market.providers))
        mine = [row for row in rows if row["scenario"] == name]
        for variable in ours.data_vars:
            values = ours[variable].values
            np.testing.assert_allclose(variables[variable], values, rtol=1e-9, atol=1e-14)
            np.testing.assert_allclose(part[variable].values.astype(float), values, rtol=1e-9, atol=1e-14)
            if values.ndim == 2 and variable != "complete":
                if variable.endswith("_level_index"):
                    named = np.array([row[variable.removesuffix("_index")] for row in mine]).reshape(values.shape)
                    assert named.tolist() == level_names(ours, variable).values.tolist()
                    labels = part["level_label"].values
                    assert named[0].tolist() == [labels[i, k] for i, k in enumerate(values[0])]
                    continue
                listed = np.array([float(row[variable]) for row in mine]).reshape(values.shape)
                np.testing.assert_allclose(listed, values, rtol=1e-9, atol=1e-14)


def test_a_provider_that_one_scenario_lacks_has_no_rows_there(tmp_path):
    scenario = load_scenario(SMALL)
    data = solve_sweep(scenario.market, scenario.users, [10, 1000, 100000])
    write_dataset(tmp_path / "both.csv", [data, data.isel(provider=[2, 0])], ["all", "two"])
    with (tmp_path / "both.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert sum(row["scenario"] == "all" for row in rows) == 9
    two = {row["provider"] for row in rows if row["scenario"] == "two"}
    assert two == {"R1-D-Qwen-7B", "R1-D-Llama-8B"}
    assert {row["worst_level"] for row in rows} <= set("12345")
    assert not any(name.endswith("_index") for name in rows[0])


SHELF = ["--mechanism", "pay-per-compute", "--mechanism", "second-score", "--mechanism", "second-score-no-harm"]


def test_compare_says_who_loses(tmp_path):
    arguments = ("compare", SMALL, "--rationality", "200,1000", *SHELF)
    found = document(*arguments)["scenarios"][0]
    for beta in (200.0, 1000.0):
        verdict = efficiency(load_scenario(SMALL).game(beta))
        rows = [row for row in found["results"] if row["rationality"] == beta]
        for row, ledger in zip(rows, [verdict.ledger[0], *verdict.ledger[2:]], strict=True):
            assert row["losers"] == list(ledger.losers)
            assert row["welfare"] == pytest.approx(ledger.welfare, rel=1e-12)
            assert row["user_value"] == pytest.approx(ledger.users, rel=1e-12)
            assert row["choice_noise"] + row["incentives"] == pytest.approx(row["welfare_gain"], abs=1e-15)
    losers = [row["losers"] for row in found["results"] if row["mechanism"] == "second-score"]
    assert ["users" in names for names in losers] == [False, True]
    profits = {row["profit"] for row in found["provider_results"] if row["mechanism"] == "second-score"}
    assert len(profits) == 2  # the winner's rent and nothing
    shown = run(*arguments, "--out", str(tmp_path / "table.csv")).stdout
    assert "15.4488" in shown
    assert "15.2512" in shown
    assert "users, all" in shown
    assert (tmp_path / "table.csv").read_text().count("\n") == 7
    assert run("compare", "--mechanism", "list").stdout.splitlines()[0] == "pay-per-compute"


def test_scenarios_lists_all_and_which_have_published_results():
    found = document("scenarios")["scenarios"]
    assert [row["scenario"] for row in found] == [*scenario_names(), *frontier_names()]
    assert sum(row["published"] for row in found) == 6
    by_name = {row["scenario"]: row for row in found}
    assert by_name["AIME/all"]["value_per_correct"] == 0.05
    assert by_name[SMALL]["num_levels"] == [5, 5, 5]
    shown = run("scenarios").stdout
    assert all(name in shown for name in by_name)


CELLS = [
    Cell("GPQA/majority", 200.0, "optimal_welfare", 0.00636, 0.006362, 2e-6, 1.5e-5),
    Cell("GPQA/majority", None, "winner", "Ada", "Bell", math.inf, 0.0),
    Cell("GPQA/majority", None, "price", 0.00030, 0.00041, 1.1e-4, 1.5e-5),
]


def test_reproduce_fails_when_a_cell_differs(monkeypatch):
    monkeypatch.setattr(REPRODUCE, "reproduce", lambda: CELLS)
    shown = run("reproduce", code=1).stdout
    assert "1 of 3 published cells met, 2 failed" in shown
    assert "optimal_welfare" in shown
    assert "optimal_welfare" not in run("reproduce", "--failures-only", code=1).stdout
    found = document("reproduce", code=1)
    assert (found["num_cells"], found["num_failed"]) == (3, 2)
    assert [cell["passed"] for cell in found["cells"]] == [True, False, False]
    assert found["cells"][1]["difference"] == "infinite"
    monkeypatch.setattr(REPRODUCE, "reproduce", lambda: CELLS[:1])
    assert "1 of 1 published cells met, 0 failed" in run("reproduce").stdout


def test_report_calls_the_writer_and_says_where(own, tmp_path, monkeypatch):
    calls = []

    def write_report(scenarios, output, *, rationality, sweep_rationality, progress, command, mechanisms, figures):
        progress("page", 1, 1)
        calls.append(([s.name for s in scenarios], rationality, sweep_rationality.tolist(), command))
        assert mechanisms is None
        assert figures
        return output / "index.html"

    monkeypatch.setattr("solver.report.write_report", write_report, raising=False)
    folder = tmp_path / "report"
    found = document("report", *own, "-o", folder, "--rationality", "5", "--sweep-rationality", "1:100:3")
    assert found["page"] == str(folder / "index.html")
    names, rationality, swept, command = calls[0]
    assert (names, rationality) == (["my_curves"], [5.0])
    assert swept == pytest.approx([1, 10, 100])
    assert command.startswith("ttc-games report --curves=")
    assert command.endswith(f" --value-per-correct=0.02 -o {folder} --rationality 5 --sweep-rationality 1:100:3")
    assert str(folder / "index.html") in run("report", "-o", folder).stdout.replace("\n", "")
    assert len(calls[1][0]) == 12
    assert (calls[1][1], len(calls[1][2])) == ([200.0, 1000.0, 100000.0], 100)


@pytest.mark.parametrize(("missing", "module"), [("vl-convert-python", "vl_convert"), ("jinja2", "jinja2")])
def test_report_without_its_packages_says_what_to_install(missing, module, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == module else object())
    result = run("report", SMALL, "-o", tmp_path / "report", code=2)
    assert result.stderr == f"error: report: {missing} is not installed; run: pip install 'ttc-games[report]'\n"
    assert list(tmp_path.iterdir()) == []


def test_texts_become_rationalities_and_value_curves():
    np.testing.assert_allclose(parse_rationality("1:1e6:100"), np.logspace(0, 6, 100))
    assert parse_rationality("0").tolist() == [0.0]
    assert parse_rationality("5:5:1").tolist() == [5.0]
    assert float(parse_value_curve("power").exponent) == 3.5
    assert float(parse_value_curve("exponential:2").curvature) == 2.0


@pytest.mark.parametrize(
    "arguments",
    [
        ["scenarios"],
        ["solve"],
        ["dynamics", SMALL],
        ["compare", SMALL, "--rationality", "200,1000", *SHELF],
        ["sweep", SMALL, "--rationality", "1,10,100"],
        ["reproduce"],
    ],
)
def test_tables_fit_eighty_columns_without_losing_a_cell(arguments, monkeypatch, own):
    monkeypatch.setenv("COLUMNS", "80")
    if arguments == ["solve"]:
        for file, text in ((own[1], CURVES), (own[3], PRICES)):
            text = re.sub("Ada", "R1-Distill-Llama-8B", re.sub("(mid|high|low)", r"reasoning_effort/\1", text))
            file.write_text(re.sub("Bell,(\\d+),", r"Bell,majority/\1,", text))
        arguments = ["solve", *own]
    if arguments == ["reproduce"]:
        long = "R1-D-Qwen-1.5B"
        cell = Cell(SMALL, 100000.0, "share_weighted_user_value", 0.01535, 0.0153555, 5.5e-6, 1.5e-5)
        names = Cell(SMALL, None, "runner_up", long, long, 0.0, 0.0)
        monkeypatch.setattr(REPRODUCE, "reproduce", lambda: [cell, names])
    narrow = run(*arguments).stdout
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow
    monkeypatch.setenv("COLUMNS", "400")
    wide = run(*arguments).stdout

    def numbers(text):
        return re.findall(r"(?<![\w.])-?\d+\.\d+(?:e-?\d+)?(?![\w.])", text)

    assert numbers(narrow) == numbers(wide)
    assert len(numbers(wide)) > 1
    squeezed = (re.sub(r"[\s─]", "", text) for text in (narrow, wide))
    assert sorted(next(squeezed)) == sorted(next(squeezed))


def test_interrupt_is_one_line_and_exit_code_130(monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("solver.efficiency", interrupt)
    result = run("solve", SMALL, "--json", tmp_path / "out.json", code=128 + signal.SIGINT)
    assert result.stderr == "error: interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_neither_a_part_nor_a_temporary_file(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("before")

    def half(path):
        path.write_text("half")
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        write_whole(target, half)
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def start(*command, **options):
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    return subprocess.Popen([sys.executable, *command], stdout=-1, stderr=-1, text=True, env=environment, **options)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from solver.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "heavy = {'jax', 'jaxlib', 'numpy', 'scipy', 'pandas', 'xarray', 'equinox', 'matplotlib', 'games'}\n"
        "print(sorted(heavy & set(sys.modules)), code, file=sys.stderr)"
    )
    begin = time.perf_counter()
    text, errors = start("-c", code, "--help").communicate(timeout=60)
    print(f"ttc-games --help took {time.perf_counter() - begin:.2f} s")
    assert errors.strip() == "[] 0"
    commands = ("scenarios", "solve", "dynamics", "sweep", "compare", "reproduce", "report")
    assert all(re.search(rf"^\W*{command} ", text, re.MULTILINE) for command in commands)


def test_version():
    assert re.fullmatch(r"ttc-games \d+\.\d+\.\d+\n", run("--version").stdout)


def test_a_source_tree_needs_no_installation(tmp_path):
    """The version is known, and its program runs, where nothing called ttc-games is installed."""
    root = Path(__file__).parents[1]
    code = (
        "import importlib.metadata as metadata, sys\n"
        "real = metadata.distribution\n"
        "def none(name):\n"
        "    if name == 'ttc-games': raise metadata.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "metadata.distribution = none\n"
        "import runpy; sys.argv[1:] = ['scenarios', '--json', '-']\n"
        "runpy.run_module('solver.cli', run_name='__main__')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(root)}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["version"] == VERSION


@pytest.mark.parametrize("place", ["CITATION.cff", "docs/cite.md"])
def test_the_version_to_cite_is_that_of_the_software(place):
    text = (Path(__file__).parents[1] / place).read_text("utf-8")
    assert re.findall(r"^\s*version\s*[:=] \{?(\d[\d.]*)\}?,?$", text, re.MULTILINE) == [VERSION]


def test_no_code_asks_what_is_installed():
    """A source tree has no metadata; only the peers, which the benchmarks may lack, are looked up there."""
    root = Path(__file__).parents[1]
    asking = [path for name in ("games", "solver") for path in (root / name).rglob("*.py")]
    assert not [str(path) for path in asking if "importlib.metadata" in path.read_text("utf-8")]


def test_a_closed_pipe_is_quiet():
    process = start("-c", "from solver.cli import main; main()", "scenarios", "--json", "-")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), errors) == (1, "")


SCHEMA = (Path(__file__).parents[1] / "docs/reference/json.md").read_text("utf-8")


def keys(value):
    """Names of the fields of a document; what is keyed by provider or variable counts as one field."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    open_ended = ("levels", "level_indices", "level_labels", "shares", "profits", "offers", "variables")
    return set(value) | set().union(*(keys(v) for name, v in value.items() if name not in open_ended))


@pytest.mark.parametrize(
    "arguments",
    [
        ["scenarios"],
        ["solve", SMALL],
        ["dynamics", SMALL],
        ["sweep", SMALL, "--rationality", "1,10,100"],
        ["compare", SMALL, "--rationality", "200,1000", *SHELF],
        ["reproduce"],
    ],
)
def test_every_json_field_is_documented(arguments, monkeypatch):
    monkeypatch.setattr(REPRODUCE, "reproduce", lambda: CELLS[:1])
    section = SCHEMA.partition(f"\n## {arguments[0]}\n")[2].partition("\n## ")[0]
    common = SCHEMA.partition("\n## Every document\n")[2].partition("\n## ")[0]
    assert section
    documented = set(re.findall(r"`(\w+)`", common + section))
    assert keys(document(*arguments)) - documented == set()
