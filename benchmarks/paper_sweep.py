"""The paper's whole experiment: nine scenarios × 100 β; all equilibria, optimum and dynamics, against brute force.

    python -m benchmarks.paper_sweep [--betas 100] [--brute-betas 3]

Brute force is NumPy over all 6^9 profiles of a nine-provider market, in chunks; it is run on a few β only, and the time
for all of them is extrapolated (and labelled so). Two versions: ``gather`` looks every profile's weights up, as one
writes it first; ``outer`` adds the sums of two halves of the providers, the fastest NumPy version we know. Both must
find the optimum that ``welfare_optimum`` returns before anything is timed.
"""

import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
import typer

from benchmarks.timing import machine, measure, show
from games import PayPerCompute, load_scenario, scenario_names
from solver import batch

CHUNKS = (2**12, 2**14, 2**16)


def main(betas: int = 100, brute_betas: int = 3, brute: bool = True) -> None:
    """Print the timing table and the ratio to brute force."""
    rationality = np.logspace(0, 6, betas)
    scenarios = [load_scenario(name) for name in scenario_names()[:9]]
    shapes = sorted({s.market.mask.shape for s in scenarios}, reverse=True)
    groups = [
        batch.stack_games([s.game(b) for s in scenarios if s.market.mask.shape == shape for b in rationality])
        for shape in shapes
    ]
    keys = [jax.random.split(jax.random.key(0), len(g.users.rationality)) for g in groups]
    stages: dict[str, Callable[[], object]] = {
        "all pure equilibria": lambda: [batch.equilibria(g) for g in groups],
        "welfare optimum": lambda: [batch.optima(g) for g in groups],
        "the paper's dynamics": lambda: [batch.dynamics(g, k) for g, k in zip(groups, keys, strict=True)],
    }
    total = 9 * betas
    timings = {name: measure(stage) for name, stage in stages.items()}
    rows = [
        [name, f"{t.first:.2f} s", f"{1e3 * t.warm:.1f} ms", f"{1e3 * t.best:.1f} ms", f"{1e6 * t.warm / total:.1f} µs"]
        for name, t in timings.items()
    ]
    warm = sum(t.warm for t in timings.values())
    rows.append(["together", f"{sum(t.first for t in timings.values()):.2f} s", f"{1e3 * warm:.1f} ms", "", ""])
    columns = ["stage", "first call (compiles)", "warm, median of 5", "warm, best", "per market"]
    show(f"{total} markets on {machine()}", columns, rows)
    found = [batch.equilibria(g) for g in groups]
    several = sum(int((f.num_equilibria > 1).sum()) for f in found)
    worst = max(float(f.max_regret.max()) for f in found)
    print(f"{several} of {total} markets have several equilibria; largest regret of any, certified: {worst:.1e}\n")
    if brute:
        _against_brute_force(groups[0], brute_betas, betas, timings["welfare optimum"].warm, warm)


def _against_brute_force(games: PayPerCompute, brute_betas: int, betas: int, optimum: float, everything: float) -> None:
    """Time brute force on a few nine-provider markets and extrapolate to all of them."""
    picks = np.linspace(0, betas - 1, brute_betas).round().astype(int)
    ours = np.asarray(batch.optima(games)[1])
    markets = [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), games) for i in picks]
    tables = [_weights(market) for market in markets]
    seconds = {}
    for name, method in (("gather", _gather), ("outer", _outer)):
        for chunk in CHUNKS:
            start = time.perf_counter()
            best = [method(a, w, outside, chunk) for a, w, outside in tables]
            seconds[name, chunk] = (time.perf_counter() - start) / len(picks)
            np.testing.assert_allclose(best, ours[picks], rtol=1e-12)
    count = len(ours)
    rows = []
    for name in ("gather", "outer"):
        each, chunk = min((seconds[name, c], c) for c in CHUNKS)
        rows.append(
            [
                f"{name}, best chunk {chunk}",
                f"{each:.3f} s",
                f"{each * count:.0f} s",
                f"{each * count / optimum:,.0f}×",
                f"{each * count / everything:,.0f}×",
            ]
        )
    columns = [
        "NumPy brute force",
        "per market",
        f"all {count} (extrapolated)",
        "vs our optimum",
        "vs all three stages",
    ]
    providers, levels = games.mask.shape[1:]
    profiles = levels**providers
    show(f"Optimum of nine-provider markets by trying all {profiles:,} profiles ({brute_betas} β timed)", columns, rows)
    print("Ours are warm times for all nine scenarios; brute force leaves the three small ones out.")


def _weights(game: PayPerCompute) -> tuple[np.ndarray, np.ndarray, float]:
    """Rescaled attractions, attraction × surplus, and the outside attraction of one market."""
    logs, outside = np.asarray(game.log_attraction[0]), float(game.log_outside_attraction[0])
    top = max(logs.max(), outside)
    attraction = np.exp(logs - top)
    return attraction, attraction * np.asarray(game.surplus[0]), float(np.exp(outside - top))


def _gather(attraction: np.ndarray, worth: np.ndarray, outside: float, chunk: int) -> float:
    """Every profile's weights looked up and summed."""
    providers, levels = attraction.shape
    every = np.arange(providers)
    best = -np.inf
    for profiles in _profiles(providers, levels, chunk):
        denominator = outside + attraction[every, profiles].sum(axis=1)
        best = max(best, _largest_ratio(worth[every, profiles].sum(axis=1), denominator))
    return best


def _profiles(providers: int, levels: int, chunk: int) -> Iterator[np.ndarray]:
    total = levels**providers
    for start in range(0, total, chunk):
        index = np.arange(start, min(start + chunk, total))
        yield np.stack(np.unravel_index(index, (levels,) * providers), axis=1)


def _outer(attraction: np.ndarray, worth: np.ndarray, outside: float, chunk: int) -> float:
    """Sums over the first and the last providers, added pairwise."""
    half = len(attraction) // 2
    (a1, a2), (w1, w2) = ((_sums(x[:half]), _sums(x[half:])) for x in (attraction, worth))
    rows = max(1, chunk // len(a2))
    best = -np.inf
    for start in range(0, len(a1), rows):
        block = slice(start, start + rows)
        best = max(best, _largest_ratio(w1[block, None] + w2, outside + a1[block, None] + a2))
    return best


def _largest_ratio(numerator: np.ndarray, denominator: np.ndarray) -> float:
    """Largest welfare; profiles whose attractions all underflow (0/0) are passed over."""
    with np.errstate(invalid="ignore"):
        return float(np.fmax.reduce(numerator / denominator, axis=None))


def _sums(table: np.ndarray) -> np.ndarray:
    """All sums of one entry per row."""
    sums = np.zeros(1)
    for row in table:
        sums = (sums[:, None] + row).ravel()
    return sums


if __name__ == "__main__":
    typer.run(main)
