"""The command ``ingest``: from evaluation logs to a market file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solver.cli import output
from solver.cli.output import JsonOption, Output
from solver.cli.parse import parse_day, parse_numbers, parse_pairs
from solver.cli.warnings import warning_lines
from solver.cli.wording import told_in_options

if TYPE_CHECKING:
    from games.logs.read import Progress
    from games.market_file import MarketFile
    from games.sampling.question_curves import QuestionCurves

LOGS = "Logs"
LEVELS = "Levels"
PRICES = "Prices"


@told_in_options
def ingest(
    logs: Annotated[list[Path], typer.Argument(metavar="LOGS...", help="Files and folders of logs.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Market file to write: .parquet.")],
    levels: Annotated[
        str,
        typer.Option(help="given, best-of-n, majority, pass-at-k, quantiles or token-caps.", rich_help_panel=LEVELS),
    ] = "given",
    numbers: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="How many samples, 1,4,16; how many quantiles; or the caps, 1000,inf.",
            rich_help_panel=LEVELS,
        ),
    ] = None,
    errored: Annotated[
        str, typer.Option(help="Samples that failed or have no score: drop or wrong.", rich_help_panel=LEVELS)
    ] = "drop",
    benchmark: Annotated[
        str | None, typer.Option(help="Only this one, where the logs hold several.", rich_help_panel=LEVELS)
    ] = None,
    common: Annotated[
        bool,
        typer.Option(
            "--common-questions", help="Only questions that all models and levels answered.", rich_help_panel=LEVELS
        ),
    ] = False,
    prices: Annotated[
        Path | None,
        typer.Option(
            help="CSV: model,usd_per_million_tokens[,provider,usd_per_million_input_tokens,"
            "usd_per_million_cached_tokens,dated], or JSON of LiteLLM or OpenRouter.",
            rich_help_panel=PRICES,
        ),
    ] = None,
    batch_prices: Annotated[
        bool,
        typer.Option("--batch-prices", help="Prices of batches, where the list has them.", rich_help_panel=PRICES),
    ] = False,
    genai_prices: Annotated[
        bool,
        typer.Option("--genai-prices", help="Ask genai-prices for models that --prices lacks.", rich_help_panel=PRICES),
    ] = False,
    recorded_costs: Annotated[
        bool,
        typer.Option(
            "--recorded-costs",
            help="Let the costs in the log stand in where --prices lacks a model.",
            rich_help_panel=PRICES,
        ),
    ] = False,
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="Prices of this day, such as 2025-08-07.", rich_help_panel=PRICES)
    ] = None,
    margin: Annotated[float, typer.Option(help="price / cost - 1.", rich_help_panel=PRICES)] = 0.25,
    format: Annotated[
        str | None,
        typer.Option(
            help="csv, jsonl, parquet, paper, inspect-eval, inspect-json or lm-eval; told from the files.",
            rich_help_panel=LOGS,
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="Which column of a flat file holds NAME.", rich_help_panel=LOGS),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="NAME is VALUE in all rows.", rich_help_panel=LOGS),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Call the model OLD NEW.", rich_help_panel=LOGS),
    ] = None,
    score: Annotated[
        str | None, typer.Option(help="Inspect AI: which score, where a log has several.", rich_help_panel=LOGS)
    ] = None,
    filter: Annotated[
        str | None, typer.Option(help="lm-eval: documents of which filter.", rich_help_panel=LOGS)
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="An answer is right from this score on, on any scale.", rich_help_panel=LOGS)
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(metavar="MODULE:FUNCTION", help="lm-eval: scorer(response, line).", rich_help_panel=LOGS),
    ] = None,
    count_tokens: Annotated[
        str | None,
        typer.Option(metavar="MODULE:FUNCTION", help="lm-eval: count_tokens(text).", rich_help_panel=LOGS),
    ] = None,
    answer_of: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION", help="The answer within a response, for majority.", rich_help_panel=LOGS
        ),
    ] = None,
    bad_lines: Annotated[
        str | None, typer.Option(help="Lines that cannot be read: refuse or count.", rich_help_panel=LOGS)
    ] = None,
    duplicates: Annotated[
        str, typer.Option(help="Two rows for one sample: refuse or renumber.", rich_help_panel=LOGS)
    ] = "refuse",
    json: JsonOption = None,
) -> None:
    """Read evaluation logs into a market file: every sample, the rule that makes levels of them, and list prices.

    Example: ttc-games ingest logs/ -o market.parquet --prices prices.csv
    """
    from games.errors import InputError

    printer = Output(json)
    if out.suffix != ".parquet":
        raise InputError(f"--out {out}: the name must end in .parquet")
    output.check_writable(out, "--out")
    for folder in logs:
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"--out {out}: lies in {folder} and would be read as a log next time; choose another place"
            )
    for option, value, choices in (
        ("--errored", errored, ("drop", "wrong")),
        ("--duplicates", duplicates, ("refuse", "renumber")),
        ("--bad-lines", bad_lines, ("refuse", "count")),
    ):
        if value is not None and value not in choices:
            raise InputError(f"{option} {value}: must be {' or '.join(choices)}")
    from games.logs.common import common_questions
    from games.logs.read import read_logs
    from games.logs.report import none_left, refuse_unscored
    from games.logs.table import settle_unscored
    from games.market_file import LevelRule, MarketFile, table_prices, write_market_file
    from games.prices import PriceTable

    rule = LevelRule(levels, () if numbers is None else parse_numbers("--numbers", numbers))
    at = None if day is None else parse_day("--day", day)
    if batch_prices and prices is None:
        raise InputError("--batch-prices: belongs to --prices; name a list that has prices of batches")
    own = None if prices is None else PriceTable.from_file(prices, batch=batch_prices)
    with output.progress_bar("files read", 1) as update:
        found = read_logs(
            logs,
            format=format,
            columns=parse_pairs("--column", column),
            constants=parse_pairs("--constant", constant),
            aliases=parse_pairs("--alias", alias),
            score=score,
            filter=filter,
            threshold=threshold,
            scorer=_function("--scorer", scorer),
            count_tokens=_function("--count-tokens", count_tokens),
            answer_of=_function("--answer-of", answer_of),
            errored="keep",
            duplicates=duplicates,  # type: ignore[arg-type]
            bad_lines=bad_lines,  # type: ignore[arg-type]
            progress=lambda now: _advance(update, now),
        )
    from dataclasses import replace

    report = replace(found.report, errored_as=errored)
    refuse_unscored(report, errored)
    table = found.table
    if benchmark is not None:
        table = _only(table, benchmark)
    if settle_unscored(table, errored).empty:  # type: ignore[arg-type]
        raise none_left(report)
    asked = table.groupby("benchmark", sort=False)["question_id"].nunique()
    if common:
        table = common_questions(table, errored=errored)  # type: ignore[arg-type]
    made = MarketFile(
        table,
        table_prices(table, own, genai=genai_prices, recorded=recorded_costs, at=at),
        rule,
        errored=errored,  # type: ignore[arg-type]
        margin=margin,
        report=report,
        sources=tuple(Path(file.path).name for file in found.report.files),
    )
    # Levels that cannot be made are found here, before anything is written.
    curves = {name: made.curves(benchmark=name) for name in table["benchmark"].unique().tolist()}
    write_market_file(out, made)
    from solver.cli.serialise_logs import ingest_document

    printer.write(ingest_document(out, made, curves))
    kept = [f"{len(c.questions)} of {asked[name]} questions of {name} are common to all" for name, c in curves.items()]
    printer.show(
        *_ingest_lines(made, curves),
        *(kept if common else []),
        f"\nwritten: {out}; look at it with: ttc-games curves {out}",
    )


def _advance(update: Callable[..., None], now: "Progress") -> None:
    update(
        description=f"{Path(now.path).name}, {now.rows:,} rows",
        completed=now.file - 1 + now.fraction,
        total=now.num_files,
    )


def _only(table: Any, benchmark: str) -> Any:
    """The rows of one benchmark."""
    from games.errors import unknown_name

    known = table["benchmark"].unique().tolist()
    if benchmark not in known:
        raise unknown_name("--benchmark", benchmark, known)
    return table[table["benchmark"] == benchmark].reset_index(drop=True)


def _function(option: str, place: str | None) -> Callable[..., Any] | None:
    """A function of the user's own, ``module:function``; the current folder is looked in first."""
    if place is None:
        return None
    from games.errors import InputError
    from solver.own_code import own_code

    try:
        return own_code(place)
    except InputError as error:
        raise InputError(f"{option} {error}") from None


def _ingest_lines(made: "MarketFile", curves: "dict[str, QuestionCurves]") -> list[Any]:
    assert made.report is not None
    rows = []
    several = made.table["benchmark"].nunique() > 1
    for level in made.report.levels:
        if not (made.table["benchmark"] == level.benchmark).any():
            continue
        price = made.prices.price(level.model, level.provider)
        given = price.usd_per_million_input_tokens
        rows.append(
            [
                f"{level.benchmark}: {level.model}" if several else level.model,
                level.level,
                *(f"{count:,}" for count in (level.samples, level.errored, level.unscored)),
                "recorded" if price.recorded else f"{price.usd_per_million_tokens:g}",
                "recorded" if price.recorded else "unknown" if given is None else f"{given:g}",
            ]
        )
    lines = str(made.report).splitlines()
    counts = [line for line in lines if not line.startswith("warning: ")]
    warnings = [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]
    for each in curves.values():
        warnings += each.notes
    headings = ["samples", "failed", "no score", "$/M out", "$/M in"]
    return [
        *counts,
        output.table("\nRead, by model and level of the log", rows, first=["model", "level"], numbers=headings),
        f"\nLevels: {made.levels.describe()}",
        *warning_lines(warnings),
    ]
