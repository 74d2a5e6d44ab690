"""Market shares over users' rationality β: who serves how much, and what nobody serves."""

from collections.abc import Mapping, Sequence

import numpy as np

from solver.report.charts.chart import (
    HIDDEN,
    NOT_HIDDEN,
    Chart,
    Spec,
    colour,
    rounded,
    rows,
    tip,
    zoom,
)
from solver.report.charts.series import beta_axis, shown, stripes, upright
from solver.report.palette import MUTED, Look
from solver.report.result import Result
from solver.report.style import Money, count, percent, plain

MOST_LISTED = 5
ROOM_FOR_WORDS = 0.12


def shares(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """Market shares in the worst equilibrium by β, stacked, and what nobody serves on top."""
    data = result.sweep
    beta, values = data.rationality.values, data.share.values
    coloured, grey = shown(result, looks)
    unserved = np.clip(1 - values.sum(axis=1), 0, 1)  # nan where there is no equilibrium
    columns = [(look.short, values[:, i]) for i, look in coloured]
    if grey:
        columns.append(("", values[:, [i for i, _ in grey]].sum(axis=1)))
    # One record for each provider, which the specification takes apart: much shorter than one for each number.
    numbers = [rounded(float(b)) for b in beta]
    records = rows(
        {
            "provider": short,
            "rest": not short,
            "rank": rank,
            "beta": numbers,
            "share": [rounded(float(x), 4) for x in column],
        }
        for rank, (short, column) in enumerate(columns)
    )
    every = [looks[name].short for name in result.scenario.market.providers]
    edges = stripes(beta)
    lists = rows(
        {"beta": b, **edges[k], "unserved": unserved[k]} | _largest(every, values[k]) for k, b in enumerate(beta)
    )
    colours = colour([look for _, look in coloured])
    if grey:
        colours["scale"]["domain"].append("")
        colours["scale"]["range"].append(MUTED)
    y = {
        "field": "share", "type": "quantitative", "title": "share of queries", "stack": "zero",
        "scale": {"domain": [0, 1], "nice": False}, "axis": {"format": "~%", "grid": False},
    }  # fmt: skip
    tips = [tip("beta", "β", ",.4~g"), tip("unserved", "nobody", ".1%")]
    tips += [tip(f"place{place}", f"{place}.") for place in range(1, min(MOST_LISTED, len(every)) + 1)]
    area = {"type": "area", "stroke": "var(--paper)", "strokeWidth": 0.7, "clip": True, "line": False}
    layer: list[Spec] = [
        {
            "params": [zoom("x")],
            "transform": [NOT_HIDDEN, {"flatten": ["beta", "share"]}],
            "mark": area | {"tooltip": None},
            "encoding": {
                "y": y,
                "color": colours,
                "order": {"field": "rank", "type": "quantitative"},
                "fillOpacity": {"condition": {"test": "datum.rest", "value": 0.4}, "value": 1},
            },
        },
        {
            "data": rows({"beta": b, "top": 1 - unserved[k]} for k, b in enumerate(beta)),
            "mark": {"type": "area", "color": "var(--grid)", "clip": True, "tooltip": None},
            "encoding": {"y": y | {"field": "top", "stack": None}, "y2": {"datum": 1}},
        },
        *_unserved_words(beta, unserved),
        {"data": lists, **upright(beta_axis(beta), tips)},
    ]
    if len(beta) == 1:  # an area needs two β: a bar in its place
        for part in layer[:2]:
            part["mark"] = part["mark"] | {"type": "bar", "orient": "vertical", "width": 60, "cornerRadius": 0}
    spec = {
        "data": records, "width": "container", "height": 290, "params": [HIDDEN],
        "encoding": {"x": beta_axis(beta)}, "layer": layer,
    }  # fmt: skip
    caption = "In the worst equilibrium. Light grey on top: queries that nobody serves."
    if grey:
        caption += f" Darker grey: {count(len(grey), 'provider')} more."
    return Chart("shares", "Market shares", caption, spec, _shares_text(result, every, unserved))


def _largest(names: Sequence[str], values: np.ndarray) -> dict[str, str]:
    """The largest shares in words, by place."""
    order = np.argsort(-values, kind="stable")[:MOST_LISTED]
    return {f"place{place + 1}": f"{names[i]} {percent(float(values[i]))}" for place, i in enumerate(order)}


def _unserved_words(beta: np.ndarray, unserved: np.ndarray) -> list[Spec]:
    """The word for the light grey, where there is room for it."""
    most = int(np.argmax(np.nan_to_num(unserved)))
    if not unserved[most] >= ROOM_FOR_WORDS:
        return []
    end = np.log(beta[most]) - np.log(beta[0]), np.log(beta[-1]) - np.log(beta[most])
    align, dx = ("left", 6) if end[0] < end[1] else ("right", -6)
    words = {"type": "text", "align": align, "dx": dx, "color": "var(--muted)", "fontSize": 11.5, "tooltip": None}
    return [
        {
            "data": rows([{"beta": beta[most], "at": 1 - unserved[most] / 2, "text": "unserved"}]),
            "mark": words,
            "encoding": {"y": {"field": "at", "type": "quantitative"}, "text": {"field": "text", "type": "nominal"}},
        }
    ]


def _shares_text(result: Result, names: Sequence[str], unserved: np.ndarray) -> str:
    data, parts = result.sweep, []
    beta = data.rationality.values
    for at in dict.fromkeys((0, len(beta) - 1)):
        values = data.share.values[at]
        order = np.argsort(-values, kind="stable")[:3]
        listed = ", ".join(f"{names[i]} {percent(float(values[i]))}" for i in order)
        parts.append(f"at β = {plain(float(beta[at]))} {listed}; unserved {percent(float(unserved[at]))}")
    return "Stacked area chart of market shares by β, the largest: " + "; ".join(parts) + "."
