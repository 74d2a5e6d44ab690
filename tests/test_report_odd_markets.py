"""Tables of the report on odd markets: in agreement with oracles and solvers, and saying what is odd."""

import json
import math

import numpy as np
import pytest

from games import ContinuousCompute, load_scenario
from solver import RegretMatchingPlus, Status, brute_force, compare, continuous_equilibria, learn
from solver.mechanisms import PayPerComputeEquilibrium, PriceAndCompute, SecondScore
from solver.report.analysis import analyse, solve
from solver.report.learning import ROUNDS, continuous, learned
from solver.report.mechanisms import compared
from solver.report.tables import Table
from solver.report.tables_certainty import assumptions, published, published_numbers
from tests.odd_markets import (
    BETAS,
    RUIN,
    SEGMENTS,
    SHELF,
    SWEEP,
    Page,
    alone,
    crowd,
    odd_markets,
    ruin,
    scenario,
    segments,
    ties,
    written_report,
)

STEEP = [0.2, 0.4, 0.9]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return written_report(tmp_path_factory)


@pytest.fixture(scope="module")
def tables(written):
    return json.loads((written.page.parent / "report.json").read_text(encoding="utf-8"))["tables"]


def rows_of(table, **wanted):
    return [row for row in table if all(row[key] == value for key, value in wanted.items())]


@pytest.mark.parametrize("market", [ruin(), ties(), alone(), segments()], ids=lambda market: market.name)
def test_tables_agree_with_the_brute_force_oracle(tables, market):
    weight = np.asarray(market.users.weight)
    for beta in BETAS:
        game, here = market.game(beta), {"scenario": market.name, "rationality": beta}
        oracle = brute_force(game)
        (row,) = rows_of(tables["equilibria"], **here)
        assert row["num_equilibria"] == len(oracle.equilibria)
        assert row["optimal_welfare"] == pytest.approx(float(oracle.optimal_welfare), rel=1e-12)
        for entry in rows_of(tables["ledger"], **here):
            total = entry["users"] + entry["providers"] + entry["platform"]
            assert total == pytest.approx(entry["welfare"], rel=1e-9)
        welfare = [float(game.welfare(profile)) for profile in oracle.equilibria]
        if not welfare:
            assert row["worst_welfare"] == row["price_of_anarchy"] == "undefined"
            assert not rows_of(tables["profiles"], **here)
            continue
        assert row["worst_welfare"] == pytest.approx(min(welfare), rel=1e-12)
        worst = oracle.equilibria[int(np.argmin(welfare))]
        shares = [r["share"] for r in rows_of(tables["profiles"], **here, equilibrium=1)]
        assert sum(shares) == pytest.approx(float(weight @ game.shares(worst).sum(axis=1)), rel=1e-12)


@pytest.mark.parametrize("market", [ties(), crowd()], ids=lambda market: market.name)
def test_learning_and_continuous_compute_agree_with_the_solvers(tables, market):
    game, providers = market.game(1000.0), market.market.num_providers
    played = learn(game, RegretMatchingPlus(), max_steps=ROUNDS, tolerance=0.0)
    last = rows_of(tables["learning"], scenario=market.name, round=ROUNDS)
    assert [r["provider"] for r in last] == list(market.market.providers)
    tokens = np.asarray((played.mixed * market.market.tokens).sum(axis=1))
    np.testing.assert_allclose([r["tokens"] for r in last], tokens, rtol=1e-9)
    assert max(r["average_regret"] for r in last) == pytest.approx(float(played.average_regret), rel=1e-6, abs=1e-12)
    found = continuous_equilibria(ContinuousCompute(market.market, market.users.with_rationality(1000.0)))
    rows = rows_of(tables["continuous"], scenario=market.name)
    assert len(rows) == len(found) * providers > 0
    np.testing.assert_allclose([r["tokens"] for r in rows], np.asarray(found.compute).ravel(), rtol=1e-8)
    assert rows[0]["welfare"] == pytest.approx(float(found.welfare[0]), rel=1e-9)
    assert rows[0]["complete"] is found.complete
    assert all(r["max_regret"] <= found.tolerance for r in rows)


def test_silent_providers_change_nothing():
    market = ruin()
    for shape in ((2, 3), (4, 5)):
        made = learned(market, 100.0, shape), continuous(market, 100.0, shape)
        if shape == (2, 3):
            plain = made
    for name in ("tokens", "welfare", "last_regret", "average_regret"):
        ours, theirs = (np.asarray(getattr(m[0].curve, name)) for m in (made, plain))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(made[1].tokens, plain[1].tokens, rtol=1e-9)
    assert [p.verdict for p in made[1].provision] == [p.verdict for p in plain[1].provision]


