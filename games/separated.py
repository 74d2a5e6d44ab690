"""Text tables as people save them: which character separates the cells, and whether numbers have decimal commas.

What can be told is read; what can be read in two ways is an error that says so.
"""

import re

import pandas as pd

from games.errors import InputError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_DECIMAL = re.compile(r"[+-]?(0|\d+),(\d+)(e[+-]?\d+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_POINT = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.IGNORECASE)


def separator_of(header: str, place: str) -> str:
    """The one character of ``SEPARATORS`` that the header line has outside quotes; a comma where it has none.

    Args:
        header: the first line.
        place: file and line, for messages.

    Raises:
        InputError: the line has several of them.

    Example:
        >>> separator_of("model;level;accuracy", "curves.csv"), separator_of("model", "prices.csv")
        (';', ',')
    """
    bare = re.sub(r'"[^"]*"', "", header)
    found = [character for character in SEPARATORS if character in bare]
    if len(found) > 1:
        names = " and ".join(SEPARATORS[character] for character in found)
        raise InputError(
            f"{place}: cannot tell the separator, for the header has {names}; separate by one of them, or put names in quotes"
        )
    return found[0] if found else ","


def with_points(frame: pd.DataFrame, place: str) -> pd.DataFrame:
    """The table with decimal commas read as numbers, where it has some and they can mean nothing else.

    Args:
        frame: cells as read; the index says the line.
        place: the file, for messages.

    Raises:
        InputError: commas that may stand between thousands, or decimal commas beside decimal points.

    Example:
        >>> with_points(pd.DataFrame({"model": ["Ada", "Bell"], "accuracy": ["0,62", "1"]}), "curves.csv")["accuracy"].tolist()
        [0.62, 1.0]
    """
    commas = {}
    doubtful = points = None
    sure = False
    for column in frame.columns:
        if not (frame[column].dtype == object or isinstance(frame[column].dtype, pd.StringDtype)):
            continue
        cells = frame[column].dropna().astype(str).str.strip()
        numbers = cells[[_number(cell) or _comma(cell) for cell in cells]]
        with_comma = numbers[[_comma(cell) for cell in numbers]]
        # A column of text that happens to hold "1,2" is text.
        if with_comma.empty or len(numbers) < len(cells):
            continue
        commas[column] = cells
        for line, cell in with_comma.items():
            if _THOUSANDS.fullmatch(cell):
                doubtful = doubtful or (line, column, cell)
            else:
                sure = True
        for line, cell in numbers.items():
            if _POINT.fullmatch(cell):
                points = points or (line, column, cell)
    if points is not None:
        raise InputError(
            f"{place}, line {points[0]}: {points[1]} is {points[2]}, while other lines have commas; write one kind of number"
        )
    if doubtful is not None and not sure:
        raise InputError(
            f"{place}, line {doubtful[0]}: {doubtful[1]} is {doubtful[2]}; cannot tell a decimal comma from a separator of "
            "thousands, write it with a point or without"
        )
    return frame.assign(
        **{
            column: pd.to_numeric(cells.str.replace(",", "."), errors="coerce").reindex(frame.index)
            for column, cells in commas.items()
        }
    )


def _comma(cell: str) -> bool:
    return bool(_DECIMAL.fullmatch(cell) or _THOUSANDS.fullmatch(cell))


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
