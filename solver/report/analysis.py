"""The numbers of the report: every market solved at a few β in full, swept over many, and played round by round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int

from games.errors import InputError
from games.pay_per_compute import PayPerCompute
from games.scenarios import Scenario
from solver.best_response import paper_dynamics
from solver.compile import compiled
from solver.efficiency import Efficiency, LedgerRow, efficiency
from solver.mechanisms.outcome import Mechanism
from solver.report.learning import Continuous, Learned, Shape, continuous, learned
from solver.report.mechanisms import compared
from solver.report.style import MAX_HIGHLIGHTED
from solver.report.tornado import Tornado, tornado
from solver.sweep import sweep

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MARKET_OPTIMUM = "market optimum"
NO_HARM = "auction, no-harm reserve"
MAX_LISTED = 100
MAX_ROUNDS = 40


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
        """The ledger's row of the auction (without a reserve where there are two providers or more)."""
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
class Result:
    """Everything the report says about one market.

    Args:
        scenario: the market and its users.
        verdicts: one for each β of the tables.
        focus: index of the verdict that figures and sentences use.
        sweep: dataset of ``solver.sweep``.
        dynamics: the paper's dynamics at the focus.
        learned: a no-regret learner at the focus.
        continuous: equilibria of continuous compute at the focus.
        mechanisms: table of ``solver.compare`` at the β of the tables.
        tornado: what becomes of the market if its inputs move, at the focus.
        highlighted: indices of the providers with a colour of their own in the figures, by peak share.
    """

    scenario: Scenario
    verdicts: tuple[Verdict, ...]
    focus: int
    sweep: "xr.Dataset"
    dynamics: Dynamics
    learned: Learned
    continuous: Continuous
    mechanisms: "pd.DataFrame"
    tornado: Tornado
    highlighted: tuple[int, ...]

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.scenario.name

    @property
    def verdict(self) -> Verdict:
        """The verdict at the focus."""
        return self.verdicts[self.focus]

    def per_query(self, of_segments: ArrayLike) -> np.ndarray:
        """Average over all queries of what differs between segments: ``[segments, ...]`` to ``[...]``.

        Args:
            of_segments: for example ``scenario.game().user_value``.
        """
        values, weight = np.asarray(of_segments), np.asarray(self.scenario.users.weight)
        return np.asarray(values[0] if len(weight) == 1 else np.tensordot(weight, values, axes=1))


def check_scenarios(
    scenarios: Sequence[Scenario],
    rationality: Sequence[float | int] | np.ndarray,
    sweep_rationality: Sequence[float | int] | np.ndarray,
) -> tuple[tuple[float, ...], np.ndarray]:
    """Refuse, before anything is computed, what the report cannot show; the two β lists, sorted and without doubles.

    Raises:
        InputError: no scenario, two of one name, a single provider whose users must buy, or an unusable β.
    """
    if not scenarios:
        raise InputError("report: no scenario; name at least one")
    names = [scenario.name for scenario in scenarios]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"report: scenario {name!r} is listed twice; give each its own name")
    for scenario in scenarios:
        scenario.game()  # refuses levels that earn nothing
        if scenario.market.num_providers == 1 and np.isinf(np.asarray(scenario.users.outside_value)).any():
            raise InputError(
                f"report: scenario {scenario.name!r} has one provider and users who must buy (outside value -inf): nothing "
                "bounds the auction's price; give a second provider or a finite outside value"
            )
    grids = []
    for field, values in (("rationality", rationality), ("sweep_rationality", sweep_rationality)):
        beta = np.unique(np.asarray(values, float).ravel())
        if not beta.size or not np.all(np.isfinite(beta) & (beta > 0)):
            raise InputError(f"report: {field} is {np.asarray(values)}; it must hold positive, finite numbers")
        grids.append(beta)
    return tuple(grids[0].tolist()), grids[1]


def solve(
    scenario: Scenario, rationality: Sequence[float], sweep_rationality: np.ndarray, step: Callable[[str], None]
) -> Solved:
    """Find the equilibria of one market; ``step`` is called after each part with its name.

    Args:
        scenario: the market.
        rationality: β of the tables.
        sweep_rationality: β of the sweep.
        step: called with a text.
    """
    verdicts = []
    for beta in rationality:
        verdicts.append(_verdict(scenario, beta))
        step(f"{scenario.name}: equilibria at β = {beta:g}")
    swept = sweep(scenario.market, scenario.users, sweep_rationality, name=scenario.name)
    step(f"{scenario.name}: sweep")
    own = float(scenario.users.mean_rationality)
    # The tabled β nearest to the scenario's own, on the logarithmic scale on which β is swept.
    focus = int(np.argmin(np.abs(np.log(rationality) - np.log(own)))) if own > 0 else 0
    # Where there is no equilibrium shares are NaN; where there is none at all, the optimum decides.
    peak = np.fmax(np.fmax.reduce(swept.share.values, axis=0), verdicts[focus].shares)
    peak = np.where(np.isfinite(peak), peak, verdicts[focus].optimum_shares)
    top = np.argsort(-peak, kind="stable")[:MAX_HIGHLIGHTED]
    return Solved(scenario, tuple(verdicts), focus, swept, tuple(sorted(top.tolist())))