def test_silent_providers_are_silent_for_every_segment():
    market = segments()
    plain, padded = (learned(market, 100.0, shape).curve for shape in ((2, 3), (4, 5)))
    np.testing.assert_allclose(padded.tokens, plain.tokens, rtol=1e-9)
    np.testing.assert_allclose(padded.last_regret, plain.last_regret, rtol=1e-9, atol=1e-12)
    assert "several segments of users" in continuous(market, 100.0, (2, 3)).reason


def test_silent_providers_change_no_mechanism():
    two = scenario("two", [[0.6] * 3, STEEP], [[100, 200, 3000], [120, 240, 3000]], value=0.01)
    shelf = [PayPerComputeEquilibrium(), SecondScore(reserve="no-harm")]
    plain, padded = compare([two], BETAS, shelf).table, compared(two, BETAS, shelf, (16, 3))
    assert padded["losers"].tolist() == plain["losers"].tolist()
    for name in ("user_value", "consumer_surplus", "profits", "welfare", "served", "tokens", "misreport_gain"):
        np.testing.assert_allclose(padded[name], plain[name], rtol=1e-12, atol=1e-15 * plain["welfare"].max())
    # Free prices of two equal providers whose users must buy exceed cost by 2/β, which no third provider may lower.
    equal = scenario("equal", [STEEP, STEEP], [[100, 200, 3000]] * 2, value=0.01, outside=-np.inf)
    prices = compared(equal, BETAS, [PriceAndCompute()], (16, 3))["price"]
    cost = float(equal.market.cost[0, 2])
    np.testing.assert_allclose(prices, [cost + 2 / beta for beta in BETAS], rtol=1e-9)


def test_odd_markets_say_what_is_odd(tables, written):
    text = Page(written.page.read_text(encoding="utf-8")).text
    rows = {(r["scenario"], r["rationality"]): r for r in tables["equilibria"]}
    assert rows[RUIN, 100.0]["price_of_anarchy"] == "infinite"
    assert "infinite: the worst equilibrium creates no positive welfare" in text
    assert rows["ties", 1000.0]["num_equilibria"] == 9
    assert "9 equilibria, lowest welfare first; the first 4" in text
    assert next(r for r in tables["auctions"] if r["scenario"] == "alone")["runner_up"] == "nobody"
    assert rows["segments", 1000.0]["note"] == "undefined: the market has no pure equilibrium"
    assert len(rows_of(tables["provision"], scenario="crowd", rationality=100.0)) == 60


def test_mechanisms_agree_with_the_ledger(tables):
    """The ledger comes from ``solver.efficiency``, the comparison from the mechanisms' own outcomes."""
    same = {
        "market equilibrium": "pay-per-compute",
        "market optimum": "market-optimum",
        "auction": "second-score",
        "auction, no-harm reserve": "second-score-no-harm",
    }
    compared_rows = {(r["scenario"], r["rationality"], r["mechanism"]): r for r in tables["mechanisms"]}
    assert len(compared_rows) == len(odd_markets()) * len(BETAS) * len(SHELF)
    entries = [entry for entry in tables["ledger"] if entry["arrangement"] in same]
    missing = {
        ("segments", 1000.0, "pay-per-compute"),  # no equilibrium
        ("segments", 1000.0, "second-score-no-harm"),
    }
    assert {(e["scenario"], e["rationality"], same[e["arrangement"]]) for e in entries} == {
        key for key in compared_rows if key[2] in same.values() and key not in missing
    }
    for entry in entries:
        row = compared_rows[entry["scenario"], entry["rationality"], same[entry["arrangement"]]]
        for ours, theirs in (("user_value", "users"), ("profits", "providers"), ("welfare", "welfare")):
            assert row[ours] == pytest.approx(entry[theirs], rel=1e-9, abs=1e-12 * abs(entry["welfare"]))
        if (entry["scenario"], entry["rationality"]) != ("segments", 1000.0):
            assert row["losers"] == entry["losers"]
    assert compared_rows["alone", 100.0, "second-score"]["user_value"] == 0.0  # users' outside value sets the price
    assert {r["note"] for r in tables["mechanisms"] if "free" in r["mechanism"]} == {Status.NO_EQUILIBRIUM.text}


