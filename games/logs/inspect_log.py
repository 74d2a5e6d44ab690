"""Logs of Inspect AI: ``.eval``, of which only header and summaries are read, and ``.json``.

One row per sample and epoch. Tokens are those of the evaluated model: graders stand in ``model_usage`` too, and where
a grader is that same model, its share (``role_usage``) is taken off. The level is the reasoning effort or the thinking
budget, from ``plan.config`` where the task or the command set it, else from ``eval.model_generate_config``.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from games.errors import InputError, unknown_name
from games.logs.chunk import Chunk, ReadOptions, canonical
from games.logs.conventions import inspect_convention
from games.logs.lines import opened, read_whole
from games.logs.names import split_provider
from games.logs.table import token_numbers
from games.logs.usage import read_usage
from games.logs.zip_zstd import read_members

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
_USAGE = (*_COUNTS, "total_cost")


def read_eval(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """A ``.eval`` log: a zip archive."""
    with opened(path):
        pass
    members = read_members(path, ("header.json", "summaries.json"))
    for name in ("header.json", "summaries.json"):
        if name not in members:
            advice = "the run did not end; finish it with `inspect eval-retry`, or leave the log out"
            raise InputError(f"{path}: holds no {name}; {advice}")
    header = _json(members["header.json"], f"{path}, header.json")
    summaries = _json(members["summaries.json"], f"{path}, summaries.json")
    yield from _chunks(header, summaries, path, options)


def read_json(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """A ``.json`` log; it is read whole, messages and all, so large ones are better converted to ``.eval``."""
    log = _json(read_whole(path), str(path))
    if not isinstance(log, dict) or not isinstance(log.get("eval"), dict):
        raise InputError(f"{path}: no log of Inspect AI, it has no 'eval'; check the file")
    yield from _chunks(log, log.get("samples"), path, options)


def task_and_time(path: Path) -> tuple[str, str] | None:
    """The task's id and when it was run: a retried run keeps the id. None for a log without."""
    header = read_members(path, ("header.json",)).get("header.json")
    spec = _json(header, f"{path}, header.json").get("eval", {}) if header else {}
    return (str(spec["task_id"]), str(spec.get("created", ""))) if spec.get("task_id") else None


def level_of(header: Mapping[str, Any], place: str = "log") -> tuple[str, str]:
    """Kind and label of the level of compute that a run was given; ("default", "default") where nothing says.

    Example:
        >>> level_of({"eval": {"model_generate_config": {}}, "plan": {"config": {"reasoning_effort": "high"}}})
        ('reasoning_effort', 'high')
    """
    plan = _object(header, "plan", place)
    steps = plan.get("steps")
    listed = steps if isinstance(steps, list) else []
    # The solver's own parameters override the task's configuration, and that the model's.
    own = [_object(step, "params", place) for step in reversed(listed) if isinstance(step, dict)]
    for key, kind in LEVELS.items():
        for config in (*own, _object(plan, "config", place), _object(header["eval"], "model_generate_config", place)):
            if config.get(key) is not None:
                return kind, str(config[key])
    return "default", "default"


def _object(parent: Mapping[str, Any], key: str, place: str) -> dict[str, Any]:
    """A part of a log that is an object; empty where it is missing or null, refused where it is something else."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{place}: {key} is {str(value)[:40]!r}, not an object; check the log")
    return value


def _json(data: bytes, place: str) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{place}, line {line}: byte {data[error.start]:#04x} is not UTF-8; copy the log again"
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{place}, line {error.lineno}: not JSON ({error.msg}); copy the log again") from None
    except RecursionError:
        raise InputError(f"{place}: not JSON that can be read (nested too deeply); copy the log again") from None


def _chunks(header: Any, samples: Any, path: Path, options: ReadOptions) -> Iterator[Chunk]:
    spec = header.get("eval") if isinstance(header, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("model"), str):
        raise InputError(f"{path}: no log of Inspect AI, eval.model is missing; check the file")
    warnings = []
    if header.get("status") not in (None, "success"):
        warnings.append(f"the run ended with status {header['status']!r}: questions may be missing")
    if not isinstance(samples, list) or not samples:
        raise InputError(f"{path}: holds no samples; it was written with log_samples off, or the run did not start")
    kind, level = level_of(header, str(path))
    provider, model = split_provider(spec["model"])
    own = _own_roles(spec, str(path))
    rows = []
    for number, sample in enumerate(samples, start=1):
        place = f"{path}, sample {number}"
        if not isinstance(sample, dict) or sample.get("id") is None or sample.get("epoch") is None:
            raise InputError(f"{place}: has no id or no epoch; check the log")
        value, answer = _score(sample, options, place)
        rows.append(
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
                **_usage(sample, spec["model"], own, place),
            }
        )
    frame = pd.DataFrame(rows, dtype=object)
    frame.index = pd.RangeIndex(1, len(frame) + 1, name="sample")
    counts = {field: token_numbers(frame[name], name, str(path)) for name, field in _COUNTS.items()}
    version = _object(spec, "packages", str(path)).get("inspect_ai")
    read = read_usage(
        pd.DataFrame(counts), inspect_convention(spec["model"], None if version is None else str(version))
    )
    for name in read.tokens:
        frame[name] = read.tokens[name]
    frame["cost_usd"] = frame["total_cost"]
    outside = int((frame["reasoning_tokens"] > frame["billable_output_tokens"]).fillna(False).sum())
    if outside:
        warnings.append(f"{outside} samples have more thinking tokens than billed ones; check how they are billed")
    yield Chunk(canonical(frame, options, str(path)), 1.0, (), tuple(warnings), read.guesses)


def _own_roles(spec: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """Roles, such as a grader, that the evaluated model itself plays."""

    def models(role: Any) -> list[Any]:
        return [m.get("model", "") for m in (role if isinstance(role, list) else [role]) if isinstance(m, dict)]

    return tuple(name for name, role in _object(spec, "model_roles", place).items() if spec["model"] in models(role))


def _usage(sample: Mapping[str, Any], model: str, own: tuple[str, ...], place: str) -> dict[str, Any]:
    """Token counts of the evaluated model, without what it used in other roles; None where nothing is logged."""
    usage = _object(_object(sample, "model_usage", place), model, place)
    if not usage:
        return dict.fromkeys(_USAGE)
    roles = [_object(_object(sample, "role_usage", place), role, place) for role in own]

    def net(key: str) -> Any:
        value = usage.get(key)
        taken = sum(role.get(key) or 0 for role in roles)
        return value - taken if taken and isinstance(value, int | float) else value

    return {key: net(key) for key in _USAGE}


def _error(sample: Mapping[str, Any]) -> str | None:
    error = sample.get("error")
    if isinstance(error, dict):
        error = error.get("message")
    return None if error is None else str(error).strip().splitlines()[0][:200] if str(error).strip() else "error"


def _score(sample: Mapping[str, Any], options: ReadOptions, place: str) -> tuple[object, object]:
    """(score or None, parsed answer) under the scorer that the user named, or the only one there is."""
    scores = _object(sample, "scores", place)
    if not scores:
        return None, None
    name, _, key = (options.score or "").partition(".")
    if not name:
        if len(scores) > 1:
            raise InputError(f"{place}: has several scores ({', '.join(scores)}); name one with score=")
        name = next(iter(scores))
    if name not in scores:
        raise InputError(f"{place}: {unknown_name('score', name, scores)}")
    score = _object(scores, name, place)
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
