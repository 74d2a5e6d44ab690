"""Charts of named rows: the axis of names, and bars that split welfare into users, providers and platform."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from solver.report.charts import chart as c
from solver.report.charts.chart import Spec
from solver.report.style import Money

PARTS = (("users", "var(--users)"), ("providers", "var(--providers)"), ("platform", "var(--platform)"))
ROW, AROUND = 27, 78
# Pixels that a sign takes at most, bold and in the small numbers inside bars; what bars need at least.
SIGN, SMALL_SIGN, LEAST_BAR = 7.4, 6.7, 90
AMOUNTS: Spec = {"format": "~g", "labelBound": True, "labelSeparation": 8, "tickCount": 4}
# Signs of a name that an axis has room for: the middle of longer ones is cut out there, tooltips give them in full.
NAME = 21


def height(rows: int, row: int = ROW, around: int = AROUND) -> int:
    """Height of a chart of so many rows, in pixels, with the axis below and the legend above."""
    return row * max(rows, 1) + around


def names(field: str = "provider", *, signs: int = NAME) -> Spec:
    """An axis of names in the order of the data, cut in the middle where they are longer than ``signs``.

    A line break in a name is kept. Two lines are centred on their row only if they start above its middle.
    """
    axis = {
        "labelExpr": f"split(replace(truncate(datum.label, {signs}, 'center', '…'), regexp('…+'), '…'), '\\n')",
        "labelLimit": 150, "labelLineHeight": 12, "labelPadding": 5, "grid": False,
        "labelOffset": {"condition": {"test": "indexof(datum.value, '\\n') > 0", "value": -6}, "value": 0},
    }  # fmt: skip
    return {"field": field, "type": "nominal", "sort": None, "title": None, "axis": axis}


def wrapped(name: str, width: int = 15) -> str:
    """A name on two lines where it is long, broken behind a hyphen or a space.

    Example:
        >>> wrapped("second-score-no-harm"), wrapped("auction, no-harm reserve"), wrapped("posted-price")
        ('second-score-\\nno-harm', 'auction,\\nno-harm reserve', 'posted-price')
    """
    first, comma, second = name.partition(", ")
    if comma and max(len(first), len(second)) < width + 3:
        return f"{first},\n{second}"
    rows, current = [], ""
    for word in " ".join(name.split()).replace("-", "-\0").replace(" ", " \0").split("\0"):
        if current and len(current.strip()) + len(word.strip()) > width:
            rows.append(current.strip())
            current = ""
        current += word
    rows.append(current.strip())
    kept = rows if len(rows) <= 2 else [rows[0], f"{rows[1].rstrip('- ')[: width - 1]}…"]
    return "\n".join(row if len(row) <= width + 3 else f"{row[: width + 2]}…" for row in kept)


def distinct(texts: Iterable[str]) -> list[str]:
    """Texts with numbers behind those that came before, since rows of one name would be drawn as one.

    Example:
        >>> distinct(["a", "b", "a", "a"])
        ['a', 'b', 'a (2)', 'a (3)']
    """
    found: list[str] = []
    for text in texts:
        number, name = 1, text
        while name in found:
            number += 1
            name = f"{text} ({number})"
        found.append(name)
    return found


def pixels(texts: Iterable[str], sign: float = SIGN) -> int:
    """Room that the longest of some texts takes, with a gap on both sides; none without a text."""
    longest = max((len(text) for text in texts), default=0)
    return math.ceil(sign * longest) + 10 if longest else 0


def reaching(low: float, high: float, free: int | str) -> Spec:
    """A linear scale that leaves so many pixels free to the right of its highest value.

    Args:
        low: where it starts.
        high: highest value.
        free: pixels, or an expression.
    """
    top = {"expr": f"{low} + {(high - low) or 1.0} * width / max(width - {free}, 1)"}
    return {"domainMin": low, "domainMax": top, "nice": False, "zero": False}


@dataclass(frozen=True)
class Split:
    """What users, providers and platform get, in dollars per query.

    Args:
        name: of the arrangement.
        users: what users get.
        providers: profits.
        platform: what the platform keeps.
        welfare: the sum.
        note: in place of a bar where there is none.
        beside: a text at the right edge.
        strong: whether that text is a warning.
    """

    name: str
    users: float
    providers: float
    platform: float
    welfare: float
    note: str = ""
    beside: str = ""
    strong: bool = False


def stacked(
    splits: Sequence[Split],
    money: Money,
    *,
    row: int = 34,
    side: str = "",
    reference: float | None = None,
) -> Spec:
    """Stacked bars, losses to the left of zero, what they add up to at their end.

    Args:
        splits: from top to bottom.
        money: unit of the page.
        row: height of a row in pixels.
        side: heading of the texts at the right edge; on phones they take the place of the sums.
        reference: welfare to mark with a dashed line, dollars per query.
    """
    labels = distinct(wrapped(split.name) for split in splits)
    records, ends = _records(splits, labels, money)
    used = [part for part in PARTS if part[0] != "platform" or any(split.platform for split in splits)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    span = (high - low) or 1.0
    low -= 0.03 * span if low < 0 else 0.0
    room, beside = pixels(r["total"] for r in records if r["part"]), pixels(split.beside for split in splits)
    narrow = f"width < {room + beside + LEAST_BAR}" if beside else "false"
    free = f"({narrow} ? {beside} : {room + beside})"
    x = c.quantity("amount", money.unit) | {
        "scale": reaching(low, high, free),
        "axis": AMOUNTS,
    }
    y = names("_name", signs=40) | {"scale": {"domain": labels}}
    fits = f"abs(datum.amount) * (width - {free}) > ({SMALL_SIGN} * length(datum.text) + 4) * {span}"
    tips = [c.tip("arrangement", "Arrangement"), c.tip("part", "Who"), c.tip("text", f"Gets, {money.per}"),
            c.tip("total", f"Welfare, {money.per}")]  # fmt: skip
    there = [{"filter": "datum.part != ''"}]
    layers: list[Spec] = [
        {
            "transform": there,
            "mark": {"type": "bar", "height": {"band": 0.66}},
            "encoding": {"y": y, "x": x | {"stack": "zero"}, "color": c.fixed("part", used), "order": {"field": "_rank"},
                         "tooltip": tips},
        },
        {
            "transform": there,
            "mark": {"type": "text", "color": "var(--paper)", "fontSize": 10.5, "opacity": {"expr": f"{fits} ? 1 : 0"}},
            "encoding": {"y": y, "x": x | {"field": "_middle", "stack": None}, "text": {"field": "text"}, "tooltip": tips},
        },
        {
            "transform": [*there, {"filter": "datum._rank == 0"}],
            "mark": {"type": "text", "align": "left", "dx": 5, "fontWeight": 600, "opacity": {"expr": f"{narrow} ? 0 : 1"}},
            "encoding": {"y": y, "x": x | {"field": "_end", "stack": None}, "text": {"field": "total"}, "tooltip": tips},
        },
    ]  # fmt: skip
    if low < 0:
        layers.append(
            {
                "transform": [*there, {"filter": "datum._rank == 0 && datum._loss"}],
                "mark": {
                    "type": "tick",
                    "thickness": 2.5,
                    "height": {"band": 0.86},
                    "color": "var(--ink)",
                    "opacity": 1,
                },
                "encoding": {"y": y, "x": x | {"field": "welfare", "stack": None}, "tooltip": tips},
            }
        )
        layers.append({"mark": {"type": "rule", "strokeWidth": 0.8}, "encoding": {"x": {"datum": 0}}})
    return {
        "width": "container",
        "height": height(len(splits), row, AROUND + (18 if side else 0)),
        "data": c.rows(records),
        "layer": [
            *layers,
            *([heading(side, "var(--warning)")] if side else []),
            *_reference(reference, splits, money, x),
            *_notes(splits, labels, y, side),
        ],
    }


def _records(splits: Sequence[Split], labels: Sequence[str], money: Money) -> tuple[list[dict[str, Any]], list[float]]:
    """One record for each part of each bar, and how far the bars reach."""
    records: list[dict[str, Any]] = []
    ends = [0.0]
    for label, split in zip(labels, splits, strict=True):
        common = {"_name": label, "arrangement": split.name}
        if split.note:
            records.append(common | {"part": "", "_rank": 0, "amount": 0.0})
            continue
        amounts = {name: money.scaled(getattr(split, name)) for name, _ in PARTS}
        top, bottom = sum(max(a, 0.0) for a in amounts.values()), sum(min(a, 0.0) for a in amounts.values())
        ends += [top, bottom]
        at = {False: 0.0, True: 0.0}
        for rank, (part, amount) in enumerate(amounts.items()):
            start, at[amount < 0] = at[amount < 0], at[amount < 0] + amount
            records.append(
                common
                | {
                    "part": part,
                    "_rank": rank,
                    "amount": amount,
                    "_middle": start + amount / 2,
                    "_end": top,
                    "_loss": bottom < 0,
                    "welfare": money.scaled(split.welfare),
                    "text": money.amount(getattr(split, part)),
                    "total": money.amount(split.welfare),
                }
            )
    return records, ends


def _reference(welfare: float | None, splits: Sequence[Split], money: Money, x: Spec) -> list[Spec]:
    if welfare is None:
        return []
    record = {"amount": money.scaled(welfare), "arrangement": splits[0].name, "total": money.amount(welfare)}
    tips = [c.tip("arrangement", "Arrangement"), c.tip("total", f"Welfare, {money.per}")]
    mark = {"type": "rule", "strokeDash": [3, 2], "color": "var(--ink)", "strokeWidth": 1}
    return [{"data": c.rows([record]), "mark": mark, "encoding": {"x": x, "tooltip": tips}}]


def _notes(splits: Sequence[Split], labels: Sequence[str], y: Spec, title: str) -> list[Spec]:
    """Words in place of bars, and texts at the right edge."""
    layers: list[Spec] = []
    pairs = list(zip(labels, splits, strict=True))
    notes = [{"_name": name, "arrangement": s.name, "text": s.note} for name, s in pairs if s.note]
    beside = [
        {"_name": name, "arrangement": s.name, "text": s.beside, "_strong": s.strong} for name, s in pairs if s.beside
    ]
    tips = [c.tip("arrangement", "Arrangement"), c.tip("text", title)]
    if notes:
        mark: Spec = {"type": "text", "align": "left", "color": "var(--warning)"}
        encoding: Spec = {"y": y, "x": {"value": 6}, "text": {"field": "text"}, "tooltip": tips}
        layers.append({"data": c.rows(notes), "mark": mark, "encoding": encoding})
    if beside:
        mark = {"type": "text", "align": "right"}
        shade = {"condition": {"test": "datum._strong", "value": "var(--warning)"}, "value": "var(--muted)"}
        encoding = {"y": y, "x": {"value": "width"}, "text": {"field": "text"}, "color": shade, "tooltip": tips}
        layers.append({"data": c.rows(beside), "mark": mark, "encoding": encoding})
    return layers


def heading(text: str, colour: str = "var(--muted)") -> Spec:
    """A heading above the texts at the right edge."""
    return {
        "data": c.rows([{"_text": text}]),
        "mark": {"type": "text", "align": "right", "baseline": "bottom", "color": colour},
        "encoding": {"x": {"value": "width"}, "y": {"value": -2}, "text": {"field": "_text"}},
    }


def brief(value: float) -> str:
    """A rationality in few signs: 200, 10k, 1M.

    Example:
        >>> brief(200.0), brief(100000.0), brief(0.05)
        ('200', '100k', '0.05')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
