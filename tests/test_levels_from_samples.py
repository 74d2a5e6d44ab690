"""From a table of generations to curves: what each kind of level reads, refuses and remarks on. Rewards here are made up."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from games import Market, PriceTable
from games.errors import InputError
from games.logs import logs_table
from games.sampling import (
    best_of_n_levels,
    effort_quantile_levels,
    given_levels,
    majority_levels,
    pass_at_k_levels,
    token_cap_levels,
)

PRICES = PriceTable.from_frame(
    pd.DataFrame(
        {
            "model": ["Ada", "Bell"],
            "usd_per_million_tokens": [2.0, 10.0],
            "usd_per_million_input_tokens": [0.5, 1.0],
        }
    )
)


def generations(**changes):
    """Two models, two questions; Ada has 4 samples of each, Bell 4 of the first and 2 of the second."""
    rows = [("Ada", q, s) for q in "ab" for s in range(4)] + [
        ("Bell", q, s) for q, n in (("a", 4), ("b", 2)) for s in range(n)
    ]
    model, question, sample = zip(*rows, strict=True)
    data = {
        "model": model,
        "question_id": question,
        "sample_index": sample,
        "answer": ["A", "A", "B", None, "C", "D", "C", "D", "A", "B", "B", "B", "D", "C"],
        "correct": [1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0],
        "reward": [0.9, 0.2, 0.5, 0.1, 0.3, 0.3, 0.7, 0.8, 0.4, 0.6, 0.1, 0.1, 0.5, 0.2],  # synthetic
        "billable_output_tokens": [100, 200, 300, 400, 50, 150, 250, 350, 10, 20, 30, 40, 80, 60],
        "reasoning_tokens": [80, 180, 280, 380, 40, 140, 240, 340, 5, 15, 25, 35, 70, 50],
        "input_tokens": [30] * 8 + [20] * 4 + [40] * 2,
    }
    return logs_table(pd.DataFrame(data | changes))


def test_majority_levels():
    curves = majority_levels(generations(), PRICES, [1, 2, 4])
    assert curves.level_labels == (("1", "2", "4"), ("1", "2", "4"))
    # Ada on a: A twice, B once, one abstains; all pairs: AA, AB ×2, A– ×2, B–. On b: C and D twice each.
    np.testing.assert_allclose(
        curves.correct[:, 0], [[1 / 2, (1 + 2 / 2 + 2 + 0) / 6, 1.0], [1 / 2, 1 / 2, 1 / 2]], atol=1e-12
    )
    np.testing.assert_allclose(curves.correct[0, 1], [1 / 4, 3 / 6 / 2, 0.0], atol=1e-12)
    np.testing.assert_array_equal(curves.answered[1, 1], [True, True, False])
    np.testing.assert_allclose(curves.output_tokens[0], [[250, 500, 1000], [25, 50, 100]])
    np.testing.assert_allclose(curves.input_tokens[1, 1, :2], [40, 80])
    market = curves.market()
    assert float(market.price[0, 1]) == pytest.approx(1e-6 * (2 * 2.0 * (250 + 200) / 2 + 2 * 0.5 * 30))
    few = "samples of a question are drawn, so that the value rests on few independent draws; sample more"
    assert curves.notes == (
        f"Ada, level 4: more than half of the 4 {few}",
        "Bell, level 4: 1 of 2 questions have fewer than 4 samples; they are left out of this level",
        f"Bell, level 2, 4: more than half of the 4 {few}",
    )


def test_majority_refuses_without_answers():
    answer = ["A"] * 8 + [None] * 6
    with pytest.raises(InputError, match="Bell: a majority vote needs the samples' answers, and the log has none"):
        majority_levels(generations(answer=answer), PRICES)


def test_majority_remarks_on_mute_and_disputed_answers():
    curves = majority_levels(generations(answer=["A", None, *["A"] * 12]), PRICES, [1])
    assert "Ada: 1 samples are marked right but have no answer; they do not vote" in curves.notes
    assert "Ada: 2 answers are marked right in some samples and wrong in others" in curves.notes


def test_best_of_n_levels():
    curves = best_of_n_levels(generations(), PRICES, [1, 4])
    # Highest rewards: Ada's first sample on a, its last on b; Bell's second on a, its only question with 4 samples.
    np.testing.assert_allclose(curves.correct[:, 0], [[0.5, 1.0], [0.5, 1.0]], atol=1e-12)
    np.testing.assert_allclose(curves.correct[0, 1], [0.25, 0.0], atol=1e-12)
    some = best_of_n_levels(generations(reward=[None, *[1.0] * 13]), PRICES, [1])
    assert "Ada: 1 of 8 samples have no reward; they rank last" in some.notes
    with pytest.raises(InputError, match="Ada: best of n needs a reward for each sample, and none has one"):
        best_of_n_levels(generations(reward=[None] * 8 + [1.0] * 6), PRICES)


def test_pass_at_k_levels_and_levels_that_nobody_can_measure():
    curves = pass_at_k_levels(generations(), PRICES, [1, 2, 8])
    np.testing.assert_allclose(curves.correct[:, 0], [[0.5, 5 / 6], [0.5, 5 / 6]], atol=1e-12)
    np.testing.assert_allclose(curves.correct[:, 1], [[0.25, 0.5], [0.5, 1.0]], atol=1e-12)
    assert "Ada: no question can measure level 8; it is left out" in curves.notes
    with pytest.raises(InputError, match="Ada: no level is measured by any question; ask for fewer samples"):
        pass_at_k_levels(generations(), PRICES, [5, 8])


def test_given_levels_go_from_least_to_most_tokens():
    level = ["high"] * 4 + ["low"] * 4 + ["default"] * 6
    curves = given_levels(generations(level=level, level_kind="reasoning_effort"), PRICES)
    assert curves.level_labels == (("low", "high"), ("default",))
    np.testing.assert_array_equal(curves.answered[:, 0], [[False, True], [True, False]])
    market = curves.market()
    np.testing.assert_allclose(market.tokens[0], [200, 250])
    np.testing.assert_allclose(market.accuracy[0], [0.5, 0.5])
    (note,) = curves.notes
    assert note.startswith("models and levels answered 1 to 2 of 2 questions each, and only 0 in common")


def test_one_sample_a_question_is_remarked_on():
    curves = given_levels(generations(level=[str(i % 4) for i in range(14)]), PRICES)
    told = [note for note in curves.notes if "one sample a question" in note]
    assert len(told) == 8
    assert told[0].startswith("Ada at 0: ")


def test_several_given_levels_and_several_draws_make_their_product():
    level = ["low", "low", "high", "high"] * 3 + ["low", "high"]
    curves = pass_at_k_levels(generations(level=level), PRICES, [1, 2])
    assert curves.level_labels[0] == ("low x1", "low x2", "high x1", "high x2")


def test_effort_quantiles_and_the_papers_filters():
    curves = effort_quantile_levels(generations(), PRICES, 2)
    np.testing.assert_allclose(curves.correct[:, 0], [[1.0, 0.0], [0.5, 0.5]], atol=1e-12)
    np.testing.assert_allclose(curves.output_tokens[:, 0], [[150, 350], [100, 300]])
    filtered = effort_quantile_levels(generations(), PRICES, 2, min_thinking=5, below_tokens=400)
    # Ada loses the wrong sample of 400 tokens on question a; Bell the right one that thought for 5 tokens.
    np.testing.assert_allclose(filtered.correct[0], [[1.0, 1 / 3], [0.0, 0.0]], atol=1e-12)
    assert (
        "Ada: the filters leave out 1 of 8 samples, 100% of them wrong; accuracy is that of the rest" in filtered.notes
    )
    assert (
        "Bell: the filters leave out 1 of 6 samples, 0% of them wrong; accuracy is that of the rest" in filtered.notes
    )
    with pytest.raises(InputError, match="Ada: no sample has reasoning_tokens"):
        effort_quantile_levels(generations(reasoning_tokens=[None] * 14), PRICES)
    part = effort_quantile_levels(generations(reasoning_tokens=[None, *range(1, 14)]), PRICES, 2)
    assert "Ada: 1 of 8 samples have no thinking tokens; they are left out" in part.notes


def test_token_caps():
    curves = token_cap_levels(generations(), PRICES, [150, 250, np.inf])
    assert curves.level_labels[0] == ("150", "250", "inf")
    np.testing.assert_allclose(curves.correct[:, 0], [[0.25, 0.5, 0.5], [0.25, 0.25, 0.5]], atol=1e-12)
    np.testing.assert_allclose(curves.output_tokens[:, 0], [[137.5, 200, 250], [125, 175, 200]])
    np.testing.assert_allclose(curves.input_tokens[:, 0], 30.0)


def test_unscored_samples_are_dropped_or_wrong():
    correct = [None, 1, 0, 0, *[1] * 8, None, None]
    dropped = given_levels(generations(correct=correct), PRICES)
    np.testing.assert_array_equal(dropped.answered[:, 1], [[True], [False]])
    assert float(dropped.correct[0, 0, 0]) == pytest.approx(1 / 3)
    assert "Bell: 2 of 6 samples failed or have no score; they are left out" in dropped.notes
    wrong = given_levels(generations(correct=correct), PRICES, errored="wrong")
    np.testing.assert_allclose(wrong.correct[:, :, 0], [[0.25, 1.0], [1.0, 0.0]])
    assert "Ada: 1 of 8 samples failed or have no score; they count as wrong" in wrong.notes


def test_unknown_tokens_are_filled_in_and_said():
    tokens = [100, 200, 300, 400, *[None] * 4, *[40] * 6]
    curves = given_levels(generations(billable_output_tokens=tokens, input_tokens=[None] * 14), PRICES)
    np.testing.assert_allclose(curves.output_tokens[:, 0, 0], [250, 250])
    np.testing.assert_array_equal(curves.input_tokens, 0.0)
    assert (
        "Ada, level default: tokens of 1 of 2 questions are unknown; the mean of the others stands in" in curves.notes
    )
    assert "Ada: input tokens are unknown and cost nothing here, though the vendor charges them" in curves.notes
    with pytest.raises(InputError, match="Bell: no sample has billable_output_tokens"):
        given_levels(generations(billable_output_tokens=[1] * 8 + [None] * 6), PRICES)


def test_sellers_and_kinds_of_level_are_told_apart():
    sellers = generations(model=["Ada"] * 14, provider=["North"] * 8 + ["South"] * 6)
    assert given_levels(sellers, PRICES).providers == ("Ada (North)", "Ada (South)")
    kinds = generations(level=["0"] * 14, level_kind=["budget"] * 4 + ["effort"] * 10)
    assert given_levels(kinds, PRICES).level_labels == (("effort 0", "budget 0"), ("0",))


def test_what_cannot_be_read_is_refused():
    table = generations()
    with pytest.raises(
        InputError, match=r"column 'benchmark' is missing; build the table with games\.logs\.logs_table"
    ):
        given_levels(table.drop(columns="benchmark"), PRICES)
    with pytest.raises(InputError, match=r"holds several benchmarks \(x, y\)"):
        given_levels(generations(benchmark=["x"] * 8 + ["y"] * 6), PRICES)
    with pytest.raises(InputError, match="unknown benchmark 'z'"):
        given_levels(generations(benchmark=["x"] * 14), PRICES, benchmark="z")
    with pytest.raises(InputError, match="no sample has a score"):
        given_levels(generations(correct=[None] * 14), PRICES)
    with pytest.raises(InputError, match=r"repeats row 0 .*; keep one of them"):
        given_levels(generations(sample_index=[0] * 14), PRICES)
    with pytest.raises(InputError, match="did you mean 'Ada'"):
        given_levels(generations(model=["Adda"] * 14, sample_index=range(14)), PRICES)
    one = given_levels(generations(benchmark=["x"] * 8 + ["y"] * 6), PRICES, benchmark="y")
    assert (one.providers, one.questions) == (("Bell",), ("a", "b"))


def frames():
    """The aggregate of a measured market, as tables that people publish."""
    curves = majority_levels(generations(), PRICES, [1, 2])
    rows = [
        {"model": name, "level": label, "accuracy": accuracy, "tokens": n * output, "input_tokens": n * given}
        for i, name in enumerate(curves.providers)
        for label, accuracy, n, output, given in zip(
            curves.level_labels[i],
            np.asarray(curves.market().accuracy)[i],
            (1, 2),
            [[225] * 2, [47.5] * 2][i],
            [[30] * 2, [30] * 2][i],
            strict=True,
        )
    ]
    prices = {"model": ["Ada", "Bell", "Cora"], "usd_per_million_tokens": [2.0, 10.0, 1.0]}
    return (
        curves.market(),
        pd.DataFrame(rows),
        pd.DataFrame(prices | {"usd_per_million_input_tokens": [0.5, 1.0, None]}),
    )


def test_aggregated_tables_charge_input_tokens_as_samples_do():
    market, curves, prices = frames()
    ours = Market.from_frames(curves, prices)
    for field in ("accuracy", "tokens", "price", "cost"):
        np.testing.assert_allclose(getattr(ours, field), getattr(market, field), rtol=1e-12)
    # Without one of the two columns the prompt is free, as before.
    free = Market.from_frames(curves, prices.drop(columns="usd_per_million_input_tokens"))
    np.testing.assert_allclose(free.price, 1e-6 * np.asarray(free.tokens) * np.array([[2.0], [10.0]]), rtol=1e-12)
    np.testing.assert_array_equal(free.price, Market.from_frames(curves.drop(columns="input_tokens"), prices).price)


def test_bad_input_tokens_and_prices_are_refused():
    _, curves, prices = frames()
    with pytest.raises(InputError, match=r"curves, row 1 \(Ada\): input_tokens is -5; it must be a finite number"):
        Market.from_frames(curves.assign(input_tokens=[1, -5, 1, 1]), prices)
    with pytest.raises(InputError, match=r"prices, row 1 \(Bell\): usd_per_million_input_tokens is missing"):
        Market.from_frames(curves, prices.assign(usd_per_million_input_tokens=[1.0, None, 1.0]))
    good = {"accuracy": [[0.5]], "tokens": [[10]], "price_per_million": 1.0}
    with pytest.raises(InputError, match="input_tokens has rows of"):
        Market.from_arrays(**good, input_tokens=[[1, 2]])
    with pytest.raises(InputError, match="input_tokens of provider 0 at level 0 is nan"):
        Market.from_arrays(**good, input_tokens=[[np.nan]])
    with pytest.raises(InputError, match="input_price_per_million of provider 0 is -1"):
        Market.from_arrays(**good, input_tokens=[[5]], input_price_per_million=-1)


def test_prices_are_those_of_the_day_and_odd_ones_are_remarked_on():
    prices = PriceTable.from_frame(
        pd.DataFrame(
            {
                "model": ["Ada", "Ada", "Bell"],
                "usd_per_million_tokens": [2.0, 8.0, 0.1],
                "usd_per_million_input_tokens": [0.5, 0.5, 0.1],
                "dated": ["2025-01-01", "2026-01-01", None],
            }
        )
    )
    then, now = given_levels(generations(), prices, at=date(2025, 6, 1)), given_levels(generations(), prices)
    assert (then.price_per_million.tolist(), now.price_per_million.tolist()) == ([2.0, 0.1], [8.0, 0.1])
    assert [note for note in now.notes if note.startswith("price of Bell: input and output cost the same")] != []
