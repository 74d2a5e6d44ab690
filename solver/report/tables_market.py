"""Tables of what things cost and who the users are: list prices and margins, and user segments side by side."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from games.market import Market
from solver.compare import NEGLIGIBLE
from solver.report.result import Result, Verdict
from solver.report.tables import BETA, PROVIDER, SCENARIO, Column, Row, Table

PER_MILLION = 1e6


def prices(results: Sequence[Result]) -> Table:
    """One row per market, β and provider: list price and margin, price and cost where it is and where it should be."""
    columns = (
        SCENARIO,
        BETA,
        PROVIDER,
        Column("list_price", "$ per million tokens", "plain"),
        Column("margin", "Margin", "percent"),
        Column("equilibrium", "In equilibrium"),
        Column("equilibrium_price", "Price", "money"),
        Column("equilibrium_cost", "Cost", "money"),
        Column("optimum", "At the optimum"),
        Column("optimum_price", "Price", "money"),
        Column("optimum_cost", "Cost", "money"),
    )
    rows = [row for result in results for verdict in result.verdicts for row in _price_rows(result, verdict)]
    caption = (
        "List prices and margins, and price and cost of a query in the worst equilibrium and at the welfare optimum; "
        "where input tokens are paid for too, the list price is that of a query's output tokens and input together"
    )
    return Table("prices", caption, columns, tuple(rows))


def _price_rows(result: Result, verdict: Verdict) -> list[Row]:
    market = result.scenario.market
    equilibrium = np.asarray(verdict.efficiency.equilibria.worst).tolist() if verdict.has_equilibrium else None
    optimum = np.asarray(verdict.efficiency.optimum.profile).tolist()
    rows = []
    for i, name in enumerate(market.providers):
        now = _at_level(market, i, None if equilibrium is None else equilibrium[i])
        best = _at_level(market, i, optimum[i])
        anywhere = best if equilibrium is None else now
        rows.append(
            {
                "scenario": verdict.scenario,
                "rationality": verdict.rationality,
                "provider": name,
                "list_price": anywhere["list_price"],
                "margin": anywhere["margin"],
                "equilibrium": now["label"],
                "equilibrium_price": now["price"],
                "equilibrium_cost": now["cost"],
                "optimum": best["label"],
                "optimum_price": best["price"],
                "optimum_cost": best["cost"],
            }
        )
    return rows


def _at_level(market: Market, i: int, level: int | None) -> dict[str, Any]:
    """Prices of one provider at a level; nothing without one."""
    if level is None:
        return dict.fromkeys(("label", "price", "cost", "list_price", "margin"))
    price, cost, tokens = (float(x[i, level]) for x in (market.price, market.cost, market.tokens))
    return {
        "label": market.level_labels[i][level],
        "price": price,
        "cost": cost,
        "list_price": PER_MILLION * price / tokens if tokens > 0 else math.inf,
        "margin": price / cost - 1 if cost > 0 else math.inf,
    }


def segments(results: Sequence[Result]) -> Table:
    """One row per β and user segment of every market with several: who they are, and what each gets where."""
    columns = (
        SCENARIO,
        BETA,
        Column("segment", "Segment"),
        Column("weight", "Share of queries", "percent"),
        Column("value_per_correct", "A correct answer is worth", "money"),
        Column("segment_rationality", "Its β", "plain"),
        Column("outside_value", "Not buying is worth", "money"),
        Column("market_value", "Gets in the market", "money"),
        Column("optimum_value", "At the optimum", "money"),
        Column("auction_value", "In the auction", "money"),
        Column("auction_gain", "Auction less market", "money"),
        Column("loses_in_auction", "Loses?"),
    )
    rows = []
    for result in results:
        users = result.scenario.users
        if users.num_segments == 1:
            continue
        for verdict in result.verdicts:
            for s, name in enumerate(result.scenario.segment_names):
                market, auction = float(verdict.segment_market[s]), float(verdict.segment_auction[s])
                outside = float(users.outside_value[s])
                rows.append(
                    {
                        "scenario": result.name,
                        "rationality": verdict.rationality,
                        "segment": name,
                        "weight": float(users.weight[s]),
                        "value_per_correct": float(users.value_per_correct[s]),
                        "segment_rationality": float(verdict.segment_rationality[s]),
                        "outside_value": outside if math.isfinite(outside) else None,
                        "market_value": market,
                        "optimum_value": float(verdict.segment_optimum[s]),
                        "auction_value": auction,
                        "auction_gain": auction - market,
                        "loses_in_auction": loses(market, auction) if verdict.has_equilibrium else None,
                    }
                )
    caption = "Users by segment; –: there is no such number (users must buy, or no equilibrium)"
    return Table("segments", caption, columns, tuple(rows))


def loses(before: float, after: float) -> bool:
    """Whether somebody has less than before, beyond rounding."""
    return bool(after < before - NEGLIGIBLE * max(abs(before), abs(after)))
