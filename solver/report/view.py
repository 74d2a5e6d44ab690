"""What the page's template needs of one market: its words, the buttons of its providers, its charts and tables in order."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from solver.report import palette, style
from solver.report.charts.chart import Chart
from solver.report.findings_market import scenario_findings
from solver.report.layout import GROUPS
from solver.report.result import Result, Verdict
from solver.report.tables import Table

# Tables that a reader sees without asking.
OPEN = ("equilibria", "certificates")
# Tables with one part for each β.
BY_RATIONALITY = ("profiles", "mechanisms", "provision")
MOST_EQUILIBRIA = 4


def market_view(
    index: int,
    result: Result,
    tables: Mapping[str, Table],
    charts: Mapping[str, Sequence[Chart]],
    thumbnail: Chart,
    looks: Mapping[str, palette.Look],
    money: style.Money,
) -> dict[str, Any]:
    """What the template needs of one market."""
    slug = f"market-{index + 1}"
    return {
        "slug": slug,
        "charts_id": f"charts-{index + 1}",
        "name": style.shorten(result.name, 80),
        "meta": _meta(result, money),
        "card": _card(result),
        "thumbnail": thumbnail,
        "focus": style.plain(result.verdict.rationality),
        "findings": scenario_findings(result, money),
        "legend": _legend(result, looks),
        "groups": [
            {
                "key": group.key,
                "title": group.title,
                "text": group.text,
                "charts": charts[group.key],
                "steps": result.dynamics.num_rounds if group.key == "dynamics" else None,
                "tables": [
                    {"title": line, "parts": parts, "open": name in OPEN}
                    for name, line in group.tables.items()
                    if (parts := _parts(name, tables[name], result))
                ],
                "remarks": _remarks(result) if group.key == "rationality" else _learning_remarks(result, group.key),
            }
            for group in GROUPS
        ],
    }


def _meta(result: Result, money: style.Money) -> str:
    """A market and its users in two sentences."""
    market, users = result.scenario.market, result.scenario.users
    levels = market.mask.sum(axis=1)
    number = f"{levels.min()} to {levels.max()}" if levels.min() < levels.max() else f"{levels.max()}"
    made_of = f"{style.count(market.num_providers, 'provider')}, {number} levels each."
    if users.num_segments > 1:
        return f"{made_of} {users.num_segments} segments of users, listed under “Users by segment”."
    outside = float(users.outside_value[0])
    return (
        f"{made_of} A correct answer is worth {money.amount(float(users.value_per_correct[0]))} {money.per}; "
        f"any answer {style.plain(100 * float(np.ravel(users.baseline)[0]))}% of that. "
        + ("Users must buy." if np.isinf(outside) else f"Not buying is worth {money.amount(outside)}.")
    )


def _card(result: Result) -> str:
    """One line on the card of a market."""
    ratio = result.verdict.efficiency.price_of_anarchy
    high = len(result.verdict.efficiency.too_high)
    lost = f"price of anarchy {style.ratio(ratio)}"
    return f"{lost}; {high} of {style.count(result.scenario.market.num_providers, 'provider')} compute too much"


def _legend(result: Result, looks: Mapping[str, palette.Look]) -> list[dict[str, Any]]:
    """Buttons for the providers with a colour, one for all others."""
    names = result.scenario.market.providers
    own = [names[i] for i in result.highlighted]
    entries: list[dict[str, Any]] = [
        {"name": name, "look": looks[name], "names": json.dumps([looks[name].short])} for name in own
    ]
    others = [looks[name].short for name in names if name not in own]
    if others:
        entries.append({"name": f"{len(others)} more, in grey", "look": None, "names": json.dumps(others)})
    return entries


def _parts(name: str, table: Table, result: Result) -> list[Table]:
    """A table of one market, or one part of it for each β; nothing if it has no rows here."""
    mine = table.where(scenario=result.name)
    if not mine.rows:
        return []
    if name in BY_RATIONALITY:
        hidden = ("scenario", "rationality") + (() if any(row.get("note") for row in mine.rows) else ("note",))
        return [_at(mine, verdict, hidden) for verdict in result.verdicts]
    hidden_here = {"equilibria": ("reason", "note"), "continuous": ("rationality", "welfare", "max_regret", "complete")}
    return [mine.but(mine.caption, "scenario", *hidden_here.get(name, ()))]


def _at(table: Table, verdict: Verdict, hidden: tuple[str, ...]) -> Table:
    """The rows at one β; of several equilibria the first few, the rest stands in the files."""
    rows, note = table.where(rationality=verdict.rationality), ""
    number = len(verdict.efficiency.equilibria)
    if any(column.key == "equilibrium" and column.kind == "plain" for column in table.columns):
        shown = min(number, MOST_EQUILIBRIA)
        rows = replace(rows, rows=tuple(row for row in rows.rows if row["equilibrium"] <= shown))
        if number > 1:
            note = f" ({number} equilibria, lowest welfare first" + (f"; the first {shown})" if shown < number else ")")
        else:
            hidden = (*hidden, "equilibrium")
    return rows.but(f"{table.caption}, β = {style.plain(verdict.rationality)}{note}", *hidden)


def _learning_remarks(result: Result, group: str) -> list[str]:
    """How many continuous equilibria there are, and why."""
    if group != "learning":
        return []
    found = result.continuous.found
    if found is None:
        return [f"No continuous game: {result.continuous.reason}."]
    number = style.count(len(found), "equilibrium").replace("equilibriums", "equilibria")
    jumps = f"; {found.skipped} more balances lie in a jump of a best reply and are none" if found.skipped else ""
    whether = "complete" if found.complete else "perhaps incomplete"
    return [f"Continuous compute: {number}, list {whether}: {result.continuous.reason}{jumps}."]


def _remarks(result: Result) -> list[str]:
    """Why each list of equilibria is complete or not, and why a ratio is no number; one line for all β that share it."""
    texts: dict[str, list[str]] = {}
    for verdict in result.verdicts:
        found = verdict.efficiency
        whether = "complete" if found.equilibria.complete else "may be incomplete"
        texts.setdefault(f"list {whether}: {found.equilibria.reason}", []).append(style.plain(verdict.rationality))
        if found.note:
            texts.setdefault(f"price of anarchy {found.note}", []).append(style.plain(verdict.rationality))
    return [f"β = {style.listed(betas, 20)}: {text}." for text, betas in texts.items()]
