"""JSON of every command: plain objects, lists, numbers and texts; money in dollars per query.

The schema stands in ``docs/reference/json.md``; a test compares it with what these functions make. JSON has no infinity
and no NaN: such numbers become the texts ``infinite``, ``-infinite`` and ``undefined``.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from jax import Array

    from games import PayPerCompute, Scenario
    from solver.compare import Comparison
    from solver.efficiency import Efficiency, LedgerRow
    from solver.provision_levels import Provision
    from solver.reproduce import Cell
    from solver.result import Solution
    from solver.uncertainty.certainty import Certainty

SCHEMA = 1
UNITS = "dollars per query"
Document = dict[str, Any]


def dumps(document: Document) -> str:
    """The document as strict JSON; numbers keep all their digits."""
    return json.dumps(_strict(document), indent=2, ensure_ascii=False, allow_nan=False)


def in_words(number: float) -> float | str:
    """The number itself, or what stands for it in JSON.

    Example:
        >>> in_words(1.5), in_words(math.inf), in_words(math.nan)
        (1.5, 'infinite', 'undefined')
    """
    if math.isnan(number):
        return "undefined"
    if math.isinf(number):
        return "infinite" if number > 0 else "-infinite"
    return number


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return in_words(value) if isinstance(value, float) else value


def new_document(command: str, content: Document) -> Document:
    """A command's document with the fields that every document has."""
    from games.version import VERSION

    return {"schema": SCHEMA, "version": VERSION, "command": command, "units": UNITS} | content


def market_fields(scenario: "Scenario") -> Document:
    """What every part about one market begins with."""
    users = scenario.users
    fields = {
        "scenario": scenario.name,
        "source": scenario.source,
        "providers": list(scenario.market.providers),
        "value_per_correct": float(users.value_per_correct[0]),
        "baseline": float(users.baseline),
        "outside_value": _outside_value(users.outside_value[0]),
    }
    if users.num_segments == 1:
        return fields
    segments = [
        {
            "segment": name,
            "weight": float(users.weight[s]),
            "value_per_correct": float(users.value_per_correct[s]),
            "relative_rationality": float(users.relative_rationality[s]),
            "outside_value": _outside_value(users.outside_value[s]),
        }
        for s, name in enumerate(scenario.segment_names)
    ]
    return fields | {"value_per_correct": None, "outside_value": None, "segments": segments}


def _outside_value(value: "Array") -> float | None:
    return None if float(value) == -math.inf else float(value)


def by_provider(scenario: "Scenario", values: "Sequence[Any] | np.ndarray | Array") -> Document:
    """Values under the names of the providers."""
    plain = values if isinstance(values, Sequence) else values.tolist()
    return dict(zip(scenario.market.providers, plain, strict=True))


def scenarios_document(scenarios: "Sequence[Scenario]", published: Sequence[str]) -> Document:
    """JSON of ``ttc-games scenarios``."""
    rows = [
        market_fields(s) | {"num_levels": s.market.mask.sum(axis=1).tolist(), "published": s.name in published}
        for s in scenarios
    ]
    return new_document("scenarios", {"scenarios": rows})


def solve_document(
    scenario: "Scenario",
    game: "PayPerCompute",
    verdict: "Efficiency",
    reserve: str,
    sure: "Certainty | None" = None,
) -> Document:
    """JSON of ``ttc-games solve``."""
    from solver.provision_levels import IMMATERIAL

    return new_document(
        "solve",
        market_fields(scenario)
        | {
            "rationality": float(game.users.mean_rationality),
            "equilibria": _equilibria(scenario, game, verdict),
            "complete": verdict.equilibria.complete,
            "reason": verdict.equilibria.reason,
            "tolerance": verdict.equilibria.tolerance,
            "optimum": {
                "levels": scenario.market.labels(verdict.optimum.profile),
                "level_indices": by_provider(scenario, verdict.optimum.profile.tolist()),
                "welfare": float(verdict.optimum.welfare),
                "upper_bound": float(verdict.optimum.upper_bound),
                "exact": verdict.optimum.exact,
            },
            "auction": _auction(scenario, verdict, reserve),
            "provision": [_provision(scenario, row) for row in verdict.provision],
            "immaterial": IMMATERIAL,
            "certainty": None if sure is None else asdict(sure),
        }
        | _efficiency(scenario, verdict),
    )


