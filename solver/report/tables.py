"""The tables of the report. One table feeds the page (formatted), the CSV file and the JSON file (full precision)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from games.auction import NOBODY
from solver.report import style
from solver.report.result import Result, Verdict

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: its key in the files, its header on the page, and how its numbers are shown.

    Args:
        key: name in CSV and JSON; money is dollars per query there.
        header: name on the page; empty for a column that only the files hold.
        kind: ``text``, ``money``, ``percent``, ``ratio``, ``plain``, ``tiny``, ``provider``, ``losers``,
            ``verdict`` or ``long`` (text).
    """

    key: str
    header: str
    kind: str = "text"


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        name: stem of the CSV file, key in the JSON file.
        caption: what it shows, for the page.
        columns: in order.
        rows: dictionaries with the columns' keys.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def where(self, **wanted: object) -> "Table":
        """The rows that have the wanted values."""
        kept = tuple(row for row in self.rows if all(row[key] == value for key, value in wanted.items()))
        return replace(self, rows=kept)

    def but(self, caption: str, *hidden: str) -> "Table":
        """The same table with another caption, some columns not shown on the page."""
        columns = tuple(replace(c, header="") if c.key in hidden else c for c in self.columns)
        return replace(self, caption=caption, columns=columns)

    def records(self) -> list[Row]:
        """The rows as JSON takes them: ``infinite`` and ``undefined`` stand for numbers that are not finite."""
        return [{c.key: as_json(row[c.key]) for c in self.columns} for row in self.rows]

    def csv(self) -> str:
        """The rows as CSV; infinite numbers are ``inf``, undefined ones empty."""
        import pandas as pd

        keys = [column.key for column in self.columns]
        cells = [["; ".join(x) if isinstance(x := row[key], tuple) else x for key in keys] for row in self.rows]
        frame = pd.DataFrame(cells, columns=keys)
        return str(frame.to_csv(index=False, lineterminator="\n"))


def as_json(value: Any) -> Any:
    """A value that every JSON reader takes."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "undefined" if math.isnan(value) else "infinite" if value > 0 else "-infinite"
    return list(value) if isinstance(value, tuple) else value


def formatter(money: style.Money) -> Callable[[str, Any], str]:
    """How the page shows a value of a column's kind."""
    kinds: dict[str, Callable[[Any], str]] = {
        "money": money.number,
        "percent": style.percent,
        "ratio": style.ratio,
        "plain": style.plain,
        "tiny": style.tiny,
        "losers": lambda names: style.listed([style.shorten(name) for name in names], 4) or "nobody",
        "verdict": {"over": "▲ over", "under": "▼ under", "equal": "= equal", "mixed": "▲▼ mixed"}.__getitem__,
    }

    def show(kind: str, value: Any) -> str:
        if value is None or (isinstance(value, str) and not value):
            return "–"
        if isinstance(value, bool):
            return "yes" if value else "no"
        return kinds[kind](value) if kind in kinds else str(value)

    return show


SCENARIO = Column("scenario", "Market")
BETA = Column("rationality", "β", "plain")
PROVIDER = Column("provider", "Provider", "provider")


