"""Charts of learning, round by round, and of continuous compute against the levels on sale."""

from collections.abc import Mapping

import numpy as np

from solver.learning_curve import LearningCurve
from solver.report.charts.chart import HIDDEN, NOT_HIDDEN, Chart, Spec, rows, tip, tokens, zoom
from solver.report.charts.series import (
    by_provider,
    labels,
    log_values,
    near_points,
    note,
    round_values,
    shown,
    stripes,
    upright,
)
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, count, percent, plain, tiny

# Regret below this is rounding; a regret of 0 has no logarithm.
SMALLEST_REGRET = 1e-12
MOST_SHOWN = 12
ROUND = "round, the start is 1"
PLAY, AVERAGE = "the play", "its time average"


def learned_tokens(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """Expected tokens of every provider under the report's learner."""
    curve = result.learned.curve
    coloured, grey = shown(result, looks)
    values = np.asarray(curve.tokens)
    last = sorted(range(values.shape[1]), key=lambda i: -result.dynamics.shares[-1, i])[:MOST_SHOWN]
    names = result.scenario.market.providers
    told = "; ".join(f"{looks[names[i]].short} {plain(float(values[-1, i]))}" for i in last)
    text = (
        f"Line chart of expected tokens per query over {count(result.learned.rounds, 'round')} of regret matching at β = "
        f"{plain(result.verdict.rationality)}; at the end: {told}."
    )
    caption = (
        "Providers start with all levels alike and learn by regret matching: a level is played in proportion to what it would "
        "have gained so far. Tokens are means over the levels played."
    )
    return Chart("learning-tokens", "Learning: compute", caption, tokens_spec(curve, coloured, grey), text)


def tokens_spec(
    curve: LearningCurve, coloured: list[tuple[int, Look]], grey: list[tuple[int, Look]], step: str = ROUND
) -> Spec:
    """Expected tokens by step; providers in grey lie behind."""
    values, steps = np.asarray(curve.tokens), _positions(curve)
    own = {i for i, _ in coloured}
    records = rows(
        {"provider": look.short, "grey": i not in own, "step": steps[k], "tokens": float(values[k, i])}
        for i, look in (*grey, *coloured)
        for k in range(len(steps))
    )
    colours, shapes, dashes = by_provider(coloured)
    line = {"type": "line", "tooltip": None, "clip": True}
    in_colour: Spec = {"filter": "!datum.grey"}
    tips = [tip("provider", "Provider"), tip("step", step, ",.4~g"), tip("tokens", "expected tokens", ",.0f")]
    marked = {round(x) for x in np.linspace(0, len(steps) - 1, 6)}
    layer: list[Spec] = [
        {
            "params": [zoom("x")],
            "transform": [in_colour],
            "mark": line,
            "encoding": {"color": colours, "strokeDash": dashes},
        },
        {
            "data": rows(
                {"provider": look.short, "step": steps[k], "tokens": float(values[k, i])}
                for i, look in coloured
                for k in sorted(marked)
            ),
            "transform": [NOT_HIDDEN],
            "mark": {"type": "point", "tooltip": None, "clip": True},
            "encoding": {"color": colours, "shape": shapes},
        },
        near_points(tips, {"color": colours}) | {"transform": [in_colour]},
    ]
    if grey:
        behind = line | {"color": "var(--muted)", "strokeWidth": 0.8, "opacity": 0.45}
        each = {"detail": {"field": "provider", "type": "nominal"}}
        layer.insert(0, {"transform": [{"filter": "datum.grey"}], "mark": behind, "encoding": each})
    y = log_values("tokens", "expected tokens per query", values)
    return {
        "data": records, "width": "container", "height": 280, "params": [HIDDEN], "transform": [NOT_HIDDEN],
        "encoding": {"x": _step_axis(steps, step), "y": y}, "layer": layer,
    }  # fmt: skip


def learned_regret(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """What deviating would still gain, of the play and of its time average."""
    learned = result.learned
    left = (
        "nobody gains by deviating from the play"
        if learned.last_regret <= SMALLEST_REGRET
        else f"a provider gains {percent(learned.last_regret)} by deviating from the play"
    )
    first = float(np.asarray(learned.curve.last_regret)[0].max())
    text = (
        f"Line chart of the largest relative gain left over {count(learned.rounds, 'round')} at β = "
        f"{plain(result.verdict.rationality)}: {percent(first)} at the start; at the end {left}, and "
        f"{percent(learned.average_regret)} by deviating from its time average."
    )
    caption = (
        "The most that a provider would gain by any other level, as a fraction of its profit. At 0 the play is an equilibrium; "
        "its time average still remembers the start. A triangle marks where nothing is left to gain."
    )
    return Chart("learning-regret", "Learning: regret", caption, regret_spec(learned.curve), text)


def regret_spec(curve: LearningCurve, step: str = ROUND, *, average: bool = True) -> Spec:
    """Largest relative regret over providers by step, on a logarithmic axis; a triangle where nothing is left."""
    steps = _positions(curve)
    kinds = [(PLAY, "play", curve.last_regret, "var(--users)")]
    if average:
        kinds.append((AVERAGE, "average", curve.average_regret, "var(--ink)"))
    columns, ended, single = {}, [], []
    for name, key, regrets, _ in kinds:
        largest = np.asarray(regrets, float).max(axis=1)
        columns[key] = np.where(largest > SMALLEST_REGRET, largest, np.nan)
        gone = np.flatnonzero(np.isnan(columns[key]))
        if len(gone) and np.isfinite(columns[key]).any():
            if np.isfinite(columns[key]).sum() == 1:  # a line through one point cannot be seen
                at = int(np.flatnonzero(np.isfinite(columns[key]))[0])
                single.append({"kind": name, "step": steps[at], "regret": float(columns[key][at])})
            ended.append({"kind": name, "step": steps[gone[0]], "regret": float(np.nanmin(columns[key]))})
    every = np.concatenate(list(columns.values()))
    if not np.isfinite(every).any():
        return note("nothing to gain in any round")
    records = rows(
        {"kind": name, "step": steps[k], "regret": float(columns[key][k])}
        for name, key, _, _ in kinds
        for k in range(len(steps))
    )
    edges = stripes(steps)
    told = rows(
        {"step": steps[k], **edges[k]}
        | {key: percent(value) if np.isfinite(value := float(columns[key][k])) else "nothing" for _, key, _, _ in kinds}
        for k in range(len(steps))
    )
    scale = {"domain": [name for name, _, _, _ in kinds]}
    symbols = {"symbolType": "stroke", "symbolStrokeWidth": 2}
    colours = {"field": "kind", "type": "nominal", "scale": scale | {"range": [c for *_, c in kinds]}}
    dashes = {"field": "kind", "type": "nominal", "scale": scale | {"range": [[1, 0], [5, 3]][: len(kinds)]}}
    y = log_values("regret", "largest relative gain left", every, "~%" if np.nanmin(every) > 1e-5 else "~g")
    tips = [tip("step", step, ",.4~g"), *(tip(key, name) for name, key, _, _ in kinds)]
    triangle = {"type": "point", "shape": "triangle-down", "size": 90, "clip": False, "tooltip": None}
    layer: list[Spec] = [
        {
            "params": [zoom("x")],
            "mark": {"type": "line", "tooltip": None, "clip": True},
            "encoding": {
                "y": y,
                "color": colours | {"legend": symbols},
                "strokeDash": dashes | {"legend": symbols},
            },
        },
    ]
    for marked, mark in ((ended, triangle), (single, {"type": "point", "size": 30, "tooltip": None})):
        if marked:
            layer.append(
                {"data": rows(marked), "mark": mark, "encoding": {"y": y, "color": colours | {"legend": symbols}}}
            )
    layer.append({"data": told, **upright(_step_axis(steps, step), tips)})
    return {
        "data": records, "width": "container", "height": 280,
        "encoding": {"x": _step_axis(steps, step)}, "layer": layer,
    }  # fmt: skip


def _positions(curve: LearningCurve) -> list[float]:
    """Steps counted from 1, so that the start has a place on a logarithmic axis."""
    return [float(step) + 1 for step in np.asarray(curve.steps)]


def _step_axis(steps: list[float], title: str) -> Spec:
    domain = [0.92, float(f"{1.08 * max(steps[-1], 2.0):.4g}")]
    return {
        "field": "step", "type": "quantitative", "title": title,
        "scale": {"type": "log", "domain": domain, "nice": False},
        "axis": {"format": "~s", "ticks": False, "labelPadding": 6},
    }  # fmt: skip


def continuous(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """Tokens of continuous equilibria against those of levels, the largest gaps on top."""
    key, title = "continuous", "Continuous against discrete"
    found, values = result.continuous.found, np.asarray(result.continuous.tokens)
    if found is None or not len(values):
        text = f"No continuous equilibrium to show: {result.continuous.reason}."
        return Chart(key, title, text, note("no equilibrium to show"), text)
    provision = result.verdict.efficiency.provision
    levels = np.array([row.equilibrium_tokens for row in provision])
    # Tokens that differ from a level's by rounding are that level's.
    values = np.where(np.isclose(values, levels, rtol=1e-9, atol=0), levels, values)
    gaps = np.abs(np.log(values / levels)).max(axis=0)
    order = np.argsort(-gaps, kind="stable")[:MOST_SHOWN]
    own = [(i, looks[provision[i].provider]) for i in order.tolist()]
    beside = labels([look.short for _, look in own])
    ends = rows(
        {
            "provider": look.short,
            "label": beside[rank],
            "rank": rank,
            "low": min(levels[i], *values[:, i]),
            "high": max(levels[i], *values[:, i]),
        }
        for rank, (i, look) in enumerate(own)
    )
    rings = rows(
        {
            "provider": look.short,
            "label": beside[rank],
            "rank": rank,
            "tokens": float(value),
            "level": float(levels[i]),
            "number": e + 1,
        }
        for rank, (i, look) in enumerate(own)
        for e, value in enumerate(values[:, i])
    )
    dots = rows(
        {"provider": look.short, "label": beside[rank], "rank": rank, "level": float(levels[i])}
        for rank, (i, look) in enumerate(own)
    )
    colours, shapes, _ = by_provider(own)
    x = tokens()
    ticks = round_values(float(min(values.min(), levels.min())), float(max(values.max(), levels.max())))
    x["axis"] = x["axis"] | {"ticks": False, "grid": True, "labelPadding": 6, "values": ticks}
    x["scale"] = x["scale"] | {"padding": 14}
    y = {
        "field": "label", "type": "nominal", "title": None, "sort": {"field": "rank", "op": "min"},
        "axis": {"labelLimit": 130, "ticks": False, "domain": False, "grid": False, "labelColor": "var(--ink)"},
    }  # fmt: skip
    tips = [tip("provider", "Provider"), tip("level", "level in equilibrium, tokens", ",.0f")]
    layer: list[Spec] = [
        {
            "params": [zoom("x")],
            "data": ends,
            "transform": [NOT_HIDDEN],
            "mark": {"type": "rule", "strokeWidth": 2, "tooltip": None, "clip": True},
            "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "color": colours},
        },
        {
            "data": rings,
            "transform": [NOT_HIDDEN],
            "mark": {
                "type": "point",
                "filled": False,
                "fill": "transparent",
                "size": 120,
                "strokeWidth": 1.6,
                "clip": True,
            },
            "encoding": {
                "x": x,
                "color": colours,
                "tooltip": [
                    tips[0],
                    tip("tokens", "continuous, tokens", ",.0f"),
                    tips[1],
                    tip("number", "continuous equilibrium", "d"),
                ],
            },
        },
        {
            "data": dots,
            "transform": [NOT_HIDDEN],
            "mark": {"type": "point", "clip": True},
            "encoding": {"x": x | {"field": "level"}, "color": colours, "shape": shapes, "tooltip": tips},
        },
    ]
    spec = {
        "width": "container", "height": 110 + 22 * len(own), "params": [HIDDEN], "encoding": {"y": y}, "layer": layer,
    }  # fmt: skip
    equilibria = count(len(values), "continuous equilibrium").replace("briums", "bria")
    parts = [f"{look.short} {plain(float(values[0, i]))} against {plain(float(levels[i]))}" for i, look in own]
    text = (
        f"Dot chart of tokens per query in {equilibria} (largest relative regret "
        f"{tiny(float(np.asarray(found.max_regret).max()))}) against the equilibrium of levels: {'; '.join(parts)}."
    )
    caption = (
        "Ring: tokens in equilibrium if any amount of compute can be bought, accuracy interpolated between the levels. "
        "Filled marker: in the worst equilibrium of levels."
    ) + (" The twelve largest gaps." if len(levels) > MOST_SHOWN else "")
    return Chart(key, title, caption, spec, text)
