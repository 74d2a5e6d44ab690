"""The price of anarchy of every market: one picture of all, and a small one of each."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from solver.report.charts import bars
from solver.report.charts import chart as c
from solver.report.charts.bars import brief
from solver.report.palette import SHAPES, Look
from solver.report.result import Result
from solver.report.style import Money, plain, ratio, shorten

WIDEST = 20.0
SHADES = ("var(--ink)", "var(--link)", "var(--muted)")
MOST_BETAS = 8


def overview(results: Sequence[Result], looks: Mapping[str, Look], money: Money) -> c.Chart:
    """Price of anarchy of every market: its range over the sweep, and a marker for each tabled β."""
    ranges: list[dict[str, Any]] = []
    dots: list[dict[str, Any]] = []
    for name, result in zip(_labels(results), results, strict=True):
        low, high, where = _range(result)
        ranges.append({"market": name, "low": low, "high": high, "note": _note(where)})
        for verdict in result.verdicts[:MOST_BETAS]:
            value = verdict.efficiency.price_of_anarchy
            if np.isfinite(value):
                beta = brief(verdict.rationality)
                dots.append({"market": name, "low": value, "beta": beta, "shown": ratio(value)})
    high = max([r["high"] for r in ranges if r["high"] is not None] + [d["low"] for d in dots], default=1.0)
    scale: c.Spec = {"type": "log"} if high > WIDEST else {"zero": False}
    if high <= 1.05:
        scale["domain"] = [1, max(high, 1.01)]
    x: c.Spec = {
        "field": "low", "type": "quantitative", "title": "price of anarchy (1 is no loss)",
        "scale": scale | {"nice": False, "padding": 12}, "axis": {"format": "~r", "grid": True, "tickCount": 5},
    }  # fmt: skip
    y = bars.names("market", signs=28) | {"scale": {"domain": _labels(results)}}
    betas = list(dict.fromkeys(d["beta"] for d in dots))
    legend = {"title": "β", "titleOrient": "left", "columns": 4}
    shades = c.fixed("beta", [(beta, SHADES[i % len(SHADES)]) for i, beta in enumerate(betas)]) | {"legend": legend}
    shapes = {
        "field": "beta",
        "type": "nominal",
        "scale": {"domain": betas, "range": [SHAPES[i] for i in range(len(betas))]},
        "legend": legend,
    }
    tips = [c.tip("market", "Market"), c.tip("low", "Lowest over β", ".3f"), c.tip("high", "Highest over β", ".3f"),
            c.tip("note", "Note")]  # fmt: skip
    dot_tips = [c.tip("market", "Market"), c.tip("beta", "Rationality"), c.tip("shown", "Price of anarchy")]
    spec = {
        "width": "container",
        "height": bars.height(len(results), around=86),
        "data": c.rows(ranges),
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 0.8}, "encoding": {"x": {"datum": 1}}},
            {
                "transform": [{"filter": "datum.high != null"}],
                "mark": {"type": "rule", "strokeWidth": 6, "strokeCap": "round", "opacity": 0.35},
                "encoding": {"y": y, "x": x, "x2": {"field": "high"}, "tooltip": tips},
            },
            {
                "data": c.rows(dots),
                "mark": {"type": "point", "size": 60},
                "encoding": {"y": y, "x": x, "color": shades, "shape": shapes, "tooltip": dot_tips},
            },
            {
                "transform": [{"filter": "datum.note != ''"}],
                "mark": {
                    "type": "text",
                    "align": "right",
                    "color": "var(--warning)",
                    "fontSize": 10.5,
                    "dy": {"expr": "datum.high == null ? 0 : -9"},
                },
                "encoding": {"y": y, "x": {"value": "width"}, "text": {"field": "note"}, "tooltip": tips},
            },
        ],
    }
    caption = (
        "Optimal welfare over the welfare of the worst equilibrium. The bar is its range over all β swept, a marker one β of "
        "the tables."
    )
    return c.Chart("overview", "Price of anarchy by market", caption, spec, _overview_text(results), wide=True)


def _labels(results: Sequence[Result]) -> list[str]:
    return bars.distinct(shorten(result.name) for result in results)


def _range(result: Result) -> tuple[float | None, float | None, str]:
    """Lowest and highest finite price of anarchy over β, and where it is not finite: nowhere, at some β, at any β."""
    swept = result.sweep.price_of_anarchy.values
    finite = swept[np.isfinite(swept)]
    if not finite.size:
        return None, None, "at any β"
    where = "" if finite.size == swept.size else "at some β"
    return float(finite.min()), float(finite.max()), where


def _note(where: str) -> str:
    return f"no finite ratio {where}" if where else ""


def _overview_text(results: Sequence[Result]) -> str:
    parts = []
    for result in results:
        low, high, where = _range(result)
        over = f"{ratio(low)} to {ratio(high)} over β" if low is not None and high is not None else ""
        tabled = [
            f"{ratio(v.efficiency.price_of_anarchy)} at β = {plain(v.rationality)}"
            for v in result.verdicts[:MOST_BETAS]
        ]
        parts.append(f"{result.name} " + ", ".join(part for part in (over, _note(where), *tabled) if part))
    return "Price of anarchy by market. " + "; ".join(parts) + "."


def ratio_domain(results: Sequence[Result]) -> tuple[float, float]:
    """Prices of anarchy from 1 to the largest finite one of all markets: the common axis of the small charts."""
    found = [high for _, high, _ in map(_range, results) if high is not None]
    most = max([1.02, *found])
    step = 10 ** math.floor(math.log10(most - 1))
    return 1.0, 1 + math.ceil((most - 1) / step - 1e-9) * step


def thumbnail(result: Result, domain: tuple[float, float]) -> c.Chart:
    """Price of anarchy over β, small.

    Args:
        result: one market.
        domain: of the vertical axis, from ``ratio_domain`` of all markets beside it.
    """
    data = result.sweep
    betas = [float(beta) for beta in data.rationality.values]
    records = [
        {"beta": beta, "worst": float(worst), "best": float(best), "number": int(number)}
        for beta, worst, best, number in zip(
            betas, data.price_of_anarchy.values, data.price_of_stability.values, data.num_equilibria.values, strict=True
        )
    ]
    scale: c.Spec = {"domain": list(domain), "nice": False, "clamp": True}
    ends = [domain[0], domain[1]]
    if domain[1] > WIDEST:
        scale["type"] = "log"
        ends.insert(1, 10 ** round(math.log10(domain[1]) / 2))
    y: c.Spec = {
        "field": "worst", "type": "quantitative", "title": None, "scale": scale,
        "axis": {"values": [float(f"{x:.3g}") for x in ends], "format": ".3~r", "labelFontSize": 10},
    }  # fmt: skip
    x = c.rationality(betas) | {"title": None}
    x["axis"] = {"format": "~s", "tickCount": 3, "labelFontSize": 10, "labelFlush": True}
    tips = [c.tip("beta", "β", ",.3~r"), c.tip("worst", "Price of anarchy", ".3f"),
            c.tip("best", "Price of stability", ".3f"), c.tip("number", "Equilibria", "d")]  # fmt: skip
    there = [{"filter": "datum.worst != null"}]
    spec: c.Spec = {
        "width": "container",
        "height": 90,
        "data": c.rows(records),
        "layer": [
            {
                "transform": there,
                "mark": {"type": "area", "opacity": 0.14, "color": "var(--users)"},
                "encoding": {"x": x, "y": y, "y2": {"datum": domain[0]}, "tooltip": tips},
            },
            {
                "transform": [*there, {"filter": "datum.best != null"}],
                "mark": {"type": "area", "opacity": 0.35, "color": "var(--users)"},
                "encoding": {"x": x, "y": y, "y2": {"field": "best"}, "tooltip": tips},
            },
            {
                "mark": {
                    "type": "line",
                    "color": "var(--users)",
                    "strokeWidth": 1.6,
                    "invalid": "break-paths-filter-domains",
                },
                "encoding": {"x": x, "y": y, "tooltip": tips},
            },
            {
                "transform": [{"filter": "datum.worst == null"}],
                "mark": {"type": "point", "shape": "triangle-up", "color": "var(--warning)", "size": 40},
                "encoding": {"x": x, "y": {"value": 5}, "tooltip": tips},
            },
        ],
    }
    if not any(math.isfinite(r["worst"]) for r in records):
        mark = {"type": "text", "align": "left", "baseline": "bottom", "dy": -6, "color": "var(--warning)"}
        encoding = {"x": {"value": 2}, "y": {"value": "height"}, "text": {"field": "text"}}
        spec["layer"].append({"data": c.rows([{"text": _note("at any β")}]), "mark": mark, "encoding": encoding})
    low, high, where = _range(result)
    over = f"between {ratio(low)} and {ratio(high)}" if low is not None and high is not None else "nowhere finite"
    ends_text = f"from β = {plain(betas[0])} to {plain(betas[-1])}"
    text = f"Price of anarchy {ends_text}: {over}" + (f"; {_note(where)}" if low is not None and where else "") + "."
    return c.Chart("thumbnail", "Price of anarchy by β", "", spec, text)
