"""A market: who sells, at which levels of test-time compute, how good and how dear each level is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from games.base import is_concrete
from games.costs import DEFAULT_MARGIN as DEFAULT_MARGIN
from games.costs import Amounts, costs
from games.errors import InputError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

DOLLARS_PER_MILLION = 1e-6
Rows = Sequence[Sequence[float | int]]


class Market(eqx.Module):
    """N providers with up to K levels each; ragged markets are padded, and ``mask`` says which levels exist.

    Build one with ``from_arrays``, ``from_frames``, ``from_csv`` or ``games.load_scenario``. Tables and
    logs give levels from the fewest to the most tokens; arrays keep the order in which you give them. Padding holds zeros
    and is never looked at.

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
        margin: Amounts | None = None,
        cost: Amounts | None = None,
        fixed_cost: Amounts = 0.0,
        providers: Sequence[str] | None = None,
        level_labels: Sequence[Sequence[object]] | None = None,
    ) -> "Market":
        """Build a market from one row of levels per provider; rows may differ in length.

        Levels keep your order, so that a profile's numbers are yours; dynamics start at the fewest tokens all the same.

        Args:
            accuracy: probabilities in [0, 1], one row per provider.
            tokens: mean output tokens per query, shaped like ``accuracy``.
            price_per_million: list price in dollars per million output tokens, one or one per provider.
            input_tokens: mean input tokens per query, shaped like ``accuracy``; none are charged by default.
            input_price_per_million: list price in dollars per million input tokens, one or one per provider.
            margin: price / cost − 1, one, one per provider, or shaped like ``accuracy``; 0.25 by default, as in the paper.
            cost: what serving costs, dollars per query, likewise, in place of a margin; nan leaves a level to the margin.
            fixed_cost: dollars per query that come on top, likewise.
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
            >>> own = Market.from_arrays(
            ...     accuracy=[[0.6, 0.7], [0.5]], tokens=[[100, 400], [200]], price_per_million=[2.0, 1.0],
            ...     margin=[0.25, 1.0], fixed_cost=1e-5)
            >>> (own.cost * 1e6).round().tolist()
            [[170.0, 650.0], [110.0, 0.0]]
        """
        if not is_concrete(
            accuracy, tokens, price_per_million, input_tokens, input_price_per_million, margin, cost, fixed_cost
        ):
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
        labels = [[str(k + 1) for k in range(len(row))] for row in rows] if level_labels is None else level_labels
        mask = _pad([[1.0] * len(row) for row in rows]) > 0
        padded_tokens = _pad(token_rows)
        price = (padded_tokens * list_price + _prompt_charge(prompt_rows, prompt_price)) * DOLLARS_PER_MILLION
        return cls(
            accuracy=jnp.asarray(_pad(rows), float),
            tokens=jnp.asarray(padded_tokens, float),
            price=jnp.asarray(price, float),
            cost=jnp.asarray(costs(price, mask, margin=margin, cost=cost, fixed_cost=fixed_cost), float),
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
        margin: float | None = None,
        benchmark: str | None = None,
        method: str | None = None,
    ) -> "Market":
        """Build a market from two data frames; see ``games.tables`` for the columns and the checks.

        Args:
            curves: columns ``model, level, accuracy, tokens`` and, optionally, ``benchmark, method``.
            prices: columns ``model, usd_per_million_tokens``. Input tokens are charged where the curves have a column
                ``input_tokens`` and the prices a column ``usd_per_million_input_tokens``. Costs of one's own stand in the
                columns ``cost`` (of the curves), ``fixed_cost`` and ``margin`` (of either table).
            margin: price / cost − 1, where the tables have no column ``margin``; 0.25 by default.
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
        margin: float | None = None,
        benchmark: str | None = None,
        method: str | None = None,
    ) -> "Market":
        """Build a market from two CSV files with the columns of ``from_frames``; prices may be JSON of ``games.price_lists``.

        Raises:
            InputError: the text names the file, the line and the remedy.
        """
        from games.tables import market_from_frames, prices_for, read_table

        measured = read_table(curves)
        return market_from_frames(
            measured,
            prices_for(measured, prices),
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

    @property
    def lowest_levels(self) -> Int[Array, " providers"]:
        """The level with the fewest tokens of each provider, where dynamics start; of equally many, the first.

        Example:
            >>> market = Market.from_arrays(accuracy=[[0.9, 0.5]], tokens=[[800, 100]], price_per_million=1)
            >>> market.labels(market.lowest_levels)
            {'provider 1': '2'}
        """
        return jnp.argmin(jnp.where(self.mask, self.tokens, jnp.inf), axis=-1)

    def labels(self, profile: Sequence[int] | ArrayLike) -> dict[str, str]:
        """Label of the level that each provider plays in a profile."""
        return {
            name: labels[int(k)]
            for name, labels, k in zip(self.providers, self.level_labels, np.asarray(profile), strict=True)
        }

    def anonymous(self) -> "Market":
        """The same market without names: they are static, and compiled code would compile again for each set."""
        return Market(self.accuracy, self.tokens, self.price, self.cost, self.mask, (), ())

    def with_margin(self, margin: ArrayLike | Sequence[float | int], *, fixed_cost: ArrayLike = 0.0) -> "Market":
        """The same market with cost = price / (1 + margin) + fixed cost, in place of the costs that it has.

        Args:
            margin: price / cost − 1; one for all, one for each provider ``[providers]``, or one for each level
                ``[providers, levels]``.
            fixed_cost: dollars per query on top, in the same shapes, or ``[providers, 1]``.

        Raises:
            InputError: a margin that is not above -1, or an array of another shape.

        Example:
            >>> market = Market.from_arrays(accuracy=[[0.6], [0.7]], tokens=[[1e6], [1e6]], price_per_million=1.5)
            >>> market.with_margin(0.5).cost.tolist(), market.with_margin([0.5, 2.0]).cost.tolist()
            ([[1.0], [1.0]], [[1.0], [0.5]])
        """
        shape = self.price.shape[-2:]
        column = _per_level("margin", margin, shape)
        extra = _per_level("fixed_cost", fixed_cost, shape)
        if is_concrete(column, self.mask):
            for value in np.broadcast_to(np.asarray(column), shape)[np.asarray(self.mask).reshape(-1, *shape)[0]]:
                _check_margin(float(value))
            # Padding may hold anything, and a margin of -1 there must not divide by zero.
            column = jnp.where(self.mask, column, 0.0) if column.ndim == 2 else column
        cost = self.price / (1 + column) + jnp.where(self.mask, extra, 0.0)
        return eqx.tree_at(lambda market: market.cost, self, cost)

    def selling(self) -> "Market":
        """The market without providers of which no level sells above its cost; all others keep all their levels.

        Raises:
            InputError: nobody is left.

        Example:
            >>> market = Market.from_arrays(
            ...     accuracy=[[0.6, 0.7], [0.5, 0.8]], tokens=[[100, 400], [200, 800]], price_per_million=[2.0, 1.0],
            ...     cost=[[1e-4, 9e-4], [1.0, 1.0]], providers=["Ada", "Bell"])
            >>> market.selling().providers
            ('Ada',)
        """
        profitable = [bool(np.any(row)) for row in np.asarray(self.mask & (self.price > self.cost))]
        if not any(profitable):
            raise InputError(
                "market: no provider has a level that sells above its cost; set lower costs or higher prices"
            )
        return self.subset([name for name, sells in zip(self.providers, profitable, strict=True) if sells])

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


def _per_level(field: str, values: ArrayLike | Sequence[float | int], shape: tuple[int, ...]) -> Float[Array, "..."]:
    """One value, one per provider or one per level, in a shape that spreads over ``[providers, levels]``; may be traced."""
    found = jnp.asarray(values, float)
    if found.shape not in ((), shape[:1], (shape[0], 1), shape):
        raise InputError(
            f"market: {field} has shape {found.shape}; give one, one for each of {shape[0]} providers, or one for each "
            f"of their levels {shape}"
        )
    return found[:, None] if found.ndim == 1 else found


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
