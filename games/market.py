"""A market: who sells, at which levels of test-time compute, how good and how dear each level is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from games.base import is_concrete
from games.errors import InputError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

DOLLARS_PER_MILLION = 1e-6
DEFAULT_MARGIN = 0.25
Rows = Sequence[Sequence[float | int]]


class Market(eqx.Module):
    """N providers with up to K levels each; ragged markets are padded, and ``mask`` says which levels exist.

    Build one with ``from_arrays``, ``from_frames``, ``from_csv`` or ``games.load_scenario``. Level 0 is the first
    (cheapest) level of every provider. Padding holds zeros and is never looked at.

    Args:
        accuracy: probability of a correct answer at a level, ``[providers, levels]``, in [0, 1].
        tokens: mean output tokens per query, ``[providers, levels]``.
        price: what users pay, dollars per query, ``[providers, levels]``.
        cost: what serving costs the provider, dollars per query, ``[providers, levels]``.
        mask: True where a level exists, ``[providers, levels]``.
        providers: names, one per provider.
        level_labels: names of the existing levels, one tuple per provider.

    Raises:
        InputError: a value is out of range; the text names provider and level.
    """

    accuracy: Float[Array, "providers levels"]
    tokens: Float[Array, "providers levels"]
    price: Float[Array, "providers levels"]
    cost: Float[Array, "providers levels"]
    mask: Bool[Array, "providers levels"]
    providers: tuple[str, ...] = eqx.field(static=True)
    level_labels: tuple[tuple[str, ...], ...] = eqx.field(static=True)

    def __check_init__(self) -> None:
        # An anonymous market is a copy of one that was checked.
        if self.providers and is_concrete(self.accuracy, self.tokens, self.price, self.cost, self.mask):
            _check(self)

    @classmethod
    def from_arrays(
        cls,
        *,
        accuracy: Rows | ArrayLike,
        tokens: Rows | ArrayLike,
        price_per_million: Sequence[float | int] | ArrayLike,
        input_tokens: Rows | ArrayLike | None = None,
        input_price_per_million: Sequence[float | int] | ArrayLike = 0.0,
        margin: float = DEFAULT_MARGIN,
        providers: Sequence[str] | None = None,
        level_labels: Sequence[Sequence[object]] | None = None,
    ) -> "Market":
        """Build a market from one row of levels per provider; rows may differ in length.

        Args:
            accuracy: probabilities in [0, 1], one row per provider.
            tokens: mean output tokens per query, shaped like ``accuracy``.
            price_per_million: list price in dollars per million output tokens, one or one per provider.
            input_tokens: mean input tokens per query, shaped like ``accuracy``; none are charged by default.
            input_price_per_million: list price in dollars per million input tokens, one or one per provider.
            margin: price / cost − 1; the paper uses 0.25.
            providers: names; ``provider 1`` and so on by default.
            level_labels: names of the levels; ``1``, ``2`` and so on by default.

        Raises:
            InputError: rows disagree in shape, a value is out of range, or the call is traced by jit, vmap or grad.

        Example:
            >>> market = Market.from_arrays(
            ...     accuracy=[[0.6, 0.7], [0.5, 0.8, 0.9]], tokens=[[100, 400], [200, 800, 1600]],
            ...     price_per_million=[0.2, 0.1], providers=["Ada", "Bell"])
            >>> market.num_providers, market.mask.sum(axis=1).tolist()
            (2, [2, 3])
            >>> with_prompt = Market.from_arrays(
            ...     accuracy=[[0.6]], tokens=[[1000]], price_per_million=2, input_tokens=[[500]], input_price_per_million=1)
            >>> f"{float(with_prompt.price[0, 0]):.4f}"
            '0.0025'
        """
        if not is_concrete(accuracy, tokens, price_per_million, input_tokens, input_price_per_million, margin):
            raise InputError(
                "market: from_arrays checks numbers and pads rows, and these are traced by jit, vmap or grad; inside traced "
                "functions call Market(accuracy, tokens, price, cost, mask, (), ()) with arrays [providers, levels], or "
                "build the market outside and change it with with_margin or equinox.tree_at (docs/how-to/vmap.md)"
            )
        rows = [[float(x) for x in row] for row in accuracy]  # type: ignore[union-attr]
        token_rows = [[float(x) for x in row] for row in tokens]  # type: ignore[union-attr]
        prompt_rows = (
            [[0.0] * len(row) for row in rows]
            if input_tokens is None
            else [[float(x) for x in row] for row in input_tokens]  # type: ignore[union-attr]
        )
        names = tuple(f"provider {i + 1}" for i in range(len(rows))) if providers is None else tuple(providers)
        if not rows:
            raise InputError("market: no provider; give at least one row of accuracy and tokens")
        sizes = {
            "tokens": [len(row) for row in token_rows],
            "input_tokens": [len(row) for row in prompt_rows],
            "level_labels": [len(row) for row in (rows if level_labels is None else level_labels)],
        }
        for field, lengths in sizes.items():
            if lengths != [len(row) for row in rows]:
                raise InputError(f"market: {field} has rows of {lengths} levels, accuracy of {[len(r) for r in rows]}")
        if len(names) != len(rows):
            raise InputError(f"market: {len(names)} provider names for {len(rows)} rows of accuracy")
        list_price = _list_price("price_per_million", price_per_million, len(rows))
        prompt_price = _list_price("input_price_per_million", input_price_per_million, len(rows))
        _check_margin(margin)
        labels = [[str(k + 1) for k in range(len(row))] for row in rows] if level_labels is None else level_labels
        mask = _pad([[1.0] * len(row) for row in rows]) > 0
        padded_tokens = _pad(token_rows)
        price = (padded_tokens * list_price + _prompt_charge(prompt_rows, prompt_price)) * DOLLARS_PER_MILLION
        return cls(
            accuracy=jnp.asarray(_pad(rows), float),
            tokens=jnp.asarray(padded_tokens, float),
            price=jnp.asarray(price, float),
            cost=jnp.asarray(price / (1 + margin), float),
            mask=jnp.asarray(mask),
            providers=names,
            level_labels=tuple(tuple(str(label) for label in row) for row in labels),
        )

    @classmethod
    def from_frames(
        cls,
        curves: "pd.DataFrame",
        prices: "pd.DataFrame",
        *,
        margin: float = DEFAULT_MARGIN,
        benchmark: str | None = None,
        method: str | None = None,
    ) -> "Market":
        """Build a market from two data frames; see ``games.tables`` for the columns and the checks.

        Args:
            curves: columns ``model, level, accuracy, tokens`` and, optionally, ``benchmark, method``.
            prices: columns ``model, usd_per_million_tokens``. Input tokens are charged where the curves have a column
                ``input_tokens`` and the prices a column ``usd_per_million_input_tokens``.
            margin: price / cost − 1.
            benchmark: which benchmark to take where the frame holds several.
            method: which method to take where the frame holds several; ``"all"`` lets every provider choose.

        Raises:
            InputError: the text names the row and the remedy.
        """
        from games.tables import market_from_frames

        return market_from_frames(curves, prices, margin=margin, benchmark=benchmark, method=method)

    @classmethod
    def from_csv(
        cls,
        curves: str | Path,
        prices: str | Path,
        *,
        margin: float = DEFAULT_MARGIN,
        benchmark: str | None = None,
        method: str | None = None,
    ) -> "Market":
        """Build a market from two CSV files with the columns of ``from_frames``.

        Raises:
            InputError: the text names the file, the line and the remedy.
        """
        from games.tables import market_from_frames, read_table

        return market_from_frames(
            read_table(curves),
            read_table(prices),
            margin=margin,
            benchmark=benchmark,
            method=method,
            curves_name=str(curves),
            prices_name=str(prices),
        )

    @property
    def num_providers(self) -> int:
        """Number of providers N."""
        return self.accuracy.shape[-2]

    @property
    def num_levels(self) -> int:
        """Largest number of levels K of a provider."""
        return self.accuracy.shape[-1]

    def labels(self, profile: Sequence[int] | ArrayLike) -> dict[str, str]:
        """Label of the level that each provider plays in a profile."""
        return {
            name: labels[int(k)]
            for name, labels, k in zip(self.providers, self.level_labels, np.asarray(profile), strict=True)
        }

    def anonymous(self) -> "Market":
        """The same market without names: they are static, and compiled code would compile again for each set."""
        return Market(self.accuracy, self.tokens, self.price, self.cost, self.mask, (), ())

    def with_margin(self, margin: ArrayLike | Sequence[float | int]) -> "Market":
        """The same market with cost = price / (1 + margin).

        Args:
            margin: one for all, one for each provider ``[providers]``, or one for each level ``[providers, levels]``.

        Raises:
            InputError: a margin that is not above -1, or an array of another shape.

        Example:
            >>> market = Market.from_arrays(accuracy=[[0.6], [0.7]], tokens=[[1e6], [1e6]], price_per_million=1.5)
            >>> market.with_margin(0.5).cost.tolist(), market.with_margin([0.5, 2.0]).cost.tolist()
            ([[1.0], [1.0]], [[1.0], [0.5]])
        """
        margins = jnp.asarray(margin, float)
        shape = self.price.shape[-2:]
        if margins.shape not in ((), shape[:1], shape):
            raise InputError(
                f"market: margin has shape {margins.shape}; give one, one for each of {shape[0]} providers, or one for each "
                f"of their levels {shape}"
            )
        column = margins[:, None] if margins.ndim == 1 else margins
        if is_concrete(margins, self.mask):
            for value in np.broadcast_to(np.asarray(column), shape)[np.asarray(self.mask).reshape(-1, *shape)[0]]:
                _check_margin(float(value))
            # Padding may hold anything, and a margin of -1 there must not divide by zero.
            column = jnp.where(self.mask, column, 0.0) if margins.ndim == 2 else column
        return eqx.tree_at(lambda market: market.cost, self, self.price / (1 + column))

    def subset(self, providers: Sequence[str]) -> "Market":
        """The market of some providers only, in the order given.

        Raises:
            InputError: a name is not in the market.
        """
        for name in providers:
            if name not in self.providers:
                raise unknown_name("provider", name, self.providers)
        index = np.array([self.providers.index(name) for name in providers], dtype=int)
        labels = tuple(self.level_labels[i] for i in index)
        width = max((len(row) for row in labels), default=0)
        return Market(
            accuracy=self.accuracy[index, :width],
            tokens=self.tokens[index, :width],
            price=self.price[index, :width],
            cost=self.cost[index, :width],
            mask=self.mask[index, :width],
            providers=tuple(providers),
            level_labels=labels,
        )


def _pad(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Rows of unequal length as one array, zeros behind the shorter ones."""
    padded = np.zeros((len(rows), max(len(row) for row in rows)))
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded


