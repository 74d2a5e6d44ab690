"""The market of commercial models: what the data hold, what was left out, and that its games are the ones it says."""

import gzip
import io
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from benchmarks import frontier
from games import (
    InputError,
    ListPrice,
    Market,
    frontier_levels,
    frontier_names,
    load_question_curves,
    load_scenario,
    price_of_accuracy,
    scenario_names,
)
from games.frontier import FRONTIER_VALUE_PER_CORRECT, frontier_market
from solver import efficiency, regret

GPQA, AIDER, AIME = frontier_names()
DATA = files("games") / "data"


def test_commercial_models_are_a_group_of_their_own():
    """The paper's markets stay the default of reports; both groups are loaded by name."""
    assert not set(frontier_names()) & set(scenario_names())
    assert len(scenario_names()) == 12
    for name in frontier_names():
        assert load_scenario(name).name == name
    with pytest.raises(InputError, match=r"did you mean 'frontier/gpqa-diamond'"):
        load_scenario("frontier/gpqa-diamont")


@pytest.mark.parametrize(("name", "size"), [(GPQA, (31, 47)), (AIDER, (14, 22)), (AIME, (12, 14))])
def test_every_level_is_in_the_market_or_counted_as_left_out(name, size):
    table, scenario = frontier_levels(name), load_scenario(name)
    market = scenario.market
    kept = table[table["left_out"] == ""]
    assert (market.num_providers, int(market.mask.sum()), len(kept)) == (*size, size[1])
    for row in kept.itertuples():
        i = market.providers.index(row.model)
        k = market.level_labels[i].index(row.level)
        ours = [float(x[i, k]) for x in (market.accuracy, market.tokens, market.price)]
        assert ours == [row.accuracy, row.tokens, row.usd_per_query]
        assert float(market.cost[i, k]) == pytest.approx(row.usd_per_query / 1.25, rel=1e-12)
    absent = table[table["left_out"] != ""]
    assert ((absent["usd_per_query"].isna()) | (absent["tokens"].isna())).all()
    assert f"left out: {len(absent)} of {len(table)} levels" in scenario.source or absent.empty


def test_credit_and_licence_are_in_the_source():
    words = {GPQA: ["Epoch AI", "CC BY 4.0"], AIDER: ["Aider-AI/aider", "Apache-2.0"], AIME: ["matharena", "MIT"]}
    readme = (DATA / "README.md").read_text("utf-8")
    for name, wanted in words.items():
        assert all(word in load_scenario(name).source for word in wanted)
        assert all(word in readme for word in wanted)


def test_levels_go_from_least_to_most_effort():
    """Nominal effort: budgets by number, efforts by name; more effort can still need fewer tokens."""
    ranks = ["none", "minimal", "low", "medium", "medium(default)", "high", "xhigh"]
    several = 0
    for name in frontier_names():
        for labels in load_scenario(name).market.level_labels:
            if labels[0] in ("chat", "default") or len(labels) == 1:
                continue
            order = [float(x) if x.isdigit() else ranks.index(x) for x in labels]
            assert order == sorted(order)
            several += 1
    assert several >= 15


def test_prices_are_tokens_at_list_prices():
    for name in (GPQA, AIME):
        table = frontier_levels(name)
        table = table[table["left_out"] == ""]
        charged = table["tokens"] * table["usd_per_million_tokens"]
        charged += table["input_tokens"] * table["usd_per_million_input_tokens"]
        assert np.allclose(charged / 1e6, table["usd_per_query"], rtol=1e-6)
        assert (table.groupby("model")["usd_per_million_tokens"].nunique() == 1).all()
    odd = {
        row.model
        for row in frontier_levels(GPQA).itertuples()
        if ListPrice(row.model, row.usd_per_million_tokens, row.usd_per_million_input_tokens).warnings
    }
    assert odd == {"qwen3-235b-a22b-thinking-2507"}


def test_question_curves_add_up_to_the_level_table():
    curves = load_question_curves(GPQA)
    market, table = curves.market(), load_scenario(GPQA).market
    assert (market.providers, market.level_labels) == (table.providers, table.level_labels)
    mask = np.asarray(table.mask)
    assert np.abs(np.asarray(market.accuracy - table.accuracy))[mask].max() < 0.01
    errors = frontier_levels(GPQA).set_index(["model", "level"])["errors"]
    clean = np.array(
        [
            [k < len(labels) and errors[name, labels[k]] == 0 for k in range(mask.shape[1])]
            for name, labels in zip(table.providers, table.level_labels, strict=True)
        ]
    )
    assert clean.sum() == 37
    # Where no sample failed the two weigh questions alike: equal to the rounding of the tables.
    for field, slack in (("accuracy", 1e-6), ("tokens", 1e-3), ("price", 1e-3)):
        ours, theirs = np.asarray(getattr(market, field)), np.asarray(getattr(table, field))
        assert np.allclose(ours[clean], theirs[clean], rtol=slack), field
    assert not np.asarray(curves.answered)[:, mask].all()


