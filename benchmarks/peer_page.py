"""The tables, figure and page of ``benchmarks.peers``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.peer_methods import METHODS

OURS = {"ours": "ttc-games", "batch": "ttc-games, each of 1,024 at once"}
Rows = dict[tuple[int, int], dict[str, "Cell"]]


class Cell(NamedTuple):
    """One method at one size: seconds, or nan with the reason."""

    seconds: float
    note: str

    @property
    def right(self) -> bool:
        """Whether it solved the game in time."""
        return self.seconds == self.seconds and not self.note

    @property
    def text(self) -> str:
        """For a table."""
        return ", ".join(
            part for part in (_seconds(self.seconds) if self.seconds == self.seconds else "", self.note) if part
        )


def tables(rows: Rows, keys: Sequence[str]) -> list[list[str]]:
    """Cells as text, a row per size."""
    return [[f"{n} × {k}", f"{k**n:,}", *(row[key].text for key in keys)] for (n, k), row in rows.items()]


def plot(rows: Rows, keys: Sequence[str], file: Path) -> None:
    """Seconds against the number of profiles, right answers only, for the largest K."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2))
    levels = max(k for _, k in rows)
    for key in keys:
        points = [(k**n, row[key].seconds) for (n, k), row in rows.items() if k == levels and row[key].right]
        if points:
            label = OURS[key] if key in OURS else METHODS[key].label
            axes.loglog(*zip(*points, strict=True), marker="o", ms=4, lw=2 if key in OURS else 1, label=label)
    axes.set(xlabel=f"profiles ({levels} levels each, 2 providers and more)", ylabel="seconds")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def write_page(
    docs: Path, method: str, title: str, rows: Rows, best: Sequence[str], default: Sequence[str], note: str
) -> None:
    """The page ``peers.md`` and its figure; ``method`` says how it was measured."""
    plot(rows, best, docs / "images" / "peers.svg")
    text = [
        "# Other solvers",
        f"Written by `python -m benchmarks.peers {' '.join(sys.argv[1:])}`; every cell comes from one run. {note}",
        *(part.strip().replace("``", "`") for part in method.split("\n\n")),
        f"## {title}, at their best",
        "![Seconds against the number of profiles](images/peers.svg)",
        _markdown(rows, best),
        "## The same with the libraries' own settings, payoffs in dollars",
        "Payoffs are of the order of 10^-5 dollars, tolerances absolute: profiles that are no equilibria can pass. "
        "Regret is the largest gain of a deviation, relative to the provider's payoff: 4e+02 is a gain of 400 times.",
        _markdown(rows, default),
    ]
    (docs / "peers.md").write_text("\n\n".join(text) + "\n", "utf-8")


def _markdown(rows: Rows, keys: Sequence[str]) -> str:
    head = [heading(key) for key in keys]
    lines = [["N × K", "profiles", *head], ["---"] * (len(head) + 2), *tables(rows, keys)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def heading(key: str) -> str:
    """Library, algorithm and settings of a column."""
    if key in OURS:
        return OURS[key]
    method = METHODS[key]
    return method.label + (f" ({method.settings})" if method.settings else "")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"
