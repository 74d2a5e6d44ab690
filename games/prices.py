"""List prices of models: a table of your own first, the optional package ``genai-prices`` where it has no row.

A price is what a vendor lists, in dollars per million output tokens and per million input tokens, at a date. Your own table
is a CSV file or data frame with the columns ``model, usd_per_million_tokens`` and, optionally, ``provider``,
``usd_per_million_input_tokens``, ``usd_per_million_cached_tokens`` and ``dated`` (a day, ``2025-08-07``); further columns are
ignored. Lists that others publish are read by ``games.price_lists``. A model without a price is an error that lists the
nearest names, never a guess.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from games.errors import InputError, unknown_name
from games.tables import PRICE_COLUMNS, bounded_numbers, read_table, required_columns, row_name

# Output prices that vendors have listed since 2023 lie between 0.02 and 600 dollars per million tokens.
PLAUSIBLE_PRICE = (0.01, 1000.0)


@dataclass(frozen=True)
class PriceTier:
    """List prices of the requests whose prompt is longer than a threshold; all of their tokens are charged so.

    Args:
        above_input_tokens: the threshold, in tokens; 0 for the prices of short prompts.
        usd_per_million_tokens: dollars per million billable output tokens.
        usd_per_million_input_tokens: dollars per million input tokens.
        usd_per_million_cached_tokens: dollars per million input tokens that were read from a cache; ``None`` where they cost
            as much as others.
    """

    above_input_tokens: float | int
    usd_per_million_tokens: float
    usd_per_million_input_tokens: float
    usd_per_million_cached_tokens: float | None = None


@dataclass(frozen=True)
class ListPrice:
    """What a vendor lists for one model.

    Args:
        model: name of the model.
        usd_per_million_tokens: dollars per million billable output tokens.
        usd_per_million_input_tokens: dollars per million input tokens; ``None`` where it is not known.
        provider: who sells it; ``None`` where the table does not say.
        dated: day from which the price holds; ``None`` where it is not known.
        source: where the price comes from.
        tiers: prices by length of the prompt, shortest first; empty where one price holds for all. The prices above are
            then those of a query of mean length, and each request is charged at its own tier.
        recorded: no list price: each sample costs what its log recorded (``cost_usd``). The prices above are then 0.
        usd_per_million_cached_tokens: dollars per million input tokens that were read from a cache; ``None`` where it is not
            known: they are then charged as other input tokens.
        remarks: what a reader of the price should know, such as a charge of the list that is left out.
    """

    model: str
    usd_per_million_tokens: float
    usd_per_million_input_tokens: float | None = None
    provider: str | None = None
    dated: date | None = None
    source: str = "your table"
    tiers: tuple[PriceTier, ...] = ()
    recorded: bool = False
    usd_per_million_cached_tokens: float | None = None
    remarks: tuple[str, ...] = ()

    def rates(
        self, input_tokens: Float[np.ndarray, "*shape"]
    ) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
        """Dollars per million output, input and cached input tokens of requests.

        Args:
            input_tokens: tokens of each prompt; nan where unknown, and charged at the list price.

        Example:
            >>> price = ListPrice("Ada", 10.0, 1.0, tiers=(PriceTier(0, 10.0, 1.0), PriceTier(200_000, 15.0, 2.0)))
            >>> price.rates(np.array([200_000.0, 200_001.0]))[0].tolist()
            [10.0, 15.0]
        """
        output = np.full(input_tokens.shape, float(self.usd_per_million_tokens))
        given = np.full(input_tokens.shape, float(self.usd_per_million_input_tokens or 0.0))
        read = self.usd_per_million_cached_tokens
        cached = given if read is None else np.full(input_tokens.shape, float(read))
        for tier in self.tiers:
            # A prompt of no tokens is in the first tier.
            within = (input_tokens > tier.above_input_tokens) | (tier.above_input_tokens == 0) & (input_tokens == 0)
            output = np.where(within, tier.usd_per_million_tokens, output)
            given = np.where(within, tier.usd_per_million_input_tokens, given)
            read = tier.usd_per_million_cached_tokens
            cached = np.where(within, tier.usd_per_million_input_tokens if read is None else read, cached)
        return output, given, cached

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks odd about the price, one text each.

        Example:
            >>> ListPrice("qwen3-235b", 0.1, 0.1).warnings
            ('price of qwen3-235b: input and output cost the same (0.1 $/M); most vendors charge more for output, check it',)
        """
        given, output = self.usd_per_million_input_tokens, self.usd_per_million_tokens
        place = f"price of {self.model}"
        found: list[str] = []
        if self.recorded:
            return ()
        if not PLAUSIBLE_PRICE[0] <= output <= PLAUSIBLE_PRICE[1]:
            found.append(
                f"{place}: {output:g} dollars per million output tokens is far from what vendors list "
                f"({PLAUSIBLE_PRICE[0]:g} to {PLAUSIBLE_PRICE[1]:g}); is it per thousand or per token?"
            )
        if given is None:
            found.append(f"{place}: no price of input tokens; they count as free")
        elif given == output > 0:
            found.append(
                f"{place}: input and output cost the same ({output:g} $/M); most vendors charge more for output, check it"
            )
        elif given > output:
            found.append(f"{place}: input ({given:g} $/M) is dearer than output ({output:g} $/M); are they swapped?")
        cached = self.usd_per_million_cached_tokens
        if cached is not None and given is not None and cached > given:
            found.append(f"{place}: cached input ({cached:g} $/M) is dearer than fresh input ({given:g} $/M); check it")
        return (*found, *(f"{place}: {remark}" for remark in self.remarks))


