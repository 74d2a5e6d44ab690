"""Who gets what: users, providers and platform in the market, at its optimum and in the auctions."""

import math
from collections.abc import Iterable, Mapping

from solver.efficiency import LedgerRow
from solver.report.charts import bars
from solver.report.charts import chart as c
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money


def split(row: LedgerRow, name: str | None = None) -> bars.Split:
    """A row of the ledger as a bar."""
    note = "" if math.isfinite(row.welfare) else "no equilibrium"
    return bars.Split(name or row.name, row.users, row.providers, row.platform, row.welfare, note)


def ledger(result: Result, looks: Mapping[str, Look], money: Money) -> c.Chart:
    """Users, providers and platform under each arrangement."""
    rows = result.verdict.efficiency.ledger
    losses = any(min(row.users, row.providers, row.platform) < 0 for row in rows)
    charges = any(row.platform for row in rows)
    caption = (
        "What users get (value less price) and what providers earn; the number at the end of a bar is their sum, welfare. "
        + ("" if charges else "The platform charges no fee here and gets nothing. ")
        + ("Left of zero is a loss; the black line marks the sum. " if losses else "")
    )
    spec = bars.stacked([split(row) for row in rows], money)
    return c.Chart("ledger", "Who gets what", caption.strip(), spec, describe(rows, money))


def describe(rows: Iterable[LedgerRow], money: Money) -> str:
    """Text alternative of the bars."""
    parts = [
        f"{row.name}: no equilibrium"
        if not math.isfinite(row.welfare)
        else f"{row.name}: users {money.amount(row.users)}, providers {money.amount(row.providers)}"
        + (f", platform {money.amount(row.platform)}" if row.platform else "")
        + f", together {money.amount(row.welfare)}"
        for row in rows
    ]
    return f"Stacked bars of money {money.per}. " + "; ".join(parts) + "."
