"""Figures that set mechanisms side by side: how each splits welfare, and what users gain or lose at each β."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from solver.report.analysis import Result
from solver.report.figures import SIZE, Styles, short_number
from solver.report.mechanisms import Line, in_order, lines, missing
from solver.report.style import INK, MUTED, PAPER, PLATFORM, PROVIDERS, USERS, WARNING, Money, plain

WIDTH = 15
MOST_COLUMNS = 5


def split(result: Result, styles: Styles, money: Money) -> Figure:
    """Users, providers and platform under each mechanism as stacked bars; what gaming gains beside them."""
    rows = in_order(result.mechanisms, result.verdict.rationality)
    figure = Figure(figsize=(SIZE[0], 1.2 + 0.33 * len(rows)))
    axes = figure.add_subplot()
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.285, right=0.975, top=1 - 0.42 / height, bottom=0.52 / height)
    right = 0.0
    for y, line in enumerate(rows):
        if not line.exists:
            continue
        ends = [0.0, 0.0]
        for value, colour in ((line.users, USERS), (line.providers, PROVIDERS), (line.platform, PLATFORM)):
            side = int(value < 0)
            axes.barh(
                y, money.scaled(value), left=ends[side], color=colour, height=0.66, edgecolor=PAPER, linewidth=0.5
            )
            ends[side] += money.scaled(value)
        right = max(right, ends[0])
    left, edge = axes.get_xlim()
    axes.set_xlim(left, max(edge, right) + 0.38 * (max(edge, right) - left))  # room for what gaming gains
    _beside(axes, rows, money)
    if rows[0].exists and rows[0].welfare > 0:
        axes.axvline(money.scaled(rows[0].welfare), color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.axvline(0, color=MUTED, linewidth=0.8)
    _names(axes, rows)
    axes.set_xlabel(money.unit)
    parts = zip((USERS, PROVIDERS, PLATFORM), ("users", "providers", "platform"), strict=True)
    handles = [Patch(color=colour, label=label) for colour, label in parts]
    figure.legend(
        handles=handles, loc="upper left", ncols=3, frameon=False, fontsize=9, handlelength=1.0, columnspacing=1.3
    )
    figure.text(0.975, 1 - 0.2 / height, "gaming gains", ha="right", va="center", fontsize=9, color=WARNING)
    return figure


def _beside(axes: Axes, rows: list[Line], money: Money) -> None:
    """What gaming gains at the right edge; in words where a mechanism has no outcome."""
    across = axes.get_yaxis_transform()
    for y, line in enumerate(rows):
        if not line.exists:
            axes.text(0.02, y, missing(line), transform=across, va="center", fontsize=9, color=WARNING)
            continue
        gains = line.gaming > 0
        text, colour = (f"▲ {money.amount(line.gaming)}", WARNING) if gains else ("nothing", MUTED)
        axes.text(1.0, y, text, transform=across, ha="right", va="center", fontsize=9, color=colour)


def _names(axes: Axes, rows: list[Line]) -> None:
    axes.set_yticks(range(len(rows)), [wrapped(line.name) for line in rows], fontsize=9, linespacing=0.95)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def wrapped(name: str) -> str:
    """A mechanism's name on two lines where it is long, broken behind a hyphen or a space.

    Example:
        >>> wrapped("second-score-no-harm"), wrapped("posted-price")
        ('second-score-\\nno-harm', 'posted-price')
    """
    lines_, current = [], ""
    for word in name.replace("-", "-\0").replace(" ", " \0").split("\0"):
        if current and len(current) + len(word) > WIDTH:
            lines_.append(current)
            current = ""
        current += word
    whole = [*lines_, current]
    return "\n".join(whole if len(whole) <= 2 else [whole[0], whole[1].rstrip("- ")[: WIDTH - 1] + "…"])


def shown_rationality(result: Result) -> list[float]:
    """The tabled β that a figure has room for: all, or some from first to last with the one in focus."""
    betas = [verdict.rationality for verdict in result.verdicts]
    if len(betas) <= MOST_COLUMNS:
        return betas
    chosen = {*np.linspace(0, len(betas) - 1, MOST_COLUMNS - 1).round().astype(int).tolist(), result.focus}
    return [betas[i] for i in sorted(chosen)]


def user_gains(result: Result, styles: Styles, money: Money) -> Figure:
    """A field for each mechanism and β: what users get more or less than under the first mechanism."""
    betas = shown_rationality(result)
    order = [line.name for line in in_order(result.mechanisms, result.verdict.rationality)[1:]]
    by_beta = [{line.name: line for line in lines(result.mechanisms, beta)} for beta in betas]
    figure = Figure(figsize=(SIZE[0], 1.2 + 0.33 * (len(order) + 1)))
    axes = figure.add_subplot()
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.285, right=0.975, top=1 - 0.64 / height, bottom=0.3 / height)
    values = [abs(row[name].user_gain) for row in by_beta for name in order if row[name].exists]
    largest = max((v for v in values if np.isfinite(v)), default=0.0)
    for x, row in enumerate(by_beta):
        for y, name in enumerate(order):
            line = row[name]
            text, colour, strength = "", MUTED, 0.08
            if not line.exists:
                text = "none"
            elif line.user_gain == 0:
                text = "same"
            elif np.isfinite(line.user_gain):
                text = ("+" if line.user_gain > 0 else "") + money.amount(line.user_gain)
                colour = USERS if line.user_gain > 0 else WARNING
                # By the cube root, so that a tenth of the largest is still seen.
                strength = 0.1 + 0.5 * float(np.cbrt(abs(line.user_gain) / largest))
            axes.barh(y, 0.97, left=x - 0.485, height=0.9, color=colour, alpha=strength, linewidth=0)
            size = 9 if len(text) < 12 and len(betas) < 5 else 7
            axes.text(x, y, text, ha="center", va="center", fontsize=size, color=INK)
    if order:
        names = [next(row[name] for row in by_beta) for name in order]
        _names(axes, names)
    axes.set_xlim(-0.5, len(betas) - 0.5)
    number = plain if len(betas) < 4 else short_number
    axes.set_xticks(range(len(betas)), [f"β = {number(beta)}" for beta in betas], fontsize=9 if len(betas) < 5 else 8)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    handles = [Patch(color=colour, alpha=0.5, label=label) for colour, label in ((USERS, "gain"), (WARNING, "loss"))]
    figure.legend(
        handles=handles, loc="upper left", ncols=2, frameon=False, fontsize=9, handlelength=1.0, columnspacing=1.3
    )
    figure.text(0.975, 1 - 0.2 / height, money.unit, ha="right", va="center", fontsize=9, color=MUTED)
    return figure
