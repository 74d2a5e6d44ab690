"""Who computes too much: tokens in equilibrium against those of the provider's own best offer, by segment of users."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from solver.report.charts import bars, marks
from solver.report.charts import chart as c
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, plain, times

MOST = 12
NOTHING = "no equilibrium to compare with"
WORDS = {"over": "more than its best offer", "under": "less than its best offer", "equal": "as its best offer"}


def gaps(result: Result, looks: Mapping[str, Look], money: Money) -> list[dict[str, Any]]:
    """One record for each provider that the chart has room for and each of its best offers, the largest gap first.

    Levels of no tokens, which a logarithmic axis cannot show, are left out.
    """
    segments = result.scenario.segment_names
    rows = [(p, o) for p in result.verdict.efficiency.provision for o in dict.fromkeys(p.best_offers)]
    rows = [(p, o) for p, o in rows if min(p.equilibrium_tokens, o.tokens) > 0]
    gap = np.array([abs(np.log(p.equilibrium_tokens / o.tokens)) for p, o in rows])
    order = [rows[i] for i in np.argsort(-gap, kind="stable")]
    shown = list(dict.fromkeys(p.provider for p, _ in order))[:MOST]
    return [
        {
            "provider": looks[p.provider].short,
            "equilibrium": p.equilibrium_tokens,
            "offer": o.tokens,
            "verdict": WORDS[o.against],
            "level": p.equilibrium,
            "best": o.level,
            "users": "all"
            if len(set(p.best_offers)) == 1
            else ", ".join(name for name, each in zip(segments, p.best_offers, strict=True) if each == o),
            "change": money.scaled(p.best_offer_change),
        }
        for p, o in order
        if p.provider in shown
    ]


def provision(result: Result, looks: Mapping[str, Look], money: Money) -> c.Chart:
    """Who computes too much."""
    records = gaps(result, looks, money)
    by_short = {look.short: look for look in looks.values()}
    named = [by_short[record["provider"]] for record in records]
    y, colour = bars.names(), c.colour(named)
    tips = [
        c.tip("provider", "Provider"),
        c.tip("verdict", "Computes"),
        c.tip("equilibrium", "Tokens in equilibrium", ",.4~r"),
        c.tip("level", "Level there"),
        c.tip("offer", "Tokens of its own best offer", ",.4~r"),
        c.tip("best", "Level there"),
        c.tip("users", "To which users"),
        c.tip("change", f"Welfare, if it alone moved there ({money.unit})", ",.4~r"),
    ]
    x = marks.tokens("equilibrium")
    x["scale"] = x["scale"] | {"padding": 12}
    best = x | {"field": "offer"}
    style = {
        "field": "verdict", "type": "nominal", "legend": None,
        "scale": {"domain": list(WORDS.values()), "range": [[1, 0], [2, 3], [1, 0]]},
    }  # fmt: skip
    common = {"y": y, "color": colour, "tooltip": tips}
    spec: c.Spec = {
        "width": "container",
        "height": bars.height(len(records)),
        "data": c.rows(records),
        "params": [c.HIDDEN],
        "transform": [c.NOT_HIDDEN],
        "layer": [
            {
                "params": [c.zoom("x")],
                "mark": {"type": "rule", "strokeWidth": 2.2},
                "encoding": common | {"x": x, "x2": {"field": "offer"}, "strokeDash": style},
            },
            {"mark": marks.OFFER, "encoding": common | {"x": best}},
            {"mark": marks.FILLED, "encoding": common | {"x": x, "shape": c.shape(named)}},
            marks.legend(marks.EQUILIBRIUM, marks.BEST_OFFER),
        ],
    }
    if not records:
        spec["layer"].append(marks.note(NOTHING))
    total = len(result.verdict.efficiency.provision)
    shown = len({record["provider"] for record in records})
    which = f" The {shown} largest gaps of {total} providers." if shown < total else ""
    caption = (
        "Filled marker: tokens per query in the worst equilibrium. Star: of the provider’s own best offer (largest "
        f"quality less cost, what it would bid in the auction). A solid line is more than that, a dotted one less.{which}"
    )
    return c.Chart("provision", "Who computes too much", caption, spec, describe(records))


def describe(records: list[dict[str, Any]]) -> str:
    """Text alternative of the chart."""
    if not records:
        return f"Tokens per query in equilibrium against the provider’s own best offer: {NOTHING}."
    parts = []
    for r in (r for r in records if r["equilibrium"] != r["offer"]):
        size = times(max(r["equilibrium"], r["offer"]), min(r["equilibrium"], r["offer"]))
        users = "" if r["users"] == "all" else f" for {r['users']}"
        parts.append(f"{r['provider']} {plain(r['equilibrium'])} against {plain(r['offer'])}{users} ({size})")
    return "Tokens per query in equilibrium against the provider’s own best offer: " + (
        "; ".join(parts) + "." if parts else "all providers are at it."
    )
