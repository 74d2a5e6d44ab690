"""Warnings on the terminal: those that say the same of several models or levels are one line with a count."""

import re
from collections.abc import Sequence

from solver.cli.wording import in_options

MAX_WARNINGS = 12
_NAMED = 3  # places that a line of several names


def warning_lines(warnings: Sequence[str]) -> list[str]:
    """The first warnings, those alike in one line each, and how many more lines there are.

    Example:
        >>> warning_lines(["Ada: no score", "Bell: no score", "Cox: 3 of 4 samples failed", "Dee: 1 of 4 samples failed"])
        ['warning: no score (2 times: Ada, Bell)', 'warning: Cox: 3 of 4 samples failed (and 1 more alike: Dee)']
    """
    shown = alike([in_options(text) for text in dict.fromkeys(warnings)])
    more = len(shown) - MAX_WARNINGS
    lines = [f"warning: {text}" for text in shown[:MAX_WARNINGS]]
    return [*lines, f"and {more} more warnings; all are in the JSON"] if more > 0 else lines


def alike(texts: Sequence[str]) -> list[str]:
    """One text for those that differ in the place before the colon and in numbers only, by order of appearance."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for text in texts:
        place, colon, rest = text.partition(": ")
        key = re.sub(r"\d[\d,.]*", "#", rest) if colon else text
        groups.setdefault(key, []).append((place, rest))
    told = []
    for found in groups.values():
        (place, rest), others = found[0], [place for place, _ in found[1:]]
        if not others:
            told.append(f"{place}: {rest}" if rest else place)
        elif all(other == rest for _, other in found):
            told.append(f"{rest} ({len(found)} times: {_listed([place, *others])})")
        else:
            told.append(f"{place}: {rest} (and {len(others)} more alike: {_listed(others)})")
    return told


def _listed(places: Sequence[str]) -> str:
    more = len(places) - _NAMED
    return ", ".join(places[:_NAMED]) + (f" and {more} more" if more > 0 else "")
