"""What the comparison of mechanisms says, in sentences. Every number and name in them comes from the results."""

from typing import TYPE_CHECKING

from solver.compare import NEGLIGIBLE
from solver.report.mechanisms import YARDSTICK, Line, in_order, missing
from solver.report.style import Money, count, listed

if TYPE_CHECKING:
    import pandas as pd

MANY = 20


def mechanism_sentence(table: "pd.DataFrame", beta: float, money: Money) -> str:
    """Which mechanism is best for users and for the platform, who loses, and which can be gamed, at one β.

    Args:
        table: of ``solver.compare``, of one market.
        beta: one of its β.
        money: unit of the page.
    """
    rows = in_order(table, beta)
    today, there = rows[0], [line for line in rows if line.exists and line.name != YARDSTICK]
    gone = [line for line in rows if not line.exists]
    if not there:
        return f"None of {count(len(rows), 'mechanism')} has an outcome."
    parts = [f"Of {count(len(there), 'mechanism')}, {_best_for_users(there, today, money)}"]
    parts.append(_best_for_platform(there, money))
    parts.append(_losers(there[1:] if there[0] is today else there, today))
    parts.append(_gamed(there, money))
    if gone:
        parts.append(f"No outcome: {listed([f'{line.name} ({missing(line)})' for line in gone], MANY)}")
    return ". ".join(part for part in parts if part) + "."


def _top(rows: list[Line], values: list[float], best: float) -> list[str]:
    scale = NEGLIGIBLE * max(abs(best), max(abs(line.welfare) for line in rows))
    return [line.name for line, value in zip(rows, values, strict=True) if value >= best - scale]


def _best_for_users(rows: list[Line], today: Line, money: Money) -> str:
    best = max(line.users for line in rows)
    names = _top(rows, [line.users for line in rows], best)
    text = f"users get most under {listed(names, MANY)}: {money.amount(best)} {money.per}"
    if not today.exists or today.name in names:
        return text
    return f"{text}, {money.amount(best - today.users)} more than under {today.name}"


def _best_for_platform(rows: list[Line], money: Money) -> str:
    best = max(line.platform for line in rows)
    if best <= NEGLIGIBLE * max(abs(line.welfare) for line in rows):
        return "None leaves the platform anything"
    names = _top(rows, [line.platform for line in rows], best)
    return f"The platform gets most under {listed(names, MANY)}: {money.amount(best)}"


def _losers(rows: list[Line], today: Line) -> str:
    """Who gets less than today, and where."""
    if not today.exists or not rows:
        return ""
    users = [line.name for line in rows if "users" in line.losers]
    poorer = [line.name for line in rows if any(name not in ("users", "platform") for name in line.losers)]
    parts = [f"{who} lose under {_some(names, rows)}" for who, names in (("users", users), ("some providers", poorer))]
    return f"Against {today.name}, {'; '.join(parts)}"


def _some(names: list[str], rows: list[Line]) -> str:
    """Names of mechanisms, in a word if they are all or none, those that are not among them if these are fewer."""
    rest = [line.name for line in rows if line.name not in names]
    if not names:
        return "none"
    if not rest:
        return "all others" if len(rows) > 1 else listed(names)
    return f"all but {listed(rest, MANY)}" if len(rest) < len(names) else listed(names, MANY)


def _gamed(rows: list[Line], money: Money) -> str:
    gamed = sorted((line for line in rows if line.gaming > 0), key=lambda line: -line.gaming)
    if not gamed:
        return "None can be gamed"
    names = [f"{line.name} ({money.amount(line.gaming)})" for line in gamed]
    others = ", not under the others" if len(gamed) < len(rows) else ""
    return f"A provider gains by gaming under {listed(names, MANY)}{others}"
