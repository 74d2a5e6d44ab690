"""From tables of measured curves and prices to a market, with every row checked before it counts.

Curves: one row per provider and level, columns ``model, level, accuracy, tokens`` and, where one table holds
several, ``benchmark`` and ``method``; further columns are ignored. Prices: ``model, usd_per_million_tokens``. Where the curves
have ``input_tokens`` and the prices ``usd_per_million_input_tokens``, the prompt is charged too.
Errors name the row: a CSV file's line number, or a data frame's index label.
"""

import gzip
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from games.errors import InputError, InputWarning, unknown_name
from games.market import Market
from games.separated import separator_of, with_points

CURVE_COLUMNS = ("model", "level", "accuracy", "tokens")
PRICE_COLUMNS = ("model", "usd_per_million_tokens")
INPUT_COLUMNS = ("input_tokens", "usd_per_million_input_tokens")
COSTS = ("cost", "fixed_cost", "margin")
# What tables hold besides: which rows to take, and where they come from.
KNOWN_IN_CURVES = (*CURVE_COLUMNS, "benchmark", "method", "input_tokens", *COSTS, "source")
KNOWN_IN_PRICES = (
    *PRICE_COLUMNS,
    "usd_per_million_input_tokens",
    "usd_per_million_cached_tokens",
    "fixed_cost",
    "margin",
    "provider",
    "dated",
    "source",
)
ALL_METHODS = "all"


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV file; the index of the result is the line number in the file.

    Cells are separated by commas, semicolons or tabs, as the header says; decimal commas are read where they can mean nothing
    else (see ``games.separated``).

    Raises:
        InputError: the file is missing, empty or not a CSV table, or its separator cannot be told.
    """
    try:
        separator = _separator(path)
        frame = pd.read_csv(path, sep=separator, skip_blank_lines=False, skipinitialspace=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: the file is empty; it needs a header line and at least one row") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        detail = str(error).strip().replace("\n", " ")
        raise InputError(
            f"{path}: not a readable CSV table ({detail}); save it as UTF-8, with one separator throughout; with "
            "decimal commas the separator must be a semicolon or a tab"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas takes cells beyond the header for an index.
        raise InputError(
            f"{path}, line 2: has more cells than the header; is a decimal comma taken for the separator? Separate by "
            "semicolon or tab, or write decimal points"
        )
    frame.index = pd.RangeIndex(2, 2 + len(frame), name="line")
    return with_points(frame.dropna(how="all"), str(path))


def _separator(path: str | Path) -> str:
    unpack = gzip.open if str(path).endswith(".gz") else open
    with unpack(path, "rt", encoding="utf-8-sig") as file:
        return separator_of(str(file.readline()), f"{path}, line 1")


def prices_for(curves: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """The table of prices in a file, or the rows that a table of curves needs of a price list in JSON.

    Args:
        curves: table of curves, as read; its models are looked for in a JSON list.
        path: CSV, or JSON of a kind in ``games.price_lists``.

    Raises:
        InputError: the file cannot be read, or the list has no price of a model, or several.
    """
    from games.price_lists import looks_json, read_price_list

    if not looks_json(path):
        return read_table(path)
    models = curves.rename(columns=lambda column: str(column).strip()).get("model", pd.Series(dtype=object))
    return read_price_list(path).frame(dict.fromkeys(str(model).strip() for model in models.dropna()))


def market_from_frames(
    curves: pd.DataFrame,
    prices: pd.DataFrame,
    *,
    margin: float | None = None,
    benchmark: str | None = None,
    method: str | None = None,
    curves_name: str = "curves",
    prices_name: str = "prices",
) -> Market:
    """Build a market from a table of curves and one of prices; see ``Market.from_frames``.

    Providers keep the order of their first row. Levels go from the fewest to the most tokens, whatever their names and the
    order of the rows; levels with equally many keep the order of their numbers, or of their rows where they are not all
    numbers. With ``method="all"`` a level is labelled ``method/level``.

    Args:
        curves_name: what error messages call the table of curves.
        prices_name: what error messages call the table of prices.

    Raises:
        InputError: the text names the table, the row and the remedy.
    """
    curves = required_columns(curves, CURVE_COLUMNS, curves_name)
    prices = required_columns(prices, PRICE_COLUMNS, prices_name)
    if "cost" in prices:
        raise InputError(f"{prices_name}: column 'cost' is one per level; put it into {curves_name}")
    _tell_unknown(curves, KNOWN_IN_CURVES, curves_name)
    _tell_unknown(prices, KNOWN_IN_PRICES, prices_name)
    curves = _select(curves, "benchmark", benchmark, curves_name)
    curves = _select(
        curves, "method", None if method == ALL_METHODS else method, curves_name, every=method == ALL_METHODS
    )
    for label in curves.index[curves["level"].isna().to_numpy()]:
        place = f"{curves_name}, {row_name(label, curves)} ({curves.loc[label, 'model']})"
        raise InputError(f"{place}: level is missing; give the level's name or number")
    for column, low, high in (("accuracy", 0.0, 1.0), ("tokens", 0.0, np.inf)):
        curves[column] = bounded_numbers(curves, column, low, high, curves_name)
    prices["usd_per_million_tokens"] = bounded_numbers(prices, "usd_per_million_tokens", 0.0, np.inf, prices_name)
    keys = [c for c in ("benchmark", "method", "model", "level") if c in curves]
    _refuse_duplicates(curves, keys, curves_name)
    _refuse_duplicates(prices, ["model"], prices_name)
    list_price = dict(zip(prices["model"], prices["usd_per_million_tokens"], strict=True))
    input_price = _input_prices(curves, prices, curves_name, prices_name)
    own = _own_costs(curves, prices, margin, curves_name, prices_name)
    curves = curves.assign(**own)
    rows = []
    for name, levels in curves.groupby("model", sort=False):
        if name not in list_price:
            error = unknown_name("model", str(name), [str(m) for m in list_price])
            place = f"{curves_name}, {row_name(levels.index[0], levels)}"
            raise InputError(f"{place}: {name!r} has no row in {prices_name}; add its price ({error})")
        rows.append((str(name), _order(levels, numbered=method != ALL_METHODS)))
    several = method == ALL_METHODS and "method" in curves
    return Market.from_arrays(
        accuracy=[levels["accuracy"].tolist() for _, levels in rows],
        tokens=[levels["tokens"].tolist() for _, levels in rows],
        price_per_million=[list_price[name] for name, _ in rows],
        input_tokens=None if input_price is None else [levels["input_tokens"].tolist() for _, levels in rows],
        input_price_per_million=0.0 if input_price is None else [input_price[name] for name, _ in rows],
        margin=[levels["margin"].tolist() for _, levels in rows] if "margin" in own else margin,
        cost=[levels["cost"].tolist() for _, levels in rows] if "cost" in own else None,
        fixed_cost=[levels["fixed_cost"].tolist() for _, levels in rows] if "fixed_cost" in own else 0.0,
        providers=[name for name, _ in rows],
        level_labels=[
            [f"{m}/{_label(x)}" for m, x in zip(levels["method"], levels["level"], strict=True)]
            if several
            else [_label(x) for x in levels["level"]]
            for _, levels in rows
        ],
    )


def _input_prices(
    curves: pd.DataFrame, prices: pd.DataFrame, curves_name: str, prices_name: str
) -> dict[str, float] | None:
    """List prices of input tokens by model, both columns checked; None unless both tables have theirs."""
    tokens, price = INPUT_COLUMNS
    if tokens not in curves or price not in prices:
        return None
    curves[tokens] = bounded_numbers(curves, tokens, 0.0, np.inf, curves_name)
    needed = prices[prices["model"].isin(curves["model"])]
    return dict(zip(needed["model"], bounded_numbers(needed, price, 0.0, np.inf, prices_name), strict=True))


def _tell_unknown(frame: pd.DataFrame, known: tuple[str, ...], name: str) -> None:
    unknown = [str(column) for column in frame.columns if column not in known]
    if unknown:
        columns = "column" if len(unknown) == 1 else "columns"
        said = ", ".join(repr(column) for column in unknown)
        text = f"{name}: {columns} {said} not known and ignored; known are {', '.join(known)}"
        warnings.warn(text, InputWarning, stacklevel=4)


def _own_costs(
    curves: pd.DataFrame, prices: pd.DataFrame, margin: float | None, curves_name: str, prices_name: str
) -> dict[str, pd.Series]:
    """Columns ``cost``, ``fixed_cost`` and ``margin`` at the rows of the curves, checked, as far as a table has them.

    Raises:
        InputError: a column in both tables, a margin asked for where a table has its own, or a value out of range.
    """
    found = {}
    for column, low in (("cost", 0.0), ("fixed_cost", 0.0), ("margin", -1.0)):
        holders = [(frame, name) for frame, name in ((curves, curves_name), (prices, prices_name)) if column in frame]
        if len(holders) == 2:
            raise InputError(f"{curves_name} and {prices_name}: both have a column {column!r}; keep one of them")
        for frame, name in holders:
            known = frame[frame["model"].isin(curves["model"])]
            # An empty cost is left to the margin; nothing else may be empty.
            some = known[known[column].notna()] if column == "cost" else known
            numbers = bounded_numbers(some, column, low, np.inf, name).reindex(known.index)
            by_model = dict(zip(known["model"], numbers, strict=True))
            found[column] = numbers if frame is curves else curves["model"].map(by_model)
    if margin is not None and "margin" in found:
        raise InputError(f"margin {margin:g}: was asked for, but a table has a column 'margin'; leave one of them out")
    if margin is not None and "cost" in found and found["cost"].notna().all():
        raise InputError(
            f"margin {margin:g}: was asked for, but {curves_name} has the cost of every level; leave one out"
        )
    if "margin" in found and "cost" in found and found["cost"].notna().all():
        raise InputError(f"{curves_name}: has the cost of every level, and a column 'margin' too; leave one out")
    return found


def row_name(label: object, frame: pd.DataFrame) -> str:
    """Name a row as its reader would: by file line, or by index label."""
    return f"{frame.index.name if frame.index.name else 'row'} {label}"


def required_columns(frame: pd.DataFrame, wanted: tuple[str, ...], name: str) -> pd.DataFrame:
    """A copy of the frame with tidy column names, all the wanted ones present."""
    frame = frame.rename(columns=lambda column: str(column).strip())
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        have = ", ".join(map(str, frame.columns))
        raise InputError(f"{name}: column {missing[0]!r} is missing; needed are {', '.join(wanted)}, found {have}")
    if frame.empty:
        raise InputError(f"{name}: no rows; it needs one row per {'level' if 'level' in wanted else 'model'}")
    for label, value in frame["model"].items():
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{name}, {row_name(label, frame)}: model is {value!r}; give the model's name as text")
    return frame.assign(model=frame["model"].str.strip())


def _select(frame: pd.DataFrame, column: str, value: str | None, name: str, *, every: bool = False) -> pd.DataFrame:
    """The rows of one benchmark or method; refuses to guess where there are several."""
    if column not in frame.columns:
        if value is not None:
            raise InputError(
                f"{name}: {column} {value!r} was asked for, but there is no column {column!r}; leave it out"
            )
        return frame
    known = list(dict.fromkeys(frame[column].astype(str)))
    if every or (value is None and len(known) == 1):
        return frame
    if value is None:
        raise InputError(f"{name}: holds several values of {column} ({', '.join(known)}); name one with {column}")
    if value not in known:
        raise unknown_name(f"{column} in {name}", value, known)
    return frame[frame[column].astype(str) == value].copy()


def bounded_numbers(frame: pd.DataFrame, column: str, low: float, high: float, name: str) -> pd.Series:
    """The column as floats within [low, high], or an error that names the first bad row."""
    numbers = pd.to_numeric(frame[column], errors="coerce")
    good = np.isfinite(numbers) & (numbers >= low) & (numbers <= high)
    for label in frame.index[~good.to_numpy()]:
        wanted = f"a number within [{low:g}, {high:g}]" if np.isfinite(high) else "a finite number, not negative"
        value = frame.loc[label, column]
        shown = "missing (NaN)" if pd.isna(value) else f"{value}"
        raise InputError(
            f"{name}, {row_name(label, frame)} ({frame.loc[label, 'model']}): {column} is {shown}; it must be {wanted}"
        )
    return numbers.astype(float)


def _refuse_duplicates(frame: pd.DataFrame, keys: list[str], name: str) -> None:
    repeated = frame.duplicated(keys, keep="first")
    if repeated.any():
        label = frame.index[repeated.to_numpy()][0]
        same = (frame[keys] == frame.loc[label, keys]).all(axis=1)
        values = ", ".join(f"{key} {frame.loc[label, key]}" for key in keys)
        first = row_name(frame.index[same.to_numpy()][0], frame)
        raise InputError(f"{name}, {row_name(label, frame)}: repeats {first} ({values}); keep one of them")


def _order(levels: pd.DataFrame, *, numbered: bool) -> pd.DataFrame:
    """Levels from the fewest to the most tokens; of equally many, the lower number or the earlier row comes first."""
    number = pd.to_numeric(levels["level"], errors="coerce")
    if numbered and number.notna().all():
        levels = levels.loc[number.sort_values(kind="stable").index]
    return levels.sort_values("tokens", kind="stable")


def _label(level: object) -> str:
    """A level's label: 4 for 4 and for 4.0, text unchanged."""
    if isinstance(level, float | np.floating) and float(level).is_integer():
        return str(int(level))
    return str(level)
