"""Tables for the sceptic: certificates, published numbers beside ours, assumptions, versions."""

import importlib
import platform
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from games.scenarios import load_scenario, published_table, scenario_names
from games.version import VERSION
from solver.report import style
from solver.report.result import Result, Verdict
from solver.report.tables import BETA, SCENARIO, Column, Row, Table
from solver.reproduce import EXCEPTIONS, TOLERANCE

PACKAGES = ("jax", "jaxlib", "equinox", "numpy", "scipy")


def certificates(results: Sequence[Result]) -> Table:
    """One row per market, β and check: what was found, how large the error is, and whether it is small enough."""
    columns = (
        SCENARIO,
        BETA,
        Column("check", "Check"),
        Column("found", "What was found", "long"),
        Column("error", "Error", "tiny"),
        Column("tolerance", "Tolerance", "tiny"),
        Column("passed", "Passed"),
    )
    rows = [row for result in results for row in _checks(result)]
    caption = "Certificates; errors are relative. No β: all swept β together"
    return Table("certificates", caption, columns, tuple(rows))


def _checks(result: Result) -> list[Row]:
    def row(
        check: str,
        beta: float | None,
        found: str,
        passed: bool | None,
        error: float | None = None,
        limit: float | None = None,
    ) -> Row:
        return {
            "scenario": result.name, "rationality": beta, "check": check, "found": found, "error": error,
            "tolerance": limit, "passed": passed,
        }  # fmt: skip

    rows = []
    for verdict in result.verdicts:
        equilibria, optimum, beta = verdict.efficiency.equilibria, verdict.efficiency.optimum, verdict.rationality
        text = f"{style.plural(len(equilibria), 'equilibrium', 'equilibria')}: {equilibria.reason}"
        rows.append(row("list of equilibria complete", beta, text, equilibria.complete))
        if verdict.has_equilibrium:
            regret = float(np.max(equilibria.max_regret))
            text = "the most that a provider gains by another level, by code that the solver does not share"
            rows.append(
                row("max regret", beta, text, regret <= equilibria.tolerance, regret, float(equilibria.tolerance))
            )
        gap = float(optimum.upper_bound) - float(optimum.welfare)
        size = max(abs(float(optimum.welfare)), abs(float(optimum.upper_bound)))
        text = "proved to be the highest welfare" if optimum.exact else "the best found; the error is at most this"
        rows.append(
            row(
                "welfare optimum exact",
                beta,
                text,
                optimum.exact,
                0.0 if optimum.exact else gap / size if size else 0.0,
            )
        )
        rows.append(_accounts(verdict, row))
    data = result.sweep
    number, complete = data.num_equilibria.values, data.complete.values
    text = f"{_range(number)} at each of {len(number)} β; list complete at {int(complete.sum())} of them"
    rows.append(row("list of equilibria complete", None, text, bool(complete.all())))
    regret = data.max_regret.values[np.isfinite(data.max_regret.values)]
    if regret.size:
        limit = float(data.attrs["tolerance"])
        rows.append(
            row(
                "max regret",
                None,
                "the largest over the sweep",
                bool(regret.max() <= limit),
                float(regret.max()),
                limit,
            )
        )
    rows += _plays(result, row)
    return rows


def _accounts(verdict: Verdict, row: Any) -> Row:
    """Users, providers and platform add up to welfare, which is computed without them."""
    gaps = [
        abs(r.users + r.providers + r.platform - r.welfare)
        / max(abs(r.welfare), abs(r.users), abs(r.providers), 1e-300)
        for r in verdict.efficiency.ledger
    ]
    text = "users, providers and platform add up to welfare in every row of the ledger"
    made: Row = row("ledger adds up", verdict.rationality, text, max(gaps) <= 1e-9, max(gaps), 1e-9)
    return made


def _plays(result: Result, row: Any) -> list[Row]:
    """Dynamics, the learner and continuous compute, at the β of the charts."""
    beta, played, learned, smooth = result.verdict.rationality, result.dynamics, result.learned, result.continuous
    rows = [row("dynamics end in an equilibrium", beta, played.text, played.settled)]
    text = f"the most that a provider gains by leaving the play after {style.count(learned.rounds, 'round')}"
    rows.append(
        row("learning ends in an equilibrium", beta, text, learned.last_regret <= 1e-6, learned.last_regret, 1e-6)
    )
    found = smooth.found
    if found is None:
        rows.append(row("continuous compute", beta, f"no continuous game: {smooth.reason}", None))
    else:
        text = f"{style.plural(len(found), 'equilibrium', 'equilibria')}: {smooth.reason}"
        error = float(np.max(found.max_regret)) if len(found) else None
        passed = bool(len(found)) and found.complete and error is not None and error <= found.tolerance
        rows.append(row("continuous compute", beta, text, passed, error, float(found.tolerance)))
    return rows


