"""What sentences of several findings share: where a case is, in how many cases, how certain all is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solver.compare import NEGLIGIBLE
from solver.report.result import Solved, Verdict
from solver.report.style import plain, plural, shorten, tiny


@dataclass(frozen=True)
class Finding:
    """A heading and what stands under it."""

    title: str
    text: str


def where(verdict: Verdict, cases: Sequence[Verdict]) -> str:
    """Which case, in brackets: what tells it from the others, nothing if there is none."""
    parts = []
    if len({case.scenario for case in cases}) > 1:
        parts.append(shorten(verdict.scenario, 60))
    if len({case.rationality for case in cases}) > 1:
        parts.append(f"β = {plain(verdict.rationality)}")
    return f" ({', '.join(parts)})" if parts else ""


def where_largest(values: np.ndarray, cases: Sequence[Verdict]) -> str:
    """Which case has the largest value, in brackets; of several that share it the first, and how many more.

    Args:
        values: one for each case.
        cases: all of them.
    """
    most = np.max(values)
    tied = np.flatnonzero(values >= most - NEGLIGIBLE * np.max(np.abs(values)))
    if len(tied) == 1 or len(cases) == 1:
        return where(cases[int(tied[0])], cases)
    if len(tied) == len(cases):
        return " (the same in both)" if len(cases) == 2 else f" (the same in all {len(cases)})"
    named = where(cases[int(tied[0])], cases)
    more = len(tied) - 1
    return f"{named[:-1]}, and as much in {more} {'other' if more == 1 else 'others'})" if named else ""


def in_cases(part: int, total: int) -> str:
    """In how many cases; nothing if the only one is meant."""
    if total == 1:
        return "" if part else " in no case"
    if part == total:
        return " in both cases" if total == 2 else f" in all {total} cases"
    return f" in {part} of {total} cases"


def median_case(values: np.ndarray) -> str:
    """What number stands for many: the one, or the median."""
    return "" if len(values) == 1 else " in the median case"


def how_certain(results: Sequence[Solved], cases: Sequence[Verdict]) -> Finding:
    """How many markets were solved, how many equilibria they have, and what proves it."""
    numbers = np.concatenate(
        [[len(v.efficiency.equilibria) for v in cases], *(r.sweep.num_equilibria.values for r in results)]
    ).astype(int)
    proved = sum(v.efficiency.equilibria.complete for v in cases) + sum(
        int(r.sweep.complete.values.sum()) for r in results
    )
    exact = sum(v.efficiency.optimum.exact for v in cases)
    regrets = [float(np.max(v.efficiency.equilibria.max_regret)) for v in cases if v.has_equilibrium]
    regrets += [float(x) for r in results for x in r.sweep.max_regret.values if np.isfinite(x)]
    total, several, without = len(numbers), int(np.sum(numbers > 1)), int(np.sum(numbers == 0))
    parts = [f"{plural(total, 'market was', 'markets were')} solved, one for each β."]
    parts.append(
        f"The list of equilibria is proved complete in {'all of them' if proved == total else f'{proved:,} of them'}; "
        + (
            f"{several:,} {'has' if several == 1 else 'have'} more than one (up to {int(numbers.max())})"
            if several
            else "none has more than one"
            if without
            else "each has exactly one"
        )
        + (f", {without:,} {'has' if without == 1 else 'have'} none." if without else ".")
    )
    if exact < len(cases):
        parts.append(f"The market optimum is proved to be one in {exact} of {len(cases)} tabled cases.")
    if regrets:
        most = max(regrets)
        gains = f"more than {tiny(most)} of its profit" if most else "anything"
        parts.append(f"Separate code tried every other choice: no provider gains {gains}.")
    parts.append("Not certain is what goes in: curves are averages over a benchmark, margins are assumed.")
    sure = proved == total and exact == len(cases)
    return Finding("Certain, given the curves" if sure else "Certain with gaps, given the curves", " ".join(parts))
