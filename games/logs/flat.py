"""Flat tables, one row per generation: CSV, JSON lines or Parquet, with a map of column names.

Columns that have the canonical names need no map. Where there is no ``billable_output_tokens``, it is made from the parts of
usage (``games.logs.usage``), under their own names, mapped ones, or those that vendors give them.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from games.errors import InputError, unknown_name
from games.logs.chunk import Chunk, ReadOptions, canonical
from games.logs.conventions import column_convention
from games.logs.efforts import unread_efforts
from games.logs.lines import Line, json_object, opened, read_lines
from games.logs.nested import paths, with_nested
from games.logs.report import NO_CORRECT
from games.logs.table import COLUMNS, DEFAULTS, REQUIRED, token_numbers
from games.logs.usage import FIELDS, Guess, read_usage
from games.separated import separator_of

_SCORE = "score"
_BILLED = "billable_output_tokens"
_VENDOR_NAMES = {
    "input_tokens": ("prompt_tokens", "prompt_token_count"),
    "output_tokens": ("completion_tokens", "candidates_token_count"),
    "total_tokens": ("total_token_count",),
    "cache_read_tokens": (
        "cached_tokens",
        "cache_read_input_tokens",
        "cached_input_tokens",
        "input_tokens_cache_read",
        "cached_content_token_count",
    ),
    "cache_write_tokens": ("cache_creation_input_tokens", "input_tokens_cache_write"),
    "reasoning_tokens": ("thinking_tokens", "thoughts_token_count"),
}
_ALWAYS = (*REQUIRED, *DEFAULTS, "sample_index")  # columns without missing values


def read_csv(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """A CSV file with a header line; a row with more or fewer fields than the header is a bad line."""
    lines: list[Line] = []  # those of the row that is being read: a field in quotes may hold line breaks

    def texts() -> Iterator[str]:
        for line in read_lines(path, blank=True):
            lines.append(line)
            yield line.text

    first = next(read_lines(path), None)
    separator = "," if first is None else separator_of(first.text, f"{path}, line {first.number}")
    rows = csv.reader(texts(), delimiter=separator, strict=True)
    header: list[str] = []
    fields: list[list[str]] = []
    places: list[int] = []
    bad: list[str] = []
    while True:
        lines.clear()
        try:
            row = next(rows, None)
        except csv.Error as error:
            advice = "a field that holds quotes or line breaks must stand in double quotes"
            raise InputError(f"{path}, line {lines[0].number}: not CSV ({error}); {advice}") from None
        if row is None:
            break
        if not any(field.strip() for field in row):
            continue
        line = lines[0]
        if not header:
            header = _header([name.strip() for name in row], path, line.number)
        elif len(row) != len(header):
            _complain(f"has {len(row)} fields, the header {len(header)}", path, line.number, options, bad)
        else:
            fields.append(row)
            places.append(line.number)
        if len(fields) >= options.chunk_rows:
            yield _chunk(path, _strings(fields, header, places), options, line.fraction, bad)
            fields, places, bad = [], [], []
    if not header:
        raise InputError(f"{path}: the file is empty; it needs a header line and at least one row")
    yield _chunk(path, _strings(fields, header, places), options, 1.0, bad)


def read_jsonl(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """A file with one JSON object per line."""
    records: list[dict[str, Any]] = []
    places: list[int] = []
    bad: list[str] = []
    seen: dict[str, bool] = {}  # names of fields, and whether each is a path into another one
    for line in read_lines(path):
        try:
            records.append(json_object(line.text))
            places.append(line.number)
        except ValueError as error:
            _complain(str(error), path, line.number, options, bad)
        if len(records) >= options.chunk_rows:
            yield _chunk(path, _objects(records, places, seen, options), options, line.fraction, bad)
            records, places, bad = [], [], []
    yield _chunk(path, _objects(records, places, seen, options), options, 1.0, bad)
    # Only the whole file tells that an optional column is never there.
    _wanted_columns(options, seen, str(path))


def read_parquet_rows(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """A Parquet file, batch by batch."""
    from games.logs.parquet import batches

    with opened(path):
        pass
    start = 1
    for frame, fraction in batches(path, options.chunk_rows):
        index = pd.RangeIndex(start, start + len(frame), name="row")
        start += len(frame)
        yield _chunk(path, frame.set_axis(index), options, fraction, [])


def _header(names: list[str], path: Path, line: int) -> list[str]:
    repeated = [name for k, name in enumerate(names) if name in names[:k]]
    if repeated:
        raise InputError(f"{path}, line {line}: column {repeated[0]!r} stands there twice; rename one")
    return names


def _strings(fields: list[list[str]], header: Sequence[str], places: list[int]) -> pd.DataFrame:
    columns = list(zip(*fields, strict=True)) or [()] * len(header)
    index = pd.Index(places, name="line", dtype="int64")
    data = {
        name: pd.Series(column, index=index, dtype=pd.StringDtype())
        for name, column in zip(header, columns, strict=True)
    }
    return pd.DataFrame(data, index=index)


def _objects(
    records: list[dict[str, Any]], places: list[int], seen: dict[str, bool], options: ReadOptions
) -> pd.DataFrame:
    """Object columns, so that no value changes its type on the way; ``seen`` gathers the names.

    An object may leave out what it does not know: a mapped column of those that may be missing is made up here.
    """
    seen.update(dict.fromkeys((name for record in records for name in record), False))
    optional = [name for column, name in options.columns.items() if column not in _ALWAYS]
    index = pd.Index(places, name="line", dtype="int64")
    cells = {
        name: pd.Series([record.get(name) for record in records], index=index, dtype=object)
        for name, nested in seen.items()
        if not nested
    }
    rows = with_nested(pd.DataFrame(cells, index=index), list(options.columns.values()))
    wanted = [name for name in options.columns.values() if name in rows]
    seen.update({name: True for name in (*paths(rows), *wanted) if name not in seen})
    made_up = [name for name in optional if name not in rows] if records else []
    return rows.assign(**{name: pd.Series([None] * len(records), index=index, dtype=object) for name in made_up})


def _complain(what: str, path: Path, line: int, options: ReadOptions, bad: list[str]) -> None:
    """Count a bad line, where the user said so, or refuse it."""
    if options.bad_lines != "count":
        raise InputError(f"{path}, line {line}: {what}; mend the line, or leave bad lines out with bad_lines='count'")
    bad.append(f"line {line}: {what}")


def _chunk(path: Path, rows: pd.DataFrame, options: ReadOptions, fraction: float, bad: list[str]) -> Chunk:
    if len(rows) == 0:
        empty = pd.DataFrame({column: [] for column in REQUIRED}, index=rows.index)
        return Chunk(canonical(empty, options, str(path)), fraction, tuple(bad))
    rows = with_nested(rows, list(options.columns.values()))
    mapped, warnings, guesses = _mapped(rows, options, str(path))
    frame = canonical(mapped, options, str(path))
    has_level = "level" in mapped or "level" in options.constants
    efforts = () if has_level else unread_efforts(rows, frame["model"])
    return Chunk(frame, fraction, tuple(bad), tuple(warnings), guesses, efforts)


def _wanted_columns(options: ReadOptions, have: Iterable[str], source: str) -> None:
    have = list(have)
    for column, name in options.columns.items():
        if name not in have:
            error = unknown_name("column", name, have)
            raise InputError(f"{source}: the column map wants {column} from {name!r}, which is not there ({error})")


def _mapped(rows: pd.DataFrame, options: ReadOptions, source: str) -> tuple[pd.DataFrame, list[str], tuple[Guess, ...]]:
    """Rename by the user's map, and read the tokens."""
    have = [str(name) for name in rows.columns]
    _wanted_columns(options, [*have, *(name for name in paths(rows) if name not in have)], source)
    if options.columns.get(_BILLED) == "reasoning_tokens":
        raise InputError(f"{source}: thinking tokens alone are never the bill; map {_BILLED} to all output tokens")
    taken = set(options.columns.values())
    names = {column: column for column in have if column in COLUMNS and column not in taken}
    names |= {column: name for column, name in options.columns.items() if column in COLUMNS}
    mapped = {column: rows[name] for column, name in names.items()}
    for column in REQUIRED:
        if column not in mapped and column not in options.constants:
            raise InputError(
                f"{source}: no column {column!r}, found are {', '.join(have)}; "
                f"say which one it is with columns={{{column!r}: ...}}"
            )
    usage, warnings = _usage_columns(names, have, options)
    guesses: tuple[Guess, ...] = ()
    if usage:
        logged = pd.DataFrame({field: token_numbers(rows[name], name, source) for field, name in usage.items()})
        read = read_usage(logged, column_convention(usage.values()))
        known = [name for name in read.tokens if read.tokens[name].notna().any() or name in mapped]
        mapped |= {str(name): read.tokens[name] for name in known}
        guesses = read.guesses
    if "correct" not in mapped and "correct" not in options.constants:
        if options.threshold is not None and _SCORE in have and _SCORE not in taken:
            mapped["correct"] = rows[_SCORE]
            warnings.append(f"right is a {_SCORE} of {options.threshold:g} or more, as there is no column correct")
        else:
            warnings.append(
                f"{NO_CORRECT}, found are {', '.join(have)}; say which one it is with columns={{'correct': ...}}, and for "
                "scores from where on they are right with threshold="
            )
    return pd.DataFrame(mapped, index=rows.index), warnings, guesses


