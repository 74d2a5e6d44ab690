"""Samples that lm-evaluation-harness writes with ``--log_samples``: one JSON object per document and filter.

Such a log holds the responses, but no tokens, and one score per document whatever the number of responses. So the
caller gives a scorer and a token counter. The model's name is read from the ``results_*.json`` beside the samples.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from games.errors import InputError, unknown_name
from games.logs.chunk import Chunk, ReadOptions, canonical
from games.logs.lines import json_object, read_lines

FIELDS = ("doc_id", "resps", "filtered_resps")
_NAME = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d{2}-\d{2}T[\d:.\-]+)\.jsonl(?:\.gz)?$")
Scorer = Callable[[str, Any], object]
Counter = Callable[[str], int]
_NEEDS = (
    "a log of lm-eval holds no token counts and one score per document; give both as functions of the text: "
    "read_logs(..., scorer=lambda response, document: ..., count_tokens=lambda text: ...)"
)


def read_lm_eval(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """One row per response; those of a document are its samples, in order."""
    source = str(path)
    if options.scorer is None or options.count_tokens is None:
        raise InputError(f"{path}: {_NEEDS}")
    named = _NAME.search(path.name)
    task = named["task"] if named else "default"
    model = options.constants.get("model") or _model(path, named["time"] if named else None)
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    bad: list[str] = []
    seen: set[str] = set()
    for line in read_lines(path):
        place = f"{path}, line {line.number}"
        try:
            record = json_object(line.text)
            missing = [name for name in FIELDS if name not in record]
            if missing:
                raise ValueError(f"{missing[0]} is missing")
        except ValueError as error:
            if options.bad_lines != "count":
                advice = "mend the line, or leave bad lines out with bad_lines='count'"
                raise InputError(f"{place}: {error}; {advice}") from None
            bad.append(f"line {line.number}: {error}")
            continue
        if _other_filter(record, options, seen, place):
            continue
        samples = _samples(record, options.scorer, options.count_tokens, options, place)
        rows += [{"benchmark": task, "model": model, **sample} for sample in samples]
        places += [line.number] * len(samples)
        if len(rows) >= options.chunk_rows:
            yield Chunk(_frame(rows, places, options, source), line.fraction, tuple(bad))
            rows, places, bad = [], [], []
    if options.filter is not None and seen and options.filter not in seen:
        raise InputError(f"{path}: {unknown_name('filter', options.filter, sorted(seen))}")
    yield Chunk(_frame(rows, places, options, source), 1.0, tuple(bad))


def _frame(rows: list[dict[str, Any]], places: list[int], options: ReadOptions, source: str) -> pd.DataFrame:
    index = pd.Index(places, name="line", dtype="int64")
    names = list(rows[0]) if rows else ["question_id", "model"]
    frame = pd.DataFrame(
        {n: pd.Series([row[n] for row in rows], index=index, dtype=object) for n in names}, index=index
    )
    return canonical(frame, options, source)


def _other_filter(record: dict[str, Any], options: ReadOptions, seen: set[str], place: str) -> bool:
    """Whether the line repeats a document under a filter that was not asked for."""
    name = str(record.get("filter", "none"))
    seen.add(name)
    if options.filter is not None:
        return name != options.filter
    if len(seen) > 1:
        raise InputError(
            f"{place}: the documents stand there under several filters ({', '.join(sorted(seen))}); name one with filter="
        )
    return False


def _samples(
    record: dict[str, Any], scorer: Scorer, count: Counter, options: ReadOptions, place: str
) -> list[dict[str, Any]]:
    responses = record["resps"]
    if not isinstance(responses, list) or len(responses) != 1 or not isinstance(responses[0], list):
        raise InputError(
            f"{place}: holds log-likelihoods of choices, not generations; only generation tasks can be read"
        )
    texts = responses[0]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{place}: a response is not text; only generation tasks can be read")
    prompt = _prompt(record)
    return [
        {
            "question_id": record["doc_id"],
            "sample_index": k,
            "answer": _answer(text, record, len(texts), options),
            "correct": scorer(text, record),
            "input_tokens": None if prompt is None else count(prompt),
            "billable_output_tokens": count(text),
        }
        for k, text in enumerate(texts)
    ]


def _answer(text: str, record: dict[str, Any], count: int, options: ReadOptions) -> str | None:
    """The parsed answer: by the caller's function, or the filter's, where it kept one per response."""
    if options.answer_of is not None:
        return options.answer_of(text)
    filtered = record["filtered_resps"]
    return (
        filtered[0]
        if count == 1 and isinstance(filtered, list) and len(filtered) == 1 and isinstance(filtered[0], str)
        else None
    )


def _prompt(record: dict[str, Any]) -> str | None:
    arguments = record.get("arguments")
    if isinstance(arguments, dict):
        arguments = next(iter(arguments.values()), None)
        text = arguments.get("arg_0") if isinstance(arguments, dict) else None
    elif isinstance(arguments, list) and arguments and isinstance(arguments[0], list) and arguments[0]:
        text = arguments[0][0]
    else:
        text = None
    return text if isinstance(text, str) else None


def _model(path: Path, time: str | None) -> str:
    """The model's name, from the results written at the same time."""
    results = path.parent / f"results_{time}.json"
    if time is not None and results.is_file():
        try:
            name = json.loads(results.read_text("utf-8")).get("model_name")
        except (ValueError, AttributeError):
            name = None
        if isinstance(name, str) and name:
            return name
    raise InputError(
        f"{path}: does not say which model it is, nor do results_*.json beside it; give it with constants={{'model': ...}}"
    )
