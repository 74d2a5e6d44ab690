"""Charts over β, of the dynamics and of learning: the numbers of the results, whatever the market is made of and called."""

import json
import re
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
import vl_convert
import xarray as xr

from games import Market, Scenario, Users
from solver.continuous_equilibria import ContinuousEquilibria
from solver.efficiency import Efficiency
from solver.learning_curve import LearningCurve
from solver.report.charts import dynamics, learning, market_shares, over_rationality
from solver.report.charts.series import labels, round_values
from solver.report.charts.theme import VEGA_LITE, to_svg
from solver.report.learning import Continuous, Learned
from solver.report.palette import provider_looks
from solver.report.result import Dynamics
from solver.report.style import Money, percent, plain, ratio
from tests.parts import Part, PartOfResult, PartOfVerdict, made_up_provision

HOSTILE = "'+alert(1)+'<script>\" datum.x[0] \\ {{y}} indexof"
CENTS = Money(1, cents=True)
LOG_POTENTIAL = np.array([-20.0, -15.5, -12.25, -12.25])
CHARTS = (
    over_rationality.band, over_rationality.number_of_equilibria, over_rationality.incomes, market_shares.shares,
    dynamics.tokens, dynamics.shares, dynamics.potential,
    learning.learned_tokens, learning.learned_regret, learning.continuous,
)  # fmt: skip


class PartOfEfficiency(Part, Efficiency):
    pass


def made(number, *, betas=7, rounds=3, ratios=None, regret=1.0, continuous=True, potential=True, seed=0):
    """A made-up result for so many providers.

    Args:
        number: of providers, the first with a hostile name.
        betas: how many of them the sweep has.
        rounds: of the dynamics.
        ratios: prices of anarchy, one for each β.
        regret: at the start of learning; 0 for none ever.
        continuous: whether there is a continuous equilibrium.
        potential: whether there is one.
        seed: of the numbers.
    """
    rng = np.random.default_rng(seed)
    names = [HOSTILE, *(f"{('gpt', 'Llama', 'Qwen')[i % 3]}-{i}-of a model with a long name" for i in range(1, number))]
    level_tokens = rng.uniform(100, 400, (number, 1)) * np.array([1, 8, 64])
    market = Market.from_arrays(
        accuracy=np.sort(rng.uniform(0.2, 0.95, (number, 3)), axis=1),
        tokens=level_tokens,
        price_per_million=1.0,
        providers=names,
    )
    beta = np.geomspace(1, 1e5, betas) if betas > 1 else np.array([1000.0])
    poa = 1 + np.linspace(0.5, 0.01, betas) if ratios is None else np.asarray(ratios, float)
    shares = rng.dirichlet(np.ones(number + 1), betas)[:, :-1]
    money = {
        name: ("rationality", rng.uniform(-0.01, 0.02, betas))
        for name in ("user_value", "auction_user_value", "profit", "auction_profit")
    }
    sweep = xr.Dataset(
        {
            "price_of_anarchy": ("rationality", poa),
            "price_of_stability": ("rationality", 1 + (poa - 1) / 2),
            "welfare_ratio": ("rationality", 1 + (poa - 1) / 3),
            "num_equilibria": ("rationality", 1 + np.arange(betas) % 3),
            "complete": ("rationality", np.arange(betas) > 0),
            "share": (("rationality", "provider"), shares),
            **money,
        },
        {"rationality": beta},
    )
    profiles = rng.integers(0, 3, (rounds + 1, number))
    path = np.resize(LOG_POTENTIAL, rounds + 1) if potential else np.full(rounds + 1, np.nan)
    tokens = level_tokens[np.arange(number), profiles]
    played = Dynamics(1000.0, profiles, tokens, rng.dirichlet(np.ones(number), rounds + 1), path, "ended")
    steps = np.array([0.0, 1, 4, 30, 200])
    fall = regret * np.array([1, 0.1, 1e-3, 0, 0])
    curve = LearningCurve(
        jnp.asarray(steps),
        jnp.asarray(rng.uniform(100, 9000, (5, number))),
        jnp.zeros(5),
        jnp.asarray(np.outer(fall, np.ones(number))),
        jnp.asarray(np.outer(regret / (1 + steps), np.ones(number))),
    )
    last = tokens[-1]
    rows = tuple(made_up_provision(n, float(t), float(t)) for n, t in zip(names, last, strict=True))
    smooth_tokens = last * rng.uniform(0.5, 2, (2, number))
    certified = jnp.asarray(np.log(smooth_tokens)), jnp.zeros(2), jnp.asarray([2e-15, 0.0])
    smooth = Continuous(smooth_tokens, ContinuousEquilibria(*certified, True, "made up", 0, 1e-9), (), "made up")
    if not continuous:
        smooth = Continuous(np.zeros((0, number)), None, (), "made up")
    verdict = PartOfVerdict(rationality=1000.0, efficiency=PartOfEfficiency(provision=rows))
    top = np.argsort(-shares.max(axis=0), kind="stable")[:12]
    return PartOfResult(
        scenario=Scenario(HOSTILE, market, Users(0.01, 1000.0), "made up"), verdicts=(verdict,), focus=0, sweep=sweep,
        dynamics=played, learned=Learned(curve, 200), continuous=smooth, highlighted=tuple(sorted(top.tolist())),
    )  # fmt: skip