def _provision(scenario: "Scenario", row: "Provision") -> Document:
    """The three readings of one provider; its best offer to every segment of users."""
    offers = [
        {"segment": segment} | asdict(offer)
        for segment, offer in zip(scenario.segment_names, row.best_offers, strict=True)
    ]
    same = len({offer.level for offer in row.best_offers}) == 1
    return asdict(row) | {
        "best_offers": offers,
        "best_offer": row.best_offer if same else None,
        "best_offer_tokens": row.best_offer_tokens if same else None,
        "one_down": row.one_down or None,
        "one_down_change": row.one_down_change if row.one_down else None,
        "against_best_offer": row.against_best_offer,
        "at_the_margin": row.at_the_margin,
        "too_high": row.too_high,
        "too_low": row.too_low,
        "against_optimum": row.against_optimum,
    }


def _efficiency(scenario: "Scenario", verdict: "Efficiency") -> Document:
    return {
        "price_of_anarchy": verdict.price_of_anarchy,
        "price_of_stability": verdict.price_of_stability,
        "note": verdict.note,
        "choice_noise": verdict.choice_noise,
        "incentives": verdict.incentives,
        "ledger": [_ledger_row(scenario, row) for row in verdict.ledger],
    }


def _ledger_row(scenario: "Scenario", row: "LedgerRow") -> Document:
    return asdict(row) | {"profits": by_provider(scenario, row.profits), "losers": list(row.losers)}


def _equilibria(scenario: "Scenario", game: "PayPerCompute", verdict: "Efficiency") -> list[Document]:
    import jax

    found = verdict.equilibria
    one = game.anonymous()
    shares, outside, payoffs, users = jax.vmap(
        lambda p: (
            one.segment_weight @ one.shares(p),
            one.segment_weight @ one.outside_share(p),
            one.payoffs(p),
            one.expected_user_value(p),
        )
    )(found.profiles)
    return [
        {
            "levels": scenario.market.labels(profile),
            "level_indices": by_provider(scenario, profile.tolist()),
            "shares": by_provider(scenario, shares[i].tolist()),
            "outside_share": float(outside[i]),
            "profits": by_provider(scenario, payoffs[i].tolist()),
            "user_value": float(users[i]),
            "welfare": float(found.welfare[i]),
            "max_regret": float(found.max_regret[i]),
        }
        for i, profile in enumerate(found.profiles)
    ]


def _auction(scenario: "Scenario", verdict: "Efficiency", reserve: str) -> Document:
    outcome = verdict.auction
    each = [_auction_of_segment(scenario, verdict, s) | {"reserve": reserve} for s in range(len(outcome.winner))]
    if len(each) == 1:
        return each[0]
    means = {name: float(outcome.mean(getattr(outcome, name))) for name in ("user_value", "winner_profit", "welfare")}
    named = zip(scenario.segment_names, each, strict=True)
    return dict.fromkeys(each[0]) | means | {"reserve": reserve, "segments": [{"segment": s} | x for s, x in named]}


def _auction_of_segment(scenario: "Scenario", verdict: "Efficiency", s: int) -> Document:
    outcome = verdict.auction
    names = scenario.market.providers
    winner, runner_up = int(outcome.winner[s]), int(outcome.runner_up[s])
    second = float(outcome.runner_up_surplus[s])
    return {
        "winner": names[winner] if winner >= 0 else None,
        "runner_up": names[runner_up] if runner_up >= 0 else None,
        "price": float(outcome.price[s]),
        "user_value": float(outcome.user_value[s]),
        "winner_profit": float(outcome.winner_profit[s]),
        "welfare": float(outcome.welfare[s]),
        "winner_surplus": float(outcome.winner_surplus[s]),
        "runner_up_surplus": second if math.isfinite(second) else None,
        "offers": scenario.market.labels(outcome.levels[s]),
    }


