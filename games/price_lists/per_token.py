"""Prices per token, numbers or their text, as dollars per million."""

import math
from decimal import Decimal, InvalidOperation

from games.errors import InputError

MILLION = 1_000_000


def per_million(value: object, place: str) -> float | None:
    """Dollars per million tokens from dollars per token; None for an empty value.

    Args:
        value: a number, or its text.
        place: file, model and field, for messages.

    Raises:
        InputError: not a finite number, or negative.

    Example:
        >>> per_million("0.0000025", "list"), per_million(2.5e-06, "list"), per_million(None, "list")
        (2.5, 2.5, None)
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        # By its text, so that 2.5e-06 gives 2.5 to the last digit.
        number = math.nan if isinstance(value, bool) else float(Decimal(str(value)) * MILLION)
    except (InvalidOperation, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"{place} is {value!r}; it must be dollars per token, a finite number, not negative")
    return number
