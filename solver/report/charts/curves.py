"""Curves of one market: accuracy and value against compute, with the levels that are played, and prices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from games.auction import NOBODY
from solver.report.charts import bars, marks
from solver.report.charts import chart as c
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, count, percent, plain

MOST = 12
MARKED = (
    "Filled marker: level in the worst equilibrium. Ring: level at the welfare optimum. "
    "Star: what the winner of the auction offers."
)


def levels(result: Result, looks: Mapping[str, Look], money: Money) -> list[dict[str, Any]]:
    """One record for each level of every provider: where it lies, what it is worth, and who plays it.

    Money is in the unit of the page; value is an average over the segments of users. Levels of no tokens, which a
    logarithmic axis cannot show, are left out.
    """
    market, users, found = result.scenario.market, result.scenario.users, result.verdict.efficiency
    tokens, accuracy, price, cost = (np.asarray(x) for x in (market.tokens, market.accuracy, market.price, market.cost))
    quality = np.tensordot(np.asarray(users.weight), np.asarray(users.quality(market.accuracy)), axes=1)
    worst, optimum = marks.worst(result), np.asarray(found.optimum.profile)
    offers = _winning_offers(result)
    records = []
    for i, look, coloured in marks.providers(result, looks):
        labels = market.level_labels[i]
        for k, strand in enumerate(marks.strands(labels)):
            if tokens[i, k] <= 0:
                continue
            records.append(
                {
                    "provider": look.short,
                    "_coloured": coloured,
                    "_strand": strand,
                    "level": labels[k],
                    "tokens": tokens[i, k],
                    "accuracy": accuracy[i, k],
                    "price": money.scaled(price[i, k]),
                    "users": money.scaled(quality[i, k] - price[i, k]),
                    "created": money.scaled(quality[i, k] - cost[i, k]),
                    "equilibrium": worst is not None and bool(worst[i] == k),
                    "optimum": bool(optimum[i] == k),
                    "auction": (i, k) in offers,
                }
            )
    return records


def _winning_offers(result: Result) -> set[tuple[int, int]]:
    """Provider and level that win the auction, in any segment of users."""
    auction = result.verdict.efficiency.auction
    winners, offered = np.asarray(auction.winner), np.asarray(auction.levels)
    return {(int(i), int(offered[s, i])) for s, i in enumerate(winners) if i != NOBODY}


def accuracy(result: Result, looks: Mapping[str, Look], money: Money) -> c.Chart:
    """Accuracy against tokens."""
    records = levels(result, looks, money)
    y = c.quantity("accuracy", "accuracy", "~%") | {"scale": {"zero": False, "nice": False, "padding": 12}}
    spec = _lines(records, marks.highlighted(result, looks), y, money)

    def worth(record: Mapping[str, Any]) -> str:
        return f"{percent(record['accuracy'])} with {plain(record['tokens'])} tokens"

    return c.Chart(
        "accuracy", "Accuracy against compute", MARKED + _grey(result), spec,
        _described("accuracy against output tokens per query", records, worth),
    )  # fmt: skip


def value(result: Result, looks: Mapping[str, Look], money: Money) -> c.Chart:
    """Value created, quality less cost, against tokens."""
    records = levels(result, looks, money)
    y = c.quantity("created", f"value created, {money.unit}") | {"scale": {"zero": False, "nice": False, "padding": 12}}
    spec = _lines(records, marks.highlighted(result, looks), y, money)
    values = [record["created"] for record in records]
    if values and min(values) <= 0 <= max(values):
        rule = {"mark": {"type": "rule", "strokeWidth": 0.8}, "encoding": {"y": {"datum": 0}}}
        spec["layer"].insert(0, rule)

    def worth(record: Mapping[str, Any]) -> str:
        size = money.amount(record["created"] / money.scaled(1.0))
        return f"{size} with {plain(record['tokens'])} tokens"

    caption = (
        "What an answer is worth to users less what it costs to compute, for a query that the provider serves; past the "
        f"peak, more compute costs more than it is worth. {MARKED}"
    )
    return c.Chart(
        "value", "Value against compute", caption + _grey(result), spec,
        _described(f"value created {money.per} against output tokens", records, worth),
    )  # fmt: skip


def _lines(records: Sequence[Mapping[str, Any]], looks: Sequence[Look], y: c.Spec, money: Money) -> c.Spec:
    """One line per provider and method; the levels that are played on top."""
    where = {"x": marks.tokens(), "y": y}
    coloured = where | {"color": c.colour(looks)}
    tips = marks.tips(money)

    def layer(mark: c.Spec, which: str, encoding: c.Spec, tooltip: c.Spec | list[c.Spec] = tips) -> c.Spec:
        return {"transform": [{"filter": which}], "mark": mark, "encoding": encoding | {"tooltip": tooltip}}

    strand = {"detail": [{"field": "provider"}, {"field": "_strand"}]}
    name = c.tip("provider", "Provider")
    grey: c.Spec = {"type": "line", "strokeWidth": 0.8, "opacity": 0.45, "color": "var(--muted)"}
    faint: c.Spec = {"type": "point", "size": 14, "opacity": 0.45, "color": "var(--muted)"}
    layers = [
        layer(grey, "!datum._coloured", where | strand, name),
        layer(faint, "!datum._coloured", where),
        layer({"type": "line"}, "datum._coloured", coloured | strand | {"strokeDash": c.dash(looks)}, name)
        | {"params": [c.zoom("x", "y")]},
        layer({"type": "point", "size": 16}, "datum._coloured", coloured),
        layer(marks.RING, "datum._coloured && datum.optimum", coloured),
        layer(marks.FILLED, "datum._coloured && datum.equilibrium", coloured | {"shape": c.shape(looks)}),
        layer(marks.WINNER, "datum.auction", where),
        marks.legend(marks.EQUILIBRIUM, marks.OPTIMUM, marks.AUCTION),
    ]
    return {
        "width": "container",
        "height": 320,
        "data": c.rows(records),
        "params": [c.HIDDEN],
        "transform": [c.NOT_HIDDEN],
        "layer": layers,
    }


def _grey(result: Result) -> str:
    rest = result.scenario.market.num_providers - len(result.highlighted)
    return f" In grey: {count(rest, 'more provider')}." if rest else ""


def _described(what: str, records: Sequence[Mapping[str, Any]], worth: Any) -> str:
    """The levels of every provider that has a colour, in equilibrium and at the optimum, and the auction's winner."""
    parts = []
    if not any(r["equilibrium"] for r in records):
        parts.append("there is no equilibrium")
    for at in [r for r in records if r["equilibrium"] and r["_coloured"]][:MOST]:
        best = next((r for r in records if r["optimum"] and r["provider"] == at["provider"]), at)
        against = "also at the optimum" if best["level"] == at["level"] else f"at the optimum {worth(best)}"
        parts.append(f"{at['provider']} in equilibrium {worth(at)}, {against}")
    for won in (r for r in records if r["auction"]):
        parts.append(f"the auction is won by {won['provider']}, {worth(won)}")
    providers = len({record["provider"] for record in records})
    return f"Lines of {what} for {count(providers, 'provider')}: " + "; ".join(parts) + "."


