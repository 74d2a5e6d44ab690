"""From logs to a market file and on: every command on it, numbers that match the Python API, refusals that write nothing."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console
from typer.testing import CliRunner

from games import InputError, ListPrice, PayPerCompute, PriceTable, Users, load_question_curves
from games.logs import logs_table
from games.market_file import LevelRule, MarketFile, read_market_file, table_prices, write_market_file
from solver import bootstrap, curve_intervals, efficiency, value_of_more_samples
from solver.cli import app, output
from solver.cli.options import MarketOptions, load_market
from solver.cli.warnings import MAX_WARNINGS, warning_lines
from solver.report.figures import percents
from solver.report.figures_curves import curves_figure
from solver.report.style import MAX_HIGHLIGHTED

FIXTURES = Path(__file__).parent / "fixtures" / "logs"
SCHEMA = (Path(__file__).parents[1] / "docs/reference/json.md").read_text("utf-8")
SUMS = FIXTURES / "samples_sums_2026-01-01T00-00-00.000000.jsonl"
FUNCTIONS = ("--scorer", "mine:score", "--count-tokens", "mine:count")
PRICES = "model,usd_per_million_tokens,usd_per_million_input_tokens\nAda,10,1\nBell,2,0.5\nCox,0.4,0.1\n"


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def document(*arguments):
    return json.loads(run(*arguments, "--json", "-").stdout)


# As many models and levels as GPQA/reasoning_effort, so that compiled code is shared with other tests.
RUNS = (
    ("Ada", "minimal", 0.4, 100),
    ("Ada", "low", 0.5, 200),
    ("Ada", "medium", 0.6, 900),
    ("Ada", "high", 0.8, 2000),
    ("Ada", "xhigh", 0.8, 5000),
    ("Bell", "default", 0.6, 700),
    ("Cox", "default", 0.3, 150),
)


def rows_of_three_models():
    """Ten questions, five efforts of one model and one of two others, four samples each, some failed."""
    rng = np.random.default_rng(3)
    rows = [
        {
            "question": f"q{q}",
            "model": model,
            "level": level,
            "run": run,
            "grade": int(rng.random() < chance),
            "answer": "ABCD"[rng.integers(4)],
            "input_tokens": 50 + q,
            "billable_output_tokens": int(rng.integers(tokens, 2 * tokens)),
        }
        for model, level, chance, tokens in RUNS
        for q in range(10)
        for run in range(4)
    ]
    frame = pd.DataFrame(rows)
    frame["grade"] = frame["grade"].astype("Int64").mask(frame["question"].eq("q0") & frame["run"].eq(3))
    return frame


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """A folder with a log, prices and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.csv").write_text(PRICES)
    rows_of_three_models().to_csv("runs.csv", index=False)
    return tmp_path


COLUMNS = ("--column", "question_id=question", "--column", "correct=grade", "--column", "sample_index=run")
INGEST = ("ingest", "runs.csv", "-o", "m.parquet", "--prices", "prices.csv", *COLUMNS)


def documented(section):
    text = SCHEMA.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    common = SCHEMA.partition("\n## Every document\n")[2].partition("\n## ")[0]
    return set(re.findall(r"`(\w+)`", text + common))


def keys(value):
    if isinstance(value, list):
        return set().union(*map(keys, value))
    return set(value) | set().union(*map(keys, value.values())) if isinstance(value, dict) else set()


def test_a_log_becomes_a_market_that_every_number_matches(logs):
    found = document(*INGEST)
    assert (found["rows"], found["errored"], found["unscored"], found["dropped"]) == (280, 0, 7, 7)
    assert found["benchmarks"][0] == {
        "benchmark": "default",
        "num_questions": 10,
        "providers": ["Ada", "Bell", "Cox"],
        "num_levels": [5, 1, 1],
    }
    assert found["prices"][0]["usd_per_million_input_tokens"] == 1.0
    assert keys(found) - documented("ingest") == set()
    rows = rows_of_three_models().dropna(subset="grade")
    by_question = rows.groupby(["model", "level", "question"])[["grade", "billable_output_tokens", "input_tokens"]]
    means = by_question.mean().astype(float).groupby(["model", "level"]).mean()
    solved = document("solve", "--market", "m.parquet", "--value-per-correct", 0.02, "--rationality", 500)
    market = read_market_file("m.parquet").curves().market()
    list_price = {"Ada": (10.0, 1.0), "Bell": (2.0, 0.5), "Cox": (0.4, 0.1)}
    for name, level, *_ in RUNS:
        row, (dear, cheap) = means.loc[(name, level)], list_price[name]
        i = market.providers.index(name)
        k = market.level_labels[i].index(level)
        assert float(market.accuracy[i, k]) == pytest.approx(row["grade"], rel=1e-12)
        price = (row["billable_output_tokens"] * dear + row["input_tokens"] * cheap) / 1e6
        assert float(market.price[i, k]) == pytest.approx(price, rel=1e-12)
        assert float(market.cost[i, k]) == pytest.approx(price / 1.25, rel=1e-12)
    assert market.level_labels[0] == ("minimal", "low", "medium", "high", "xhigh")
    verdict = efficiency(PayPerCompute(market, Users(0.02, 500)))
    assert solved["price_of_anarchy"] == verdict.price_of_anarchy
    assert solved["providers"] == ["Ada", "Bell", "Cox"]
    assert "280 generations from runs.csv" in solved["source"]


def test_curves_shows_intervals_and_draws_them(logs):
    run(*INGEST)
    found = document("curves", "m.parquet", "--confidence", 0.9, "--plot", "c.svg")
    assert keys(found) - documented("curves") == set()
    intervals = curve_intervals(read_market_file("m.parquet").curves(), level=0.9)
    ada = found["curves"][0]
    assert (ada["provider"], [level["level"] for level in ada["measured"]]) == (
        "Ada",
        [level for name, level, *_ in RUNS[:5]],
    )
    for k, level in enumerate(ada["measured"]):
        assert level["accuracy_interval"] == intervals.accuracy_interval.values[0, k].tolist()
        assert level["tokens_interval"] == intervals.tokens_interval.values[0, k].tolist()
        assert level["accuracy_interval"][0] < level["accuracy"] < level["accuracy_interval"][1]
    assert (logs / "c.svg").read_text().startswith(("<?xml", "<svg"))
    shown = run("curves", "m.parquet", "--providers", "Bell").stdout
    assert "Bell" in shown
    assert "warning: Bell: 1 of 40 samples" in shown
    assert "Ada" not in shown
    aime = document("curves", "frontier/aime-2025", "--providers", "o3-mini")
    assert [level["num_answered"] for level in aime["curves"][0]["measured"]] == [15, 15, 15]


def test_failures_count_as_the_user_says(logs):
    dropped, wrong = ({"--errored": kind} for kind in ("drop", "wrong"))
    accuracy = []
    for options in (dropped, wrong):
        run(*INGEST, *[text for pair in options.items() for text in pair])
        accuracy.append(np.asarray(read_market_file("m.parquet").curves().correct)[0])
    rows = rows_of_three_models().query("question == 'q0'").groupby(["model", "level"])["grade"]
    for means, divisor in zip(accuracy, (3, 4), strict=True):
        expected = rows.sum().astype(float) / divisor
        assert means[0].tolist() == pytest.approx([expected[name, level] for name, level, *_ in RUNS[:5]])
    assert (accuracy[0] >= accuracy[1]).all()


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (("--levels", "pass-at-k", "--numbers", "1,2"), {f"{level} x{n}" for _, level, *_ in RUNS[:5] for n in (1, 2)}),
        (("--levels", "majority", "--numbers", "2,1"), {f"{level} x{n}" for _, level, *_ in RUNS[:5] for n in (1, 2)}),
        (
            ("--levels", "token-caps", "--numbers", "300,inf"),
            {f"{level} x{cap}" for _, level, *_ in RUNS[:5] for cap in ("300", "inf")},
        ),
        (("--levels", "given"), {level for _, level, *_ in RUNS[:5]}),
    ],
)
def test_every_rule_for_levels_survives_the_file(logs, options, labels):
    run(*INGEST, *options)
    held = read_market_file("m.parquet")
    curves = held.curves()
    assert set(curves.level_labels[0]) == labels
    again = held.levels.curves(held.table, held.prices, benchmark=None, errored="drop", margin=0.25)
    assert np.array_equal(np.asarray(again.correct), np.asarray(curves.correct))
    assert held.levels.numbers == tuple(float(x) for text in options[3:] for x in text.split(","))


def test_real_logs_of_inspect_go_in_as_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("prices.csv").write_text(PRICES.replace("Ada", "ada").replace("Bell", "bell") + "cora,0.1,0.1\n")
    files = [
        path for path in sorted(FIXTURES.iterdir()) if path.suffix in (".eval", ".json") and "results" not in path.name
    ]
    found = document("ingest", *files, "-o", "m.parquet", "--prices", "prices.csv")
    assert {row["format"] for row in found["files"]} == {"inspect-eval", "inspect-json"}
    assert found["dropped"] == found["errored"] + found["unscored"] == 8
    assert any("price of cora: input and output cost the same" in text for text in found["warnings"])
    names = {row["model"]: row for row in found["prices"]}
    assert names["ada"]["provider"] == "mockllm"
    shown = run("ingest", *files, "-o", "again.parquet", "--prices", "prices.csv").stdout
    assert "4 failed and 4 not scored: dropped" in " ".join(shown.split())
    assert (tmp_path / "m.parquet").exists() == (tmp_path / "again.parquet").exists() is True


def test_prices_come_from_the_package_for_the_usage_in_the_log():
    table = logs_table(
        {
            "question_id": ["a", "b"],
            "model": "gemini-2.5-pro",
            "provider": "google",
            "correct": [1, 0],
            "input_tokens": 200,
            "billable_output_tokens": [4000, 6000],
        }
    )
    price = table_prices(table, genai=True).price("gemini-2.5-pro", "google")
    assert (price.usd_per_million_tokens, price.usd_per_million_input_tokens) == (10.0, 1.25)
    own = PriceTable((ListPrice("gemini-2.5-pro", 3.0, 1.0),))
    assert table_prices(table, own, genai=True).price("gemini-2.5-pro", "google").usd_per_million_tokens == 3.0
    with pytest.raises(InputError, match=r"unknown model 'gemini-2.5-pro': did you mean 'gemini-2.5-flash'"):
        table_prices(table, PriceTable((ListPrice("gemini-2.5-flash", 3.0),)))
    names = ["gemini-2.5-pro", "ada", "bell"]
    several = pd.concat([table.assign(model=name) for name in names], ignore_index=True)
    with pytest.raises(InputError, match=r"model 'gemini-2.5-pro': did you mean .*; no price either for ada, bell$"):
        table_prices(several, PriceTable((ListPrice("gemini-2.5-flash", 3.0),)))
    with pytest.raises(InputError, match=r"'Zhipu': did you mean .*add it to your own table of prices$"):
        table_prices(table.assign(provider="Zhipu"), genai=True)


