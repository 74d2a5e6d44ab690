"""Bookkeeping while logs are read piece by piece: counts, duplicates, samples numbered anew.

Its memory does not grow with the text of the rows: 20 bytes a row to find duplicates, and a counter per level.
"""

from typing import Any

import numpy as np
import pandas as pd

from games.errors import InputError
from games.logs.chunk import Chunk, ReadOptions
from games.logs.efforts import Effort, pooled_efforts
from games.logs.formats import Source
from games.logs.names import rename_models, two_names
from games.logs.report import FileReport, LevelReport, ReadReport
from games.logs.table import CELL, KEY, settle_unscored
from games.logs.usage import Guess

_SHOWN = 5  # bad lines that are spelled out, per file
_COUNTED = ("samples", "errored", "unscored", "without_answer", "without_tokens")


class Collector:
    """Takes chunks in, gives the rows to keep, and sums up at the end."""

    def __init__(self, sources: list[Source], options: ReadOptions, warnings: list[str]):
        self._options = options
        self._sources = sources
        self._warnings = dict.fromkeys(warnings)
        self._rows = [0] * len(sources)
        self._bad: list[list[str]] = [[] for _ in sources]
        self._num_bad = [0] * len(sources)
        self._guesses: dict[str, tuple[Guess, dict[str, None]]] = {}
        self._efforts: dict[Effort, None] = {}
        self._levels: dict[tuple[Any, ...], np.ndarray] = {}
        self._keys: list[np.ndarray] = []
        self._places: list[np.ndarray] = []
        self._numbers: dict[int, int] = {}

    def add(self, number: int, chunk: Chunk) -> pd.DataFrame:
        """Count a chunk of file ``number``; the rows of it that are kept."""
        source = self._sources[number]
        self._rows[number] += len(chunk.frame)
        self._num_bad[number] += len(chunk.bad_lines)
        self._bad[number] += chunk.bad_lines[: _SHOWN - len(self._bad[number])]
        self._warnings |= dict.fromkeys(f"{source.path}: {warning}" for warning in chunk.warnings)
        for guess in chunk.guesses:
            before, paths = self._guesses.get(guess.what, (None, {}))
            both = guess if before is None else before.plus(guess)
            self._guesses[guess.what] = both, paths | {str(source.path): None}
        self._efforts |= dict.fromkeys(chunk.efforts)
        if chunk.frame.empty:
            return chunk.frame
        table = rename_models(chunk.frame, self._options.aliases)
        if self._options.duplicates == "renumber":
            table = table.assign(sample_index=self._renumbered(table))
        else:
            self._remember(number, table)
        self._count(table)
        return settle_unscored(table.reset_index(drop=True), self._options.errored)

    def report(self) -> ReadReport:
        """Sum up.

        Raises:
            InputError: two rows for one sample.
        """
        self._refuse_duplicates()
        files = tuple(
            FileReport(str(source.path), source.format, rows, tuple(bad), count)
            for source, rows, bad, count in zip(self._sources, self._rows, self._bad, self._num_bad, strict=True)
        )
        empty = [f"{file.path}: no rows" for file in files if file.rows == 0]
        levels = tuple(
            LevelReport(*cell, **dict(zip(_COUNTED, counts.tolist(), strict=True)))
            for cell, counts in self._levels.items()
        )
        names = two_names((level.provider, level.model) for level in levels)
        guesses = [f"{_places(list(paths))}: {guess}" for guess, paths in self._guesses.values()]
        return ReadReport(
            files,
            levels,
            self._options.errored,
            (*self._warnings, *pooled_efforts(self._efforts), *guesses, *empty, *names),
        )

    def _count(self, table: pd.DataFrame) -> None:
        blank = table["correct"].isna()
        counts = pd.DataFrame(
            {
                "samples": 1,
                "errored": blank & table["error"].notna(),
                "unscored": blank & table["error"].isna(),
                "without_answer": table["answer"].isna(),
                "without_tokens": table["billable_output_tokens"].isna(),
            }
        ).astype(int)
        by = [table[name].astype(object).where(table[name].notna(), None) for name in CELL]
        sums = counts.groupby(by, dropna=False, sort=False).sum()
        for cell, row in zip(sums.index, sums.to_numpy(), strict=True):
            names = tuple(None if pd.isna(name) else str(name) for name in cell)
            self._levels[names] = self._levels.get(names, np.zeros(len(_COUNTED), int)) + row

    def _remember(self, number: int, table: pd.DataFrame) -> None:
        self._keys.append(_hash(table, KEY))
        place = np.empty(len(table), dtype=[("file", np.int32), ("at", np.int64)])
        place["file"], place["at"] = number, table.index.to_numpy()
        self._places.append(place)

    def _refuse_duplicates(self) -> None:
        """64-bit hashes of the keys: two different ones agree with probability n²/2⁶⁵, 3e-8 for a million rows."""
        if not self._keys:
            return
        keys, places = np.concatenate(self._keys), np.concatenate(self._places)
        order = np.argsort(keys, kind="stable")
        again = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        if again.size == 0:
            return
        at = again[np.argmin(order[again + 1])]
        first, second = order[at], order[at + 1]
        advice = "keep one of them, or number the samples of each question anew with duplicates='renumber'"
        raise InputError(
            f"{self._place(places[second])}: the same sample (question, sample_index, model, level) as "
            f"{self._place(places[first])}; {advice}"
        )

    def _place(self, place: Any) -> str:
        source = self._sources[int(place["file"])]
        word = {"inspect-eval": "sample", "inspect-json": "sample", "parquet": "row"}.get(source.format, "line")
        return f"{source.path}, {word} {place['at']}"

    def _renumbered(self, table: pd.DataFrame) -> pd.Series:
        """Numbers from 0 within question, model and level, in the order of reading."""
        group = _hash(table, tuple(name for name in KEY if name != "sample_index"))
        within = pd.Series(group).groupby(group).cumcount().to_numpy()
        start = np.array([self._numbers.get(key, 0) for key in group.tolist()])
        number = start + within
        self._numbers.update(zip(group.tolist(), (number + 1).tolist(), strict=True))
        return pd.Series(number, index=table.index, dtype="Int64")


def _places(paths: list[str]) -> str:
    """The first file, and how many more."""
    more = len(paths) - 1
    return paths[0] if more == 0 else f"{paths[0]} and {more} more file{'' if more == 1 else 's'}"


def _hash(table: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    return pd.util.hash_pandas_object(table[list(columns)], index=False).to_numpy()