def test_segments_add_up_to_all_users(tables):
    for beta in BETAS:
        rows = rows_of(tables["segments"], scenario="segments", rationality=beta)
        assert [row["segment"] for row in rows] == list(SEGMENTS)
        assert np.exp(sum(r["weight"] * np.log(r["segment_rationality"]) for r in rows)) == pytest.approx(
            beta, rel=1e-12
        )
        ledger = {
            r["arrangement"]: r["users"] for r in rows_of(tables["ledger"], scenario="segments", rationality=beta)
        }
        for column, arrangement in (("optimum_value", "market optimum"), ("auction_value", "auction")):
            total = sum(r["weight"] * r[column] for r in rows)
            assert total == pytest.approx(ledger[arrangement], rel=1e-12)
        if beta == 100:
            total = sum(r["weight"] * r["market_value"] for r in rows)
            assert total == pytest.approx(next(iter(ledger.values())), rel=1e-12)
            assert all(r["loses_in_auction"] is (r["auction_value"] < r["market_value"]) for r in rows)
        else:
            assert [r["market_value"] for r in rows] == ["undefined"] * 2
            assert [r["loses_in_auction"] for r in rows] == [None, None]
    assert {r["scenario"] for r in tables["segments"]} == {"segments"}
    assert [r["winner"] for r in rows_of(tables["auctions"], scenario="segments")] == ["Ada", "Ada"]


def test_prices_are_those_of_the_levels_played(tables):
    curves = {(r["scenario"], r["provider"], r["level"]): r for r in tables["curves"]}
    for row in tables["prices"]:
        name = row["scenario"], row["provider"]
        for where in ("equilibrium", "optimum"):
            if row[where] is None:
                assert name[0] == "segments"
                assert row["rationality"] == 1000
                continue
            level = curves[*name, row[where]]
            assert (row[f"{where}_price"], row[f"{where}_cost"]) == (level["price"], level["cost"])
            assert row["list_price"] == pytest.approx(1e6 * level["price"] / level["tokens"], rel=1e-12)
            assert row["margin"] == pytest.approx(0.25, rel=1e-12)
    listed = [row["list_price"] for row in tables["prices"] if row["scenario"] == "crowd"]
    assert listed == pytest.approx([0.2] * len(listed), rel=1e-12)


def test_certificates_tell_what_is_not_proved(tables, written):
    rows = tables["certificates"]
    for row in rows:
        if row["error"] is not None and row["tolerance"] is not None:
            assert row["passed"] is (row["error"] <= row["tolerance"])
    failed = {(r["scenario"], r["check"]) for r in rows if r["passed"] is False}
    assert ("segments", "dynamics end in an equilibrium") in failed
    assert not any(check in ("max regret", "ledger adds up", "welfare optimum exact") for _, check in failed)
    assert [r["passed"] for r in rows_of(rows, scenario="segments", check="continuous compute")] == [None]
    for result in written.results:
        for verdict in result.verdicts:
            here = rows_of(rows, scenario=result.name, rationality=verdict.rationality, check="max regret")
            assert [r["error"] for r in here] == [float(np.max(verdict.efficiency.equilibria.max_regret)) for _ in here]
            assert bool(here) is verdict.has_equilibrium


def test_published_numbers_stand_beside_ours():
    loaded = load_scenario("GPQA/reasoning_effort")
    result = analyse(solve(loaded, (1000.0,), SWEEP, print), print, (3, 5), SHELF[:1])
    (row,) = published([result]).rows
    assert (row["published_optimum"], row["published_equilibrium"]) == (0.01569, 0.0155)
    assert row["our_ratio"] == result.verdict.efficiency.price_of_anarchy
    assert row["difference"] <= row["rounding"]
    numbers = published_numbers([result]).rows
    assert len(numbers) == 8 + 4
    assert all(number["met"] for number in numbers)
    assert "25.0% over cost" in {r["assumption"]: r["here"] for r in assumptions([result]).rows}["margin"]
    changed = analyse(solve(load_scenario(loaded.name, margin=0.3), (1000.0,), SWEEP, print), print, (3, 5), SHELF[:1])
    assert not published([changed]).rows
    assert not published_numbers([changed]).rows


def test_tables_hold_no_raw_infinity(written):
    for table in written.contents[0].tables:
        assert isinstance(table, Table)
        for record in table.records():
            assert set(record) == {column.key for column in table.columns}
            for value in record.values():
                assert not isinstance(value, np.generic)
                assert not (isinstance(value, float) and not math.isfinite(value))
