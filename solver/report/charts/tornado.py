"""Charts of what the result hangs on: one row for each input, one bar for a fifth less of it and one for a fifth more."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from solver.report.charts.chart import Chart, Spec, fixed, rows, tip
from solver.report.charts.series import note
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, not_finite, percent, plain, ratio, shorten
from solver.report.tornado import TIMES, Change, Outcome, by_width

LESS, MORE = "20% less", "20% more"
MOST_SHOWN = 12
ROW = 30
# Changes below this part of a figure are rounding.
NOTHING = 1e-9
# Names that fit beside the rows on a phone; a line break where they need two lines.
SHORT = {
    "value of a correct answer": "value of a correct\nanswer, α",
    "users' rationality": "users' rationality, β",
    "margins": "all margins",
    "prices or token counts": "all prices\nor token counts",
    "error rates": "all error rates",
    "worth of any answer": "worth of any\nanswer, b",
    "value of not buying": "value of not\nbuying, V0",
}
CAPTION = (
    "Each input 20% less and 20% more, one at a time, prices at their margins; the market is solved again each time. The "
    "upright line is the market as it stands."
)
Text = Callable[[float], str]


def price_of_anarchy(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """How the price of anarchy moves with each input."""
    return _chart(
        result, looks, "tornado-anarchy", "What moves the price of anarchy", "price of anarchy", "var(--providers)",
        lambda outcome: outcome.price_of_anarchy, lambda value: value, ratio, ".4~f",
    )  # fmt: skip


def users(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """How users' value moves with each input, in percent of what it is; in money where that is not positive."""
    base = result.tornado.base.user_value
    if base > 0:
        title, scaled, form = "users' value, change in %", lambda value: value / base - 1, ".3~%"
    else:
        title, scaled, form = f"users' value, {money.unit}", money.scaled, "~f"
    return _chart(
        result, looks, "tornado-users", "What moves users' value", title, "var(--users)",
        lambda outcome: outcome.user_value, scaled, money.amount, form,
    )  # fmt: skip


CHARTS = (price_of_anarchy, users)


def _chart(
    result: Result,
    looks: Mapping[str, Look],
    key: str,
    title: str,
    axis: str,
    colour: str,
    figure: Callable[[Outcome], float],
    scaled: Callable[[float], float],
    text: Text,
    form: str,
) -> Chart:
    found = result.tornado
    base = figure(found.base)
    changes = by_width(found, figure)
    alternative = _text(result, looks, axis, changes, figure, text)
    if not np.isfinite(base):
        return Chart(key, title, CAPTION, note(f"{not_finite(base)} as the market stands"), alternative)
    after = np.array([figure(outcome) for change in changes for outcome in (change.low, change.high)])
    if np.all(np.abs(after - base) <= NOTHING * abs(base)):
        return Chart(key, title, CAPTION, note(f"{text(base)}, whichever input moves"), alternative)
    records = []
    for rank, change in enumerate(changes[:MOST_SHOWN]):
        for move, outcome, value in ((LESS, change.low, change.low_value), (MORE, change.high, change.high_value)):
            moved = figure(outcome)
            records.append(
                {
                    "input": _label(change, looks),
                    "rank": rank,
                    "move": move,
                    "base": scaled(base),
                    "after": scaled(moved),
                    "told": text(moved),
                    "lost": "" if np.isfinite(moved) else not_finite(moved),
                    "from": _value(change, change.value),
                    "to": _value(change, value),
                    "name": _name(change, looks),
                }
            )
    moves = fixed("move", ((LESS, "var(--paper)"), (MORE, colour)))
    moves["legend"] = {"symbolType": "square", "symbolStrokeColor": colour, "symbolStrokeWidth": 1.2}
    half = {"field": "move", "type": "nominal", "scale": {"domain": [LESS, MORE], "paddingInner": 0.06}}
    y = {
        "field": "rank", "type": "ordinal", "title": None,
        "scale": {"paddingInner": 0.28, "paddingOuter": 0.14}, "axis": None,
    }  # fmt: skip
    x = {
        "field": "base", "type": "quantitative", "title": axis, "scale": {"zero": False, "padding": 6},
        "axis": {"format": form, "grid": True, "tickCount": 5, "labelSeparation": 6},
    }  # fmt: skip
    tips = [
        tip("name", "input"),
        tip("from", "now"),
        tip("to", "changed to"),
        tip("told", axis.split(",")[0]),
    ]
    names = [{"rank": r["rank"], "input": r["input"], "lines": 1 + str(r["input"]).count("\n")} for r in records[::2]]
    lost = {
        "transform": [{"filter": "datum.lost !== ''"}],
        "mark": {"type": "text", "align": "left", "dx": 5, "color": "var(--warning)", "fontSize": 10.5},
        "encoding": {"x": x, "yOffset": half, "text": {"field": "lost", "type": "nominal"}, "tooltip": tips},
    }
    layer: list[Spec] = [
        {
            "mark": {"type": "bar", "cornerRadius": 0, "stroke": colour, "strokeWidth": 1.2},
            "encoding": {
                "x": x,
                "x2": {"field": "after"},
                "yOffset": half,
                "fill": moves,
                "tooltip": tips,
            },
        },
        *([lost] if any(record["lost"] for record in records) else []),
        {
            "data": rows([{"base": scaled(base)}]),
            "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.2, "tooltip": None},
            "encoding": {"x": x, "y": None},
        },
        *(_names(names, lines) for lines in (1, 2)),
    ]  # fmt: skip
    spec = {
        "data": rows(records), "width": "container", "height": ROW * len(names) + 70,
        "encoding": {"y": y}, "layer": layer,
    }  # fmt: skip
    more = len(changes) - MOST_SHOWN
    caption = CAPTION + (f" The {MOST_SHOWN} widest of {len(changes)}." if more > 0 else "")
    return Chart(key, title, caption, spec, alternative)


