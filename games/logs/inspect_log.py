"""Logs of Inspect AI: ``.eval``, of which only header and summaries are read where these hold the usage, and ``.json``.

One row per sample and epoch. Tokens are those of the evaluated model's answers (``games.logs.inspect_usage``). Summaries
written before version 0.3.93 (May 2025) hold no usage, and none tells what a model used to grade itself: there the samples are
read too, one at a time. The level is the reasoning effort or the thinking
budget, from ``plan.config`` where the task or the command set it, else from ``eval.model_generate_config``.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from games.errors import InputError, unknown_name
from games.logs.chunk import Chunk, ReadOptions, canonical
from games.logs.conventions import inspect_convention
from games.logs.inspect_usage import Evaluated, Lookup, SampleUsage
from games.logs.json_parts import object_of, parse_json
from games.logs.lines import opened, read_whole
from games.logs.names import split_provider
from games.logs.table import token_numbers
from games.logs.usage import added_up, read_usage
from games.logs.zip_zstd import read_members, stream_members

LEVELS = {"reasoning_effort": "reasoning_effort", "reasoning_tokens": "thinking_budget", "effort": "effort"}
_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_COUNTS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "input_tokens_cache_read": "cache_read_tokens",
    "input_tokens_cache_write": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
}


def read_eval(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """A ``.eval`` log: a zip archive."""
    with opened(path):
        pass
    members = read_members(path, ("header.json", "summaries.json"))
    for name in ("header.json", "summaries.json"):
        if name not in members:
            advice = "the run did not end; finish it with `inspect eval-retry`, or leave the log out"
            raise InputError(f"{path}: holds no {name}; {advice}")
    header = _header(parse_json(members["header.json"], f"{path}, header.json"), path)
    summaries = _samples(parse_json(members["summaries.json"], f"{path}, summaries.json"), path)
    evaluated = Evaluated.of(header, str(path))
    lookup, answers = evaluated.usage, {}
    if _needs_samples(evaluated, summaries, path):
        found = _read_samples(evaluated, path)
        answers = {key: scores for key, (_, scores) in found.items()}

        def lookup(sample: Mapping[str, Any], place: str) -> SampleUsage:
            own = found.get(_key(sample))
            return evaluated.usage(sample, place) if own is None else own[0]

    complete = [{**s, "scores": answers.get(_key(s)) or s.get("scores")} for s in summaries]
    yield from _chunks(header, complete, evaluated, lookup, path, options)


def read_json(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """A ``.json`` log; it is read whole, messages and all, so large ones are better converted to ``.eval``."""
    log = parse_json(read_whole(path), str(path))
    if not isinstance(log, dict) or not isinstance(log.get("eval"), dict):
        raise InputError(f"{path}: no log of Inspect AI, it has no 'eval'; check the file")
    header, samples = _header(log, path), _samples(log.get("samples"), path)
    evaluated = Evaluated.of(header, str(path))
    yield from _chunks(header, samples, evaluated, evaluated.usage, path, options)


def task_and_time(path: Path) -> tuple[str, str] | None:
    """The task's id and when it was run: a retried run keeps the id. None for a log without."""
    header = read_members(path, ("header.json",)).get("header.json")
    spec = parse_json(header, f"{path}, header.json").get("eval", {}) if header else {}
    return (str(spec["task_id"]), str(spec.get("created", ""))) if spec.get("task_id") else None


def level_of(header: Mapping[str, Any], place: str = "log") -> tuple[str, str]:
    """Kind and label of the level of compute that a run was given; ("default", "default") where nothing says.

    Example:
        >>> level_of({"eval": {"model_generate_config": {}}, "plan": {"config": {"reasoning_effort": "high"}}})
        ('reasoning_effort', 'high')
    """
    plan = object_of(header, "plan", place)
    steps = plan.get("steps")
    listed = steps if isinstance(steps, list) else []
    # The solver's own parameters override the task's configuration, and that the model's.
    own = [object_of(step, "params", place) for step in reversed(listed) if isinstance(step, dict)]
    for key, kind in LEVELS.items():
        for config in (
            *own,
            object_of(plan, "config", place),
            object_of(header["eval"], "model_generate_config", place),
        ):
            if config.get(key) is not None:
                return kind, str(config[key])
    return "default", "default"


def _header(header: Any, path: Path) -> dict[str, Any]:
    spec = header.get("eval") if isinstance(header, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("model"), str):
        raise InputError(f"{path}: no log of Inspect AI, eval.model is missing; check the file")
    return header


def _samples(samples: Any, path: Path) -> list[dict[str, Any]]:
    if not isinstance(samples, list) or not samples:
        raise InputError(f"{path}: holds no samples; it was written with log_samples off, or the run did not start")
    for number, sample in enumerate(samples, start=1):
        if not isinstance(sample, dict) or sample.get("id") is None or sample.get("epoch") is None:
            raise InputError(f"{path}, sample {number}: has no id or no epoch; check the log")
    return samples


def _key(sample: Mapping[str, Any]) -> tuple[str, str]:
    return str(sample["id"]), str(sample["epoch"])


