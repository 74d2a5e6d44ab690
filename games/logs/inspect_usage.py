"""Where a log of Inspect AI holds the usage of a sample, and what of it is the evaluated model's own answer.

In the order in which they are asked: ``model_usage`` of the sample, less what the model used in other roles (``role_usage``);
its calls in the events, where it also graded, or where there is no ``model_usage`` (before October 2024); ``output.usage``,
that of the last call; the totals of the header (``stats``), shared evenly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from games.logs.json_parts import object_of
from games.logs.usage import Guess

KEYS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "input_tokens_cache_read",
    "input_tokens_cache_write",
    "reasoning_tokens",
    "total_cost",
)
"""The fields of a usage record of Inspect AI."""

GRADED_BY_MODEL = "model_graded"
_ANSWER_ONLY = "the model also graded: the tokens of its last answer alone (output.usage) are taken"
_LAST_CALL = (
    "no usage of the sample is logged: that of its last call (output.usage) is taken, the only one for one question"
)
_SHARED = "only the header holds usage: its mean over the samples stands for each of them"


@dataclass(frozen=True)
class SampleUsage:
    """Usage of one sample.

    Args:
        counts: a usage record, ``KEYS``; None where nothing is logged.
        guess: what had to be assumed.
    """

    counts: Mapping[str, Any] | None = None
    guess: Guess | None = None


Lookup = Callable[[Mapping[str, Any], str], SampleUsage]
"""Finds the usage of a sample; the second argument is its place, for messages."""


@dataclass(frozen=True)
class Evaluated:
    """The model of a log, and what else it did there.

    Args:
        model: its full name.
        roles: roles, such as a grader, that it plays itself.
        grades: whether the header says that it graded its own answers.
    """

    model: str
    roles: tuple[str, ...]
    grades: bool

    @classmethod
    def of(cls, header: Mapping[str, Any], place: str) -> "Evaluated":
        """Read from the header of a log, whose ``eval.model`` has been checked."""
        spec = header["eval"]
        roles = object_of(spec, "model_roles", place)
        own = tuple(name for name, role in roles.items() if spec["model"] in _models(role))
        return cls(spec["model"], own, any(_own_grader(s, spec["model"], roles) for s in _scorers(header, spec)))

    def usage(self, sample: Mapping[str, Any], place: str) -> SampleUsage:
        """Usage of the answer to a sample, by the parts that its log holds."""
        logged = object_of(object_of(sample, "model_usage", place), self.model, place)
        roles = [object_of(object_of(sample, "role_usage", place), role, place) for role in self.roles]
        if logged and any(roles):
            return SampleUsage(added(logged, roles, sign=-1))
        answering, grading = _calls(sample, self.model)
        if answering and (grading or not logged):
            return SampleUsage(added(answering[0], answering[1:]))
        last = object_of(object_of(sample, "output", place), "usage", place)
        if logged and (self.grades or self.roles) and not answering and last:
            more = sum(_number(logged.get(key)) - _number(last.get(key)) for key in ("input_tokens", "output_tokens"))
            return SampleUsage(last, Guess(_ANSWER_ONLY, 1, more, _told(logged, last)) if more else None)
        if logged or not last:
            return SampleUsage(logged or None)
        return SampleUsage(last, Guess(_LAST_CALL, 1, _number(last.get("output_tokens")), ""))

    def graded_itself(self, sample: Mapping[str, Any]) -> bool:
        """Whether the events of a sample show calls of the model within a scorer."""
        return bool(_calls(sample, self.model)[1])

    def shared(self, header: Mapping[str, Any], samples: int, place: str) -> SampleUsage:
        """The mean usage of a sample by the totals of the header; nothing where these hold the model's grading too."""
        stats = object_of(header, "stats", place)
        total = object_of(object_of(stats, "model_usage", place), self.model, place)
        roles = [object_of(object_of(stats, "role_usage", place), role, place) for role in self.roles]
        if not total or ((self.grades or self.roles) and not any(roles)):
            return SampleUsage()
        own = added(total, roles, sign=-1)
        mean = {key: value / samples for key, value in own.items() if isinstance(value, int | float)}
        return SampleUsage(mean, Guess(_SHARED, 1, _number(mean.get("output_tokens")), ""))


def added(first: Mapping[str, Any], others: Sequence[Mapping[str, Any]], *, sign: int = 1) -> dict[str, Any]:
    """A record of usage with others added, or with ``sign`` −1 taken off; what is no number stays as it is.

    Example:
        >>> added({"input_tokens": 9, "output_tokens": 5}, [{"input_tokens": 2}, {"input_tokens": 3}], sign=-1)["input_tokens"]
        4
    """

    def total(key: str) -> Any:
        value = first.get(key)
        more = sum(_number(other.get(key)) for other in others)
        if not more:
            return value
        return (value or 0) + sign * more if value is None or isinstance(value, int | float) else value

    return {key: total(key) for key in KEYS}


def _number(value: Any) -> float | int:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _told(logged: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """Counts of a sample, with and without grading."""
    names = {"input_tokens": "input", "output_tokens": "output"}
    return ", ".join(
        f"{word} {_number(last.get(key)):,} of {_number(logged.get(key)):,}" for key, word in names.items()
    )


def _models(role: Any) -> list[Any]:
    return [m.get("model", "") for m in (role if isinstance(role, list) else [role]) if isinstance(m, dict)]


def _scorers(header: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and options of every scorer; older logs name them with the results only."""
    results = header.get("results")
    for listed, name, options in (
        (spec.get("scorers"), "name", "options"),
        (results.get("scores") if isinstance(results, dict) else None, "scorer", "params"),
    ):
        for scorer in listed if isinstance(listed, list) else []:
            if isinstance(scorer, dict) and isinstance(scorer.get(name), str):
                given = scorer.get(options)
                yield scorer[name], given if isinstance(given, dict) else {}


def _own_grader(scorer: tuple[str, Mapping[str, Any]], model: str, roles: Mapping[str, Any]) -> bool:
    """Whether a scorer asks the evaluated model: a grader is that model where no other one is named."""
    name, options = scorer
    if GRADED_BY_MODEL not in name:
        return False
    grader = options.get("model")
    named = grader if isinstance(grader, list) else [grader]
    if grader is None:
        role = roles.get(str(options.get("model_role") or "grader"))
        return role is None or model in _models(role)
    return model in named


def _calls(sample: Mapping[str, Any], model: str) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Usage of the model's calls in the events: those that answer, and those within a scorer or in a role."""
    events = sample.get("events")
    answering: list[Mapping[str, Any]] = []
    grading: list[Mapping[str, Any]] = []
    steps: list[bool] = []  # open steps (before May 2025), whether each is a scorer
    spans: dict[Any, bool] = {}  # spans (since), whether each lies within a scorer
    for event in events if isinstance(events, list) else []:
        if not isinstance(event, dict):
            continue
        scorer = event.get("type") in ("scorer", "scorers")
        if event.get("event") == "span_begin":
            spans[event.get("id")] = scorer or spans.get(event.get("parent_id"), False)
        elif event.get("event") == "step":
            if event.get("action") == "begin":
                steps.append(scorer)
            elif steps:
                steps.pop()
        elif event.get("event") == "model" and event.get("model") == model:
            output = event.get("output")
            usage = output.get("usage") if isinstance(output, dict) else None
            if isinstance(usage, dict):
                within = any(steps) or spans.get(event.get("span_id"), False) or event.get("role") is not None
                (grading if within else answering).append(usage)
    return answering, grading
