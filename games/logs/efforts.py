"""Columns that obviously hold levels of compute, and are not read as such."""

from collections.abc import Iterable

import pandas as pd

from games.logs.nested import paths, with_nested

NAMES = ("reasoning_effort", "effort", "thinking_level", "reasoning_level", "thinking_budget", "reasoning_budget")
"""What such a column is called, by itself or as a field of another one."""

Effort = tuple[str, str, str]
"""Column, model and value."""

_ENOUGH = 64  # values of one column that are kept; two for one model already tell


def unread_efforts(rows: pd.DataFrame, model: pd.Series) -> tuple[Effort, ...]:
    """The efforts of the models in rows that have no level.

    Args:
        rows: of a flat table, under its own names.
        model: the model of each row.

    Example:
        >>> rows = pd.DataFrame({"metadata": [{"reasoning_effort": "low"}, {"reasoning_effort": "high"}]})
        >>> unread_efforts(rows, pd.Series(["Ada", "Ada"]))
        (('metadata.reasoning_effort', 'Ada', 'low'), ('metadata.reasoning_effort', 'Ada', 'high'))
    """
    names = [name for name in paths(rows) if name.rpartition(".")[2].lower() in NAMES]
    columns = with_nested(rows, names)
    found: list[Effort] = []
    for name in names:
        if name not in columns:
            continue
        values = columns[name].astype(object)
        pairs = pd.DataFrame({"model": model.astype(str).to_numpy(), "value": values.map(str).to_numpy()})
        pairs = pairs[values.notna().to_numpy() & (pairs["value"].str.strip() != "").to_numpy()].drop_duplicates()
        found += [(name, *pair) for pair in pairs.head(_ENOUGH).itertuples(index=False, name=None)]
    return tuple(found)


def pooled_efforts(efforts: Iterable[Effort]) -> list[str]:
    """Warn of each column that holds several efforts of one model, with the option that reads them.

    Example:
        >>> pooled_efforts([("effort", "Ada", "low"), ("effort", "Ada", "high"), ("effort", "Bell", "low")])
        ["column 'effort' holds several efforts of one model (Ada: low, high), which are pooled into one level; ..."]
    """
    by_column: dict[str, dict[str, list[str]]] = {}
    for column, model, value in dict.fromkeys(efforts):
        by_column.setdefault(column, {}).setdefault(model, []).append(value)
    warnings = []
    for column, models in by_column.items():
        several = next(((model, values) for model, values in models.items() if len(values) > 1), None)
        if several is not None:
            shown = ", ".join(several[1][:4]) + (", ..." if len(several[1]) > 4 else "")
            warnings.append(
                f"column {column!r} holds several efforts of one model ({several[0]}: {shown}), which are pooled into one "
                f"level; read them as levels with columns={{'level': {column!r}}}"
            )
    return warnings
