"""Markets on which a report could break, mechanisms to compare on them, one report about them, and a reader of pages."""

import os
import pickle
import sys
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from games import Market, Scenario, Users
from solver import Status, write_report
from solver.mechanisms import MarketOptimum, PayPerComputeEquilibrium, SecondScore

BETAS = (100.0, 1000.0)
SWEEP = np.logspace(0, 5, 6)
HOSTILE = '<script>alert(1)</script>" onload="x" id="y'
LONG = "é😀 $\\alpha$ " + "long name " * 30
RUIN = "ruin <b>& co</b>"
SEGMENTS = ("cheap & <i>cheerful</i>", "demanding")
VOID = {"meta", "link", "img", "br", "input", "hr", "path", "use", "rect", "circle"}


def scenario(name, accuracy, tokens, *, providers=None, price=1.0, value=0.008, beta=1000.0, outside=0.0):
    market = Market.from_arrays(accuracy=accuracy, tokens=tokens, price_per_million=price, providers=providers)
    return Scenario(name, market, Users(value, beta, outside_value=outside), source="made by hand")


def ruin():
    """Users must buy, and every provider earns most by a level that costs more than it is worth."""
    return scenario(
        RUIN,
        [[0.6, 0.5, 0.5], [0.6, 0.55, 0.5]],
        [[100, 200, 30000], [120, 240, 30000]],
        providers=[HOSTILE, LONG],
        beta=100.0,
        outside=-np.inf,
    )


def ties():
    """Equal levels are ties: several equilibria."""
    return scenario("ties", [[0.5, 0.5, 0.5], [0.6, 0.6, 0.6]], [[100, 100, 100], [100, 100, 100]])


def alone():
    """One provider."""
    return scenario("alone", [[0.5, 0.7, 0.75]], [[100, 400, 1600]])


def crowd(size=60):
    """Sixty providers, five times as many as have a colour of their own."""
    rng = np.random.default_rng(0)
    accuracy = np.sort(rng.uniform(0.2, 0.95, (size, 3)), axis=1)
    tokens = rng.uniform(100, 400, (size, 1)) * np.array([1, 8, 64])
    return scenario("crowd", accuracy, tokens, price=0.2)


def segments():
    """Two segments, the second loses in the auction; at β = 1000 no choice of levels is stable."""
    market = Market.from_arrays(
        accuracy=[[0.80, 0.80, 0.90], [0.70, 0.70, 0.95]],
        tokens=[[1000, 1000, 10000], [5000, 5000, 10000]],
        price_per_million=2.0,
        providers=["Ada", "Bell"],
    )
    users = Users([0.005, 0.1], [500, 2000], weight=[1, 1])
    return Scenario("segments", market, users, source="made by hand", segments=SEGMENTS)


def odd_markets():
    """One of each kind; few shapes, since each is compiled."""
    return [ruin(), ties(), alone(), crowd(), segments()]


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


@dataclass
class Written:
    """A report on all odd markets: its page, the calls of its progress function, and what it was made from."""

    page: Path
    calls: list = field(default_factory=list)
    contents: list = field(default_factory=list)

    @property
    def results(self):
        return self.contents[0].results

    @property
    def money(self):
        return self.contents[0].money

    def result(self, name):
        return next(result for result in self.results if result.name == name)


def written_report(tmp_path_factory):
    """The report, written by the first process that asks for it; the others read what it wrote."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "odd-report"
    kept = folder / "written.pickle"
    try:
        folder.mkdir()
    except FileExistsError:
        for _ in range(6000):
            if kept.exists():
                break
            time.sleep(0.1)
        return pickle.loads(kept.read_bytes())
    made = Written(folder / "new" / "out" / "index.html")
    module = sys.modules[write_report.__module__]
    render = module.render_page

    def keep(contents):
        made.contents.append(contents)
        return render(contents)

    module.render_page = keep
    try:
        write_report(
            odd_markets(),
            made.page.parent,
            rationality=BETAS,
            sweep_rationality=SWEEP,
            mechanisms=SHELF,
            figures=False,
            progress=lambda *call: made.calls.append(call),
        )
    finally:
        module.render_page = render
    part = folder / "part"
    part.write_bytes(pickle.dumps(made))
    part.replace(kept)
    return made


class Page(HTMLParser):
    """Tags with their attributes and ancestors, and the text outside scripts and style sheets."""

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
        if not {"script", "style"} & set(self.open):
            self.text += data