def _usage_columns(
    names: dict[str, str], have: Sequence[str], options: ReadOptions
) -> tuple[dict[str, str], list[str]]:
    """Which column of the file holds which part of usage, and what the user should know of it."""
    warnings = []
    taken = set(options.columns.values())
    usage: dict[str, str] = {}
    for field in FIELDS:
        free = [name for name in (field, *_VENDOR_NAMES.get(field, ())) if name in have and name not in taken]
        if field in options.columns or free:
            usage[field] = options.columns.get(field) or free[0]
    if "cached_tokens" in options.columns:
        usage["cache_read_tokens"] = options.columns["cached_tokens"]
    if _BILLED in names:
        usage.pop("output_tokens", None)
        usage[_BILLED] = names[_BILLED]
    elif _BILLED in options.constants:
        usage = {field: name for field, name in usage.items() if field not in ("output_tokens", "total_tokens")}
    elif "output_tokens" not in usage and "total_tokens" not in usage:
        warnings.append(f"no column {_BILLED}: levels will have no tokens; say which one it is in the column map")
    elif "total_tokens" not in usage and "reasoning_tokens" not in usage:
        warnings.append(f"{_BILLED} is taken from output_tokens; if thinking is billed beside them, give total_tokens")
    other = [f"{field} from {name}" for field, name in usage.items() if field not in options.columns and field != name]
    other = [text for text in other if text != "cache_read_tokens from cached_tokens"]
    if other:
        warnings.append(f"usage is read by the vendor's names: {', '.join(other)}; name others in the column map")
    return usage, warnings
