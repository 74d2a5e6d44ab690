"""The page: results, tables and drawings put into the template. Names are escaped by the template engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from solver.report import style, svg
from solver.report.analysis import Result
from solver.report.findings import QUESTION, key_findings, scenario_findings
from solver.report.panels import PANELS
from solver.report.tables import Column, Table, formatter

NUMBERS = ("money", "percent", "ratio", "plain", "tiny")


@dataclass(frozen=True)
class Drawing:
    """A figure on the page.

    Args:
        title: what it shows.
        caption: how to read it.
        svg: element for the page.
    """

    title: str
    caption: str
    svg: Markup


def render_page(
    results: Sequence[Result],
    tables: Sequence[Table],
    drawings: Sequence[Sequence[Drawing]],
    overview: Markup,
    *,
    styles: dict[str, style.ProviderStyle],
    money: style.Money,
    version: str,
    command: str,
) -> str:
    """The whole page as HTML.

    Args:
        results: one for each market.
        tables: all tables of ``solver.report.tables_detail.all_tables``.
        drawings: the figures of each market.
        overview: the drawing over all markets.
        styles: style of every provider.
        money: unit of the page.
        version: of this package.
        command: what reproduces the page.
    """
    by_name = {table.name: table for table in tables}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    environment.globals.update(
        show=formatter(money),
        styles=styles,
        money=money,
        marker_path=svg.marker_path,
        is_number=is_number,
        has_money=lambda table: any(column.header and column.kind == "money" for column in table.columns),
        starts_group=starts_group,
    )
    package = files("solver.report")
    template = environment.from_string((package / "page.html").read_text(encoding="utf-8"))
    beta = results[0].sweep.rationality.values
    text = template.render(
        title=_title(results),
        question=QUESTION,
        findings=key_findings(results, money),
        css=Markup((package / "page.css").read_text(encoding="utf-8") + palette()),
        overview=by_name["overview"],
        overview_svg=overview,
        views=[_view(i, result, by_name, drawings[i], money) for i, result in enumerate(results)],
        tables=tables,
        sources=_sources(results),
        sweep_text=f"{len(beta)} from {style.plain(beta[0])} to {style.plain(beta[-1])}",
        tolerance=style.tiny(results[0].verdict.efficiency.equilibria.tolerance),
        version=version,
        command=command,
    )
    return text.lstrip()


def palette() -> str:
    """The providers' colours as variables of the style sheet, light and dark."""
    light, dark = (
        ":root{" + "".join(f"--p{i}:{colour};" for i, colour in enumerate(colours)) + "}"
        for colours in (style.LIGHT, style.DARK)
    )
    return light + "@media (prefers-color-scheme: dark){" + dark + "}"


def is_number(column: Column) -> bool:
    """Whether a column is aligned to the right."""
    return column.kind in NUMBERS


def starts_group(table: Table, index: int) -> bool:
    """Whether a row's first visible cell differs from the row above, in a table whose first cells repeat."""
    first = next(column.key for column in table.columns if column.header)
    if index == 0 or len({row[first] for row in table.rows}) == len(table.rows):
        return False
    return bool(table.rows[index][first] != table.rows[index - 1][first])


def _title(results: Sequence[Result]) -> str:
    if len(results) == 1:
        return f"Paid per token: what {style.shorten(results[0].name, 60)} costs and who gains"
    return f"Paid per token: {len(results)} markets for test-time compute"


