"""What serving costs a provider: a margin below the price, or costs of one's own, and a fixed amount per query.

cost = (own cost of the level, else price / (1 + margin)) + fixed cost, all in dollars per query.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import ArrayLike, Bool, Float

from games.errors import InputError

DEFAULT_MARGIN = 0.25
# Ratios of price to cost that differ by less are one margin, rounded.
SAME_MARGIN = 1e-9
Amounts = ArrayLike | Sequence[float | int] | Sequence[Sequence[float | int]]


def costs(
    price: Float[np.ndarray, "providers levels"],
    mask: Bool[np.ndarray, "providers levels"],
    *,
    margin: Amounts | None = None,
    cost: Amounts | None = None,
    fixed_cost: Amounts = 0.0,
) -> Float[np.ndarray, "providers levels"]:
    """Cost of every level, dollars per query.

    Args:
        price: what users pay, dollars per query.
        mask: which levels exist.
        margin: price / cost − 1; one, one per provider, or one row of levels per provider; 0.25 by default.
        cost: a cost of one's own per query, likewise; nan where it comes of the margin.
        fixed_cost: dollars per query on top, likewise.

    Raises:
        InputError: a shape that fits neither providers nor levels, a value out of range, or a margin beside costs that leave
            nothing to it.

    Example:
        >>> costs(np.array([[2.0, 3.0]]), np.ones((1, 2), bool), margin=0.5, cost=[[np.nan, 1.0]], fixed_cost=0.25)
        ... # doctest: +NORMALIZE_WHITESPACE
        array([[1.58333333, 1.25      ]])
    """
    own = spread("cost", np.nan if cost is None else cost, mask)
    _refuse("cost", own, mask, np.isnan(own) | (np.isfinite(own) & (own >= 0)), "finite and not negative")
    fixed = spread("fixed_cost", fixed_cost, mask)
    _refuse("fixed_cost", fixed, mask, np.isfinite(fixed) & (fixed >= 0), "finite and not negative")
    over = spread("margin", DEFAULT_MARGIN if margin is None else margin, mask)
    _refuse("margin", over, mask, np.isfinite(over) & (over > -1), "a finite number above -1 (the paper uses 0.25)")
    if margin is not None and not np.isnan(own[mask]).any():
        raise InputError("market: margin is given beside a cost of every level, which leaves nothing to it; give one")
    by_margin = price / (1 + np.where(mask, over, 0.0))
    return np.where(mask, np.where(np.isnan(own), by_margin, own) + fixed, 0.0)


def spread(field: str, values: Amounts, mask: Bool[np.ndarray, "providers levels"]) -> Float[np.ndarray, "..."]:
    """One value, one per provider, or one row per provider, at every level ``[providers, levels]``.

    Raises:
        InputError: none of the three.
    """
    if np.isscalar(values) or (not isinstance(values, Sequence) and np.ndim(values) == 0):
        return np.where(mask, float(np.asarray(values)), 0.0)
    sizes = mask.sum(axis=1).tolist()
    rows = [np.asarray(row, float) for row in values]  # type: ignore[union-attr]
    padded = [row.ndim == 1 and row.size == mask.shape[1] for row in rows]
    fits = [
        row.ndim == 0 or row.shape == (size,) or whole for row, size, whole in zip(rows, sizes, padded, strict=False)
    ]
    if len(rows) != len(sizes) or not all(fits):
        raise InputError(
            f"market: {field} has rows of {[row.size for row in rows]}; give one value, one for each of {len(sizes)} "
            f"providers, or rows of {sizes} levels"
        )
    filled = np.zeros(mask.shape)
    for i, (row, size) in enumerate(zip(rows, sizes, strict=True)):
        filled[i, :size] = row if row.ndim == 0 else row[:size]
    return filled


def one_margin(
    price: Float[np.ndarray, "providers levels"],
    cost: Float[np.ndarray, "providers levels"],
    mask: Bool[np.ndarray, "providers levels"],
) -> bool:
    """Whether all costs are one fraction of their prices, so that another margin overwrites nothing but that fraction.

    Example:
        >>> price, here = np.array([[1.0, 2.0]]), np.ones((1, 2), bool)
        >>> one_margin(price, price / 1.25, here), one_margin(price, price / 1.25 + 0.1, here)
        (True, False)
    """
    seen = mask & ((price > 0) | (cost > 0))
    if not seen.any():
        return True
    fraction = cost[seen] / np.where(price[seen] > 0, price[seen], np.nan)
    return bool(np.all(np.abs(fraction - fraction[0]) <= SAME_MARGIN * np.abs(fraction[0])))


def _refuse(field: str, values: np.ndarray, mask: np.ndarray, good: np.ndarray, wanted: str) -> None:
    for i, k in np.argwhere(mask & ~good):
        raise InputError(f"market: {field} is {values[i, k]:g} for provider {i} at level {k}; it must be {wanted}")