@dataclass(frozen=True)
class PriceTable:
    """List prices by model, seller and date.

    Args:
        prices: one entry per row.
        name: what error messages call the table.
        loose: whether names are matched as logs write them, see ``games.price_lists``; else a name must be the table's.

    Example:
        >>> table = PriceTable.from_frame(pd.DataFrame({
        ...     "model": ["gpt-5", "gpt-5"], "usd_per_million_tokens": [10, 8], "dated": ["2025-08-07", "2026-01-01"]}))
        >>> table.price("gpt-5", at=date(2025, 10, 1)).usd_per_million_tokens, table.price("gpt-5").usd_per_million_tokens
        (10.0, 8.0)
    """

    prices: tuple[ListPrice, ...]
    name: str = "prices"
    loose: bool = False

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, name: str = "prices") -> "PriceTable":
        """Read a data frame; see the module for its columns.

        Raises:
            InputError: a column is missing, a price is no number or negative, a day is no day, or a row repeats another.
        """
        rows = required_columns(frame, PRICE_COLUMNS, name)
        output = bounded_numbers(rows, PRICE_COLUMNS[1], 0.0, float("inf"), name)
        given = _optional(rows, "usd_per_million_input_tokens", name)
        cached = _optional(rows, "usd_per_million_cached_tokens", name)
        prices = []
        places: dict[tuple[str, str | None, date | None], object] = {}
        for (label, row), out, into, read in zip(rows.iterrows(), output, given, cached, strict=True):
            seller = _text(row.get("provider"))
            day = _day(row.get("dated"), f"{name}, {row_name(label, rows)} ({row['model']})")
            key = (row["model"], seller, day)
            if key in places:
                raise InputError(
                    f"{name}, {row_name(label, rows)}: repeats {row_name(places[key], rows)} (model {row['model']}); keep "
                    "one, or tell them apart by provider or dated"
                )
            places[key] = label
            listed = ListPrice(row["model"], float(out), into, seller, day, name, usd_per_million_cached_tokens=read)
            prices.append(listed)
        return cls(tuple(prices), name)

    @classmethod
    def from_csv(cls, path: str | Path) -> "PriceTable":
        """Read a CSV file; see the module for its columns.

        Raises:
            InputError: the text names the file, the line and the remedy.
        """
        return cls.from_frame(read_table(path), name=str(path))

    @classmethod
    def from_file(cls, path: str | Path, *, batch: bool = False) -> "PriceTable":
        """Read a price list of any known kind: CSV, or JSON of the kinds in ``games.price_lists``.

        Args:
            path: the file.
            batch: prices of batches, where the list has them; a model without one keeps its usual price.

        Raises:
            InputError: the text names the file, the place and the remedy.
        """
        from games.price_lists import read_price_list

        return read_price_list(path, batch=batch)

    def has(self, model: str, provider: str | None = None) -> bool:
        """Whether the table has a row for the model, of whichever seller and day."""
        return bool(self._rows(model, provider))

    def _rows(self, model: str, provider: str | None) -> list[ListPrice]:
        rows = [p for p in self.prices if p.model == model]
        if not self.loose:
            return rows
        from games.price_lists.matching import rows_for

        return rows_for(self.prices, model, provider)

    def frame(self, models: Iterable[str]) -> pd.DataFrame:
        """Prices of some models as a table with the columns of ``from_frame``, for ``Market.from_frames``.

        Raises:
            InputError: a model has no price, several, or one that depends on the length of the prompt.
        """
        found = {model: self.price(model) for model in models}
        for model, price in found.items():
            if price.tiers:
                raise InputError(
                    f"{self.name}: {model!r} has prices by length of the prompt, which apply to each request; curves hold "
                    "means: give the log (ttc-games ingest), or one price in a CSV table"
                )
        data = {
            "model": list(found),
            "usd_per_million_tokens": [price.usd_per_million_tokens for price in found.values()],
        }
        given = [price.usd_per_million_input_tokens for price in found.values()]
        return pd.DataFrame(data if None in given else data | {"usd_per_million_input_tokens": given})

    def price(self, model: str, provider: str | None = None, *, at: date | None = None) -> ListPrice:
        """The price of a model, from the latest row that is not after a day.

        Args:
            model: name of the model, as in the table.
            provider: who sells it; a row without a provider holds for all. Needed where sellers differ in price.
            at: day of the queries; the latest row counts where it is not given.

        Raises:
            InputError: no such model, none at that day, or several sellers to choose from.
        """
        rows = self._rows(model, provider)
        if not rows:
            raise InputError(f"{self.name}: {unknown_name('model', model, sorted({p.model for p in self.prices}))}")
        if self.loose:
            from games.price_lists.matching import only_price

            return only_price(rows, model, self.name)
        sold = [p for p in rows if provider is not None and _same(p.provider, provider)]
        sold = sold or [p for p in rows if p.provider is None] or (rows if provider is None else [])
        sellers = sorted({str(p.provider) for p in sold or rows})
        if not sold or len(sellers) > 1:
            raise InputError(f"{self.name}: {model!r} is sold by {', '.join(sellers)}; name the provider, one of these")
        dated = [p for p in sold if at is None or p.dated is None or p.dated <= at]
        if not dated:
            first = min(p.dated for p in sold if p.dated is not None)
            raise InputError(
                f"{self.name}: the first price of {model!r} is of {first}, the queries are of {at}; add one"
            )
        return max(dated, key=lambda p: p.dated or date.min)


