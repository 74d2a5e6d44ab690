"""Every bar of the tornado is what a plain solve of the changed market gives."""

import csv
import io
import itertools
import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import vl_convert

from games import Market, PayPerCompute, Scenario, Users
from solver.efficiency import efficiency
from solver.equilibria import pure_equilibria
from solver.report.charts import tornado as charts
from solver.report.charts.theme import VEGA_LITE
from solver.report.palette import provider_looks
from solver.report.result import Result
from solver.report.style import Money
from solver.report.tables_tornado import tornado as table
from solver.report.tornado import FACTORS, Outcome, by_width, tornado

# As many markets in one call as the other tests of the report have β, so that they share compiled code.
BLOCK = 6
BETA = 1000.0
HOSTILE = "'+alert(1)+'<script>\" datum.x[0]"
CENTS = Money(1, cents=True)
DATA = {
    "plain": {
        "accuracy": [[0.5, 0.62, 0.7], [0.6, 0.66, 0.68]],
        "tokens": [[100, 300, 2000], [120, 500, 1500]],
        "price_per_million": [1.0, 2.0],
        "providers": [HOSTILE, "Bell"],
    },
    "alone": {
        "accuracy": [[0.5, 0.7, 0.75]],
        "tokens": [[100, 400, 1600]],
        "price_per_million": [1.0],
        "providers": ["Ada"],
    },
}
PEOPLE = {
    "plain": {"value_per_correct": [0.008], "rationality": [BETA], "outside_value": [0.001]},
    "alone": {"value_per_correct": [0.008], "rationality": [BETA], "outside_value": [0.0]},
    "segments": {"value_per_correct": [0.004, 0.02], "rationality": [500.0, 2000.0], "outside_value": [0.0, 0.001]},
}


def made(kind):
    """The numbers of a market and of its users."""
    return DATA.get(kind, DATA["plain"]), PEOPLE[kind]


def game_of(data, people, margin=0.25, baseline=0.1):
    return PayPerCompute(Market.from_arrays(**data, margin=margin), Users(**people, baseline=baseline))


def changed(kind, change, factor):
    """The market of a change, written down again from its numbers."""
    data, people = made(kind)
    names = data["providers"]
    rows = range(len(names)) if not change.provider else [names.index(change.provider)]
    match change.parameter:
        case "value of a correct answer":
            return game_of(data, people | {"value_per_correct": [factor * x for x in people["value_per_correct"]]})
        case "users' rationality":
            return game_of(data, people | {"rationality": [factor * x for x in people["rationality"]]})
        case "value of not buying":
            return game_of(data, people | {"outside_value": [factor * x for x in people["outside_value"]]})
        case "margins":
            return game_of(data, people, margin=0.25 * factor)
        case "worth of any answer":
            return game_of(data, people, baseline=0.1 * factor)
        case "prices or token counts":
            return game_of(data | {"tokens": [[factor * x for x in row] for row in data["tokens"]]}, people)
        case "list price":
            prices = [factor * x if i in rows else x for i, x in enumerate(data["price_per_million"])]
            return game_of(data | {"price_per_million": prices}, people)
        case "error rates" | "error rate":
            accuracy = [
                [1 - factor * (1 - x) if i in rows else x for x in row] for i, row in enumerate(data["accuracy"])
            ]
            return game_of(data | {"accuracy": accuracy}, people)


@cache
def solved(kind):
    """A scenario and its tornado."""
    game = game_of(*made(kind))
    scenario = Scenario(kind, game.market, game.users, "made up")
    worst = pure_equilibria(scenario.game(BETA)).worst
    shares = np.asarray(game.segment_weight @ game.shares(worst))
    return scenario, tornado(scenario, BETA, shares, np.asarray(worst), BLOCK), np.asarray(worst)


class PartOfResult(Result):
    """Only the parts that charts and table read."""

    def __init__(self, scenario, found):
        object.__setattr__(self, "scenario", scenario)
        object.__setattr__(self, "tornado", found)


