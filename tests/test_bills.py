"""Tariffs with tiers apply to each request: every rule for levels against a sum over samples, and the file between."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from games import InputError, ListPrice, PriceTable
from games.logs import logs_table
from games.market_file import LevelRule, MarketFile, read_market_file, table_prices, write_market_file
from games.prices import PriceTier

TIERS = (PriceTier(0, 10.0, 1.25), PriceTier(200_000, 15.0, 2.5))
TIERED = PriceTable((ListPrice("Ada", 10.0, 1.25, tiers=TIERS),))


def table(**columns):
    rng = np.random.default_rng(5)
    rows = 24
    base = {
        "question_id": np.repeat([f"q{k}" for k in range(4)], 6),
        "model": "Ada",
        "correct": rng.integers(0, 2, rows),
        "answer": rng.choice(list("AB"), rows),
        "reward": rng.normal(size=rows),
        "input_tokens": rng.integers(100_000, 300_000, rows),
        "billable_output_tokens": rng.integers(100, 9000, rows),
        "reasoning_tokens": rng.integers(10, 90, rows),
    }
    return logs_table(base | columns)


def charge(rows, output):
    """Dollars of every row, by hand."""
    dear = rows["input_tokens"] > 200_000
    given = np.where(dear, 2.5, 1.25) * rows["input_tokens"].astype(float)
    return (given + np.where(dear, 15.0, 10.0) * output) / 1e6


def mean_of_questions(rows, dollars):
    return float(pd.Series(np.asarray(dollars, float)).groupby(rows["question_id"].to_numpy()).mean().mean())


@pytest.mark.parametrize("flat", [ListPrice("Ada", 10.0, 1.25), ListPrice("Ada", 12.0, 2.0)])
@pytest.mark.parametrize(
    ("rule", "factors"),
    [
        (LevelRule("given"), (1,)),
        (LevelRule("best-of-n", (1, 3)), (1, 3)),
        (LevelRule("majority", (1, 3)), (1, 3)),
        (LevelRule("pass-at-k", (2,)), (2,)),
        (LevelRule("quantiles", (1,)), (1,)),
    ],
)
def test_every_rule_charges_each_sample_at_its_own_tier(rule, factors, flat):
    """Whatever list price stands beside the tiers."""
    rows = table()
    prices = PriceTable((replace(flat, tiers=TIERS),))
    market = rule.curves(rows, prices).market()
    one = mean_of_questions(rows, charge(rows, rows["billable_output_tokens"].astype(float)))
    assert np.asarray(market.price)[0].tolist() == pytest.approx([n * one for n in factors], rel=1e-12)
    plain = rule.curves(rows, PriceTable((flat,))).market()
    assert abs(float(plain.price[0, 0]) / float(market.price[0, 0]) - 1) > 0.02  # the mean of charges is another number


def test_a_cap_cuts_the_output_that_the_tier_charges():
    rows = table()
    market = LevelRule("token-caps", (500.0, 4000.0, np.inf)).curves(rows, TIERED).market()
    for k, cap in enumerate((500, 4000, np.inf)):
        cut = np.minimum(rows["billable_output_tokens"].astype(float), cap)
        assert float(market.price[0, k]) == pytest.approx(mean_of_questions(rows, charge(rows, cut)), rel=1e-12)


def test_unknown_prompts_are_charged_at_the_list_price():
    rows = table(input_tokens=None)
    market = LevelRule("given").curves(rows, TIERED).market()
    assert float(market.price[0, 0]) == pytest.approx(
        mean_of_questions(rows, 1e-5 * rows["billable_output_tokens"].astype(float)), rel=1e-12
    )


def test_weights_subsets_and_copies_keep_the_surcharge():
    rows = table()
    curves = LevelRule("given").curves(rows, TIERED)
    assert float(curves.subset(["Ada"]).market().price[0, 0]) == float(curves.market().price[0, 0])
    assert float(curves.anonymous().market().price[0, 0]) == float(curves.market().price[0, 0])
    only = rows[rows["question_id"] == "q2"]
    alone = mean_of_questions(only, charge(only, only["billable_output_tokens"].astype(float)))
    weighted = curves.market(jnp.array([0.0, 0.0, 2.0, 0.0]))
    assert float(weighted.price[0, 0]) == pytest.approx(alone, rel=1e-12)
    with pytest.raises(InputError, match="surcharge must be finite, and one number or of shape"):
        replace(curves, surcharge=jnp.full((4, 1, 1), np.nan))


def test_genai_prices_have_tiers_and_the_file_keeps_them(tmp_path):
    """Two requests of 10,000 tokens and two of 300,000, on either side of a tier of Gemini's."""
    rows = logs_table(
        {
            "question_id": ["q0", "q1", "q2", "q3"],
            "model": "gemini-2.5-pro",
            "provider": "google",
            "correct": [0, 1, 0, 1],
            "input_tokens": [10_000, 10_000, 300_000, 300_000],
            "billable_output_tokens": 1000,
        }
    )
    prices = table_prices(rows, genai=True)
    cached = (0.125, 0.25)  # a tenth of fresh input at either tier
    assert prices.prices[0].tiers == tuple(
        replace(tier, usd_per_million_cached_tokens=price) for tier, price in zip(TIERS, cached, strict=True)
    )
    held = MarketFile(rows, prices)
    write_market_file(tmp_path / "m.parquet", held)
    again = read_market_file(tmp_path / "m.parquet")
    assert again.prices.prices == prices.prices
    for each in (held, again):
        assert float(each.curves().market().price[0, 0]) == pytest.approx(0.39375, rel=1e-12)
    assert table_prices(rows.assign(model="o3", provider="openai"), genai=True).prices[0].tiers == ()
