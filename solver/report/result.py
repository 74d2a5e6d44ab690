"""What the report knows of one market: records that ``solver.report.analysis`` fills and everything else reads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import ArrayLike

from games.scenarios import Scenario
from solver.efficiency import Efficiency, LedgerRow
from solver.report.learning import Continuous, Learned
from solver.report.tornado import Tornado

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MARKET_OPTIMUM = "market optimum"
NO_HARM = "auction, no-harm reserve"


@dataclass(frozen=True)
class Verdict:
    """One market at one β.

    Args:
        scenario: name of the market.
        rationality: β, per dollar.
        efficiency: equilibria, optimum, auction, provision and ledger.
        segment_rationality: β of every user segment, ``[segments]``; their weighted geometric mean is ``rationality``.
        equilibrium_shares: shares of all queries in the equilibria, lowest welfare first, ``[equilibria, providers]``; of
            very many equilibria, the ``MAX_LISTED`` first.
        equilibrium_profits: dollars per query, of the same shape.
        outside_share: share of queries that goes unserved in the worst equilibrium; NaN without one.
        optimum_shares: market shares in the welfare optimum, ``[providers]``.
        segment_market: what users of every segment get in the worst equilibrium, ``[segments]``; NaN without one.
        segment_optimum: what they get in the welfare optimum.
        segment_auction: what they get in the auction.
    """

    scenario: str
    rationality: float
    efficiency: Efficiency
    segment_rationality: np.ndarray
    equilibrium_shares: np.ndarray
    equilibrium_profits: np.ndarray
    outside_share: float
    optimum_shares: np.ndarray
    segment_market: np.ndarray
    segment_optimum: np.ndarray
    segment_auction: np.ndarray

    @property
    def has_equilibrium(self) -> bool:
        """Whether an equilibrium was found: always with one segment of users, perhaps not with several."""
        return len(self.efficiency.equilibria) > 0

    @property
    def shares(self) -> np.ndarray:
        """Market shares in the worst equilibrium; NaN without one."""
        if not self.has_equilibrium:
            return np.full(self.optimum_shares.shape, np.nan)
        return np.asarray(self.equilibrium_shares[0])

    @property
    def market(self) -> LedgerRow:
        """The ledger's row of the worst equilibrium; NaN without one."""
        return self.efficiency.ledger[0] if self.has_equilibrium else self._no_row("market equilibrium")

    @property
    def optimum(self) -> LedgerRow:
        """The ledger's row of the welfare optimum."""
        return next(row for row in self.efficiency.ledger if row.name == MARKET_OPTIMUM)

    @property
    def auction(self) -> LedgerRow:
        """The ledger's row of the auction with users' outside value as the reserve."""
        return next(row for row in self.efficiency.ledger if row.name.startswith("auction") and row.name != NO_HARM)

    @property
    def no_harm(self) -> LedgerRow:
        """The ledger's row of the auction with the no-harm reserve."""
        return next((row for row in self.efficiency.ledger if row.name == NO_HARM), self._no_row(NO_HARM))

    def _no_row(self, name: str) -> LedgerRow:
        nan = float("nan")
        return LedgerRow(name, nan, nan, nan, nan, nan, (nan,) * len(self.optimum_shares), ())

    @property
    def lost(self) -> float:
        """Part of the optimal welfare that the worst equilibrium loses; nan where the optimum is not positive."""
        optimum = float(self.efficiency.optimum.welfare)
        return 1 - self.market.welfare / optimum if optimum > 0 else float("nan")


@dataclass(frozen=True)
class Dynamics:
    """The paper's dynamics from the lowest levels, round by round.

    Args:
        rationality: β, per dollar.
        profiles: level of every provider, ``[rounds, providers]``, row 0 the start.
        tokens: mean output tokens per query there, ``[rounds, providers]``.
        shares: market shares, ``[rounds, providers]``.
        log_potential: Φ, ``[rounds]``; NaN with several user segments, which have none.
        text: how the play ended.
        settled: whether it ended in an equilibrium.
    """

    rationality: float
    profiles: np.ndarray
    tokens: np.ndarray
    shares: np.ndarray
    log_potential: np.ndarray
    text: str
    settled: bool = True

    @property
    def num_rounds(self) -> int:
        """Rounds played, the last one without a move included."""
        return len(self.profiles) - 1


@dataclass(frozen=True)
class Solved:
    """The equilibria of one market, from which the page's colours and its unit of money follow.

    Args:
        scenario: the market and its users.
        verdicts: one for each β of the tables.
        focus: index of the verdict that figures and sentences use.
        sweep: dataset of ``solver.sweep``.
        highlighted: indices of the providers with a colour of their own in the figures, by peak share.
    """

    scenario: Scenario
    verdicts: tuple[Verdict, ...]
    focus: int
    sweep: "xr.Dataset"
    highlighted: tuple[int, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict at the focus."""
        return self.verdicts[self.focus]


@dataclass(frozen=True)
class Result(Solved):
    """Everything the report says about one market: its equilibria, and what follows from them.

    Args:
        dynamics: the paper's dynamics at the focus.
        learned: a no-regret learner at the focus.
        continuous: equilibria of continuous compute at the focus.
        mechanisms: table of ``solver.compare`` at the β of the tables.
        tornado: what becomes of the market if its inputs move, at the focus.
    """

    dynamics: Dynamics
    learned: Learned
    continuous: Continuous
    mechanisms: "pd.DataFrame"
    tornado: Tornado

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.scenario.name

    def per_query(self, of_segments: ArrayLike) -> np.ndarray:
        """Average over all queries of what differs between segments: ``[segments, ...]`` to ``[...]``.

        Args:
            of_segments: for example ``scenario.game().user_value``.
        """
        values, weight = np.asarray(of_segments), np.asarray(self.scenario.users.weight)
        return np.asarray(values[0] if len(weight) == 1 else np.tensordot(weight, values, axes=1))