def _list_price(field: str, price: Sequence[float | int] | ArrayLike, providers: int) -> np.ndarray:
    """One column of list prices, one for each provider."""
    given = np.asarray(price, float)
    if given.shape not in ((), (providers,)):
        raise InputError(f"market: {field} has shape {given.shape}; give one or one for each of {providers} providers")
    return np.broadcast_to(given, providers)[:, None]


def _prompt_charge(rows: Sequence[Sequence[float]], price: np.ndarray) -> np.ndarray:
    """Input tokens × list price; both are checked here, as the market keeps only what a query costs in all."""
    tokens = _pad(rows)
    for i, k in np.argwhere(~(np.isfinite(tokens) & (tokens >= 0))):
        raise InputError(
            f"market: input_tokens of provider {i} at level {k} is {tokens[i, k]:g}; it must be finite and not negative"
        )
    for i in np.flatnonzero(~(np.isfinite(price) & (price >= 0))):
        raise InputError(
            f"market: input_price_per_million of provider {i} is {price[i, 0]:g}; it must be finite and not negative"
        )
    return tokens * price


def _check_margin(margin: float) -> None:
    if not (np.isfinite(margin) and margin > -1):
        raise InputError(f"market: margin is {margin:g}; it must be a finite number above -1 (the paper uses 0.25)")


