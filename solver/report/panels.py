"""Which figures the report has, what stands beneath each, and its description for those who cannot see it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from solver.report import figures, figures_learning, figures_mechanisms, figures_series
from solver.report.analysis import Result
from solver.report.findings_mechanisms import describe_split, describe_user_gains
from solver.report.style import MUTED, PROVIDERS, USERS, WARNING, Money, count, percent, plain, ratio, shorten, tiny


@dataclass(frozen=True)
class Panel:
    """One figure of a market.

    Args:
        key: stem of its file name, part of its id.
        title: what it shows.
        caption: how to read it.
        draw: makes the figure.
        describe: its text alternative.
        by_provider: whether providers' colours appear in it.
    """

    key: str
    title: str
    caption: str
    draw: Callable[[Result, figures.Styles, Money], Figure]
    describe: Callable[[Result, Money], str]
    by_provider: bool = True


def _curves(what: str) -> Callable[[Result, Money], str]:
    def text(result: Result, money: Money) -> str:
        equal = [p.provider for p in result.verdict.efficiency.provision if p.against_optimum == "equal"]
        return (
            f"Line chart of {what} against output tokens per query for "
            f"{count(result.scenario.market.num_providers, 'provider')}; equilibrium and optimal level agree for {len(equal)}."
        )

    return text


def _provision(result: Result, money: Money) -> str:
    rows = [p for p in result.verdict.efficiency.provision if p.against_optimum != "equal"]
    parts = [f"{p.provider} {plain(p.equilibrium_tokens)} against {plain(p.optimum_tokens)}" for p in rows[:12]]
    return "Dot chart of tokens per query in equilibrium against the welfare optimum: " + (
        "; ".join(parts) + "." if parts else "all providers at the optimum."
    )


def _band(result: Result, money: Money) -> str:
    poa, number = result.sweep.price_of_anarchy.values, result.sweep.num_equilibria.values
    finite = poa[np.isfinite(poa)]
    most = f"between {ratio(finite.min())} and {ratio(finite.max())}" if finite.size else "nowhere finite"
    return (
        f"Line chart of optimal over equilibrium welfare by β: the price of anarchy is {most}, without a finite value at "
        f"{len(poa) - finite.size} of {len(poa)} β; between {number.min()} and {number.max()} equilibria."
    )


def _incomes(result: Result, money: Money) -> str:
    data, parts = result.sweep, []
    for name, market, auction in (
        ("users", "user_value", "auction_user_value"),
        ("providers", "profit", "auction_profit"),
    ):
        values = data[market].values
        parts.append(
            f"{name} get {money.amount(values.min())} to {money.amount(values.max())} in the market and "
            f"{money.amount(data[auction].values[0])} in the auction"
        )
    return f"Line chart of money {money.per} by β: " + "; ".join(parts) + "."


def _shares(result: Result, money: Money) -> str:
    last, beta = result.sweep.share.values[-1], result.sweep.rationality.values[-1]
    first = result.scenario.market.providers[int(np.argmax(last))]
    return (
        f"Stacked area chart of market shares by β; at β = {plain(beta)} the largest is {first} "
        f"with {100 * last.max():.0f}%."
    )


def _played(what: str) -> Callable[[Result, Money], str]:
    def text(result: Result, money: Money) -> str:
        played = result.dynamics
        return f"Line chart of {what} over {count(played.num_rounds, 'round')} of the dynamics; {played.text}."

    return text


def _learned_compute(result: Result, money: Money) -> str:
    tokens = np.asarray(result.learned.curve.tokens)
    parts = [f"{name} {plain(x)}" for name, x in zip(result.scenario.market.providers[:12], tokens[-1], strict=False)]
    return (
        f"Line chart of expected tokens per query over {count(result.learned.rounds, 'round')} of regret matching; at "
        f"the end: {'; '.join(parts)}."
    )


def _learned_regret(result: Result, money: Money) -> str:
    learned = result.learned
    left = (
        "nobody gains by deviating from the play"
        if learned.last_regret <= figures_learning.SMALLEST_REGRET
        else f"a provider gains {percent(learned.last_regret)} by deviating from the play"
    )
    return (
        f"Line chart of the largest relative gain left over {count(learned.rounds, 'round')}: at the end {left}, and "
        f"{percent(learned.average_regret)} by deviating from its time average."
    )


def _against_levels(result: Result, money: Money) -> str:
    tokens, found = result.continuous.tokens, result.continuous.found
    if found is None or not len(tokens):
        return f"No chart: no continuous equilibrium to show for this market; {result.continuous.reason}."
    rows = result.verdict.efficiency.provision[:12]
    parts = [
        f"{p.provider} {plain(x)} against {plain(p.equilibrium_tokens)}" for p, x in zip(rows, tokens[0], strict=False)
    ]
    return (
        f"Dot chart of tokens per query in {count(len(tokens), 'continuous equilibrium').replace('briums', 'bria')} (largest "
        f"relative regret {tiny(float(np.asarray(found.max_regret).max()))}) against the equilibrium of levels: "
        + "; ".join(parts)
        + "."
    )


def _ledger(result: Result, money: Money) -> str:
    rows = [
        f"{row.name}: users {money.amount(row.users)}, providers {money.amount(row.providers)}"
        for row in result.verdict.efficiency.ledger
    ]
    return f"Stacked bars of money {money.per}. " + "; ".join(rows) + "."


LEVELS = (
    "Filled marker: level in the worst equilibrium. Ring: level at the welfare optimum. "
    "Star: what the winner of the auction offers."
)
PANELS = (
    Panel(
        "accuracy", "Accuracy against compute", LEVELS, figures.accuracy, _curves("accuracy"),
    ),
    Panel(
        "user-value", "What users get against compute",
        "Quality less price, of a query that the provider serves. Marks as in the figure before.",
        figures.user_value, _curves("users' value"),
    ),
    Panel(
        "provision", "Who computes too much",
        "Filled marker: tokens in the worst equilibrium. Ring: at the welfare optimum. A solid line is too much, "
        "a dotted one too little. The largest gaps, at most twelve.",
        figures.provision, _provision,
    ),
    Panel(
        "welfare-ratio", "What the market loses",
        "Optimal welfare over the welfare of the worst equilibrium (price of anarchy), of the best one (price of stability) "
        "and of the one that the paper's dynamics reach. 1 is no loss. Below: how many equilibria there are.",
        figures_series.band, _band, by_provider=False,
    ),
    Panel(
        "incomes", "Who gets what: market and auction",
        "Solid: the market's worst equilibrium. Dashed: the auction, in which users choose by rule and β plays no part.",
        figures_series.incomes, _incomes, by_provider=False,
    ),
    Panel(
        "shares", "Market shares",
        "In the worst equilibrium. What is left to 100% is queries that nobody serves.",
        figures_series.shares, _shares,
    ),
    Panel(
        "dynamics-tokens", "Dynamics: compute",
        "Everybody starts at the lowest level; each round, in random order, each moves to the nearest level that earns more.",
        figures_series.played_tokens, _played("tokens per query of every provider"),
    ),
    Panel(
        "dynamics-shares", "Dynamics: market shares", "The same play.",
        figures_series.played_shares, _played("market share of every provider"),
    ),
    Panel(
        "dynamics-potential", "Dynamics: log-potential",
        "Every profitable move raises it, so that the play must end; where it ends is an equilibrium.",
        figures_series.played_potential, _played("the log-potential"), by_provider=False,
    ),
    Panel(
        "learning-tokens", "Learning: compute",
        "Providers start with all levels alike and learn by regret matching: a level is played in proportion to what it would "
        "have gained so far. Tokens are means over the levels played.",
        figures_learning.learned_compute, _learned_compute,
    ),
    Panel(
        "learning-regret", "Learning: regret",
        "The most that a provider would gain by any other level, as a fraction of its profit. At 0 the play is an equilibrium; "
        "its time average still remembers the start. A triangle marks where nothing is left to gain.",
        figures_learning.learned_regret, _learned_regret, by_provider=False,
    ),
    Panel(
        "continuous", "Continuous against discrete",
        "Ring: tokens in equilibrium if any amount of compute can be bought, accuracy interpolated between the levels. "
        "Filled marker: in the worst equilibrium of levels. The largest gaps, at most twelve.",
        figures_learning.against_levels, _against_levels,
    ),
)  # fmt: skip


LEDGER = Panel(
        "ledger", "The ledger",
        "Blue: what users get. Orange: providers' profits. "
    "The platform charges no fee here and gets nothing. Left of zero is a loss.",
        figures.ledger, _ledger, by_provider=False,
    )  # fmt: skip


MECHANISMS = (
    Panel(
        "mechanisms", "Who gets what under each mechanism",
        "The first bar is what the others are compared with, the dashed line its welfare; the others follow by welfare. "
        "“Gaming gains” is the most that one provider gains by leaving honest play while all others are honest. Honest is a "
        "true bid, a price at cost, or the level that is best for welfare, as the mechanism asks.",
        figures_mechanisms.split, describe_split, by_provider=False,
    ),
    Panel(
        "user-gains", "What users gain or lose",
        "Each field: what users get more (+) or less (−) than under the first mechanism, if choice is noise. The stronger the "
        "colour, the larger the change. None: no outcome there; the table says why.",
        figures_mechanisms.user_gains, describe_user_gains, by_provider=False,
    ),
)  # fmt: skip


def overview_figure(results: Sequence[Result]) -> Figure:
    """Price of anarchy of every market: its range over the sweep, and a dot for each tabled β."""
    longest = max(len(shorten(result.name)) for result in results)
    figure = Figure(figsize=(5.2, 1.15 + 0.34 * len(results)))
    axes = figure.add_subplot()
    figure.subplots_adjust(
        left=min(0.52, 0.06 + 0.0172 * longest), right=0.97, top=1 - 0.38 / figure.get_figheight(),
        bottom=0.6 / figure.get_figheight(),
    )  # fmt: skip
    shades = [USERS, PROVIDERS, WARNING, MUTED]
    for y, result in enumerate(results):
        swept = result.sweep.price_of_anarchy.values
        finite = swept[np.isfinite(swept)]
        if finite.size:
            axes.plot(
                [finite.min(), finite.max()], [y, y], color=MUTED, alpha=0.45, linewidth=5, solid_capstyle="round"
            )
        for v, verdict in enumerate(result.verdicts):
            value, marker = verdict.efficiency.price_of_anarchy, ("o", "s", "^", "D")[v % 4]
            if np.isfinite(value):
                label = f"β = {plain(verdict.rationality)}"
                axes.plot(value, y, marker, color=shades[v % 4], markersize=6.5, linestyle="none", label=label)
        if not np.isfinite(swept).all():
            where = "at some β" if finite.size else "at any β"
            text = f"no finite ratio {where} "
            axes.text(
                1, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center", color=WARNING, fontsize=8.5
            )
    axes.axvline(1, color=MUTED, linewidth=0.8)
    axes.set_yticks(range(len(results)), [shorten(result.name) for result in results])
    axes.set_ylim(len(results) - 0.4, -0.6)
    high = axes.get_xlim()[1]
    if high > 20:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif high <= 1.05:
        axes.set_xlim(0.998, max(high, 1.01))
    axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("price of anarchy (1 is no loss)")
    handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if handles:
        style = {"frameon": False, "ncols": 4, "fontsize": 9, "handletextpad": 0.1, "columnspacing": 1.0}
        figure.legend(handles.values(), handles.keys(), loc="upper left", **style)
    return figure


def overview_text(results: Sequence[Result]) -> str:
    """Text alternative of ``overview_figure``."""
    parts = [
        f"{result.name} "
        + ", ".join(f"{ratio(v.efficiency.price_of_anarchy)} at β = {plain(v.rationality)}" for v in result.verdicts)
        for result in results
    ]
    return "Price of anarchy by market. " + "; ".join(parts) + "."
