"""Intervals of single accuracies and of measured curves, in closed form.

Accuracy. The Wilson score interval (Wilson, JASA 22, 1927; Brown, Cai & DasGupta, Statistical Science 16, 2001) inverts the
test of p: it stays within [0, 1] and does not collapse where every answer is right. Answers to one question are not
independent, so curves use the *effective* number of answers p(1 − p)/se², with se the standard error of a mean over
questions, and Student's t for the normal quantile, since se is estimated (Korn & Graubard, Survey Methodology 24, 1998;
Dean & Pagano, Journal of Survey Statistics and Methodology 3, 2015).

Tokens. Student's t for the logarithm of the mean, exp(ln m ± t·se/m): positive, and longer upwards as token counts are.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from games.errors import InputError
from games.sampling.question_curves import QuestionCurves
from games.users import Values

if TYPE_CHECKING:
    import xarray as xr

DEFAULT_LEVEL = 0.95
BOUNDS = ("low", "high")


class Bounds(NamedTuple):
    """The two ends of intervals, arrays of one shape."""

    low: Float[np.ndarray, "*shape"]
    high: Float[np.ndarray, "*shape"]


def check_level(level: float) -> None:
    """Refuse a confidence level that is none.

    Raises:
        InputError: the level is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"intervals: level is {level:g}; it must lie between 0 and 1, for example 0.95")


def wilson_interval(correct: Values, total: Values, *, level: float = DEFAULT_LEVEL) -> Bounds:
    """Wilson score interval of a probability, from counts.

    Args:
        correct: right answers, any shape; fractions of answers are allowed.
        total: all answers, of a shape that broadcasts with ``correct``; positive. Count independent ones: for several
            samples of the same question, the number of questions is the safe choice.
        level: confidence.

    Raises:
        InputError: counts that are none, or a level outside (0, 1).

    Example:
        >>> low, high = wilson_interval([141, 198], 198)
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.645, 0.981], [0.771, 1.0])
    """
    check_level(level)
    right, number = np.broadcast_arrays(np.asarray(correct, float), np.asarray(total, float))
    bad = ~(np.isfinite(number) & (number > 0) & (right >= 0) & (right <= number))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"wilson_interval: {right[place]:g} right answers of {number[place]:g}"
            + (f" at {place}" if place else "")
            + "; need 0 <= correct <= total and total > 0"
        )
    return _score_interval(right / number, number, stats.norm.ppf((1 + level) / 2))


def _score_interval(
    share: Float[np.ndarray, "*shape"],
    number: Float[np.ndarray, "*shape"],
    quantile: Float[np.ndarray, "*shape"] | float,
) -> Bounds:
    """The p with (share − p)² ≤ quantile²·p(1 − p)/number."""
    spread = quantile**2 / number
    middle = (share + spread / 2) / (1 + spread)
    half = np.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    low = np.where(share <= 0, 0.0, np.clip(middle - half, 0.0, share))
    high = np.where(share >= 1, 1.0, np.clip(middle + half, share, 1.0))
    return Bounds(low, high)