@cache
def result_of(kind):
    infinite = [2.0, np.inf, np.inf, 50.0, 3.0, np.nan, 1.0]
    return {
        "three": lambda: made(3),
        "crowd": lambda: made(60, ratios=infinite),
        "alone": lambda: made(1, betas=1, rounds=0, regret=0.0, continuous=False, potential=False),
        "ruin": lambda: made(2, ratios=[np.inf] * 7),
    }[kind]()


def looks_of(result):
    names = result.scenario.market.providers
    return provider_looks([names[i] for i in result.highlighted], names)


def drawn(chart, kind):
    result = result_of(kind)
    return chart(result, looks_of(result), CENTS)


def parts_of(value, path=()):
    """Every leaf of a specification with the keys above it, the data left out."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key != "values" or not path or path[-1] != "data":
                yield from parts_of(part, (*path, key))
    elif isinstance(value, list):
        for part in value:
            yield from parts_of(part, path)
    else:
        yield path, value


def records(spec):
    """All rows of data, of the specification and of its layers."""
    found = list(spec.get("data", {}).get("values", []))
    for layer in spec.get("layer", []):
        found += records(layer)
    return found


def close(number, told):
    """Equal to as many digits as a specification holds."""
    return told is None if not np.isfinite(number) else number == pytest.approx(told, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("kind", ["three", "crowd", "alone", "ruin"])
def test_every_chart_compiles_without_a_warning_and_holds_no_name_but_as_data(kind, capfd):
    for draw in CHARTS:
        chart = drawn(draw, kind)
        assert chart.spec["width"] == "container"
        assert isinstance(chart.spec["height"], int)
        json.dumps(chart.spec, allow_nan=False)
        vl_convert.vegalite_to_vega(chart.spec | {"width": 300}, vl_version=VEGA_LITE, show_warnings=True)
        for path, leaf in parts_of(chart.spec):
            if isinstance(leaf, str) and ("alert" in leaf or "long name" in leaf):
                assert path[-1] == "domain", path
        grids = [p for layer in chart.spec.get("layer", []) for p in layer.get("params", []) if p["name"] == "grid"]
        assert len(grids) <= 1
        assert len(chart.text) > 30
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["three", "crowd", "alone", "ruin"])
def test_charts_over_rationality_hold_the_sweep(kind):
    result = result_of(kind)
    data, beta = result.sweep, result.sweep.rationality.values
    rows = drawn(over_rationality.band, kind).spec["data"]["values"]
    assert len(rows) == len(beta)
    for name, key in (("price_of_anarchy", "worst"), ("price_of_stability", "best"), ("welfare_ratio", "reached")):
        for value, row in zip(data[name].values, rows, strict=True):
            assert close(value, row[key])
            assert row[f"{key}_text"] == ratio(float(value))
    rows = drawn(over_rationality.incomes, kind).spec["data"]["values"]
    for name, key in (("user_value", "users_market"), ("auction_profit", "providers_auction")):
        assert all(close(100 * v, row[key]) for v, row in zip(data[name].values, rows, strict=True))
    spec = drawn(market_shares.shares, kind).spec
    total = np.zeros(len(beta))
    shorts = {looks_of(result)[n].short: i for i, n in enumerate(result.scenario.market.providers)}
    for row in spec["data"]["values"]:
        total += row["share"]
        if row["provider"]:
            assert row["share"] == pytest.approx(data.share.values[:, shorts[row["provider"]]], rel=1e-3)
    assert total == pytest.approx(data.share.values.sum(axis=1), rel=1e-3)
    counted = drawn(over_rationality.number_of_equilibria, kind).spec["data"]["values"]
    assert [row["equilibria"] for row in counted] == data.num_equilibria.values.tolist()
    assert [row["list"] == "complete" for row in counted] == data.complete.values.tolist()


def test_where_there_is_no_finite_ratio_the_chart_is_shaded_and_says_so():
    beta = result_of("crowd").sweep.rationality.values
    spec = drawn(over_rationality.band, "crowd").spec
    zones = spec["layer"][0]["data"]["values"]
    edges = np.sqrt(beta[1:] * beta[:-1])
    assert [zone["left"] for zone in zones] == pytest.approx([edges[0], edges[4]], rel=1e-5)
    assert [zone["right"] for zone in zones] == pytest.approx([edges[2], edges[5]], rel=1e-5)
    assert any(row.get("text") == "worst: no finite ratio" for row in records(spec))
    assert spec["layer"][2]["encoding"]["y"]["scale"]["type"] == "log"
    assert "without a finite value at 3 of 7 β" in drawn(over_rationality.band, "crowd").text
    assert "nowhere finite" in drawn(over_rationality.band, "ruin").text
    calm = drawn(over_rationality.band, "three").spec
    assert "var(--warning)" not in json.dumps(calm)
    assert "type" not in calm["layer"][0]["encoding"]["y"]["scale"]


@pytest.mark.parametrize("kind", ["three", "crowd", "alone"])
def test_charts_of_rounds_hold_the_play(kind):
    result = result_of(kind)
    names, looks = result.scenario.market.providers, looks_of(result)
    for draw, values in ((dynamics.tokens, result.dynamics.tokens), (dynamics.shares, result.dynamics.shares)):
        rows = drawn(draw, kind).spec["data"]["values"]
        told = {(row["provider"], row["round"]): row["value"] for row in rows}
        assert len(told) == values.size
        for (r, i), value in np.ndenumerate(values):
            assert told[looks[names[i]].short, r] == pytest.approx(value, rel=1e-5)
        # Those in grey come first, so that they lie behind.
        assert [row["grey"] for row in rows] == sorted((row["grey"] for row in rows), reverse=True)
    curve = result.learned.curve
    rows = drawn(learning.learned_tokens, kind).spec["data"]["values"]
    told = {(row["provider"], row["step"]): row["tokens"] for row in rows}
    for (k, i), value in np.ndenumerate(np.asarray(curve.tokens)):
        assert told[looks[names[i]].short, float(curve.steps[k]) + 1] == pytest.approx(value, rel=1e-5)


def test_the_slider_splits_the_path_and_hidden_providers_are_gone():
    result = result_of("three")
    last, short = result.dynamics.num_rounds, looks_of(result)[result.scenario.market.providers[1]].short
    for draw in (dynamics.tokens, dynamics.shares, dynamics.potential):
        chart = drawn(draw, "three")
        assert chart.stepped
        assert {"name": "step", "value": last} in chart.spec["params"]
    chart = drawn(dynamics.tokens, "three")

    def marks(step, hidden=()):
        values = {"step": step, "hidden": list(hidden)}
        params = [parameter | {"value": values[parameter["name"]]} for parameter in chart.spec["params"]]
        svg = vl_convert.vegalite_to_svg(chart.spec | {"width": 300, "params": params}, vl_version=VEGA_LITE)
        return re.findall(
            r'aria-label="round[^:]*: (\d+);[^"]*provider: ([^";]*)[^"]*"[^>]*aria-roledescription="point"', svg
        )

    points = [(int(r), name) for r, name in marks(1)]
    # The markers at the step, and the points that follow the pointer, one for every round.
    assert sum(r == 1 for r, _ in points) == 2 * 3
    assert sum(r == 2 for r, _ in points) == 3
    assert short in {name for _, name in points}
    assert short not in {name for _, name in marks(1, [short])}


def test_every_chart_with_providers_can_hide_them():
    for draw in CHARTS:
        chart = drawn(draw, "crowd")
        assert chart.by_provider == any(row.get("provider") for row in records(chart.spec))
        for layer in (chart.spec, *chart.spec.get("layer", [])):
            if any(row.get("provider") for row in layer.get("data", {}).get("values", [])):
                near = layer.get("transform", []) + [
                    t for part in chart.spec["layer"] for t in part.get("transform", [])
                ]
                assert {"filter": "indexof(hidden, datum.provider) < 0"} in near


@pytest.mark.parametrize("kind", ["three", "alone"])
def test_what_follows_the_pointer_covers_the_axis(kind):
    for draw, field in (
        (over_rationality.band, "beta"), (over_rationality.number_of_equilibria, "beta"), (over_rationality.incomes, "beta"),
        (market_shares.shares, "beta"), (learning.learned_regret, "step"), (dynamics.potential, "round"),
    ):  # fmt: skip
        spec = drawn(draw, kind).spec
        # Tooltips of marks found by nearness lose their words.
        assert "nearest" not in json.dumps(spec)
        rows = [row for row in records(spec) if "from" in row]
        assert all(row["from"] < row[field] < row["to"] for row in rows)
        assert [row["from"] for row in rows[1:]] == [row["to"] for row in rows[:-1]]
        assert rows or "text" in records(spec)[0]


def test_regret_that_is_gone_is_marked_with_a_triangle():
    rows = records(drawn(learning.learned_regret, "three").spec)
    gone = [
        row for row in rows if row.get("step") == 31.0 and row.get("regret") is not None and row["kind"] == "the play"
    ]
    assert [row["regret"] for row in gone] == [pytest.approx(1e-3)]
    assert "nobody gains by deviating from the play" in drawn(learning.learned_regret, "three").text
    nothing = drawn(learning.learned_regret, "alone")
    assert records(nothing.spec) == [{"text": "nothing to gain in any round"}]


def test_continuous_against_discrete_puts_the_widest_gap_on_top():
    result, looks = result_of("crowd"), looks_of(result_of("crowd"))
    chart = drawn(learning.continuous, "crowd")
    values, levels = result.continuous.tokens, result.dynamics.tokens[-1]
    order = np.argsort(-np.abs(np.log(values / levels)).max(axis=0), kind="stable")[:12]
    rings = [row for row in records(chart.spec) if "number" in row]
    names = result.scenario.market.providers
    assert [row["provider"] for row in rings[::2]] == [looks[names[i]].short for i in order]
    for row in rings:
        assert row["tokens"] == pytest.approx(values[row["number"] - 1, order[row["rank"]]], rel=1e-5)
    assert "No continuous equilibrium to show: made up." in drawn(learning.continuous, "alone").text


def test_text_alternatives_hold_the_numbers():
    result = result_of("three")
    names = [looks_of(result)[n].short for n in result.scenario.market.providers]
    text = drawn(over_rationality.band, "three").text
    assert "1.010 at β = 100,000" in text
    assert "1.500 at β = 1" in text
    for draw, shown in ((dynamics.tokens, plain), (dynamics.shares, percent)):
        values = result.dynamics.tokens if draw is dynamics.tokens else result.dynamics.shares
        for i, name in enumerate(names):
            told = f"{name} {shown(float(values[0, i]))} to {shown(float(values[-1, i]))}"
            assert told in drawn(draw, "three").text
    assert "rises from −20 to −12.25" in drawn(dynamics.potential, "three").text
    assert "no potential" in drawn(dynamics.potential, "alone").text
    text = drawn(over_rationality.incomes, "three").text
    for name in ("user_value", "profit"):
        for at in (0, -1):
            assert CENTS.amount(float(result.sweep[name].values[at])) in text
    best = int(np.argmax(result.sweep.share.values[-1]))
    assert (
        f"{names[best]} {percent(float(result.sweep.share.values[-1, best]))}"
        in drawn(market_shares.shares, "three").text
    )
    for i, name in enumerate(names):
        assert (
            f"{name} {plain(float(result.learned.curve.tokens[-1, i]))}" in drawn(learning.learned_tokens, "three").text
        )


def test_without_an_equilibrium_nothing_is_drawn_and_the_text_says_so(capfd):
    result = made(3, continuous=False, potential=False)
    gone = [1, 2, 5]
    for name in ("price_of_anarchy", "price_of_stability", "user_value", "profit", "share"):
        result.sweep[name].values[gone] = np.nan
    result.sweep.num_equilibria.values[gone] = 0
    for draw in CHARTS:
        chart = draw(result, looks_of(result), CENTS)
        json.dumps(chart.spec, allow_nan=False)
        vl_convert.vegalite_to_vega(chart.spec | {"width": 300}, vl_version=VEGA_LITE, show_warnings=True)
    assert capfd.readouterr().err == ""
    assert "none was found at 3 β" in over_rationality.band(result, looks_of(result), CENTS).text
    shares = market_shares.shares(result, looks_of(result), CENTS).spec["data"]["values"][0]["share"]
    assert [k for k, share in enumerate(shares) if share is None] == gone


def test_files_hold_names_as_text_and_no_variable():
    result = result_of("three")
    svg = to_svg(drawn(dynamics.shares, "three"), looks_of(result))
    assert "<script" not in svg
    assert "var(--" not in svg


@pytest.mark.parametrize(
    ("low", "high"), [(3.0, 60.0), (0.1, 1e4), (150.0, 34e3), (1e-12, 2.0), (101.0, 103.0), (5.0, 5.0)]
)
def test_ticks_of_logarithmic_axes_are_few_and_within(low, high):
    ticks = round_values(low, high)
    assert 1 <= len(ticks) <= 9
    assert len(ticks) > 1 or low == high
    assert all(low * 0.99 <= tick <= high * 1.01 for tick in ticks)


def test_names_beside_rows_are_short_and_distinct():
    names = [f"a model with a rather long name, number {i}" for i in range(30)] + ["b"] * 2
    assert len(set(labels(names))) == 32
    assert max(len(label) for label in labels(names)) <= 18
