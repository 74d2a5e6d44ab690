"""How many markets are solved at once: blocks sized to caches and memory, and threads for the cores of a processor."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax

from games.market import Market

T = TypeVar("T")
MEMORY = 2**30
# Beyond so many markets a block falls out of a processor's caches, and nothing is gained.
LARGEST_BLOCK = 1024
LARGEST_BLOCK_OF_ACCELERATOR = 32_768
# Working memory of one market in floats per level of every provider, as the compiler states it from 2 × 3 to 100 × 8: the
# certificate keeps two for each provider in each deviation; arguments, results and the other stages 16 in all.
FLOATS_PER_PROVIDER = 2
FLOATS = 16


def memory_per_market(market: Market) -> int:
    """Bytes of working memory that one market of a block takes.

    Example:
        >>> from games import load_scenario
        >>> memory_per_market(load_scenario("GSM8K/majority").market)
        14688
    """
    return 8 * market.mask.size * (FLOATS_PER_PROVIDER * market.num_providers + FLOATS)


def block_size(market: Market) -> int:
    """Markets solved at once: as many as fit into caches, and into a thread's share of ``MEMORY`` bytes.

    A multiple of the number of devices.

    Example:
        >>> from games import load_scenario
        >>> block_size(load_scenario("GSM8K/majority").market) > 1000
        True
    """
    devices = len(jax.devices())
    fitting = MEMORY // num_threads() // memory_per_market(market)
    if jax.default_backend() == "cpu":
        return max(1, min(LARGEST_BLOCK, fitting) // devices) * devices
    return max(1, min(LARGEST_BLOCK_OF_ACCELERATOR, fitting)) * devices


def num_threads() -> int:
    """Blocks to solve at the same time: a block keeps one core of a processor busy, and all of an accelerator.

    Example:
        >>> num_threads() >= 1
        True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // len(jax.devices())) if jax.default_backend() == "cpu" else 1


def in_threads(solve: Callable[[int], T], starts: Sequence[int], threads: int) -> list[T]:
    """The results for every start, in order; the first alone, so that only one thread compiles.

    Example:
        >>> in_threads(lambda start: start + 1, range(4), 2)
        [1, 2, 3, 4]
    """
    first = [solve(start) for start in starts[:1]]
    if threads == 1 or len(starts) < 3:
        return first + [solve(start) for start in starts[1:]]
    with ThreadPoolExecutor(threads) as pool:
        return first + list(pool.map(solve, starts[1:]))
