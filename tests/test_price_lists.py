"""Price lists that others publish: read, matched by the names of logs, and what cached tokens cost."""

import json

import numpy as np
import pytest

from games import InputError, ListPrice, Market, PriceTable
from games.logs import logs_table
from games.market_file import table_prices
from games.price_lists import JSON_KINDS, read_price_list
from games.sampling import given_levels

LITELLM = {
    "sample_spec": {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "mode": "one of chat, embedding"},
    "ada": {
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-06,
        "input_cost_per_token_batches": 1.25e-06,
        "output_cost_per_token_batches": 5e-06,
        "litellm_provider": "acme",
        "mode": "chat",
    },
    "zeta/ada": {
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.2e-05,
        "litellm_provider": "zeta",
        "mode": "chat",
    },
    "bell-2025-03-01": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "litellm_provider": "acme"},
    "cox-2025-03-01": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "litellm_provider": "acme"},
    "cox-2025-09-01": {"input_cost_per_token": 1e-06, "output_cost_per_token": 3e-06, "litellm_provider": "acme"},
    "gemini/dee": {
        "input_cost_per_token": 1.25e-06,
        "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
        "litellm_provider": "gemini",
        "mode": "chat",
    },
    "embedder": {"input_cost_per_token": 1e-07, "output_cost_per_token": 0.0, "mode": "embedding"},
}
OPENROUTER = {
    "data": [
        {
            "id": "acme/ada",
            "pricing": {
                "prompt": "0.0000025",
                "completion": "0.00001",
                "input_cache_read": "0.00000125",
                "request": "0",
            },
        },
        {"id": "acme/ada:free", "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "router/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "acme/fee", "pricing": {"prompt": "0.000001", "completion": "0.000001", "request": "0.005"}},
    ]
}


def write(path, document):
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def litellm(tmp_path):
    return PriceTable.from_file(write(tmp_path / "list.json", LITELLM))


@pytest.fixture
def openrouter(tmp_path):
    return PriceTable.from_file(write(tmp_path / "models.json", OPENROUTER))


def rates(price):
    return price.usd_per_million_input_tokens, price.usd_per_million_tokens, price.usd_per_million_cached_tokens


@pytest.mark.parametrize("document", [LITELLM, OPENROUTER], ids=JSON_KINDS)
@pytest.mark.parametrize(("model", "provider"), [("ada", "acme"), ("acme/ada", None), ("ada", None), ("Ada", "acme")])
def test_a_model_is_found_by_the_names_that_logs_use(document, model, provider, tmp_path):
    price = read_price_list(write(tmp_path / "list.json", document)).price(model, provider)
    assert rates(price) == (2.5, 10.0, 1.25)
    assert price.remarks == ()


def test_dated_names_mean_their_own_day_or_the_undated_entry(litellm):
    assert rates(litellm.price("ada-2025-08-07", "acme")) == (2.5, 10.0, 1.25)
    assert "taken from 'ada'" in litellm.price("ada-2025-08-07", "acme").warnings[-1]
    assert rates(litellm.price("bell", "acme"))[:2] == (1.0, 2.0)
    assert litellm.price("cox-2025-09-01").usd_per_million_tokens == 3.0
    with pytest.raises(InputError, match="unknown model 'bell-2025-04-01': did you mean 'bell-2025-03-01'"):
        litellm.price("bell-2025-04-01")


def test_what_may_be_several_is_listed(litellm):
    words = r"'cox' may be any of these.*cox-2025-03-01 \(1 in, 2 out\), cox-2025-09-01 \(1 in, 3 out\).*aliases"
    with pytest.raises(InputError, match=words):
        litellm.price("cox")


def test_another_sellers_price_is_told(litellm):
    assert rates(litellm.price("ada", "zeta"))[:2] == (3.0, 12.0)
    assert "the list has none of yota; that of acme is taken" in litellm.price("bell-2025-03-01", "yota").warnings[-1]


def test_tiers_and_sellers_with_two_names(litellm):
    price = litellm.price("dee", "google")
    output, given, cached = price.rates(np.array([200_000.0, 200_001.0]))
    assert (output.tolist(), given.tolist(), cached.tolist()) == ([10.0, 15.0], [1.25, 2.5], [1.25, 2.5])


