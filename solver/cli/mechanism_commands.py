"""The command that sets mechanisms side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solver.cli import output, serialise
from solver.cli.market_commands import losers_text
from solver.cli.options import (
    PUBLISHED_RATIONALITY,
    MarketOptions,
    chosen_rationalities,
    load_markets,
    parse_rationality,
    takes_market,
)
from solver.cli.output import JsonOption, Output, money
from solver.cli.study_commands import Names, RationalityList
from solver.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from games import Scenario


@takes_market
def compare(
    market: MarketOptions,
    scenarios: Names = None,
    rationality: RationalityList = None,
    mechanism: Annotated[
        list[str] | None,
        typer.Option(
            help="A mechanism by name, or a class of your own as module:Class; repeat for more, the first is what the "
            "others are set against. All by default; 'list' prints the names."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="CSV file: one row per market, rationality and mechanism.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Set mechanisms side by side: users, providers, platform, welfare, who loses, and what gaming each would gain.

    Example: ttc-games compare GPQA/reasoning_effort --rationality 1000 --mechanism pay-per-compute --mechanism second-score
    """
    printer = Output(json)
    from solver.mechanisms.registry import MECHANISMS
    from solver.mechanisms.registry import mechanism as by_name

    if mechanism == ["list"]:
        printer.show("\n".join(MECHANISMS))
        return
    if out is not None:
        _check_csv(out)
    if rationality is not None:
        parse_rationality(rationality)  # refuses a text that is none before a file is read
    chosen = load_markets(scenarios or [], market)
    beta, scaled = chosen_rationalities(rationality, PUBLISHED_RATIONALITY, chosen[0], market)
    printer.show(*scaled)
    for scenario in chosen:
        scenario.game(float(beta[0]))  # refuses a market that cannot be solved before anything is computed
    shelf = [by_name(name) for name in mechanism or MECHANISMS]
    shelf_names = [one.name for one in shelf]
    from solver.compare import compare as run

    with output.progress_bar("outcomes", len(chosen) * len(beta) * len(shelf)) as update:
        found = run(chosen, beta, shelf, progress=lambda steps: update(advance=steps))
    if out is not None:
        frame = found.table.assign(losers=found.table["losers"].map("; ".join))
        write_whole(out, lambda file: frame.to_csv(file, index=False, na_rep="nan"))
    printer.write(serialise.compare_document(chosen, found))
    for scenario in chosen:
        printer.show(_table(scenario, found.table[found.table["scenario"] == scenario.name]))
        notes = found.table[(found.table["scenario"] == scenario.name) & (found.table["note"] != "")]
        for name, note in notes.drop_duplicates(["mechanism", "note"])[["mechanism", "note"]].itertuples(index=False):
            printer.show(f"{name}: {note}")
        first = found.table[(found.table["scenario"] == scenario.name) & (found.table["mechanism"] == shelf_names[0])]
        missing = first[first["welfare"].isna()]["rationality"].tolist()
        if missing and len(shelf_names) > 1:
            betas = ", ".join(f"{each:g}" for each in missing)
            printer.show(f"Nothing is compared at β = {betas}: {shelf_names[0]} has no outcome there")
    if out is not None:
        printer.show(f"written: {out}")


def _check_csv(path: Path) -> None:
    from games.errors import InputError

    if path.suffix != ".csv":
        raise InputError(f"--out {path}: the name must end in .csv (for JSON give --json)")
    output.check_writable(path, "--out")


def _table(scenario: "Scenario", rows: "pd.DataFrame"):
    """One block of rows per β, the amounts in dollars per 1000 queries."""
    cells: list[list[str]] = []
    for beta, block in rows.groupby("rationality", sort=False):
        rested = bool(block["welfare"].notna().iloc[0])
        for number, row in enumerate(block.to_dict("records")):
            amounts = (row["user_value"], row["profits"], row["platform"], row["welfare"], row["misreport_gain"])
            compared = number > 0 and rested and row["welfare"] == row["welfare"]
            losers = losers_text(row["losers"], scenario.market.providers) if compared else ""
            cells.append(["" if number else f"{beta:g}", row["mechanism"], *map(_amount, amounts), losers])
        cells.append([])
    return output.table(
        f"\n{scenario.name} ({output.PER_THOUSAND}); gaming: the most a provider gains by leaving honest play",
        cells,
        first=["β", "mechanism"],
        numbers=["users", "profit", "platform", "welfare", "gaming"],
        texts=["who loses"],
    )


def _amount(value: float) -> str:
    return "-" if value != value else money(value)
