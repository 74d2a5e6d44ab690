"""The command ``curves``: measured levels with their intervals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solver.cli import output
from solver.cli.market_files import load_curves
from solver.cli.output import JsonOption, Output, money
from solver.cli.warnings import warning_lines

if TYPE_CHECKING:
    import xarray as xr

    from games.sampling.question_curves import QuestionCurves


def curves(
    market: Annotated[
        str, typer.Argument(metavar="MARKET", help="Market file, or frontier/gpqa-diamond or frontier/aime-2025.")
    ],
    benchmark: Annotated[str | None, typer.Option(help="Which one, where the file holds several.")] = None,
    providers: Annotated[str | None, typer.Option(help="Only these, comma-separated.")] = None,
    confidence: Annotated[float, typer.Option(help="Of each interval by itself.")] = 0.95,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Picture of the curves: .svg or .png.")] = None,
    json: JsonOption = None,
) -> None:
    """Show the accuracy and tokens of every level with their intervals.

    Example: ttc-games curves market.parquet --plot curves.svg
    """
    out = Output(json)
    if plot is not None:
        output.check_picture(plot)
    from solver import curve_intervals
    from solver.cli.serialise_logs import curves_document

    name, source, found = load_curves(market, benchmark, providers)
    intervals = curve_intervals(found, level=confidence)
    if plot is not None:
        from solver.report.figures_curves import curves_figure

        output.write_picture(plot, lambda: curves_figure(found, intervals))
    out.write(curves_document(name, source, found, intervals))
    out.show(
        f"{name}: {found.num_questions} questions; {source}",
        _curves_table(found, intervals),
        *warning_lines(found.notes if market.endswith(".parquet") else ()),
        *([] if plot is None else [f"written: {plot}"]),
    )


UNKNOWN = "unknown"  # the interval of a level that one question measured


def _curves_table(found: "QuestionCurves", intervals: "xr.Dataset"):
    import numpy as np

    measured = found.market()
    number = intervals.num_questions.values
    uneven = bool((number[found.mask] != found.num_questions).any())
    rows = []
    for i, (name, labels) in enumerate(zip(found.providers, found.level_labels, strict=True)):
        for k, label in enumerate(labels):
            low, high = 100 * intervals.accuracy_interval.values[i, k]
            few, many = intervals.tokens_interval.values[i, k]
            row = [
                "" if k else name,
                label,
                f"{100 * float(intervals.accuracy[i, k]):.1f}",
                f"{low:.1f}-{high:.1f}" if np.isfinite(many) else UNKNOWN,
                f"{float(intervals.tokens[i, k]):,.0f}",
                f"{_short(few)}-{_short(many)}" if np.isfinite(many) else UNKNOWN,
                money(float(measured.price[i, k])),
            ]
            rows.append([*row, str(number[i, k])] if uneven else row)
    percent = f"{100 * float(intervals.attrs['level']):g} %"
    headings = ["% right", percent, "tokens", percent, "price", *(["questions"] if uneven else [])]
    title = f"\nMeasured levels and their intervals; price in {output.PER_THOUSAND}"
    return output.table(title, rows, first=["provider", "level"], numbers=headings)


def _short(tokens: float) -> str:
    """Three digits of a number of tokens.

    Example:
        >>> _short(8993.2), _short(412.6), _short(24.52), _short(float("inf"))
        ('8.99k', '413', '24.5', 'inf')
    """
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if size <= tokens < float("inf"):
            return f"{tokens / size:.3g}{letter}"
    return f"{tokens:.3g}"
