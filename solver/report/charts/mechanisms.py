"""Mechanisms side by side: how each splits welfare, and what users gain or lose at each β."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from solver.report.charts import bars
from solver.report.charts import chart as c
from solver.report.mechanisms import Line, in_order, lines, missing
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, plain

MOST_COLUMNS = 5


def split(result: Result, looks: Mapping[str, Look], money: Money) -> c.Chart:
    """Users, providers and platform under each mechanism; what gaming gains beside them."""
    rows = in_order(result.mechanisms, result.verdict.rationality)
    reference = rows[0].welfare if rows[0].exists and rows[0].welfare > 0 and len(rows) > 1 else None
    spec = bars.stacked([_bar(line, money) for line in rows], money, side="gaming gains", reference=reference)
    caption = (
        "The first bar is what the others are compared with, the dashed line its welfare; the others follow by welfare, "
        "which stands at the end of each bar. “Gaming gains” is the most that one provider gains by leaving honest play "
        "while all others are honest. Honest is a true bid, a price at cost, or the level that is best for welfare, as the "
        "mechanism asks."
    )
    return c.Chart("mechanisms", "Who gets what under each mechanism", caption, spec, describe_split(rows, money))


def _bar(line: Line, money: Money) -> bars.Split:
    if not line.exists:
        return bars.Split(line.name, 0.0, 0.0, 0.0, 0.0, note=missing(line))
    gains = line.gaming > 0
    beside = money.amount(line.gaming) if gains else "0"
    return bars.Split(line.name, line.users, line.providers, line.platform, line.welfare, "", beside, gains)


def describe_split(rows: list[Line], money: Money) -> str:
    """Text alternative of the bars."""
    parts = []
    for line in rows:
        if not line.exists:
            parts.append(f"{line.name}: {missing(line)}")
            continue
        platform = f", platform {money.amount(line.platform)}" if line.platform else ""
        gaming = f"gaming gains {money.amount(line.gaming)}" if line.gaming > 0 else "gaming gains nothing"
        parts.append(
            f"{line.name}: users {money.amount(line.users)}, providers {money.amount(line.providers)}{platform}, "
            f"together {money.amount(line.welfare)}, {gaming}"
        )
    return f"Stacked bars of money {money.per} by mechanism. " + "; ".join(parts) + "."


def shown_rationality(result: Result) -> list[float]:
    """The tabled β that a chart has room for: all, or some from first to last with the one in focus."""
    betas = [verdict.rationality for verdict in result.verdicts]
    if len(betas) <= MOST_COLUMNS:
        return betas
    chosen = {*np.linspace(0, len(betas) - 1, MOST_COLUMNS - 1).round().astype(int).tolist(), result.focus}
    return [betas[i] for i in sorted(chosen)]


def gains(result: Result, money: Money) -> list[dict[str, Any]]:
    """One record for each mechanism and β: what users get more than under the first mechanism."""
    order = [line.name for line in in_order(result.mechanisms, result.verdict.rationality)[1:]]
    by_beta = {beta: {line.name: line for line in lines(result.mechanisms, beta)} for beta in shown_rationality(result)}
    values = [abs(row[name].user_gain) for row in by_beta.values() for name in order if row[name].exists]
    largest = max((v for v in values if np.isfinite(v)), default=0.0)
    records = []
    for label, name in zip(bars.distinct(map(bars.wrapped, order)), order, strict=True):
        for beta, row in by_beta.items():
            kind, text, strength = _cell(row[name], largest, money)
            records.append(
                {"_name": label, "mechanism": name, "beta": f"β = {bars.brief(beta)}", "kind": kind, "text": text,
                 "_strength": strength, "why": missing(row[name]) if not row[name].exists else text}
            )  # fmt: skip
    return records


def _cell(line: Line, largest: float, money: Money) -> tuple[str, str, float]:
    """What a field says: kind, text and strength of its colour."""
    if not line.exists or not np.isfinite(line.user_gain):
        return "none", "none", 0.1
    if line.user_gain == 0:
        return "none", "same", 0.1
    text = ("+" if line.user_gain > 0 else "") + money.amount(line.user_gain)
    # By the cube root, so that a tenth of the largest is still seen.
    strength = 0.1 + 0.45 * float(np.cbrt(abs(line.user_gain) / largest))
    return ("gain" if line.user_gain > 0 else "loss"), text, strength


def user_gains(result: Result, looks: Mapping[str, Look], money: Money) -> c.Chart:
    """A field for each mechanism and β: what users get more or less than under the first mechanism."""
    records = gains(result, money)
    columns = len(shown_rationality(result))
    axis = {
        "orient": "top",
        "labelAngle": 0,
        "domain": False,
        "ticks": False,
        "labelFontSize": 11 if columns < 4 else 10,
    }
    x = {"field": "beta", "type": "ordinal", "sort": None, "title": None, "axis": axis}
    y = bars.names("_name", signs=40)
    kinds = [("gain", "var(--users)"), ("loss", "var(--warning)"), ("none", "var(--muted)")]
    shade = c.fixed("kind", kinds, legend=False)
    strength = {"field": "_strength", "type": "quantitative", "scale": None, "legend": None}
    # As large as the longest text of a field allows; a sign is at most so many times as wide as it is high.
    longest = max((len(r["text"]) for r in records), default=1)
    size = f"max(8, min(11.5, (width / {columns} - 4) / {0.64 * longest:.2f}))"
    tips = [c.tip("mechanism", "Mechanism"), c.tip("beta", "Rationality"), c.tip("why", f"Users’ gain, {money.per}")]
    spec = {
        "width": "container",
        "height": bars.height(len({r["_name"] for r in records}), 32, 26),
        "data": c.rows(records),
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 2},
                "encoding": {"x": x, "y": y, "color": shade, "fillOpacity": strength, "tooltip": tips},
            },
            {
                "mark": {"type": "text", "fontSize": {"expr": size}},
                "encoding": {"x": x, "y": y, "text": {"field": "text"}, "tooltip": tips},
            },
        ],
    }
    caption = (
        "Each field: what users get more (+, blue) or less (−, red) than under the first mechanism, if choice is noise. The "
        "stronger the colour, the larger the change. None: no outcome there; the table says why."
    )
    return c.Chart("user-gains", "What users gain or lose", caption, spec, describe_gains(result, money))


def describe_gains(result: Result, money: Money) -> str:
    """Text alternative of the fields."""
    names = [line.name for line in in_order(result.mechanisms, result.verdict.rationality)]
    parts = []
    for beta in shown_rationality(result):
        rows = {line.name: line for line in lines(result.mechanisms, beta)}
        texts = [
            f"{name} {money.amount(rows[name].user_gain) if np.isfinite(rows[name].user_gain) else missing(rows[name])}"
            for name in names[1:]
        ]
        parts.append(f"β = {plain(beta)}: " + (", ".join(texts) or "no other mechanism"))
    return f"What users get more (less: −) than under {names[0]}, {money.per}. " + "; ".join(parts) + "."
