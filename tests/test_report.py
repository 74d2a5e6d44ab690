"""Writing a report: one page that loads nothing, escaped names, files that agree, all or nothing on disk."""

import csv
import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from games import InputError
from solver import write_report
from solver.cli import app
from solver.report.palette import provider_looks
from tests.odd_markets import BETAS, HOSTILE, LONG, RUIN, SEGMENTS, SHELF, SWEEP, Page, alone, scenario, written_report

FLAT, STEEP = [0.6, 0.6, 0.6], [0.2, 0.4, 0.9]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return written_report(tmp_path_factory)


@pytest.fixture(scope="module")
def page(written):
    parsed = Page(written.page.read_text(encoding="utf-8"))
    assert not parsed.open, "tags that nothing closes"
    return parsed


@pytest.fixture(scope="module")
def tables(written):
    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    text = (written.page.parent / "report.json").read_text(encoding="utf-8")
    return json.loads(text, parse_constant=no_constant)["tables"]


def assert_loads_nothing(page):
    """No reference leaves the page, no handler stands in an attribute."""
    for tag, attributes, _ in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "image")
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "data", "action", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
        style = attributes.get("style", "")
        assert "url(" not in style.replace("url(#", "")


def test_the_page_loads_nothing(page):
    assert_loads_nothing(page)


def test_ids_are_unique_and_references_lead_somewhere(page):
    assert len(page.ids) == len(set(page.ids))
    for _, attributes, _ in page.tags:
        targets = re.findall(r"url\(#([^)]+)\)", " ".join(str(v) for v in attributes.values()))
        if len(attributes.get("href", "")) > 1 and attributes["href"].startswith("#"):
            targets.append(attributes["href"][1:])
        for name in ("aria-labelledby", "aria-describedby", "for"):
            targets += attributes.get(name, "").split()
        assert set(targets) <= set(page.ids)


def test_names_from_files_are_text(page, tables):
    assert HOSTILE in page.text
    assert LONG.strip()[:10] in page.text
    assert RUIN in page.text
    assert SEGMENTS[0] in page.text
    assert not any(tag in ("b", "i") for tag, _, _ in page.tags)
    assert not any({"onload", "x"} & set(attributes) or attributes.get("id") == "y" for _, attributes, _ in page.tags)
    assert {row["provider"] for row in tables["curves"]} >= {HOSTILE, LONG}


def test_scripts_hold_no_tag_from_a_name(written):
    text = written.page.read_text(encoding="utf-8")
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert '</script>" onload' not in text


def test_csv_json_and_page_hold_the_same_numbers(tables, written, page):
    names = {path.stem for path in written.page.parent.glob("*.csv")}
    assert names == set(tables)
    for name, rows in tables.items():
        with open(written.page.parent / f"{name}.csv", newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == len(rows)
        for line, row in zip(lines[:50], rows[:50], strict=True):
            numbers = {key for key, value in row.items() if isinstance(value, float)}
            assert all(float(line[key]) == row[key] for key in numbers)
    for row in tables["overview"]:
        if row["equilibrium_welfare"] != "undefined":
            assert written.money.number(row["equilibrium_welfare"]) in page.text


def test_progress_counts_to_the_end(written):
    totals = {total for _, _, total in written.calls}
    assert [done for _, done, _ in written.calls] == list(range(1, len(written.calls) + 1))
    assert totals == {len(written.calls)}


def one_market(tmp_path, name, accuracy, **kwargs):
    market = scenario(
        "m", accuracy, [[100, 200, 3000], [120, 240, 3000]], providers=["Ada", "Bell"], value=0.01, beta=100.0
    )
    options = {"rationality": BETAS, "sweep_rationality": SWEEP, "mechanisms": SHELF, "figures": False} | kwargs
    path = write_report([market], tmp_path / name, **options)
    return path, Page(path.read_text(encoding="utf-8")).text


@pytest.fixture(scope="module")
def flat_against_steep(tmp_path_factory):
    """The report on Ada's flat and Bell's steep curve, and its text."""
    return one_market(tmp_path_factory.mktemp("flat"), "a", [FLAT, STEEP], command="again")


def test_sentences_follow_the_data(tmp_path, flat_against_steep):
    ada = flat_against_steep[1]
    _, bell = one_market(tmp_path, "b", [STEEP, FLAT])
    for text, over, winner in ((ada, "Ada", "Bell"), (bell, "Bell", "Ada")):
        assert f"{over} computes too much: " in text
        assert f"{winner} would win every query" in text
        assert f"{winner} computes too much: " not in text


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
    for bad, words in ((file, "is a file"), (file / "below", "cannot be written to"), ("/proc/report", "cannot be")):
        with pytest.raises(InputError, match=words):
            write_report([alone()], type(file)(bad), progress=computed)
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scenarios": []}, "no scenario"),
        ({"scenarios": [alone(), alone()]}, "listed twice"),
        ({"scenarios": [scenario("trap", [[0.5]], [[100]], outside=-np.inf)]}, "second provider"),
        ({"rationality": [0.0]}, "positive"),
        ({"sweep_rationality": np.array([np.inf])}, "positive"),
        ({"mechanisms": []}, "no mechanism"),
        ({"mechanisms": SHELF[:1] * 2}, "'pay-per-compute' is listed twice"),
    ],
)
def test_unusable_arguments_are_refused(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        write_report(**({"scenarios": [alone()], "output": tmp_path / "out"} | arguments))
    assert not list(tmp_path.iterdir())


def test_names_of_a_file_reach_the_page_as_text(tmp_path):
    """Script, quotes, emoji and 300 characters as a provider, from CSV files, through the command line."""
    names = ['<script>alert("1")</script>', f"'\"&amp; 🦙 ${{7*7}} {{{{7*7}}}} {'x' * 300}"]
    with open(tmp_path / "curves.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["model", "level", "accuracy", "tokens"])
        for name in names:
            rows.writerows([[name, f"<i>{k}</i>", 0.3 + 0.2 * k, 100 * 4**k] for k in range(3)])
    with open(tmp_path / "prices.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["model", "usd_per_million_tokens"], *([name, 1.0] for name in names)])
    files = [f"--{part}={tmp_path / part}.csv" for part in ("curves", "prices")]
    shelf = ["--mechanism=pay-per-compute", "--mechanism=second-score"]
    betas = ["--rationality=100,1000", "--sweep-rationality=1:1e5:6", "--value-per-correct=0.01"]
    result = CliRunner().invoke(app, ["report", *files, *shelf, *betas, "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert_loads_nothing(page)
    assert len(page.ids) == len(set(page.ids))
    assert names[0] in page.text
    assert "'\"&amp; 🦙" in page.text
    assert (
        names[1] in "".join(str(value) for _, attributes, _ in page.tags for value in attributes.values()) + page.text
    )
    assert "<i>0</i>" in page.text
    assert "<script>alert" not in text
    assert not any(tag == "i" for tag, _, _ in page.tags)
    rows = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["tables"]["curves"]
    assert {row["provider"] for row in rows} == set(names)


def test_short_names_are_distinct():
    names = [f"provider number {i} with a name that is far too long for a figure" for i in range(30)]
    looks = provider_looks(names[:20], names)
    assert set(looks) == set(names)
    assert len({look.short for look in looks.values()}) == 30
    assert max(len(look.short) for look in looks.values()) <= 30
