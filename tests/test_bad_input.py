"""Bad input is refused with one line that names the place and the remedy, exit code 2, and nothing written."""

import math
import re

import jax.numpy as jnp
import pandas as pd
import pytest
from typer.testing import CliRunner

from games import InputError, Market, PayPerCompute, SecondScoreAuction, Users, load_scenario
from solver import best_response_dynamics
from solver import sweep as solve_sweep
from solver.cli import app

CURVES = "model,level,accuracy,tokens\nAda,1,0.5,100\nAda,2,0.6,200\nBell,1,0.7,300\n"
PRICES = "model,usd_per_million_tokens\nAda,0.1\nBell,0.2\n"
SMALL = "GPQA/reasoning_effort"

# What is wrong, the two files, the place and the remedy that the message must name.
TABLES = {
    "NaN accuracy": (
        CURVES.replace("0.6", "nan"),
        PRICES,
        "curves.csv, line 3 (Ada): accuracy is missing (NaN)",
        "it must be a number within [0, 1]",
    ),
    "empty cell": (CURVES.replace("0.7,", ","), PRICES, "curves.csv, line 4 (Bell): accuracy", "must be a number"),
    "text for a number": (CURVES.replace("200", "many"), PRICES, "curves.csv, line 3 (Ada): tokens is many", "must be"),
    "accuracy 1.2": (
        CURVES.replace("0.7", "1.2"),
        PRICES,
        "curves.csv, line 4 (Bell): accuracy is 1.2",
        "it must be a number within [0, 1]",
    ),
    "negative tokens": (
        CURVES.replace("300", "-300"),
        PRICES,
        "curves.csv, line 4 (Bell): tokens is -300",
        "it must be a finite number, not negative",
    ),
    "infinite tokens": (CURVES.replace("300", "inf"), PRICES, "curves.csv, line 4 (Bell): tokens is inf", "finite"),
    "negative price": (
        CURVES,
        PRICES.replace("0.2", "-0.2"),
        "prices.csv, line 3 (Bell): usd_per_million_tokens is -0.2",
        "it must be a finite number, not negative",
    ),
    "NaN price": (CURVES, PRICES.replace("0.1", "NaN"), "prices.csv, line 2 (Ada)", "must be a finite number"),
    "model without a price": (
        CURVES,
        PRICES.replace("Bell", "Belle"),
        "curves.csv, line 4: 'Bell' has no row in",
        "add its price (unknown model 'Bell': did you mean 'Belle'?)",
    ),
    "duplicated row": (
        CURVES + "Ada,2,0.6,200\n",
        PRICES,
        "curves.csv, line 5: repeats line 3 (model Ada, level 2)",
        "keep one of them",
    ),
    "duplicated price": (
        CURVES,
        PRICES + "Ada,0.3\n",
        "prices.csv, line 4: repeats line 2 (model Ada)",
        "keep one of them",
    ),
    "missing column": (
        CURVES.replace("accuracy", "acc"),
        PRICES,
        "curves.csv: column 'accuracy' is missing",
        "needed are model, level, accuracy, tokens, found model, level, acc, tokens",
    ),
    "missing price column": (
        CURVES,
        PRICES.replace("usd_per_million_tokens", "price"),
        "prices.csv: column 'usd_per_million_tokens' is missing",
        "needed are model, usd_per_million_tokens",
    ),
    "empty file": ("", PRICES, "curves.csv: the file is empty", "it needs a header line and at least one row"),
    "empty prices": (CURVES, "", "prices.csv: the file is empty", "it needs a header line and at least one row"),
    "header only": (CURVES.splitlines()[0] + "\n", PRICES, "curves.csv: no rows", "it needs one row per level"),
    "no model name": (CURVES.replace("Bell,1", ",1"), PRICES, "curves.csv, line 4: model", "give the model's name"),
    "missing level": (
        CURVES.replace("Ada,2", "Ada,"),
        PRICES,
        "curves.csv, line 3 (Ada): level is missing",
        "give the level's name",
    ),
    "ragged row": (CURVES + "Ada,3,0.7,400,9,9\n", PRICES, "curves.csv: not a readable CSV table", "line 5"),
    "not text": (b"\xff\xfe\x00\x01\x80", PRICES, "curves.csv: not a readable CSV table", "save it as"),
    "free level": (
        "model,level,accuracy,tokens\nAda,1,0.5,0\nBell,1,0.5,100\n",
        PRICES,
        "'Ada' at level '1' sells at 0 dollars",
        "set a margin above 0, or let such providers leave",
    ),
    "two benchmarks": (
        "benchmark,model,level,accuracy,tokens\nX,Ada,1,0.5,100\nY,Ada,1,0.5,100\n",
        PRICES,
        "curves.csv: holds several values of benchmark (X, Y)",
        "name one with benchmark",
    ),
}


