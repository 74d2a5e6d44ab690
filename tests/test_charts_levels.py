"""Charts of levels, money and mechanisms: the numbers of the results, drawable whatever the market is called and made of."""

import itertools
import json
import math
import re
from functools import cache

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import vl_convert
import xarray as xr

from games import Market, Scenario, Users
from games.auction import AuctionOutcome
from solver.efficiency import Efficiency, LedgerRow, welfare_ratio
from solver.equilibria import Equilibria
from solver.optimum import Optimum
from solver.report.charts import bars, curves, headline, ledger, mechanisms, overview, provision
from solver.report.charts.theme import DARK, LIGHT, VEGA_LITE, config, to_svg
from solver.report.palette import contrast, provider_looks
from solver.report.result import NO_HARM
from solver.report.style import Money, percent, plain, ratio
from solver.result import Status
from tests.parts import PartOfResult, PartOfVerdict, made_up_provision

HOSTILE = "'+alert(1)+'<script>\" datum.x[0] \\ {{y}}"
BETAS = (100.0, 1000.0)
SHELF = ("today " + HOSTILE, "auction", "fee", "gone")


def provider_names(number):
    """One hostile name, then families of models with long names."""
    families = itertools.cycle(["gpt", "Llama", "Qwen"])
    return [HOSTILE, *(f"{next(families)}-{i}-of a model with a long name {i}" for i in range(1, number))][:number]


def made(name, number, *, welfare=(3.0, 4.0, 5.0), segments=1, seed=0):
    """A market of that many providers with three levels, and a made-up verdict about it.

    Args:
        name: of the market.
        number: of providers.
        welfare: in equilibrium, at the optimum and in the auction, cents per query.
        segments: of users.
        seed: of the curves.
    """
    rng = np.random.default_rng(seed)
    names = provider_names(number)
    market = Market.from_arrays(
        accuracy=np.sort(rng.uniform(0.2, 0.95, (number, 3)), axis=1),
        tokens=rng.uniform(100, 400, (number, 1)) * np.array([1, 8, 64]),
        price_per_million=rng.uniform(0.1, 2.0, number),
        providers=names,
    )
    users = Users(np.linspace(0.01, 0.05, segments), 1000.0)
    verdicts = tuple(verdict(name, market, segments, beta, welfare, rng) for beta in BETAS)
    highlighted = tuple(sorted(np.argsort(-verdicts[0].optimum_shares, kind="stable")[:12].tolist()))
    swept = np.array([1.5, price_of_anarchy(welfare), 1.25])
    sweep = xr.Dataset(
        {
            "price_of_anarchy": ("rationality", swept),
            "price_of_stability": ("rationality", np.where(np.isfinite(swept), 1 + (swept - 1) / 2, swept)),
            "num_equilibria": ("rationality", [1, 2, 3]),
        },
        {"rationality": [1.0, 1000.0, 1e6]},
    )
    return PartOfResult(
        scenario=Scenario(name, market, users, "made up"), verdicts=verdicts, focus=1, sweep=sweep,
        mechanisms=side_by_side(), highlighted=highlighted,
    )  # fmt: skip


def price_of_anarchy(welfare):
    return math.nan if math.isnan(welfare[0]) else welfare_ratio(welfare[1], welfare[0])


def verdict(name, market, segments, beta, welfare, rng):
    worst, best = (rng.integers(0, 3, market.num_providers) for _ in range(2))
    shares = rng.dirichlet(np.ones(market.num_providers))
    tokens, every = np.asarray(market.tokens), np.arange(market.num_providers)
    ends = zip(market.providers, tokens[every, worst], tokens[every, best], strict=True)
    rows = tuple(made_up_provision(p, float(x), float(y)) for p, x, y in ends)
    zero = jnp.zeros(segments)
    winner = jnp.arange(segments) % market.num_providers
    levels = jnp.ones((segments, market.num_providers), int)
    arrangements = ("market equilibrium", "market optimum", "auction", NO_HARM)
    entries = []
    for arrangement, total in zip(arrangements, (*welfare, welfare[2]), strict=True):
        users = total - 0.3 * abs(total)
        entries.append(
            LedgerRow(arrangement, users / 100, (total - users) / 100, 0.0, total / 100, users / 100, (), ())
        )
    played = worst[None]
    if math.isnan(welfare[0]):
        played, rows, entries = worst[None][:0], (), entries[1:3]
    number = len(played)
    found = Efficiency(
        Equilibria(jnp.asarray(played), jnp.full(number, welfare[0] / 100), jnp.zeros(number), True, "made up", 1e-9),
        Optimum(jnp.asarray(best), jnp.array(welfare[1] / 100), jnp.array(welfare[1] / 100), True),
        price_of_anarchy(welfare), 1.0, "",
        AuctionOutcome(winner, winner, levels, *[zero] * 6, zero + 1 / segments),
        0.0, 0.0, rows, tuple(entries),
    )  # fmt: skip
    return PartOfVerdict(
        scenario=name,
        rationality=beta,
        efficiency=found,
        equilibrium_shares=shares[None][:number],
        optimum_shares=shares,
    )