def find_price(
    model: str,
    provider: str | None = None,
    *,
    table: PriceTable | None = None,
    genai: bool = False,
    input_tokens: float | int = 0.0,
    output_tokens: float | int = 0.0,
    at: date | None = None,
) -> ListPrice:
    """The price of a model: your table where it has the model, else ``genai-prices`` where that is allowed.

    Args:
        model: name of the model.
        provider: who sells it; see ``PriceTable.price`` and ``games.genai_price``.
        table: your own list prices.
        genai: whether to look models up in the package ``genai-prices`` that the table lacks.
        input_tokens: mean input tokens per query, which ``genai_price`` needs.
        output_tokens: mean billable output tokens per query, likewise.
        at: day of the queries.

    Raises:
        InputError: neither knows a price; the text lists the nearest names.

    Example:
        >>> own = PriceTable((ListPrice("Ada", 0.2),))
        >>> find_price("Ada", table=own).usd_per_million_tokens
        0.2
        >>> find_price("Adda", table=own)
        Traceback (most recent call last):
        games.errors.InputError: prices: unknown model 'Adda': did you mean 'Ada'?
    """
    if table is not None and (not genai or table.has(model, provider)):
        return table.price(model, provider, at=at)
    if genai:
        from games.genai import genai_price

        return genai_price(model, provider, input_tokens=input_tokens, output_tokens=output_tokens, at=at)
    raise InputError(
        f"price of {model!r}: unknown; give a table of prices (model,usd_per_million_tokens) or allow genai-prices"
    )


def _optional(rows: pd.DataFrame, column: str, name: str) -> list[float | None]:
    """A column of prices that may be missing, as a whole or in a row."""
    if column not in rows.columns:
        return [None] * len(rows)
    numbers = bounded_numbers(rows[rows[column].notna()], column, 0.0, float("inf"), name)
    return [float(numbers[label]) if label in numbers.index else None for label in rows.index]


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return None if text in ("", "nan", "NaT", "<NA>") else text


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.casefold() == other.casefold()


def _day(value: object, place: str) -> date | None:
    """A day from its text, or None for an empty cell."""
    if (text := _text(value)) is None:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise InputError(f"{place}: dated is {text}; write a day as 2025-08-07") from None