def prices(result: Result, looks: Mapping[str, Look], money: Money) -> c.Chart:
    """Price per query in equilibrium, split into cost and margin."""
    market, verdict = result.scenario.market, result.verdict
    equilibrium = marks.worst(result)
    played = np.asarray(verdict.efficiency.optimum.profile) if equilibrium is None else equilibrium
    every = np.arange(market.num_providers)
    tokens, price, cost = (np.asarray(x)[every, played] for x in (market.tokens, market.price, market.cost))
    shares = verdict.optimum_shares if equilibrium is None else verdict.shares
    kept = np.argsort(-shares, kind="stable")[:MOST]
    order = kept[np.argsort(-price[kept], kind="stable")]
    records = []
    for i in order:
        common = {
            "provider": looks[market.providers[i]].short,
            "level": market.level_labels[i][played[i]],
            "tokens": tokens[i],
            "share": shares[i],
            "price": money.scaled(price[i]),
            "list": 1e6 * price[i] / tokens[i] if tokens[i] > 0 else None,
            "over": price[i] / cost[i] - 1 if cost[i] > 0 else None,
            "_label": money.amount(price[i]),
        }
        for part, amount in (("cost", cost[i]), ("margin", price[i] - cost[i])):
            records.append(common | {"part": part, "amount": money.scaled(amount)})
    named = [looks[market.providers[i]] for i in order]
    tips = [
        c.tip("provider", "Provider"),
        c.tip("level", "Level"),
        c.tip("part", "Part"),
        c.tip("amount", f"Amount, {money.unit}", ",.3~r"),
        c.tip("price", f"Price, {money.unit}", ",.3~r"),
        c.tip("over", "Margin on cost", ".0%"),
        c.tip("list", "$ per million output tokens", ",.3~r"),
        c.tip("tokens", "Tokens per query", ",.4~r"),
        c.tip("share", "Market share", ".1%"),
    ]
    y = bars.names()
    x = c.quantity("amount", f"price, {money.unit}")
    strength = {
        "field": "part", "type": "ordinal", "scale": {"domain": ["cost", "margin"], "range": [0.45, 1]},
        "legend": {"symbolFillColor": "var(--ink)", "symbolType": "square", "symbolStrokeWidth": 0},
    }  # fmt: skip
    highest = max((r["price"] for r in records), default=1.0)
    x |= {
        "scale": bars.reaching(0.0, highest, bars.pixels(r["_label"] for r in records)),
        "axis": bars.AMOUNTS,
    }
    spec = {
        "width": "container",
        "height": bars.height(len(order)),
        "data": c.rows(records),
        "params": [c.HIDDEN],
        "transform": [c.NOT_HIDDEN],
        "layer": [
            {
                "mark": {"type": "bar"},
                "encoding": {"y": y, "x": x, "color": c.colour(named), "opacity": strength, "order": {"field": "part"},
                             "tooltip": tips},
            },
            {
                "transform": [{"filter": "datum.part == 'cost'"}],
                "mark": {"type": "text", "align": "left", "dx": 4},
                "encoding": {"y": y, "x": x | {"field": "price"}, "text": {"field": "_label"}, "tooltip": tips},
            },
        ],
    }  # fmt: skip
    at = "at the welfare optimum, since there is no equilibrium" if equilibrium is None else "in the worst equilibrium"
    caption = _prices_caption(at, len(order), market.num_providers)
    return c.Chart("prices", "Prices and margins", caption, spec, _prices_text(at, records, money))


def _prices_caption(at: str, shown: int, providers: int) -> str:
    which = f" The {shown} of {providers} providers with the largest market shares." if shown < providers else ""
    return (
        f"What a query costs at each provider’s level {at}: what computing costs the provider (pale), and its margin (full "
        f"colour).{which}"
    )


def _prices_text(at: str, records: Sequence[Mapping[str, Any]], money: Money) -> str:
    parts = []
    for record in records[::2]:
        margin = f", {percent(record['over'])} above its cost" if record["over"] is not None else ""
        per_token = f", ${record['list']:.3g} per million tokens" if record["list"] is not None else ""
        parts.append(f"{record['provider']} {money.amount(record['price'] / money.scaled(1.0))}{margin}{per_token}")
    return f"Bars of price {money.per} {at}: " + "; ".join(parts) + "."
