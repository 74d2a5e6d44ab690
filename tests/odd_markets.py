"""Markets on which a report could break, mechanisms to compare on them, and a reader of pages."""

from html.parser import HTMLParser

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from games import Market, Scenario, Users
from solver import Status
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


def crowd(size=16):
    """Many providers; those of the report's other markets are brought to sixteen."""
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
