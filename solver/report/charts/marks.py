"""What several charts share: which providers have colours, and the marks of the three levels that matter."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from solver.report.charts import chart as c
from solver.report.charts.chart import Spec
from solver.report.palette import SHAPES, Look
from solver.report.result import Result
from solver.report.style import Money

EQUILIBRIUM, OPTIMUM, AUCTION, BEST_OFFER = "equilibrium", "optimum", "auction", "own best offer"
STAR = SHAPES[8]
# Pixels that a mark and its word take in a legend, in a wide font.
WIDTHS = {EQUILIBRIUM: 92, OPTIMUM: 80, AUCTION: 76, BEST_OFFER: 110}
RING: Spec = {"type": "point", "filled": False, "size": 190, "strokeWidth": 1.8}
FILLED: Spec = {"type": "point", "filled": True, "size": 80}
WINNER: Spec = {
    "type": "point",
    "shape": STAR,
    "filled": True,
    "size": 260,
    "fill": "transparent",
    "stroke": "var(--ink)",
    "strokeWidth": 1.4,
}

OFFER: Spec = {"type": "point", "shape": STAR, "filled": False, "size": 190, "strokeWidth": 1.8}


def tips(money: Money) -> list[Spec]:
    """What the tooltip of a level says."""
    return [
        c.tip("provider", "Provider"),
        c.tip("level", "Level"),
        c.tip("tokens", "Tokens per query", ",.4~r"),
        c.tip("accuracy", "Accuracy", ".1%"),
        c.tip("price", f"Price, {money.unit}", ",.3~r"),
        c.tip("users", f"Users get, {money.unit}", ",.3~r"),
        c.tip("created", f"Value created, {money.unit}", ",.3~r"),
    ]


def providers(result: Result, looks: Mapping[str, Look]) -> Iterator[tuple[int, Look, bool]]:
    """Index, look and whether highlighted, of every provider; those in grey first, so that they lie behind."""
    names = result.scenario.market.providers
    rest = [i for i in range(len(names)) if i not in result.highlighted]
    for i in (*rest, *result.highlighted):
        yield i, looks[names[i]], i in result.highlighted


def highlighted(result: Result, looks: Mapping[str, Look]) -> list[Look]:
    """Looks of the providers with a colour of their own."""
    return [looks[result.scenario.market.providers[i]] for i in result.highlighted]


def worst(result: Result) -> np.ndarray | None:
    """Levels in the equilibrium of lowest welfare; None without an equilibrium."""
    found = result.verdict.efficiency.equilibria
    return np.asarray(found.worst) if len(found) else None


def note(text: str) -> Spec:
    """A layer of words for what cannot be drawn."""
    return {
        "data": {"values": [{"_text": text}]},
        "mark": {"type": "text", "align": "left", "color": "var(--warning)"},
        "encoding": {"x": {"value": 6}, "y": {"value": 14}, "text": {"field": "_text"}},
    }


def legend(*kinds: str) -> Spec:
    """A layer above the chart that says what the marks mean.

    It has no scale, so that nothing keeps the providers' colours, shapes and dashes from sharing a legend in files.
    """
    forms = {
        EQUILIBRIUM: ("circle", "var(--muted)", "var(--muted)"),
        OPTIMUM: ("circle", "transparent", "var(--muted)"),
        AUCTION: (STAR, "transparent", "var(--ink)"),
        BEST_OFFER: (STAR, "transparent", "var(--muted)"),
    }
    records, at = [], 6
    for kind in kinds:
        shape, fill, stroke = forms[kind]
        records.append({"_mark": kind, "_at": at, "_shape": shape, "_fill": fill, "_stroke": stroke})
        at += WIDTHS[kind]

    def given(field: str) -> Spec:
        return {"field": field, "type": "nominal", "scale": None, "legend": None}

    place: Spec = {"x": {"field": "_at", "type": "quantitative", "scale": None, "axis": None}, "y": {"value": -14}}
    form = {"shape": given("_shape"), "fill": given("_fill"), "stroke": given("_stroke")}
    text: Spec = {"type": "text", "align": "left", "dx": 9, "color": "var(--muted)", "clip": False}
    return {
        "data": {"values": records},
        "layer": [
            {"mark": {"type": "point", "size": 80, "clip": False}, "encoding": place | form},
            {"mark": text, "encoding": place | {"text": {"field": "_mark"}}},
        ],
    }


def tokens(field: str = "tokens") -> Spec:
    """Tokens along a logarithmic axis whose numbers keep apart on a phone."""
    x = c.tokens(field)
    return x | {"axis": x["axis"] | {"labelSeparation": 6, "labelBound": True}}


def strands(labels: Sequence[str]) -> list[int]:
    """Which levels one line connects: those of one method, where labels read ``method/level``.

    Example:
        >>> strands(["majority/1", "majority/4", "best_of_n/4"])
        [0, 0, 1]
    """
    methods = [label.rpartition("/")[0] for label in labels]
    order = list(dict.fromkeys(methods))
    return [order.index(method) for method in methods]
