"""Read evaluation logs of any known kind: one table, and a report of what was read and left out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from games.logs.chunk import BadLines, Duplicates, ReadOptions
from games.logs.collect import Collector
from games.logs.formats import FORMATS, find_logs
from games.logs.parquet import read_note, table_writer
from games.logs.parquet import read_table as read_table
from games.logs.report import ReadReport, none_left, refuse_unscored
from games.logs.table import Errored


@dataclass(frozen=True)
class Progress:
    """How far a reading has come.

    Args:
        path: the file that is read.
        file: its number, from 1.
        num_files: how many files there are.
        rows: generations read so far, all files together.
        fraction: how much of this file has been read, within [0, 1].
    """

    path: str
    file: int
    num_files: int
    rows: int
    fraction: float


@dataclass(frozen=True)
class Logs:
    """Evaluation logs.

    Args:
        table: one row per generation, with the columns of ``games.logs.table``.
        report: what was read and left out.
    """

    table: pd.DataFrame
    report: ReadReport


def read_logs(
    paths: str | Path | Iterable[str | Path],
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
    aliases: Mapping[str, str] | None = None,
    score: str | None = None,
    filter: str | None = None,
    threshold: float | int | None = None,
    scorer: Callable[[str, Any], object] | None = None,
    count_tokens: Callable[[str], int] | None = None,
    answer_of: Callable[[str], str | None] | None = None,
    errored: Errored = "drop",
    duplicates: Duplicates = "refuse",
    bad_lines: BadLines | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Logs:
    """Read evaluation logs into one table.

    Args:
        paths: files and folders; a folder stands for all logs below it.
        format: one of csv, jsonl, parquet, paper, inspect-eval, inspect-json, lm-eval; told from names and contents
            unless given.
        columns: for flat tables, which column of the file holds which one of the table:
            ``{"sample_index": "epoch"}``.
        constants: values for whole columns, in place of what the logs say: ``{"model": "Ada"}``.
        aliases: new names of models, by their old ones, for a model that logs call by two names.
        score: for Inspect AI, which score counts, where a log has several; ``"name.part"`` for one with parts.
        filter: for lm-eval, under which filter documents are read, where a log has several.
        threshold: the score from which on an answer is right, where scores are not only 0 and 1: on any scale, but scores
            lie within [0, 1] where it does. A flat table without a column ``correct`` is then read by its column ``score``.
        scorer: for lm-eval, whether a response is right: ``scorer(response, line)``, with the line's JSON object.
        count_tokens: for lm-eval, how many tokens a text has.
        answer_of: the answer within a response (lm-eval) or an explanation (paper); needed for majority votes.
        errored: what becomes of generations that failed or were not scored: "drop", "wrong" (counted as wrong
            answers) or "keep" (left without a score).
        duplicates: two rows for one sample of a question are refused, or with "renumber" taken as two samples.
        bad_lines: "refuse" a line that cannot be read, or "count" it and go on. Unless given, those of the paper's
            logs are counted, others refused.
        progress: called with a ``Progress`` after each piece.

    Returns:
        The table and a report.

    Raises:
        InputError: names file and line, what is wrong there, and the remedy.

    Example:
        >>> _ = Path("runs.csv").write_text("question_id,model,epoch,correct\\na,Ada,1,1\\na,Ada,2,0\\nb,Ada,1,\\n")
        >>> logs = read_logs("runs.csv", columns={"sample_index": "epoch"}, constants={"billable_output_tokens": 90})
        >>> print(logs.report)
        3 generations from 1 file
        0 failed and 1 not scored: dropped
        >>> logs.table["correct"].tolist()
        [True, False]
    """
    options = ReadOptions(
        columns=dict(columns or {}),
        constants=dict(constants or {}),
        aliases=dict(aliases or {}),
        score=score,
        filter=filter,
        threshold=threshold,
        scorer=scorer,
        count_tokens=count_tokens,
        answer_of=answer_of,
        errored=errored,
        duplicates=duplicates,
        bad_lines=bad_lines,
    )
    pieces: list[pd.DataFrame] = []
    report = _collect(paths, format, options, progress, pieces.append)
    return Logs(pd.concat(pieces, ignore_index=True), report)


def convert_logs(
    paths: str | Path | Iterable[str | Path],
    output: str | Path,
    *,
    format: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> ReadReport:
    """Read evaluation logs into a Parquet file, piece by piece: memory does not grow with the length of the logs.

    The file takes its place only when everything has been read without an error. ``read_table`` reads it.

    Args:
        paths: files and folders, as in ``read_logs``.
        output: the Parquet file to write; one that is there is replaced.
        format: as in ``read_logs``.
        progress: as in ``read_logs``.
        **options: the other options of ``read_logs``.

    Returns:
        The report; it is kept in the file too, see ``read_report``.

    Raises:
        InputError: as in ``read_logs``, or the place cannot be written to.

    Example:
        >>> _ = Path("runs.csv").write_text("question_id,model,correct\\na,Ada,1\\nb,Ada,0\\n")
        >>> convert_logs("runs.csv", "market.parquet", constants={"billable_output_tokens": 90}).rows
        2
        >>> read_table("market.parquet")["correct"].tolist()
        [True, False]
    """
    given = ReadOptions(**options)
    with table_writer(output) as writer:
        report = _collect(paths, format, given, progress, writer.write)
        writer.close({"report": report.as_dict()})
    return report


def read_report(path: str | Path) -> ReadReport | None:
    """The report of the reading that made a table of ``convert_logs``; None where the file holds none.

    Args:
        path: the Parquet file.

    Example:
        >>> from games.logs import logs_table, write_table
        >>> write_table(logs_table({"question_id": ["a"], "model": "Ada", "correct": [1]}), "plain.parquet")
        >>> read_report("plain.parquet") is None  # nothing was read from logs
        True
    """
    note = read_note(path)
    return ReadReport.from_dict(note["report"]) if "report" in note else None


def _collect(
    paths: str | Path | Iterable[str | Path],
    form: str | None,
    options: ReadOptions,
    progress: Callable[[Progress], None] | None,
    keep: Callable[[pd.DataFrame], None],
) -> ReadReport:
    """Read every file, hand on the rows that are kept, and sum up."""
    sources, warnings = find_logs(paths, form)
    collector = Collector(sources, options, warnings)
    rows = kept = 0
    for number, source in enumerate(sources):
        for chunk in FORMATS[source.format](source.path, options):
            table = collector.add(number, chunk)
            rows += len(chunk.frame)
            kept += len(table)
            if len(table):
                keep(table)
            if progress is not None:
                progress(Progress(str(source.path), number + 1, len(sources), rows, chunk.fraction))
    report = collector.report()
    refuse_unscored(report, options.errored)
    if kept == 0:
        raise none_left(report)
    return report