def side_by_side():
    """A table as ``compare`` makes it: a loss, a fee, and a mechanism without an outcome."""
    nan, rows = float("nan"), []
    for beta in BETAS:
        for name, (users, profits, platform, gaming, note) in zip(
            SHELF,
            ((0.02, 0.01, 0.0, 0.003, ""), (0.04, 0.005, 0.0, 0.0, ""), (-0.01, 0.0, 0.05, 0.001 * beta, ""),
             (nan, nan, nan, nan, Status.NO_EQUILIBRIUM.text)),
            strict=True,
        ):  # fmt: skip
            rows.append(
                {"mechanism": name, "rationality": beta, "user_value": users, "profits": profits, "platform": platform,
                 "welfare": users + profits + platform, "user_gain": users - 0.02, "misreport_gain": gaming, "losers": (),
                 "note": note}
            )  # fmt: skip
    return pd.DataFrame(rows)


KINDS = {
    "usual": {"number": 5},
    "alone": {"number": 1, "name": HOSTILE, "seed": 1},
    "sixty": {"number": 60, "seed": 2},
    "ruin": {"number": 2, "welfare": (-2.0, 0.5, 0.6), "seed": 3},
    "worthless": {"number": 3, "welfare": (-2.0, -0.5, -0.1), "seed": 4},
    "segments": {"number": 3, "segments": 2, "seed": 5},
    "cycle": {"number": 4, "welfare": (math.nan, 4.0, 5.0), "segments": 2, "seed": 6},
}


@cache
def market_of(kind):
    return made(**{"name": kind} | KINDS[kind])


def every():
    return [market_of(kind) for kind in KINDS]


DRAW = (
    curves.accuracy, curves.value, curves.prices, provision.provision, ledger.ledger, mechanisms.split,
    mechanisms.user_gains,
)  # fmt: skip
CENTS = Money(1, cents=True)


def looks_of(*results):
    coloured = [result.scenario.market.providers[i] for result in results for i in result.highlighted]
    return provider_looks(coloured, [name for result in results for name in result.scenario.market.providers])


def charts(result):
    looks = looks_of(result)
    drawn = [draw(result, looks, CENTS) for draw in DRAW]
    one = [overview.overview([result], looks, CENTS), headline.headline([result], looks, CENTS)]
    return [*drawn, *one, overview.thumbnail(result, overview.ratio_domain([result]))]


def over_all():
    return [draw(every(), looks_of(*every()), CENTS) for draw in (overview.overview, headline.headline)]


def values(chart):
    return chart.spec["data"]["values"]


def without_data(spec):
    """A specification without the values of data and the domains of scales: what a name must not reach."""
    if isinstance(spec, dict):
        return {key: without_data(part) for key, part in spec.items() if key not in ("values", "domain")}
    return [without_data(part) for part in spec] if isinstance(spec, list) else spec


@pytest.mark.parametrize("name", [*KINDS, "all"])
def test_every_chart_compiles_without_a_warning_and_keeps_names_out_of_code(name, capfd):
    for chart in over_all() if name == "all" else charts(market_of(name)):
        json.dumps(chart.spec, allow_nan=False)
        assert chart.spec["width"] == "container"
        assert isinstance(chart.spec["height"], int)
        compiled = vl_convert.vegalite_to_vega(chart.spec, vl_version=VEGA_LITE, config=config(), show_warnings=True)
        assert capfd.readouterr().err == "", chart.key
        for code in (chart.spec, compiled):
            text = json.dumps(without_data(code))
            for part in ("alert", "<script", "of a model", "today", "worthless"):
                assert part not in text, (chart.key, part)
        assert chart.by_provider == (chart.key in ("accuracy", "value", "prices", "provision"))
        assert chart.title
        assert len(chart.text) > 40