@pytest.fixture
def files(tmp_path):
    """Write two tables, and give the options that name them."""

    def write(curves, prices):
        paths = []
        for name, text in (("curves.csv", curves), ("prices.csv", prices)):
            path = tmp_path / name
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            paths.append(path)
        return paths

    return write


def refused(folder, *arguments):
    """Run a command that must be refused in one line, writing nothing; that line."""
    before = sorted(folder.rglob("*"))
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output + repr(result.exception)
    assert result.stdout == ""
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(folder.rglob("*")) == before
    return result.stderr


@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize("command", ["solve", "sweep", "report"])
def test_bad_tables_on_the_command_line(case, command, files, tmp_path):
    curves, prices, place, remedy = TABLES[case]
    paths = files(curves, prices)
    target = {"solve": "--json", "sweep": "--out", "report": "-o"}[command]
    output = tmp_path / {"solve": "out.json", "sweep": "out.csv", "report": "out"}[command]
    options = ["--curves", paths[0], "--prices", paths[1], "--value-per-correct", 0.02]
    line = refused(tmp_path, command, *options, target, output)
    assert place in line
    assert remedy in line


@pytest.mark.parametrize("case", TABLES)
def test_bad_tables_in_python(case, files):
    curves, prices, place, remedy = TABLES[case]
    paths = files(curves, prices)
    with pytest.raises(InputError) as caught:
        PayPerCompute(Market.from_csv(*paths), Users(0.02, 1000))
    assert place in str(caught.value)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


def test_frames_name_the_index_label():
    curves = pd.DataFrame({"model": ["Ada"], "level": [1], "accuracy": [1.2], "tokens": [100]}, index=["first"])
    prices = pd.DataFrame({"model": ["Ada"], "usd_per_million_tokens": [0.1]})
    with pytest.raises(InputError, match=r"curves, row first \(Ada\): accuracy is 1\.2; it must be"):
        Market.from_frames(curves, prices)


