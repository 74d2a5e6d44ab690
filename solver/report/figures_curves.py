"""Figure of measured curves with their intervals: what ``ttc-games curves --plot`` writes."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from games.sampling.question_curves import QuestionCurves
from solver.report.figures import MARGINS, SIZE, percents, token_axis
from solver.report.style import MAX_HIGHLIGHTED, MUTED, PAPER, provider_styles

if TYPE_CHECKING:
    import xarray as xr


def curves_figure(curves: QuestionCurves, intervals: "xr.Dataset") -> Figure:
    """Accuracy against tokens, a line per provider, with the intervals of both as whiskers.

    Providers with several levels come first among those that have a colour.

    Args:
        curves: question by question.
        intervals: what ``solver.curve_intervals`` made of them.
    """
    ordered = sorted(curves.providers, key=lambda name: -len(curves.level_labels[curves.providers.index(name)]))
    styles = provider_styles(ordered[:MAX_HIGHLIGHTED], curves.providers)
    shown = [styles[name] for name in curves.providers if styles[name].colour != MUTED]
    rest = curves.num_providers - len(shown)
    rows = -(-(len(shown) + (rest > 0)) // 3)
    width, height = SIZE
    figure = Figure(figsize=(1.65 * width, 1.25 * height + 0.22 * rows), facecolor=PAPER)
    axes = figure.add_subplot()
    bottom = (0.55 + 0.22 * rows) / figure.get_figheight()
    figure.subplots_adjust(left=0.12, right=0.975, bottom=bottom, top=MARGINS["top"])
    for i in sorted(range(curves.num_providers), key=lambda i: styles[curves.providers[i]].colour != MUTED):
        style, count = styles[curves.providers[i]], len(curves.level_labels[i])
        middle = [intervals[name].values[i, :count] for name in ("tokens", "accuracy")]
        ends = [intervals[f"{name}_interval"].values[i, :count] for name in ("tokens", "accuracy")]
        # A level that rests on one question has no upper end of tokens.
        spans = [
            np.where(np.isfinite(end), np.abs(end - value[:, None]), 0.0).T
            for end, value in zip(ends, middle, strict=True)
        ]
        faint = style.colour == MUTED
        axes.errorbar(
            middle[0],
            middle[1],
            xerr=spans[0],
            yerr=spans[1],
            color=style.colour,
            marker=style.marker,
            markersize=3.5 if faint else 5.5,
            linewidth=0.7 if faint else 1.5,
            elinewidth=0.6 if faint else 0.9,
            alpha=0.5 if faint else 1.0,
        )
    token_axis(axes)
    axes.set_ylabel("accuracy")
    percents(axes.yaxis)
    handles = [
        axes.plot([], [], color=style.colour, marker=style.marker, markersize=5, label=style.short)[0]
        for style in shown
    ]
    if rest:
        handles += axes.plot([], [], color=MUTED, marker="o", markersize=3.5, linewidth=0.7, label=f"and {rest} more")
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure
