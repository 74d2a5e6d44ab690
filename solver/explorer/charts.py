"""What the explorer draws: value against compute, the price of anarchy over β, and who gets what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from solver.explorer.engine import CURVE, Ledger, MarketView, MechanismView
from solver.explorer.rows import rows_of
from solver.explorer.state import State
from solver.report.charts import bars, marks
from solver.report.charts import chart as c
from solver.report.charts.chart import Chart, Spec
from solver.report.palette import Look
from solver.report.style import Money, count, percent, plain, ratio

MOST_NAMED = 12
TALL = 280
LOG_FROM = 20.0


@dataclass(frozen=True)
class Scene:
    """A state with everything that was computed about it; the mechanism is None while it is on its way.

    Args:
        state: what the reader set.
        market: the pay-per-compute market.
        mechanism: the mechanism that was chosen.
        looks: of every provider.
        money: unit of the page.
    """

    state: State
    market: MarketView
    mechanism: MechanismView | None
    looks: Mapping[str, Look]
    money: Money


def value(scene: Scene) -> Chart:
    """Value created, quality less cost, against tokens; who plays which level."""
    records = _levels(scene)
    named = [look for look in scene.looks.values() if look.coloured]
    y = c.quantity("created", f"value created, {scene.money.unit}")
    where = {"x": marks.tokens(), "y": y | {"scale": {"zero": False, "nice": False, "padding": 12}}}
    coloured = where | {"color": c.colour(named)}
    strand = {"detail": [{"field": "provider"}, {"field": "strand"}]}
    tips = marks.tips(scene.money)

    def layer(mark: Spec, which: str, encoding: Spec) -> Spec:
        return {"transform": [{"filter": which}], "mark": mark, "encoding": encoding | {"tooltip": tips}}

    grey, squares = any(not record["coloured"] for record in records), _squared(scene)
    faint = {"opacity": 0.45, "color": "var(--muted)"}
    layers: list[Spec] = [
        layer({"type": "line"}, "datum.coloured", coloured | strand | {"strokeDash": c.dash(named)})
        | {"params": [c.zoom("x", "y")]},
        layer({"type": "point", "size": 16}, "datum.coloured", coloured),
        layer(marks.RING, "datum.coloured && datum.optimum", coloured),
        layer(marks.FILLED, "datum.coloured && datum.equilibrium", coloured | {"shape": c.shape(named)}),
        layer(marks.WINNER, "datum.auction", where),
    ]
    if grey:
        layers.insert(0, layer({"type": "line", "strokeWidth": 0.8, **faint}, "!datum.coloured", where | strand))
        layers.insert(1, layer({"type": "point", "size": 14, **faint}, "!datum.coloured", where))
    if squares:
        square = {"type": "point", "shape": "square", "filled": False, "size": 330, "color": "var(--ink)"}
        layers.append(layer(square, "datum.mechanism", where))
    spec = {"width": "container", "height": TALL, "data": c.rows(records), "layer": layers}
    caption = (
        "What an answer is worth less what it costs to compute; the top of a line is that provider’s own best offer. Filled "
        "marker: level in the worst equilibrium. Ring: at the market optimum. Star: what wins the second-price auction."
        + (f" Square: who serves under {scene.state.mechanism}." if squares else "")
    )
    return Chart("value", "Value against compute", caption, spec, _value_text(records, scene), wide=True)


def _squared(scene: Scene) -> bool:
    """Whether the mechanism has marks of its own: it has an outcome, and not one that is marked anyway."""
    marked = ("pay-per-compute", "market-optimum", "second-score")
    return scene.mechanism is not None and scene.mechanism.ledger is not None and scene.mechanism.name not in marked


def _levels(scene: Scene) -> list[dict[str, Any]]:
    """One record for every level that can be played; levels of no tokens, which a log axis cannot show, are left out."""
    state, market, records = scene.state, scene.market, []
    played = scene.mechanism if _squared(scene) else None
    worth = np.asarray(state.users.quality(jnp.asarray(rows_of(state).accuracy)))[0]
    for i, offer in enumerate(state.offers):
        if not offer.present:
            continue
        look, quality = scene.looks[offer.name], worth[i]
        strands = marks.strands(offer.labels)
        for k in offer.allowed:
            if offer.tokens[k] <= 0:
                continue
            price = offer.price[k] * offer.price_factor
            records.append(
                {
                    "provider": look.short,
                    "coloured": look.coloured,
                    "strand": strands[k],
                    "level": offer.labels[k],
                    "tokens": offer.tokens[k],
                    "accuracy": offer.accuracy[k],
                    "price": scene.money.scaled(price),
                    "users": scene.money.scaled(float(quality[k]) - price),
                    "created": scene.money.scaled(float(quality[k]) - price / (1 + state.margin)),
                    "equilibrium": bool(market.worst[i] == k),
                    "optimum": bool(market.optimum[i] == k),
                    "offer": bool(market.best_offers[i] == k),
                    "auction": bool(market.winner == i and market.winning_level == k),
                    "mechanism": bool(played is not None and played.levels[i] == k and played.shares[i] > 1e-3),
                }
            )
    return records


def _value_text(records: list[dict[str, Any]], scene: Scene) -> str:
    parts = []
    for at in [r for r in records if r["equilibrium"]][:MOST_NAMED]:
        best = next((r for r in records if r["offer"] and r["provider"] == at["provider"]), at)
        parts.append(
            f"{at['provider']} computes {plain(at['tokens'])} tokens in equilibrium, its own best offer takes "
            f"{plain(best['tokens'])}"
        )
    won = [f"{r['provider']} wins the auction with {plain(r['tokens'])} tokens" for r in records if r["auction"]]
    total = len(scene.state.present)
    return f"Value created against output tokens per query, {count(total, 'provider')}: " + "; ".join(parts + won) + "."


def anarchy(scene: Scene) -> Chart:
    """Optimal over equilibrium welfare by β; where the reader is."""
    market, beta = scene.market, scene.state.rationality
    lines = {"worst equilibrium": market.curve_anarchy, "best equilibrium": market.curve_stability}
    records = [
        {"beta": b, "which": which, "ratio": values[i], "text": ratio(float(values[i])), "equilibria": int(number)}
        for which, values in lines.items()
        for i, (b, number) in enumerate(zip(CURVE.tolist(), market.curve_number, strict=True))
    ]
    finite = np.concatenate([values[np.isfinite(values)] for values in lines.values()])
    top = float(finite.max()) if finite.size else 2.0
    scale: Spec = {"domain": [0.95, 1.2 * top], "type": "log"} if top > LOG_FROM else {
        "domain": [1 - 0.03 * max(top - 1, 0.01), 1 + 1.06 * max(top - 1, 0.01)]}  # fmt: skip
    title = "optimum / equilibrium"
    axis = {"format": "~s" if top > LOG_FROM else ".4~f", "minExtent": 42}
    y = {"field": "ratio", "type": "quantitative", "title": title, "scale": scale | {"nice": False}, "axis": axis}
    x = c.rationality(CURVE.tolist())
    which = c.fixed("which", [("worst equilibrium", "var(--providers)"), ("best equilibrium", "var(--users)")])
    tips = [
        c.tip("beta", "β", ",.4~g"),
        c.tip("which", "Which"),
        c.tip("text", "Ratio"),
        c.tip("equilibria", "Equilibria"),
    ]
    here = market.anarchy

    def line(name: str, width: float) -> Spec:
        mark = {"type": "line", "strokeWidth": width}
        where = [{"filter": {"field": "which", "equal": name}}]
        return {"transform": where, "mark": mark, "encoding": {"x": x, "y": y, "color": which}}

    layer: list[Spec] = [
        line("worst equilibrium", 3.6),
        line("best equilibrium", 1.6),
        {"mark": {"type": "point", "size": 60, "opacity": 0}, "encoding": {"x": x, "y": y, "tooltip": tips}},
        {
            "data": c.rows([{"beta": beta}]),
            "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--ink)"},
            "encoding": {"x": x},
        },
    ]
    if np.isfinite(here):
        at = c.rows(
            [{"beta": beta, "ratio": here, "text": ratio(here), "which": "here", "equilibria": market.num_equilibria}]
        )
        mark = {"type": "point", "size": 90, "color": "var(--ink)"}
        layer.append({"data": at, "mark": mark, "encoding": {"x": x, "y": y, "tooltip": tips}})
    spec = {"width": "container", "height": 220, "data": c.rows(records), "layer": layer}
    missing = int((~np.isfinite(market.curve_anarchy)).sum())
    caption = (
        "Optimal welfare over that of the worst equilibrium (price of anarchy) and of the best; dashed: your β."
        + (f" Not finite at {missing} of {len(CURVE)} β, where the line breaks." if missing else "")
    )
    text = f"Price of anarchy over β from 1 to 1,000,000; at your β = {plain(beta)} it is {ratio(here)}"
    if finite.size:
        text += f"; between {ratio(float(finite.min()))} and {ratio(float(finite.max()))} where finite"
    return Chart("anarchy", "Price of anarchy over users’ rationality", caption, spec, text + ".")


def ledger(scene: Scene) -> Chart:
    """Users, providers and platform in the market, at its optimum, and under mechanisms."""
    market = scene.market
    named: list[tuple[str, Ledger | None, str]] = [("market equilibrium", market.worst_ledger, "")]
    if market.num_equilibria > 1:
        named.append(("market, best equilibrium", market.best_ledger, ""))
    named += [("market optimum", market.optimum_ledger, ""), ("second-price auction", market.auction_ledger, "")]
    played = scene.mechanism
    if played is None:
        named.append((scene.state.mechanism, None, "being computed …"))
    elif played.name not in ("pay-per-compute", "market-optimum", "second-score"):
        named.append((played.name, played.ledger, "" if played.ledger else "no outcome here"))
    splits = [
        bars.Split(name, row.users, row.providers, row.platform, row.welfare)
        if row is not None
        else bars.Split(name, 0.0, 0.0, 0.0, 0.0, note=note or "no outcome here")
        for name, row, note in named
    ]
    spec = bars.stacked(splits, scene.money)
    caption = (
        "What users get (value less price), providers earn and the platform keeps; the number at the end is their sum."
    )
    money = scene.money
    parts = [
        f"{s.name}: {s.note}"
        if s.note
        else f"{s.name}: users {money.amount(s.users)}, providers {money.amount(s.providers)}, sum {money.amount(s.welfare)}"
        for s in splits
    ]
    return Chart("ledger", "Who gets what", caption, spec, f"Money {money.per}. " + "; ".join(parts) + ".")


def lost(market: MarketView) -> str:
    """Part of the optimal welfare that the worst equilibrium loses, in words."""
    best = market.optimum_ledger.welfare
    return percent(max(0.0, 1 - market.worst_ledger.welfare / best)) if best > 0 else "undefined"
