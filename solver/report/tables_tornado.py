"""The table of what the result hangs on."""

from collections.abc import Sequence

import numpy as np

from solver.report.result import Result
from solver.report.tables import SCENARIO, Column, Table
from solver.report.tornado import by_width


def tornado(results: Sequence[Result]) -> Table:
    """One row per market and input: its values and what becomes of the market; the widest change of users' value first."""
    columns = (
        SCENARIO,
        Column("rationality", ""),
        Column("parameter", "Input"),
        Column("provider", "Provider", "provider"),
        Column("unit", "Unit"),
        Column("value", "Now", "plain"),
        Column("low_value", "Lower", "plain"),
        Column("high_value", "Higher", "plain"),
        Column("price_of_anarchy", ""),
        Column("low_price_of_anarchy", "Price of anarchy, lower", "ratio"),
        Column("high_price_of_anarchy", "Price of anarchy, higher", "ratio"),
        Column("user_value", ""),
        Column("low_user_value", "Users' value, lower", "money"),
        Column("high_user_value", "Users' value, higher", "money"),
        Column("welfare_lost", ""),
        Column("low_welfare_lost", "Welfare lost, lower", "percent"),
        Column("high_welfare_lost", "Welfare lost, higher", "percent"),
        Column("max_regret", "Max regret", "tiny"),
        Column("proved", "Proved"),
    )
    rows = []
    for result in results:
        base = result.tornado.base
        for change in by_width(result.tornado, lambda outcome: outcome.user_value):
            low, high = change.low, change.high
            rows.append(
                {
                    "scenario": result.name,
                    "rationality": result.tornado.rationality,
                    "parameter": change.parameter,
                    "provider": change.provider or None,
                    "unit": change.unit,
                    "value": change.value,
                    "low_value": change.low_value,
                    "high_value": change.high_value,
                    "price_of_anarchy": base.price_of_anarchy,
                    "low_price_of_anarchy": low.price_of_anarchy,
                    "high_price_of_anarchy": high.price_of_anarchy,
                    "user_value": base.user_value,
                    "low_user_value": low.user_value,
                    "high_user_value": high.user_value,
                    "welfare_lost": base.lost,
                    "low_welfare_lost": low.lost,
                    "high_welfare_lost": high.lost,
                    "max_regret": float(np.fmax(low.max_regret, high.max_regret)),
                    "proved": low.proved and high.proved,
                }
            )
    caption = "Every input a fifth lower and a fifth higher, one at a time, and the worst equilibrium that follows"
    return Table("tornado", caption, columns, tuple(rows))
