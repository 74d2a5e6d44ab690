"""JSON of ``learn``, ``continuous`` and ``sensitivity``; see ``solver.cli.serialise``."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from solver.cli.serialise import Document, by_provider, market_fields, new_document

if TYPE_CHECKING:
    from games import Scenario
    from solver import ContinuousEquilibria, ProvisionRow
    from solver.cli.continuous_commands import Slope
    from solver.cli.plays import Outcome, Play


def learn_document(scenario: "Scenario", play: "Play", rationality: float, seed: int | None, rounds: int) -> Document:
    """JSON of ``ttc-games learn``."""
    from solver import welfare_ratio

    curve = play.curve
    content = {
        "rationality": rationality,
        "method": play.method,
        "seed": seed,
        "rounds": rounds,
        "num_steps": play.num_steps,
        "explanation": play.explanation,
        "optimal_welfare": play.optimal_welfare,
        "outcomes": [
            _outcome(scenario, play, outcome) | {"welfare_ratio": welfare_ratio(play.optimal_welfare, outcome.welfare)}
            for outcome in play.outcomes
        ],
        "curve": {
            play.axis: curve.steps.tolist(),
            "tokens": {name: curve.tokens[:, i].tolist() for i, name in enumerate(scenario.market.providers)},
            "welfare": curve.welfare.tolist(),
            "last_regret": curve.last_regret.max(axis=1).tolist(),
            "average_regret": curve.average_regret.max(axis=1).tolist(),
        },
    }
    return new_document("learn", market_fields(scenario) | content)


def _outcome(scenario: "Scenario", play: "Play", outcome: "Outcome") -> Document:
    found: Document = {
        "name": outcome.name,
        "is_equilibrium": outcome.is_equilibrium,
        "max_regret": outcome.max_regret,
        "tolerance": outcome.tolerance,
        "welfare": outcome.welfare,
        "tokens": by_provider(scenario, outcome.tokens),
    }
    if not play.continuous:
        found["probabilities"] = {
            name: dict(zip(labels, row[: len(labels)], strict=True))
            for name, labels, row in zip(
                scenario.market.providers, scenario.market.level_labels, outcome.profile.tolist(), strict=True
            )
        }
    return found


def continuous_document(
    scenario: "Scenario",
    rationality: float,
    found: "ContinuousEquilibria",
    discrete: Document,
    rows: "list[Document]",
    provision: "tuple[ProvisionRow, ...]",
    optimal_welfare: float,
) -> Document:
    """JSON of ``ttc-games continuous``."""
    content = {
        "rationality": rationality,
        "equilibria": rows,
        "complete": found.complete,
        "reason": found.reason,
        "skipped": found.skipped,
        "tolerance": found.tolerance,
        "optimal_welfare": optimal_welfare,
        "discrete": discrete,
        "provision": [asdict(row) | {"verdict": row.verdict} for row in provision],
    }
    return new_document("continuous", market_fields(scenario) | content)


def sensitivity_document(scenario: "Scenario", rationality: float, slope: "Slope") -> Document:
    """JSON of ``ttc-games sensitivity``."""
    found = slope.found
    content = {
        "rationality": rationality,
        "wrt": slope.wrt,
        "at": slope.at,
        "unique": slope.unique,
        "regularity": slope.regularity,
        "explanation": found.describe(),
        "conditioning": float(found.conditioning),
        "held": by_provider(scenario, found.held),
        "values": _outcomes(scenario, found.values),
        "derivatives": _outcomes(scenario, found.derivatives),
    }
    return new_document("sensitivity", market_fields(scenario) | content)


def _outcomes(scenario: "Scenario", arrays: Document) -> Document:
    return {
        "log_compute": by_provider(scenario, arrays["log_compute"]),
        "shares": by_provider(scenario, arrays["shares"][0]),
        "profits": by_provider(scenario, arrays["payoffs"]),
        "welfare": float(arrays["welfare"]),
        "user_value": float(arrays["user_value"]),
    }
