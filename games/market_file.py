"""A market made from evaluation logs, kept in one Parquet file: every generation, and how levels and prices come of them.

The file holds the canonical table (``games.logs.table``), so that error bars over questions stay possible, and beside it as
JSON: the rule that makes levels, list prices, margin, what becomes of samples without a score, and the report of the reading.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from games.errors import InputError, unknown_name
from games.logs.parquet import read_note, read_table, write_table
from games.logs.report import ReadReport
from games.logs.table import Errored
from games.market import DEFAULT_MARGIN
from games.prices import ListPrice, PriceTable, PriceTier, find_price
from games.sampling.draw_levels import DRAWN, best_of_n_levels, majority_levels, pass_at_k_levels
from games.sampling.levels import EFFORT_GROUPS, effort_quantile_levels, given_levels, token_cap_levels
from games.sampling.question_curves import QuestionCurves

SCHEMA = 1
LEVEL_KINDS = ("given", "best-of-n", "majority", "pass-at-k", "quantiles", "token-caps")
_NOTE = "market"
_RECORDED = "; or let the costs that the log recorded stand in with recorded=True"


@dataclass(frozen=True)
class LevelRule:
    """How levels of compute are made from generations, see ``games.sampling``.

    Args:
        kind: one of ``LEVEL_KINDS``: as the log has them, by drawing n samples, by quantiles of thinking tokens, or under
            caps on output tokens.
        numbers: for the drawing kinds how many samples, for ``quantiles`` how many groups (one number), for ``token-caps``
            the caps in tokens; empty for the usual ones (``given`` takes none, ``token-caps`` needs them).

    Raises:
        InputError: an unknown kind, or numbers that do not belong to it.

    Example:
        >>> LevelRule("majority", (1, 4, 16)).describe()
        'majority of 1, 4, 16 samples'
    """

    kind: str = "given"
    numbers: tuple[float | int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in LEVEL_KINDS:
            raise unknown_name("kind of levels", self.kind, LEVEL_KINDS)
        whole = all(number == int(number) for number in self.numbers if np.isfinite(number))
        if not all(number > 0 for number in self.numbers):
            raise InputError(f"levels {self.kind}: {self._told()} given; numbers must be above 0")
        if self.kind == "given" and self.numbers:
            raise InputError(f"levels given: {self._told()} given, but the levels are those of the log; leave them out")
        if self.kind == "token-caps" and not self.numbers:
            raise InputError("levels token-caps: no cap given; name them in tokens, such as 1000,4000,inf")
        if self.kind == "quantiles" and len(self.numbers) > 1:
            raise InputError(f"levels quantiles: {self._told()} given; give one number, of groups")
        if self.kind != "token-caps" and not (whole and np.isfinite(self.numbers).all()):
            raise InputError(f"levels {self.kind}: {self._told()} given; give whole numbers, such as 1,4,16")

    def _told(self) -> str:
        return ", ".join(f"{number:g}" for number in self.numbers)

    def describe(self) -> str:
        """The rule in words."""
        words = {
            "given": "levels of the log",
            "best-of-n": "best of {} samples",
            "majority": "majority of {} samples",
            "pass-at-k": "a right one of {} samples",
            "quantiles": "{} groups by thinking tokens",
            "token-caps": "at most {} output tokens",
        }
        return words[self.kind].format(LevelRule(self.kind, self.numbers or _usual(self.kind))._told())

    def curves(self, table: pd.DataFrame, prices: PriceTable, **settings: Any) -> QuestionCurves:
        """The levels that the rule makes of a canonical table.

        Args:
            table: one row per generation.
            prices: list prices of all its models.
            **settings: ``benchmark``, ``errored``, ``margin`` and ``at``, as in ``games.sampling.given_levels``.

        Raises:
            InputError: the table lacks what the rule needs; the text says where and what.
        """
        numbers = self.numbers or _usual(self.kind)
        counts = [int(number) for number in numbers if np.isfinite(number)]
        makers: dict[str, Callable[..., QuestionCurves]] = {
            "given": given_levels,
            "best-of-n": partial(best_of_n_levels, drawn=counts),
            "majority": partial(majority_levels, drawn=counts),
            "pass-at-k": partial(pass_at_k_levels, drawn=counts),
            "quantiles": partial(effort_quantile_levels, groups=counts[0] if counts else EFFORT_GROUPS),
            "token-caps": partial(token_cap_levels, caps=list(numbers)),
        }
        return makers[self.kind](table, prices, **settings)


def _usual(kind: str) -> tuple[float | int, ...]:
    """Numbers of a rule that names none."""
    if kind == "quantiles":
        return (EFFORT_GROUPS,)
    return () if kind in ("given", "token-caps") else tuple(map(float, DRAWN))


@dataclass(frozen=True)
class MarketFile:
    """What a market file holds.

    Args:
        table: canonical table, one row per generation; samples without a score are in it.
        prices: list prices of all its models.
        levels: how levels come of samples.
        errored: ``"drop"`` or ``"wrong"``: what becomes of samples without a score.
        margin: price / cost − 1.
        report: what was read and left out; None for a table that was not read from logs.
        sources: names of the files that were read.
    """

    table: pd.DataFrame
    prices: PriceTable
    levels: LevelRule = field(default_factory=LevelRule)
    errored: Errored = "drop"
    margin: float = DEFAULT_MARGIN
    report: ReadReport | None = None
    sources: tuple[str, ...] = ()

    def curves(self, *, benchmark: str | None = None, margin: float | None = None) -> QuestionCurves:
        """Curves question by question.

        Args:
            benchmark: which one to take where the table holds several.
            margin: in place of the file's.

        Raises:
            InputError: several benchmarks and none named, or a table that the rule cannot use.
        """
        chosen = self.margin if margin is None else margin
        return self.levels.curves(self.table, self.prices, benchmark=benchmark, errored=self.errored, margin=chosen)

    def describe(self) -> str:
        """Where the market comes from, in one line."""
        files = self.sources if len(self.sources) <= 3 else (*self.sources[:2], f"{len(self.sources) - 2} more")
        dated = sorted({str(p.dated) for p in self.prices.prices if p.dated is not None})
        days = f" of {dated[0]}" if len(dated) == 1 else f" of {dated[0]} to {dated[-1]}" if dated else ""
        lists = ", ".join(dict.fromkeys(price.source for price in self.prices.prices))
        logs = ", ".join(files) or "a table"
        return f"{len(self.table):,} generations from {logs}; {self.levels.describe()}; prices{days} from {lists}"


def table_prices(
    table: pd.DataFrame,
    own: PriceTable | None = None,
    *,
    genai: bool = False,
    recorded: bool = False,
    at: date | None = None,
) -> PriceTable:
    """List prices of all models of a table, for the usage in it.

    Args:
        table: canonical table.
        own: your own list prices, which come first.
        genai: whether ``genai-prices`` may answer for models that your table lacks.
        recorded: whether the costs in the log stand in for list prices of models that your table lacks.
        at: day of the queries.

    Raises:
        InputError: a model has no price; the text lists the nearest names, and further models without a price.

    Example:
        >>> from games.logs import logs_table
        >>> table = logs_table({"question_id": ["a"], "model": "Ada", "correct": 1, "billable_output_tokens": 100})
        >>> own = PriceTable((ListPrice("Ada", 8.0), ListPrice("Bell", 9.0)))
        >>> [(price.model, price.usd_per_million_tokens) for price in table_prices(table, own).prices]
        [('Ada', 8.0)]
    """
    found: list[ListPrice] = []
    failed: dict[str, InputError] = {}
    for (model, seller), rows in table.groupby(["model", "provider"], sort=False, dropna=False):
        provider = seller if isinstance(seller, str) else None
        usage = {
            name: 0.0 if rows[column].isna().all() else float(rows[column].mean())
            for name, column in (("input_tokens", "input_tokens"), ("output_tokens", "billable_output_tokens"))
        }
        if recorded and not (own is not None and own.has(str(model), provider)):
            found.append(ListPrice(str(model), 0.0, 0.0, provider, source="the costs in the log", recorded=True))
            continue
        try:
            price = find_price(str(model), provider, table=own, genai=genai, at=at, **usage)
        except InputError as error:
            failed.setdefault(str(model), error)
            continue
        # Under the names that the table has, by which its levels look for it.
        found.append(replace(price, model=str(model), provider=provider))
    if failed:
        first, *others = failed
        more = f"; no price either for {', '.join(others)}" if others else ""
        costs = not table.loc[table["model"].isin(failed), "cost_usd"].isna().any()
        raise InputError(f"{failed[first]}{more}{_RECORDED if costs else ''}")
    return PriceTable(tuple(found), name="prices")


def write_market_file(path: str | Path, market: MarketFile) -> None:
    """Write a market file, whole or not at all; one that is there is replaced.

    Args:
        path: the file, usually named ``*.parquet``.
        market: what it is to hold.

    Raises:
        InputError: the place cannot be written to, or pyarrow is missing.

    Example:
        >>> from games.logs import logs_table
        >>> table = logs_table({"question_id": ["a"], "model": "Ada", "correct": 1, "billable_output_tokens": 100})
        >>> write_market_file("ada.parquet", MarketFile(table, PriceTable((ListPrice("Ada", 8.0),))))
        >>> read_market_file("ada.parquet").describe()
        '1 generations from a table; levels of the log; prices from your table'
    """
    prices = [asdict(p) | {"dated": None if p.dated is None else p.dated.isoformat()} for p in market.prices.prices]
    rule = {"kind": market.levels.kind, "numbers": [None if np.isinf(x) else x for x in market.levels.numbers]}
    described = {
        "schema": SCHEMA,
        "levels": rule,
        "prices": prices,
        "errored": market.errored,
        "margin": market.margin,
        "sources": list(market.sources),
    }
    note: dict[str, Any] = {_NOTE: described}
    if market.report is not None:
        note["report"] = market.report.as_dict()
    write_table(market.table, path, note=note)


def read_market_file(path: str | Path) -> MarketFile:
    """Read a market file.

    Args:
        path: the file.

    Raises:
        InputError: no such file, not a Parquet file, or one without prices and levels; the text says what to do.

    Example:
        >>> read_market_file("nowhere.parquet")
        Traceback (most recent call last):
        games.errors.InputError: nowhere.parquet: no such file; check the path
    """
    if Path(path).suffix != ".parquet" and Path(path).is_file():
        raise InputError(
            f"{path}: not a market file, whose name ends in .parquet; if it is a log, make a market file of it with "
            f"`ttc-games ingest {path} -o market.parquet`"
        )
    note = read_note(path)
    if _NOTE not in note:
        raise InputError(
            f"{path}: holds no levels and prices; make a market of it with `ttc-games ingest {path} -o NEW`"
        )
    content: Mapping[str, Any] = note[_NOTE]
    if content.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: made by another version (schema {content.get('schema')}, this one reads {SCHEMA}); ingest the logs again"
        )
    return MarketFile(
        table=read_table(path),
        prices=PriceTable(tuple(_price(row) for row in content["prices"]), name=f"{path}, prices"),
        levels=LevelRule(content["levels"]["kind"], _numbers(content["levels"]["numbers"])),
        errored=content["errored"],
        margin=content["margin"],
        report=ReadReport.from_dict(note["report"]) if "report" in note else None,
        sources=tuple(content["sources"]),
    )


def _price(row: Mapping[str, Any]) -> ListPrice:
    day = None if row["dated"] is None else date.fromisoformat(row["dated"])
    tiers = tuple(PriceTier(**tier) for tier in row.get("tiers", ()))
    return ListPrice(**{**row, "dated": day, "tiers": tiers, "remarks": tuple(row.get("remarks", ()))})


def _numbers(values: Sequence[float | int | None]) -> tuple[float, ...]:
    """Numbers from JSON, which has no infinity."""
    return tuple(np.inf if value is None else float(value) for value in values)
