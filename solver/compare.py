"""Mechanisms side by side on the same markets: who gets what, who loses, and what a provider gains by gaming each.

Every row is set against the first mechanism (pay-per-compute unless told otherwise). Its gain in welfare splits as in
``solver.efficiency``: W_m − W_0 = (W_m − W_opt) + (W_opt − W_0), choice noise removed plus incentives repaired, with W_opt
the welfare optimum at posted prices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from games.errors import InputError
from games.pay_per_compute import PayPerCompute
from games.scenarios import Scenario
from games.users import Values
from solver.efficiency import NEGLIGIBLE
from solver.mechanisms.outcome import Mechanism, Outcome
from solver.mechanisms.registry import MECHANISMS, mechanism
from solver.optimum import welfare_optimum
from solver.result import Status

if TYPE_CHECKING:
    import pandas as pd

MONEY = ("user_value", "consumer_surplus", "profits", "platform", "welfare", "welfare_with_tastes")


@dataclass(frozen=True)
class Comparison:
    """Mechanisms on markets, as two data frames; money in dollars per query that arrives.

    Args:
        table: one row per scenario, rationality and mechanism: ``user_value``, ``consumer_surplus``, ``profits``,
            ``platform``, ``welfare``, ``welfare_with_tastes``, ``price`` (mean payment of a query served), ``tokens``
            (per query served), ``served`` (fraction of queries), ``max_regret`` and ``misreport_gain`` (of the provider
            that gains most), ``user_gain`` and ``welfare_gain`` over the first mechanism, the split of the latter into
            ``choice_noise`` and ``incentives``, ``losers`` (tuple of names: users, platform, providers), ``note``
            (why a mechanism has no outcome, as where no equilibrium was found; its figures are then NaN, and if it is the
            first, nothing is compared with it).
        providers: one row per provider in addition: ``level`` (label in the first segment), ``allocation``, ``price``,
            ``profit``, ``max_regret``, ``misreport_gain``.
    """

    table: "pd.DataFrame"
    providers: "pd.DataFrame"


def compare(
    scenarios: Sequence[Scenario],
    rationality: Values,
    mechanisms: Sequence[Mechanism] | Mapping[str, Mechanism] | None = None,
    *,
    progress: Callable[[int], object] | None = None,
) -> Comparison:
    """Run mechanisms on markets at several rationalities.

    Args:
        scenarios: markets and users.
        rationality: users' β, per dollar, one-dimensional.
        mechanisms: the first is what the others are set against; by default all of ``MECHANISMS``. A dictionary gives
            them names of your own, as variants of one mechanism need.
        progress: called with the number of outcomes finished since the last call.

    Raises:
        InputError: no mechanism, or two of one name.

    Example:
        >>> from games import load_scenario
        >>> from solver.mechanisms import PayPerComputeEquilibrium, SecondScore
        >>> shelf = [PayPerComputeEquilibrium(), SecondScore(), SecondScore(reserve="no-harm")]
        >>> found = compare([load_scenario("GPQA/reasoning_effort")], [1000], shelf).table.set_index("mechanism")
        >>> found["user_value"].round(5).tolist(), ["users" in losers for losers in found["losers"]]
        ([0.01545, 0.01525, 0.01545], [False, True, False])
    """
    import pandas as pd

    if isinstance(mechanisms, Mapping):
        named = list(mechanisms.items())
    else:
        named = [(one.name, one) for one in (map(mechanism, MECHANISMS) if mechanisms is None else mechanisms)]
    names = [name for name, _ in named]
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"compare: mechanisms are {names}; give at least one, each name once; a dictionary {{name: mechanism}} tells "
            "variants of one mechanism apart"
        )
    rows: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    for scenario in scenarios:
        for beta in np.atleast_1d(np.asarray(rationality, float)).tolist():
            users = scenario.users.with_rationality(beta)
            optimum = float(welfare_optimum(PayPerCompute(scenario.market, users)).welfare)
            first: dict[str, Any] | None = None
            first_profits = np.zeros(scenario.market.num_providers)
            for name, one in named:
                place = {"scenario": scenario.name, "rationality": beta, "mechanism": name}
                try:
                    outcome, note = one.outcome(scenario.market, users), ""
                except InputError as error:
                    outcome, note = None, str(error)
                row = place | _figures(outcome, note)
                profits = np.full_like(first_profits, np.nan) if outcome is None else _profits(outcome)
                if first is None:
                    first, first_profits = row, profits
                rows.append(row | _against(row, first, profits, first_profits, optimum, scenario.market.providers))
                details += [] if np.isnan(row["welfare"]) or outcome is None else _details(place, outcome, scenario)
                if progress is not None:
                    progress(1)
    return Comparison(pd.DataFrame(rows), pd.DataFrame(details))


def _profits(outcome: Outcome) -> np.ndarray:
    return np.asarray(outcome.mean(outcome.profits))


def _figures(outcome: Outcome | None, note: str) -> dict[str, Any]:
    """The figures of one outcome; NaN where there is none: where play was cut off nothing is at rest to compare with."""
    if outcome is None or int(outcome.status) != Status.CONVERGED:
        note = note if outcome is None else Status(int(outcome.status)).text
        numbers = (*MONEY, "price", "tokens", "served", "max_regret", "misreport_gain")
        return dict.fromkeys(numbers, np.nan) | {"note": note}
    values = {"profits": outcome.profits.sum(axis=-1)} | {
        name: getattr(outcome, name) for name in MONEY if name != "profits"
    }
    figures = {name: float(outcome.mean(values[name])) for name in MONEY}
    served = float(outcome.mean(outcome.served))
    per_served = {"price": outcome.payment, "tokens": outcome.compute}
    figures |= {name: float(outcome.mean(x)) / served if served > 0 else np.nan for name, x in per_served.items()}
    figures |= {
        "served": served,
        "max_regret": float(outcome.max_regret.max()),
        "misreport_gain": float(outcome.misreport_gain.max()),
    }
    return figures | {"note": ""}


def _against(
    row: Mapping[str, Any],
    first: Mapping[str, Any],
    profits: np.ndarray,
    first_profits: np.ndarray,
    optimum: float,
    providers: Sequence[str],
) -> dict[str, Any]:
    """Gains over the first mechanism, their split, and who is worse off; NaN and nobody where the first has no outcome."""
    if np.isnan(first["welfare"]):
        return dict.fromkeys(("user_gain", "welfare_gain", "choice_noise", "incentives"), np.nan) | {"losers": ()}
    small = NEGLIGIBLE * max(abs(first["welfare"]), abs(first["user_value"]))
    parties = [("users", row["user_value"], first["user_value"]), ("platform", row["platform"], first["platform"])]
    parties += list(zip(providers, profits.tolist(), first_profits.tolist(), strict=True))
    return {
        "user_gain": row["user_value"] - first["user_value"],
        "welfare_gain": row["welfare"] - first["welfare"],
        "choice_noise": row["welfare"] - optimum,
        "incentives": optimum - first["welfare"],
        "losers": tuple(name for name, now, before in parties if now < before - small),
    }


def _details(place: Mapping[str, Any], outcome: Outcome, scenario: Scenario) -> list[dict[str, Any]]:
    """One row per provider."""
    market = scenario.market
    levels = np.asarray(outcome.levels[0])
    allocation = np.asarray(outcome.mean(outcome.allocation))
    paid = np.asarray(outcome.mean(outcome.allocation * outcome.price))
    profits, regret, gain = _profits(outcome), np.asarray(outcome.max_regret), np.asarray(outcome.misreport_gain)
    return [
        {
            **place,
            "provider": name,
            "level": market.level_labels[i][levels[i]],
            "allocation": float(allocation[i]),
            "price": float(paid[i] / allocation[i]) if allocation[i] > 0 else np.nan,
            "profit": float(profits[i]),
            "max_regret": float(regret[i]),
            "misreport_gain": float(gain[i]),
        }
        for i, name in enumerate(market.providers)
    ]