def _range(numbers: np.ndarray) -> str:
    least, most = int(numbers.min()), int(numbers.max())
    return style.plural(most, "equilibrium", "equilibria") if least == most else f"{least} to {most} equilibria"


def published(results: Sequence[Result]) -> Table:
    """One row per published market and tabled β: welfare and price of anarchy, printed and ours."""
    columns = (
        SCENARIO,
        BETA,
        Column("published_optimum", "Optimal welfare, published", "money"),
        Column("our_optimum", "ours", "money"),
        Column("published_equilibrium", "Equilibrium welfare, published", "money"),
        Column("our_equilibrium", "ours", "money"),
        Column("published_ratio", "Price of anarchy, published", "ratio"),
        Column("our_ratio", "ours", "ratio"),
        Column("difference", "Difference", "tiny"),
        Column("rounding", "Rounding of the published ratio", "tiny"),
    )
    rows = []
    for result, verdict, printed in _printed_markets(results):
        optimum, equilibrium = float(printed["optimal_welfare"]), float(printed["equilibrium_welfare"])
        ratio, ours = optimum / equilibrium, verdict.efficiency.price_of_anarchy
        rows.append(
            {
                "scenario": result.name,
                "rationality": verdict.rationality,
                "published_optimum": optimum,
                "our_optimum": float(verdict.efficiency.optimum.welfare),
                "published_equilibrium": equilibrium,
                "our_equilibrium": verdict.market.welfare,
                "published_ratio": ratio,
                "our_ratio": ours,
                "difference": abs(ours - ratio),
                # Both welfares are printed to 5 decimals.
                "rounding": ratio * (5e-6 / optimum + 5e-6 / equilibrium),
            }
        )
    caption = "Printed in the notebooks of arXiv 2601.21839, and ours; the published ratio is made of its two numbers"
    return Table("published", caption, columns, tuple(rows))


def published_numbers(results: Sequence[Result]) -> Table:
    """One row per published number of these markets at the tabled β: printed, ours, difference, tolerance."""
    columns = (
        SCENARIO,
        BETA,
        Column("quantity", "Quantity"),
        Column("published", "Published", "money"),
        Column("ours", "Ours", "money"),
        Column("difference", "Difference", "money"),
        Column("tolerance", "Tolerance", "money"),
        Column("met", "Met"),
    )
    rows: list[Row] = []
    for result, verdict, printed in _printed_markets(results):
        for quantity, ours in _market_numbers(result, verdict).items():
            limit = EXCEPTIONS.get((result.name, verdict.rationality, quantity), TOLERANCE)
            rows.append(_number(result, verdict.rationality, quantity, float(printed[quantity]), ours, limit))
    auctions = _by_market("auction")
    for result in results:
        if result.name in auctions and _is_published(result):
            outcome = result.verdict.efficiency.auction
            found = {
                "winner_welfare": outcome.winner_surplus,
                "runner_up_welfare": outcome.runner_up_surplus,
                "price": outcome.price,
                "winner_profit": outcome.winner_profit,
            }
            for quantity, values in found.items():
                number = float(auctions[result.name][0][quantity])
                rows.append(_number(result, None, f"auction: {quantity}", number, float(values[0]), TOLERANCE))
    caption = "Every number printed in the notebooks of arXiv 2601.21839 for these markets, and ours"
    return Table("published_numbers", caption, columns, tuple(rows))


def _number(result: Result, beta: float | None, quantity: str, printed: float, ours: float, limit: float) -> Row:
    gap = abs(ours - printed)
    return {
        "scenario": result.name, "rationality": beta, "quantity": quantity, "published": printed, "ours": ours,
        "difference": gap, "tolerance": limit, "met": gap <= limit,
    }  # fmt: skip


def _market_numbers(result: Result, verdict: Verdict) -> dict[str, float]:
    """The published quantities at the worst equilibrium; these markets have no other."""
    market, game = result.scenario.market, result.scenario.game(verdict.rationality)
    profile = np.asarray(verdict.efficiency.equilibria.worst)
    every = np.arange(len(profile))
    price, cost = (np.asarray(x)[every, profile] for x in (market.price, market.cost))
    columns = {"user_value": np.asarray(game.user_value[0])[every, profile], "price": price, "profit": price - cost}
    weighted = {f"share_weighted_{name}": float(verdict.shares @ values) for name, values in columns.items()}
    means = {f"mean_{name}": float(values.mean()) for name, values in columns.items()}
    welfare = {
        "optimal_welfare": float(verdict.efficiency.optimum.welfare),
        "equilibrium_welfare": verdict.market.welfare,
    }
    return welfare | weighted | means


