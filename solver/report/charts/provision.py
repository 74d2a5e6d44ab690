"""Who computes too much: tokens in equilibrium against tokens at the welfare optimum."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from solver.report.charts import bars, marks
from solver.report.charts import chart as c
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, plain, times

MOST = 12
NOTHING = "no equilibrium to compare with the optimum"
WORDS = {"over": "too much", "under": "too little", "equal": "as the optimum"}


def gaps(result: Result, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """One record for each provider that the chart has room for, the largest relative gap first.

    Levels of no tokens, which a logarithmic axis cannot show, are left out.
    """
    rows = [p for p in result.verdict.efficiency.provision if min(p.equilibrium_tokens, p.optimum_tokens) > 0]
    gap = np.array([abs(np.log(p.equilibrium_tokens / p.optimum_tokens)) for p in rows])
    return [
        {
            "provider": looks[rows[i].provider].short,
            "equilibrium": rows[i].equilibrium_tokens,
            "optimum": rows[i].optimum_tokens,
            "verdict": WORDS[rows[i].against_optimum],
            "level": rows[i].equilibrium,
            "best": rows[i].optimum,
        }
        for i in np.argsort(-gap, kind="stable")[:MOST]
    ]


def provision(result: Result, looks: Mapping[str, Look], money: Money) -> c.Chart:
    """Who computes too much."""
    records = gaps(result, looks)
    by_short = {look.short: look for look in looks.values()}
    named = [by_short[record["provider"]] for record in records]
    y, colour = bars.names(), c.colour(named)
    tips = [
        c.tip("provider", "Provider"),
        c.tip("verdict", "Computes"),
        c.tip("equilibrium", "Tokens in equilibrium", ",.4~r"),
        c.tip("level", "Level there"),
        c.tip("optimum", "Tokens at the optimum", ",.4~r"),
        c.tip("best", "Level there"),
    ]
    x = marks.tokens("equilibrium")
    x["scale"] = x["scale"] | {"padding": 12}
    best = x | {"field": "optimum"}
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
                "encoding": common | {"x": x, "x2": {"field": "optimum"}, "strokeDash": style},
            },
            {"mark": marks.RING, "encoding": common | {"x": best}},
            {"mark": marks.FILLED, "encoding": common | {"x": x, "shape": c.shape(named)}},
            marks.legend(marks.EQUILIBRIUM, marks.OPTIMUM),
        ],
    }
    if not records:
        spec["layer"].append(marks.note(NOTHING))
    total = len(result.verdict.efficiency.provision)
    which = f" The {len(records)} largest gaps of {total} providers." if len(records) < total else ""
    caption = (
        "Filled marker: tokens per query in the worst equilibrium. Ring: at the welfare optimum. A solid line is too much, "
        f"a dotted one too little.{which}"
    )
    return c.Chart("provision", "Who computes too much", caption, spec, describe(records))


def describe(records: list[dict[str, Any]]) -> str:
    """Text alternative of the chart."""
    if not records:
        return f"Tokens per query in equilibrium against the welfare optimum: {NOTHING}."
    parts = []
    for r in (r for r in records if r["equilibrium"] != r["optimum"]):
        size = times(max(r["equilibrium"], r["optimum"]), min(r["equilibrium"], r["optimum"]))
        parts.append(
            f"{r['provider']} {plain(r['equilibrium'])} against {plain(r['optimum'])}, {r['verdict']} ({size})"
        )
    return "Tokens per query in equilibrium against the welfare optimum: " + (
        "; ".join(parts) + "." if parts else "all providers are at the optimum."
    )
