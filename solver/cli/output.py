"""Where results go: tables on the terminal, JSON, and files that appear whole or not at all."""

import errno
import functools
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solver.cli.tables import table as table
from solver.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JsonOption = Annotated[
    str | None, typer.Option("--json", metavar="FILE|-", help="Write JSON to a file, or to standard output with -.")
]
STDOUT = "-"
PICTURES = (".svg", ".png")
PER_THOUSAND = "dollars per 1000 queries"


@contextmanager
def warnings_in_words() -> Iterator[None]:
    """Show each warning about input once, in one line on stderr."""
    from games.errors import InputWarning

    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, InputWarning):
            usual(message, category, *place, **more)
        elif str(message) not in told:
            told.add(str(message))
            print("warning: " + " ".join(str(message).split()), file=sys.stderr)

    with warnings.catch_warnings():
        usual = warnings.showwarning
        warnings.showwarning = show
        warnings.simplefilter("always", InputWarning)
        yield


@dataclass(frozen=True)
class Output:
    """Where one command puts what it found.

    Args:
        json: the value of ``--json``.
    """

    json: str | None

    def __post_init__(self) -> None:
        if self.json not in (None, STDOUT):
            check_writable(Path(str(self.json)), "--json")

    def show(self, *renderables: object) -> None:
        """Print for people, unless standard output is for JSON alone."""
        if self.json == STDOUT:
            return
        from rich.console import Console

        console = Console(highlight=False, soft_wrap=False)
        for renderable in renderables:
            console.print(renderable, markup=False)

    def write(self, document: dict[str, Any]) -> None:
        """Write the document where ``--json`` says, if anywhere."""
        if self.json is None:
            return
        from solver.cli.serialise import dumps

        text = dumps(document) + "\n"
        if self.json == STDOUT:
            sys.stdout.write(text)
        else:
            write_whole(Path(self.json), lambda path: path.write_text(text, encoding="utf-8"))


def check_writable(path: Path, option: str) -> None:
    """Find out before any computation whether a file can be written; leaves nothing behind.

    Raises:
        InputError: the text names the path, the reason and the remedy.
    """
    from games.errors import InputError

    folder = path.parent
    if path.is_dir():
        raise InputError(f"{option} {path}: is a directory; name a file in it")
    if not folder.is_dir():
        raise InputError(f"{option} {path}: there is no directory {folder}; create it or choose another path")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        writable = not path.exists() or os.access(path, os.W_OK)
        reason = os.strerror(errno.EACCES)
    except OSError as error:
        writable, reason = False, str(error.strerror)
    if not writable:
        raise InputError(f"{option} {path}: cannot be written ({reason}); choose another path")


def check_picture(path: Path) -> None:
    """Refuse, before anything is computed, a picture that cannot be drawn or written.

    Raises:
        InputError: another ending than .svg or .png, a place that cannot be written to, or no matplotlib.
    """
    from importlib.util import find_spec

    from games.errors import InputError

    if path.suffix not in PICTURES:
        raise InputError(f"--plot {path}: the name must end in .svg or .png")
    check_writable(path, "--plot")
    if find_spec("matplotlib") is None:
        raise InputError("--plot: matplotlib is not installed; run: pip install 'ttc-games[report]'")


def write_picture(path: Path, draw: "Callable[[], Figure]") -> None:
    """Draw a figure in the report's style into a file, whole or not at all."""
    from solver.report import svg

    with svg.drawing():
        figure = draw()
        if path.suffix == ".svg":
            text = svg.render(figure)
            write_whole(path, lambda file: file.write_text(text, encoding="utf-8"))
        else:
            write_whole(path, lambda file: figure.savefig(file, format="png", dpi=160))


def money(dollars_per_query: float) -> str:
    """Dollars per query as dollars per 1000 queries, to a hundredth of a published table's last digit.

    Example:
        >>> money(0.00726), money(-1.5e-9), money(-0.0)
        ('7.2600', '-1.5e-06', '0.0000')
    """
    thousand = 1000 * dollars_per_query + 0.0  # never -0
    return f"{thousand:.4f}" if thousand == 0 or abs(thousand) >= 5e-4 else f"{thousand:.1e}"


def ratio(value: float) -> str:
    """A welfare ratio; infinite and undefined in words."""
    from solver.cli.serialise import in_words

    return str(in_words(value)) if value != value or abs(value) == float("inf") else f"{value:.6f}"


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr where that is a terminal; yields a function that takes rich's ``Progress.update``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield functools.partial(bar.update, task)


@contextmanager
def rate_bar(description: str, total: int) -> Iterator[Callable[..., None]]:
    """``progress_bar`` for long runs: with the rate and the time that remains."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.0f}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield functools.partial(bar.update, task)
