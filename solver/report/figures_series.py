"""The figures of one market over β and over the rounds of the dynamics."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from solver.report.analysis import Result
from solver.report.figures import MARGINS, SIZE, Styles, in_order, new_axes, percents, readable, short_number
from solver.report.style import INK, MUTED, PAPER, PROVIDERS, USERS, WARNING, Money, plain


def rationality_axis(axes: Axes, result: Result) -> None:
    """β on a logarithmic axis, as far as it was swept."""
    beta = result.sweep.rationality.values
    axes.set_xscale("log")
    if beta[0] < beta[-1]:
        axes.set_xlim(beta[0], beta[-1])
    axes.set_xlabel("users' rationality β, per dollar")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short_number(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def band(result: Result, styles: Styles, money: Money) -> Figure:
    """Optimal over equilibrium welfare by β: best to worst equilibrium, the paper's dynamics, and how many there are."""
    figure = Figure(figsize=SIZE)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.subplots_adjust(**MARGINS, hspace=0.12)
    data = result.sweep
    beta = data.rationality.values
    ratios = [data[name].values for name in ("price_of_stability", "price_of_anarchy", "welfare_ratio")]
    good = [np.isfinite(r) for r in ratios]
    best, worst, reached = (np.where(g, r, np.nan) for g, r in zip(good, ratios, strict=True))
    upper.fill_between(beta, best, worst, color=PROVIDERS, alpha=0.3, linewidth=0)
    # Mostly the three coincide: the wider line lies below the narrower one.
    upper.plot(beta, worst, color=PROVIDERS, linewidth=3.2, label="worst equilibrium")
    upper.plot(beta, best, color=USERS, linewidth=1.6, label="best equilibrium")
    upper.plot(beta, reached, color=INK, linestyle=(0, (1, 2.5)), linewidth=1.6, label="paper's dynamics")
    _ratio_axis(upper, np.concatenate([best[good[0]], worst[good[1]], reached[good[2]]]))
    _shade_no_ratio(upper, beta, ~good[1])
    upper.set_ylabel("optimum / equilibrium")
    upper.legend(frameon=False, fontsize=9, loc="best", handlelength=1.6)
    lower.step(beta, data.num_equilibria.values, where="mid", color=INK, linewidth=1.2)
    lower.set_ylim(0, max(2, int(data.num_equilibria.max())) * 1.15)
    lower.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    lower.set_ylabel("equilibria", fontsize=9)
    rationality_axis(lower, result)
    figure.align_ylabels([upper, lower])
    return figure


def _ratio_axis(axes: Axes, values: np.ndarray) -> None:
    """From 1, where nothing is lost; logarithmic where welfare nearly vanishes, so that the rest stays visible."""
    top = float(values.max()) if values.size else 2.0
    if top > 20:
        axes.set_yscale("log")
        axes.set_ylim(0.95, 1.2 * top)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    else:
        span = max(top - 1, 0.01)
        axes.set_ylim(1 - 0.03 * span, 1 + 1.06 * span)


def _shade_no_ratio(axes: Axes, beta: np.ndarray, bad: np.ndarray) -> None:
    """Shade the β where the price of anarchy is infinite or undefined."""
    if not bad.any():
        return
    edges = np.sqrt(beta[1:] * beta[:-1])
    left, right = np.append(beta[0], edges), np.append(edges, beta[-1])
    for n, i in enumerate(np.flatnonzero(bad)):
        label = "worst: no finite ratio" if n == 0 else None
        axes.axvspan(left[i], right[i], color=WARNING, alpha=0.18, linewidth=0, label=label)


def incomes(result: Result, styles: Styles, money: Money) -> Figure:
    """What users and providers get by β, market against auction."""
    figure, axes = new_axes()
    data, scale = result.sweep, money.scaled(1.0)
    beta = data.rationality.values
    for colour, text, market, auction in (
        (USERS, "users", "user_value", "auction_user_value"),
        (PROVIDERS, "providers", "profit", "auction_profit"),
    ):
        axes.plot(beta, scale * data[market].values, color=colour, label=f"{text}, market")
        axes.plot(beta, scale * data[auction].values, color=colour, linestyle="--", label=f"{text}, auction")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, loc="best", handlelength=2)
    axes.set_ylabel(money.unit)
    rationality_axis(axes, result)
    return figure


def shares(result: Result, styles: Styles, money: Money) -> Figure:
    """Market shares in the worst equilibrium by β, stacked to 100%."""
    figure, axes = new_axes()
    data = result.sweep
    values = data.share.values.T
    rest = [i for i in range(len(values)) if i not in result.highlighted]
    names = [result.scenario.market.providers[i] for i in result.highlighted]
    layers = [*values[list(result.highlighted)], values[rest].sum(axis=0)]
    colours = [*(styles[name].colour for name in names), MUTED]
    axes.stackplot(data.rationality.values, layers, colors=colours, edgecolor=PAPER, linewidth=0.6)
    axes.set_ylim(0, 1)
    axes.grid(visible=False)
    percents(axes.yaxis)
    axes.set_ylabel("share of queries")
    rationality_axis(axes, result)
    return figure


def played_tokens(result: Result, styles: Styles, money: Money) -> Figure:
    """Tokens of every provider by round."""
    figure, axes = new_axes()
    _by_round(axes, result, styles, result.dynamics.tokens)
    axes.set_yscale("log")
    readable(axes.yaxis)
    axes.set_ylabel("output tokens per query")
    return figure


def played_shares(result: Result, styles: Styles, money: Money) -> Figure:
    """Market share of every provider by round."""
    figure, axes = new_axes()
    _by_round(axes, result, styles, result.dynamics.shares)
    axes.set_ylim(0, 1.04 * float(result.dynamics.shares.max()))
    percents(axes.yaxis)
    axes.set_ylabel("share of queries")
    return figure


def played_potential(result: Result, styles: Styles, money: Money) -> Figure:
    """Log-potential by round, which never falls."""
    figure, axes = new_axes(left=0.18)
    axes.plot(result.dynamics.log_potential, color=INK, marker="o", markersize=5)
    _round_axis(axes, result)
    axes.set_ylabel("log-potential Φ")
    return figure


def _by_round(axes: Axes, result: Result, styles: Styles, values: np.ndarray) -> None:
    for i, name, highlighted in in_order(result):
        if highlighted:
            style = styles[name]
            axes.plot(values[:, i], color=style.colour, marker=style.marker, markersize=4.5)
        else:
            axes.plot(values[:, i], color=MUTED, linewidth=0.7, alpha=0.45)
    _round_axis(axes, result)


def _round_axis(axes: Axes, result: Result) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel(f"round (β = {plain(result.dynamics.rationality)})")
