"""User segments out of a CSV file: one row each, every cell checked before it counts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from games.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from games import Scenario
    from games.users import Users, ValueCurve
    from solver.cli.options import MarketOptions

NEEDED = ("segment", "weight", "value_per_correct")


@dataclass(frozen=True)
class Segments:
    """What a file says of its segments.

    Args:
        names: of the segments.
        weight: queries that each sends, relative to the others.
        value_per_correct: α, dollars.
        rationality: β of each, per dollar; ``None`` where the file has no such column.
        outside_value: V0, dollars per query; ``None`` where the file has no such column.
        baseline: b, one for all; ``None`` where the file has no such column.
    """

    names: tuple[str, ...]
    weight: tuple[float, ...]
    value_per_correct: tuple[float, ...]
    rationality: tuple[float, ...] | None
    outside_value: tuple[float, ...] | None
    baseline: float | None


@dataclass(frozen=True)
class _Rule:
    holds: Callable[[float], bool]
    wanted: str


_RULES = {
    "weight": _Rule(lambda x: math.isfinite(x) and x > 0, "a positive number: how many queries it sends, in any unit"),
    "value_per_correct": _Rule(lambda x: math.isfinite(x) and x > 0, "a positive number of dollars"),
    "rationality": _Rule(lambda x: math.isfinite(x) and x >= 0, "a number per dollar, not negative"),
    "outside_value": _Rule(lambda x: math.isfinite(x) or x == -math.inf, "dollars per query, or -inf for users who must buy"),
    "baseline": _Rule(lambda x: 0 <= x <= 1, "a number within [0, 1]"),
}  # fmt: skip


def read_segments(path: Path) -> Segments:
    """Read segments from a CSV file with the columns segment, weight, value_per_correct, and perhaps more.

    Args:
        path: of the file; the columns rationality, outside_value and baseline may be missing, others are ignored.

    Raises:
        InputError: a column is missing, or a cell is not what it must be; the text names the file and the line.
    """
    from games.tables import read_table

    frame = read_table(path).rename(columns=lambda column: str(column).strip())
    missing = [column for column in NEEDED if column not in frame.columns]
    if missing:
        have = ", ".join(frame.columns)
        raise InputError(f"{path}: column {missing[0]!r} is missing; needed are {', '.join(NEEDED)}, found {have}")
    if frame.empty:
        raise InputError(f"{path}: no rows; it needs one row for each segment of users")
    names = _names(path, frame)
    columns = {name: _numbers(path, frame, name, names) for name in _RULES if name in frame.columns}
    baseline = columns.get("baseline", [None])
    for line, name, value in zip(frame.index, names, baseline if "baseline" in columns else [], strict=False):
        if value != baseline[0]:
            raise InputError(
                f"{path}, line {line} ({name}): baseline is {value:g}, above it is {baseline[0]:g}; all segments have one "
                "baseline: write the same number in every row"
            )
    outside = columns.get("outside_value")
    return Segments(
        names,
        tuple(columns["weight"]),
        tuple(columns["value_per_correct"]),
        tuple(columns["rationality"]) if "rationality" in columns else None,
        None if outside is None else tuple(outside),
        baseline[0],
    )


def with_segments(scenario: "Scenario", options: "MarketOptions", value_curve: "ValueCurve") -> "Scenario":
    """The scenario with the users of ``--segments``.

    Raises:
        InputError: an unusable file, or an option that says what a column of the file says.
    """
    from games import Users

    assert options.segments is not None
    found = read_segments(options.segments)
    for option, column, is_both in (
        ("--value-per-correct", "value_per_correct", options.value_per_correct is not None),
        ("--outside-value", "outside_value", found.outside_value is not None and options.outside_value is not None),
        ("--baseline", "baseline", found.baseline is not None and options.baseline is not None),
    ):
        if is_both:
            raise InputError(f"{option}: {options.segments} has a column {column}; leave the option or the column out")
    users = Users(
        found.value_per_correct,
        1.0 if found.rationality is None else found.rationality,
        weight=found.weight,
        outside_value=options.users_outside_value if found.outside_value is None else found.outside_value,
        baseline=options.users_baseline if found.baseline is None else found.baseline,
        value_curve=value_curve,
    )
    source = "; ".join(filter(None, [scenario.source, f"users of {options.segments.name}"]))
    return replace(scenario, users=users, segments=found.names, source=source)


def own_rationality(users: "Users", options: "MarketOptions") -> float | None:
    """Weighted geometric mean of the β that the segments file states, per dollar; ``None`` where nothing states them."""
    if options.segments is None or read_segments(options.segments).rationality is None:
        return None
    return float(users.mean_rationality)


def scaling_note(users: "Users", options: "MarketOptions", asked: Sequence[float] | None) -> list[str]:
    """By what factor ``--rationality`` scales the β of a segments file, as a line to show; none where it does not.

    Args:
        users: of the file, as written.
        options: of the command line.
        asked: β that the user wrote, per dollar; ``None`` for none.
    """
    own = own_rationality(users, options)
    if own is None or asked is None or list(asked) == [own]:
        return []
    file = options.segments.name if options.segments is not None else ""
    if own == 0:
        return [f"note: --rationality replaces the β of {file}, which are all 0"]
    factors = [f"{beta / own:.4g}" for beta in asked]
    shown = ", ".join(factors) if len(factors) <= 5 else f"{factors[0]} to {factors[-1]}"
    return [
        f"note: --rationality multiplies the β of {file} by {shown}: their weighted mean is {own:.4g} as written; without the "
        "option they stand as they are"
    ]


def _names(path: Path, frame: "pd.DataFrame") -> tuple[str, ...]:
    lines: dict[str, int] = {}
    for line, value in frame["segment"].items():
        name = "" if value != value else str(value).strip()
        if not name:
            raise InputError(f"{path}, line {line}: segment is missing; give the segment's name")
        if name in lines:
            raise InputError(f"{path}, line {line}: segment {name!r} stands in line {lines[name]} too; name each once")
        lines[name] = int(str(line))
    return tuple(lines)


def _numbers(path: Path, frame: "pd.DataFrame", column: str, names: tuple[str, ...]) -> list[float]:
    rule, numbers = _RULES[column], []
    for (line, cell), name in zip(frame[column].items(), names, strict=True):
        try:
            number = float(cell)
        except (TypeError, ValueError):
            number = math.nan
        if math.isnan(number) or not rule.holds(number):
            shown = "missing" if cell != cell else str(cell)
            raise InputError(f"{path}, line {line} ({name}): {column} is {shown}; it must be {rule.wanted}")
        numbers.append(number)
    return numbers
