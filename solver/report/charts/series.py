"""Parts of charts with lines: what follows the pointer, providers in colour before providers in grey, and axes."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from solver.report.charts.chart import Spec, colour, dash, rationality, shape
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import shorten

# Lines of fewer points are drawn with points, so that one point alone can be seen.
FEW = 12
# Ticks that an upright logarithmic axis needs at least.
ENOUGH = 3


def shown(result: Result, looks: Mapping[str, Look]) -> tuple[list[tuple[int, Look]], list[tuple[int, Look]]]:
    """Index and look of the providers that have a colour of their own in this market, and of those in grey."""
    everybody = [(i, looks[name]) for i, name in enumerate(result.scenario.market.providers)]
    coloured = [(i, look) for i, look in everybody if i in result.highlighted]
    return coloured, [(i, look) for i, look in everybody if i not in result.highlighted]


def by_provider(coloured: Sequence[tuple[int, Look]]) -> tuple[Spec, Spec, Spec]:
    """Colour, marker and dashes of the providers that have their own."""
    own = [look for _, look in coloured]
    return colour(own), shape(own), dash(own)


def _hover(*channels: str) -> Spec:
    """Parameter of a layer: the mark beneath the pointer. Not the nearest one: Vega-Lite loses the words of its tooltip."""
    select = {"type": "point", "on": "pointerover", "clear": "pointerout", "encodings": list(channels)}
    return {"name": "hover", "select": select}


def _seen(opacity: float) -> Spec:
    return {"condition": {"param": "hover", "empty": False, "value": opacity}, "value": 0}


def stripes(at: Sequence[float] | np.ndarray, *, logarithmic: bool = True) -> list[dict[str, float]]:
    """From where to where along an axis each of these values is the nearest, for ``upright``.

    Example:
        >>> stripes([1.0, 100.0]), stripes([0.0, 1.0], logarithmic=False)
        ([{'from': 0.1, 'to': 10.0}, {'from': 10.0, 'to': 1000.0}], [{'from': -0.5, 'to': 0.5}, {'from': 0.5, 'to': 1.5}])
    """
    places = np.log10(at) if logarithmic else np.asarray(at, float)
    between = (places[1:] + places[:-1]) / 2
    if len(between):  # at the ends as far outwards as inwards
        edges = np.concatenate([2 * places[:1] - between[:1], between, 2 * places[-1:] - between[-1:]])
    else:
        edges = places[0] + np.array([-0.5, 0.5])
    edges = 10**edges if logarithmic else edges
    return [{"from": float(a), "to": float(b)} for a, b in itertools.pairwise(edges)]


def upright(axis: Spec, tips: Iterable[Spec]) -> Spec:
    """Layer: one upright stripe for each record that has its ``stripes``, unseen until the pointer is in it."""
    return {
        "params": [_hover("x")],
        "mark": {"type": "rect", "color": "var(--muted)", "clip": True},
        "encoding": {
            "x": axis | {"field": "from"},
            "x2": {"field": "to"},
            "opacity": _seen(0.2),
            "tooltip": list(tips),
        },
    }


def near_points(tips: Iterable[Spec], encoding: Spec) -> Spec:
    """Layer: large points, unseen until the pointer is on one, with a tooltip."""
    return {
        "params": [_hover("x", "y")],
        "mark": {"type": "point", "filled": True, "size": 260},
        "encoding": encoding | {"opacity": _seen(0.4), "tooltip": list(tips)},
    }


def points(count: int) -> bool:
    """Whether lines through so many points also mark them."""
    return count <= FEW


def beta_axis(values: np.ndarray) -> Spec:
    """β along a logarithmic axis; room at the ends for points, where there are few."""
    axis = rationality([float(b) for b in values])
    axis["axis"] = axis["axis"] | {"ticks": False, "labelPadding": 6}
    if len(values) == 1:
        axis["axis"]["values"] = [float(values[0])]
    if points(len(values)):
        axis["scale"]["padding"] = 7
    return axis


def whole(field: str, title: str, last: int) -> Spec:
    """Whole numbers from 0 along a linear axis."""
    return {
        "field": field, "type": "quantitative", "title": title,
        "scale": {"domain": [0, max(last, 1)], "nice": False}, "axis": {"format": "d", "tickMinStep": 1},
    }  # fmt: skip


def log_values(field: str, title: str, values: Any, form: str = "~s") -> Spec:
    """Positive numbers along an upright logarithmic axis, from the least to the largest and a little more."""
    positive = np.asarray(values, float)
    positive = positive[np.isfinite(positive) & (positive > 0)]
    scale: Spec = {"type": "log", "nice": False}
    axis: Spec = {"format": form}
    if positive.size:
        low, high = float(positive.min()), float(positive.max())
        room = max((high / low) ** 0.05, 1.05)
        domain = [float(f"{low / room:.4g}"), float(f"{high * room:.4g}")]
        scale["domain"] = domain
        axis["values"] = round_values(*domain) if low < high else [low]
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def round_values(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: 1, 2 and 5 of each power of ten; on long ranges the powers alone.

    Example:
        >>> round_values(3.0, 60.0), round_values(0.1, 1e4)
        ([5.0, 10.0, 20.0, 50.0], [0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8)):
        ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) >= ENOUGH:
            break
    if len(ticks) < 2:  # a short range between round numbers
        return sorted({float(f"{low:.3g}"), float(f"{high:.3g}")})
    return ticks[:: -(-len(ticks) // 8)]


def labels(names: Sequence[str]) -> list[str]:
    """Names short enough to stand beside rows on a phone, and still distinct.

    Example:
        >>> labels(["Ada", "a rather long name of a provider", "a rather longer name of a provider"])
        ['Ada', 'a rather lo…ovider', 'a rathe…ider (3)']
    """
    taken: list[str] = []
    for i, name in enumerate(names):
        label = shorten(name, 18)
        taken.append(f"{shorten(name, 12)} ({i + 1})" if label in taken else label)
    return taken


def note(text: str) -> Spec:
    """A specification that says in words why there is nothing to draw."""
    return {
        "data": {"values": [{"text": text}]},
        "width": "container",
        "height": 60,
        "mark": {"type": "text", "color": "var(--muted)", "fontSize": 12.5},
        "encoding": {"text": {"field": "text", "type": "nominal"}},
    }