def test_batches_where_the_list_has_them(tmp_path):
    table = PriceTable.from_file(write(tmp_path / "list.json", LITELLM), batch=True)
    assert rates(table.price("ada")) == (1.25, 5.0, None)
    assert "no price of batches" in table.price("bell").warnings[0]
    with pytest.raises(InputError, match="no prices of batches"):
        PriceTable.from_file(write(tmp_path / "models.json", OPENROUTER), batch=True)


def test_what_is_no_model_of_text_is_left_out(litellm, openrouter):
    assert not any(litellm.has(name) for name in ("embedder", "sample_spec"))
    assert not openrouter.has("router/auto")
    assert openrouter.price("acme/ada:free").usd_per_million_tokens == 0.0
    assert "fee of 0.005 $ a request is not charged" in openrouter.price("fee").warnings[-1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON that can be read"),
        ("[1, 2]", "no price list of a known kind; known are a CSV table.*LiteLLM.*OpenRouter"),
        (
            '{"ada": {"input_cost_per_token": 1e-6, "output_cost_per_token": "dear"}}',
            "ada: output_cost_per_token is 'dear'",
        ),
        (
            '{"ada": {"input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6}}',
            "ada: input_cost_per_token is -1e-06",
        ),
        ('{"ada": {"input_cost_per_token": 1e-6, "mode": "embedding"}}', "no model with a price per token"),
    ],
)
def test_a_bad_list_is_refused_with_its_place(text, words, tmp_path):
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        PriceTable.from_file(path)


def cached_log():
    return logs_table(
        {
            "question_id": ["a", "b"], "model": "ada", "provider": "acme", "correct": [1, 0],
            "input_tokens": 1000, "cached_tokens": 900, "billable_output_tokens": 50,
        }
    )  # fmt: skip


def test_cached_input_is_charged_as_such(litellm):
    curves = given_levels(cached_log(), table_prices(cached_log(), litellm))
    assert 1000 * float(curves.market().price[0, 0]) == pytest.approx(1.875, rel=1e-12)
    assert not any("cache" in note for note in curves.notes)


def test_without_a_cached_price_it_is_charged_in_full_and_said_once():
    own = PriceTable((ListPrice("ada", 10.0, 2.5),))
    curves = given_levels(cached_log(), own)
    assert 1000 * float(curves.market().price[0, 0]) == pytest.approx(3.0, rel=1e-12)
    said = [note for note in curves.notes if "read from a cache" in note]
    assert len(said) == 1
    assert "1,800 of 2,000 input tokens" in said[0]


def test_a_cached_price_stands_in_a_csv_table_too(tmp_path):
    path = tmp_path / "prices.csv"
    header = "model,usd_per_million_tokens,usd_per_million_input_tokens,usd_per_million_cached_tokens"
    path.write_text(f"{header}\nada,10,2.5,1.25\nbell,10,2.5,\n")
    table = PriceTable.from_file(path)
    assert rates(table.price("ada")) == (2.5, 10.0, 1.25)
    assert table.price("bell").usd_per_million_cached_tokens is None


def test_a_market_of_two_files_takes_a_list(tmp_path):
    curves = tmp_path / "curves.csv"
    curves.write_text("model,level,accuracy,tokens,input_tokens\nacme/ada,1,0.5,100,1000\n")
    market = Market.from_csv(curves, write(tmp_path / "models.json", OPENROUTER))
    assert float(market.price[0, 0]) == pytest.approx((100 * 10 + 1000 * 2.5) / 1e6, rel=1e-12)
    curves.write_text("model,level,accuracy,tokens\ndee,1,0.5,100\n")
    with pytest.raises(InputError, match="'dee' has prices by length of the prompt"):
        Market.from_csv(curves, write(tmp_path / "list.json", LITELLM))


def test_the_package_knows_cached_prices():
    from games import genai_price

    price = genai_price("gpt-4o", "openai", input_tokens=1000, output_tokens=50)
    assert rates(price) == (2.5, 10.0, 1.25)
