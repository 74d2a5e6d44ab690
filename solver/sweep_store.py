"""A sweep on disk: a zarr store that is filled chunk by chunk, and can always be gone on with.

    STORE/manifest.json   what the sweep is; another sweep is refused
    STORE/data.zarr       the dataset, one zarr chunk of every variable for each chunk of cells
    STORE/chunks/N.json   chunk N is complete: checksums of its arrays

A chunk is solved, its arrays are written, and last its record appears by a rename. A process that dies in between leaves a
chunk without a record, which is solved again; a chunk with a record is never solved again, unless its arrays no longer have
the checksums of the record. Cells are solved in blocks of one size, so the numbers do not depend on where a run was cut.
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from games.errors import InputError
from solver.blocks import block_size
from solver.cells import Stages, variables
from solver.grid import Grid

if TYPE_CHECKING:
    import xarray as xr
    import zarr

CELLS_PER_CHUNK = 32_768
SCHEMA = 2
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Layout:
    """How a grid is cut into chunks: runs of neighbouring cells that are boxes of the grid.

    Args:
        shape: of the grid.
        chunk: of a box.
        block: cells solved at once.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    block: int

    @classmethod
    def of(cls, grid: Grid, cells_per_chunk: int = CELLS_PER_CHUNK) -> "Layout":
        """As many whole rows of the last dimensions as fit into a chunk."""
        chunk = [1] * len(grid.shape)
        room = max(1, cells_per_chunk)
        for d in reversed(range(len(grid.shape))):
            chunk[d] = min(grid.shape[d], room)
            room //= chunk[d]
            if chunk[d] < grid.shape[d]:
                break
        return cls(grid.shape, tuple(chunk), min(block_size(grid.market), int(np.prod(chunk))))

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunk, strict=True))

    @property
    def num_chunks(self) -> int:
        """Number of chunks."""
        return int(np.prod(self.counts, dtype=np.int64))

    def box(self, number: int) -> tuple[slice, ...]:
        """The part of the grid that a chunk covers."""
        index = np.unravel_index(number, self.counts)
        return tuple(
            slice(int(i) * c, min((int(i) + 1) * c, n)) for i, c, n in zip(index, self.chunk, self.shape, strict=True)
        )

    def cells(self, number: int) -> range:
        """The numbers of a chunk's cells, which are neighbours."""
        box = self.box(number)
        first = int(np.ravel_multi_index([part.start for part in box], self.shape))
        return range(first, first + int(np.prod([part.stop - part.start for part in box])))


class SweepStore:
    """A store of one sweep, opened for writing by one process at a time (its workers write through it)."""

    def __init__(self, path: Path, grid: Grid, stages: Stages, layout: Layout) -> None:
        self.path, self.grid, self.stages, self.layout = path, grid, stages, layout
        self._array: dict[str, Any] = {}

    def record(self, number: int) -> Path:
        """The file that says that a chunk is complete."""
        return self.path / "chunks" / f"{number:07d}.json"

    @property
    def num_recorded(self) -> int:
        """Number of chunks with a record, their arrays unread."""
        return sum(1 for _ in (self.path / "chunks").glob("*.json"))

    def write(self, number: int, arrays: Arrays) -> None:
        """Write the arrays of a chunk ``[cells, ...]``, then its record."""
        box = self.layout.box(number)
        shape = tuple(part.stop - part.start for part in box)
        sums = {}
        for name, values in arrays.items():
            boxed = values.reshape(*shape, *values.shape[1:])
            self._open(name)[box] = boxed
            sums[name] = _checksum(boxed)
        write_json(self.record(number), {"chunk": number, "checksums": sums})

    def _open(self, name: str) -> "zarr.Array":
        import zarr

        if name not in self._array:
            self._array[name] = zarr.open_array(self.path / "data.zarr" / name, mode="r+")
        return self._array[name]

    def state(self, number: int) -> str:
        """``missing``, ``complete``, or ``corrupt`` if the arrays differ from the record."""
        record = self.record(number)
        if not record.exists():
            return "missing"
        box = self.layout.box(number)
        try:
            sums = json.loads(record.read_text("utf-8"))["checksums"]
            right = all(
                _checksum(np.asarray(self._open(name)[box])) == sums[name]
                for name in variables(self.grid.market, self.stages)
            )
        except (ValueError, KeyError, OSError, RuntimeError):
            return "corrupt"
        return "complete" if right else "corrupt"

    def open(self) -> "xr.Dataset":
        """The dataset, read lazily."""
        return open_sweep(self.path)


def open_sweep(path: Path | str) -> "xr.Dataset":
    """The dataset of a store, read lazily; cells that were not solved yet hold NaN, -1 or False.

    Args:
        path: folder of the store.

    Raises:
        InputError: there is no store.

    Example:
        >>> open_sweep("nowhere")
        Traceback (most recent call last):
        games.errors.InputError: nowhere: holds no sweep; give the folder that a sweep was stored in
    """
    import xarray as xr

    folder = Path(path)
    if not (folder / "manifest.json").is_file():
        raise InputError(f"{folder}: holds no sweep; give the folder that a sweep was stored in")
    require_packages()
    data = xr.open_zarr(folder / "data.zarr", consolidated=False, mask_and_scale=False)
    for name in data.variables:
        data[name].attrs.pop("_FillValue", None)  # zarr's own note of what empty chunks hold
    return data