def dynamics_document(scenario: "Scenario", game: "PayPerCompute", play: "Solution", settings: Document) -> Document:
    """JSON of ``ttc-games dynamics``: how it ended, and the profile after every round."""
    from solver.result import Status

    rounds = [
        {
            "round": number,
            "levels": scenario.market.labels(profile),
            "level_indices": by_provider(scenario, profile.tolist()),
            "log_potential": potential,
            "welfare": welfare,
        }
        for number, (profile, potential, welfare) in enumerate(trajectory(game, play))
    ]
    status = Status(int(play.status))
    ending = {
        "rationality": float(game.users.mean_rationality),
        "status": status.name.lower(),
        "explanation": status.text,
        "num_rounds": int(play.num_rounds),
        "cycle_length": int(play.cycle_length),
        "max_regret": float(play.max_regret),
    }
    return new_document("dynamics", market_fields(scenario) | settings | ending | {"trajectory": rounds})


def trajectory(game: "PayPerCompute", play: "Solution") -> "list[tuple[np.ndarray, float, float]]":
    """Profile, log-potential (NaN with several segments, which have none) and welfare at the start and every round."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    assert play.trajectory is not None
    profiles = play.trajectory[: int(play.num_rounds) + 1]
    one = game.anonymous()
    several = game.users.num_segments > 1
    potential, welfare = jax.vmap(
        lambda p: (jnp.array(jnp.nan) if several else one.log_potential(p), one.welfare(p)), axis_size=len(profiles)
    )(profiles)
    return list(zip(np.asarray(profiles), potential.tolist(), welfare.tolist(), strict=True))


def compare_document(scenarios: "Sequence[Scenario]", found: "Comparison") -> Document:
    """JSON of ``ttc-games compare``."""
    parts = []
    for scenario in scenarios:
        rows = found.table[found.table["scenario"] == scenario.name].drop(columns="scenario")
        details = found.providers[found.providers["scenario"] == scenario.name].drop(columns="scenario")
        parts.append(
            market_fields(scenario)
            | {"results": rows.to_dict("records"), "provider_results": details.to_dict("records")}
        )
    return new_document("compare", {"scenarios": parts})


def sweep_document(scenarios: "Sequence[Scenario]", datasets: "Sequence[xr.Dataset]") -> Document:
    """JSON of ``ttc-games sweep``: per scenario one list per variable; those per provider hold a list in each place."""
    rows = [
        market_fields(scenario)
        | _level_labels(scenario)
        | {"rationality": data["rationality"].values.tolist()}
        | {"variables": {str(name): data[name].values.tolist() for name in data.data_vars}}
        for scenario, data in zip(scenarios, datasets, strict=True)
    ]
    return new_document("sweep", {"scenarios": rows})


def grid_document(scenario: "Scenario", data: "xr.Dataset") -> Document:
    """JSON of ``ttc-games sweep`` over a grid: as ``sweep_document``, with every axis and the order of dimensions."""
    dims = [str(dim) for dim in data["auction_welfare"].dims]
    axes = {str(name): values.values.tolist() for name, values in data.coords.items() if set(values.dims) <= set(dims)}
    part = market_fields(scenario) | _level_labels(scenario) | {"dimensions": dims, "axes": axes}
    variables = {str(name): data[name].values.tolist() for name in data.data_vars}
    return new_document("sweep", {"scenarios": [part | {"variables": variables}]})


def _level_labels(scenario: "Scenario") -> Document:
    """Labels of the levels that variables of a sweep name by index."""
    return {"level_labels": by_provider(scenario, [list(row) for row in scenario.market.level_labels])}


def reproduce_document(cells: "Sequence[Cell]") -> Document:
    """JSON of ``ttc-games reproduce``."""
    failed = sum(not cell.passed for cell in cells)
    rows = [asdict(cell) | {"passed": cell.passed} for cell in cells]
    return new_document("reproduce", {"num_cells": len(cells), "num_failed": failed, "cells": rows})


def report_document(page: str, scenarios: "Sequence[Scenario]", rationality: "np.ndarray") -> Document:
    """JSON of ``ttc-games report``."""
    names = [scenario.name for scenario in scenarios]
    return new_document("report", {"page": page, "scenarios": names, "rationality": rationality.tolist()})