def curve_intervals(curves: QuestionCurves, *, level: float = DEFAULT_LEVEL) -> "xr.Dataset":
    """Accuracy and tokens of every level with their intervals, each level by itself.

    The questions are taken as a sample of those that users ask. Levels are measured on the same questions, so that their
    errors are correlated and two intervals that overlap can still tell the levels apart: compare levels by ``bootstrap``.

    Args:
        curves: question by question.
        level: confidence of each interval by itself.

    Returns:
        Over ``provider, level``: ``accuracy`` (probability), ``tokens`` (output tokens per query), ``num_questions``
        answered and ``effective_answers`` (independent answers that would be as informative); over ``provider, level,
        bound`` (``"low"``, ``"high"``): ``accuracy_interval`` and ``tokens_interval``; the coordinate ``level_label``
        names the levels. NaN where a provider has no such level; an interval that rests on a single question is as wide
        as possible: [0, 1] and [0, ∞].

    Raises:
        InputError: a level outside (0, 1).

    Example:
        >>> from games.sampling.question_curves import QuestionCurves
        >>> curves = QuestionCurves(
        ...     correct=np.array([[[1.0, 1.0]], [[0.0, 0.5]], [[0.0, 1.0]]]), output_tokens=np.full((3, 1, 2), 100.0),
        ...     input_tokens=np.zeros((3, 1, 2)), answered=np.ones((3, 1, 2)), mask=np.ones((1, 2)),
        ...     price_per_million=np.array([2.0]), input_price_per_million=np.array([0.0]),
        ...     providers=("Ada",), level_labels=(("1", "4"),), questions=("q1", "q2", "q3"))
        >>> intervals = curve_intervals(curves)
        >>> intervals.accuracy_interval.sel(provider="Ada", level=0).values.round(2).tolist()
        [0.01, 0.96]
    """
    import xarray as xr

    check_level(level)
    answered = np.asarray(curves.answered & curves.mask)
    number = answered.sum(axis=0)
    degrees = np.maximum(number - 1, 1)
    quantile = stats.t.ppf((1 + level) / 2, degrees)
    accuracy, accuracy_variance = _mean_and_variance(np.asarray(curves.correct), answered)
    tokens, tokens_variance = _mean_and_variance(np.asarray(curves.output_tokens), answered)
    binomial = accuracy * (1 - accuracy)
    # Without any spread between questions nothing is known about their likeness: count each once.
    spread = accuracy_variance > 0
    effective = np.where(spread, binomial / np.where(spread, accuracy_variance, 1.0), number)
    low, high = _score_interval(accuracy, np.maximum(effective, 1.0), quantile)
    factor = np.exp(quantile * np.sqrt(tokens_variance) / np.where(tokens > 0, tokens, 1.0))
    single = number < 2
    low, high = np.where(single, 0.0, low), np.where(single, 1.0, high)
    token_low, token_high = np.where(single, 0.0, tokens / factor), np.where(single, np.inf, tokens * factor)

    exists = np.asarray(curves.mask)
    labels = np.full(exists.shape, "", dtype=object)
    for i, row in enumerate(curves.level_labels):
        labels[i, : len(row)] = row
    flat, ends = ("provider", "level"), ("provider", "level", "bound")

    def table(*values: np.ndarray) -> np.ndarray:
        return np.stack([np.where(exists, value, np.nan) for value in values], axis=-1)

    return xr.Dataset(
        {
            "accuracy": (flat, table(accuracy)[..., 0], {"units": "probability"}),
            "accuracy_interval": (ends, table(low, high), {"units": "probability"}),
            "tokens": (flat, table(tokens)[..., 0], {"units": "output tokens per query"}),
            "tokens_interval": (ends, table(token_low, token_high), {"units": "output tokens per query"}),
            "num_questions": (flat, number, {"units": "questions"}),
            "effective_answers": (flat, table(effective)[..., 0], {"units": "answers"}),
        },
        {
            "provider": list(curves.providers),
            "level": np.arange(exists.shape[1]),
            "bound": list(BOUNDS),
            "level_label": (flat, labels),
        },
        {"level": level, "accuracy_method": "Wilson score, effective answers", "tokens_method": "t, logarithm of mean"},
    )


def _mean_and_variance(
    values: Float[np.ndarray, "questions providers levels"], answered: np.ndarray
) -> tuple[Float[np.ndarray, "providers levels"], Float[np.ndarray, "providers levels"]]:
    """Mean over the questions answered, and the estimated variance of that mean."""
    number = np.maximum(answered.sum(axis=0), 1)
    known = np.where(answered, values, 0.0)
    mean = known.sum(axis=0) / number
    squares = np.where(answered, (values - mean) ** 2, 0.0).sum(axis=0)
    # Equal values leave squares of rounding errors behind.
    squares = np.where(squares > 1e-24 * number * mean**2, squares, 0.0)
    return mean, squares / (number * np.maximum(number - 1, 1))