def result_of(kind, found=None):
    scenario, own, _ = solved(kind)
    result = PartOfResult(scenario, own if found is None else found)
    return result, provider_looks(scenario.market.providers)


def by_hand(game):
    """Price of anarchy, users' value and welfare lost of the worst equilibrium, by trying every profile."""
    market, users = game.market, game.users
    price, cost, accuracy = (np.asarray(x) for x in (market.price, market.cost, market.accuracy))
    alpha, beta, weight, outside = (
        np.asarray(x)[:, None] for x in (users.value_per_correct, users.rationality, users.weight, users.outside_value)
    )
    b, every = float(users.baseline), np.arange(len(price))

    def state(profile):
        p, c, a = price[every, profile], cost[every, profile], accuracy[every, profile]
        value = np.hstack([alpha * (b + (1 - b) * a) - p, outside])
        shares = np.exp(beta * value) / np.exp(beta * value).sum(axis=1, keepdims=True)
        profits = (weight * shares[:, :-1]).sum(axis=0) * (p - c)
        return profits, float((weight * shares * value).sum())

    stable, welfare = [], []
    for profile in itertools.product(*[range(3)] * len(price)):
        profits, value = state(np.array(profile))
        welfare.append(value + profits.sum())
        others = [
            (i, state(np.array([*profile[:i], level, *profile[i + 1 :]]))[0][i]) for i in every for level in range(3)
        ]
        if all(gain <= profits[i] * (1 + 1e-9) for i, gain in others):
            stable.append((welfare[-1], value))
    worst, value = min(stable)
    return max(welfare) / worst, value, 1 - worst / max(welfare), len(stable)


@pytest.mark.parametrize("kind", ["plain", "alone", "segments"])
def test_every_bar_is_the_changed_market_tried_profile_by_profile(kind):
    scenario, found, _ = solved(kind)
    bars = [(found.base, scenario.game(BETA))]
    for change in found.changes:
        bars += [(change.low, changed(kind, change, FACTORS[0])), (change.high, changed(kind, change, FACTORS[1]))]
    for outcome, game in bars:
        anarchy, value, lost, number = by_hand(game)
        assert outcome.price_of_anarchy == pytest.approx(anarchy, rel=1e-9)
        assert outcome.user_value == pytest.approx(value, rel=1e-9)
        assert outcome.lost == pytest.approx(lost, rel=1e-7, abs=1e-12)
        assert outcome.num_equilibria == number
        assert outcome.max_regret < 1e-9
        assert outcome.proved
    assert sum(outcome != found.base for outcome, _ in bars) > len(found.changes)


def test_bars_agree_with_the_verdict_of_the_changed_market():
    for change in solved("plain")[1].changes:
        found = efficiency(changed("plain", change, FACTORS[0]))
        assert change.low.price_of_anarchy == pytest.approx(found.price_of_anarchy, rel=1e-12)
        assert change.low.user_value == pytest.approx(found.ledger[0].users, rel=1e-12)
        assert change.low.num_equilibria == len(found.equilibria)


def test_inputs_are_those_that_exist():
    names = {kind: [(c.parameter, c.provider) for c in solved(kind)[1].changes] for kind in PEOPLE}
    everybody = [
        "value of a correct answer", "users' rationality", "margins", "prices or token counts", "error rates",
        "worth of any answer",
    ]  # fmt: skip
    assert names["alone"] == [(name, "") for name in everybody]
    assert [name for name, provider in names["plain"] if not provider] == [*everybody, "value of not buying"]
    each = {("list price", HOSTILE), ("error rate", HOSTILE), ("list price", "Bell"), ("error rate", "Bell")}
    assert {pair for pair in names["plain"] if pair[1]} == each
    _, found, worst = solved("plain")
    values = {(c.parameter, c.provider): (c.value, c.low_value, c.high_value, c.unit) for c in found.changes}
    assert values["list price", "Bell"][:3] == pytest.approx((2.0, 1.6, 2.4), rel=1e-12)
    assert values["list price", "Bell"][3] == "dollars per million tokens"
    assert values["margins", ""][:3] == pytest.approx((0.25, 0.2, 0.3))
    error = 1 - DATA["plain"]["accuracy"][1][worst[1]]
    assert values["error rate", "Bell"][:3] == pytest.approx((error, 0.8 * error, 1.2 * error))
    segments = next(c for c in solved("segments")[1].changes if c.parameter == "value of a correct answer")
    assert (segments.unit, segments.low_value) == ("times", 0.8)


