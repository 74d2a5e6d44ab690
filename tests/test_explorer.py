"""The explorer without a browser: states, what they are solved to, code of them, and uploads."""

import math
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import explorer
from games import Market, PowerValue, Scenario, Users, load_scenario
from games.errors import InputError
from games.pay_per_compute import PayPerCompute
from solver import efficiency, pure_equilibria, welfare_optimum, welfare_ratio
from solver.cli import app
from solver.compare import compare
from solver.explorer import changes, charts, texts
from solver.explorer.engine import CURVE, play, solve
from solver.explorer.python_code import to_python
from solver.explorer.rows import rows_of, shape_of
from solver.explorer.session import Session
from solver.explorer.state import scenario_of, state_of
from solver.explorer.uploads import state_of_upload
from solver.explorer.warm import Warm
from solver.mechanisms.registry import MECHANISMS, mechanism
from solver.report.charts.theme import to_svg
from tests.test_equilibria import several_equilibria

SMALL = "GPQA/reasoning_effort"
CURVES = "model,level,accuracy,tokens\nAda,1,0.6,100\nAda,4,0.7,400\nBell,1,0.5,200\nBell,4,0.75,800\n"
PRICES = "model,usd_per_million_tokens\nAda,0.2\nBell,0.1\n"


@pytest.fixture(scope="module")
def start():
    return state_of(load_scenario(SMALL), bundled=SMALL)


@pytest.fixture(scope="module")
def changed(start):
    """Four providers, one dearer, one capped, and one that was dropped."""
    model = start.offers[0]
    state = changes.add_copy(start, model.name, "a copy", price=0.8, accuracy=1.05, tokens=0.9)
    state = changes.add_offer(state, "Ada", "0.3, 0.4", "200 900", 0.3)
    state = changes.with_price(changes.drop(state, start.offers[1].name), model.name, 1.7)
    state = changes.with_cap(state, start.offers[2].name, start.offers[2].tokens[2])
    return changes.with_numbers(state, rationality=3000.0, value_per_correct=0.03, margin=0.4)


def checked(state):
    """The numbers of the page, from the functions of the library on the market as it is."""
    scenario = scenario_of(state)
    game = PayPerCompute(scenario.market, scenario.users)
    return scenario, game, pure_equilibria(game), welfare_optimum(game)


@pytest.mark.parametrize("which", ["start", "changed"])
def test_market_is_what_the_library_says(which, request):
    state = request.getfixturevalue(which)
    view = solve(state)
    scenario, game, found, optimum = checked(state)
    there = [i for i, offer in enumerate(state.offers) if offer.present]
    for levels, profile in ((view.worst, found.worst), (view.optimum, optimum.profile)):
        labels = {state.offers[i].name: state.offers[i].labels[levels[i]] for i in there}
        assert labels == scenario.market.labels(np.asarray(profile))
    assert view.num_equilibria == len(found)
    assert view.complete
    assert view.max_regret < 1e-9
    np.testing.assert_allclose(view.worst_shares[there], game.shares(found.worst)[0], rtol=1e-12)
    np.testing.assert_allclose(view.worst_profits[there], game.payoffs(found.worst), rtol=1e-12)
    own = efficiency(game).provision
    assert [state.offers[i].labels[view.best_offers[i]] for i in there] == [row.best_offer for row in own]
    np.testing.assert_allclose(view.best_offer_change[there], [row.best_offer_change for row in own], atol=1e-15)
    absent = [i for i, offer in enumerate(state.offers) if not offer.present]
    assert not view.worst_shares[absent].any()
    assert not view.worst_profits[absent].any()
    np.testing.assert_allclose(view.worst_shares.sum() + view.unserved, 1, rtol=1e-12)
    np.testing.assert_allclose(view.worst_ledger.welfare, found.welfare[0], rtol=1e-12)
    np.testing.assert_allclose(view.optimum_ledger.welfare, optimum.welfare, rtol=1e-12)
    np.testing.assert_allclose(
        view.worst_ledger.users + view.worst_ledger.providers, view.worst_ledger.welfare, rtol=1e-9
    )
    assert view.anarchy == pytest.approx(welfare_ratio(float(optimum.welfare), float(found.welfare[0])), rel=1e-12)


