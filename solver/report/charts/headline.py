"""The one picture for the reader who has a minute: what users and providers get in the market and in the auction."""

from collections.abc import Mapping, Sequence
from typing import Any

from solver.efficiency import NEGLIGIBLE
from solver.report.charts import bars, ledger, marks
from solver.report.charts import chart as c
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, percent, plain, shorten

KINDS = (("users", "var(--users)"), ("providers", "var(--providers)"), ("lost", "var(--line)"))
# Bars of markets that lose more than there is to win are cut off here; numbers say how far they go.
LEAST, GREATEST = -0.5, 1.25


def headline(results: Sequence[Result], looks: Mapping[str, Look], money: Money) -> c.Chart:
    """What users, providers and platform get in the market and in the auction: the one picture."""
    return _one_market(results[0], money) if len(results) == 1 else _many_markets(results)


def _one_market(result: Result, money: Money) -> c.Chart:
    verdict = result.verdict
    rows = [verdict.market, verdict.optimum, verdict.auction]
    names = ["paid per token (today)", "paid per token, market optimum", "auction"]
    spec = bars.stacked([ledger.split(row, name) for row, name in zip(rows, names, strict=True)], money, row=52)
    caption = (
        f"Money {money.per} at β = {plain(verdict.rationality)}. Today: the market’s worst equilibrium. Market optimum: the "
        "levels of largest welfare, users choosing as before. Auction: every query goes to the best offer. At the "
        "end of a bar: the sum."
    )
    return c.Chart("headline", "Who gets what", caption, spec, ledger.describe(rows, money), wide=True)


def shares(result: Result) -> dict[str, float] | None:
    """What users and providers get in the market as parts of the auction's welfare, which is the most there can be.

    None where nobody can create welfare or there is no equilibrium.
    """
    auction = result.verdict.auction
    most = auction.welfare
    if not most > 0 or marks.worst(result) is None:
        return None
    market = result.verdict.market
    return {
        "users": market.users / most,
        "providers": market.providers / most,
        "lost": 1 - market.welfare / most,
        "auction": auction.users / most,
    }


def why_not(result: Result) -> str:
    """Why there are no shares."""
    return "no equilibrium" if marks.worst(result) is None else "no offer is worth its cost"


def _whole(part: float) -> str:
    """A fraction in whole percents where it has that many."""
    return f"{100 * part:.0f}%" if part >= 0.0095 else percent(max(part, 0.0)) if part > NEGLIGIBLE else "0%"


def _bar(name: str, found: Mapping[str, float]) -> list[dict[str, Any]]:
    """The parts of one market's bar; losses to the left of zero, what reaches too far cut off and marked."""
    common = {
        "market": name, "_diamond": max(found["auction"], LEAST), "users in auction": percent(found["auction"]),
        "lost": _whole(found["lost"]),
    }  # fmt: skip
    records: list[dict[str, Any]] = []
    at = 0.0
    for kind, _ in KINDS:
        part = found[kind]
        if kind == "lost" and (found["users"] < 0 or part <= NEGLIGIBLE):
            continue  # of more than there is, no part can be drawn
        start, end = (part, 0.0) if part < 0 else (at, at + part)
        at = max(at, end)
        start, end = max(start, LEAST), min(end, GREATEST)
        cut = end - start < abs(part) * (1 - NEGLIGIBLE)
        place = {"_start": start, "_end": end, "_middle": (start + end) / 2, "_cut": cut}
        records.append(
            common | {"kind": kind, "part": percent(part), "_short": f"{100 * part:.0f}%".replace("-", "−")} | place
        )
    return records


def _diamond() -> c.Spec:
    """A layer that draws nothing and puts the diamond's meaning below the chart."""
    legend = {"orient": "bottom", "offset": 6, "symbolSize": 80, "symbolOpacity": 1}
    name = "users in the auction"
    shape = {"field": "_mark", "type": "nominal", "scale": {"domain": [name], "range": ["diamond"]}, "legend": legend}
    return {
        "data": {"values": [{"_mark": name}]},
        "mark": {"type": "point", "fill": "var(--paper)", "stroke": "var(--ink)", "opacity": 0},
        "encoding": {"x": {"value": 0}, "y": {"value": 0}, "shape": shape},
    }


