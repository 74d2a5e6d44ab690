"""The report of a state, made beside the page and handed over as one file."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from solver.explorer.state import State, scenario_of
from solver.mechanisms.registry import mechanism


def report_of(state: State, progress: Callable[[str], None]) -> io.BytesIO:
    """The page of ``solver.report`` about the state's market, at the state's β.

    Args:
        state: what the page shows.
        progress: called with what was done last.

    Raises:
        InputError: a market that the report cannot show.
    """
    from solver.report import write_report
    from solver.report.mechanisms import SHELF

    names = [*SHELF, *([] if state.mechanism in SHELF else [state.mechanism])]
    with tempfile.TemporaryDirectory() as folder:
        page = write_report(
            [scenario_of(state)],
            Path(folder) / "report",
            rationality=[state.rationality],
            mechanisms=[mechanism(name) for name in names],
            figures=False,
            progress=lambda stage, done, total: progress(f"{stage} ({done} of {total})"),
        )
        return io.BytesIO(page.read_bytes())


def file_name(state: State) -> str:
    """A name for the file that any disk takes.

    Example:
        >>> from games import load_scenario
        >>> from solver.explorer.state import state_of
        >>> file_name(state_of(load_scenario("GSM8K/majority")))
        'GSM8K-majority.html'
    """
    kept = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in state.name)
    return ("-".join(part for part in kept.split("-") if part)[:60] or "market") + ".html"