def _needs_samples(evaluated: Evaluated, summaries: list[dict[str, Any]], path: Path) -> bool:
    """Whether summaries do not hold the usage of the answers: none at all, or what grading used is in it."""
    usages = [evaluated.usage(summary, str(path)).counts for summary in summaries]
    if any(usage is None and summary.get("error") is None for usage, summary in zip(usages, summaries, strict=True)):
        return True
    if any(summary.get("role_usage") for summary in summaries):
        return False
    if evaluated.grades or evaluated.roles:
        return True
    # A scorer of somebody's own may ask the model as well: one sample tells.
    first = next((summary for summary in summaries if summary.get("scores")), None)
    return first is not None and any(evaluated.graded_itself(sample) for sample in _sample_of(first, path))


def _sample_of(summary: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """The sample of a summary; none where it is not there or cannot be read, as nothing of it is needed."""
    name = f"samples/{summary['id']}_epoch_{summary['epoch']}.json"
    try:
        sample = parse_json(read_members(path, (name,)).get(name, b"null"), name)
    except InputError:
        return
    if isinstance(sample, dict):
        yield sample


def _read_samples(evaluated: Evaluated, path: Path) -> dict[tuple[str, str], tuple[SampleUsage, Any]]:
    """Usage and scores of all samples, read one at a time."""
    found = {}
    for name, data in stream_members(path, lambda name: name.startswith("samples/") and name.endswith(".json")):
        place = f"{path}, {name}"
        sample = parse_json(data, place)
        if not isinstance(sample, dict) or sample.get("id") is None or sample.get("epoch") is None:
            raise InputError(f"{place}: has no id or no epoch; check the log")
        found[_key(sample)] = evaluated.usage(sample, place), sample.get("scores")
    return found


def _chunks(
    header: dict[str, Any],
    samples: list[dict[str, Any]],
    evaluated: Evaluated,
    lookup: Lookup,
    path: Path,
    options: ReadOptions,
) -> Iterator[Chunk]:
    spec = header["eval"]
    warnings = []
    if header.get("status") not in (None, "success"):
        warnings.append(f"the run ended with status {header['status']!r}: questions may be missing")
    kind, level = level_of(header, str(path))
    provider, model = split_provider(spec["model"])
    places = [f"{path}, sample {number}" for number in range(1, len(samples) + 1)]
    scores = [_score(sample, options, place) for sample, place in zip(samples, places, strict=True)]
    usages = [lookup(sample, place) for sample, place in zip(samples, places, strict=True)]
    if all(usage.counts is None for usage in usages):
        usages = [evaluated.shared(header, len(samples), str(path))] * len(samples)
    rows = [
        {
            "benchmark": str(spec.get("task") or "default").rpartition("/")[2],
            "question_id": sample["id"],
            "provider": provider,
            "model": model,
            "level_kind": kind,
            "level": level,
            "sample_index": sample["epoch"],
            "answer": answer,
            "correct": value,
            "error": _error(sample),
            "cost_usd": (usage.counts or {}).get("total_cost"),
        }
        for sample, (value, answer), usage in zip(samples, scores, usages, strict=True)
    ]
    frame = pd.DataFrame(rows, dtype=object)
    frame.index = pd.RangeIndex(1, len(frame) + 1, name="sample")
    logged = {
        field: pd.Series([(usage.counts or {}).get(key) for usage in usages], index=frame.index, dtype=object)
        for key, field in _COUNTS.items()
    }
    counts = {field: token_numbers(values, field, str(path)) for field, values in logged.items()}
    version = object_of(spec, "packages", str(path)).get("inspect_ai")
    read = read_usage(
        pd.DataFrame(counts), inspect_convention(spec["model"], None if version is None else str(version))
    )
    for name in read.tokens:
        frame[name] = read.tokens[name]
    outside = int((frame["reasoning_tokens"] > frame["billable_output_tokens"]).fillna(False).sum())
    if outside:
        warnings.append(f"{outside} samples have more thinking tokens than billed ones; check how they are billed")
    guesses = (*added_up(usage.guess for usage in usages if usage.guess is not None), *read.guesses)
    yield Chunk(canonical(frame, options, str(path)), 1.0, (), tuple(warnings), guesses)


def _error(sample: Mapping[str, Any]) -> str | None:
    error = sample.get("error")
    if isinstance(error, dict):
        error = error.get("message")
    return None if error is None else str(error).strip().splitlines()[0][:200] if str(error).strip() else "error"


def _score(sample: Mapping[str, Any], options: ReadOptions, place: str) -> tuple[object, object]:
    """(score or None, parsed answer) under the scorer that the user named, or the only one there is."""
    scores = object_of(sample, "scores", place)
    if not scores:
        return None, None
    name, _, key = (options.score or "").partition(".")
    if not name:
        if len(scores) > 1:
            raise InputError(f"{place}: has several scores ({', '.join(scores)}); name one with score=")
        name = next(iter(scores))
    if name not in scores:
        raise InputError(f"{place}: {unknown_name('score', name, scores)}")
    score = object_of(scores, name, place)
    value = score.get("value")
    if isinstance(value, dict):
        keys = ", ".join(map(str, value))
        if key not in value:
            raise InputError(f"{place}: score {name} has the parts {keys}; name one with score='{name}.<part>'")
        value = value[key]
    if isinstance(value, list):
        raise InputError(f"{place}: score {name} is a list; only single values can be read")
    if isinstance(value, str):
        value = _GRADES.get(value, value)
    if isinstance(value, float) and math.isnan(value):
        value = None
    return value, score.get("answer")
