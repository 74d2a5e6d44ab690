"""Figures of learning: what providers compute step by step, and what they would still gain by deviating."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solver.learning_curve import LearningCurve
from solver.report.figures import MARGINS, SIZE, readable
from solver.report.style import (
    INK,
    MAX_HIGHLIGHTED,
    MUTED,
    PAPER,
    USERS,
    ProviderStyle,
    provider_styles,
)

# Regret below this is rounding; a regret of 0 has no logarithm.
SMALLEST_REGRET = 1e-12
NOTHING_LEFT = "from here on nothing"


def draw_compute(axes: Axes, curve: LearningCurve, styles: Sequence[ProviderStyle], axis: str = "round") -> None:
    """Expected tokens of every provider by step; providers in grey lie behind."""
    steps, tokens = _positions(curve), np.asarray(curve.tokens)
    order = sorted(range(tokens.shape[1]), key=lambda i: styles[i].colour != MUTED)
    for i in order:
        style = styles[i]
        if style.colour == MUTED:
            axes.plot(steps, tokens[:, i], color=MUTED, linewidth=0.7, alpha=0.45)
        else:
            every = max(1, len(steps) // 6)
            axes.plot(steps, tokens[:, i], color=style.colour, marker=style.marker, markersize=4.5, markevery=every)
    axes.set_yscale("log")
    readable(axes.yaxis)
    axes.set_ylabel("expected tokens per query")
    _step_axis(axes, curve, axis)


def draw_regret(axes: Axes, curve: LearningCurve, axis: str = "round", *, average: bool = True) -> None:
    """Largest relative regret over providers by step, of the play and of its time average."""
    steps = _positions(curve)
    lines = [("the play", curve.last_regret, USERS, "-")]
    if average:
        lines.append(("its time average", curve.average_regret, INK, "--"))
    for label, values, colour, dash in lines:
        largest = np.asarray(values).max(axis=1)
        shown = np.where(largest > SMALLEST_REGRET, largest, np.nan)
        axes.plot(steps, shown, color=colour, linestyle=dash, label=label)
        ended = np.flatnonzero(np.isnan(shown))
        if len(ended) and np.isfinite(shown).any():
            at = int(ended[0])
            axes.plot(
                steps[at],
                np.nanmin(shown),
                marker="v",
                color=colour,
                markersize=7,
                linestyle="none",
                label=NOTHING_LEFT,
            )
    axes.set_ylabel("largest relative gain left")
    if any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
        axes.set_yscale("log")
        readable(axes.yaxis)
        axes.legend(frameon=False, fontsize=9, loc="best", handlelength=2)
    else:
        axes.set_yticks([0])
        axes.text(0.5, 0.5, "nothing to gain in any round", transform=axes.transAxes, ha="center", color=MUTED)
    _step_axis(axes, curve, axis)


def _positions(curve: LearningCurve) -> np.ndarray:
    """Steps counted from 1, so that the start has a place on a logarithmic axis."""
    return np.asarray(curve.steps) + 1


def _step_axis(axes: Axes, curve: LearningCurve, axis: str) -> None:
    last = float(_positions(curve)[-1])
    # Set by hand: lines that hold nothing but NaN leave an axis without limits.
    axes.set_xlim(0.92, 1.08 * max(last, 2.0))
    axes.set_xscale("log")
    readable(axes.xaxis)
    axes.set_xlabel({"round": "round, the start is 1", "precision": "providers' precision λ, plus 1"}[axis])


def learning_figure(curve: LearningCurve, providers: Sequence[str], axis: str) -> Figure:
    """Both beside each other with a legend: what ``ttc-games learn --plot`` writes."""
    width, height = SIZE
    named = provider_styles(providers[:MAX_HIGHLIGHTED], providers)
    styles = [named[name] for name in providers]
    shown = [style for style in styles if style.colour != MUTED]
    rows = -(-len(shown) // 3)
    figure = Figure(figsize=(2 * width, height + 0.22 * rows + 0.1), facecolor=PAPER)
    left, right = figure.subplots(1, 2)
    bottom = (0.55 + 0.22 * rows) / figure.get_figheight()
    figure.subplots_adjust(left=0.085, right=0.985, bottom=bottom, top=MARGINS["top"], wspace=0.24)
    draw_compute(left, curve, styles, axis)
    draw_regret(right, curve, axis, average=axis == "round")
    handles = [
        left.plot([], [], color=style.colour, marker=style.marker, markersize=5, label=style.short)[0]
        for style in shown
    ]
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure
