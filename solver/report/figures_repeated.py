"""Repeated play in two panels: what providers choose and what they regret, medians with bands over seeds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from games.errors import InputError
from solver.repeated import RepeatedPlay
from solver.report.figures import MARGINS, SIZE, readable
from solver.report.style import MAX_HIGHLIGHTED, MUTED, PAPER, provider_styles

# Regret can be 0 or less, which has no logarithm: bands are cut off below this share of the smallest median.
CUT = 1 / 3


def repeated_figure(
    play: RepeatedPlay,
    providers: Sequence[str],
    *,
    label: str = "mean ask, dollars per query",
    marks: Sequence[float] | None = None,
    quantiles: tuple[float, float, float] = (0.1, 0.5, 0.9),
) -> Figure:
    """Actions and average regret by number of queries.

    Args:
        play: from ``repeated_play``.
        providers: names, in the market's order.
        label: of the left axis, what an action is.
        marks: a value to mark for each provider, for example its cost.
        quantiles: lower end, middle and upper end of the bands.

    Raises:
        InputError: as many names or marks as there are no providers.

    Example:
        >>> from games import load_scenario
        >>> from solver import AskStage, repeated_play
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> stage = AskStage.of(scenario.market, scenario.users)
        >>> played = repeated_play(stage, num_queries=50, num_seeds=4, points=5)
        >>> len(repeated_figure(played, scenario.market.providers, marks=stage.cost.tolist()).axes)
        2
    """
    count = play.action.shape[2]
    for name, given in (("providers", providers), ("marks", marks)):
        if given is not None and len(given) != count:
            raise InputError(f"repeated_figure: {len(given)} {name} for {count} providers")
    width, height = SIZE
    rows = -(-min(count, MAX_HIGHLIGHTED) // 3)
    figure = Figure(figsize=(2 * width, height + 0.22 * rows + 0.1), facecolor=PAPER)
    left, right = figure.subplots(1, 2)
    bottom = (0.55 + 0.22 * rows) / figure.get_figheight()
    figure.subplots_adjust(left=0.105, right=0.985, bottom=bottom, top=MARGINS["top"], wspace=0.26)
    queries = np.asarray(play.queries)
    actions, regrets = (play.bands(values, quantiles) for values in (play.action, play.average_regret))
    positive = regrets[1][regrets[1] > 0]
    floor = CUT * float(positive.min()) if len(positive) else 1.0
    styles = provider_styles(list(providers)[:MAX_HIGHLIGHTED], providers)
    handles = []
    for i in sorted(range(count), key=lambda i: styles[providers[i]].colour != MUTED):
        style = styles[providers[i]]
        for axes, bands in ((left, actions), (right, np.maximum(regrets, floor))):
            axes.fill_between(queries, bands[0, :, i], bands[2, :, i], color=style.colour, alpha=0.15, linewidth=0)
            (line,) = axes.plot(
                queries,
                bands[1, :, i],
                color=style.colour,
                marker=style.marker,
                markersize=4.5,
                markevery=max(1, len(queries) // 6),
                label=style.short,
            )
        if style.colour != MUTED:
            handles.append(line)
        if marks is not None:
            left.axhline(marks[i], color=style.colour, linewidth=0.8, linestyle=":")
    left.set_ylabel(label)
    right.set_ylabel("regret per query / payoff range")
    right.set_yscale("log")
    readable(right.yaxis)
    for axes in (left, right):
        axes.set_xscale("log")
        readable(axes.xaxis)
        axes.set_xlabel("queries")
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure
