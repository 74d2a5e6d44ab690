"""Several user segments: one rule for β, sweeps beside the verdicts of single markets, and the command line."""

import dataclasses
import json
import re

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from games import InputError, Market, PayPerCompute, Scenario, Users, load_scenario
from solver import Grid, brute_force, efficiency, pure_equilibria, sweep
from solver.batch import rationality_grid
from solver.cli import app
from solver.cli.options import MarketOptions, load_market

# Best replies cycle in this market at β = 1000 and beyond (docs/how-to/segments.md).
MARKET = Market.from_arrays(
    accuracy=[[0.80, 0.90], [0.70, 0.95]],
    tokens=[[1000, 10000], [5000, 10000]],
    price_per_million=2.0,
    providers=["Ada", "Bell"],
)
USERS = Users([0.005, 0.1], [500, 2000], weight=[1, 1])
SCENARIO = Scenario("two", MARKET, USERS, source="made by hand", segments=("small", "large"))


def test_one_number_scales_all_rationalities():
    for weight in ([1, 1], [3, 1]):
        users = Users([0.01, 0.02, 0.03], [500, 2000, 0], weight=[*weight, 5]).with_rationality(70.0)
        beta, share = np.asarray(users.rationality), np.array(weight) / sum(weight)
        assert np.exp(share @ np.log(beta[:2])) == pytest.approx(70, rel=1e-12)
        assert beta[1] / beta[0] == pytest.approx(4, rel=1e-12)
        assert beta[2] == 0
        assert float(users.mean_rationality) == pytest.approx(70, rel=1e-12)
    assert Users([0.01, 0.02], [0, 0]).with_rationality(3.0).rationality.tolist() == [3.0, 3.0]
    assert Users([0.01, 0.02], 7).with_rationality(3.0).rationality.tolist() == [3.0, 3.0]
    assert Users(0.01, 7).with_rationality(3.0).rationality.tolist() == [3.0]
    grid = rationality_grid(PayPerCompute(MARKET, USERS), jnp.array([70.0, 1000.0]))
    for row, beta in zip(grid.users.rationality, (70.0, 1000.0), strict=True):
        np.testing.assert_allclose(row, SCENARIO.game(beta).users.rationality, rtol=1e-12)


def test_names_of_segments_are_checked():
    assert Scenario("two", MARKET, USERS, source="").segment_names == ("segment 1", "segment 2")
    for names in (("small",), ("small", "small")):
        with pytest.raises(InputError, match="segments are called"):
            Scenario("two", MARKET, USERS, source="", segments=names)


def test_a_sweep_agrees_with_the_verdict_on_each_market():
    betas = [100.0, 1000.0, 3000.0]
    data = sweep(MARKET, USERS, betas)
    assert data.num_equilibria.values.tolist() == [1, 0, 0]
    assert data.complete.all()
    assert data.optimum_exact.all()
    for b, beta in enumerate(betas):
        verdict, row = efficiency(SCENARIO.game(beta)), data.isel(rationality=b)
        oracle = brute_force(SCENARIO.game(beta))
        assert float(row.optimal_welfare) == pytest.approx(float(oracle.optimal_welfare), rel=1e-12)
        auction = next(entry for entry in verdict.ledger if entry.name == "auction")
        assert float(row.auction_user_value) == pytest.approx(auction.users, rel=1e-12)
        assert float(row.auction_profit) == pytest.approx(auction.providers, rel=1e-12)
        np.testing.assert_allclose(row.price_of_anarchy, verdict.price_of_anarchy, rtol=1e-12)
        if len(verdict.equilibria):
            market = verdict.ledger[0]
            assert float(row.user_value) == pytest.approx(market.users, rel=1e-12)
            np.testing.assert_allclose(row.provider_profit, market.profits, rtol=1e-12)
            assert row.worst_level_index.values.tolist() == verdict.equilibria.worst.tolist()
            assert float(row.max_regret) <= verdict.equilibria.tolerance
        else:
            assert row.worst_level_index.values.tolist() == [-1, -1]
            assert all(np.isnan(float(row[name])) for name in ("user_value", "worst_welfare", "dynamics_welfare"))