def _sources(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Distinct sources, with the markets that come from each."""
    names: dict[str, list[str]] = {}
    for result in results:
        names.setdefault(result.scenario.source or "source not stated", []).append(style.shorten(result.name, 60))
    return [(source, style.listed(markets, 20)) for source, markets in names.items()]


def _view(
    index: int, result: Result, tables: dict[str, Table], drawings: Sequence[Drawing], money: style.Money
) -> dict[str, Any]:
    """What the template needs of one market."""
    market, users = result.scenario.market, result.scenario.users
    mine = {name: table.where(scenario=result.name) for name, table in tables.items()}
    focus = result.verdict.rationality
    named = [market.providers[i] for i in result.highlighted]
    split = partial(_by_rationality, result=result, focus=focus)
    levels = market.mask.sum(axis=1)
    outside = float(users.outside_value[0])
    return {
        "slug": f"market-{index + 1}",
        "name": style.shorten(result.name, 80),
        "meta": (
            f"{style.count(market.num_providers, 'provider')}, "
            + (f"{levels.min()} to {levels.max()}" if levels.min() < levels.max() else f"{levels.max()}")
            + f" levels each. A correct answer is worth {money.amount(float(users.value_per_correct[0]))} {money.per}; "
            f"any answer {style.plain(100 * float(users.baseline))}% of that. "
            + ("Users must buy." if np.isinf(outside) else f"Not buying is worth {money.amount(outside)}.")
        ),
        "focus": style.plain(focus),
        "findings": scenario_findings(result, money),
        "legend": named,
        "others": market.num_providers - len(named),
        "figures": drawings[: len(PANELS)],
        "ledger_figure": drawings[len(PANELS)],
        "mechanism_figures": drawings[len(PANELS) + 1 :],
        "equilibria": mine["equilibria"].but("Equilibria by β", "scenario", "reason", "note"),
        "remarks": _remarks(result),
        "auction": mine["auctions"].but(mine["auctions"].caption, "scenario"),
        "profiles": split(mine["profiles"], hidden=("scenario", "rationality")),
        "ledger": mine["ledger"].but(mine["ledger"].caption, "scenario"),
        "mechanisms": split(mine["mechanisms"], hidden=("scenario", "rationality", *_unused(mine["mechanisms"]))),
        "provision": split(mine["provision"], hidden=("scenario", "rationality")),
        "continuous": mine["continuous"].but(
            mine["continuous"].caption, "scenario", "rationality", "welfare", "max_regret", "complete"
        ),
        "continuous_reason": _continuous_reason(result),
        "curves": mine["curves"].but(mine["curves"].caption, "scenario"),
    }


def _unused(table: Table) -> list[str]:
    """Columns for remarks of a table without any."""
    return ["note"] if not any(row["note"] for row in table.rows) else []


def _continuous_reason(result: Result) -> str:
    """How many continuous equilibria there are, and why."""
    found = result.continuous.found
    if found is None:
        return f"No continuous game: {result.continuous.reason}."
    number = style.count(len(found), "equilibrium").replace("equilibriums", "equilibria")
    jumps = f"; {found.skipped} more balances lie in a jump of a best reply and are none" if found.skipped else ""
    return (
        f"{number}, list {'complete' if found.complete else 'perhaps incomplete'}: {result.continuous.reason}{jumps}."
    )


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


def _by_rationality(table: Table, *, result: Result, focus: float, hidden: tuple[str, ...]) -> list[dict[str, Any]]:
    """One part of a table for each β; of several equilibria the first few, the rest stands in the files."""
    parts = []
    for verdict in result.verdicts:
        rows, note = table.where(rationality=verdict.rationality), ""
        number = len(verdict.efficiency.equilibria)
        if any(column.key == "equilibrium" and column.kind == "plain" for column in table.columns):
            shown = min(number, 4)
            kept = tuple(row for row in rows.rows if row["equilibrium"] <= shown)
            rows = Table(rows.name, rows.caption, rows.columns, kept)
            if number > 1:
                note = f" ({number} equilibria, lowest welfare first" + (
                    f"; the first {shown})" if shown < number else ")"
                )
            hide = hidden if number > 1 else (*hidden, "equilibrium")
        else:
            hide = hidden
        part = rows.but(f"{table.caption}, β = {style.plain(verdict.rationality)}", *hide)
        parts.append(
            {
                "beta": style.plain(verdict.rationality),
                "note": note,
                "open": verdict.rationality == focus,
                "table": part,
            }
        )
    return parts