def refused(*arguments, words):
    """One line on stderr, exit code 2, and no new file."""
    before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    result = run(*arguments, code=2)
    assert result.stdout == ""
    assert re.search(words, result.stderr), result.stderr
    assert result.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ingest", "nowhere", "-o", "m.parquet"), "nowhere: no such file"),
        (("ingest", "runs.csv", "-o", "m.csv"), "must end in .parquet"),
        (("ingest", "runs.csv", "-o", "no/m.parquet"), "no directory no"),
        (("ingest", ".", "-o", "m.parquet"), "would be read as a log next time"),
        (("ingest", "runs.csv", "-o", "m.parquet"), r"which one it is with --column question_id=\.\.\.$"),
        (("ingest", "runs.csv", "-o", "m.parquet", *COLUMNS), "price of 'Ada': unknown; give a table of prices"),
        ((*INGEST, "--levels", "best-of-three"), "did you mean 'best-of-n'"),
        ((*INGEST, "--levels", "best-of-n"), "needs a reward"),
        ((*INGEST, "--levels", "majority", "--numbers", "1,x"), "'x' is not a number above 0"),
        ((*INGEST, "--levels", "majority", "--numbers", "1.5"), "whole numbers"),
        ((*INGEST, "--levels", "token-caps"), "no cap given"),
        ((*INGEST, "--numbers", "3"), "leave them out"),
        ((*INGEST, "--errored", "keep"), "must be drop or wrong"),
        ((*INGEST, "--column", "correct=grade"), "correct is given twice"),
        ((*INGEST, "--column", "correct"), "NAME=VALUE"),
        ((*INGEST, "--day", "soon"), "not a day"),
        ((*INGEST, "--benchmark", "gpqa"), "--benchmark 'gpqa'"),
        ((*INGEST, "--scorer", "nothing:here"), "nothing:here: not found"),
        ((*INGEST, "--margin", "-2"), "margin"),
        ((*INGEST, "--duplicates", "keep"), "--duplicates keep: must be refuse or renumber"),
        ((*INGEST, "--bad-lines", "skip"), "--bad-lines skip: must be refuse or count"),
        (("ingest", "broken.csv", "-o", "m.parquet", "--prices", "prices.csv"), r"broken\.csv, line 3"),
        (
            ("ingest", "garbage.jsonl", "-o", "m.parquet", "--prices", "prices.csv"),
            r"garbage\.jsonl, line 2.*--bad-lines count$",
        ),
        (("ingest", "twice.csv", "-o", "m.parquet", "--prices", "prices.csv"), r"line 3.*--duplicates renumber$"),
        (
            ("ingest", "blank.csv", "-o", "m.parquet", "--prices", "prices.csv"),
            r"^error: blank\.csv: no.*score them first, or check that the files are logs with scores$",
        ),
        (
            ("ingest", "scores.jsonl", "-o", "m.parquet", "--prices", "prices.csv"),
            "no column 'correct', found are .*--column correct=..., and for scores .* with --threshold$",
        ),
        (
            ("ingest", "scores.jsonl", "-o", "m.parquet", "--prices", "prices.csv", "--errored", "wrong"),
            "none of 2 generations has a score, .* right in 0 %; no column 'correct'",
        ),
        (("ingest", SUMS, "-o", "m.parquet"), "--scorer MODULE:FUNCTION --count-tokens MODULE:FUNCTION$"),
        (("ingest", SUMS, "-o", "m.parquet", *FUNCTIONS), "several filters .*; name one with --filter$"),
        ((*INGEST, "--levels", "quantiles"), "take --levels given or --levels token-caps"),
        (("ingest", "cut.eval", "-o", "m.parquet", "--prices", "prices.csv"), r"cut\.eval"),
        (("curves", "runs.csv"), "make a market file of it with `ttc-games ingest runs.csv -o market.parquet`"),
        (("curves", "both.parquet"), r"several benchmarks \(default, other\); name one with --benchmark$"),
        (("curves", "frontier/aider-polyglot"), "published without its questions"),
        (("curves", "good.parquet", "--confidence", "2"), "between 0 and 1"),
        (("curves", "good.parquet", "--providers", "Adda"), "did you mean 'Ada'"),
        (("curves", "good.parquet", "--plot", "c.pdf"), "must end in .svg or .png"),
        (("curves", "plain.parquet"), "holds no levels and prices"),
        (("solve", "--market", "good.parquet"), "--value-per-correct: missing"),
        (("solve", "GSM8K/majority", "--market", "good.parquet", "--value-per-correct", "1"), "not both"),
        (("solve", "--market", "good.parquet", "--curves", "x.csv", "--value-per-correct", "1"), "not both"),
        (("solve", "--market", "good.parquet", "--value-per-correct", "1", "--method", "x"), "not both"),
        (
            ("solve", "--market", "good.parquet", "--value-per-correct", "1", "--benchmark", "x"),
            "unknown benchmark 'x'",
        ),
        (("solve", "--market", "none.parquet", "--value-per-correct", "1"), "no such file"),
        (("uncertainty", "GSM8K/majority"), "its questions are not known"),
        (("uncertainty", "frontier/aime-2025", "--questions", "15"), "has its own questions"),
        (("uncertainty", "--market", "good.parquet", "--value-per-correct", "1"), "one question|question"),
        (("solve", "GSM8K/majority", "--benchmark", "x"), "belongs to --curves and --market"),
    ],
)
def test_bad_input_is_refused_in_one_line_and_writes_nothing(logs, arguments, words):
    table = logs_table({"question_id": ["a"], "model": "Ada", "correct": [1], "billable_output_tokens": 9})
    write_market_file("good.parquet", MarketFile(table, PriceTable((ListPrice("Ada", 1.0, 1.0),))))
    from games.logs import write_table

    write_table(table, "plain.parquet")
    both = pd.concat([table, table.assign(benchmark="other")], ignore_index=True)
    write_market_file("both.parquet", MarketFile(both, PriceTable((ListPrice("Ada", 1.0, 1.0),))))
    (logs / "twice.csv").write_text("question_id,model,sample_index,correct\nq1,Ada,1,1\nq1,Ada,1,0\n")
    (logs / "blank.csv").write_text("question_id,model,correct\nq1,Ada,\n")
    (logs / "scores.jsonl").write_text(
        '{"question_id": 1, "model": "Ada", "score": 10}\n{"question_id": 2, "model": "Ada", "score": 4}\n'
    )
    (logs / "mine.py").write_text("def score(text, line): return True\ndef count(text): return 1\n")
    (logs / "broken.csv").write_text("question_id,model,correct\nq1,Ada,1\nq2,Ada,maybe\n")
    (logs / "garbage.jsonl").write_text('{"question_id": "q1", "model": "Ada", "correct": 1}\nnot json\n')
    (logs / "cut.eval").write_bytes((FIXTURES / "effort-high.eval").read_bytes()[:2000])
    refused(*arguments, words=words)