def test_question_curves_of_aime_count_runs_and_spread_the_level_mean_of_tokens():
    curves, table = load_question_curves(AIME, margin=0.5), load_scenario(AIME, margin=0.5).market
    assert curves.num_questions == 15
    market = curves.market()
    for field in ("accuracy", "tokens", "price", "cost"):
        assert np.allclose(np.asarray(getattr(market, field)), np.asarray(getattr(table, field)), rtol=1e-5)
    fourths = np.asarray(curves.correct)[:, np.asarray(curves.mask)] * 4
    assert np.array_equal(fourths, fourths.round())
    assert fourths.std() > 1


def test_no_questions_for_the_programming_tasks():
    with pytest.raises(InputError, match="published without its questions"):
        load_question_curves(AIDER)


def test_the_data_hold_codes_and_no_text_of_a_question():
    content = (DATA / "frontier_questions.csv.gz").read_bytes()
    table = pd.read_csv(io.BytesIO(gzip.decompress(content)))
    assert table["question"].str.fullmatch(r"q\d{2,3}").all()
    assert list(table.columns) == [
        *("benchmark", "model", "level", "question", "samples", "correct", "errors", "tokens", "input_tokens")
    ]
    assert ((table["correct"] >= 0) & (table["correct"] <= table["samples"])).all()
    assert len(content) < 300_000


def test_the_price_of_accuracy_of_a_known_market():
    market = Market.from_arrays(
        accuracy=[[0.5, 0.7, 0.6], [0.4, 0.3, 0.3], [0.2, 0.9, 0.1]],
        tokens=[[100, 1100, 2100], [300, 200, 100], [100, 200, 300]],
        price_per_million=[18, 1, 1],
        providers=["Ada", "Bell", "Cox"],
    )
    steps = price_of_accuracy(market)
    assert steps["price_step"].tolist() == pytest.approx([0.018, 0.018, -1e-4, -1e-4, 1e-4, 1e-4])
    assert np.isnan(steps["usd_per_correct"][2])
    known = [0.018 / 0.9 / 0.2, np.inf, 0.0, 1e-4 / 0.9 / 0.7, np.inf]
    assert steps["usd_per_correct"].drop(2).tolist() == pytest.approx(known)


@pytest.mark.parametrize("name", frontier_names())
def test_the_default_value_is_the_median_price_of_accuracy(name):
    """To one or two digits; at that value about half of the steps on sale are worth their price to users."""
    scenario = load_scenario(name)
    value = float(scenario.users.value_per_correct[0])
    steps = price_of_accuracy(scenario.market)["usd_per_correct"]
    assert value == pytest.approx(steps.median(), rel=0.06)
    assert value == FRONTIER_VALUE_PER_CORRECT[name.removeprefix("frontier/")]
    assert float(load_scenario(name, value_per_correct=1.5).users.value_per_correct[0]) == 1.5


def test_equilibria_of_the_commercial_market_are_certified():
    """The verdict's welfare and provision against the independent certificate and arithmetic by hand."""
    game = load_scenario(GPQA).game(2.0)
    verdict = efficiency(game)
    worst = verdict.equilibria.worst
    assert verdict.equilibria.complete
    assert float(regret(game, worst).max_regret) <= 1e-9
    assert float(verdict.optimum.welfare) >= float(game.welfare(worst)) > 0
    table = frontier_levels(GPQA)
    surplus = 3.0 * (0.1 + 0.9 * table["accuracy"]) - table["usd_per_query"] / 1.25
    best = surplus.groupby(table["model"]).max().sort_values()
    names = game.market.providers
    assert names[int(verdict.auction.winner[0])] == best.index[-1]
    winner = table.loc[surplus.idxmax()]
    quality = 3.0 * (0.1 + 0.9 * winner["accuracy"])
    assert float(verdict.auction.price[0]) == pytest.approx(quality - best.iloc[-2], rel=1e-9)


def test_the_study_prints_what_the_solver_says(capsys):
    """`python -m benchmarks.frontier`, whose figures stand in docs/how-to/frontier.md."""
    frontier.main([GPQA, "--replicates", "0"])
    printed = capsys.readouterr().out
    scenario = load_scenario(GPQA)
    for beta in (1.0, 5.0, 25.0):
        verdict = efficiency(scenario.game(beta))
        block = printed.partition(f"β = {beta:g}:")[2].partition("β =")[0]
        assert f"price of anarchy {verdict.price_of_anarchy:.4f}" in block
        assert f"users get {1000 * verdict.ledger[0].users:.1f} in the market" in block
        line = next(line for line in block.splitlines() if "more than its own best offer" in line)
        assert [name for name in scenario.market.providers if f" {name} (" in line] == list(verdict.over_computing)
    assert f"is paid {1000 * float(verdict.auction.price[0]):.1f} " in printed


def test_the_margin_is_the_one_asked_for():
    for margin in (0.0, 1.0):
        market = frontier_market(AIDER, margin=margin)
        assert np.allclose(np.asarray(market.cost) * (1 + margin), np.asarray(market.price))