def overview(results: Sequence[Result]) -> Table:
    """One row per market and β: the whole report in one table."""
    columns = (
        SCENARIO,
        BETA,
        Column("optimal_welfare", "Optimal welfare", "money"),
        Column("equilibrium_welfare", "Equilibrium welfare", "money"),
        Column("price_of_anarchy", "Price of anarchy", "ratio"),
        Column("too_high", "Compute too high", "plain"),
        Column("over_computing", "More than own best offer", "plain"),
        Column("under_computing", "Less than own best offer", "plain"),
        Column("auction_welfare", "Auction welfare", "money"),
        Column("market_user_value", "Users, market", "money"),
        Column("auction_user_value", "Users, auction", "money"),
        Column("market_profit", "Profits, market", "money"),
        Column("auction_profit", "Profits, auction", "money"),
        Column("users_lose_in_auction", "Users lose?"),
    )
    rows = []
    for verdict in (v for result in results for v in result.verdicts):
        found, against = verdict.efficiency, [p.against_best_offer for p in verdict.efficiency.provision]
        rows.append(
            {
                "scenario": verdict.scenario,
                "rationality": verdict.rationality,
                "optimal_welfare": float(found.optimum.welfare),
                "equilibrium_welfare": verdict.market.welfare,
                "price_of_anarchy": found.price_of_anarchy,
                "too_high": len(found.too_high) if verdict.has_equilibrium else None,
                "over_computing": against.count("over") if verdict.has_equilibrium else None,
                "under_computing": against.count("under") if verdict.has_equilibrium else None,
                "auction_welfare": verdict.auction.welfare,
                "market_user_value": verdict.market.users,
                "auction_user_value": verdict.auction.users,
                "market_profit": verdict.market.providers,
                "auction_profit": verdict.auction.providers,
                "users_lose_in_auction": "users" in verdict.auction.losers if verdict.has_equilibrium else None,
            }
        )
    caption = "Every market at every β of the tables, in the worst equilibrium where there are several"
    return Table("overview", caption, columns, tuple(rows))


def equilibria(results: Sequence[Result]) -> Table:
    """One row per market and β: equilibria, their certificates, and the auction beside them."""
    columns = (
        SCENARIO,
        BETA,
        Column("num_equilibria", "Equilibria", "plain"),
        Column("complete", "List complete"),
        Column("max_regret", "Max regret", "tiny"),
        Column("worst_welfare", "Worst welfare", "money"),
        Column("best_welfare", "Best welfare", "money"),
        Column("optimal_welfare", "Optimal welfare", "money"),
        Column("price_of_anarchy", "Price of anarchy", "ratio"),
        Column("price_of_stability", "Price of stability", "ratio"),
        Column("outside_share", "Unserved", "percent"),
        Column("user_value", "Users' value", "money"),
        Column("consumer_surplus", "Consumer surplus (tastes)", "money"),
        Column("choice_noise", "Auction gain: choice noise", "money"),
        Column("incentives", "Auction gain: incentives", "money"),
        Column("reason", "Why the list is or is not complete", "long"),
        Column("note", "Note", "long"),
    )
    rows = []
    for verdict in (v for result in results for v in result.verdicts):
        found = verdict.efficiency
        rows.append(
            {
                "scenario": verdict.scenario,
                "rationality": verdict.rationality,
                "num_equilibria": len(found.equilibria),
                "complete": found.equilibria.complete,
                "reason": found.equilibria.reason,
                "max_regret": float(np.max(found.equilibria.max_regret)) if verdict.has_equilibrium else math.nan,
                "worst_welfare": verdict.market.welfare,
                "best_welfare": float(found.equilibria.welfare[-1]) if verdict.has_equilibrium else math.nan,
                "optimal_welfare": float(found.optimum.welfare),
                "price_of_anarchy": found.price_of_anarchy,
                "price_of_stability": found.price_of_stability,
                "note": found.note,
                "outside_share": verdict.outside_share,
                "user_value": verdict.market.users,
                "consumer_surplus": verdict.market.consumer_surplus,
                "choice_noise": found.choice_noise,
                "incentives": found.incentives,
            }
        )
    caption = "Equilibria by β, how they are certified, and how the auction's gain over the worst one splits"
    return Table("equilibria", caption, columns, tuple(rows))


def profiles(results: Sequence[Result]) -> Table:
    """One row per market, β, equilibrium and provider: levels, shares and prices in every equilibrium."""
    columns = (
        SCENARIO,
        BETA,
        Column("equilibrium", "Equilibrium", "plain"),
        PROVIDER,
        Column("level", "Level"),
        Column("tokens", "Tokens", "plain"),
        Column("accuracy", "Accuracy", "percent"),
        Column("price", "Price", "money"),
        Column("user_value", "Users' value", "money"),
        Column("share", "Share", "percent"),
        Column("profit", "Profit", "money"),
        Column("best_offer", "Auction offer"),
        Column("best_offer_surplus", "Its surplus q − c", "money"),
    )
    rows = [row for result in results for verdict in result.verdicts for row in _profile_rows(result, verdict)]
    caption = "Levels, prices and shares in equilibrium, and what each provider would offer in the auction"
    return Table("profiles", caption, columns, tuple(rows))


