"""A million nine-provider markets through a store on disk: rate, peak memory, workers, and what a thousand million would cost.

    python -m benchmarks.million [--markets 1000000] [--scenario GSM8K/majority] [--workers 2]

The markets are a product of β (log-spaced from 1 to 10^6), α (0.002 to 0.05 dollars) and margin (0.05 to 1). Every row runs in
a process of its own, so that its peak memory is its own; compilation is timed apart, on one block. "busy" is processor time of
all cores over wall time: on a machine that others use, markets per processor second says more than markets per second. Each
run must certify what it stores: the largest regret of any equilibrium in the store, and every list complete.
"""

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import typer

from benchmarks.timing import machine, show

THOUSAND_MILLION = 10**9
CLUSTER_CORES = 64


class Task(NamedTuple):
    """One row: how many markets of which scenario, which stages, and dask workers (0 for none)."""

    scenario: str
    markets: int
    equilibria: bool
    workers: int


class Row(NamedTuple):
    """What a run took: seconds, megabytes, bytes on disk, and its certificate."""

    task: Task
    compile: float
    wall: float
    processor: float
    peak: float
    disk: int
    max_regret: float
    several: int

    @property
    def rate(self) -> float:
        """Markets per second of wall time."""
        return self.task.markets / self.wall

    @property
    def rate_per_core(self) -> float:
        """Markets per second of one core's time."""
        return self.task.markets / self.processor


def sizes(markets: int) -> tuple[int, int, int]:
    """Three numbers whose product is the number of markets, as near to each other as may be.

    Example:
        >>> sizes(1_000_000), sizes(10_000), sizes(7)
        ((100, 100, 100), (20, 20, 25), (1, 1, 7))
    """
    first = _divisor(markets, markets ** (1 / 3))
    second = _divisor(markets // first, (markets // first) ** 0.5)
    return first, second, markets // first // second


def _divisor(number: int, limit: float) -> int:
    """The largest divisor up to a limit, which may come out just below a whole number."""
    return max(d for d in range(1, int(limit + 1e-6) + 1) if number % d == 0)


def make_grid(task: Task):
    """The grid of a task."""
    from games import load_scenario
    from solver.grid import Grid

    scenario = load_scenario(task.scenario)
    margins, values, rationalities = sizes(task.markets)
    axes = {
        "margin": np.geomspace(0.05, 1, margins),
        "value_per_correct": np.geomspace(0.002, 0.05, values),
        "rationality": np.geomspace(1, 1e6, rationalities),
    }
    return Grid.of(scenario.market, scenario.users, axes, name=scenario.name)


def run(task: Task) -> Row:
    """Compile, then sweep into a store that is thrown away, and read the certificates back."""
    from solver.cells import Stages, solve_cells
    from solver.sweep_cluster import connect
    from solver.sweep_run import sweep_to_store
    from solver.sweep_store import Layout

    grid = make_grid(task)
    stages = Stages(equilibria=task.equilibria)
    block = Layout.of(grid).block

    def warm() -> float:
        start = time.perf_counter()
        solve_cells(grid, 0, block, stages=stages, tolerance=1e-9, seed=0)
        return time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        if task.workers:
            with connect(workers=task.workers) as client:
                compiled = max(client.run(warm).values())
                before, _ = _usages(client.run(_usage))
                start = time.perf_counter()
                data = sweep_to_store(grid, path, stages=stages, client=client)
                wall = time.perf_counter() - start
                after = _usages(client.run(_usage))
        else:
            compiled = warm()
            before, _ = _usage()
            start = time.perf_counter()
            data = sweep_to_store(grid, path, stages=stages)
            wall = time.perf_counter() - start
            after = _usage()
        regret, several = 0.0, 0
        if task.equilibria:
            assert bool(data.complete.all())
            regret = float(data.max_regret.max())
            several = int((data.num_equilibria > 1).sum())
            assert regret < 1e-9, regret
        assert bool((data.welfare_ratio > 1 - 1e-9).all())
        disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Row(task, compiled, wall, after[0] - before, after[1], disk, regret, several)


def _usage() -> tuple[float, float]:
    """Processor seconds and peak memory, MB, of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _usages(workers: dict[str, tuple[float, float]]) -> tuple[float, float]:
    """Processor seconds of all workers, peak memory of the largest."""
    return sum(w[0] for w in workers.values()), max(w[1] for w in workers.values())


def tasks(markets: int, scenario: str, workers: int) -> list[Task]:
    """All rows: everything at three sizes, optimum and dynamics alone, and 1, 2, ... workers on a tenth of the markets."""
    everything = [Task(scenario, max(1, markets // part), True, 0) for part in (100, 10, 1)]
    return [
        *everything,
        Task(scenario, markets, False, 0),
        *(Task(scenario, max(1, markets // 10), True, n) for n in range(1, workers + 1)),
    ]


def print_table(rows: Sequence[Row]) -> None:
    """Rates, memory and certificates, one row per run."""
    columns = [
        "stages",
        "markets",
        "workers",
        "compile",
        "wall",
        "busy",
        "per s",
        "per core-s",
        "peak MB",
        "several",
        "regret",
    ]
    table = [
        [
            "all" if row.task.equilibria else "opt, dyn",
            f"{row.task.markets:,}",
            str(row.task.workers or "–"),
            f"{row.compile:.1f} s",
            f"{row.wall:.1f} s",
            f"{row.processor / row.wall:.2f}",
            f"{row.rate:,.0f}",
            f"{row.rate_per_core:,.0f}",
            f"{row.peak:.0f}",
            f"{row.several:,}" if row.task.equilibria else "–",
            f"{row.max_regret:.1e}" if row.task.equilibria else "–",
        ]
        for row in rows
    ]
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    show(f"Sweeps into a store on {machine()}, {os.cpu_count()} cores, load {load}", columns, table)


def print_cost(row: Row) -> None:
    """What 10^9 markets would take at the rate of a row; wall time of this machine, processor time elsewhere."""
    hours = THOUSAND_MILLION / row.rate / 3600
    core_hours = THOUSAND_MILLION / row.rate_per_core / 3600
    gigabytes = THOUSAND_MILLION * row.disk / row.task.markets / 1e9
    print(
        f"10^9 markets, from the run of {row.task.markets:,}: {hours:.1f} hours here, {core_hours:.1f} core-hours, so "
        f"{core_hours / CLUSTER_CORES:.2f} hours on {CLUSTER_CORES} cores of this kind if workers add up; {gigabytes:.0f} GB "
        f"on disk ({row.disk / row.task.markets:.0f} bytes a market)"
    )


def main(markets: int = 1_000_000, scenario: str = "GSM8K/majority", workers: int = 2) -> None:
    """Print the table, how flat memory is, and the cost of 10^9 markets."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        rows = list(pool.map(run, tasks(markets, scenario, workers)))
    print_table(rows)
    print("all: optimum, all equilibria with certificates, dynamics, auction; opt, dyn: without equilibria")
    small, middle, large = rows[:3]
    growth = ", ".join(f"× {large.peak / row.peak:.2f} from {row.task.markets:,}" for row in (small, middle))
    print(f"peak memory at {large.task.markets:,} markets: {growth}")
    if len(rows) > 5:
        gain = rows[5].rate / rows[4].rate
        print(f"2 workers against 1: × {gain:.2f}")
    print_cost(large)


if __name__ == "__main__":
    typer.run(main)
