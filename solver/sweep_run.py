"""Fill the store of a sweep: here, or on the workers of a cluster."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from games.errors import InputError
from solver.blocks import in_threads, num_threads
from solver.cells import Stages, solve_cells
from solver.grid import Grid
from solver.lattice import DEFAULT_TOLERANCE
from solver.sweep import EVERYTHING, attributes, check
from solver.sweep_store import (
    CELLS_PER_CHUNK,
    Arrays,
    SweepStore,
    in_words,
    open_store,
    pending,
    require_packages,
)

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

RETRIES = 2


class PoisonedChunks(RuntimeError):
    """Some chunks of a sweep failed again and again; the text lists their parameters. All others are stored."""


@dataclass(frozen=True)
class ChunkSolver:
    """Solves a chunk; small enough to be sent to a worker.

    Args:
        grid: the markets.
        stages: what to compute.
        tolerance: relative gain below which a deviation does not count.
        seed: of the dynamics' move order.
        block: cells solved at once.
        threads: blocks solved at the same time, by threads of the process.
    """

    grid: Grid
    stages: Stages
    tolerance: float
    seed: int
    block: int
    threads: int = 1

    def __call__(self, cells: range) -> Arrays:
        """The arrays of the cells, block by block."""

        def solve(start: int) -> Arrays:
            solved = solve_cells(
                self.grid, start, self.block, stages=self.stages, tolerance=self.tolerance, seed=self.seed
            )
            return {name: values[: cells.stop - start] for name, values in solved.items()}

        parts = in_threads(solve, range(cells.start, cells.stop, self.block), self.threads)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def sweep_to_store(
    grid: Grid,
    path: Path | str,
    *,
    stages: Stages = EVERYTHING,
    tolerance: float = DEFAULT_TOLERANCE,
    seed: int = 0,
    cells_per_chunk: int | None = None,
    client: "Client | None" = None,
    progress: Callable[[int], object] | None = None,
    say: Callable[[str], object] = print,
    command: str = "",
) -> "xr.Dataset":
    """Solve every market of a grid into a store on disk, in constant memory; go on where an earlier run ended.

    Args:
        grid: the markets.
        path: folder of the store.
        stages: what to compute.
        tolerance: relative gain below which a deviation does not count.
        seed: of the dynamics' move order.
        cells_per_chunk: cells whose loss an interruption may cost; 32,768 by default.
        client: of a dask cluster whose workers solve the chunks; this process by default.
        progress: called with the number of markets finished since the last call; first with those of earlier runs.
        say: called with one line where a chunk had to be repaired.
        command: written into the dataset's attributes.

    Returns:
        The dataset, read lazily from the store; ``solver.open_sweep(path)`` opens it again.

    Raises:
        InputError: the store holds another sweep, another process fills it, or the disk fails; what is stored stays.
        PoisonedChunks: chunks that failed on workers again and again; the rest is stored.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> grid = Grid.of(scenario.market, scenario.users, {"rationality": [200, 1000]})
        >>> data = sweep_to_store(grid, "store")
        >>> data.price_of_anarchy.sel(rationality=900, method="nearest").values.round(4).item()
        1.0129
    """
    check(grid, stages)
    attrs = attributes(grid, stages, tolerance, seed) | ({"command": command} if command else {})
    require_packages()
    Path(path).mkdir(parents=True, exist_ok=True)
    with _alone(Path(path)):
        size = CELLS_PER_CHUNK if cells_per_chunk is None else cells_per_chunk
        store = open_store(path, grid, stages=stages, attributes=attrs, cells_per_chunk=size)
        # On a cluster the workers share the cores out; here threads do.
        threads = num_threads() if client is None else 1
        solver = ChunkSolver(grid, stages, tolerance, seed, store.layout.block, threads)
        fill(store, solver, client=client, progress=progress, say=say)
        return store.open()


def fill(
    store: SweepStore,
    solve: Callable[[range], Arrays],
    *,
    client: "Client | None" = None,
    progress: Callable[[int], object] | None = None,
    say: Callable[[str], object] = print,
) -> None:
    """Solve and write every chunk that is not complete."""
    told = progress or (lambda _: None)
    todo = list(pending(store, say))
    told(store.grid.size - sum(len(store.layout.cells(number)) for number in todo))
    finished = _here(store, solve, todo) if client is None else _on_workers(store, solve, todo, client)
    try:
        for number in finished:
            told(len(store.layout.cells(number)))
    except OSError as error:
        raise in_words(store, error) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted: {store.num_recorded} of {store.layout.num_chunks} chunks are stored in {store.path}; "
            "run the same command again to go on"
        ) from None


def _here(store: SweepStore, solve: Callable[[range], Arrays], todo: Iterable[int]) -> Iterator[int]:
    for number in todo:
        yield _solve_and_write((store, solve), number)


def _solve_and_write(sent: tuple[SweepStore, Callable[[range], Arrays]], number: int) -> int:
    """A task: results go straight from the worker to the store."""
    store, solve = sent
    store.write(number, solve(store.layout.cells(number)))
    return number


def _on_workers(
    store: SweepStore, solve: Callable[[range], Arrays], todo: Iterable[int], client: "Client"
) -> Iterator[int]:
    """Dask redoes the chunks of a worker that dies; one that fails every time is reported, the others go on."""
    from distributed import as_completed

    bare = SweepStore(store.path.absolute(), store.grid, store.stages, store.layout)
    sent = client.scatter([(bare, solve)], broadcast=True)[0]
    # Dask takes tasks of one key for one task: keys are of this run, also if a client fills two stores.
    run = uuid.uuid4().hex
    futures = {
        client.submit(_solve_and_write, sent, number, retries=RETRIES, key=f"chunk-{number}-{run}"): number
        for number in todo
    }
    poisoned: list[str] = []
    for future in as_completed(futures):
        number = futures[future]
        if future.status == "finished":
            yield number
        else:
            first = store.grid.cell(store.layout.cells(number)[0])
            poisoned.append(f"chunk {number} (from {first}): {future.exception()}")
    if poisoned:
        listed = "; ".join(poisoned[:5]) + ("; and so on" if len(poisoned) > 5 else "")
        raise PoisonedChunks(
            f"{len(poisoned)} of {store.layout.num_chunks} chunks failed {RETRIES + 1} times, the others are stored: {listed}"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from filling the same store; the lock goes with the process, however it ends."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"{folder}: another process is filling this store; wait for it or choose another folder"
        ) from None
