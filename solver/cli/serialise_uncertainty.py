"""JSON of the command ``uncertainty``."""

from typing import TYPE_CHECKING, Any

import numpy as np

from games.scenarios import Scenario
from solver.cli.serialise import Document, by_provider, market_fields, new_document

if TYPE_CHECKING:
    from solver import Bootstrap, SampleValue

FIGURES = ("welfare", "user_value", "consumer_surplus", "profit", "optimal_welfare")
RATIOS = ("price_of_anarchy", "price_of_stability")
AUCTION = ("auction_price", "auction_user_value", "auction_profit", "auction_welfare")


def uncertainty_document(
    scenario: Scenario,
    rationality: np.ndarray,
    result: "Bootstrap",
    worth: "SampleValue | None",
    settings: dict[str, Any],
) -> Document:
    """JSON of ``ttc-games uncertainty``; figures of the worst equilibrium where a market has several."""
    intervals = result.intervals(level=settings["confidence"]).sel(equilibrium="worst")
    estimate, chances = result.estimate.sel(equilibrium="worst"), result.probabilities().sel(equilibrium="worst")
    rows = [
        {
            "rationality": float(beta),
            **{name: _figure(estimate[name], intervals[name], b) for name in (*FIGURES, *RATIOS)},
            "shares": {
                provider: _figure(estimate.share[:, i], intervals.share[:, i], b)
                for i, provider in enumerate(scenario.market.providers)
            },
            "over_computes": by_provider(scenario, chances.over_computes.values[b].tolist()),
            "is_equilibrium": float(chances.is_equilibrium[b]),
            "users_lose": float(chances.users_lose[b]),
            "several_equilibria": float(chances.several_equilibria[b]),
        }
        for b, beta in enumerate(rationality)
    ]
    auction = {name.removeprefix("auction_"): _figure(estimate[name], intervals[name]) for name in AUCTION}
    return new_document(
        "uncertainty",
        market_fields(scenario)
        | settings
        | {
            "num_dropped": result.num_dropped,
            "results": rows,
            "auction": auction,
            "wins": by_provider(scenario, chances.wins.values.tolist()),
            "no_sale": float(chances.no_sale),
            "more_samples": None if worth is None else _worth(worth),
            "notes": list(result.notes),
        },
    )


def _figure(estimate: Any, interval: Any, at: int | None = None) -> Document:
    """A measured value and the ends of its interval."""
    value, ends = (x.values if at is None else x.values[at] for x in (estimate, interval))
    return {"measured": float(value), "interval": [float(end) for end in ends]}


def _worth(worth: "SampleValue") -> Document:
    table = worth.table
    names = table.provider.values.tolist()
    columns = ("avoided_loss", "wrong_winner_after", "cost")
    return {
        "num_questions": int(table.attrs["num_questions"]),
        "winner": worth.winner,
        "expected_loss": worth.expected_loss,
        "wrong_winner": worth.wrong_winner,
        "next_provider": worth.next_provider,
        "asked": [
            {"provider": name, **{column: float(table[column].values[i]) for column in columns}}
            for i, name in enumerate(names)
        ],
    }
