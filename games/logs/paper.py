"""The logs behind "Test-Time Compute Games" (arXiv 2601.21839): one JSON object per question, its samples in lists.

Fields: ``qid``; ``correct``, ``rewards``, ``explanations`` and ``num_tokens``, lists of one length, the last of whole
numbers or of pairs [thinking, total]; ``model_name``. A list ``answers`` is read where there is one; else answers come
from the explanations, if the caller says how. Bad lines are counted and left out, unless the caller refuses them.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from games.errors import InputError
from games.logs.chunk import Chunk, ReadOptions, canonical
from games.logs.lines import json_object, read_lines

_LISTS = ("rewards", "num_tokens", "explanations", "answers")


def read_paper(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """Read the samples, question by question."""
    options = replace(options, bad_lines=options.bad_lines or "count")
    found: list[tuple[int, list[dict[str, Any]]]] = []
    bad: list[str] = []
    rows = 0
    for line in read_lines(path):
        try:
            found.append((line.number, _samples(json_object(line.text), options)))
            rows += len(found[-1][1])
        except ValueError as error:
            _complain(str(error), path, line.number, options, bad)
        if rows >= options.chunk_rows:
            yield _chunk(path, found, options, line.fraction, bad)
            found, bad, rows = [], [], 0
    yield _chunk(path, found, options, 1.0, bad)


def _chunk(
    path: Path, found: list[tuple[int, list[dict[str, Any]]]], options: ReadOptions, fraction: float, bad: list[str]
) -> Chunk:
    """Check all rows at once, and line by line only where that fails: a bad value spoils its own line only."""
    source = str(path)
    try:
        frame = canonical(_frame(found), options, source)
    except InputError:
        good = []
        for number, samples in found:
            try:
                canonical(_frame([(number, samples)]), options, source)
                good.append((number, samples))
            except InputError as error:
                _complain(str(error).removeprefix(f"{source}, line {number}: "), path, number, options, bad)
        frame = canonical(_frame(good), options, source)
    return Chunk(frame, fraction, tuple(bad))


def _complain(what: str, path: Path, line: int, options: ReadOptions, bad: list[str]) -> None:
    """Count a bad line, or refuse it where the user said so."""
    if options.bad_lines == "refuse":
        raise InputError(f"{path}, line {line}: {what}; mend the line, or leave bad lines out with bad_lines='count'")
    bad.append(f"line {line}: {what}")


def _frame(found: list[tuple[int, list[dict[str, Any]]]]) -> pd.DataFrame:
    rows = [sample for _, samples in found for sample in samples]
    index = pd.Index([number for number, samples in found for _ in samples], name="line", dtype="int64")
    names = list(rows[0]) if rows else ["question_id", "model"]
    return pd.DataFrame({n: pd.Series([row[n] for row in rows], index=index, dtype=object) for n in names}, index=index)


def _samples(record: dict[str, Any], options: ReadOptions) -> list[dict[str, Any]]:
    """One row per sample; a ValueError says what is wrong with the record."""
    for name in ("qid", "correct", "model_name"):
        if record.get(name) is None:
            raise ValueError(f"{name} is missing")
    correct = record["correct"]
    if not isinstance(correct, list):
        raise ValueError(f"correct is {correct!r}, not a list")
    lists = {"correct": correct}
    for name in _LISTS:
        values = record.get(name)
        if values is None:
            continue
        if not isinstance(values, list) or len(values) != len(correct):
            size = len(values) if isinstance(values, list) else "no"
            raise ValueError(f"{name} has {size} entries, correct has {len(correct)}")
        lists[name] = values
    return [_sample(record, lists, k, options) for k in range(len(correct))]


def _sample(record: dict[str, Any], lists: dict[str, list[Any]], k: int, options: ReadOptions) -> dict[str, Any]:
    thinking, total = _tokens(lists["num_tokens"][k]) if "num_tokens" in lists else (None, None)
    answer = lists["answers"][k] if "answers" in lists else None
    if answer is None and options.answer_of is not None and "explanations" in lists:
        text = lists["explanations"][k]
        answer = options.answer_of(text) if isinstance(text, str) else None
    return {
        "question_id": record["qid"],
        "model": record["model_name"],
        "sample_index": k,
        "answer": answer,
        "correct": lists["correct"][k],
        "reward": lists["rewards"][k] if "rewards" in lists else None,
        "billable_output_tokens": total,
        "reasoning_tokens": thinking,
    }


def _tokens(value: Any) -> tuple[Any, Any]:
    """(thinking or None, all output tokens)."""
    if isinstance(value, list):
        if len(value) != 2:
            raise ValueError(f"num_tokens holds {value!r}, neither a number nor a pair [thinking, total]")
        thinking, total = value
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
        if numbers and thinking > total:
            raise ValueError(f"num_tokens holds {value!r}: more thinking than tokens; the pair is [thinking, total]")
        return thinking, total
    return None, value
