"""The figures of one market at one β: curves, provision, ledger. Each a small panel that fits a phone.

Functions draw into a fresh ``matplotlib.figure.Figure`` (no pyplot, no global figures); ``solver.report.svg`` renders.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from games.auction import NOBODY
from solver.report.analysis import MARKET_OPTIMUM, Result
from solver.report.style import (
    INK,
    MUTED,
    PAPER,
    PLATFORM,
    PROVIDERS,
    USERS,
    Money,
    ProviderStyle,
    shorten,
)

Styles = Mapping[str, ProviderStyle]
SIZE = (4.4, 3.1)
RING: dict[str, Any] = {"marker": "o", "markersize": 10.5, "markerfacecolor": "none", "markeredgewidth": 1.4}
STAR: dict[str, Any] = {"marker": "*", "markersize": 16, "markerfacecolor": PAPER, "markeredgecolor": INK, "alpha": 0.9}
MARGINS = {"left": 0.17, "right": 0.965, "bottom": 0.165, "top": 0.96}


def new_axes(**margins: float) -> tuple[Figure, Axes]:
    """A figure of the common size with one pair of axes."""
    figure = Figure(figsize=SIZE)
    axes = figure.add_subplot()
    figure.subplots_adjust(**(MARGINS | margins))
    return figure, axes


def token_axis(axes: Axes, label: str = "output tokens per query") -> None:
    """Tokens on a logarithmic axis with readable ticks."""
    axes.set_xscale("log")
    readable(axes.xaxis)
    axes.set_xlabel(label)


def readable(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, and on short ranges also at 2 and 5."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 40 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: short_number(x)))
    axis.set_minor_formatter(NullFormatter())


def short_number(value: float) -> str:
    """A tick's label: 500, 20k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def percents(axis: Axis) -> None:
    """Ticks of fractions as percentages, with as many decimals as they need: 82.5%, 85%."""
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{round(100 * x, 6) + 0.0:g}%"))


def in_order(result: Result) -> Iterable[tuple[int, str, bool]]:
    """Index, name and whether highlighted, of every provider; those in grey first, so that they lie behind."""
    rest = [i for i in range(result.scenario.market.num_providers) if i not in result.highlighted]
    for i in (*rest, *result.highlighted):
        yield i, result.scenario.market.providers[i], i in result.highlighted


def accuracy(result: Result, styles: Styles, money: Money) -> Figure:
    """Accuracy against tokens."""
    figure, axes = new_axes()
    _curves(axes, result, styles, np.asarray(result.scenario.market.accuracy))
    axes.set_ylabel("accuracy")
    percents(axes.yaxis)
    return figure


def user_value(result: Result, styles: Styles, money: Money) -> Figure:
    """Users' value, quality less price, against tokens."""
    figure, axes = new_axes()
    _curves(axes, result, styles, money.scaled(1.0) * np.asarray(result.scenario.game().user_value[0]))
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_ylabel(f"value to users, {money.unit}")
    return figure


def _curves(axes: Axes, result: Result, styles: Styles, values: np.ndarray) -> None:
    """One line per provider with the levels played in equilibrium, at the optimum and in the auction."""
    market, found = result.scenario.market, result.verdict.efficiency
    tokens = np.asarray(market.tokens)
    equilibrium, optimum = np.asarray(found.equilibria.worst), np.asarray(found.optimum.profile)
    winner = int(found.auction.winner[0])
    for i, name, highlighted in in_order(result):
        for levels in _strands(market.level_labels[i]):
            x, y = tokens[i, levels], values[i, levels]
            if highlighted:
                axes.plot(x, y, color=styles[name].colour, linewidth=1.4, marker=".", markersize=3.5, zorder=2)
            else:
                axes.plot(x, y, color=MUTED, linewidth=0.7, alpha=0.45, zorder=1)
        if not highlighted:
            continue
        colour, marker = styles[name].colour, styles[name].marker
        at, best = equilibrium[i], optimum[i]
        axes.plot(tokens[i, best], values[i, best], color=colour, zorder=3, **RING)
        axes.plot(tokens[i, at], values[i, at], color=colour, marker=marker, markersize=6.5, zorder=4)
    if winner != NOBODY:
        offer = int(found.auction.levels[0, winner])
        axes.plot(tokens[winner, offer], values[winner, offer], zorder=5, linestyle="none", **STAR)
    token_axis(axes)


def _strands(labels: Sequence[str]) -> list[list[int]]:
    """Levels that one line connects: those of one method, where labels read ``method/level``."""
    strands: dict[str, list[int]] = {}
    for k, label in enumerate(labels):
        strands.setdefault(label.rpartition("/")[0], []).append(k)
    return list(strands.values())


def provision(result: Result, styles: Styles, money: Money) -> Figure:
    """Tokens in equilibrium against tokens at the optimum, the largest gaps on top."""
    rows = result.verdict.efficiency.provision
    gap = np.array([abs(np.log(p.equilibrium_tokens / p.optimum_tokens)) for p in rows])
    shown = np.argsort(-gap, kind="stable")[:12]
    figure, axes = new_axes(left=0.36)
    for y, i in enumerate(shown):
        row, style = rows[i], styles[rows[i].provider]
        colour = style.colour
        line = {"over": "-", "under": ":", "equal": "-"}[row.against_optimum]
        axes.plot([row.optimum_tokens, row.equilibrium_tokens], [y, y], color=colour, linestyle=line, linewidth=2)
        axes.plot(row.optimum_tokens, y, color=colour, **RING)
        axes.plot(row.equilibrium_tokens, y, color=colour, marker=style.marker, markersize=6.5)
    axes.set_yticks(range(len(shown)), [shorten(styles[rows[i].provider].short, 20) for i in shown], fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    token_axis(axes)
    return figure


def ledger(result: Result, styles: Styles, money: Money) -> Figure:
    """Users, providers and platform under each arrangement, as stacked bars."""
    figure, axes = new_axes(left=0.36)
    rows = result.verdict.efficiency.ledger
    for y, row in enumerate(rows):
        ends = [0.0, 0.0]
        for value, colour in ((row.users, USERS), (row.providers, PROVIDERS), (row.platform, PLATFORM)):
            side = int(value < 0)
            axes.barh(y, money.scaled(value), left=ends[side], color=colour, height=0.6, edgecolor=PAPER, linewidth=0.5)
            ends[side] += money.scaled(value)
        text = f" {money.number(row.users)} + {money.number(row.providers)}"
        axes.text(ends[0], y, text, va="center", fontsize=8.5)
    names = [row.name.replace(", ", ",\n") for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.get_yticklabels()[[row.name for row in rows].index(MARKET_OPTIMUM)].set_fontstyle("italic")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.55 * (right - left))  # room for the numbers
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(money.unit)
    return figure
