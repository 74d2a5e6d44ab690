"""Nodes for integrals over log time, chosen from the attractions of a logit game.

In u = ln t a factor e^{−t a} is 1 well before u = −ln a and 0 well behind it. The trapezoid rule runs on a grid of one
step; of its nodes only those near some −ln a are kept. In a gap between them no factor changes, and the integrand
of ``solver.expected_payoffs`` is a constant times e^u: the dropped nodes are a geometric series, added to the weight of
the node behind the gap. The sum is that of the whole grid, with as many nodes as the game has distinct scales.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games.base import LogitGame, is_concrete
from games.errors import InputError
from solver import masked

DEFAULT_STEP = 0.25
# e^{−38} is below the rounding of a double; e^{−e^7} is below the smallest probability a double can hold.
MARGIN_BEFORE = 38.0
MARGIN_BEHIND = 7.0
SMALLEST_SIZE = 256
# Weightless, yet finite: a block of -inf only would make derivatives nan.
PADDING = -1e30


class LogTimeNodes(eqx.Module):
    """A quadrature in u = ln t, per segment of users; weightless padding makes the number of nodes a power of two.

    Args:
        log_time: u, ``[segments, nodes]``.
        log_weight: natural logarithm of the weights, ``[segments, nodes]``; -1e30 for padding.
        step: spacing of the grid.
    """

    log_time: Float[Array, "segments nodes"]
    log_weight: Float[Array, "segments nodes"]
    step: float = eqx.field(static=True)


def log_time_nodes(game: LogitGame, *, step: float = DEFAULT_STEP, size: int | None = None) -> LogTimeNodes:
    """Nodes that resolve every scale of a game.

    Args:
        game: a logit game whose arrays can be looked at (not traced by jit or vmap).
        step: spacing in ln t; the relative error of the integral is below 2e·(2π/h)·e^{−π²/h}.
        size: number of nodes, a power of two of at least 256; the smallest that suffices by default.

    Raises:
        InputError: the game is traced, or ``size`` is too small.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> [log_time_nodes(scenario.game(b)).log_time.shape[1] for b in (1000, 100_000)]
        [256, 2048]
    """
    attraction, outside = masked.log_attraction(game), game.log_outside_attraction
    if not is_concrete(attraction, outside):
        raise InputError(
            "expected payoffs: nodes are chosen from the game's numbers, and this game is traced by jit or vmap; "
            "prepare solver.mixed_extension(game) outside and pass it instead of the game"
        )
    rows = [
        _segment_nodes(np.append(np.asarray(a, float).ravel(), float(b)), step)
        for a, b in zip(np.asarray(attraction), np.asarray(outside), strict=True)
    ]
    needed = max(SMALLEST_SIZE, 1 << (max(len(row[0]) for row in rows) - 1).bit_length())
    if size is not None and (size < needed or size & (size - 1)):
        raise InputError(f"expected payoffs: size is {size}; this game needs a power of two of at least {needed} nodes")
    padded = [_pad(*row, needed if size is None else size) for row in rows]
    log_time, log_weight = (jnp.asarray(np.stack(column), float) for column in zip(*padded, strict=True))
    return LogTimeNodes(log_time, log_weight, step)


def _segment_nodes(logs: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and log weights for the given log attractions."""
    breaks = np.unique(-logs[np.isfinite(logs)])
    first = np.floor((breaks - MARGIN_BEFORE) / step).astype(np.int64)
    last = np.ceil((breaks + MARGIN_BEHIND) / step).astype(np.int64)
    # Merge overlapping windows: one starts a new run where it begins behind everything before it.
    reach = np.maximum.accumulate(last)
    starts = np.flatnonzero(np.append(True, first[1:] > reach[:-1] + 1))
    ends = np.append(starts[1:] - 1, len(breaks) - 1)
    runs = [np.arange(first[a], reach[b] + 1) for a, b in zip(starts, ends, strict=True)]
    index = np.concatenate(runs)
    log_weight = np.full(len(index), np.log(step))
    at = 0
    for run, previous in zip(runs, [None, *runs[:-1]], strict=True):
        # Σ_{m=1}^{M} e^{−mh} over the M nodes dropped before the run; infinitely many before the first.
        dropped = np.inf if previous is None else float(run[0] - previous[-1] - 1)
        log_weight[at] += np.log1p(-np.expm1(-dropped * step) / np.expm1(step))
        at += len(run)
    return index * step, log_weight


def _pad(log_time: np.ndarray, log_weight: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    extra = size - len(log_time)
    return np.pad(log_time, (0, extra), mode="edge"), np.pad(log_weight, (0, extra), constant_values=PADDING)
