"""The bundled markets: twelve real models on three benchmarks, with the parameters of the published tables.

A scenario is named ``<benchmark>/<method>``. Curves and prices: the public notebooks and figures of "Test-Time Compute
Games" (arXiv 2601.21839); provenance, precision and licence stand in ``games/data/README.md``. The scenarios of commercial
models, ``frontier/<benchmark>``, are a group of their own: see ``games.frontier``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import pandas as pd

from games import frontier
from games.errors import InputError, unknown_name
from games.market import DEFAULT_MARGIN, Market
from games.pay_per_compute import PayPerCompute
from games.tables import ALL_METHODS, market_from_frames, read_table
from games.users import Users, Values

VALUE_PER_CORRECT = {"GSM8K": 0.008, "AIME": 0.05, "GPQA": 0.02}
METHODS = ("majority", "best_of_n", "reasoning_effort")
PUBLISHED_RATIONALITY = (200.0, 1000.0, 100000.0)
DEFAULT_RATIONALITY = 1000.0


@dataclass(frozen=True)
class Scenario:
    """A named market with the users it was published with.

    Args:
        name: ``<benchmark>/<method>``, or ``frontier/<benchmark>``.
        market: the providers.
        users: linear value, baseline 0.1, outside value 0, and the benchmark's dollars per correct answer.
        source: where the numbers come from; may be left out.
        segments: names of the user segments; by default ``segment 1``, ``segment 2`` and so on.

    Raises:
        InputError: names of segments that are not as many as the segments, or not distinct.
    """

    name: str
    market: Market
    users: Users
    source: str = ""
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.segments and len(set(self.segments)) != self.users.num_segments:
            raise InputError(
                f"scenario {self.name!r}: segments are called {list(self.segments)}; give each of "
                f"{self.users.num_segments} its own name, or none a name"
            )

    @property
    def segment_names(self) -> tuple[str, ...]:
        """One name for each user segment.

        Example:
            >>> load_scenario("GSM8K/majority").segment_names
            ('segment 1',)
        """
        return self.segments or tuple(f"segment {s + 1}" for s in range(self.users.num_segments))

    def game(self, rationality: Values | None = None) -> PayPerCompute:
        """The pay-per-compute game of this market at users' rationality β (per dollar); by default the users' own.

        Of several segments one number is the weighted geometric mean of their β; see ``Users.with_rationality``.
        """
        users = self.users if rationality is None else self.users.with_rationality(rationality)
        return PayPerCompute(self.market, users)


def scenario_names() -> tuple[str, ...]:
    """Names of the paper's markets, the nine published ones first; ``frontier_names`` lists those of commercial models.

    Example:
        >>> len(scenario_names())
        12
    """
    published = [f"{benchmark}/{method}" for benchmark in VALUE_PER_CORRECT for method in METHODS]
    return (*published, *(f"{benchmark}/{ALL_METHODS}" for benchmark in VALUE_PER_CORRECT))


def load_scenario(name: str, *, margin: float = DEFAULT_MARGIN, value_per_correct: float | None = None) -> Scenario:
    """Load a bundled market.

    Args:
        name: one of ``scenario_names()``: benchmark GSM8K, AIME or GPQA; method majority or best_of_n (nine instruct
            models, 1 to 64 samples), reasoning_effort (three reasoning models, five efforts), or all (twelve
            providers, each choosing method and level). Or one of ``frontier_names()``: commercial models.
        margin: price / cost − 1; published with 0.25.
        value_per_correct: dollars that a correct answer is worth to users; by default the published value, and for
            commercial models the median price of one more correct answer, see ``games.price_of_accuracy``.

    Raises:
        InputError: no such scenario; the text suggests the nearest name.

    Example:
        >>> load_scenario("AIME/all").market.num_providers
        12
    """
    if name in frontier.frontier_names():
        default = frontier.FRONTIER_VALUE_PER_CORRECT[name.removeprefix(frontier.PREFIX)]
        users = Users(default if value_per_correct is None else value_per_correct, DEFAULT_RATIONALITY)
        return Scenario(name, frontier.frontier_market(name, margin=margin), users, frontier.frontier_source(name))
    if name not in scenario_names():
        raise unknown_name("scenario", name, (*scenario_names(), *frontier.frontier_names()))
    benchmark, method = name.split("/")
    market = market_from_frames(
        _data("curves"),
        _data("prices"),
        margin=margin,
        benchmark=benchmark,
        method=method,
        prices_name="prices.csv",
    )
    value = VALUE_PER_CORRECT[benchmark] if value_per_correct is None else value_per_correct
    users = Users(value, DEFAULT_RATIONALITY)
    return Scenario(name, market, users, source="arXiv 2601.21839, public notebooks and figures")


def published_table(kind: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The printed results of the paper's notebooks: ``"market"`` (18 rows) or ``"auction"`` (6 rows).

    Money is in dollars per query, rounded to 5 decimals.

    Args:
        kind: which of the two.
        columns: which columns, all by default.

    Raises:
        InputError: no such table.

    Example:
        >>> published_table("auction", ["benchmark", "winner"]).head(1).values.tolist()
        [['GSM8K', 'Qwen2.5-7B']]
    """
    if kind not in ("market", "auction"):
        raise unknown_name("published table", kind, ("market", "auction"))
    table = _data(f"published_{kind}")
    return table.copy() if columns is None else table[list(columns)].copy()


@cache
def _data(name: str) -> pd.DataFrame:
    with as_file(files("games") / "data" / f"{name}.csv") as path:
        return read_table(path)
