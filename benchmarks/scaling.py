"""Time and memory against the number of providers N (to 10,000) and of levels K (to 256).

    python -m benchmarks.scaling [--max-providers 10000] [--max-levels 256]

Each size runs in a process of its own, so that its peak memory is its own. Markets are random, with saturating curves and
a rationality at which shares are neither equal nor degenerate. Columns: the welfare optimum and the ends of the lattice
(first call with compilation, then warm); ``count`` equilibria; ``searched``: all equilibria with the lattice's help switched
off, every level of every provider searched, as in the worst case; ``certified``: ``pure_equilibria`` as a user calls it,
first call, compilation and independent certificate included; peak memory of the process.
"""

import math
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
import typer

from benchmarks.timing import machine, measure, show

SIZES = [(10, 32), (100, 32), (1000, 32), (10_000, 32), (1000, 4), (1000, 16), (1000, 64), (1000, 256)]
# The exhaustive search and the certificate read every pair of levels, or every deviation of every provider.
MAX_SEARCHED = 400_000
MAX_CERTIFIED = 40_000


class Row(NamedTuple):
    """Figures of one size: seconds and megabytes; nan where a column was not run."""

    providers: int
    levels: int
    optimum_first: float
    optimum: float
    equilibria_first: float
    equilibria: float
    num_equilibria: int
    searched: float
    certificate: float
    peak: float


def random_market(providers: int, levels: int, seed: int = 0):
    """A market of saturating accuracy curves over log-spaced tokens, and a rationality that keeps shares spread."""
    from games import Market, PayPerCompute, Users

    rng = np.random.default_rng(seed)
    tokens = np.geomspace(200, 20_000, levels) * rng.uniform(0.5, 2, (providers, 1))
    ceiling, floor = rng.uniform(0.6, 0.95, (providers, 1)), rng.uniform(0.2, 0.5, (providers, 1))
    accuracy = ceiling - (ceiling - floor) * np.exp(-tokens / rng.uniform(1000, 8000, (providers, 1)))
    market = Market.from_arrays(accuracy=accuracy, tokens=tokens, price_per_million=rng.uniform(0.05, 0.3, providers))
    return PayPerCompute(market, Users(0.01, 2000))


def run(size: tuple[int, int]) -> Row:
    """All figures of one size."""
    from solver import lattice_bounds, pure_equilibria, welfare_optimum
    from solver.enumeration import enumerate_equilibria
    from solver.lattice import single_segment

    providers, levels = size
    game = random_market(providers, levels)
    optimum = measure(lambda: welfare_optimum(game).welfare)
    ends = measure(lambda: lattice_bounds(game).least, repeats=3)
    searched = certificate = math.nan
    count = -1
    if providers * levels <= MAX_SEARCHED:
        arrays = [np.asarray(a) for a in single_segment(game, "scaling")]
        start = time.perf_counter()
        found = enumerate_equilibria(
            arrays[0], arrays[1], float(arrays[2]), np.asarray(game.mask), tolerance=1e-9, max_equilibria=1000
        )
        searched = time.perf_counter() - start
        count = len(found.profiles)
    if providers * levels <= MAX_CERTIFIED:
        start = time.perf_counter()
        equilibria = pure_equilibria(game)
        certificate = time.perf_counter() - start
        assert float(equilibria.max_regret.max()) < 1e-9
        assert count == len(equilibria), (count, len(equilibria))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Row(
        providers, levels, optimum.first, optimum.warm, ends.first, ends.warm, count, searched, certificate, peak
    )


def main(max_providers: int = 10_000, max_levels: int = 256) -> None:
    """Print the table and the growth of the optimum's time with N·K."""
    sizes = [size for size in SIZES if size[0] <= max_providers and size[1] <= max_levels]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        rows = list(pool.map(run, sizes))
    columns = [
        "N × K",
        "optimum, first",
        "optimum, warm",
        "ends, first",
        "ends, warm",
        "count",
        "searched",
        "certified",
        "memory",
    ]
    table = [
        [
            f"{r.providers:,} × {r.levels}",
            _seconds(r.optimum_first),
            _seconds(r.optimum),
            _seconds(r.equilibria_first),
            _seconds(r.equilibria),
            str(r.num_equilibria) if r.num_equilibria >= 0 else "–",
            _seconds(r.searched),
            _seconds(r.certificate),
            f"{r.peak:.0f} MB",
        ]
        for r in rows
    ]
    show(f"Scaling on {machine()}", columns, table)
    for name, pick in (("N at K = 32", lambda r: r.levels == 32), ("K at N = 1000", lambda r: r.providers == 1000)):
        chosen = sorted((r.providers * r.levels, r.optimum) for r in rows if pick(r))
        if len(chosen) > 1:
            (small, fast), (large, slow) = chosen[-2], chosen[-1]
            slope = math.log(slow / fast) / math.log(large / small)
            print(f"optimum: time grows as size^{slope:.2f} in {name} (last two sizes)")


def _seconds(seconds: float) -> str:
    if math.isnan(seconds):
        return "–"
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.2f} ms"


if __name__ == "__main__":
    typer.run(main)
