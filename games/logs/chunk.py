"""What a reader of logs is told, and what it yields."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from games.errors import InputError, unknown_name
from games.logs.efforts import Effort
from games.logs.table import COLUMNS, REQUIRED, Errored, logs_table
from games.logs.usage import FIELDS, Guess

BadLines = Literal["refuse", "count"]
Duplicates = Literal["refuse", "renumber"]


@dataclass(frozen=True)
class ReadOptions:
    """How logs are read; what each option means stands at ``read_logs``."""

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    score: str | None = None
    filter: str | None = None
    threshold: float | int | None = None
    scorer: Callable[[str, Any], object] | None = None
    count_tokens: Callable[[str], int] | None = None
    answer_of: Callable[[str], str | None] | None = None
    errored: Errored = "drop"
    duplicates: Duplicates = "refuse"
    bad_lines: BadLines | None = None
    chunk_rows: int = 20_000

    def __post_init__(self):
        known = {"errored": ("drop", "wrong", "keep"), "duplicates": ("refuse", "renumber")}
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise unknown_name(f"value of {name}", str(getattr(self, name)), values)
        if self.bad_lines not in (None, "refuse", "count"):
            raise unknown_name("value of bad_lines", str(self.bad_lines), ("refuse", "count"))
        # A flat table may hold usage in parts, of which the reader makes the columns of the table.
        for name, known_columns in (("columns", dict.fromkeys((*COLUMNS, *FIELDS))), ("constants", COLUMNS)):
            for column in getattr(self, name):
                if column not in known_columns:
                    raise unknown_name(f"column of the logs table, in {name}", str(column), known_columns)
        if self.chunk_rows < 1:
            raise InputError(f"chunk_rows is {self.chunk_rows}; it must be at least 1")


@dataclass(frozen=True)
class Chunk:
    """Rows of one log.

    Args:
        frame: canonical rows; the index is the line of each in the file, named "line", or its number, named "row".
        fraction: how much of the file has been read, within [0, 1].
        bad_lines: what was wrong with each line that was left out, with its number.
        warnings: what the user should know.
        guesses: what the log does not settle; those of one kind are added up over all chunks and files.
        efforts: efforts that were not read as levels.
    """

    frame: pd.DataFrame
    fraction: float = 1.0
    bad_lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    guesses: tuple[Guess, ...] = ()
    efforts: tuple[Effort, ...] = ()


Reader = Callable[[Path, ReadOptions], Iterator[Chunk]]


def canonical(rows: pd.DataFrame, options: ReadOptions, source: str) -> pd.DataFrame:
    """Rows with the user's constants, checked; unlike ``logs_table`` it keeps the index, which says where a row is."""
    rows = rows.assign(**{name: pd.Series(value, index=rows.index) for name, value in options.constants.items()})
    for column in REQUIRED:
        if column not in rows.columns:
            raise InputError(f"{source}: does not say the {column}; give it with constants={{{column!r}: ...}}")
    return logs_table(rows, source=source, threshold=options.threshold).set_axis(rows.index)
