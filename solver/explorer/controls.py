"""The values that the sliders of the explorer run through."""

import math
from collections.abc import Callable

import numpy as np

from solver.explorer.state import Offer, State
from solver.report.style import plain

MARGINS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
NO_CAP = "none"
STEPS = 20

Choices = dict[str, float]


def rationalities(state: State) -> Choices:
    """β from 1 to a million, twenty a decade, and the state's own.

    Example:
        >>> from games import load_scenario
        >>> from solver.explorer.state import state_of
        >>> choices = rationalities(state_of(load_scenario("GPQA/reasoning_effort")))
        >>> len(choices), choices["1,000"]
        (121, 1000.0)
    """
    return _labelled([*_spaced(1.0, 6 * STEPS), state.rationality], lambda b: f"{b:,.4g}" if b < 1000 else f"{b:,.0f}")


def values_per_correct(state: State) -> Choices:
    """α from a tenth to ten times the state's own."""
    alpha = state.value_per_correct
    return _labelled([*_spaced(alpha / 10, 2 * STEPS), alpha], lambda a: f"${a:,.4g}")


def margins(state: State) -> Choices:
    """Margins from 1 % to 400 %, and the state's own."""
    return _labelled([*MARGINS, state.margin], lambda m: f"{100 * m:,.4g}%")


def factors(own: float = 1.0) -> Choices:
    """A tenth to ten times, and one's own."""
    return _labelled([*_spaced(0.1, 2 * STEPS), own], lambda f: f"× {f:,.3g}")


def caps(offers: tuple[Offer, ...], own: float = math.inf) -> Choices:
    """Tokens per query at the levels of the offers, and no cap; as many as a slider can be set to by hand."""
    tokens = np.unique(np.ceil([t for offer in offers for t in offer.tokens]))
    if len(tokens) > 3 * STEPS:
        tokens = np.unique(np.ceil(np.geomspace(max(tokens[0], 1.0), tokens[-1], 3 * STEPS)))
    finite = [float(t) for t in tokens[:-1]] + ([own] if math.isfinite(own) else [])
    return _labelled(finite, lambda t: f"{plain(t)} tokens") | {NO_CAP: math.inf}


def nearest(choices: Choices, value: float) -> float:
    """The choice that is the value, or next to it.

    Example:
        >>> nearest({"a": 1.0, "b": 2.0}, 1.4)
        1.0
    """
    if math.isinf(value):
        return next(choice for choice in choices.values() if math.isinf(choice))
    return min((c for c in choices.values() if math.isfinite(c)), key=lambda c: abs(c - value))


def _spaced(low: float, steps: int) -> list[float]:
    return [float(f"{low * 10 ** (step / STEPS):.4g}") for step in range(steps + 1)]


def _labelled(values: list[float], label: Callable[[float], str]) -> Choices:
    """Values in order, each under a label of its own; of values alike to the eye the last given stays."""
    chosen: dict[str, float] = {}
    for value in values:
        chosen[label(value)] = value
    return dict(sorted(chosen.items(), key=lambda item: item[1]))