def _profile_rows(result: Result, verdict: Verdict) -> list[Row]:
    market, game = result.scenario.market, result.scenario.game(verdict.rationality)
    tokens, accuracy, price = (np.asarray(x) for x in (market.tokens, market.accuracy, market.price))
    value = result.per_query(game.user_value)
    offers = np.asarray(verdict.efficiency.auction.levels)
    of_segments = np.take_along_axis(np.asarray(game.surplus), offers[..., None], axis=2)[..., 0]
    offered = result.per_query(of_segments)
    rows = []
    for e, (shares, profits) in enumerate(zip(verdict.equilibrium_shares, verdict.equilibrium_profits, strict=True)):
        profile = np.asarray(verdict.efficiency.equilibria.profiles[e])
        for i, (name, k) in enumerate(zip(market.providers, profile.tolist(), strict=True)):
            rows.append(
                {
                    "scenario": verdict.scenario,
                    "rationality": verdict.rationality,
                    "equilibrium": e + 1,
                    "provider": name,
                    "level": market.level_labels[i][k],
                    "tokens": float(tokens[i, k]),
                    "accuracy": float(accuracy[i, k]),
                    "price": float(price[i, k]),
                    "user_value": float(value[i, k]),
                    "share": float(shares[i]),
                    "profit": float(profits[i]),
                    "best_offer": by_segment(result, [market.level_labels[i][k] for k in offers[:, i].tolist()]),
                    "best_offer_surplus": float(offered[i]),
                }
            )
    return rows


def by_segment(result: Result, texts: Sequence[str]) -> str:
    """One text for all segments of users, or, where it differs between them, each with its segment."""
    if len(set(texts)) == 1:
        return texts[0]
    return ", ".join(f"{segment}: {text}" for segment, text in zip(result.scenario.segment_names, texts, strict=True))


def auctions(results: Sequence[Result]) -> Table:
    """One row per market and user segment: the auction's outcome, which does not depend on β."""
    several = any(result.scenario.users.num_segments > 1 for result in results)
    columns = (
        SCENARIO,
        Column("segment", "Segment" if several else ""),
        Column("winner", "Winner", "provider"),
        Column("winner_level", "Its level"),
        Column("runner_up", "Runner-up", "provider"),
        Column("winner_surplus", "Winner's surplus", "money"),
        Column("runner_up_surplus", "Runner-up's surplus", "money"),
        Column("price", "Price", "money"),
        Column("user_value", "Users' value", "money"),
        Column("winner_profit", "Winner's profit", "money"),
        Column("welfare", "Welfare", "money"),
    )
    rows = []
    for result in results:
        market, outcome = result.scenario.market, result.verdict.efficiency.auction
        for s, segment in enumerate(result.scenario.segment_names):
            winner, second = int(outcome.winner[s]), int(outcome.runner_up[s])
            level = "" if winner == NOBODY else market.level_labels[winner][int(outcome.levels[s, winner])]
            rows.append(
                {
                    "scenario": result.name,
                    "segment": segment,
                    "winner": "nobody" if winner == NOBODY else market.providers[winner],
                    "winner_level": level,
                    "runner_up": "nobody" if second == NOBODY else market.providers[second],
                    "winner_surplus": float(outcome.winner_surplus[s]),
                    "runner_up_surplus": None if second == NOBODY else float(outcome.runner_up_surplus[s]),
                    "price": float(outcome.price[s]),
                    "user_value": float(outcome.user_value[s]),
                    "winner_profit": float(outcome.winner_profit[s]),
                    "welfare": float(outcome.welfare[s]),
                }
            )
    caption = "The reverse second-price auction with users' outside value as the reserve"
    return Table("auctions", caption, columns, tuple(rows))
