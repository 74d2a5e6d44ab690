"""What was read, left out and noticed, file by file and level by level."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from games.errors import InputError


@dataclass(frozen=True)
class FileReport:
    """One file.

    Args:
        path: as it was named.
        format: one of ``games.logs.formats.FORMATS``.
        rows: generations read.
        bad_lines: lines left out, of each the number and what was wrong, the first ones only.
        num_bad_lines: how many.
    """

    path: str
    format: str
    rows: int
    bad_lines: tuple[str, ...] = ()
    num_bad_lines: int = 0


@dataclass(frozen=True)
class LevelReport:
    """One model at one level: how many generations were read, failed, were not scored, lack an answer or tokens."""

    benchmark: str
    provider: str | None
    model: str
    level_kind: str
    level: str
    samples: int
    errored: int
    unscored: int
    without_answer: int
    without_tokens: int

    @property
    def scored(self) -> int:
        """How many have a score."""
        return self.samples - self.errored - self.unscored


@dataclass(frozen=True)
class ReadReport:
    """Summary of a reading.

    Args:
        files: one entry per file.
        levels: one entry per model and level, by order of appearance; counted before anything is dropped.
        errored_as: what became of failed and unscored generations: "drop", "wrong" or "keep".
        warnings: what the user should know.
    """

    files: tuple[FileReport, ...]
    levels: tuple[LevelReport, ...]
    errored_as: str
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Generations read."""
        return sum(file.rows for file in self.files)

    @property
    def errored(self) -> int:
        """Generations that failed and have no score."""
        return sum(level.errored for level in self.levels)

    @property
    def unscored(self) -> int:
        """Generations that did not fail and have no score."""
        return sum(level.unscored for level in self.levels)

    @property
    def dropped(self) -> int:
        """Generations left out for want of a score."""
        return self.errored + self.unscored if self.errored_as == "drop" else 0

    @property
    def bad_lines(self) -> int:
        """Lines left out because they could not be read."""
        return sum(file.num_bad_lines for file in self.files)

    def levels_frame(self) -> pd.DataFrame:
        """The counts per model and level as a data frame."""
        return pd.DataFrame([asdict(level) for level in self.levels])

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON; ``from_dict`` reads it back."""
        totals = ("rows", "dropped", "errored", "unscored", "bad_lines")
        return asdict(self) | {name: getattr(self, name) for name in totals}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ReadReport":
        """The report that ``as_dict`` wrote."""
        files = tuple(FileReport(**{**file, "bad_lines": tuple(file["bad_lines"])}) for file in data["files"])
        levels = tuple(LevelReport(**level) for level in data["levels"])
        return cls(files, levels, data["errored_as"], tuple(data["warnings"]))

    def __str__(self) -> str:
        fate = {"drop": "dropped", "wrong": "counted as wrong", "keep": "kept without a score"}[self.errored_as]
        lines = [f"{_count(self.rows, 'generation')} from {_count(len(self.files), 'file')}"]
        if self.errored or self.unscored:
            lines.append(f"{self.errored} failed and {self.unscored} not scored: {fate}")
        if self.bad_lines:
            lines.append(f"{_count(self.bad_lines, 'bad line')} left out")
            lines += [f"  {file.path}, {line}" for file in self.files for line in file.bad_lines]
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def none_left(report: ReadReport) -> InputError:
    """Word the error for logs that leave no row."""
    names = ", ".join(file.path for file in report.files)
    text = f"{names}: no usable generation ({_count(report.rows, 'row')} read, {report.errored} failed, "
    text += f"{report.unscored} not scored, {_count(report.bad_lines, 'bad line')})"
    first = next((f"{file.path}, {line}" for file in report.files for line in file.bad_lines), None)
    if first is not None:
        return InputError(f"{text}; the first bad one is {first}")
    if report.unscored:
        return InputError(f"{text}; {_scores_wanted(report)}")
    if report.errored:
        return InputError(f"{text}; check why they failed, or count failures with errored='wrong'")
    return InputError(f"{text}; check that the files are logs with scores")


def refuse_unscored(report: ReadReport, errored: str) -> None:
    """Refuse to count as wrong what nobody scored: a model none of whose answers has a score would be right in 0 %.

    Args:
        report: of the reading.
        errored: what becomes of generations without a score.

    Raises:
        InputError: names the model and what is missing.
    """
    for level in report.levels if errored == "wrong" else ():
        if level.scored == 0 and level.unscored > 0:
            at = "" if level.level == "default" else f" at {level.level}"
            raise InputError(
                f"{level.model}{at}: none of {_count(level.samples, 'generation')} has a score, and counted as wrong they "
                f"would make a level that is right in 0 %; {_scores_wanted(report)}"
            )


NO_CORRECT = "no column 'correct'"


def _scores_wanted(report: ReadReport) -> str:
    """What to do for a score: what a reader found missing, or what may be."""
    told = [warning for warning in report.warnings if NO_CORRECT in warning]
    if told:
        return told[0][told[0].index(NO_CORRECT) :]
    return "score them first, or check that the files are logs with scores"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
