"""The report: self-contained, escaped, in agreement with the solvers, readable for odd markets, all or nothing on disk."""

import csv
import json
import re
from html.parser import HTMLParser

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from games import ContinuousCompute, InputError, Market, Scenario, Users
from solver import RegretMatchingPlus, Status, brute_force, compare, continuous_equilibria, learn, write_report
from solver.mechanisms import MarketOptimum, PayPerComputeEquilibrium, PriceAndCompute, SecondScore
from solver.report.findings_mechanisms import mechanism_sentence
from solver.report.learning import ROUNDS, continuous, learned
from solver.report.mechanisms import compared
from solver.report.style import LIGHT, Money, provider_styles

BETAS = (100.0, 1000.0)
SWEEP = np.logspace(0, 5, 6)
HOSTILE = '<script>alert(1)</script>" onload="x" id="y'
LONG = "é😀 $\\alpha$ " + "long name " * 30
FLAT, STEEP = [0.6, 0.6, 0.6], [0.2, 0.4, 0.9]
VOID = {"meta", "link", "img", "br", "input", "hr", "path", "use", "rect", "circle"}


def scenario(name, accuracy, tokens, *, providers=None, price=1.0, value=0.008, beta=1000.0, outside=0.0):
    market = Market.from_arrays(accuracy=accuracy, tokens=tokens, price_per_million=price, providers=providers)
    return Scenario(name, market, Users(value, beta, outside_value=outside), source="made by hand")


def odd_markets():
    """One of each kind that a page could break on; few shapes, since each is compiled."""
    rng = np.random.default_rng(0)
    accuracy = np.sort(rng.uniform(0.2, 0.95, (16, 3)), axis=1)
    tokens = rng.uniform(100, 400, (16, 1)) * np.array([1, 8, 64])
    return [
        # Must buy, and every provider earns most by a level that costs more than it is worth.
        scenario(
            "ruin <b>& co</b>",
            [[0.6, 0.5, 0.5], [0.6, 0.55, 0.5]],
            [[100, 200, 30000], [120, 240, 30000]],
            providers=[HOSTILE, LONG],
            beta=100.0,
            outside=-np.inf,
        ),
        # Equal levels are ties: several equilibria.
        scenario("ties", [[0.5, 0.5, 0.5], [0.6, 0.6, 0.6]], [[100, 100, 100], [100, 100, 100]]),
        scenario("alone", [[0.5, 0.7, 0.75]], [[100, 400, 1600]]),
        scenario("crowd", accuracy, tokens, price=0.2),
    ]


class NoEquilibrium:
    """A mechanism that says there is none, under a name that a page could break on."""

    name = "free <b>for all</b>"

    def outcome(self, market, users):
        played = PayPerComputeEquilibrium().outcome(market, users)
        return eqx.tree_at(lambda outcome: outcome.status, played, jnp.array(int(Status.NO_EQUILIBRIUM)))


SHELF = [
    PayPerComputeEquilibrium(),
    MarketOptimum(),
    SecondScore(),
    SecondScore(reserve="no-harm"),
    NoEquilibrium(),
]


class Page(HTMLParser):
    """Tags with their attributes and ancestors, and the text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.ids = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes, tuple(self.open)))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The report on all odd markets, and the calls of its progress function."""
    calls = []
    path = write_report(
        odd_markets(),
        tmp_path_factory.mktemp("report") / "new" / "out",
        rationality=BETAS,
        sweep_rationality=SWEEP,
        mechanisms=SHELF,
        progress=lambda *call: calls.append(call),
    )
    return path, calls


@pytest.fixture(scope="module")
def page(written):
    parsed = Page(written[0].read_text(encoding="utf-8"))
    assert not parsed.open, "tags that nothing closes"
    return parsed


@pytest.fixture(scope="module")
def tables(written):
    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    text = (written[0].parent / "report.json").read_text(encoding="utf-8")
    return json.loads(text, parse_constant=no_constant)["tables"]


