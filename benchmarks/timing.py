"""Shared by the benchmarks: time a call with and without compilation, and print tables."""

import platform
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
from rich.console import Console
from rich.table import Table


class Timing(NamedTuple):
    """Seconds of the first call (compilation included), and median and best of the warm ones."""

    first: float
    warm: float
    best: float


def measure(call: Callable[[], object], *, repeats: int = 5) -> Timing:
    """Time a call, waiting for its arrays; the first call is reported apart."""
    first = _once(call)
    warm = [_once(call) for _ in range(repeats)]
    return Timing(first, statistics.median(warm), min(warm))


def _once(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def machine() -> str:
    """What the figures were measured on."""
    device = jax.devices()[0]
    return f"{device.device_kind} ({device.platform}), Python {platform.python_version()}, jax {jax.__version__}"


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table, numbers to the right."""
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=max(120, Console().width)).print(table)
