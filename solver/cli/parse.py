"""How texts on the command line become days, lists of numbers and pairs."""

import math
from collections.abc import Sequence
from datetime import date


def parse_day(option: str, text: str) -> date:
    """A day, ``2025-08-07``.

    Raises:
        InputError: the text is no day.
    """
    from games.errors import InputError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text}: not a day; write it as 2025-08-07") from None


def parse_numbers(option: str, text: str) -> tuple[float, ...]:
    """Numbers above 0, comma-separated; ``inf`` is one.

    Raises:
        InputError: an entry is no number.

    Example:
        >>> parse_numbers("--numbers", "1000, inf")
        (1000.0, inf)
    """
    from games.errors import InputError

    numbers = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            number = math.nan
        if not number > 0:
            raise InputError(f"{option} {text}: {part.strip()!r} is not a number above 0; write a list such as 1,4,16")
        numbers.append(number)
    return tuple(numbers)


def parse_pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """Pairs ``NAME=VALUE``, one text each.

    Raises:
        InputError: a text has no ``=``, or a name comes twice.

    Example:
        >>> parse_pairs("--column", ["sample_index=epoch"])
        {'sample_index': 'epoch'}
    """
    from games.errors import InputError

    pairs: dict[str, str] = {}
    for text in texts or ():
        name, separator, value = text.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise InputError(f"{option} {text}: write {option} NAME=VALUE")
        if name.strip() in pairs:
            raise InputError(f"{option} {text}: {name.strip()} is given twice; give it once")
        pairs[name.strip()] = value.strip()
    return pairs