def test_a_file_that_is_there_survives_a_failed_reading(logs):
    run(*INGEST)
    before = (logs / "m.parquet").read_bytes()
    refused(*INGEST, "--levels", "best-of-n", words="needs a reward")
    assert (logs / "m.parquet").read_bytes() == before
    assert sorted(path.name for path in logs.iterdir()) == ["m.parquet", "prices.csv", "runs.csv"]


def test_the_other_commands_take_a_market_file(logs):
    """All read the same options; which market these make is the same for all."""
    run(*INGEST)
    for name in ("solve", "dynamics", "learn", "continuous", "sensitivity", "sweep", "compare", "report"):
        assert "--market" in run(name, "--help").stdout
    options = MarketOptions(market=Path("m.parquet"), value_per_correct=0.02)
    scenario = load_market(None, options)
    assert (scenario.name, scenario.market.providers) == ("m", ("Ada", "Bell", "Cox"))
    assert float(scenario.users.value_per_correct[0]) == 0.02
    dearer = load_market(None, replace(options, margin=1.0, providers="Ada")).market
    assert dearer.providers == ("Ada",)
    assert np.allclose(np.asarray(dearer.price), 2 * np.asarray(dearer.cost))
    assert options.arguments() == ["--market=m.parquet", "--value-per-correct=0.02"]


def test_options_that_a_refusal_names_make_a_market(logs):
    """Scores without a column correct; tokens in a vendor's names, thinking in the total only."""
    head = "question_id,model,score,prompt_tokens,completion_tokens,total_tokens\n"
    (logs / "scores.csv").write_text(head + "q1,Ada,10,1000,10,1310\nq2,Ada,4,1000,10,1310\nq3,Ada,1,1000,10,1310\n")
    tokens = ("--column", "input_tokens=prompt_tokens", "--column", "output_tokens=completion_tokens")
    for scores in (("--threshold", 7), ("--column", "correct=score", "--threshold", 7)):
        run("ingest", "scores.csv", "-o", "s.parquet", "--prices", "prices.csv", *scores, *tokens)
        table = read_market_file("s.parquet").table
        assert table["correct"].tolist() == [True, False, False]
        assert table["billable_output_tokens"].tolist() == [310] * 3


def test_common_questions_and_recorded_costs(logs):
    """Named by a warning and by a refusal, and taken with the option that each names."""
    text = "question_id,model,correct,billable_output_tokens,cost_usd\n"
    text += "q1,Ada,1,100,0.01\nq2,Ada,0,100,0.03\nq2,Bell,1,100,0.02\nq3,Bell,1,100,0.04\n"
    (logs / "mixed.csv").write_text(text)
    refused(
        "ingest", "mixed.csv", "-o", "c.parquet", words="stand in with --recorded-costs; no price|--recorded-costs$"
    )
    shown = " ".join(run("ingest", "mixed.csv", "-o", "c.parquet", "--recorded-costs").stdout.split())
    assert "answered 2 of 3 questions each, and only 1 in common" in shown
    assert "keep the common ones with --common-questions" in shown
    assert "recorded recorded" in shown
    assert read_market_file("c.parquet").curves().market().price.tolist() == [[0.02], [0.03]]
    shown = " ".join(
        run("ingest", "mixed.csv", "-o", "c.parquet", "--recorded-costs", "--common-questions").stdout.split()
    )
    assert "1 of 3 questions of default are common to all" in shown
    assert "in common" not in shown
    assert read_market_file("c.parquet").curves().market().price.tolist() == [[0.03], [0.02]]
    found = document("ingest", "mixed.csv", "-o", "c.parquet", "--recorded-costs")
    assert keys(found) - documented("ingest") == set()
    assert [price["recorded"] for price in found["prices"]] == [True, True]


