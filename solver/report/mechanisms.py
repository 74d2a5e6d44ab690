"""The report's shelf of mechanisms, and what each does to one market.

Compiling costs more here than computing, so that small markets of a report are brought to one shape by silent providers,
as in ``solver.report.learning``. That is done only for mechanisms in which a provider whose best offer is far below all
others changes nothing: auctions by score and prices under logit demand, not routers, and not classes of your own.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from games.errors import InputError
from games.market import Market
from games.scenarios import Scenario
from games.users import Users
from solver.compare import NEGLIGIBLE, compare
from solver.mechanisms.outcome import Mechanism, Outcome
from solver.mechanisms.posted_price import PostedPrice
from solver.mechanisms.price_and_compute import PriceAndCompute
from solver.mechanisms.second_score import SecondScore
from solver.mechanisms.truthful_logit import TruthfulLogit
from solver.report.learning import MOST_LEVELS, MOST_PROVIDERS, SILENCE, Shape
from solver.result import Status

if TYPE_CHECKING:
    import pandas as pd

# What the others are set against comes first.
SHELF = (
    "pay-per-compute",
    "market-optimum",
    "second-score",
    "second-score-no-harm",
    "second-score-revenue-optimal",
    "posted-price",
    "price-and-compute",
    "truthful-logit",
)
# Levels set by a planner: something to measure by, which nobody can choose.
YARDSTICK = "market-optimum"
NOTHING = "no equilibrium found"
UNDEFINED = "not defined here"
# Silent providers sell at hardly more than cost, so that free prices cannot make them heard.
SILENT_MARGIN = 1 + 1e-6


@dataclasses.dataclass(frozen=True)
class Line:
    """One mechanism on one market at one β; money in dollars per query, NaN where there is no outcome.

    Args:
        name: of the mechanism.
        users: what users get.
        providers: profits of all providers.
        platform: what the platform keeps.
        welfare: the sum of the three.
        user_gain: what users get more than under the first mechanism.
        gaming: the most that a provider gains by leaving honest play; 0 if less than rounding.
        losers: who gets less than under the first mechanism.
        note: why there is no outcome, or what is odd about it.
    """

    name: str
    users: float
    providers: float
    platform: float
    welfare: float
    user_gain: float
    gaming: float
    losers: tuple[str, ...]
    note: str

    @property
    def exists(self) -> bool:
        """Whether the mechanism has an outcome."""
        return bool(np.isfinite(self.welfare))


def check_shelf(shelf: Sequence[Mechanism]) -> None:
    """Refuse, before anything is computed, what cannot be compared.

    Raises:
        InputError: no mechanism, or two of one name.
    """
    names = [one.name for one in shelf]
    if not names:
        raise InputError("report: no mechanism; give at least one")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"report: mechanism {name!r} is listed twice; give each once")


def compared(
    scenario: Scenario, rationality: Sequence[float], shelf: Sequence[Mechanism], shape: Shape
) -> "pd.DataFrame":
    """The table of ``solver.compare`` for one market.

    Args:
        scenario: the market.
        rationality: β of the tables.
        shelf: mechanisms, the first the one that the others are set against.
        shape: from ``solver.report.learning.common_shape`` of all markets of the report.
    """
    return compare([scenario], np.asarray(rationality), [_Shaped(one, shape) for one in shelf]).table


def lines(table: "pd.DataFrame", beta: float) -> list[Line]:
    """The rows of one β, in the order of the shelf."""
    found = []
    for row in table[table["rationality"] == beta].to_dict("records"):
        small = NEGLIGIBLE * max(abs(row["welfare"]), abs(row["user_value"]))
        gain = row["misreport_gain"]
        found.append(
            Line(
                row["mechanism"],
                row["user_value"],
                row["profits"],
                row["platform"],
                row["welfare"],
                _rounded(row["user_gain"], small),
                _rounded(gain, small),
                row["losers"],
                row["note"],
            )
        )
    return found


def in_order(table: "pd.DataFrame", beta: float) -> list[Line]:
    """The first mechanism, then the others from most to least welfare, then those without an outcome."""
    first, *others = lines(table, beta)
    there = [line for line in others if line.exists]
    # Auctions often create the same welfare up to rounding: what users get decides then.
    largest = max((abs(line.welfare) for line in there), default=0.0)
    digits = 9 - math.floor(math.log10(largest)) if largest > 0 else 0
    there.sort(key=lambda line: (-round(line.welfare, digits), -line.users))
    return [first, *there, *(line for line in others if not line.exists)]


def missing(line: Line) -> str:
    """Why a mechanism has no outcome, in two words."""
    return NOTHING if line.note in {status.text for status in Status} else UNDEFINED


def _rounded(value: float, small: float) -> float:
    return 0.0 if abs(value) <= small else value


@dataclasses.dataclass(frozen=True)
class _Shaped:
    """A mechanism played on the market with silent providers behind its own, which are then taken off again."""

    mechanism: Mechanism
    shape: Shape

    @property
    def name(self) -> str:
        return self.mechanism.name

    def outcome(self, market: Market, users: Users) -> Outcome:
        providers, levels = market.mask.shape
        fits = (
            1 < providers <= MOST_PROVIDERS
            and levels <= MOST_LEVELS
            and bool(np.all(np.asarray(users.rationality) > 0))
        )
        if not fits or (providers, levels) == self.shape or not _ignores_silent(self.mechanism):
            return self.mechanism.outcome(market, users)
        outcome = self.mechanism.outcome(_with_silent(market, users, self.shape), users)
        real = slice(0, providers)

        def per_provider(o: Outcome) -> tuple[Any, ...]:
            return (o.levels, o.allocation, o.price, o.tokens, o.profits, o.max_regret, o.misreport_gain)

        return eqx.tree_at(per_provider, outcome, tuple(values[..., real] for values in per_provider(outcome)))


def _ignores_silent(mechanism: Mechanism) -> bool:
    if isinstance(mechanism, PostedPrice):
        return mechanism.levels is None
    return isinstance(mechanism, SecondScore | PriceAndCompute | TruthfulLogit)


def _with_silent(market: Market, users: Users, shape: Shape) -> Market:
    """The market up to the shape; a silent provider offers e^−45 of the least that anybody else does."""
    missing = tuple((0, want - have) for want, have in zip(shape, market.mask.shape, strict=True))
    arrays = (market.accuracy, market.tokens, market.price, market.cost, market.mask)
    accuracy, tokens, price, cost, mask = (jnp.pad(x, missing) for x in arrays)
    quality = np.asarray(users.quality(market.accuracy))
    value = (quality - np.asarray(market.price))[:, np.asarray(market.mask)]
    outside = np.asarray(users.outside_value)
    least = min(float(value.min()), float(np.where(np.isfinite(outside), outside, np.inf).min()))
    worthless = float(np.asarray(users.quality(jnp.zeros_like(market.accuracy))).max())
    dear = worthless - least + SILENCE / float(np.asarray(users.rationality).min())
    silent = np.arange(shape[0]) >= market.num_providers
    return Market(
        accuracy,
        tokens.at[silent, 0].set(1.0),
        price.at[silent, 0].set(dear),
        cost.at[silent, 0].set(dear / SILENT_MARGIN),
        mask.at[silent, 0].set(True),
        (),
        (),
    )