def test_a_sweep_of_a_large_market_lists_what_starts_reach():
    """Twelve providers of four levels are too many profiles to try; equal segments are one, whose answer is proved."""
    rng = np.random.default_rng(0)
    market = Market.from_arrays(
        accuracy=np.sort(rng.uniform(0.3, 0.9, (12, 4)), axis=1),
        tokens=rng.uniform(100, 400, (12, 1)) * np.array([1, 4, 16, 64]),
        price_per_million=0.4,
    )
    betas = [100.0, 1000.0]
    split, one = sweep(market, Users([0.01, 0.01], 1000), betas), sweep(market, Users(0.01, 1000), betas)
    assert not split.complete.any()
    assert split.optimum_exact.all()
    for name in ("num_equilibria", "worst_level_index", "optimal_level_index"):
        np.testing.assert_array_equal(split[name], one[name])
    for name in ("optimal_welfare", "worst_welfare", "share", "user_value", "auction_welfare", "consumer_surplus"):
        np.testing.assert_allclose(split[name], one[name], rtol=1e-9)


def test_grids_take_one_segment():
    with pytest.raises(InputError, match="one segment of users"):
        Grid.of(MARKET, USERS, {"margin": [0.1, 0.2]})


FILES = {
    "curves.csv": "model,level,accuracy,tokens\nAda,low,0.80,1000\nAda,high,0.90,10000\n"
    "Bell,low,0.70,5000\nBell,high,0.95,10000\n",
    "prices.csv": "model,usd_per_million_tokens\nAda,2\nBell,2\n",
    "segments.csv": "segment,weight,value_per_correct,rationality\nsmall,5,0.005,500\nlarge,5,0.1,2000\n",
}