def test_uncertainty_is_that_of_the_python_api(logs):
    run(*INGEST)
    options = ("--rationality", "50,500", "--replicates", 40, "--seed", 7, "--confidence", 0.8, "--more", 20)
    found = document("uncertainty", "--market", "m.parquet", "--value-per-correct", 0.02, *options)
    assert keys(found) - documented("uncertainty") - {"Ada", "Bell", "Cox"} == set()
    curves, users = read_market_file("m.parquet").curves(), Users(0.02, 1.0)
    result = bootstrap(curves, users, [50, 500], replicates=40, key=jax.random.key(7))
    intervals, chances = result.intervals(level=0.8).sel(equilibrium="worst"), result.probabilities()
    for b, row in enumerate(found["results"]):
        assert row["welfare"]["interval"] == intervals.welfare.values[b].tolist()
        assert row["price_of_anarchy"]["interval"] == intervals.price_of_anarchy.values[b].tolist()
        assert row["shares"]["Bell"]["interval"] == intervals.share.values[b, 1].tolist()
        assert row["is_equilibrium"] == float(chances.is_equilibrium[b])
        assert list(row["over_computes"].values()) == chances.over_computes[b].sel(equilibrium="worst").values.tolist()
        assert list(row["over_computes"]) == ["Ada", "Bell", "Cox"]
    assert found["auction"]["price"]["measured"] == float(result.estimate.auction_price)
    assert list(found["wins"].values()) == chances.wins.values.tolist()
    worth = value_of_more_samples(curves, users, num_questions=20)
    assert found["more_samples"]["next_provider"] == worth.next_provider
    shown = run("uncertainty", "--market", "m.parquet", "--value-per-correct", 0.02, *options).stdout
    assert f"Next to ask: {worth.next_provider}" in " ".join(shown.split())
    low, high = found["results"][0]["shares"]["Bell"]["interval"]
    assert f"share of Bell {found['results'][0]['shares']['Bell']['measured']:.4f} {low:.4f} to {high:.4f}" in " ".join(
        shown.split()
    )


def test_solve_says_how_sure_its_answer_is(logs):
    """By the same draws as the bootstrap, which solves them all."""
    run(*INGEST)
    options = ("--market", "m.parquet", "--value-per-correct", 0.02, "--rationality", 500)
    solved = document("solve", *options)
    assert keys(solved) - documented("solve") - {"Ada", "Bell", "Cox"} == set()
    curves = read_market_file("m.parquet").curves()
    chances = bootstrap(curves, Users(0.02, 1.0), [500], replicates=200, key=jax.random.key(0)).probabilities()
    winner = solved["auction"]["winner"]
    assert solved["certainty"] == {
        "draws": 200,
        "num_questions": 10,
        "is_equilibrium": float(chances.is_equilibrium[0]),
        "same_winner": float(chances.wins.sel(provider=winner)),
    }
    assert 0 < solved["certainty"]["is_equilibrium"] < 1
    shown = " ".join(run("solve", *options).stdout.split())
    holds, wins = (round(100 * solved["certainty"][name]) for name in ("is_equilibrium", "same_winner"))
    assert (
        f"drawn again 200 times from its 10 questions, this equilibrium remains one in {holds} % of the draws" in shown
    )
    assert f"{winner} wins the auction in {wins} %; see ttc-games uncertainty" in shown
    assert document("solve", "GPQA/reasoning_effort")["certainty"] is None
    lone = document("solve", *options, "--providers", "Bell")["certainty"]
    assert (lone["is_equilibrium"], lone["same_winner"]) == (1.0, None)


def test_many_warnings_are_cut():
    lines = warning_lines([f"{letter} differs" for letter in "abcdefghijklmnopqrstuvwxyz"[: MAX_WARNINGS + 5]])
    assert len(lines) == MAX_WARNINGS + 1
    assert lines[-1].startswith("and 5 more")
    assert warning_lines(["same", "same"]) == ["warning: same"]