ARRAYS = {
    "NaN accuracy": ({"accuracy": [[0.5, math.nan]]}, "accuracy of 'Ada' at level 'b' is nan", "within [0, 1]"),
    "accuracy 1.2": ({"accuracy": [[1.2, 0.5]]}, "accuracy of 'Ada' at level 'a' is 1.2", "within [0, 1]"),
    "negative tokens": ({"tokens": [[100, -1]]}, "tokens of 'Ada' at level 'b' is -1", "not negative"),
    "negative price": ({"price_per_million": [-0.1]}, "price of 'Ada' at level 'a'", "not negative"),
    "no provider": ({"accuracy": [], "tokens": []}, "no provider", "give at least one"),
    "no level": ({"accuracy": [[]], "tokens": [[]], "level_labels": [[]]}, "'Ada' has no level", "give it one"),
    "two of a name": (
        {"accuracy": [[0.5], [0.6]], "tokens": [[1], [2]], "providers": ["Ada", "Ada"], "level_labels": None}
        | {"price_per_million": 0.1},
        "provider 'Ada' is listed twice",
        "give each its own name",
    ),
    "margin": ({"margin": -1.0}, "margin is -1", "above -1"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_bad_arrays(case):
    changes, place, remedy = ARRAYS[case]
    good = {"accuracy": [[0.5, 0.6]], "tokens": [[100, 200]], "price_per_million": [0.1], "providers": ["Ada"]}
    with pytest.raises(InputError) as caught:
        Market.from_arrays(**(good | {"level_labels": [["a", "b"]]} | changes))
    assert place in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize("command", ["solve", "dynamics", "sweep", "compare", "report"])
def test_an_unknown_scenario_suggests_the_nearest(command, tmp_path):
    options = ["-o", tmp_path / "report"] if command == "report" else []
    line = refused(tmp_path, command, "GSM8K/majorty", *options)
    assert line.startswith("error: unknown scenario 'GSM8K/majorty': did you mean 'GSM8K/majority'")
    with pytest.raises(InputError, match="did you mean 'GSM8K/majority'"):
        load_scenario("GSM8K/majorty")
    with pytest.raises(InputError, match="known are GSM8K/majority, GSM8K/best_of_n"):
        load_scenario("zzzzzz")


@pytest.mark.parametrize("margin", [0.0, -0.2])
@pytest.mark.parametrize("command", ["solve", "dynamics", "sweep", "compare", "report"])
def test_a_margin_without_profit_is_refused_where_logarithms_need_it(command, margin, tmp_path):
    options = ["-o", tmp_path / "report"] if command == "report" else []
    line = refused(tmp_path, command, SMALL, "--margin", margin, *options)
    assert "market: 'R1-D-Llama-8B' at level '1' sells at" in line
    assert "set a margin above 0" in line
    scenario = load_scenario(SMALL, margin=margin)
    with pytest.raises(InputError, match="set a margin above 0"):
        scenario.game()
    # The auction needs no profit in the posted market.
    assert SecondScoreAuction(scenario.market, scenario.users).outcome().winner[0] >= 0


BETAS = {
    "-5": ("users: rationality is -5", "it must be finite and not negative"),
    "inf": ("users: rationality is inf", "for the limit of perfectly rational users take 1e9"),
    "nan": ("users: rationality is nan", "it must be finite and not negative"),
}


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("command", ["solve", "dynamics", "sweep", "compare", "report"])
def test_bad_rationality(command, beta, tmp_path):
    place, remedy = BETAS[beta]
    output = {"report": "-o", "sweep": "--out"}.get(command, "--json")
    line = refused(tmp_path, command, SMALL, "--rationality", beta, output, tmp_path / "out.csv")
    assert place in line
    assert remedy in line
    with pytest.raises(InputError) as caught:
        Users(0.02, float(beta))
    assert place in str(caught.value)
    assert remedy in str(caught.value)
    scenario = load_scenario(SMALL)
    with pytest.raises(InputError, match="rationality"):
        solve_sweep(scenario.market, scenario.users, [1.0, float(beta)])


USERS = {
    "value_per_correct": (0.0, "it must be a positive number of dollars"),
    "outside_value": (math.inf, "or -inf for no outside option"),
    "baseline": (1.5, "it must lie within [0, 1]"),
}


@pytest.mark.parametrize("field", USERS)
def test_bad_users(field, tmp_path):
    value, remedy = USERS[field]
    line = refused(tmp_path, "solve", SMALL, f"--{field.replace('_', '-')}={value}")
    assert f"users: {field} is {value:g}" in line
    assert remedy in line
    with pytest.raises(InputError, match=f"users: {field} is"):
        Users(**({"value_per_correct": 0.02, "rationality": 1000.0} | {field: value}))


OUTPUTS = [["solve", SMALL, "--json"], ["sweep", SMALL, "--out"], ["reproduce", "--json"], ["scenarios", "--json"]]


@pytest.mark.parametrize("arguments", OUTPUTS)
def test_unwritable_outputs_are_found_before_any_work(arguments, tmp_path, monkeypatch):
    def work(*_, **__):
        raise AssertionError("started to compute")

    for name in ("solver.efficiency", "solver.sweep", "games.load_scenario"):
        monkeypatch.setattr(name, work)
    missing = tmp_path / "nowhere" / "out.csv"
    line = refused(tmp_path, *arguments, missing)
    assert f"{arguments[-1]} {missing}: there is no directory {missing.parent}" in line
    assert "create it or choose another path" in line
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert f"{folder}: is a directory; name a file in it" in refused(tmp_path, *arguments, folder)
    # A file system that refuses new files, even to the administrator.
    line = refused(tmp_path, *arguments, "/proc/ttc-games.csv")
    assert "/proc/ttc-games.csv: cannot be written" in line
    assert "choose another path" in line


def test_an_unwritable_report_is_refused(tmp_path):
    (tmp_path / "taken").write_text("a file")
    for path in (tmp_path / "taken", "/proc/ttc-games"):
        line = refused(tmp_path, "report", SMALL, "-o", path)
        assert str(path) in line
        assert "give a folder" in line


USAGE = [
    ([], "see 'ttc-games --help'"),
    (["sovle", SMALL], "No such command 'sovle'"),
    (["solve", SMALL, "--ratio", "5"], "No such option"),
    (["solve", SMALL, "--rationality", "many"], "see 'ttc-games solve --help'"),
    (["solve"], "name a scenario ('ttc-games scenarios' lists them) or give --curves"),
    (["sweep"], "name a scenario ('ttc-games scenarios' lists them) or give --curves"),
    (["solve", SMALL, "--curves", "a.csv"], "give a scenario or --curves and --prices, not both"),
    (["solve", "--curves", "a.csv"], "--prices: missing"),
    (["solve", "--curves", "a.csv", "--prices", "b.csv"], "--value-per-correct: missing"),
    (["solve", "--curves", "a.csv", "--prices", "b.csv", "--value-per-correct", "1"], "a.csv: no such file"),
    (["solve", "--curves", ".", "--prices", "b.csv", "--value-per-correct", "1"], "cannot be read"),
    (["solve", SMALL, "--method", "majority"], "belongs to --curves"),
    (["solve", SMALL, "--providers", "R1-D-Qwen"], "did you mean 'R1-D-Qwen-7B'"),
    (["solve", SMALL, "--value-curve", "powr"], "did you mean 'power'?"),
    (["solve", SMALL, "--value-curve", "power:-1"], "above 0"),
    (["solve", SMALL, "--value-curve", "linear:2"], "write linear, power:EXPONENT"),
    (["solve", SMALL, "--reserve", "much"], "must be none, V0, no-harm, user-optimal or a number"),
    (["solve", SMALL, "--reserve", "nan"], "it must be a finite number of dollars per query"),
    (["dynamics", SMALL, "--order", "sequentail"], "did you mean 'sequential'?"),
    (["dynamics", SMALL, "--reply", "bset"], "did you mean 'best'"),
    (["dynamics", SMALL, "--start", "1,2"], "2 labels for 3 providers"),
    (["dynamics", SMALL, "--start", "1,2,9"], "unknown level of R1-D-Qwen-7B in --start '9': known are 1, 2, 3, 4, 5"),
    (["dynamics", SMALL, "--max-rounds", "0"], "see 'ttc-games dynamics --help'"),
    (["sweep", SMALL, "--rationality", "1:10"], "LO:HI:COUNT such as 1:1e6:100"),
    (["sweep", SMALL, "--rationality", "0:10:5"], "log spacing needs 0 < LO <= HI"),
    (["sweep", SMALL, "--rationality", "1:10:2.5"], "COUNT must be a whole number"),
    (["sweep", SMALL, "--rationality", "1:inf:5"], "take 1e9"),
    (["sweep", SMALL, "--rationality", "1,,2"], "not understood; give a number"),
    (["sweep", SMALL, "--out", "sweep.xls"], "must end in .nc (netCDF), .csv or .parquet"),
    (["compare", SMALL, SMALL], "named twice"),
    (["compare", SMALL, "--mechanism", "second-scor"], "did you mean"),
    (["compare", SMALL, "--mechanism", "nowhere:Auction"], "module:name"),
    (["compare", SMALL, "--mechanism", "first-score", "--mechanism", "first-score"], "each name once"),
    (["compare", SMALL, "--out", "table.xlsx"], ".csv"),
    (["sweep", SMALL, "--axis", "margin"], "NAME=LIST"),
    (["sweep", SMALL, "--axis", "margin=cheap"], "not understood"),
    (["sweep", SMALL, "--axis", "rationality=3"], "use --rationality"),
    (["sweep", SMALL, "--axis", "margn=0.1"], "did you mean"),
    (["sweep", SMALL, "--axis", "margin=0.1,0.2", "--zip", "margin,rationality"], "differ in length"),
    (["sweep", SMALL, "--axis", "margin=0.1", "--workers", "2"], "need --store"),
    (["sweep", SMALL, "AIME/majority", "--axis", "margin=0.1"], "one market"),
    (["sweep", SMALL, "--mechanism", "second-scor"], "did you mean"),
    (["report", SMALL], "Missing option '--out' / '-o'"),
]


@pytest.mark.parametrize(("arguments", "remedy"), USAGE)
def test_misuse_is_one_line_with_a_remedy(arguments, remedy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert remedy in refused(tmp_path, *arguments)


def test_an_unknown_segment_is_named():
    with pytest.raises(InputError, match=r"users: rationality of segment 1 is inf; .* take 1e9"):
        Users(0.02, [1.0, math.inf])


def test_a_start_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="start gives provider 2 level 7, which does not exist"):
        best_response_dynamics(load_scenario(SMALL).game(), start=jnp.array([0, 0, 7]))


def test_a_bug_keeps_its_traceback(monkeypatch):
    def bug(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("solver.efficiency", bug)
    result = CliRunner().invoke(app, ["solve", SMALL])
    assert isinstance(result.exception, ZeroDivisionError)