def test_curve_is_the_market_at_each_beta(changed):
    view = solve(changed)
    for index in (0, 30, 60):
        there = solve(changes.with_numbers(changed, rationality=float(CURVE[index])))
        assert view.curve_anarchy[index] == pytest.approx(there.anarchy, rel=1e-12)
        assert view.curve_number[index] == there.num_equilibria


def same_as_library(state, name):
    """Set the engine's view of a mechanism beside the mechanism on the market as it is."""
    view = play(state, name)
    scenario = scenario_of(state)
    row = compare([scenario], [state.rationality], {name: mechanism(name)})
    whole = row.table.iloc[0]
    if view.ledger is None:
        assert np.isnan(whole["welfare"])
        assert view.reason == whole["note"]
        return
    size = abs(whole["welfare"])
    figures = {"user_value": view.ledger.users, "profits": view.ledger.providers, "platform": view.ledger.platform}
    for key, value in (figures | {"welfare": view.ledger.welfare, "misreport_gain": view.gaming}).items():
        assert value == pytest.approx(whole[key], abs=1e-11 * size), (name, key)
    details = row.providers.set_index("provider")
    for i, offer in enumerate(state.offers):
        if not offer.present:
            assert view.shares[i] == view.profits[i] == 0
            continue
        assert view.shares[i] == pytest.approx(details.loc[offer.name, "allocation"], abs=1e-11), (name, offer.name)
        assert view.profits[i] == pytest.approx(details.loc[offer.name, "profit"], abs=1e-11 * size), (name, offer.name)
        assert offer.labels[view.levels[i]] == details.loc[offer.name, "level"], (name, offer.name)


FAST = ("pay-per-compute", "second-score", "argmax-router")


def test_rows_that_are_absent_change_no_mechanism(changed, full):
    for name in MECHANISMS if full else FAST:
        for beta in (1.0, 3000.0, 1e6):
            same_as_library(changes.with_numbers(changed, rationality=beta), name)


def test_one_provider_is_told_why_an_auction_is_not_held(start):
    alone = start
    for offer in start.offers[1:]:
        alone = changes.drop(alone, offer.name)
    same_as_library(alone, "second-score")
    captive = replace(alone, outside_value=-math.inf)
    view = play(captive, "second-score")
    assert view.ledger is None
    assert "one bidder and users who must be served" in view.reason
    with pytest.raises(InputError, match=r"last provider.*restore"):
        changes.drop(alone, start.offers[0].name)
    code = to_python(captive, undefined=view.reason)
    assert "# second-score is not defined here: auction: one bidder" in code
    exec(compile(code, "copied", "exec"), {})


def run(code):
    """What copied code leaves behind."""
    space = {}
    exec(compile(code, "copied", "exec"), space)
    return space


@pytest.mark.parametrize("which", ["start", "changed"])
def test_copied_code_gives_the_numbers_of_the_page(which, request, capsys):
    state = request.getfixturevalue(which)
    view, played = solve(state), play(state)
    code = to_python(state)
    assert ("load_scenario" in code) == (which == "start")
    space = run(code)
    assert space["price_of_anarchy"] == pytest.approx(view.anarchy, rel=1e-12)
    assert space["users_get"] == pytest.approx(played.ledger.users, rel=1e-12)
    assert space["providers_get"] == pytest.approx(played.ledger.providers, rel=1e-12)
    assert f"price of anarchy {view.anarchy:.6g}" in capsys.readouterr().out


def test_copied_code_keeps_names_and_users(start):
    name = "'''\"\n<script>alert(1)</script> \\ {x} ✓"
    state = changes.add_copy(start, start.offers[0].name, name)
    state = replace(state, value_curve=PowerValue(2.0), outside_value=-math.inf, baseline=0.2)
    space = run(to_python(state, undefined="not played\nhere"))
    market, users = space["market"], space["users"]
    assert market.providers[-1] == " ".join(name.split())
    scenario = scenario_of(state)
    for field in ("accuracy", "tokens", "price", "cost", "mask"):
        np.testing.assert_allclose(getattr(market, field), getattr(scenario.market, field), rtol=1e-15)
    assert float(users.quality(market.accuracy)[0, 0, 0]) == float(state.users.quality(market.accuracy)[0, 0, 0])
    assert users.outside_value[0] == -math.inf


