"""Charts of the paper's dynamics by round. One slider moves all three: the play so far is drawn over the whole path."""

from collections.abc import Mapping, Sequence

import numpy as np

from solver.report.charts.chart import HIDDEN, NOT_HIDDEN, Chart, Spec, quantity, rows, tip, zoom
from solver.report.charts.series import by_provider, log_values, near_points, note, shown, stripes, upright, whole
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, count, percent, plain

SO_FAR: Spec = {"filter": "datum.round <= step"}
NOW: Spec = {"filter": "datum.round == step"}
MOST_TOLD = 12


def tokens(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """Tokens of every provider by round."""
    values = result.dynamics.tokens
    y = log_values("value", "output tokens per query", values)
    spec = _by_round(result, looks, values, y, tip("value", "tokens", ",.0f"))
    caption = (
        "Everybody starts at the lowest level; each round, in random order, each moves to the nearest level that earns more. "
        "Strong: up to the round of the slider."
    )
    told = _told(
        result,
        looks,
        [f"{plain(float(first))} to {plain(float(last))}" for first, last in zip(*_ends(values), strict=True)],
    )
    return _chart("dynamics-tokens", "Dynamics: compute", caption, spec, result, "tokens per query", told)


def shares(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """Market share of every provider by round."""
    values = result.dynamics.shares
    y = quantity("value", "share of queries", "~%", zero=True)
    spec = _by_round(result, looks, values, y, tip("value", "share", ".1%"))
    told = _told(
        result,
        looks,
        [f"{percent(float(first))} to {percent(float(last))}" for first, last in zip(*_ends(values), strict=True)],
    )
    return _chart("dynamics-shares", "Dynamics: market shares", "The same play.", spec, result, "market shares", told)


def potential(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """Log-potential by round, which never falls."""
    played, key, title = result.dynamics, "dynamics-potential", "Dynamics: log-potential"
    values = np.asarray(played.log_potential, float)
    if not np.isfinite(values).all() or not len(values):
        text = "With several segments of users there is no potential."
        return Chart(key, title, text, note("no potential"), text)
    last = played.num_rounds
    edges = stripes([float(r) for r in range(last + 1)], logarithmic=False)
    x, y = whole("round", _round_title(result), last), quantity("value", "log-potential Φ", "~f")
    line = {"type": "line", "color": "var(--ink)", "tooltip": None, "clip": True}
    point = {"type": "point", "color": "var(--ink)", "tooltip": None}
    spec = {
        "data": rows({"round": r, "value": value, **edges[r]} for r, value in enumerate(values)),
        "width": "container", "height": 280, "params": [_step(last)],
        "encoding": {"x": x},
        "layer": [
            {"params": [zoom("x")], "mark": line | {"opacity": 0.25, "strokeWidth": 1.2}, "encoding": {"y": y}},
            {"transform": [SO_FAR], "mark": line | {"strokeWidth": 2}, "encoding": {"y": y}},
            {"transform": [SO_FAR], "mark": point | {"size": 18}, "encoding": {"y": y}},
            {"transform": [NOW], "mark": point | {"size": 90}, "encoding": {"y": y}},
            upright(x, [tip("round", "round", "d"), tip("value", "log-potential", ".6~g")]),
        ],
    }  # fmt: skip
    caption = "Every profitable move raises it, so that the play must end; where it ends is an equilibrium."
    told = f"it rises from {values[0]:.4g} to {values[-1]:.4g}".replace("-", "−")
    return _chart(key, title, caption, spec, result, "the log-potential", told)


def _by_round(result: Result, looks: Mapping[str, Look], values: np.ndarray, y: Spec, told: Spec) -> Spec:
    """Lines of providers over rounds: the whole path faint, the play up to the step strong, a marker at the step."""
    last = result.dynamics.num_rounds
    coloured, grey = shown(result, looks)
    own = {i for i, _ in coloured}
    records = rows(
        {"provider": look.short, "grey": i not in own, "round": r, "value": float(values[r, i])}
        for i, look in (*grey, *coloured)
        for r in range(last + 1)
    )
    colours, shapes, dashes = by_provider(coloured)
    line = {"type": "line", "tooltip": None, "clip": True}
    behind = line | {"color": "var(--muted)", "strokeWidth": 0.8}
    in_grey: Spec = {"filter": "datum.grey"}
    in_colour: Spec = {"filter": "!datum.grey"}
    each = {"detail": {"field": "provider", "type": "nominal"}}
    layer: list[Spec] = [
        {
            "params": [zoom("x")],
            "transform": [in_colour],
            "mark": line | {"opacity": 0.28, "strokeWidth": 1.2},
            "encoding": {"color": colours, "strokeDash": dashes},
        },
        {
            "transform": [in_colour, SO_FAR],
            "mark": line | {"strokeWidth": 2},
            "encoding": {"color": colours, "strokeDash": dashes},
        },
        {
            "transform": [in_colour, NOW],
            "mark": {"type": "point", "size": 60, "tooltip": None},
            "encoding": {"color": colours, "shape": shapes},
        },
        near_points([tip("provider", "Provider"), tip("round", "round", "d"), told], {"color": colours}),
    ]
    layer[-1]["transform"] = [in_colour]
    if grey:
        layer[:0] = [
            {"transform": [in_grey], "mark": behind | {"opacity": 0.2}, "encoding": each},
            {"transform": [in_grey, SO_FAR], "mark": behind | {"opacity": 0.5}, "encoding": each},
        ]
    return {
        "data": records, "width": "container", "height": 280, "params": [HIDDEN, _step(last)],
        "transform": [NOT_HIDDEN],
        "encoding": {"x": whole("round", _round_title(result), last), "y": y}, "layer": layer,
    }  # fmt: skip


def _step(last: int) -> Spec:
    return {"name": "step", "value": last}


def _round_title(result: Result) -> str:
    return f"round (β = {plain(result.dynamics.rationality)})"


def _ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values[0], values[-1]


def _told(result: Result, looks: Mapping[str, Look], changes: Sequence[str]) -> str:
    """Who goes from where to where, the largest of the last round first."""
    order = np.argsort(-result.dynamics.shares[-1], kind="stable")
    names = [looks[name].short for name in result.scenario.market.providers]
    text = "; ".join(f"{names[i]} {changes[i]}" for i in order[:MOST_TOLD])
    return text + (f"; {len(order) - MOST_TOLD} more" if len(order) > MOST_TOLD else "")


def _chart(key: str, title: str, caption: str, spec: Spec, result: Result, what: str, told: str) -> Chart:
    played = result.dynamics
    rounds = count(played.num_rounds, "round")
    text = (
        f"Line chart of {what} over {rounds} of the dynamics at β = {plain(played.rationality)}: {told}; {played.text}."
    )
    return Chart(key, title, caption, spec, text, stepped=True)