@pytest.fixture
def options(tmp_path):
    """Options for the market above, out of files."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return [f"--{name.removesuffix('.csv')}={tmp_path / name}" for name in FILES]


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_files_make_the_same_market(tmp_path, options):
    paths = {name.removesuffix(".csv"): tmp_path / name for name in FILES}
    given = MarketOptions(**paths)
    loaded = load_market(None, given)
    assert loaded.segment_names == ("small", "large")
    for name in ("weight", "value_per_correct", "outside_value", "relative_rationality"):
        np.testing.assert_allclose(getattr(loaded.users, name), getattr(USERS, name), rtol=1e-12)
    assert "segments.csv" in loaded.source
    (tmp_path / "segments.csv").write_text(
        "segment, weight,value_per_correct,outside_value,baseline,colour\n1,1,2,-inf,0.3,red\n\n2,1,2,0.5,0.3,\n"
    )
    users = load_market(None, given).users
    assert users.rationality.tolist() == [1.0, 1.0]
    assert users.outside_value.tolist() == [-np.inf, 0.5]
    assert float(users.baseline) == 0.3


def test_solve_and_dynamics_tell_segments_apart(options):
    found = json.loads(run("solve", *options, "--rationality", 100, "--json", "-").stdout)
    verdict = efficiency(SCENARIO.game(100.0))
    assert [s["segment"] for s in found["segments"]] == ["small", "large"]
    assert found["value_per_correct"] is None
    assert found["ledger"][0]["users"] == pytest.approx(verdict.ledger[0].users, rel=1e-12)
    game = SCENARIO.game(100.0)
    shares = game.segment_weight @ game.shares(verdict.equilibria.worst)
    assert list(found["equilibria"][0]["shares"].values()) == pytest.approx(shares.tolist(), rel=1e-12)
    prices = [s["price"] for s in found["auction"]["segments"]]
    assert prices == pytest.approx(verdict.auction.price.tolist(), rel=1e-12)
    assert found["auction"]["user_value"] == pytest.approx(float(verdict.auction.mean(verdict.auction.user_value)))
    text = run("solve", *options, "--rationality", 1000).stdout
    assert "Pure equilibria: 0, all of them" in " ".join(text.split())
    assert "Auction, large: Ada wins" in text
    played = run("dynamics", *options, "--max-rounds", 3).stdout
    assert "stopped" in played


def test_a_sweep_is_written_with_its_gaps(tmp_path, options):
    run("sweep", *options, "--rationality", "100,1000", "--out", tmp_path / "sweep.csv")
    rows = pd.read_csv(tmp_path / "sweep.csv")
    assert rows["num_equilibria"].tolist() == [1, 1, 0, 0]
    assert rows["worst_level"].isna().tolist() == [False, False, True, True]
    assert rows["share"].isna().tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("segment,weight\nsmall,1\n", "column 'value_per_correct' is missing"),
        ("segment,weight,value_per_correct\n", "no rows"),
        ("segment,weight,value_per_correct\nsmall,1,1\n,1,1\n", "line 3: segment is missing"),
        ("segment,weight,value_per_correct\nsmall,1,1\nsmall,1,1\n", "line 3: segment 'small' stands in line 2 too"),
        ("segment,weight,value_per_correct\nsmall,0,1\n", "line 2 \\(small\\): weight is 0; it must be a positive"),
        ("segment,weight,value_per_correct\nsmall,1,x\n", "line 2 \\(small\\): value_per_correct is x; it must be a"),
        ("segment,weight,value_per_correct\nsmall,1,\n", "line 2 \\(small\\): value_per_correct is missing"),
        ("segment,weight,value_per_correct,rationality\nsmall,1,1,-1\n", "line 2 \\(small\\): rationality is -1"),
        ("segment,weight,value_per_correct,rationality\nsmall,1,1,inf\n", "rationality is inf; it must be a number"),
        ("segment,weight,value_per_correct,outside_value\nsmall,1,1,inf\n", "outside_value is inf; it must be dollars"),
        ("segment,weight,value_per_correct,baseline\nsmall,1,1,2\n", "baseline is 2; it must be a number within"),
        (
            "segment,weight,value_per_correct,baseline\nsmall,1,1,0.2\nlarge,1,1,0.1\n",
            "line 3 \\(large\\): baseline is 0.1, above it is 0.2",
        ),
    ],
)
def test_bad_files_are_answered_with_the_row_and_the_remedy(tmp_path, options, text, words):
    (tmp_path / "segments.csv").write_text(text)
    refused = run("solve", *options, code=2)
    assert not refused.stdout
    message = " ".join(refused.stderr.split())
    assert re.search(words, message), message
    assert "segments.csv" in message
    assert len(refused.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--value-per-correct", "0.1"], "--value-per-correct: .* has a column value_per_correct"),
        (["--segments", "nowhere.csv"], "nowhere.csv: no such file"),
    ],
)
def test_options_that_contradict_segments_are_refused(options, extra, words):
    assert re.search(words, " ".join(run("solve", *options, *extra, code=2).stderr.split()))


@pytest.mark.parametrize("command", ["continuous", "sensitivity", "sweep"])
def test_commands_that_need_one_segment_say_so(options, command):
    extra = ["--axis", "margin=0.1,0.2", "--rationality", 10] if command == "sweep" else []
    assert "needs one segment of users" in " ".join(run(command, *options, *extra, code=2).stderr.split())


@pytest.fixture
def stated(tmp_path):
    """A file that states β 100 and 10 for two equal segments; their geometric mean is 31.6."""
    path = tmp_path / "stated.csv"
    path.write_text("segment,weight,value_per_correct,rationality\nkeen,1,0.02,100\ncalm,1,0.05,10\n", encoding="utf-8")
    return path


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_without_the_option_the_files_rationality_stands_as_written(stated):
    name = "GPQA/reasoning_effort"
    found = json.loads(invoke("solve", name, "--segments", stated, "--json", "-"))
    users = Users([0.02, 0.05], [100, 10])
    expected = pure_equilibria(PayPerCompute(load_scenario(name).market, users))
    assert len(found["equilibria"]) == len(expected) > 0
    assert [row["welfare"] for row in found["equilibria"]] == expected.welfare.tolist()  # to the last bit
    assert "note:" not in invoke("solve", name, "--segments", stated)
    table = json.loads(invoke("compare", name, "--segments", stated, "--mechanism", "pay-per-compute", "--json", "-"))
    assert f"{float(users.mean_rationality)}" in json.dumps(table)
    assert "100000" not in json.dumps(table)  # none of the β that a market without a statement gets


def test_with_the_option_the_factor_is_said(stated):
    words = " ".join(invoke("solve", "GPQA/reasoning_effort", "--segments", stated, "--rationality", "1000").split())
    assert "multiplies the β of stated.csv by 31.62: their weighted mean is 31.62 as written" in words
    words = " ".join(
        invoke("learn", "GPQA/reasoning_effort", "--segments", stated, "--rounds", "2", "--rationality", "500").split()
    )
    assert "by 15.81" in words


@pytest.mark.parametrize(
    ("option", "column", "value"), [("--outside-value", "outside_value", 0), ("--baseline", "baseline", 0.1)]
)
def test_an_option_that_says_what_the_default_is_still_meets_the_column(tmp_path, option, column, value):
    """Written out, the default is a wish like any other: the file must not overrule it in silence."""
    path = tmp_path / "both.csv"
    path.write_text(f"segment,weight,value_per_correct,{column}\na,1,0.02,0.01\nb,1,0.05,0.01\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["solve", "GPQA/reasoning_effort", "--segments", str(path), option, str(value)])
    assert isinstance(result.exception, InputError) or result.exit_code != 0


def test_a_scenario_plays_its_own_users():
    scenario = load_scenario("GPQA/reasoning_effort")
    own = dataclasses.replace(scenario, users=Users([0.02, 0.05], [100, 10]))
    assert own.game().users.rationality.tolist() == [100, 10]
    assert own.game(float(own.users.mean_rationality)).users.rationality.tolist() == [100, 10]


def test_best_offers_are_shown_by_segment(options, monkeypatch):
    """At β = 100 Bell plays ``high``, its best offer to the large segment; to the small one it is ``low``."""
    arguments = ("solve", *options, "--rationality", 100)
    found = json.loads(run(*arguments, "--json", "-").stdout)
    bell = found["provision"][1]
    offers = {offer["segment"]: (offer["level"], offer["against"]) for offer in bell["best_offers"]}
    assert offers == {"small": ("low", "over"), "large": ("high", "equal")}
    assert bell["best_offer"] is None
    assert bell["best_offer_tokens"] is None
    assert bell["against_best_offer"] == "over"
    by_segment = {part["segment"]: part["offers"]["Bell"] for part in found["auction"]["segments"]}
    assert by_segment == {"small": "low", "large": "high"}
    monkeypatch.setenv("COLUMNS", "200")  # a cell in one line
    assert "small: low" in " ".join(run(*arguments).stdout.split())


def test_without_an_equilibrium_nothing_is_compared(options):
    """No levels are stable at β = 1000: neither command names anybody who loses against a market without an outcome."""
    shown = " ".join(run("solve", *options, "--rationality", 1000).stdout.split())
    assert "Pure equilibria: 0" in shown
    assert not re.search("nobody|users, |all providers", shown.partition("who loses")[2])
    found = json.loads(run("solve", *options, "--rationality", 1000, "--json", "-").stdout)
    assert [row["losers"] for row in found["ledger"]] == [[], []]
    side_by_side = ("--mechanism", "pay-per-compute", "--mechanism", "second-score")
    shown = " ".join(run("compare", *options, "--rationality", 1000, *side_by_side).stdout.split())
    assert shown.count("Nothing is compared at β = 1000: pay-per-compute has no outcome there") == 1
    assert "pay-per-compute: no equilibrium: none exists" in shown
    assert "pay-per-compute - - - - -" in shown
    assert "nobody" not in shown