def test_shapes_stay_while_a_reader_plays(start, changed):
    assert shape_of(start) == shape_of(changed) == (16, 6)
    large = state_of(load_scenario("frontier/gpqa-diamond"))
    assert shape_of(large) == (36, 4)
    copies = large
    for number in range(10):
        copies = changes.add_copy(copies, large.offers[0].name, f"copy {number}")
    assert rows_of(copies).mask.shape == (64, 4)
    capped = changes.with_cap_for_all(large, 1.0)
    assert rows_of(capped).mask.sum() == len(large.offers)


BAD_CHANGES = {
    "no such provider": (lambda s: changes.drop(s, "Nobody"), "unknown provider 'Nobody'"),
    "price 0": (lambda s: changes.with_price(s, s.offers[0].name, 0.0), "must be a positive number"),
    "nan": (lambda s: changes.with_numbers(s, margin=math.nan), "margin is nan"),
    "no such mechanism": (lambda s: changes.with_mechanism(s, "auktion"), "unknown mechanism"),
    "taken": (lambda s: changes.add_copy(s, s.offers[0].name, s.offers[1].name), "is taken; give it another"),
    "no name": (lambda s: changes.add_copy(s, s.offers[0].name, " "), "the name is empty"),
    "long": (lambda s: changes.add_copy(s, s.offers[0].name, "x" * 300), "at most 80"),
    "words": (lambda s: changes.add_offer(s, "A", "high", "100", 1.0), "accuracy is 'high'; write one number"),
    "lengths": (lambda s: changes.add_offer(s, "A", "0.5 0.6", "100", 1.0), "rows of"),
    "accuracy": (lambda s: changes.add_offer(s, "A", "1.5", "100", 1.0), r"within \[0, 1\]"),
    "tokens": (lambda s: changes.add_offer(s, "A", "0.5", "0", 1.0), "tokens is 0 at level 1"),
}


@pytest.mark.parametrize("which", BAD_CHANGES)
def test_bad_changes_say_what_to_do(start, which):
    change, text = BAD_CHANGES[which]
    with pytest.raises(InputError, match=text):
        change(start)


def uploaded(curves, prices=PRICES, **more):
    given = {"value_per_correct": 0.01, "mechanism": "second-score"} | more
    files = [
        None if text is None else (name, text) for name, text in (("c:\\my\\curves.csv", curves), ("p.csv", prices))
    ]
    return state_of_upload(*files, **given)


def test_upload_becomes_a_state():
    state = uploaded(CURVES.encode(), PRICES.encode())
    assert (state.name, [o.name for o in state.offers], state.bundled) == ("curves", ["Ada", "Bell"], None)
    assert state.offers[1].price == pytest.approx((200 * 0.1e-6, 800 * 0.1e-6))
    # Without prices, those of the bundled scenarios.
    known = load_scenario("GSM8K/majority").market.providers[0]
    assert (
        uploaded(CURVES.replace("Ada", known).replace("Bell", known + " ").encode()[:70], None).offers[0].name == known
    )


BAD_UPLOADS = {
    "accuracy": (CURVES.replace("0.7", "1.7"), PRICES, r"^curves.csv, line 3 \(Ada\): accuracy is 1.7; it must be"),
    "price": (CURVES, PRICES.replace("0.1", "-1"), r"^p.csv, line 3 \(Bell\): usd_per_million_tokens is -1"),
    "free": (CURVES, PRICES.replace("0.1", "0"), "Bell"),
    "no price": (CURVES, None, "curves.csv, line 2: 'Ada' has no row in the bundled price list; add its price"),
    "no header": ("1,2,3", PRICES, "^curves.csv"),
    "empty": ("", PRICES, "^curves.csv: the file is empty"),
    "not text": (b"PK\x03\x04\xff\xfe\x00\x80", PRICES, "^curves.csv: not a readable CSV table"),
    "too large": ("x" * 5_000_001, PRICES, "^curves.csv: 5.0 MB"),
    "twice": (CURVES + "Ada,1,0.6,100\n", PRICES, "line 6: repeats line 2"),
    "several": (
        "benchmark," + CURVES.replace("\nA", "\na,A").replace("\nB", "\nb,B"),
        PRICES,
        "several values of benchmark",
    ),
}


