"""The tables of the sweep over β."""

from collections.abc import Sequence

from solver.report.result import Result
from solver.report.tables import BETA, PROVIDER, SCENARIO, Column, Table

SWEPT = {
    "num_equilibria": "plain",
    "complete": "text",
    "max_regret": "tiny",
    "optimal_welfare": "money",
    "worst_welfare": "money",
    "best_welfare": "money",
    "dynamics_welfare": "money",
    "price_of_anarchy": "ratio",
    "price_of_stability": "ratio",
    "welfare_ratio": "ratio",
    "user_value": "money",
    "profit": "money",
    "consumer_surplus": "money",
    "auction_user_value": "money",
    "auction_profit": "money",
    "auction_welfare": "money",
}


def swept(results: Sequence[Result]) -> Table:
    """One row per market and swept β."""
    columns = (SCENARIO, BETA, *(Column(name, name, kind) for name, kind in SWEPT.items()))
    rows = []
    for result in results:
        columns_of = {name: result.sweep[name].values.tolist() for name in ("rationality", *SWEPT)}
        for b in range(len(columns_of["rationality"])):
            rows.append({"scenario": result.name} | {name: values[b] for name, values in columns_of.items()})
    return Table("sweep", "Every market at every swept β", columns, tuple(rows))


def swept_shares(results: Sequence[Result]) -> Table:
    """One row per market, swept β and provider: level and share in the worst equilibrium, level at the optimum."""
    columns = (
        SCENARIO,
        BETA,
        PROVIDER,
        Column("worst_level", "Level in the worst equilibrium"),
        Column("optimal_level", "Level at the optimum"),
        Column("share", "Share", "percent"),
        Column("profit", "Profit", "money"),
    )
    rows = []
    for result in results:
        swept, labels = result.sweep, result.scenario.market.level_labels
        worst, optimal = swept.worst_level_index.values.tolist(), swept.optimal_level_index.values.tolist()
        share, profit = swept.share.values.tolist(), swept.provider_profit.values.tolist()
        for b, beta in enumerate(swept.rationality.values.tolist()):
            for i, name in enumerate(result.scenario.market.providers):
                rows.append(
                    {
                        "scenario": result.name,
                        "rationality": beta,
                        "provider": name,
                        "worst_level": None if worst[b][i] < 0 else labels[i][worst[b][i]],
                        "optimal_level": labels[i][optimal[b][i]],
                        "share": share[b][i],
                        "profit": profit[b][i],
                    }
                )
    return Table("sweep_providers", "Every provider at every swept β", columns, tuple(rows))