@pytest.mark.parametrize("name", KINDS)
def test_marks_have_tooltips_and_every_provider_can_be_hidden(name):
    for chart in charts(market_of(name)):
        for layer in chart.spec["layer"]:
            if "layer" in layer:  # what the marks mean
                assert set(layer["data"]["values"][0]) == {"_mark", "_at", "_shape", "_fill", "_stroke"}
                continue
            says = "tooltip" in layer["encoding"]
            silent = layer["mark"].get("opacity") == 0 or not any("field" in v for v in _channels(layer, "x", "y"))
            assert says or silent, (chart.key, layer["mark"])
        if chart.by_provider:
            assert chart.spec["params"] == [{"name": "hidden", "value": []}]
            assert {"filter": "indexof(hidden, datum.provider) < 0"} in chart.spec["transform"]
            own = [layer["data"]["values"] for layer in chart.spec["layer"] if "data" in layer]
            assert not any("provider" in record for records in own for record in records)
        zooms = [p["name"] for layer in chart.spec["layer"] for p in layer.get("params", [])]
        assert zooms in ([], ["grid"])


def _channels(layer, *names):
    return [layer["encoding"][name] for name in names if name in layer["encoding"]]


def test_hidden_providers_leave_the_picture():
    result = market_of("usual")
    looks = looks_of(result)
    gone, kept = (looks[result.scenario.market.providers[i]].short for i in (1, 2))
    for draw in (curves.prices, provision.provision):
        chart = draw(result, looks, CENTS)
        full, svg = (
            vl_convert.vegalite_to_svg(in_grey(chart.spec | {"params": [hidden], "width": 400}), vl_version=VEGA_LITE)
            for hidden in ({"name": "hidden", "value": []}, {"name": "hidden", "value": [gone]})
        )
        assert full.count("aria-roledescription") > svg.count("aria-roledescription") > 3
        assert f"Provider: {gone}" in full
        assert f"Provider: {gone}" not in svg
        assert f"Provider: {kept}" in svg


def test_files_name_every_provider_once():
    result = made("file", 3, seed=7)
    names = ["Ada", "Bell", "Cora"]
    market = result.scenario.market
    object.__setattr__(market, "providers", tuple(names))
    looks = provider_looks(names)
    for draw in (curves.accuracy, curves.prices):
        svg = to_svg(draw(result, looks, CENTS), looks)
        drawn = svg[svg.index("</desc>") :]
        assert [drawn.count(f">{name}<") for name in names] == [1, 1, 1]
        assert "var(" not in drawn


def in_grey(spec):
    return json.loads(re.sub(r"var\(--[\w-]+\)", "grey", json.dumps(spec)))


@pytest.mark.parametrize("name", ["usual", "sixty", "segments"])
def test_curves_hold_the_market_and_the_levels_played(name):
    result = market_of(name)
    market, users, found = result.scenario.market, result.scenario.users, result.verdict.efficiency
    looks = looks_of(result)
    records = curves.levels(result, looks, CENTS)
    assert len(records) == 3 * market.num_providers
    quality = np.tensordot(users.weight, users.quality(market.accuracy), axes=1)
    winners = set(np.asarray(found.auction.winner).tolist())
    for i, provider in enumerate(market.providers):
        mine = [record for record in records if record["provider"] == looks[provider].short]
        assert [record["tokens"] for record in mine] == market.tokens[i].tolist()
        assert [record["accuracy"] for record in mine] == market.accuracy[i].tolist()
        for field, amount in (("users", quality - market.price), ("created", quality - market.cost)):
            np.testing.assert_allclose([r[field] for r in mine], 100 * np.asarray(amount)[i], rtol=1e-12)
        assert [record["equilibrium"] for record in mine].index(True) == found.equilibria.worst[i]
        assert [record["optimum"] for record in mine].index(True) == found.optimum.profile[i]
        assert [record["auction"] for record in mine] == [False, i in winners, False]
        assert {record["_coloured"] for record in mine} == {i in result.highlighted}
    assert len(winners) == (2 if name == "segments" else 1)
    chart = curves.accuracy(result, looks, CENTS)
    first = next(r for r in records if r["equilibrium"] and r["_coloured"])
    assert f"{percent(first['accuracy'])} with {plain(first['tokens'])} tokens" in chart.text
    assert ("In grey: 48 more providers." in chart.caption) == (name == "sixty")