def analyse(solved: Solved, step: Callable[[str], None], shape: Shape, shelf: Sequence[Mechanism]) -> Result:
    """Everything else that the report shows of a market; ``step`` is called after each part with its name.

    Args:
        solved: the market with its equilibria.
        step: called with a text.
        shape: from ``solver.report.learning.common_shape`` of all markets of the report.
        shelf: mechanisms to compare, the first the one that the others are set against.
    """
    scenario, beta = solved.scenario, solved.verdict.rationality
    dynamics = _dynamics(scenario, beta)
    step(f"{scenario.name}: dynamics")
    learner = learned(scenario, beta, shape)
    step(f"{scenario.name}: learning")
    smooth = continuous(scenario, beta, shape)
    step(f"{scenario.name}: continuous compute")
    side_by_side = compared(scenario, [verdict.rationality for verdict in solved.verdicts], shelf, shape)
    step(f"{scenario.name}: mechanisms")
    moved = _moved(scenario, solved.verdict, solved.sweep.sizes["rationality"])
    step(f"{scenario.name}: sensitivity")
    return Result(
        scenario,
        solved.verdicts,
        solved.focus,
        solved.sweep,
        dynamics,
        learner,
        smooth,
        side_by_side,
        moved,
        solved.highlighted,
    )


def _moved(scenario: Scenario, verdict: Verdict, block: int) -> Tornado:
    """The market with its inputs moved, in blocks of the sweep's size, for which everything is compiled."""
    found = verdict.efficiency
    levels = found.equilibria.worst if verdict.has_equilibrium else found.optimum.profile
    return tornado(scenario, verdict.rationality, verdict.shares, np.asarray(levels), block)


def _verdict(scenario: Scenario, beta: float) -> Verdict:
    game = scenario.game(beta)
    found = efficiency(game)
    listed = found.equilibria.profiles[:MAX_LISTED]
    # The optimum last, and padded to a power of two, so that lists of different length share one compiled function.
    rows = jnp.concatenate([listed, found.optimum.profile[None]])
    padded = jnp.pad(rows, ((0, (1 << (len(rows) - 1).bit_length()) - len(rows)), (0, 0)))
    shares, profits, outside, users = (np.asarray(x)[: len(rows)] for x in _states(game, padded))
    nothing = np.full(users.shape[1], np.nan)
    return Verdict(
        scenario.name,
        beta,
        found,
        np.asarray(game.users.rationality),
        shares[:-1],
        profits[:-1],
        float(outside[0]) if len(listed) else float("nan"),
        shares[-1],
        users[0] if len(listed) else nothing,
        users[-1],
        np.asarray(found.auction.user_value),
    )


def _dynamics(scenario: Scenario, beta: float) -> Dynamics:
    game = scenario.game(beta)
    # With several segments play need not end; enough rounds to see that.
    several = game.users.num_segments > 1
    played = paper_dynamics(game, key=jax.random.key(0), record=True, max_rounds=MAX_ROUNDS if several else 1000)
    assert played.trajectory is not None
    shares, log_potential = (np.asarray(x) for x in _path(game, played.trajectory))
    kept = slice(0, int(played.num_rounds) + 1)
    profiles = np.asarray(played.trajectory)[kept]
    tokens = np.asarray(scenario.market.tokens)[np.arange(profiles.shape[1]), profiles]
    return Dynamics(beta, profiles, tokens, shares[kept], log_potential[kept], played.describe(), played.converged)


@compiled
def _states(game: PayPerCompute, profiles: Int[Array, "rows providers"]) -> tuple[Array, Array, Array, Array]:
    """Shares of all queries, profits, the unserved share, and what each segment's users get, at every profile."""

    def one(profile: Int[Array, " providers"]) -> tuple[Array, Array, Array, Array]:
        unserved = game.segment_weight @ game.outside_share(profile)
        return _shares(game, profile), game.payoffs(profile), unserved, game.segment_user_value(profile)

    return jax.vmap(one)(profiles)


@compiled
def _path(game: PayPerCompute, profiles: Int[Array, "rounds providers"]) -> tuple[Array, Array]:
    def one(profile: Int[Array, " providers"]) -> tuple[Array, Array]:
        several = game.users.num_segments > 1
        return _shares(game, profile), jnp.array(jnp.nan) if several else game.log_potential(profile)

    return jax.vmap(one)(profiles)


def _shares(game: PayPerCompute, profile: Int[Array, " providers"]) -> Array:
    """Share of all queries that each provider serves."""
    return game.segment_weight @ game.shares(profile)
