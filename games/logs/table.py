"""The canonical table of evaluation logs: one row per generation, every value checked where it enters.

Columns, in this order (``COLUMNS``); tokens are counts, money is US dollars:

=======================  =========  ========================================================================
benchmark                text       name of the benchmark
question_id              text       the question, the same for all models
provider                 text, NA   who sells the model
model                    text       the model's name
level_kind               text       what the level is: reasoning_effort, thinking_budget, ...; default "default"
level                    text       the level of compute, as a label; default "default"
sample_index             Int64      number of the sample among those of its question, model and level
answer                   text, NA   the parsed answer, or a code for it; needed for majority voting
correct                  boolean    whether the answer is right; NA: errored (``error`` says why) or not scored
reward                   Float64    score of a reward model for this answer, any scale; NA where there is none
input_tokens             Float64    tokens of the prompt, those read from a cache included; NA where unknown
cached_tokens            Float64    tokens of the prompt read from a cache, a part of input_tokens; NA where unknown
billable_output_tokens   Float64    output tokens as billed, thinking included once; NA where unknown
reasoning_tokens         Float64    thinking tokens, a part of the billed ones; NA where unknown
cost_usd                 Float64    recorded cost of the generation, dollars; NA where unknown
error                    text, NA   why the generation failed
=======================  =========  ========================================================================
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from games.errors import InputError
from games.logs.texts import MISSING, label_of, place_of
from games.logs.verdicts import read_verdicts

COLUMNS: dict[str, str] = {
    "benchmark": "string",
    "question_id": "string",
    "provider": "string",
    "model": "string",
    "level_kind": "string",
    "level": "string",
    "sample_index": "Int64",
    "answer": "string",
    "correct": "boolean",
    "reward": "Float64",
    "input_tokens": "Float64",
    "cached_tokens": "Float64",
    "billable_output_tokens": "Float64",
    "reasoning_tokens": "Float64",
    "cost_usd": "Float64",
    "error": "string",
}
"""The columns of the table and their dtypes, in order; the module says what each holds."""

REQUIRED = ("question_id", "model")
LATER = ("cached_tokens",)
"""Columns that tables written by earlier versions do not have; they are NA there."""

DEFAULTS = {"benchmark": "default", "level_kind": "default", "level": "default"}
CELL = ("benchmark", "provider", "model", "level_kind", "level")
"""The columns that say which model at which level."""

KEY = (*CELL, "question_id", "sample_index")
"""The columns that say which sample; no two rows may agree in all of them."""

Errored = Literal["drop", "wrong", "keep"]

_NUMERIC = ("integer", "floating", "mixed-integer-float", "integer-na")  # kinds of column that need no parsing


def logs_table(
    data: pd.DataFrame | Mapping[str, Any], *, source: str = "table", threshold: float | int | None = None
) -> pd.DataFrame:
    """Check rows of generations and give them the canonical columns and nullable dtypes.

    Columns that are absent get their default: benchmark, level_kind and level "default"; sample_index by order of
    appearance; the others NA. Further columns are dropped. ``question_id`` and ``model`` must be there. Duplicates
    are not looked for here: see ``refuse_duplicates``.

    Args:
        data: one row per generation. An index with a name ("line") makes messages speak of that.
        source: what messages call the data, usually a file.
        threshold: count an answer as right from this score on, where ``correct`` holds scores: within [0, 1] where the
            threshold is, else on any scale.

    Returns:
        A new frame with ``COLUMNS`` and a plain index.

    Raises:
        InputError: names the source, the row, the value and the remedy.

    Example:
        >>> table = logs_table({"question_id": ["a", "a"], "model": "Ada", "correct": [1, None]})
        >>> table[["model", "level", "sample_index", "correct"]]
          model    level  sample_index  correct
        0   Ada  default             0     True
        1   Ada  default             1     <NA>
    """
    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(dict(data))
    for column in REQUIRED:
        if column not in frame.columns:
            have = ", ".join(map(str, frame.columns))
            raise InputError(f"{source}: column {column!r} is missing, found are {have}; name it with a column map")
    columns: dict[str, pd.Series] = {}
    for column, dtype in COLUMNS.items():
        if column not in frame.columns:
            if column != "sample_index":
                columns[column] = pd.Series(DEFAULTS.get(column, pd.NA), index=frame.index, dtype=_dtype(dtype))
        elif dtype == "string":
            columns[column] = _text(frame[column], column, source)
        elif dtype == "boolean":
            columns[column] = read_verdicts(frame[column], source, threshold)
        else:
            columns[column] = _numbers(frame[column], column, source)
    if "sample_index" not in columns:
        keys = pd.DataFrame({key: columns[key] for key in KEY if key != "sample_index"})
        columns["sample_index"] = keys.groupby(list(keys), dropna=False, sort=False).cumcount().astype("Int64")
    return pd.DataFrame({column: columns[column] for column in COLUMNS}).reset_index(drop=True)


def settle_unscored(table: pd.DataFrame, errored: Errored = "drop") -> pd.DataFrame:
    """Decide what becomes of generations that have no ``correct``: those that failed, and those nobody scored.

    Args:
        table: the canonical table.
        errored: "drop" leaves them out, as leaderboards do, which flatters a model that fails on hard questions;
            "wrong" counts them as wrong answers; "keep" leaves them as they are.

    Raises:
        InputError: another word than these three.

    Example:
        >>> table = logs_table({"question_id": ["a", "b"], "model": "Ada", "correct": [True, None]})
        >>> len(settle_unscored(table)), settle_unscored(table, "wrong")["correct"].tolist()
        (1, [True, False])
    """
    if errored == "drop":
        return table[table["correct"].notna()].reset_index(drop=True)
    if errored == "wrong":
        return table.assign(correct=table["correct"].fillna(False))
    if errored == "keep":
        return table
    raise InputError(f"errored is {errored!r}; it must be 'drop', 'wrong' or 'keep'")


def refuse_duplicates(table: pd.DataFrame, *, source: str = "table") -> None:
    """Refuse two rows for one sample of one question, model and level.

    Args:
        table: the canonical table.
        source: what messages call it, usually a file.

    Raises:
        InputError: names both rows and what to do.

    Example:
        >>> rows = {"question_id": ["a", "a"], "sample_index": [0, 0], "model": "Ada", "correct": [1, 0]}
        >>> refuse_duplicates(logs_table(rows))
        Traceback (most recent call last):
        games.errors.InputError: table, row 1: repeats row 0 (question a, sample 0, model Ada, default default); ...
    """
    repeated = table.duplicated(list(KEY), keep="first")
    if repeated.any():
        row = table.index[repeated.to_numpy()][0]
        same = table[list(KEY)].fillna("").eq(table.loc[row, list(KEY)].fillna("")).all(axis=1)
        first = table.index[same.to_numpy()][0]
        raise duplicate_error(table.loc[row], f"{source}, row {row}", f"row {first}")


def duplicate_error(row: pd.Series, place: str, first: str) -> InputError:
    """Word the error for a row that repeats another one."""
    return InputError(
        f"{place}: repeats {first} (question {row['question_id']}, sample {row['sample_index']}, model {row['model']}, "
        f"{row['level_kind']} {row['level']}); keep one of them, or renumber the samples with duplicates='renumber'"
    )


def _dtype(name: str) -> Any:
    return pd.StringDtype() if name == "string" else name


def _text(values: pd.Series, column: str, source: str) -> pd.Series:
    """The column as text without blanks around; numbers that are whole lose their point."""
    if isinstance(values.dtype, pd.StringDtype) or infer_dtype(values, skipna=True) == "string":
        text = values.astype(pd.StringDtype()).str.strip()
    else:
        text = pd.Series([label_of(value) for value in values], index=values.index, dtype=pd.StringDtype())
    text = text.mask(text == "")
    if column in REQUIRED or column in DEFAULTS:
        missing = text.isna().to_numpy()
        if missing.any():
            raise InputError(
                f"{place_of(text, int(missing.argmax()), source)}: {column} is missing; give every row one"
            )
    return text


def token_numbers(values: pd.Series, column: str, source: str) -> pd.Series:
    """A column of counts that is not of the table itself, checked like those that are."""
    return _numbers(values, column, source)


def _numbers(values: pd.Series, column: str, source: str) -> pd.Series:
    """The column as nullable numbers: whole for sample_index, any finite one for reward, else not negative."""
    given = values
    if infer_dtype(values, skipna=True) not in _NUMERIC:
        text = pd.Series([label_of(value) for value in values], index=values.index, dtype=object)
        given = text.mask(text.isna() | text.str.lower().isin(MISSING))
    numbers = pd.to_numeric(given, errors="coerce").astype("Float64")
    value = numbers.to_numpy(dtype=float, na_value=np.nan)
    bad = (given.notna().to_numpy() & np.isnan(value)) | np.isinf(value)
    wanted = "a finite number"
    if column != "reward":
        bad |= value < 0
        wanted = "a finite number, not negative"
    if column == "sample_index":
        bad |= np.isnan(value) | (value != np.floor(value))
        wanted = "a whole number, not negative"
    if bad.any():
        at = int(bad.argmax())
        raise InputError(f"{place_of(values, at, source)}: {column} is {values.iloc[at]}; it must be {wanted}")
    return numbers.astype("Int64") if column == "sample_index" else numbers


def cells(table: pd.DataFrame, by: Sequence[str] = CELL) -> pd.DataFrame:
    """Count generations, per model and level: questions, samples, and how many failed or were not scored.

    Args:
        table: the canonical table.
        by: columns that make a cell.

    Example:
        >>> table = logs_table({"question_id": ["a", "b"], "model": "Ada", "correct": [True, None]})
        >>> cells(table)[["model", "questions", "samples", "errored", "unscored"]]
          model  questions  samples  errored  unscored
        0   Ada          2        2        0         1
    """
    failed = table["correct"].isna() & table["error"].notna()
    groups = table.assign(_failed=failed, _blank=table["correct"].isna() & ~failed).groupby(
        list(by), dropna=False, sort=False
    )
    counts = groups.agg(
        questions=("question_id", "nunique"),
        samples=("question_id", "size"),
        errored=("_failed", "sum"),
        unscored=("_blank", "sum"),
    )
    return counts.astype(int).reset_index()