def test_levels_of_no_tokens_are_left_out():
    result = market_of("usual")
    market = result.scenario.market
    free = Market(market.accuracy, market.tokens.at[1, 0].set(0.0), market.price, market.cost, market.mask,
                  market.providers, market.level_labels)  # fmt: skip
    scenario = Scenario("free", free, result.scenario.users, "made up")
    parts = {name: getattr(result, name) for name in ("verdicts", "focus", "highlighted")}
    records = curves.levels(PartOfResult(scenario=scenario, **parts), looks_of(result), CENTS)
    assert len(records) == 3 * market.num_providers - 1
    assert min(record["tokens"] for record in records) > 0


@pytest.mark.parametrize("name", ["usual", "sixty"])
def test_prices_are_cost_and_margin_of_the_level_in_equilibrium(name):
    result = market_of(name)
    market, worst = result.scenario.market, np.asarray(result.verdict.efficiency.equilibria.worst)
    looks = looks_of(result)
    chart = curves.prices(result, looks, CENTS)
    records = values(chart)
    assert len(records) == 2 * min(market.num_providers, 12)
    prices = [record["price"] for record in records[::2]]
    assert prices == sorted(prices, reverse=True)
    names = {looks[provider].short: i for i, provider in enumerate(market.providers)}
    shown = {names[record["provider"]] for record in records}
    assert min(result.verdict.shares[i] for i in shown) >= max(
        [result.verdict.shares[i] for i in range(market.num_providers) if i not in shown], default=0.0
    )
    for cost, margin in zip(records[::2], records[1::2], strict=True):
        i = names[cost["provider"]]
        level = worst[i]
        assert (cost["part"], margin["part"]) == ("cost", "margin")
        assert cost["amount"] == pytest.approx(100 * float(market.cost[i, level]), rel=1e-5)
        assert cost["amount"] + margin["amount"] == pytest.approx(100 * float(market.price[i, level]), rel=1e-5)
        per_million = 1e6 * float(market.price[i, level]) / float(market.tokens[i, level])
        assert cost["list"] == pytest.approx(per_million, rel=1e-5)
        assert cost["over"] == pytest.approx(0.25, rel=1e-5)
        assert f"{CENTS.amount(float(market.price[i, level]))}, 25.0% above its cost" in chart.text
    assert ("12 of 60 providers" in chart.caption) == (name == "sixty")


@pytest.mark.parametrize("name", ["usual", "sixty"])
def test_provision_shows_the_largest_gaps(name):
    result = market_of(name)
    looks = looks_of(result)
    chart = provision.provision(result, looks, CENTS)
    rows = {looks[p.provider].short: p for p in result.verdict.efficiency.provision}
    shown = [rows[record["provider"]] for record in values(chart)]
    gaps = {p.provider: abs(np.log(p.equilibrium_tokens / p.best_offer_tokens)) for p in rows.values()}
    assert [gaps[p.provider] for p in shown] == sorted(gaps.values(), reverse=True)[:12]
    for record, row in zip(values(chart), shown, strict=True):
        assert record["equilibrium"] == pytest.approx(row.equilibrium_tokens, rel=1e-5)
        assert record["offer"] == pytest.approx(row.best_offer_tokens, rel=1e-5)
        assert record["change"] == pytest.approx(100 * row.best_offer_change, rel=1e-5)
        words = {"over": "more than", "under": "less than", "equal": "as"}
        assert record["verdict"] == f"{words[row.against_best_offer]} its best offer"
        if row.against_best_offer != "equal":
            assert f"{plain(row.equilibrium_tokens)} against {plain(row.best_offer_tokens)}" in chart.text
    assert ("The 12 largest gaps of 60" in chart.caption) == (name == "sixty")


@pytest.mark.parametrize("name", KINDS)
def test_ledger_holds_every_amount(name):
    result = market_of(name)
    chart = ledger.ledger(result, looks_of(result), CENTS)
    amounts = {(record["arrangement"], record["part"]): record for record in values(chart)}
    for row in result.verdict.efficiency.ledger:
        for part in ("users", "providers", "platform"):
            record = amounts[row.name, part]
            assert record["amount"] == pytest.approx(100 * getattr(row, part), rel=1e-5, abs=1e-12)
            assert record["_loss"] == (row.users < 0)
            assert record["total"] == CENTS.amount(row.welfare)
        assert f"users {CENTS.amount(row.users)}, providers {CENTS.amount(row.providers)}" in chart.text
        assert CENTS.amount(row.welfare) in chart.text
    ticks = [layer for layer in chart.spec["layer"] if layer["mark"]["type"] == "tick"]
    assert bool(ticks) == ("Left of zero is a loss" in chart.caption) == (name in ("ruin", "worthless"))


