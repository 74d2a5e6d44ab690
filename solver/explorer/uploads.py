"""From the CSV files of a reader to a state, or to an ``InputError`` with the row and the remedy."""

import tempfile
from importlib.resources import as_file, files
from pathlib import Path, PurePosixPath

from games.errors import InputError
from games.scenarios import Scenario
from games.tables import market_from_frames, prices_for, read_table
from games.users import Users
from solver.explorer.state import State, state_of

MOST_BYTES = 5_000_000
BUNDLED_PRICES = "the bundled price list"


def state_of_upload(
    curves: tuple[str, bytes],
    prices: tuple[str, bytes] | None,
    *,
    value_per_correct: float,
    benchmark: str = "",
    method: str = "",
    mechanism: str,
) -> State:
    """The state that shows a market of the reader's own.

    Args:
        curves: name and content of a CSV file ``model,level,accuracy,tokens[,benchmark,method]``.
        prices: the same of ``model,usd_per_million_tokens``, or a price list in JSON; without it the list of the
            bundled scenarios.
        value_per_correct: α, dollars.
        benchmark: which one, where the file holds several.
        method: which one, where the file holds several; ``all`` for all.
        mechanism: to show beside the market.

    Raises:
        InputError: a file that cannot be read, or a row that no market may hold.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            curves_path = _write(Path(folder), *curves)
            curves_frame = read_table(curves_path)
            if prices is None:
                with as_file(files("games") / "data" / "prices.csv") as path:
                    prices_frame = read_table(path)
            else:
                prices_frame = prices_for(curves_frame, _write(Path(folder), *prices))
        except InputError as error:
            raise InputError(str(error).replace(f"{folder}/", "")) from None
    market = market_from_frames(
        curves_frame,
        prices_frame,
        benchmark=benchmark.strip() or None,
        method=method.strip() or None,
        curves_name=curves_path.name,
        prices_name=BUNDLED_PRICES if prices is None else _safe(prices[0]),
    )
    users = Users(value_per_correct, Users(value_per_correct, 1.0).scale_free_rationality)
    parts = (curves_path.stem, benchmark.strip(), method.strip())
    source = f"{curves_path.name}, {BUNDLED_PRICES if prices is None else _safe(prices[0])}"
    return state_of(Scenario("/".join(filter(None, parts)), market, users, source), mechanism=mechanism)


def _write(folder: Path, name: str, content: bytes) -> Path:
    if len(content) > MOST_BYTES:
        raise InputError(
            f"{_safe(name)}: {len(content) / 1e6:.1f} MB; the explorer reads tables of up to {MOST_BYTES / 1e6:g} MB: "
            "leave out rows, or use Market.from_csv in Python"
        )
    path = folder / _safe(name)
    path.write_bytes(content)
    return path


def _safe(name: str) -> str:
    """The last part of a name that a browser gave, short and without anything that a path could mean."""
    last = PurePosixPath(name.replace("\\", "/").replace("\0", "")).name
    return last[-60:].lstrip(".") or "upload.csv"
