"""List prices: the user's own table by model, seller and day, the package behind it, and what looks odd."""

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest
from genai_prices import Usage, calc_price

from games import InputError, ListPrice, PriceTable, find_price, genai_price

TABLE = """model,provider,usd_per_million_tokens,usd_per_million_input_tokens,dated
Ada,,0.2,0.05,
Bell,Acme,4,1,2025-01-01
Bell,Acme,3,1,2025-06-01
Bell,Zeta,5,,2025-01-01
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text(TABLE)
    return PriceTable.from_csv(path)


def test_a_row_is_found_by_model_seller_and_day(table):
    assert table.price("Ada").usd_per_million_tokens == table.price("Ada", "anyone").usd_per_million_tokens == 0.2
    by_day = [table.price("Bell", "acme", at=date(2025, month, 1)).usd_per_million_tokens for month in (1, 5, 6, 12)]
    assert by_day == [4.0, 4.0, 3.0, 3.0]
    assert table.price("Bell", "Acme").usd_per_million_tokens == 3.0
    zeta = table.price("Bell", "Zeta")
    assert (zeta.usd_per_million_tokens, zeta.usd_per_million_input_tokens, zeta.dated) == (5.0, None, date(2025, 1, 1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("Adda",), "did you mean 'Ada'"),
        (("Bell",), "sold by Acme, Zeta; name the provider"),
        (("Bell", "Nobody"), "sold by Acme, Zeta"),
    ],
)
def test_a_missing_price_names_what_there_is(table, arguments, words):
    with pytest.raises(InputError, match=words):
        table.price(*arguments)


def test_no_price_before_the_first_day(table):
    with pytest.raises(InputError, match="first price of 'Bell' is of 2025-01-01, the queries are of 2024-01-01"):
        table.price("Bell", "Acme", at=date(2024, 1, 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model\nAda\n", "column 'usd_per_million_tokens' is missing"),
        ("model,usd_per_million_tokens\nAda,-1\n", r"line 2 \(Ada\): usd_per_million_tokens is -1"),
        ("model,usd_per_million_tokens\nAda,cheap\n", r"line 2 \(Ada\)"),
        ("model,usd_per_million_tokens\nAda,\n", r"missing \(NaN\)"),
        ("model,usd_per_million_tokens,usd_per_million_input_tokens\nAda,1,x\n", "input_tokens is x"),
        ("model,usd_per_million_tokens,dated\nAda,1,soon\n", "dated is soon; write a day"),
        ("model,usd_per_million_tokens\nAda,1\nAda,2\n", "line 3: repeats line 2"),
        ("", "the file is empty"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(text, words, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        PriceTable.from_csv(path)


@pytest.mark.parametrize(
    ("output", "given", "words"),
    [
        (0.1, 0.1, ["input and output cost the same"]),
        (2.0, 3.0, ["dearer than output"]),
        (1e-5, 1e-6, ["far from what vendors list"]),
        (15000.0, 5000.0, ["far from what vendors list"]),
        (10.0, None, ["no price of input tokens"]),
        (10.0, 1.25, []),
        (0.0, 0.0, ["far from what vendors list"]),
    ],
)
def test_odd_prices_are_told(output, given, words):
    warnings = ListPrice("Ada", output, given).warnings
    assert len(warnings) == len(words)
    assert all("Ada" in text and word in text for text, word in zip(warnings, words, strict=True))


def test_the_package_is_asked_with_the_usage_that_was_measured():
    """A long-context tier doubles the price of a made-up query of a million tokens, and not that of a real one."""
    day = date(2025, 11, 16)
    real = genai_price("gemini-2.5-pro", "google", input_tokens=254.2, output_tokens=8895, at=day)
    probe = genai_price("gemini-2.5-pro", "google", input_tokens=1e6, output_tokens=1e6, at=day)
    charge = calc_price(Usage(input_tokens=254, output_tokens=8895), "gemini-2.5-pro", provider_id="google").total_price
    ours = 254 * real.usd_per_million_input_tokens + 8895 * real.usd_per_million_tokens
    assert ours / 1e6 == pytest.approx(float(charge), rel=1e-12)
    assert probe.usd_per_million_tokens > real.usd_per_million_tokens
    assert probe.usd_per_million_input_tokens > real.usd_per_million_input_tokens
    assert (real.provider, real.dated, real.source.split()[0]) == ("google", day, "genai-prices")


def test_a_price_is_that_of_its_day():
    """The package holds the day on which the price of o3 fell."""
    before, after = (
        genai_price("o3", "openai", input_tokens=100, output_tokens=100, at=day)
        for day in (date(2025, 6, 1), date(2025, 7, 1))
    )
    for price, day in ((before, date(2025, 6, 1)), (after, date(2025, 7, 1))):
        theirs = next(m for p in _snapshot().providers if p.id == "openai" for m in p.models if m.id == "o3")
        moment = pd.Timestamp(day, tz="UTC").to_pydatetime()
        assert Decimal(str(price.usd_per_million_tokens)) == theirs.get_prices(moment).output_mtok
    assert before.usd_per_million_tokens > after.usd_per_million_tokens


def _snapshot():
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


def test_an_open_model_needs_its_seller():
    usage = {"input_tokens": 320, "output_tokens": 10900}
    with pytest.raises(InputError, match=r"'gpt-oss-120b': sellers differ.*cerebras.*name the provider"):
        genai_price("gpt-oss-120b", **usage)
    assert genai_price("gpt-oss-120b", "cerebras", **usage).provider == "cerebras"
    with pytest.raises(InputError, match="unknown provider in genai-prices 'cerbras': did you mean 'cerebras'"):
        genai_price("gpt-oss-120b", "cerbras", **usage)
    with pytest.raises(InputError, match="'claude-opus-46': did you mean 'claude-opus-4-6'"):
        genai_price("claude-opus-46", "anthropic", **usage)
    with pytest.raises(InputError, match="no name is near"):
        genai_price("xyzzy", **usage)


def test_the_own_table_comes_first():
    own = PriceTable((ListPrice("gpt-5", 7.0, 1.0),))
    usage = {"input_tokens": 260, "output_tokens": 7000}
    assert find_price("gpt-5", table=own, genai=True, **usage).usd_per_million_tokens == 7.0
    assert find_price("gpt-5-mini", "openai", table=own, genai=True, **usage).source.startswith("genai-prices")
    with pytest.raises(InputError, match="did you mean 'gpt-5'"):
        find_price("gpt-5-mini", table=own, **usage)
    with pytest.raises(InputError, match="give a table of prices"):
        find_price("gpt-5")


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("games.genai.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "ttc-games\[logs\]"'):
        genai_price("gpt-5", input_tokens=1, output_tokens=1)
