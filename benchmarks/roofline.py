"""How far the hot kernels are from what the machine can do: bytes, flops and transcendental functions per market.

    python -m benchmarks.roofline [--scenario GSM8K/majority] [--block 1024]

What the machine can do is measured in the same run: memory bandwidth by a triad a = b + s·c on arrays far larger than the
caches, floating-point peak by a product of matrices (each with one thread and with all), and the rate of e^x and ln(1 + x) in
compiled code on an array that stays in the cache, for these kernels consist of them.

What a market needs is counted by hand from the formulas, with the passes that the block of markets took; bytes are inputs
and outputs, once each. XLA's own count stands beside it: it is of the compiled code, in which a loop's body counts once.
"scratch" is the compiled code's temporary memory, "limit" the slowest of the three needs at the rates of one thread, "busy"
the processor time that was taken, "ratio" busy / limit.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import typer

from benchmarks.timing import machine, show
from games import load_scenario
from solver import batch

TRIAD = 1 << 23  # doubles in an array of the triad: 64 MB
MATRIX = 1024
CACHED = 4096
REPEATS = 5
PRODUCT = """
import time, numpy
a = numpy.random.default_rng(0).random(({n}, {n}))
best = 1e9
for _ in range({repeats}):
    start = time.perf_counter()
    a @ a
    best = min(best, time.perf_counter() - start)
print(2 * {n}**3 / best)
"""


class Machine(NamedTuple):
    """Rates measured here, per second: bytes, flops, and transcendental functions, one thread and all."""

    bandwidth: float
    bandwidth_all: float
    flops: float
    flops_all: float
    transcendentals: float


class Need(NamedTuple):
    """What one market needs, by hand: floating-point operations, transcendental functions, and bytes in and out."""

    flops: float
    transcendentals: float
    bytes: float


class Kernel(NamedTuple):
    """A kernel on a block of markets.

    Args:
        name: for the table.
        call: runs it.
        function, args: the same, to be compiled for XLA's count.
        need: of one market.
        passes: of its loop, the most that any market of the block took.
    """

    name: str
    call: Callable[[], object]
    function: Callable[..., Any]
    args: tuple
    need: Need
    passes: int


def measure_machine() -> Machine:
    """The rates, each the best of a few."""
    cores = os.cpu_count() or 1
    return Machine(_triad(1), _triad(cores), _product(1), _product(cores), _functions())


def _triad(threads: int) -> float:
    """Bytes per second of a = b + s·c in NumPy, as two passes over five arrays."""
    size = TRIAD // threads
    arrays = [(np.zeros(size), np.ones(size), np.ones(size)) for _ in range(threads)]

    def one(part: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        a, b, c = part
        np.multiply(c, 3.0, out=a)
        np.add(a, b, out=a)

    best = np.inf
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(REPEATS):
            start = time.perf_counter()
            list(pool.map(one, arrays))
            best = min(best, time.perf_counter() - start)
    return 5 * 8 * size * threads / best


def _product(threads: int) -> float:
    """Flops per second of a product of matrices, in a process whose BLAS has so many threads."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    code = PRODUCT.format(n=MATRIX, repeats=REPEATS)
    env = os.environ | dict.fromkeys(names, str(threads))
    return float(
        subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    )


def _functions() -> float:
    """Values of e^{−x} and ln(1 + x) per second in compiled code, one thread."""
    rounds = 200

    @jax.jit
    def many(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, rounds, lambda _, y: jnp.log1p(jnp.exp(-y)), x)

    x = jnp.linspace(0, 1, CACHED)
    jax.block_until_ready(many(x))
    best = np.inf
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(many(x))
        best = min(best, time.perf_counter() - start)
    return 2 * CACHED * rounds / best


def kernels(scenario: str, block: int) -> list[Kernel]:
    """The four kernels on a block of markets, β from 1 to 10^6, with their needs.

    With N providers of K levels, per market: the lattice takes a best reply of N providers in every pass from both ends, K + 1
    exponentials, three sums of logarithms (e^x and ln(1 + x) each) and about 8 operations a level; the optimum two soft
    maxima of N + 1 options and a logarithm and about 10 operations per level in every pass; the dynamics N turns a round,
    each with a soft maximum of N + 1 options and K sums of logarithms; the certificate N·K deviations of N + 1 options each.
    """
    loaded = load_scenario(scenario)
    games = batch.rationality_grid(loaded.game(), jnp.geomspace(1, 1e6, block))
    n, k = loaded.market.mask.shape
    tolerance, key, numbers = jnp.asarray(1e-9), jax.random.key(0), jnp.arange(block)
    bounds = batch._ends(games, tolerance)[0]
    sweeps = int(bounds.num_sweeps.max())
    rounds = int(batch.dynamics(games, jax.random.split(key, block)).num_rounds.max())
    passes = _dinkelbach_passes(games)
    read = 8.0 * 4 * n * k + n * k + 8 * 6
    certificate = Need(n * k * 3.0 * (n + 1), n * k * (n + 3.0), read + 8 * n + 8)
    return [
        Kernel(
            "ends",
            lambda: batch._ends(games, tolerance),
            batch._ends,
            (games, tolerance),
            Need(2.0 * sweeps * n * (8 * k + 15), 2.0 * sweeps * n * (k + 7), read + 16 * n),
            sweeps,
        ),
        Kernel(
            "optimum",
            lambda: batch.optima(games),
            batch.optima,
            (games,),
            Need(passes * (10.0 * n * k + 12 * n), passes * (n * k + 2.0 * (n + 2)), read + 8 * n),
            passes,
        ),
        Kernel(
            "dynamics",
            lambda: batch.dynamics_ends(games, key, numbers),
            batch.dynamics_ends,
            (games, key, numbers),
            Need(rounds * n * (12.0 * k + 5 * n), rounds * n * (n + 2.0 + 2 * k), read + 8 * n),
            rounds,
        ),
        Kernel(
            "certificate",
            lambda: batch._judge(games, bounds.least),
            batch._judge,
            (games, bounds.least),
            certificate,
            1,
        ),
    ]