def test_warnings_alike_are_one_with_a_count():
    """Fifteen levels of one sample a question are one line, whatever else is said."""
    one = [f"M{i} at low: one sample a question" for i in range(15)]
    assert warning_lines([*one, "Ada: no tokens"]) == [
        "warning: one sample a question (15 times: M0 at low, M1 at low, M2 at low and 12 more)",
        "warning: Ada: no tokens",
    ]
    assert warning_lines(["Ada: 3 of 1,000 failed", "Bell: 12 of 50 failed"]) == [
        "warning: Ada: 3 of 1,000 failed (and 1 more alike: Bell)"
    ]


def test_the_interval_of_one_question_is_unknown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("one.csv").write_text("question_id,model,correct,billable_output_tokens\na,Ada,1,90\n")
    Path("prices.csv").write_text(PRICES)
    run("ingest", "one.csv", "-o", "m.parquet", "--prices", "prices.csv")
    shown = run("curves", "m.parquet").stdout
    assert shown.partition("warning:")[0].count("unknown") == 2
    assert "inf" not in shown
    level = document("curves", "m.parquet")["curves"][0]["measured"][0]
    assert (level["accuracy_interval"], level["tokens_interval"]) == (None, None)


def test_warnings_speak_of_options():
    aliases = "'gpt-5' and 'gpt-5-x' look like one model; if so, merge them with aliases={'gpt-5-x': 'gpt-5'}"
    same = "give both the same with constants={'provider': ...}"
    assert warning_lines([aliases, same, "no column correct: say which one it is in the column map"]) == [
        "warning: 'gpt-5' and 'gpt-5-x' look like one model; if so, merge them with --alias gpt-5-x=gpt-5",
        "warning: give both the same with --constant provider=...",
        "warning: no column correct: say which one it is with --column",
    ]


def test_providers_without_a_colour_are_counted_in_the_legend():
    found = load_question_curves("frontier/gpqa-diamond")
    ones = np.where(found.mask, 0.5, np.nan)
    intervals = xr.Dataset(dict.fromkeys(("accuracy", "tokens"), (("provider", "level"), ones)))
    for name in ("accuracy", "tokens"):
        intervals[f"{name}_interval"] = ("provider", "level", "bound"), np.stack([ones, ones], axis=-1)
    labels = [text.get_text() for text in curves_figure(found, intervals).legends[0].get_texts()]
    assert len(labels) == MAX_HIGHLIGHTED + 1
    assert labels[-1] == f"and {31 - MAX_HIGHLIGHTED} more"


def test_ticks_of_percentages_are_not_rounded():
    axes = Figure().add_subplot()
    axes.set_ylim(0.75, 0.95)
    percents(axes.yaxis)
    ticks = axes.get_yticks()
    shown = [float(text.removesuffix("%")) / 100 for text in axes.yaxis.get_major_formatter().format_ticks(ticks)]
    np.testing.assert_allclose(shown, ticks, rtol=1e-9)


@pytest.mark.parametrize("width", [70, 80, 300])
def test_no_cell_of_a_table_is_cut_off_where_names_are_long(width):
    """Names as long as those of commercial models, beside as many columns as any command prints."""
    names = ["gemini-2.5-flash-preview-05-20", "second-score-revenue-optimal", "o3"]
    amounts = ["2610.4133", "16.6603", "0.0000", "2627.0736", "1.1547"]
    rows = [["1000", name, *amounts, "all providers but gemini-3.1-pro-preview"] for name in names]
    heads = ["users", "profit", "platform", "welfare", "gaming"]
    table = output.table("Long", [*rows, []], first=["β", "mechanism"], numbers=heads, texts=["who loses"])
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    printed = re.sub(r"\s", "", text.partition("─\n")[2])
    assert sorted(printed) == sorted(re.sub(r"\s", "", "".join(map("".join, rows))))


def test_several_benchmarks_stay_apart():
    rows = rows_of_three_models().rename(columns={"question": "question_id", "grade": "correct"})
    table = logs_table(pd.concat([rows.assign(benchmark="one"), rows.query("model == 'Ada'").assign(benchmark="two")]))
    held = MarketFile(
        table, PriceTable(tuple(ListPrice(name, 1.0) for name in ("Ada", "Bell", "Cox"))), LevelRule("given")
    )
    assert held.curves(benchmark="one").providers == ("Ada", "Bell", "Cox")
    assert held.curves(benchmark="two").providers == ("Ada",)
    with pytest.raises(InputError, match="one, two"):
        held.curves()
