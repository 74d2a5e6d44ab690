"""Markets out of files: a market file of evaluation logs, as a scenario or as curves with their questions."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from solver.cli.wording import told_in_options

if TYPE_CHECKING:
    from games import Scenario
    from games.sampling.question_curves import QuestionCurves
    from solver.cli.options import MarketOptions


@told_in_options
def market_of_file(
    path: Path, *, benchmark: str | None, margin: float | None, value_per_correct: float | None
) -> "Scenario":
    """The scenario of a market file; its users' β is set by each command.

    Raises:
        InputError: not a market file, several benchmarks and none named, or no value per correct answer.
    """
    from games import Scenario, Users
    from games.errors import InputError
    from games.market_file import read_market_file

    if value_per_correct is None:
        raise InputError("--value-per-correct: missing; say what a correct answer is worth, in dollars")
    held = read_market_file(path)
    curves = held.curves(benchmark=benchmark, margin=margin)
    name = path.stem if benchmark is None else f"{path.stem}/{benchmark}"
    return Scenario(name, curves.market(), Users(value_per_correct, 1.0), source=held.describe())


@told_in_options
def load_curves(
    place: str, benchmark: str | None, providers: str | None, *, margin: float | None = None
) -> "tuple[str, str, QuestionCurves]":
    """Name, source and curves of a market file, or of a bundled scenario that has questions.

    Raises:
        InputError: neither, or options that do not belong to it.
    """
    from games import frontier_names, load_question_curves
    from games.errors import InputError
    from games.frontier import PREFIX, frontier_source
    from games.market import DEFAULT_MARGIN
    from games.market_file import read_market_file

    if place.startswith(PREFIX) or place in frontier_names():
        if benchmark is not None:
            raise InputError(f"--benchmark: belongs to a market file; {place} is one benchmark")
        found = load_question_curves(place, margin=DEFAULT_MARGIN if margin is None else margin)
        name, source = place, frontier_source(place)
    else:
        held = read_market_file(place)
        found = held.curves(benchmark=benchmark, margin=margin)
        name = Path(place).stem if benchmark is None else f"{Path(place).stem}/{benchmark}"
        source = held.describe()
    if providers is not None:
        chosen = [each.strip() for each in providers.split(",")]
        notes = tuple(note for note in found.notes if any(each in note for each in chosen))
        found = replace(found.subset(chosen), notes=notes)
    return name, source, found


def question_curves(name: str | None, options: "MarketOptions") -> "QuestionCurves | None":
    """The curves with their questions; None for a market that comes without them."""
    from games import frontier_names, load_question_curves
    from games.market import DEFAULT_MARGIN
    from games.market_file import read_market_file

    if options.market is not None:
        found = read_market_file(options.market).curves(benchmark=options.benchmark, margin=options.margin)
    elif name in frontier_names() and name != "frontier/aider-polyglot":
        found = load_question_curves(name, margin=DEFAULT_MARGIN if options.margin is None else options.margin)
    else:
        return None
    return found if options.providers is None else found.subset([p.strip() for p in options.providers.split(",")])