def test_the_page_loads_nothing(page):
    for tag, attributes, _ in page.tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "image")
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "data", "action"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    styles = [attributes.get("style", "") for _, attributes, _ in page.tags]
    assert not any("url(" in style and "url(#" not in style for style in styles)


def test_ids_are_unique_and_references_lead_somewhere(page):
    assert len(page.ids) == len(set(page.ids))
    for _, attributes, _ in page.tags:
        targets = re.findall(r"url\(#([^)]+)\)", " ".join(str(v) for v in attributes.values()))
        if attributes.get("href", "").startswith("#"):
            targets.append(attributes["href"][1:])
        for target in targets + attributes.get("aria-labelledby", "").split():
            assert target in page.ids


def test_every_drawing_has_a_text_alternative(page, written):
    drawings = [(a, above) for tag, a, above in page.tags if tag == "svg"]
    figures = [(a, above) for a, above in drawings if a.get("aria-hidden") != "true"]
    assert len(figures) == 1 + 15 * len(odd_markets())
    for attributes, above in figures:
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"]) > 40
        assert "figure" in above
    labels = [a["aria-label"] for a, _ in figures]
    assert len(labels) == len(set(labels))
    assert sum(tag == "figcaption" for tag, _, _ in page.tags) == len(figures)
    assert len(list((written[0].parent / "figures").glob("*.svg"))) == len(figures)


def test_drawings_follow_the_colours_of_the_page(page):
    inside = [a.get("style", "") for _, a, above in page.tags if "svg" in above]
    assert any("var(--p0)" in style for style in inside)
    assert not [style for style in inside if re.search(r"#[0-9a-fA-F]{3,6}", style)]


def test_names_from_files_are_text(page, tables):
    assert HOSTILE in page.text
    assert LONG.strip()[:10] in page.text
    assert "ruin <b>& co</b>" in page.text
    assert not any(tag in ("script", "b") for tag, _, _ in page.tags)
    assert any(a.get("title") == LONG for _, a, _ in page.tags)
    assert {row["provider"] for row in tables["curves"]} >= {HOSTILE, LONG}


def test_tables_agree_with_the_brute_force_oracle(tables):
    for market in odd_markets()[:3]:
        for beta in BETAS:
            oracle = brute_force(market.game(beta))
            row = next(r for r in tables["equilibria"] if (r["scenario"], r["rationality"]) == (market.name, beta))
            assert row["num_equilibria"] == len(oracle.equilibria)
            assert row["optimal_welfare"] == pytest.approx(float(oracle.optimal_welfare), rel=1e-12)
            game = market.game(beta)
            welfare = [float(game.welfare(profile)) for profile in oracle.equilibria]
            assert row["worst_welfare"] == pytest.approx(min(welfare), rel=1e-12)
            worst = oracle.equilibria[int(np.argmin(welfare))]
            shares = [
                r
                for r in tables["profiles"]
                if (r["scenario"], r["rationality"], r["equilibrium"]) == (market.name, beta, 1)
            ]
            assert sum(r["share"] for r in shares) == pytest.approx(float(game.shares(worst).sum()), rel=1e-12)
            ledger = [r for r in tables["ledger"] if (r["scenario"], r["rationality"]) == (market.name, beta)]
            for entry in ledger:
                total = entry["users"] + entry["providers"] + entry["platform"]
                assert total == pytest.approx(entry["welfare"], rel=1e-9)