def test_the_table_holds_every_change_and_the_widest_comes_first():
    result, _ = result_of("plain")
    rows = list(csv.DictReader(io.StringIO(table([result]).csv())))
    assert len(rows) == len(result.tornado.changes)
    by_name = {(c.parameter, c.provider): c for c in result.tornado.changes}
    widths = []
    for row in rows:
        change = by_name[row["parameter"], row["provider"]]
        assert float(row["low_user_value"]) == change.low.user_value
        assert float(row["high_price_of_anarchy"]) == change.high.price_of_anarchy
        assert float(row["low_welfare_lost"]) == change.low.lost
        assert float(row["max_regret"]) == max(change.low.max_regret, change.high.max_regret)
        values = [float(row[key]) for key in ("user_value", "low_user_value", "high_user_value")]
        widths.append(max(values) - min(values))
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 2 * widths[-1]


@pytest.mark.parametrize("kind", ["plain", "alone", "segments"])
def test_charts_draw_the_changes_without_a_warning(kind, capfd):
    result, looks = result_of(kind)
    base = result.tornado.base
    for draw, figure, shown in (
        (charts.price_of_anarchy, lambda o: o.price_of_anarchy, lambda o: o.price_of_anarchy),
        (charts.users, lambda o: o.user_value, lambda o: o.user_value / base.user_value - 1),
    ):
        chart = draw(result, looks, CENTS)
        vl_convert.vegalite_to_vega(chart.spec | {"width": 300}, vl_version=VEGA_LITE, show_warnings=True)
        rows = chart.spec["data"]["values"]
        for change, low, high in zip(by_width(result.tornado, figure), rows[::2], rows[1::2], strict=True):
            assert low["after"] == pytest.approx(shown(change.low), rel=1e-5, abs=1e-9)
            assert high["after"] == pytest.approx(shown(change.high), rel=1e-5, abs=1e-9)
            assert low["told"] in chart.text
            assert high["told"] in chart.text
        for layer in chart.spec["layer"]:
            assert "alert" not in json.dumps([layer["encoding"], layer.get("transform")])
    assert capfd.readouterr().err == ""


def test_what_is_infinite_or_does_not_move_is_said_and_not_drawn():
    _, found, _ = solved("plain")
    lost = Outcome(math.inf, -0.01, 1.5, 0.0, 1, True)
    first = replace(found.changes[3], high=lost)
    result, looks = result_of("plain", replace(found, changes=(*found.changes[:3], first, *found.changes[4:])))
    chart = charts.price_of_anarchy(result, looks, CENTS)
    json.dumps(chart.spec, allow_nan=False)
    row = chart.spec["data"]["values"][1]
    assert (row["after"], row["lost"], row["name"]) == (None, "infinite", first.parameter)
    assert "and infinite with 20% more" in chart.text
    result, looks = result_of("plain", replace(found, base=lost))
    gone = charts.users(result, looks, CENTS)
    chart = charts.price_of_anarchy(result, looks, CENTS)
    assert chart.spec["data"]["values"] == [{"text": "infinite as the market stands"}]
    still = tuple(replace(change, low=found.base, high=found.base) for change in found.changes)
    result, looks = result_of("plain", replace(found, changes=still))
    chart = charts.price_of_anarchy(result, looks, CENTS)
    assert chart.spec["data"]["values"] == [{"text": f"{found.base.price_of_anarchy:.3f}, whichever input moves"}]
    # Percentages of a loss say nothing: money instead.
    assert gone.spec["layer"][0]["encoding"]["x"]["title"] == "users' value, ¢ per query"
    assert gone.spec["data"]["values"][0]["base"] == -1.0