def test_mechanisms_hold_every_amount_and_say_what_is_missing():
    result = market_of("usual")
    chart = mechanisms.split(result, looks_of(result), CENTS)
    there = {(r["arrangement"], r["part"]): r["amount"] for r in values(chart) if r["part"]}
    table = result.mechanisms[result.mechanisms["rationality"] == 1000.0].set_index("mechanism")
    for name in SHELF[:3]:
        for part, field in (("users", "user_value"), ("providers", "profits"), ("platform", "platform")):
            assert there[name, part] == pytest.approx(100 * table[field][name], rel=1e-5, abs=1e-12)
    assert len(there) == 9
    own = [record for layer in chart.spec["layer"] for record in layer.get("data", {}).get("values", [])]
    texts = {record["arrangement"]: record for record in own if "_strong" in record}
    assert texts["fee"]["text"] == CENTS.amount(1.0)
    assert [texts[name]["_strong"] for name in SHELF[:3]] == [True, False, True]
    assert [record["text"] for record in own if record.get("arrangement") == "gone"] == ["no equilibrium found"]
    assert [r["amount"] for r in own if "amount" in r] == [pytest.approx(3.0)]  # the welfare of the first
    assert "gone: no equilibrium found" in chart.text
    assert "platform 5.00¢" in chart.text


def test_users_gains_are_fields_of_two_colours():
    result = market_of("usual")
    chart = mechanisms.user_gains(result, looks_of(result), CENTS)
    fields = {(r["mechanism"], r["beta"]): (r["kind"], r["text"]) for r in values(chart)}
    for beta in ("β = 100", "β = 1k"):
        assert fields["auction", beta] == ("gain", "+2.00¢")
        assert fields["fee", beta] == ("loss", "−3.00¢")
        assert fields["gone", beta] == ("none", "none")
    assert len(fields) == 6
    strength = {r["mechanism"]: r["_strength"] for r in values(chart)}
    assert 0 < strength["gone"] < strength["auction"] < strength["fee"] < 1
    assert "auction 2.00¢, fee −3.00¢, gone no equilibrium found" in chart.text


def test_a_market_without_an_equilibrium_is_drawn_and_says_so():
    result = market_of("cycle")
    drawn = {chart.key: chart for chart in charts(result)}
    assert not any(record["equilibrium"] for record in values(drawn["value"]))
    assert "there is no equilibrium; the auction is won by" in drawn["value"].text
    played = np.asarray(result.verdict.efficiency.optimum.profile)
    looks = looks_of(result)
    names = {looks[name].short: i for i, name in enumerate(result.scenario.market.providers)}
    for record in values(drawn["prices"]):
        i = names[record["provider"]]
        assert record["price"] == pytest.approx(100 * float(result.scenario.market.price[i, played[i]]), rel=1e-5)
    assert "at the welfare optimum, since there is no equilibrium" in drawn["prices"].caption
    assert values(drawn["provision"]) == []
    assert "no equilibrium" in drawn["provision"].text
    assert "no equilibrium" in json.dumps(drawn["provision"].spec)
    assert [r["arrangement"] for r in values(drawn["ledger"])[::3]] == ["market optimum", "auction"]
    assert "no equilibrium" in drawn["headline"].text
    assert "cycle: no equilibrium" in headline.headline(every(), looks_of(*every()), CENTS).text


