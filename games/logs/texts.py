"""Single cells of logs as text, and their places in words."""

import numpy as np
import pandas as pd

MISSING = ("", "nan", "none", "null", "na", "<na>")
"""What stands for a missing value, in small letters."""


def place_of(values: pd.Series, at: int, source: str) -> str:
    """Name a row as its reader would: by line, or by index label."""
    return f"{source}, {values.index.name or 'row'} {values.index[at]}"


def label_of(value: object) -> str | None:
    """Text of one value: 4 for 4 and for 4.0, None for what is missing."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value is pd.NA or value != value:  # NaN is the one value unequal to itself
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