def _dinkelbach_passes(games: Any) -> int:
    """Passes of the optimum's iteration, the most of any market, counted in NumPy on weights rescaled by their largest."""
    arrays = jax.vmap(lambda g: (g.log_attraction[0], g.log_outside_attraction[0], g.surplus[0]))(games)
    logs, outside, surplus = (np.asarray(x) for x in arrays)
    top = np.maximum(logs.max(axis=(1, 2)), outside)
    weight, rest = np.exp(logs - top[:, None, None]), np.exp(outside - top)
    profile, value = surplus.argmax(axis=2), np.full(len(surplus), np.finfo(float).min)
    count = 0
    while count < 100:
        count += 1
        chosen = np.take_along_axis(weight, profile[..., None], 2)[..., 0]
        created = (chosen * np.take_along_axis(surplus, profile[..., None], 2)[..., 0]).sum(axis=1)
        welfare = created / (rest + chosen.sum(axis=1))
        if not np.any(welfare > value + 1e-14 * np.abs(value)):
            break
        value = np.maximum(value, welfare)
        profile = (weight * (surplus - value[:, None, None])).argmax(axis=2)
    return count


def analyse(kernel: Kernel, block: int, rates: Machine) -> list[str]:
    """One row of the table."""
    jax.block_until_ready(kernel.call())
    busy, wall = np.inf, np.inf
    for _ in range(REPEATS):
        cpu, start = time.process_time(), time.perf_counter()
        jax.block_until_ready(kernel.call())
        busy, wall = min(busy, time.process_time() - cpu), min(wall, time.perf_counter() - start)
    jitted: Any = eqx.filter_jit(kernel.function)
    compiled = jitted.lower(*kernel.args).compile().compiled
    counted: Any = compiled.cost_analysis()
    memory: Any = compiled.memory_analysis()
    limits = {
        "functions": kernel.need.transcendentals / rates.transcendentals,
        "flops": kernel.need.flops / rates.flops,
        "bytes": kernel.need.bytes / rates.bandwidth,
    }
    name, limit = max(limits.items(), key=lambda item: item[1])
    taken = busy / block
    return [
        kernel.name,
        str(kernel.passes),
        f"{kernel.need.flops:,.0f}",
        f"{kernel.need.transcendentals:,.0f}",
        f"{kernel.need.bytes:,.0f}",
        f"{counted['flops'] / block:,.0f}",
        f"{counted['bytes accessed'] / block:,.0f}",
        f"{memory.temp_size_in_bytes / block:,.0f}",
        f"{1e6 * limit:.2f}",
        name,
        f"{1e6 * taken:.2f}",
        f"{1e6 * wall / block:.2f}",
        f"{taken / limit:.1f}",
    ]


def main(scenario: str = "GSM8K/majority", block: int = 1024) -> None:
    """Print the machine's rates and the table of the kernels."""
    rates = measure_machine()
    print(
        f"one thread, all {os.cpu_count()}: triad {rates.bandwidth / 1e9:.1f}, {rates.bandwidth_all / 1e9:.1f} GB/s; "
        f"matrix product {rates.flops / 1e9:.1f}, {rates.flops_all / 1e9:.1f} Gflop/s; "
        f"e^x and ln(1 + x), one thread: {rates.transcendentals / 1e6:.0f} million/s"
    )
    columns = [
        "per market",
        "passes",
        "flops",
        "functions",
        "bytes",
        "XLA flops",
        "XLA bytes",
        "scratch",
        "limit µs",
        "by",
        "busy µs",
        "wall µs",
        "ratio",
    ]
    rows = [analyse(kernel, block, rates) for kernel in kernels(scenario, block)]
    load = max(os.getloadavg())
    show(f"{scenario}, block of {block:,}, on {machine()}, load {load:.1f}", columns, rows)


if __name__ == "__main__":
    typer.run(main)
