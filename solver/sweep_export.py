"""A stored sweep as one file: netCDF for arrays, Parquet or CSV for tables; written in pieces, there whole or not at all."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from games.errors import InputError
from solver.files import write_whole

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

ROWS_PER_PIECE = 1_000_000
NEEDS = {".nc": "h5netcdf", ".parquet": "pyarrow"}


def export_sweep(data: "xr.Dataset", path: Path | str) -> None:
    r"""Write a sweep to ``.nc`` (netCDF 4), ``.parquet`` or ``.csv``; tables have one row per cell and provider.

    Tables hold levels by label; netCDF holds indices from 0 (``worst_level_index``) and the labels beside them.

    Args:
        data: from ``solver.sweep`` or ``solver.open_sweep``; read piece by piece along its first dimension.
        path: the file.

    Raises:
        InputError: another suffix, or a package that is not installed.

    Example:
        >>> from games import load_scenario
        >>> from solver import sweep
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> export_sweep(sweep(scenario.market, scenario.users, [200, 1000]), "sweep.csv")
        >>> Path("sweep.csv").read_text().count("\n")  # a heading, and 2 cells × 3 providers
        7
    """
    file = Path(path)
    writers: dict[str, Callable[[xr.Dataset, Path], None]] = {".nc": _netcdf, ".parquet": _parquet, ".csv": _csv}
    if file.suffix not in writers:
        raise InputError(f"{file}: the name must end in {', '.join(writers)}")
    package = NEEDS.get(file.suffix)
    if package and find_spec(package) is None:
        raise InputError(f"{file}: {package} is not installed; run: pip install 'ttc-games[store]'")
    write_whole(file, lambda temporary: writers[file.suffix](data, temporary))


def _netcdf(data: "xr.Dataset", path: Path) -> None:
    data.to_netcdf(path, engine="h5netcdf")


def pieces(data: "xr.Dataset"):
    """The dataset as data frames of about ``ROWS_PER_PIECE`` rows, in the order of its dimensions.

    Lists of equilibria and figures of mechanisms have dimensions of their own and stay out of the tables.
    """
    first, *rest = [str(dim) for dim in data["num_equilibria" if "num_equilibria" in data else "auction_welfare"].dims]
    per_step = int(np.prod([data.sizes[dim] for dim in rest])) * data.sizes["provider"]
    step = max(1, ROWS_PER_PIECE // per_step)
    flat = data.drop_dims(["equilibrium", "mechanism"], errors="ignore")
    for start in range(0, data.sizes[first], step):
        piece = flat.isel({first: slice(start, start + step)}).load()
        # A zipped dimension has coordinates of its own; its number is of no use in a table.
        frame = labelled_frame(piece, [first, *rest, "provider"]).reset_index()
        yield frame.drop(columns=[dim for dim in (first, *rest) if dim not in data.coords])


def labelled_frame(data: "xr.Dataset", dims: Sequence[str]) -> "pd.DataFrame":
    """A table in which levels stand by their labels, ``worst_level`` for ``worst_level_index``; missing where there is none.

    Args:
        data: a sweep, or several combined.
        dims: the order of the rows, first dimension slowest.
    """
    from solver.sweep import level_names

    indices = [str(name) for name in data.data_vars if str(name).endswith("_level_index")]
    names = {name.removesuffix("_index"): level_names(data, name) for name in indices}
    labelled = data.assign(names).drop_vars(["level_label", "level_index"])
    # In the place of the indices.
    order = [name.removesuffix("_index") if name in indices else str(name) for name in data.data_vars]
    frame = labelled.drop_vars(indices)[order].to_dataframe(dim_order=list(dims))
    return frame.assign(**{name: frame[name].replace("", None) for name in names})


def _csv(data: "xr.Dataset", path: Path) -> None:
    for number, frame in enumerate(pieces(data)):
        frame.to_csv(path, mode="a", header=number == 0, index=False, na_rep="nan")


def _parquet(data: "xr.Dataset", path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for frame in pieces(data):
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