def _check(market: Market) -> None:
    """Refuse values out of range, naming provider and level."""
    mask = np.asarray(market.mask)
    if mask.ndim != 2 or mask.shape[0] == 0:
        raise InputError("market: no provider; give at least one")
    for i in np.flatnonzero(~mask.any(axis=1)):
        raise InputError(f"market: provider {market.providers[i]!r} has no level; give it one or leave it out")
    duplicates = {name for name in market.providers if market.providers.count(name) > 1}
    if duplicates:
        raise InputError(f"market: provider {min(duplicates)!r} is listed twice; give each its own name")
    rules = {
        "accuracy": (lambda x: (x >= 0) & (x <= 1), "within [0, 1]"),
        "tokens": (lambda x: np.isfinite(x) & (x >= 0), "finite and not negative"),
        "price": (lambda x: np.isfinite(x) & (x >= 0), "finite and not negative"),
        "cost": (lambda x: np.isfinite(x) & (x >= 0), "finite and not negative"),
    }
    for field, (rule, wanted) in rules.items():
        values = np.asarray(getattr(market, field))
        for i, k in np.argwhere(mask & ~rule(values)):
            raise InputError(
                f"market: {field} of {market.providers[i]!r} at level {market.level_labels[i][k]!r} is "
                f"{values[i, k]:g}; it must be {wanted}"
            )