def test_csv_and_page_hold_the_same_numbers_as_json(tables, written, page):
    for name, rows in tables.items():
        with open(written[0].parent / f"{name}.csv", newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == len(rows)
        for line, row in zip(lines[:50], rows[:50], strict=True):
            numbers = {key for key, value in row.items() if isinstance(value, float)}
            assert all(float(line[key]) == row[key] for key in numbers)
    money = Money.for_amounts([row["optimal_welfare"] for row in tables["overview"] if row["rationality"] == BETAS[0]])
    for row in tables["overview"]:
        assert money.number(row["equilibrium_welfare"]) in page.text


@pytest.mark.parametrize("providers", [2, 16])
def test_learning_and_continuous_compute_agree_with_the_solvers(tables, providers):
    market = next(m for m in odd_markets()[1:] if m.market.num_providers == providers)
    game = market.game(1000.0)
    played = learn(game, RegretMatchingPlus(), max_steps=ROUNDS, tolerance=0.0)
    rows = [r for r in tables["learning"] if r["scenario"] == market.name]
    last = [r for r in rows if r["round"] == ROUNDS]
    assert [r["provider"] for r in last] == list(market.market.providers)
    tokens = np.asarray((played.mixed * market.market.tokens).sum(axis=1))
    np.testing.assert_allclose([r["tokens"] for r in last], tokens, rtol=1e-9)
    assert max(r["average_regret"] for r in last) == pytest.approx(float(played.average_regret), rel=1e-6, abs=1e-12)
    smooth = ContinuousCompute(market.market, market.users.with_rationality(1000.0))
    found = continuous_equilibria(smooth)
    rows = [r for r in tables["continuous"] if r["scenario"] == market.name]
    assert len(rows) == len(found) * providers > 0
    np.testing.assert_allclose([r["tokens"] for r in rows], np.asarray(found.compute).ravel(), rtol=1e-8)
    assert rows[0]["welfare"] == pytest.approx(float(found.welfare[0]), rel=1e-9)
    assert rows[0]["complete"] is found.complete
    assert all(r["max_regret"] <= found.tolerance for r in rows)


def test_silent_providers_change_nothing():
    market = odd_markets()[0]
    for shape in ((2, 3), (4, 5)):
        made = learned(market, 100.0, shape), continuous(market, 100.0, shape)
        if shape == (2, 3):
            alone = made
    for field in ("tokens", "welfare", "last_regret", "average_regret"):
        ours, theirs = (np.asarray(getattr(m[0].curve, field)) for m in (made, alone))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(made[1].tokens, alone[1].tokens, rtol=1e-9)
    assert [p.verdict for p in made[1].provision] == [p.verdict for p in alone[1].provision]


def test_odd_markets_say_what_is_odd(page, tables):
    rows = {(r["scenario"], r["rationality"]): r for r in tables["equilibria"]}
    assert rows["ruin <b>& co</b>", 100.0]["price_of_anarchy"] == "infinite"
    assert "infinite: the worst equilibrium creates no positive welfare" in page.text
    assert "no finite ratio" in page.text
    assert rows["ties", 1000.0]["num_equilibria"] == 9
    assert "9 equilibria, lowest welfare first; the first 4" in page.text
    assert "and 4 more, in grey" in page.text
    assert next(r for r in tables["auctions"] if r["scenario"] == "alone")["runner_up"] == "nobody"
    assert "auction, reserve V0" in page.text


def test_progress_counts_to_the_end(written):
    calls = written[1]
    totals = {total for _, _, total in calls}
    assert [done for _, done, _ in calls] == list(range(1, len(calls) + 1))
    assert totals == {len(calls)}


def one_market(tmp_path, name, accuracy, **kwargs):
    market = scenario(
        "m", accuracy, [[100, 200, 3000], [120, 240, 3000]], providers=["Ada", "Bell"], value=0.01, beta=100.0
    )
    path = write_report(
        [market], tmp_path / name, rationality=BETAS, sweep_rationality=SWEEP, mechanisms=SHELF, **kwargs
    )
    return path, Page(path.read_text(encoding="utf-8")).text


@pytest.fixture(scope="module")
def flat_against_steep(tmp_path_factory):
    """The report on Ada's flat and Bell's steep curve, and its text."""
    return one_market(tmp_path_factory.mktemp("flat"), "a", [FLAT, STEEP], command="again")


def test_sentences_follow_the_data(tmp_path, flat_against_steep):
    ada = flat_against_steep[1]
    _, bell = one_market(tmp_path, "b", [STEEP, FLAT])
    assert "Ada spends more compute than the welfare optimum asks for" in ada
    assert "Bell spends more compute than the welfare optimum asks for" in bell
    assert "Bell would win every query" in ada
    assert "Ada would win every query" in bell


def test_mechanisms_agree_with_the_ledger(tables, page):
    """The ledger comes from ``solver.efficiency``, the comparison from the mechanisms' own outcomes."""
    same = {
        "market equilibrium": "pay-per-compute",
        "market, worst equilibrium": "pay-per-compute",
        "market optimum": "market-optimum",
        "auction": "second-score",
        "auction, no-harm reserve": "second-score-no-harm",
    }
    compared_rows = {(r["scenario"], r["rationality"], r["mechanism"]): r for r in tables["mechanisms"]}
    assert len(compared_rows) == len(odd_markets()) * len(BETAS) * len(SHELF)
    entries = [entry for entry in tables["ledger"] if entry["arrangement"] in same]
    assert {(e["scenario"], e["rationality"], same[e["arrangement"]]) for e in entries} == {
        key
        for key in compared_rows
        if key[2] in same.values() and (key[0], key[2]) != ("alone", "second-score")  # the one bidder's has a reserve
    }
    for entry in entries:
        row = compared_rows[entry["scenario"], entry["rationality"], same[entry["arrangement"]]]
        for ours, theirs in (("user_value", "users"), ("profits", "providers"), ("welfare", "welfare")):
            assert row[ours] == pytest.approx(entry[theirs], rel=1e-9, abs=1e-12 * abs(entry["welfare"]))
        assert row["losers"] == entry["losers"]
    alone = compared_rows["alone", 100.0, "second-score"]
    assert alone["welfare"] is None
    assert alone["note"].startswith("auction: one bidder and no reserve")
    assert {r["note"] for r in tables["mechanisms"] if "free" in r["mechanism"]} == {Status.NO_EQUILIBRIUM.text}
    assert "No outcome: second-score (not defined here) and free <b>for all</b> (no equilibrium)" in page.text


def side_by_side(**changes):
    """A table as ``compare`` makes it, with figures of some mechanisms changed."""
    rows = []
    for name, users, profits, platform, gaming in (
        ("today", 6.0, 2.0, 0.0, 0.5),
        ("auction", 7.0, 2.0, 0.0, 0.0),
        ("fee", 3.0, 1.0, 5.0, 0.0),
    ):
        figures = {"user_value": users, "profits": profits, "platform": platform, "misreport_gain": gaming}
        figures |= {"losers": ("users", "Ada") if name == "fee" else (), "note": ""} | changes.get(name, {})
        welfare = figures["user_value"] + figures["profits"] + figures["platform"]
        rows.append({"mechanism": name, "rationality": 1.0, "welfare": welfare, **figures})
    table = pd.DataFrame(rows)
    return table.assign(user_gain=table["user_value"] - table["user_value"][0])


def test_the_sentence_on_mechanisms_follows_the_data():
    def said(**changes):
        return mechanism_sentence(side_by_side(**changes), 1.0, Money(1))

    assert said() == (
        "At β = 1, of 3 mechanisms, users get most under auction: $7.00 per query, $1.00 more than under today. The platform "
        "gets most under fee: $5.00. Against today, users lose under fee; some providers lose under fee. A provider gains by "
        "gaming under today ($0.50), not under the others."
    )
    assert "users get most under today and auction: $6.00 per query." in said(auction={"user_value": 6.0})
    assert "None of them leaves the platform anything" in said(fee={"platform": 0.0})
    assert "users lose under none; some providers lose under all others" in said(
        auction={"losers": ("Ada",)}, fee={"losers": ("Ada",)}
    )
    assert "gaming under auction ($0.75) and today ($0.50)" in said(auction={"misreport_gain": 0.75})
    assert "None can be gamed" in said(today={"misreport_gain": 1e-12})
    gone = dict.fromkeys(("user_value", "profits", "platform", "misreport_gain"), np.nan)
    without = said(fee=gone | {"note": Status.NO_EQUILIBRIUM.text})
    assert "of 2 mechanisms" in without
    assert without.endswith("No outcome: fee (no equilibrium).")


def test_silent_providers_change_no_mechanism():
    two = scenario("two", [FLAT, STEEP], [[100, 200, 3000], [120, 240, 3000]], value=0.01)
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


def test_the_same_data_give_the_same_files_in_an_old_folder(tmp_path, flat_against_steep):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "index.html").write_text("old")
    (tmp_path / "b" / "mine.txt").write_text("kept")
    first = flat_against_steep[0]
    second, _ = one_market(tmp_path, "b", [FLAT, STEEP], command="again")
    files = [path.relative_to(first.parent) for path in first.parent.rglob("*") if path.is_file()]
    assert len(files) > 20
    for file in files:
        assert (first.parent / file).read_bytes() == (second.parent / file).read_bytes()
    assert (tmp_path / "b" / "mine.txt").read_text() == "kept"
    assert not list(tmp_path.rglob(".ttc-games-*"))


