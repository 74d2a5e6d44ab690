"""A state as arrays of one of few shapes, so that nothing is compiled twice.

Compiling takes seconds, computing milliseconds. Rows of providers that are not there fill a market up to a size of
``SIZES``, and rows that were dropped stay. No slider, no drop and no addition then compiles anything anew until the rows
are full. How a row is absent depends on who looks:

- equilibria, optimum and auctions look at the mask, and an absent row has no level;
- free prices and routers look at every row, and an absent one offers an answer without worth at a price so high that its
  share is 0 in double precision.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from games.errors import InputError
from games.market import Market
from games.users import Users
from solver.explorer.state import State

SIZES = (16, 36, 64, 128, 256, 512, 1024)
WIDTHS = (4, 6, 12, 24, 48, 96, 192)
# An absent row's price over the highest price there is, and over its cost; the least that e^-β(its value) falls short by.
FAR, SILENT_MARGIN = 1e12, 1 + 1e-6
SILENCE = 45.0


class Rows(NamedTuple):
    """A state as arrays of one of few shapes, ``[rows, levels]``; rows in the order of its offers, then empty ones."""

    accuracy: np.ndarray
    tokens: np.ndarray
    price: np.ndarray
    cost: np.ndarray
    mask: np.ndarray


def rows_of(state: State) -> Rows:
    """The state's market as arrays.

    Raises:
        InputError: more providers or levels than the explorer has room for.
    """
    size = _room(SIZES, len(state.offers), "providers")
    width = _room(WIDTHS, max(len(offer.labels) for offer in state.offers), "levels")
    accuracy, tokens, price = (np.zeros((size, width)) for _ in range(3))
    mask = np.zeros((size, width), bool)
    for i, offer in enumerate(state.offers):
        count = len(offer.labels)
        accuracy[i, :count], tokens[i, :count] = offer.accuracy, offer.tokens
        price[i, :count] = np.asarray(offer.price) * offer.price_factor
        if offer.present:
            mask[i, list(offer.allowed)] = True
    return Rows(accuracy, tokens, price, price / (1 + state.margin), mask)


def shape_of(state: State) -> tuple[int, int]:
    """Rows and levels that the state's market is compiled for.

    Example:
        >>> from games import load_scenario
        >>> from solver.explorer.state import state_of
        >>> [shape_of(state_of(load_scenario(name))) for name in ("GSM8K/majority", "frontier/gpqa-diamond")]
        [(16, 6), (36, 4)]
    """
    return rows_of(state).mask.shape


def _room(sizes: tuple[int, ...], wanted: int, what: str) -> int:
    for size in sizes:
        if wanted <= size:
            return size
    raise InputError(f"explore: {wanted} {what}; the explorer has room for {sizes[-1]}: leave some out")


def market_of(rows: Rows) -> Market:
    """Without names, and therefore unchecked and compiled once for all markets of the shape."""
    accuracy, tokens, price, cost, mask = (jnp.asarray(x) for x in rows)
    return Market(accuracy, tokens, price, cost, mask, (), ())


def with_silence(rows: Rows, users: Users) -> Rows:
    """Absent rows offer one answer without worth, so dear that nobody ever takes it."""
    silent = ~rows.mask.any(axis=1)
    quality = np.asarray(users.quality(jnp.asarray(rows.accuracy)))[0]
    value = (quality - rows.price)[rows.mask]
    outside = float(users.outside_value[0])
    least = min(float(value.min()), outside if np.isfinite(outside) else np.inf)
    worthless = float(np.asarray(users.quality(jnp.zeros((1, 1))))[0, 0, 0])
    beta = float(users.rationality[0])
    dear = worthless - least + SILENCE / max(beta, 1e-300) + FAR * float(rows.price[rows.mask].max())
    columns = [x.copy() for x in rows]
    for column, filler in zip(columns, (0.0, 1.0, dear, dear / SILENT_MARGIN, True), strict=True):
        column[silent, 0] = filler
    return Rows(*columns)
