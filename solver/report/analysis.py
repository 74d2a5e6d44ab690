"""The numbers of the report: every market solved at a few β in full, swept over many, and played round by round."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from games.errors import InputError
from games.pay_per_compute import PayPerCompute
from games.scenarios import Scenario
from solver.best_response import paper_dynamics
from solver.compile import compiled
from solver.efficiency import efficiency
from solver.mechanisms.outcome import Mechanism
from solver.report.learning import Shape, continuous, learned
from solver.report.mechanisms import compared
from solver.report.result import Dynamics, Result, Solved, Verdict
from solver.report.style import MAX_HIGHLIGHTED
from solver.report.tornado import Tornado, tornado
from solver.sweep import sweep

MAX_LISTED = 100
MAX_ROUNDS = 40


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
        **vars(solved),
        dynamics=dynamics,
        learned=learner,
        continuous=smooth,
        mechanisms=side_by_side,
        tornado=moved,
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