class Stopped(Exception):
    """Raised by a progress function, as an interrupt would be."""


def test_a_failure_leaves_nothing_behind(tmp_path):
    def stop(name, done, total):
        if done == total - 1:
            raise Stopped

    with pytest.raises(Stopped):
        one_market(tmp_path, "new", [FLAT, STEEP], progress=stop)
    assert not list(tmp_path.iterdir())


def test_bad_paths_are_refused_before_anything_is_computed(tmp_path):
    def computed(*call):
        raise AssertionError("computed before the path was checked")

    file = tmp_path / "file"
    file.write_text("mine")
    market = odd_markets()[2]
    for bad, words in ((file, "is a file"), (file / "below", "cannot be written to"), ("/proc/report", "cannot be")):
        with pytest.raises(InputError, match=words):
            write_report([market], type(file)(bad), progress=computed)
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scenarios": []}, "no scenario"),
        ({"scenarios": odd_markets()[2:3] * 2}, "listed twice"),
        ({"rationality": [0.0]}, "positive"),
        ({"sweep_rationality": np.array([np.inf])}, "positive"),
        ({"mechanisms": []}, "no mechanism"),
        ({"mechanisms": SHELF[:1] * 2}, "'pay-per-compute' is listed twice"),
    ],
)
def test_unusable_arguments_are_refused(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        write_report(**({"scenarios": odd_markets()[2:3], "output": tmp_path / "out"} | arguments))
    assert not list(tmp_path.iterdir())


def test_several_segments_are_refused(tmp_path):
    alone = odd_markets()[2]
    users = Users([0.008, 0.1], 1000)
    with pytest.raises(InputError, match="2 user segments"):
        write_report([Scenario("two", alone.market, users, source="")], tmp_path / "out")


def test_styles_are_distinct_and_colours_end():
    names = [f"provider number {i} with a name that is far too long for a figure" for i in range(30)]
    styles = provider_styles(names[:20], names)
    assert len({style.short for style in styles.values()}) == 30
    assert len({(style.colour, style.marker) for style in list(styles.values())[:20]}) == 20
    assert len({style.colour for style in styles.values()} - set(LIGHT)) == 1


@pytest.mark.parametrize(
    ("largest", "unit"),
    [
        (3.0, "$ per query"),
        (0.9994, "¢ per query"),
        (0.0001, "¢ per query"),
        (0.00009, "¢ per 1,000 queries"),
        (5e-8, "¢ per 1,000,000 queries"),
        (0.0, "¢ per query"),
        (np.nan, "¢ per query"),
    ],
)
def test_money_is_shown_in_a_unit_of_its_size(largest, unit):
    money = Money.for_amounts([0.0, largest, -largest / 2, np.inf])
    assert money.unit == unit
    if largest > 0:
        shown = float(money.amount(-largest).strip("−$¢"))
        assert shown == pytest.approx(money.scaled(largest), rel=5e-3)
        assert 0.01 <= shown < 1000
    for size in (12345.678, 1.0, 0.31415, 0.0027182, 0.000012345):
        dollars = size / money.scaled(1.0)
        for text in (money.number(dollars), money.amount(-dollars).strip("−$¢")):
            assert float(text.replace(",", "")) == pytest.approx(size, rel=2e-2)
