"""Models that answered different questions: said, and the common ones kept; recorded costs in place of list prices."""

import numpy as np
import pandas as pd
import pytest

from games import InputError, ListPrice, PriceTable
from games.logs import common_questions, logs_table
from games.market_file import LevelRule, MarketFile, read_market_file, table_prices, write_market_file

PRICES = PriceTable((ListPrice("Ada", 1.0, 0.1), ListPrice("Bell", 2.0, 0.1)))
ASKED = {("Ada", "low"): "abcd", ("Ada", "high"): "abce", ("Bell", "default"): "bcdefg"}


def rows(**columns):
    pairs = [(model, level, question) for (model, level), asked in ASKED.items() for question in asked]
    frame = pd.DataFrame(pairs, columns=["model", "level", "question_id"])
    return frame.assign(correct=1, billable_output_tokens=100.0, **columns)


def test_how_many_questions_are_common_is_said():
    told = [note for note in LevelRule().curves(logs_table(rows()), PRICES).notes if "in common" in note]
    assert told == [
        "models and levels answered 4 to 6 of 7 questions each, and only 2 in common: they are compared on different "
        "questions; keep the common ones with common_questions(table)"
    ]
    kept = common_questions(logs_table(rows()))
    assert sorted(kept["question_id"].unique()) == ["b", "c"]
    assert len(kept) == 6
    assert not any("in common" in note for note in LevelRule().curves(kept, PRICES).notes)
    even = logs_table({"question_id": ["a", "b"], "model": ["Ada", "Bell"], "correct": 1, "billable_output_tokens": 9})
    assert any(
        "only 0 in common" in n and "compares like with like" in n for n in LevelRule().curves(even, PRICES).notes
    )
    with pytest.raises(InputError, match="benchmark default: no question was answered by all 2 models and levels"):
        common_questions(even)


def test_a_failed_answer_is_one_where_failures_count():
    frame = rows()
    frame["correct"] = frame["correct"].astype("Int64").mask((frame["model"] == "Bell") & (frame["question_id"] == "b"))
    table = logs_table(frame)
    assert sorted(common_questions(table)["question_id"].unique()) == ["c"]
    assert sorted(common_questions(table, errored="wrong")["question_id"].unique()) == ["b", "c"]


def test_benchmarks_have_common_questions_of_their_own():
    both = pd.concat([rows(benchmark="one"), rows(benchmark="two").query("model == 'Bell'")])
    kept = common_questions(logs_table(both))
    assert sorted(kept.query("benchmark == 'one'")["question_id"].unique()) == ["b", "c"]
    assert sorted(kept.query("benchmark == 'two'")["question_id"].unique()) == list("bcdefg")


def costs():
    rng = np.random.default_rng(2)
    count = sum(map(len, ASKED.values()))
    return rng.uniform(0.001, 0.02, count)


@pytest.mark.parametrize(
    ("rule", "factors"),
    [(LevelRule(), (1,)), (LevelRule("pass-at-k", (1, 2)), (1, 2)), (LevelRule("quantiles", (1,)), (1,))],
)
def test_recorded_costs_stand_in_for_list_prices(rule, factors, tmp_path):
    """Two samples a question; the price of a level is the mean cost of its samples, whatever their tokens."""
    frame = pd.concat([rows(cost_usd=costs(), sample_index=0), rows(cost_usd=2 * costs(), sample_index=1)])
    frame = frame[frame["model"] == "Bell"].assign(input_tokens=50, reasoning_tokens=5)
    table = logs_table(frame)
    prices = table_prices(table, recorded=True)
    assert (prices.prices[0].recorded, prices.prices[0].warnings) == (True, ())
    write_market_file(tmp_path / "m.parquet", MarketFile(table, prices, rule))
    for curves in (rule.curves(table, prices), read_market_file(tmp_path / "m.parquet").curves()):
        market = curves.market()
        mean = frame["cost_usd"].mean()
        assert np.asarray(market.price)[0].tolist() == pytest.approx([n * mean for n in factors], rel=1e-12)
        assert np.allclose(np.asarray(market.cost) * 1.25, np.asarray(market.price))


def test_a_list_price_of_your_own_comes_first_and_gaps_are_named():
    table = logs_table(rows(cost_usd=costs()))
    own = PriceTable((ListPrice("Ada", 1.0, 0.1),))
    prices = table_prices(table, own, recorded=True)
    assert [(p.model, p.recorded) for p in prices.prices] == [("Ada", False), ("Bell", True)]
    gaps = table.assign(cost_usd=table["cost_usd"].mask(table["question_id"] == "g"))
    notes = LevelRule().curves(gaps, prices).notes
    assert "Bell: the cost of 1 of 6 samples is not recorded; the mean of the others stands in" in notes
    with pytest.raises(InputError, match=r"Bell: no sample has a recorded cost \(cost_usd\); give a list price"):
        LevelRule().curves(table.assign(cost_usd=pd.NA), prices)
    with pytest.raises(InputError, match="what a cut-off answer costs was not recorded"):
        LevelRule("token-caps", (50.0,)).curves(table, prices)
    with pytest.raises(InputError, match=r"let the costs that the log recorded stand in with recorded=True$"):
        table_prices(table)
    with pytest.raises(InputError, match=r"price of 'Ada': unknown.*allow genai-prices; no price either for Bell$"):
        table_prices(gaps)