def require_packages() -> None:
    """Say what to install if a package of the extra is missing.

    Raises:
        InputError: zarr, dask or filelock is not installed.
    """
    for package in ("zarr", "dask", "filelock"):
        if find_spec(package) is None:
            raise InputError(f"sweep: {package} is not installed; run: pip install 'ttc-games[store]'")


def open_store(
    path: Path | str,
    grid: Grid,
    *,
    stages: Stages,
    attributes: dict[str, Any],
    cells_per_chunk: int = CELLS_PER_CHUNK,
) -> SweepStore:
    """Begin a store, or go on with one of the same sweep.

    Args:
        path: folder of the store; made if missing.
        grid: the markets.
        stages: what is computed.
        attributes: of the dataset, from ``solver.sweep.attributes``.
        cells_per_chunk: cells whose loss an interruption may cost.

    Raises:
        InputError: the folder holds another sweep (the text says what differs), or something else.
    """
    require_packages()
    folder = Path(path)
    fresh = Layout.of(grid, cells_per_chunk)
    manifest = {
        "schema": SCHEMA,
        "name": grid.name,
        "dims": list(grid.dim_names),
        "shape": list(grid.shape),
        "chunk": list(fresh.chunk),
        "block": fresh.block,
        **{f"{kind}_hash": value for kind, value in grid.fingerprints().items()},
        **{key: attributes[key] for key in ("stages", "tolerance", "seed", "version")},
    }
    file = folder / "manifest.json"
    if file.exists():
        layout = _same_sweep(folder, json.loads(file.read_text("utf-8")), manifest)
        return SweepStore(folder, grid, stages, layout)
    if folder.exists() and any(entry.name not in ("data.zarr", "chunks", "lock") for entry in folder.iterdir()):
        raise InputError(f"{folder}: holds other files and no sweep; choose a new or an empty folder")
    (folder / "chunks").mkdir(parents=True, exist_ok=True)
    _create(folder / "data.zarr", grid, stages, fresh, attributes)
    write_json(file, manifest)
    return SweepStore(folder, grid, stages, fresh)


_WHAT = {
    "data_hash": "the market's or users' data (a changed file?)",
    "axes_hash": "the values of the axes",
    "shape": "the size of the grid",
    "dims": "the axes",
    "stages": "what is computed",
    "version": "the version of ttc-games",
}


def _same_sweep(folder: Path, stored: dict[str, Any], wanted: dict[str, Any]) -> Layout:
    """The layout that the store was begun with, which the machine at hand might choose otherwise.

    Raises:
        InputError: the store is of another sweep.
    """
    keys = [key for key in wanted if key not in ("chunk", "block") and stored.get(key) != wanted[key]]
    if keys:
        differing = ", ".join(_WHAT.get(key, key) for key in keys)
        raise InputError(
            f"{folder}: holds another sweep, which differs in {differing}; give another --store or delete it"
        )
    return Layout(tuple(stored["shape"]), tuple(stored["chunk"]), int(stored["block"]))


def _create(path: Path, grid: Grid, stages: Stages, layout: Layout, attributes: dict[str, Any]) -> None:
    """An empty dataset: coordinates, and arrays without chunks.

    In zarr's format 2: format 3 has no specification yet for arrays of text.
    """
    import xarray as xr
    import zarr

    from solver.sweep import attrs_of, coordinates

    xr.Dataset(coords=coordinates(grid, stages), attrs=attributes).to_zarr(
        path, mode="w", consolidated=False, zarr_format=2
    )
    group = zarr.open_group(path, mode="r+")
    for name, kind in variables(grid.market, stages).items():
        empty = np.nan if kind.dtype == np.float64 else False if kind.dtype == np.bool_ else -1
        group.create_array(
            name,
            shape=(*layout.shape, *kind.shape),
            chunks=(*layout.chunk, *kind.shape),
            dtype=kind.dtype,
            fill_value=empty,
            attributes={**attrs_of(name), "_ARRAY_DIMENSIONS": [*grid.dim_names, *kind.dims]},
        )


def _checksum(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a file that is there whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(document, indent=1), "utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def pending(store: SweepStore, say: Callable[[str], object]) -> Iterator[int]:
    """The chunks that are still to be solved; corrupt ones are told and come again."""
    for number in range(store.layout.num_chunks):
        state = store.state(number)
        if state == "corrupt":
            first = store.grid.cell(store.layout.cells(number)[0])
            say(f"chunk {number} of {store.layout.num_chunks} is corrupt (from {first}); solved again")
            store.record(number).unlink()
        if state != "complete":
            yield number


def in_words(store: SweepStore, error: OSError) -> InputError:
    """An error of the disk with what is safe and how to go on."""
    reason = "no space is left" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error.strerror or error)
    return InputError(
        f"{store.path}: {reason}; {store.num_recorded} of {store.layout.num_chunks} chunks are safe: "
        "make room and run the same command again to go on"
    )
