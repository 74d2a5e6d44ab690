"""Errors that name the place and the remedy, and the small helpers that word them."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A value from outside is unusable: the text says where, what is wrong and what to do."""


class InputWarning(UserWarning):
    """A value from outside is used in part only, or looks odd: the text says which and why."""


class PrecisionError(RuntimeError):
    """A solver was called in single precision, where its certificate would be wrong."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Word the error for a name that is not known, with the nearest known ones.

    Example:
        >>> str(unknown_name("scenario", "GSM8K/majorty", ["GSM8K/majority", "GPQA/all"]))
        "unknown scenario 'GSM8K/majorty': did you mean 'GSM8K/majority'?"
    """
    known = list(known)
    lowered = {k.lower(): k for k in known}
    near = [lowered[m] for m in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)]
    if near:
        hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
    else:
        hint = "known are " + ", ".join(known)
    return InputError(f"unknown {kind} {name!r}: {hint}")
