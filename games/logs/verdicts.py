"""Right or wrong: words, 0 and 1, or scores against a threshold."""

from typing import Any

import numpy as np
import pandas as pd

from games.errors import InputError
from games.logs.texts import MISSING, label_of, place_of

# Words of either verdict, in pairs; capitals do not matter.
_RIGHT = ("1", "1.0", "true", "yes", "correct", "right", "pass", "passed", "t", "y", "c")
_WRONG = ("0", "0.0", "false", "no", "incorrect", "wrong", "fail", "failed", "f", "n", "i")


def read_verdicts(values: pd.Series, source: str, threshold: float | int | None) -> pd.Series:
    """Right, wrong or missing, from booleans, 0 and 1, the usual words, or scores against a threshold."""
    if isinstance(values.dtype, pd.BooleanDtype) or values.dtype == bool:
        return values.astype("boolean")
    words = pd.Series([label_of(value) for value in values], index=values.index, dtype=object)
    known = dict.fromkeys(_RIGHT, True) | dict.fromkeys(_WRONG, False) | dict.fromkeys(MISSING, pd.NA)
    other_scale = threshold is not None and not 0.0 <= threshold <= 1.0  # there 1 is a score like others
    verdict: dict[str | None, Any] = {}
    for word in words.unique():
        if word is None:
            verdict[word] = pd.NA
        elif word.lower() in known and not (other_scale and _score(word) is not None):
            verdict[word] = known[word.lower()]
        else:
            verdict[word] = _graded(word, threshold)
    result = pd.Series([verdict[word] for word in words], index=values.index, dtype=object)
    bad = np.array([value is None for value in result], dtype=bool)
    if bad.any():
        at = int(bad.argmax())
        raise InputError(
            f"{place_of(values, at, source)}: correct is {values.iloc[at]}; {_advice(words.iloc[at], threshold)}"
        )
    return result.astype("boolean")


def _score(word: str) -> float | None:
    """The finite number that a word is, or None."""
    try:
        score = float(word)
    except ValueError:
        return None
    return score if np.isfinite(score) else None


def _graded(word: str, threshold: float | int | None) -> bool | None:
    """A score against the threshold; None where it is none, where there is no threshold, or where the scales differ."""
    score = _score(word)
    if score is None or threshold is None or (0.0 <= threshold <= 1.0 and not 0.0 <= score <= 1.0):
        return None
    return score >= threshold


def _advice(word: str, threshold: float | int | None) -> str:
    """What to do about a value that says neither right nor wrong."""
    if _score(word) is None:
        pairs = ", ".join(f"{right} or {wrong}" for right, wrong in zip(_RIGHT[2:8], _WRONG[2:8], strict=True))
        return f"it must be 1 or 0, {pairs}; write these words, or name a column of scores"
    if threshold is None:
        return "it must be 0 or 1; for other scores say from which threshold on they are right"
    return f"it must lie within [0, 1], as the threshold {threshold:g} does; give one on the scale of the scores"