def _names(names: Sequence[Mapping[str, object]], lines: int) -> Spec:
    """The names of so many lines, left of the rows: text of several lines hangs from its first."""
    mark = {
        "type": "text", "align": "right", "baseline": "middle", "lineBreak": "\n", "fontSize": 11, "lineHeight": 12,
        "dx": -8, "dy": -6 * (lines - 1), "tooltip": None,
    }  # fmt: skip
    return {
        "data": rows(names),
        "transform": [{"filter": f"datum.lines === {lines}"}],
        "mark": mark,
        "encoding": {"x": {"value": 0}, "text": {"field": "input", "type": "nominal"}},
    }


def _label(change: Change, looks: Mapping[str, Look]) -> str:
    """Name of an input beside its row."""
    if change.provider:
        return f"{change.parameter},\n{shorten(looks[change.provider].short, 18)}"
    return SHORT[change.parameter]


def _name(change: Change, looks: Mapping[str, Look]) -> str:
    return f"{change.parameter}, {looks[change.provider].short}" if change.provider else change.parameter


def _value(change: Change, value: float) -> str:
    """The value of an input with its unit."""
    if change.unit == TIMES:
        return f"× {value:g}"
    if change.unit == "at its level":
        return f"{percent(value)} wrong {change.unit}"
    if change.unit.startswith("dollars"):
        return f"${value:,.4g}{change.unit.removeprefix('dollars')}"
    return f"{plain(value)} {change.unit}"


def _text(
    result: Result,
    looks: Mapping[str, Look],
    axis: str,
    changes: Sequence[Change],
    figure: Callable[[Outcome], float],
    text: Text,
) -> str:
    """Which inputs move the figure most, and how far."""
    found = result.tornado
    parts = [
        f"{_name(change, looks)} {text(figure(change.low))} with 20% less and {text(figure(change.high))} with 20% more"
        for change in changes[:MOST_SHOWN]
    ]
    return (
        f"Bar chart of {axis.split(',')[0]} at β = {plain(found.rationality)}, {text(figure(found.base))} as the market "
        f"stands; the widest change first: {'; '.join(parts)}."
    )
