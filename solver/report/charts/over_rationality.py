"""Charts of one market over users' rationality β: what is lost, and who gets what."""

from collections.abc import Mapping

import numpy as np

from solver.report.charts.chart import (
    Chart,
    Spec,
    fixed,
    quantity,
    rows,
    tip,
    zoom,
)
from solver.report.charts.series import beta_axis, points, stripes, upright
from solver.report.palette import Look
from solver.report.result import Result
from solver.report.style import Money, plain, ratio

WORST, BEST, REACHED = "worst", "best", "dynamics"
LINES = ((WORST, "var(--providers)"), (BEST, "var(--users)"), (REACHED, "var(--ink)"))
# Both charts of what is lost keep this space for labels, so that their β lie below each other.
LABELS = 42
LARGE_RATIO = 20.0


def band(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """Optimal over equilibrium welfare by β: best to worst equilibrium, and where the paper's dynamics end."""
    data = result.sweep
    beta = data.rationality.values
    names = {"worst": "price_of_anarchy", "best": "price_of_stability", "reached": "welfare_ratio"}
    ratios = {key: data[name].values for key, name in names.items()}
    number, edges = data.num_equilibria.values, stripes(beta)
    records = rows(
        {"beta": b, **edges[i], "equilibria": int(number[i])}
        | {key: values[i] for key, values in ratios.items()}
        | {f"{key}_text": ratio(float(values[i])) for key, values in ratios.items()}
        for i, b in enumerate(beta)
    )
    finite = np.concatenate([values[np.isfinite(values)] for values in ratios.values()])
    y = _ratio_axis(finite)
    which = fixed("which", LINES) | {"legend": {"symbolType": "stroke", "symbolStrokeWidth": 2.5}}
    dashes = {"scale": {"domain": [name for name, _ in LINES], "range": [[1, 0], [1, 0], [2, 3]]}}

    def line(field: str, name: str, width: float) -> Spec:
        return {
            "mark": {"type": "line", "strokeWidth": width, "point": points(len(beta)), "tooltip": None},
            "encoding": {
                "y": y | {"field": field},
                "color": {"datum": name, **{k: v for k, v in which.items() if k != "field"}},
                "strokeDash": {"datum": name, "type": "nominal", **dashes},
            },
        }

    tips = [
        tip("beta", "β", ",.4~g"),
        tip("worst_text", "worst equilibrium"),
        tip("best_text", "best equilibrium"),
        tip("reached_text", "paper's dynamics"),
        tip("equilibria", "equilibria", "d"),
    ]
    bad = ~np.isfinite(ratios["worst"])
    layer: list[Spec] = [
        *_zones(beta, bad),
        {
            "params": [zoom("x")],
            "mark": {"type": "area", "color": "var(--providers)", "opacity": 0.25, "clip": True},
            "encoding": {"y": y | {"field": "best"}, "y2": {"field": "worst"}},
        },
        line("worst", WORST, 3.2),
        line("best", BEST, 1.8),
        line("reached", REACHED, 1.8),
        upright(beta_axis(beta), tips),
    ]
    spec = {
        "data": records, "width": "container", "height": 290,
        "encoding": {"x": beta_axis(beta)}, "layer": layer,
    }  # fmt: skip
    caption = (
        "Optimal welfare over the welfare of the worst equilibrium (price of anarchy), of the best one (price of stability) "
        "and of the one that the paper's dynamics reach. 1 is no loss."
    )
    return Chart("welfare-ratio", "What the market loses", caption, spec, _band_text(result))


def _ratio_axis(values: np.ndarray) -> Spec:
    """From 1, where nothing is lost; logarithmic where welfare nearly vanishes, so that the rest stays visible."""
    top = float(values.max()) if values.size else 2.0
    title, axis = "optimum / equilibrium", {"minExtent": LABELS, "maxExtent": LABELS}
    if top > LARGE_RATIO:
        scale: Spec = {"type": "log", "domain": [0.95, float(f"{1.2 * top:.4g}")], "nice": False}
        return {"type": "quantitative", "title": title, "scale": scale, "axis": axis | {"format": "~s"}}
    span = max(top - 1, 0.01)
    domain = [float(f"{1 + part * span:.6g}") for part in (-0.03, 1.06)]
    scale = {"domain": domain, "nice": False, "zero": False}
    return {"type": "quantitative", "title": title, "scale": scale, "axis": axis | {"format": ".4~f"}}


def _zones(beta: np.ndarray, bad: np.ndarray) -> list[Spec]:
    """Shade the β where the price of anarchy is infinite or undefined, and say so in the widest of them."""
    if not bad.any():
        return []
    edges = np.concatenate([beta[:1], np.sqrt(beta[1:] * beta[:-1]), beta[-1:]])
    starts = np.flatnonzero(bad & ~np.append(False, bad[:-1]))
    ends = np.flatnonzero(bad & ~np.append(bad[1:], False))
    zones = [(float(edges[s]), float(edges[e + 1])) for s, e in zip(starts, ends, strict=True)]
    data = rows({"left": left, "right": right} for left, right in zones)
    left, right = max(zones, key=lambda zone: zone[1] / zone[0])
    middle = np.sqrt(beta[0] * beta[-1])
    at, align, dx = (left, "left", 4) if np.sqrt(left * right) <= middle else (right, "right", -4)
    text = {"at": at, "text": "worst: no finite ratio"}
    shade = {"type": "rect", "color": "var(--warning)", "opacity": 0.16, "tooltip": None, "clip": True}
    words = {
        "type": "text", "align": align, "dx": dx, "y": 10, "color": "var(--warning)", "fontSize": 11.5, "clip": True,
        "tooltip": None,
    }  # fmt: skip
    return [
        {"data": data, "mark": shade, "encoding": {"x": beta_axis(beta) | {"field": "left"}, "x2": {"field": "right"}}},
        {
            "data": rows([text]),
            "mark": words,
            "encoding": {"x": beta_axis(beta) | {"field": "at"}, "text": {"field": "text", "type": "nominal"}},
        },
    ]  # fmt: skip


def _band_text(result: Result) -> str:
    poa, beta = result.sweep.price_of_anarchy.values, result.sweep.rationality.values
    number, finite = result.sweep.num_equilibria.values, np.isfinite(poa)
    if finite.any():
        low, high = (int(np.flatnonzero(finite)[pick(poa[finite])]) for pick in (np.argmin, np.argmax))
        most = f"the price of anarchy is {ratio(poa[low])} at β = {plain(beta[low])}"
        if low != high:
            most += f" where it is least and {ratio(poa[high])} at β = {plain(beta[high])} where it is largest"
    else:
        most = "the price of anarchy is nowhere finite"
    without = f"without a finite value at {len(poa) - finite.sum()} of {len(poa)} β"
    if finite.all():
        without = f"finite at every one of {len(poa)} β"
    none = f"; none was found at {(number == 0).sum()} β" if (number == 0).any() else ""
    return (
        f"Line chart of optimal over equilibrium welfare by β: {most}, {without}; equilibria: {_range(number)}{none}."
    )


def _range(number: np.ndarray) -> str:
    low, high = int(number.min()), int(number.max())
    return plain(low) if low == high else f"{plain(low)} to {plain(high)}"


def number_of_equilibria(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """How many equilibria there are by β; stands beneath ``band``, with the same β."""
    data = result.sweep
    beta, number = data.rationality.values, data.num_equilibria.values
    complete, edges = data.complete.values, stripes(beta)
    records = rows(
        {
            "beta": b,
            **edges[i],
            "equilibria": int(number[i]),
            "list": "complete" if complete[i] else "perhaps incomplete",
        }
        for i, b in enumerate(beta)
    )
    top = max(2, int(number.max()))
    y = {
        "field": "equilibria", "type": "quantitative", "title": "equilibria",
        "scale": {"domain": [0, 1.15 * top], "nice": False},
        "axis": {"format": "d", "tickMinStep": 1, "tickCount": 2, "minExtent": LABELS, "maxExtent": LABELS},
    }  # fmt: skip
    line = {
        "type": "line",
        "interpolate": "step",
        "color": "var(--ink)",
        "strokeWidth": 1.4,
        "tooltip": None,
        "clip": True,
    }
    line["point"] = {"color": "var(--ink)"} if len(beta) == 1 else False
    tips = [tip("beta", "β", ",.4~g"), tip("equilibria", "equilibria", ",d"), tip("list", "list")]
    spec = {
        "data": records, "width": "container", "height": 130,
        "encoding": {"x": beta_axis(beta)},
        "layer": [
            {"params": [zoom("x")], "mark": line, "encoding": {"y": y}},
            upright(beta_axis(beta), tips),
        ],
    }  # fmt: skip
    several = int((number > 1).sum())
    text = (
        f"Step chart of the number of equilibria by β: {_range(number)}; more than "
        f"one at {several} of {len(beta)} β; the list is complete at {int(complete.sum())}."
    )
    return Chart("equilibria", "How many equilibria there are", "Of pure strategies, for each β above.", spec, text)


def incomes(result: Result, looks: Mapping[str, Look], money: Money) -> Chart:
    """What users and providers get by β, market against auction."""
    data, scale = result.sweep, money.scaled(1.0)
    beta = data.rationality.values
    fields = {
        "users_market": ("user_value", "users", "market"),
        "users_auction": ("auction_user_value", "users", "auction"),
        "providers_market": ("profit", "providers", "market"),
        "providers_auction": ("auction_profit", "providers", "auction"),
    }
    values = {key: scale * data[name].values for key, (name, _, _) in fields.items()}
    edges = stripes(beta)
    records = rows(
        {"beta": b} | edges[i] | {key: column[i] for key, column in values.items()} for i, b in enumerate(beta)
    )
    colours = fixed("who", (("users", "var(--users)"), ("providers", "var(--providers)")))
    lines = {"domain": ["market", "auction"], "range": [[1, 0], [5, 3]]}
    legend = {"symbolType": "stroke", "symbolStrokeWidth": 2}
    neutral = {"symbolStrokeColor": "var(--muted)"}

    def line(field: str, who: str, regime: str) -> Spec:
        return {
            "mark": {"type": "line", "point": points(len(beta)), "tooltip": None, "clip": True},
            "encoding": {
                "y": quantity(field, money.unit, "~f"),
                "color": {"datum": who, "type": "nominal", "scale": colours["scale"], "legend": legend},
                "strokeDash": {"datum": regime, "type": "nominal", "scale": lines, "legend": legend | neutral},
            },
        }

    layer: list[Spec] = [line(key, who, regime) for key, (_, who, regime) in fields.items()]
    layer[0]["params"] = [zoom("x")]
    zero = {
        "data": {"values": [{"zero": 0}]},
        "mark": {"type": "rule", "color": "var(--muted)", "strokeWidth": 0.8, "tooltip": None},
        "encoding": {"x": None, "y": {"field": "zero", "type": "quantitative"}},
    }
    tips = [tip("beta", "β", ",.4~g")] + [
        tip(key, f"{who}, {regime} ({money.unit})", ",.3~g") for key, (_, who, regime) in fields.items()
    ]
    spec = {
        "data": records, "width": "container", "height": 290,
        "encoding": {"x": beta_axis(beta)}, "layer": [zero, *layer, upright(beta_axis(beta), tips)],
    }  # fmt: skip
    caption = (
        "Solid: the market's worst equilibrium. Dashed: the auction, in which users choose by rule and β plays no part."
    )
    return Chart("incomes", "Who gets what: market and auction", caption, spec, _incomes_text(result, money))


def _incomes_text(result: Result, money: Money) -> str:
    data, parts = result.sweep, []
    beta = data.rationality.values
    ends = dict.fromkeys((0, len(beta) - 1))
    for name, market, auction in (
        ("users", "user_value", "auction_user_value"),
        ("providers", "profit", "auction_profit"),
    ):
        told = [f"{money.amount(float(data[market].values[at]))} at β = {plain(beta[at])}" for at in ends]
        in_auction = money.amount(float(data[auction].values[0]))
        parts.append(f"{name} get {' and '.join(told)} in the market, {in_auction} in the auction")
    return f"Line chart of money {money.per} by β: " + "; ".join(parts) + "."
