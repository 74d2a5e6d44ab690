"""The documentation site: built strictly it warns of nothing, shows every page and public name, and asks no other host.

One build serves all tests of the site; what must fail the build is tried on copies of a few files.
"""

import html
import importlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from filelock import FileLock
from mkdocs.config import load_config
from mkdocs.exceptions import PluginError

from tests.browsers import axe_violations, scrolls_sideways

ROOT = Path(__file__).parents[1]
HOOKS = ROOT / "docs/hooks"
# What a page fetches by itself, as opposed to links that a reader may follow.
FETCHED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
}


class Page(HTMLParser):
    """What one page fetches, which identifiers it has, and where its links lead."""

    def __init__(self, path: Path):
        super().__init__()
        self.fetched: list[str] = []
        self.names: set[str] = set()
        self.text = path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names.add(given.get("id") or "")
        if tag in FETCHED and given.get("rel") != "canonical":
            self.fetched.append(given.get(FETCHED[tag]) or "")
        self.fetched += re.findall(r"url\(([^)]+)\)", given.get("style") or "")


@pytest.fixture(scope="module")
def hooks():
    """The hooks of the build: names, reference, pages."""
    sys.path.insert(0, str(HOOKS))
    try:
        return [importlib.import_module(name) for name in ("public_names", "reference", "site_pages")]
    finally:
        sys.path.remove(str(HOOKS))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Folder of the site, built once for all test processes; the build has neither failed nor warned."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, log = shared / "site", shared / "site.log"
    with FileLock(shared / "site.lock"):
        if not log.exists():
            command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
            environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
            built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
            log.write_text(f"{built.returncode}\n{built.stderr}", "utf-8")
    code, _, said = log.read_text("utf-8").partition("\n")
    assert code == "0", said[-3000:]
    assert "WARNING" not in said
    return folder


def nav_pages(item) -> list[str]:
    if isinstance(item, str):
        return [item]
    return [page for below in (item.values() if isinstance(item, dict) else item) for page in nav_pages(below)]


def test_every_page_is_in_the_navigation_and_built(site, hooks):
    names, _, pages = hooks
    navigation = nav_pages(load_config(str(ROOT / "mkdocs.yml")).nav)
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("**/*.md")}
    generated = {area.page for area in names.areas(ROOT)} | set(pages.COPIES.values())
    assert sorted(navigation) == sorted(written | generated)
    assert [page for page in navigation if not (site / page).with_suffix(".html").exists()] == []


