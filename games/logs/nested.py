"""Fields within fields of a flat table: ``metadata.reasoning_effort``, from objects, structs or JSON text."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

_MISSING = object()


def with_nested(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The rows with a column for each name that is a path into a column which they have.

    Args:
        rows: cells of any type; a path leads through objects, and through text that is a JSON object.
        names: wanted columns; those that are there, and paths that lead nowhere in any row, are left as they are.

    Example:
        >>> rows = pd.DataFrame({"metadata": [{"effort": "low", "tries": 2}, '{"effort": "high"}', None]})
        >>> with_nested(rows, ["metadata.effort", "metadata.tries"])["metadata.effort"].tolist()
        ['low', 'high', None]
    """
    found = {}
    for name in names:
        column, path = _split(name, rows)
        if column is None:
            continue
        values = [_within(cell, path) for cell in rows[column]]
        if any(value is not _MISSING for value in values):
            cells = [None if value is _MISSING else _plain(value) for value in values]
            found[name] = pd.Series(cells, index=rows.index, dtype=object)
    return rows.assign(**found) if found else rows


def paths(rows: pd.DataFrame, depth: int = 2) -> list[str]:
    """Names of the columns, and of the fields within their cells, by the first row that has any.

    Example:
        >>> paths(pd.DataFrame({"id": [1], "metadata": [{"effort": "low", "run": {"seed": 3}}]}))
        ['id', 'metadata', 'metadata.effort', 'metadata.run', 'metadata.run.seed']
    """
    names = []
    for column in map(str, rows.columns):
        names.append(column)
        first = next((value for value in (_object(cell) for cell in rows[column].head(_LOOK)) if value), None)
        names += _fields(first, column, depth)
    return names


_LOOK = 20  # rows to look at for one that holds an object


def _fields(value: Mapping[str, Any] | None, place: str, depth: int) -> list[str]:
    if value is None or depth == 0:
        return []
    found = []
    for key, inner in value.items():
        found += [f"{place}.{key}", *_fields(_object(inner), f"{place}.{key}", depth - 1)]
    return found


def _split(name: str, rows: pd.DataFrame) -> tuple[str | None, list[str]]:
    """The longest column that a name starts with, and the path below it; none for a column itself."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        column = ".".join(parts[:end])
        if column in rows.columns:
            return (None, []) if end == len(parts) else (column, parts[end:])
    return None, []


def _object(cell: Any) -> Mapping[str, Any] | None:
    """The object that a cell is or spells, else None."""
    if isinstance(cell, str) and cell.lstrip().startswith("{"):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    return cell if isinstance(cell, Mapping) else None


def _within(cell: Any, path: list[str]) -> Any:
    value = cell
    for key in path:
        fields = _object(value)
        if fields is None or key not in fields:
            return _MISSING
        value = fields[key]
    return value


def _plain(value: Any) -> Any:
    """The value as one cell: lists and objects as their JSON."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return json.dumps(value, default=str) if isinstance(value, list | Mapping) else value
