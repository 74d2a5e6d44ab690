"""What stands on the page where: the charts and tables of one market, in the order in which they are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from solver.report.charts import (
    curves,
    dynamics,
    learning,
    ledger,
    market_shares,
    mechanisms,
    over_rationality,
    provision,
    tornado,
)
from solver.report.charts.chart import Chart
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money

Draw = Callable[[Result, Mapping[str, Look], Money], Chart]


@dataclass(frozen=True)
class Group:
    """Charts and tables under one heading.

    Args:
        key: part of its address on the page.
        title: heading.
        text: what the reader should know first.
        draw: the charts.
        tables: names of the tables, each with the line that unfolds it; an empty line shows the table at once.
    """

    key: str
    title: str
    text: str
    draw: tuple[Draw, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)


GROUPS = (
    Group(
        "compute", "Compute, quality and prices",
        "",
        (curves.value, curves.accuracy, provision.provision, curves.prices),
        {"provision": "Who computes too much, who too little", "prices": "Prices and margins",
         "profiles": "Levels, shares and profits", "curves": "The measured curves behind this market"},
    ),
    Group(
        "money", "Who gets what",
        "",
        (ledger.ledger, mechanisms.split, mechanisms.user_gains),
        {"ledger": "The ledger, party by party", "mechanisms": "Mechanisms side by side", "segments": "Users by segment",
         "auctions": "The auction by β"},
    ),
    Group(
        "rationality", "From users who choose by lot to users who always take the best",
        "",
        (over_rationality.band, market_shares.shares, over_rationality.number_of_equilibria, over_rationality.incomes),
        {"equilibria": "Equilibria by β"},
    ),
    Group(
        "dynamics", "How the market gets there",
        "Everybody starts at the lowest level. Each round, in random order, each moves to the nearest level that earns "
        "more.",
        (dynamics.tokens, dynamics.shares, dynamics.potential),
    ),
    Group(
        "learning", "Learning, and any amount of compute",
        "",
        (learning.learned_tokens, learning.learned_regret, learning.continuous),
        {"continuous": "Equilibria of continuous compute"},
    ),
    Group(
        "sensitivity", "What the result hangs on",
        "Each input is made 20% smaller and 20% larger, one at a time, and the market is solved again.",
        tornado.CHARTS,
        {"tornado": "Every change and what it does"},
    ),
    Group(
        "certainty", "How certain this is",
        "Every check was made by code that shares nothing with the solver whose result it checks.",
        (),
        {"certificates": "Certificates", "published": "Beside the published numbers",
         "published_numbers": "Every published number", "assumptions": "Assumptions"},
    ),
)  # fmt: skip


def charts_of(result: Result, looks: Mapping[str, Look], money: Money) -> dict[str, Sequence[Chart]]:
    """The charts of one market by the key of their group."""
    return {group.key: [draw(result, looks, money) for draw in group.draw] for group in GROUPS}
