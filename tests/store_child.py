"""A process that fills the store of a sweep, to be killed: ``python tests/store_child.py STORE real|stand-in``.

The stand-in solver makes numbers of the right shapes that depend on the cells alone, slowly and without compilation, so that
a kill can be tried many times.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from games import load_scenario
from solver.cells import Stages, variables
from solver.grid import Grid
from solver.sweep import attributes
from solver.sweep_run import fill, sweep_to_store
from solver.sweep_store import open_store

STAGES = Stages(dynamics=False)
CHUNK = 40


def make_grid(seed: float = 0.0) -> Grid:
    scenario = load_scenario("GPQA/reasoning_effort")
    axes = {"margin": np.linspace(0.1, 0.5 + seed, 8), "rationality": np.geomspace(100, 1e5, 40)}
    return Grid.of(scenario.market, scenario.users, axes, name=scenario.name)


def stand_in(cells: range) -> dict[str, np.ndarray]:
    """Numbers for the cells, in place of their solution."""
    made = {}
    for number, (name, kind) in enumerate(variables(make_grid().market, STAGES).items()):
        shape = (len(cells), *kind.shape)
        made[name] = np.broadcast_to(
            (np.arange(cells.start, cells.stop) % 100 + number).reshape(-1, *[1] * len(kind.shape)), shape
        ).astype(kind.dtype)
        time.sleep(0.001)
    return made


def main(path: str, solver: str) -> None:
    grid = make_grid()
    if solver == "real":
        sweep_to_store(grid, path, stages=STAGES, cells_per_chunk=CHUNK, progress=lambda _: print("chunk", flush=True))
    else:
        Path(path).mkdir(exist_ok=True)
        store = open_store(
            path, grid, stages=STAGES, attributes=attributes(grid, STAGES, 1e-9, 0), cells_per_chunk=CHUNK
        )
        fill(store, stand_in, progress=lambda _: print("chunk", flush=True))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