def test_overview_and_small_charts_say_where_no_ratio_is_finite():
    chart = overview.overview(every(), looks_of(*every()), CENTS)
    rows = {record["market"]: record for record in values(chart)}
    assert (rows["usual"]["low"], rows["usual"]["high"]) == (1.25, 1.5)
    assert (rows["usual"]["note"], rows["ruin"]["note"]) == ("", "no finite ratio at some β")
    dots = next(layer["data"]["values"] for layer in chart.spec["layer"] if "data" in layer)
    usual = [(dot["beta"], dot["low"]) for dot in dots if dot["market"] == "usual"]
    assert usual == [("100", pytest.approx(4 / 3, rel=1e-5)), ("1k", pytest.approx(4 / 3, rel=1e-5))]
    assert not [dot for dot in dots if dot["market"] == "ruin"]
    assert f"usual 1.250 to 1.500 over β, {ratio(4 / 3)} at β = 100" in chart.text
    assert "ruin 1.250 to 1.500 over β, no finite ratio at some β, infinite at β = 100" in chart.text
    assert "undefined at β = 100" in chart.text
    domain = overview.ratio_domain(every())
    assert domain == (1.0, 1.5)
    small = overview.thumbnail(market_of("ruin"), domain)
    assert [record["worst"] for record in values(small)] == [1.5, None, 1.25]
    assert small.text.endswith("between 1.250 and 1.500; no finite ratio at some β.")
    assert small.spec["height"] == 90


def test_headline_adds_up_to_the_best_possible_welfare():
    chart = headline.headline(every(), looks_of(*every()), CENTS)
    usual = {record["kind"]: record for record in values(chart) if record["market"] == "usual"}
    shares = headline.shares(market_of("usual"))
    assert shares == pytest.approx({"users": 0.42, "providers": 0.18, "lost": 0.4, "auction": 0.7})
    ends = [(usual[kind]["_start"], usual[kind]["_end"]) for kind in ("users", "providers", "lost")]
    assert np.ravel(ends).tolist() == pytest.approx([0, 0.42, 0.42, 0.6, 0.6, 1.0])
    assert (usual["users"]["lost"], usual["users"]["_diamond"]) == ("40%", pytest.approx(0.7))
    ruin = {record["kind"]: record for record in values(chart) if record["market"] == "ruin"}
    assert (ruin["users"]["_start"], ruin["users"]["_end"], ruin["users"]["_cut"]) == (headline.LEAST, 0.0, True)
    assert ruin["users"]["part"] == percent(-2.6 / 0.6)
    assert "lost" not in ruin
    assert headline.shares(market_of("worthless")) is None
    assert "worthless: no offer is worth its cost" in chart.text
    assert "usual: users 42.0%, providers 18.0%, lost 40.0%; users in the auction 70.0%" in chart.text
    alone = headline.headline([market_of("usual")], looks_of(market_of("usual")), CENTS)
    assert [r["amount"] for r in values(alone) if r["part"] == "users"] == pytest.approx([2.1, 2.8, 3.5])


@pytest.mark.parametrize(("low", "high"), [(0.0, 3.0), (-5.0, 1.0)])
@pytest.mark.parametrize("width", [150, 400])
def test_bars_leave_room_for_their_numbers(low, high, width):
    scale = bars.reaching(low, high, 56)
    top = eval(scale["domainMax"]["expr"], {"width": width, "max": max})
    end = width * (high - low) / (top - low)
    assert end == pytest.approx(width - 56)


def test_rows_of_one_name_stay_apart():
    splits = [bars.Split(name, 1.0, 1.0, 0.0, 2.0) for name in ("auction of long name a", "auction of long name a")]
    spec = bars.stacked(splits, CENTS)
    assert len({record["_name"] for record in spec["data"]["values"]}) == 2


@pytest.mark.parametrize("number", range(1, 13))
def test_colours_stand_out_from_their_paper(number):
    for families in range(1, min(number, 5) + 1):
        names = [f"{'abcde'[i % families]}-{i}" for i in range(number)]
        looks = list(provider_looks(names, ["other"]).values())
        assert sum(look.coloured for look in looks) == number
        for look in looks:
            assert contrast(look.light, LIGHT["--paper"]) >= 3
            assert contrast(look.dark, DARK["--paper"]) >= 3
        seen = {(look.colour, look.shape, look.dash) for look in looks}
        assert len(seen) == len(looks)
        assert len({look.light for look in looks}) == len({look.dark for look in looks}) == len(looks)
        for one, two in itertools.combinations(looks[:-1], 2):
            same = one.colour.split("-")[2] == two.colour.split("-")[2]
            assert same == (families > 1 and one.family == two.family)


def test_colours_of_the_page_stand_out_from_their_paper():
    for colours in (LIGHT, DARK):
        for name in ("--ink", "--muted", "--users", "--providers", "--platform", "--warning", "--link"):
            assert contrast(colours[name], colours["--paper"]) >= (4.5 if name in ("--ink", "--muted") else 3)