@pytest.mark.parametrize("which", BAD_UPLOADS)
def test_bad_uploads_name_the_row_and_the_remedy(which):
    curves, prices, text = BAD_UPLOADS[which]
    with pytest.raises(InputError, match=text):
        uploaded(curves if isinstance(curves, bytes) else curves.encode(), None if prices is None else prices.encode())


def test_segments_are_refused():
    market = load_scenario(SMALL).market
    with pytest.raises(InputError, match="2 segments of users"):
        state_of(Scenario("two", market, Users([0.01, 0.02], 100.0), ""))


def test_auction_is_that_of_the_ledger(changed, start):
    alone = start
    for offer in start.offers[1:]:
        alone = changes.drop(alone, offer.name)
    for state in (changed, alone):
        view = solve(state)
        scenario, game, found, _ = checked(state)
        row = next(r for r in efficiency(game, equilibria=found).ledger if r.name.startswith("auction"))
        assert state.offers[view.winner].name == scenario.market.providers[int(np.argmax(row.profits))]
        ledger = view.auction_ledger
        assert (ledger.users, ledger.providers, ledger.welfare) == pytest.approx(
            (row.users, row.providers, row.welfare)
        )
    nowhere = solve(replace(alone, outside_value=-math.inf))
    assert nowhere.auction_ledger is None


def test_latency_is_measured(capsys):
    explorer.main(scenario=["GPQA/majority"], repeats=2, mechanism=["second-score"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [line.split("│")[1].strip() for line in lines[-1:]] == ["second-score"]
    assert len(lines) == 9
    assert all(line.rstrip("│ ").endswith(" 0") for line in lines), "something was compiled while a reader moved"


def scene_of(state):
    shown = []
    session = Session(state, Warm(), lambda run, then: then(run()), lambda scene, _: shown.append(scene))
    session.refresh()
    return shown[-1]


def draw_all(scene):
    """Every chart through Vega-Lite itself, and every text."""
    for draw in (charts.value, charts.anarchy, charts.ledger):
        assert to_svg(draw(scene), scene.looks).startswith("<svg")
    return "".join(text(scene) for text in (texts.headline, texts.mechanism_note, texts.providers))


def test_several_equilibria_are_all_counted():
    game = several_equilibria()
    market = game.market.anonymous()
    named = Market(*jax.tree.leaves(market), ("Ada", "<b>Bell</b>"), (("1", "2"),) * 2)
    state = state_of(Scenario("two", named, game.users, ""), mechanism="pay-per-compute")
    scene = scene_of(state)
    found = pure_equilibria(PayPerCompute(named, game.users))
    assert scene.market.num_equilibria == len(found) > 1
    assert scene.market.anarchy >= scene.market.stability
    text = draw_all(scene)
    assert "&lt;b&gt;Bell" in text
    assert "<b>Bell" not in text
    assert "market, best equilibrium" in charts.ledger(scene).text


def test_infinite_price_of_anarchy_is_said(start):
    hopeless = changes.with_numbers(start, value_per_correct=1e-7)
    scene = scene_of(hopeless)
    assert not math.isfinite(scene.market.anarchy)
    text = draw_all(scene)
    assert "infinite" in text or "undefined" in text
    assert "Not finite at 61 of 61 β" in charts.anarchy(scene).caption


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "panel", None)
    found = CliRunner().invoke(app, ["explore", "--no-browser"])
    assert found.exit_code == 2
    assert "panel is not installed; run: pip install 'ttc-games[explore]'" in found.output + found.stderr