def _many_markets(results: Sequence[Result]) -> c.Chart:
    labels = bars.distinct(shorten(result.name) for result in results)
    found = {name: shares(result) for name, result in zip(labels, results, strict=True)}
    records = [record for name, parts in found.items() if parts is not None for record in _bar(name, parts)]
    notes = [
        {"market": name, "text": why_not(result)}
        for (name, parts), result in zip(found.items(), results, strict=True)
        if parts is None
    ]
    y = bars.names("market", signs=28) | {"scale": {"domain": labels}}
    ends = [0.0, 1.0, *(r[end] for r in records for end in ("_start", "_end", "_diamond"))]
    low = min(ends) - (0.03 if min(ends) < 0 else 0.0)
    x: c.Spec = {
        "field": "_start", "type": "quantitative", "title": "of the best possible welfare",
        "scale": bars.reaching(low, max(ends), 46), "axis": {"format": "~%", "tickCount": 4, "labelBound": True},
    }  # fmt: skip
    tips = [c.tip("market", "Market"), c.tip("kind", "Who"), c.tip("part", "Part of the best possible welfare")]
    auction_tips = [c.tip("market", "Market"), c.tip("users in auction", "Users’ part in the auction")]
    spec: c.Spec = {
        "width": "container",
        "height": bars.height(len(results), around=116),
        "data": c.rows(records),
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.7}},
                "encoding": {"y": y, "x": x, "x2": {"field": "_end"}, "color": c.fixed("kind", KINDS), "tooltip": tips},
            },
            {
                "transform": [{"filter": "datum._cut"}],
                "mark": {"type": "text", "color": "var(--paper)", "fontSize": 10.5},
                "encoding": {"y": y, "x": x | {"field": "_middle"}, "text": {"field": "_short"}, "tooltip": tips},
            },
            {
                "transform": [{"filter": "datum.kind == 'users'"}],
                "mark": {"type": "point", "shape": "diamond", "size": 110, "fill": "var(--paper)", "stroke": "var(--ink)",
                         "strokeWidth": 1.5},
                "encoding": {"y": y, "x": x | {"field": "_diamond"}, "tooltip": auction_tips},
            },
            {
                "transform": [{"filter": "datum.kind == 'users'"}],
                "mark": {"type": "text", "align": "right", "color": "var(--muted)"},
                "encoding": {"y": y, "x": {"value": "width"}, "text": {"field": "lost"}, "tooltip": tips},
            },
            bars.heading("lost"),
            _diamond(),
        ],
    }  # fmt: skip
    if notes:
        spec["layer"].append(
            {
                "data": c.rows(notes),
                "mark": {"type": "text", "align": "left", "color": "var(--warning)"},
                "encoding": {
                    "y": y,
                    "x": {"value": 6},
                    "text": {"field": "text"},
                    "tooltip": [c.tip("market", "Market"), c.tip("text", "Note")],
                },
            }
        )
    focus = {plain(result.verdict.rationality) for result in results}
    where = f" at β = {focus.pop()}" if len(focus) == 1 else ""
    caption = (
        f"Of the welfare that the best offer of each market would create{where}: what users get, what providers earn and what "
        "is lost while users pay per token. Diamond: what users would get in the auction; the rest is the winner’s profit."
    )
    return c.Chart("headline", "Who gets what, and what is lost", caption, spec, _headline_text(results), wide=True)


def _headline_text(results: Sequence[Result]) -> str:
    parts = []
    for result in results:
        found = shares(result)
        if found is None:
            parts.append(f"{result.name}: {why_not(result)}")
            continue
        parts.append(
            f"{result.name}: users {percent(found['users'])}, providers {percent(found['providers'])}, lost "
            f"{percent(max(found['lost'], 0.0))}; users in the auction {percent(found['auction'])}"
        )
    return "Parts of the best possible welfare, paid per token. " + "; ".join(parts) + "."
