"""List prices of models: a table of your own first, the optional package ``genai-prices`` where it has no row.

A price is what a vendor lists, in dollars per million output tokens and per million input tokens, at a date. Your own table
is a CSV file or data frame with the columns ``model, usd_per_million_tokens`` and, optionally, ``provider``,
``usd_per_million_input_tokens`` and ``dated`` (a day, ``2025-08-07``); further columns are ignored. A model without a price
is an error that lists the nearest names, never a guess.
"""

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
    """

    above_input_tokens: float | int
    usd_per_million_tokens: float
    usd_per_million_input_tokens: float


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
    """

    model: str
    usd_per_million_tokens: float
    usd_per_million_input_tokens: float | None = None
    provider: str | None = None
    dated: date | None = None
    source: str = "your table"
    tiers: tuple[PriceTier, ...] = ()
    recorded: bool = False

    def rates(
        self, input_tokens: Float[np.ndarray, "*shape"]
    ) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
        """Dollars per million output and input tokens of requests.

        Args:
            input_tokens: tokens of each prompt; nan where unknown, and charged at the list price.

        Example:
            >>> price = ListPrice("Ada", 10.0, 1.0, tiers=(PriceTier(0, 10.0, 1.0), PriceTier(200_000, 15.0, 2.0)))
            >>> price.rates(np.array([200_000.0, 200_001.0]))[0].tolist()
            [10.0, 15.0]
        """
        output = np.full(input_tokens.shape, float(self.usd_per_million_tokens))
        given = np.full(input_tokens.shape, float(self.usd_per_million_input_tokens or 0.0))
        for tier in self.tiers:
            # A prompt of no tokens is in the first tier.
            within = (input_tokens > tier.above_input_tokens) | (tier.above_input_tokens == 0) & (input_tokens == 0)
            output = np.where(within, tier.usd_per_million_tokens, output)
            given = np.where(within, tier.usd_per_million_input_tokens, given)
        return output, given

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
        return tuple(found)


@dataclass(frozen=True)
class PriceTable:
    """List prices by model, seller and date.

    Args:
        prices: one entry per row.
        name: what error messages call the table.

    Example:
        >>> table = PriceTable.from_frame(pd.DataFrame({
        ...     "model": ["gpt-5", "gpt-5"], "usd_per_million_tokens": [10, 8], "dated": ["2025-08-07", "2026-01-01"]}))
        >>> table.price("gpt-5", at=date(2025, 10, 1)).usd_per_million_tokens, table.price("gpt-5").usd_per_million_tokens
        (10.0, 8.0)
    """

    prices: tuple[ListPrice, ...]
    name: str = "prices"

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, name: str = "prices") -> "PriceTable":
        """Read a data frame; see the module for its columns.

        Raises:
            InputError: a column is missing, a price is no number or negative, a day is no day, or a row repeats another.
        """
        rows = required_columns(frame, PRICE_COLUMNS, name)
        output = bounded_numbers(rows, PRICE_COLUMNS[1], 0.0, float("inf"), name)
        given: list[float | None] = [None] * len(rows)
        column = "usd_per_million_input_tokens"
        if column in rows.columns:
            known = rows[rows[column].notna()]
            numbers = bounded_numbers(known, column, 0.0, float("inf"), name)
            given = [float(numbers[label]) if label in numbers.index else None for label in rows.index]
        prices = []
        places: dict[tuple[str, str | None, date | None], object] = {}
        for (label, row), out, into in zip(rows.iterrows(), output, given, strict=True):
            seller = _text(row.get("provider"))
            day = _day(row.get("dated"), f"{name}, {row_name(label, rows)} ({row['model']})")
            key = (row["model"], seller, day)
            if key in places:
                raise InputError(
                    f"{name}, {row_name(label, rows)}: repeats {row_name(places[key], rows)} (model {row['model']}); keep "
                    "one, or tell them apart by provider or dated"
                )
            places[key] = label
            prices.append(ListPrice(row["model"], float(out), into, seller, day, name))
        return cls(tuple(prices), name)

    @classmethod
    def from_csv(cls, path: str | Path) -> "PriceTable":
        """Read a CSV file; see the module for its columns.

        Raises:
            InputError: the text names the file, the line and the remedy.
        """
        return cls.from_frame(read_table(path), name=str(path))

    def price(self, model: str, provider: str | None = None, *, at: date | None = None) -> ListPrice:
        """The price of a model, from the latest row that is not after a day.

        Args:
            model: name of the model, as in the table.
            provider: who sells it; a row without a provider holds for all. Needed where sellers differ in price.
            at: day of the queries; the latest row counts where it is not given.

        Raises:
            InputError: no such model, none at that day, or several sellers to choose from.
        """
        rows = [p for p in self.prices if p.model == model]
        if not rows:
            raise InputError(f"{self.name}: {unknown_name('model', model, sorted({p.model for p in self.prices}))}")
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
    if table is not None and (not genai or any(p.model == model for p in table.prices)):
        return table.price(model, provider, at=at)
    if genai:
        from games.genai import genai_price

        return genai_price(model, provider, input_tokens=input_tokens, output_tokens=output_tokens, at=at)
    raise InputError(
        f"price of {model!r}: unknown; give a table of prices (model,usd_per_million_tokens) or allow genai-prices"
    )


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