def _printed_markets(results: Sequence[Result]) -> list[tuple[Result, Verdict, dict[str, Any]]]:
    """Verdicts at β for which the paper prints numbers, with what it prints."""
    printed = _by_market("market")
    return [
        (result, verdict, row)
        for result in results
        if result.name in printed and _is_published(result)
        for verdict in result.verdicts
        for row in printed[result.name]
        if float(row["beta"]) == verdict.rationality
    ]


def _by_market(kind: str) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in published_table(kind).to_dict("records"):
        rows.setdefault(f"{row['benchmark']}/{row['method']}", []).append({str(k): v for k, v in row.items()})
    return rows


def _is_published(result: Result) -> bool:
    """Whether market and users, but for β, are those of the paper: no other margin, value or provider."""
    if result.name not in scenario_names():
        return False
    ours, theirs = result.scenario, load_scenario(result.name)
    pair = (ours.market, ours.users.with_rationality(1.0)), (theirs.market, theirs.users.with_rationality(1.0))
    return bool(eqx.tree_equal(*pair))


def assumptions(results: Sequence[Result]) -> Table:
    """One row per market and assumption: what the numbers rest on and what they do not say."""
    columns = (SCENARIO, Column("assumption", "Assumption"), Column("here", "Here", "long"))
    rows = [
        {"scenario": result.name, "assumption": assumption, "here": here}
        for result in results
        for assumption, here in _assumed(result).items()
    ]
    return Table("assumptions", "What the numbers rest on; money in dollars per query", columns, tuple(rows))


def _assumed(result: Result) -> dict[str, str]:
    market, users = result.scenario.market, result.scenario.users
    priced = np.asarray(market.mask & ((market.price > 0) | (market.cost > 0)))
    price, cost = np.asarray(market.price)[priced], np.asarray(market.cost)[priced]
    with np.errstate(divide="ignore"):
        margins = price / cost - 1
    swept = result.sweep.rationality.values
    baseline = float(users.baseline)
    value = type(users.value_curve).__name__.removesuffix("Value").lower()
    return {
        "curves": f"averages over a benchmark, from: {result.scenario.source or 'source not stated'}",
        "margin": _span(margins, style.percent) + " over cost; assumed, not measured",
        "prices per token": "fixed; only compute is chosen",
        "worth of a correct answer": _span(np.asarray(users.value_per_correct), lambda x: f"{x:g} dollars"),
        "worth of any answer": f"{style.percent(baseline)} of a correct one, whatever its accuracy",
        "worth against accuracy": value,
        "not buying": _outside(np.asarray(users.outside_value)),
        "users": f"{style.count(users.num_segments, 'segment')}; alike within one but for noise or taste; they know quality",
        "sharpness of choice": "β = "
        + style.listed([style.plain(v.rationality) for v in result.verdicts], 20)
        + f" in tables, {len(swept)} values from {style.plain(swept[0])} to {style.plain(swept[-1])} in sweeps",
        "left out": "latency, capacity, reputation, differences between queries",
    }  # fmt: skip


def _outside(values: np.ndarray) -> str:
    may = np.isfinite(values)
    if not may.any():
        return "not possible: users must buy"
    worth = "is worth " + _span(values[may], lambda x: f"{x:g} dollars")
    return worth if may.all() else f"{worth} to some segments; the others must buy"


def _span(values: np.ndarray, show: Any) -> str:
    least, most = float(values.min()), float(values.max())
    same = least == most or abs(most - least) <= 1e-9 * abs(most)
    return str(show(most)) if same else f"{show(least)} to {show(most)}"


def versions() -> Table:
    """One row per part of what made the report."""
    rows: list[Row] = [{"part": "ttc-games", "version": VERSION}]
    rows += [{"part": name, "version": importlib.import_module(name).__version__} for name in PACKAGES]
    rows.append({"part": "Python", "version": platform.python_version()})
    rows.append({"part": "platform", "version": f"{platform.system()} {platform.machine()}, {jax.default_backend()}"})
    columns = (Column("part", "Part"), Column("version", "Version"))
    return Table("versions", "What made this report", columns, tuple(rows))
