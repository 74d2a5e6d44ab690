"""Tables for people: no column is cut off, whatever the width of the terminal and the length of the names."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Table

# Where a table is too wide, columns of names and of texts are folded, first to the first of these widths, and so on. Names
# of up to 25 characters keep one line for as long as that can be.
_NAMES, _TEXTS = (25, 20, 12, 1), (12, 9, 8, 1)


@dataclass(frozen=True)
class FoldingTable:
    """What ``table`` makes; rich lays it out for the width it is printed at."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    first: tuple[str, ...]
    numbers: tuple[str, ...]
    texts: tuple[str, ...]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Table]":
        from rich import box
        from rich.cells import cell_len
        from rich.table import Table

        headings = (*self.first, *self.numbers, *self.texts)
        widths = [max(map(cell_len, column)) for column in zip(headings, *filter(None, self.rows), strict=True)]
        kinds = ["name"] * len(self.first) + ["number"] * len(self.numbers) + ["text"] * len(self.texts)
        room = options.max_width - (len(headings) - 1)  # one column of the terminal between two of the table
        made = Table(
            title=self.title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            padding=0,
            show_edge=False,
        )
        for heading, kind, width in zip(headings, kinds, folded_widths(widths, kinds, room), strict=True):
            if kind == "number":
                made.add_column(heading, justify="right", no_wrap=True)
            else:
                made.add_column(heading, overflow="fold", width=width)
        for row in self.rows:
            if row:
                made.add_row(*row)
            else:
                made.add_section()
        yield made


def table(
    title: str,
    rows: Iterable[Sequence[str]],
    *,
    first: Sequence[str] = (),
    numbers: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> FoldingTable:
    """A table: columns of names, of numbers (never cut or folded), and of texts, which give way where space is short.

    Args:
        title: shown above.
        rows: one cell per column; an empty row draws a line.
        first: headings of the columns of names on the left.
        numbers: headings of the columns of numbers.
        texts: headings of the columns of texts on the right.
    """
    return FoldingTable(title, tuple(tuple(row) for row in rows), tuple(first), tuple(numbers), tuple(texts))


def folded_widths(widths: Sequence[int], kinds: Sequence[str], room: int) -> list[int]:
    """Widths of the columns that together fit into ``room``, where folding names and texts can achieve that.

    Args:
        widths: of the columns as they are, in characters.
        kinds: "name", "number" or "text", one per column.
        room: characters that the columns may take together.

    Example:
        >>> folded_widths([30, 9, 40], ["name", "number", "text"], 70)
        [30, 9, 31]
        >>> folded_widths([30, 9, 40], ["name", "number", "text"], 50)
        [25, 9, 16]
    """
    folded = list(widths)
    for name, text in zip(_NAMES, _TEXTS, strict=True):
        least = {"name": name, "text": text}
        while sum(folded) > room:
            over = {k: folded[k] for k, kind in enumerate(kinds) if folded[k] > least.get(kind, folded[k])}
            if not over:
                break
            widest = max(over, key=lambda k: over[k])
            folded[widest] -= 1
    return folded
