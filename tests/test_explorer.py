"""The explorer without a browser: states, what they are solved to, code of them, and uploads."""

import numpy as np
import pytest

from games import load_scenario
from games.errors import InputError
from games.pay_per_compute import PayPerCompute
from solver import pure_equilibria, welfare_optimum, welfare_ratio
from solver.compare import compare
from solver.explorer import changes
from solver.explorer.engine import CURVE, play, solve
from solver.explorer.python_code import to_python
from solver.explorer.state import scenario_of, state_of
from solver.mechanisms.registry import MECHANISMS, mechanism

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
    view = play(alone, "second-score")
    assert view.ledger is None
    assert "one bidder and no reserve" in view.reason
    same_as_library(alone, "second-score-V0")
    with pytest.raises(InputError, match=r"last provider.*restore"):
        changes.drop(alone, start.offers[0].name)
    code = to_python(alone, undefined=view.reason)
    assert "# second-score is not defined here: auction: one bidder" in code
    exec(compile(code, "copied", "exec"), {})
