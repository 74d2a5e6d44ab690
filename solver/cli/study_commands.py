"""Commands on many markets: the published tables, the report."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solver.cli import output, serialise
from solver.cli.options import (
    PUBLISHED_RATIONALITY,
    SWEEP_RATIONALITY,
    MarketOptions,
    chosen_rationalities,
    default_list,
    load_markets,
    parse_rationality,
    takes_market,
)
from solver.cli.output import JsonOption, Output, money

if TYPE_CHECKING:
    from solver.reproduce import Cell

Names = Annotated[
    list[str] | None, typer.Argument(metavar="SCENARIO...", help="Bundled markets, such as GSM8K/majority.")
]
RationalityList = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Users' sensitivity β per dollar: a number, a list, or LO:HI:COUNT; 200,1000,100000 by default, or what "
        "--segments states.",
    ),
]


def reproduce(
    failures_only: Annotated[bool, typer.Option("--failures-only", help="Show only cells that fail.")] = False,
    json: JsonOption = None,
) -> None:
    """Recompute every published cell and set it beside ours; exit code 1 if one differs too much."""
    out = Output(json)
    from solver.reproduce import reproduce as recompute
    from solver.reproduce import worst_difference

    cells = recompute()
    out.write(serialise.reproduce_document(cells))
    failed = [cell for cell in cells if not cell.passed]
    for name in dict.fromkeys(cell.scenario for cell in cells):
        rows = [cell for cell in cells if cell.scenario == name and not (failures_only and cell.passed)]
        if rows:
            out.show(_cells_table(name, rows))
    out.show(
        f"{len(cells) - len(failed)} of {len(cells)} published cells met, {len(failed)} failed; largest difference "
        f"{worst_difference(cells):.2e} dollars per query"
    )
    if failed:
        raise typer.Exit(1)


def _cells_table(name: str, cells: "Sequence[Cell]"):
    rows = []
    for cell in cells:
        place = "auction" if cell.rationality is None else f"{cell.rationality:g}"
        if isinstance(cell.published, str) or isinstance(cell.ours, str):
            values = [str(cell.published), str(cell.ours), ""]
        else:
            values = [f"{1000 * cell.published:.2f}", money(cell.ours), f"{1000 * cell.difference:.4f}"]
        rows.append([place, cell.quantity, *values, "yes" if cell.passed else "NO"])
    title = f"\n{name} ({output.PER_THOUSAND})"
    numbers = ["published", "ours", "difference"]
    return output.table(title, rows, first=["β", "quantity"], numbers=numbers, texts=["met"])


@takes_market
def report(
    market: MarketOptions,
    directory: Annotated[Path, typer.Option("--out", "-o", help="Directory of the report; made if missing.")],
    scenarios: Names = None,
    rationality: RationalityList = None,
    sweep_rationality: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="β of the sweep's pictures, as for --rationality; 1:1e6:100 by default."),
    ] = None,
    mechanism: Annotated[
        list[str] | None,
        typer.Option(
            help="A mechanism to compare, as in `compare`; repeat for more, the first is what the others are set against."
        ),
    ] = None,
    figures: Annotated[bool, typer.Option(help="Also write every chart as an SVG and a PDF file.")] = True,
    json: JsonOption = None,
) -> None:
    """Write one self-contained HTML page with pictures, and its tables as CSV and JSON; all bundled markets by default.

    Example: ttc-games report GSM8K/majority -o report
    """
    out = Output(json)
    if rationality is not None:
        parse_rationality(rationality)  # refuses a text that is none before a file is read
    if sweep_rationality is not None:
        parse_rationality(sweep_rationality)
    _require_report_packages()
    from games import scenario_names
    from solver.report import write_report

    chosen = load_markets(scenarios or [], market, default=scenario_names())
    beta, notes = chosen_rationalities(rationality, PUBLISHED_RATIONALITY, chosen[0], market)
    out.show(*notes)
    swept = sweep_rationality or default_list(SWEEP_RATIONALITY, chosen[0], market)
    for scenario in chosen:
        scenario.game(float(beta[0]))  # refuses a market that cannot be solved before anything is written
    usual = default_list(PUBLISHED_RATIONALITY, chosen[0], market)
    written = [] if rationality is None and market.segments else ["--rationality", rationality or usual]
    places = ["-o", str(directory), *written, "--sweep-rationality", swept]
    places += [part for name in mechanism or [] for part in ("--mechanism", name)] + (
        [] if figures else ["--no-figures"]
    )
    command = shlex.join(["ttc-games", "report", *(scenarios or []), *market.arguments(), *places])
    from solver.mechanisms.registry import mechanism as by_name

    shelf = [by_name(name) for name in mechanism] if mechanism else None
    with output.progress_bar("report", 1) as update:
        page = write_report(
            chosen,
            directory,
            rationality=beta.tolist(),
            sweep_rationality=parse_rationality(swept),
            progress=lambda stage, done, total: update(description=stage, completed=done, total=total),
            command=command,
            mechanisms=shelf,
            figures=figures,
        )
    out.write(serialise.report_document(str(page), chosen, beta))
    out.show(f"report: {page}")


def _require_report_packages() -> None:
    from importlib.util import find_spec

    from games.errors import InputError

    for module, package in (("vl_convert", "vl-convert-python"), ("jinja2", "jinja2")):
        if find_spec(module) is None:
            raise InputError(f"report: {package} is not installed; run: pip install 'ttc-games[report]'")