def test_no_page_fetches_anything_from_elsewhere(site):
    pages = {path: Page(path) for path in site.glob("**/*.html")}
    assert len(pages) > 70
    outside = [
        (path.name, url) for path, page in pages.items() for url in page.fetched if re.match(r"(https?:)?//", url)
    ]
    assert outside == []
    missing = [
        (path.name, url)
        for path, page in pages.items()
        if path.name != "404.html"  # its links are absolute: it is shown in place of any page
        for url in page.fetched
        if url and not url.startswith("data:") and not (path.parent / url.partition("?")[0].partition("#")[0]).exists()
    ]
    assert missing == []
    for sheet in site.glob("**/*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text("utf-8")), sheet


def test_every_public_name_has_an_entry(site, hooks):
    names = hooks[0]
    where, public = names.definitions(ROOT), names.public_names(ROOT)
    entries = {area.page: Page((site / area.page).with_suffix(".html")) for area in names.areas(ROOT)}
    shown = set().union(*(page.names for page in entries.values()))
    assert [name for name in where if where[name] not in shown] == []
    for package in names.PACKAGES:
        exported = importlib.import_module(package).__all__
        assert [name for name in exported if f"{package}.{name}" not in public] == []
    # One entry looked at closely: signature, arguments, errors, example, and the links of the index.
    text = html.unescape(re.sub(r"<[^>]+>", "", entries["reference/api/auctions.md"].text))
    section = text[text.index("games.SecondScoreAuction") :]
    for part in ("market: Market", "Parameters:", "Raises:", "Examples:", ">>> from games import load_scenario"):
        assert part in section[:6000], part
    assert "Members: <code>SEQUENTIAL</code>" in entries["reference/api/reply-dynamics.md"].text
    index = (site / "reference/api.html").read_text("utf-8")
    assert 'href="api/auctions.html#games.auction.SecondScoreAuction"' in index


def copy_of_sources(folder: Path) -> Path:
    for package in ("games", "solver"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (folder / "docs/reference").mkdir(parents=True)
    shutil.copy(ROOT / "docs/reference/api.md", folder / "docs/reference/api.md")
    return folder


def test_an_undocumented_name_fails_the_build(tmp_path, hooks, monkeypatch):
    names, reference, _ = hooks
    root = copy_of_sources(tmp_path)
    assert names.complaints(root) == []
    stub, module, index = root / "solver/__init__.pyi", root / "solver/regret.py", root / "docs/reference/api.md"
    stub.write_text(stub.read_text("utf-8") + "from .regret import brand_new as brand_new\n", "utf-8")
    source = module.read_text("utf-8")
    module.write_text(source + "\n\ndef brand_new(game, profile):\n    raise ValueError\n", "utf-8")
    assert names.complaints(root) == [
        "solver.brand_new: has no row in docs/reference/api.md",
        "solver.brand_new: has no docstring of its own",
    ]
    monkeypatch.setattr(reference, "ROOT", root)
    with pytest.raises(PluginError, match=r"solver\.brand_new: has no docstring of its own"):
        reference.on_files([], None)
    index.write_text(index.read_text("utf-8") + "| `solver.brand_new` | New. |\n", "utf-8")
    docstring = '"""New.\n\n    Args:\n        game: any.\n    """'
    module.write_text(source + f"\n\ndef brand_new(game, profile):\n    {docstring}\n    raise ValueError\n", "utf-8")
    assert names.complaints(root) == [
        "solver.brand_new: its docstring has no line for the argument 'profile' under Args",
        "solver.brand_new: it raises and its docstring has no Raises",
        "solver.brand_new: its docstring has no Example",
    ]
    index.write_text(index.read_text("utf-8").replace("`solver.brand_new`", "`solver.gone`"), "utf-8")
    assert "solver.gone: is not defined where the package takes it from" in names.complaints(root)


def test_a_dead_link_fails_the_build(tmp_path):
    """A site of one page under the same settings, without the reference."""
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    keep = re.sub(r"^(nav|hooks|plugins|extra):\n(?:[ ].*\n|\n)*", "", text, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(keep, "utf-8")
    (tmp_path / "docs/assets").mkdir(parents=True)
    page = tmp_path / "docs/index.md"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    outcomes = []
    for body in ("# A page\n", "# A page\n\n[gone](gone.md)\n", "# A page\n\n[gone](#gone)\n"):
        page.write_text(body, "utf-8")
        environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
        built = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        outcomes.append((built.returncode, "gone" in built.stderr))
    assert outcomes == [(0, False), (1, True), (1, True)]


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("s_i = a_i / Z", "s<sub>i</sub> = a<sub>i</sub> / Z"),
        ("Z = Σ_j e^{βV_j}", "Z = Σ<sub>j</sub> e<sup>βV<sub>j</sub></sup>"),
        ("βV_i, max_k, 10^5 markets", "βV<sub>i</sub>, max<sub>k</sub>, 10<sup>5</sup> markets"),
        ("run_time, my_auctions", "run_time, my_auctions"),
    ],
)
def test_formulas(plain, shown, hooks):
    assert hooks[2].formula(plain) == shown


def test_markdown_stays_plain_and_the_site_translates_it(hooks):
    class Source:
        class file:
            src_uri = "how-to/page.md"

    plain = "```csv a.csv\nx\n```\n\n```python\n>>> 1\n1\n```\n\n[data](../../games/data/README.md#a) [x](other.md)\n"
    shown = hooks[2].on_page_markdown(plain, Source, None, None)
    assert '```csv title="a.csv"' in shown
    assert "```pycon\n>>> 1" in shown
    assert "[data](../about/data.md#a) [x](other.md)" in shown


def test_the_site_opens_from_disk_and_is_searched(site, new_page):
    page = new_page(viewport={"width": 1200, "height": 800})
    page.goto(f"file://{site}/index.html")
    page.click("[data-md-component=search-query]")
    page.keyboard.type("pure_equilibria")
    page.wait_for_selector(".md-search-result__item a")
    page.locator(".md-search-result__item a").first.click()
    page.wait_for_url("**/*.html*")
    assert "pure_equilibria" in page.locator("article").inner_text()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_pages_fit_a_phone_and_are_accessible(site, new_page, colours):
    page = new_page(viewport={"width": 360, "height": 700}, color_scheme=colours)
    for name in ("index", "which-solver", "tutorials/reserve", "reference/api/auctions"):
        page.goto(f"file://{site}/{name}.html")
        page.wait_for_selector("article h1")
        assert not scrolls_sideways(page), name
        assert axe_violations(page) == [], name
