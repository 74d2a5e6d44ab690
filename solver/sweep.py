"""Sweeps over users' rationality: one labelled dataset per market, solved in one batch.

The result is an ``xarray.Dataset`` with the dimensions ``rationality`` and ``provider``, units in the attributes, so that
``dataset.price_of_anarchy.plot()`` or ``dataset.sel(rationality=1000, method="nearest")`` just work.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key, PRNGKeyArray

from games.auction import SecondScoreAuction
from games.errors import InputError
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.users import Users
from solver import batch
from solver.compile import compiled
from solver.lattice import DEFAULT_TOLERANCE

if TYPE_CHECKING:
    import xarray as xr

DOLLARS = "dollars per query"
MARKETS_PER_CALL = 256


def sweep(
    market: Market,
    users: Users,
    rationality: ArrayLike | Sequence[ArrayLike],
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    key: PRNGKeyArray | None = None,
    name: str = "",
    progress: Callable[[int], None] | None = None,
) -> "xr.Dataset":
    """Solve one market at many β: optimum, all equilibria, the paper's dynamics, and the auction beside them.

    Args:
        market: the providers.
        users: one segment; its own rationality is replaced.
        rationality: β, per dollar, one-dimensional.
        tolerance: relative gain below which a deviation does not count.
        key: random key of the dynamics' move order; a fixed one by default.
        name: written into the dataset's attributes.
        progress: called with the number of markets finished since the last call.

    Returns:
        Variables over ``rationality``: ``optimal_welfare``, ``worst_welfare``, ``best_welfare``,
        ``num_equilibria``, ``complete``, ``max_regret``, ``price_of_anarchy``, ``price_of_stability``,
        ``dynamics_welfare``, ``welfare_ratio`` (at the profile the paper's dynamics reach), ``user_value``, ``profit``
        and ``consumer_surplus`` of the worst equilibrium, ``auction_user_value``, ``auction_profit``,
        ``auction_welfare``; over ``rationality, provider``: ``worst_level``, ``best_level``, ``optimal_level``,
        ``dynamics_level`` (indices), ``share`` and ``provider_profit`` (worst equilibrium).

    Raises:
        InputError: several segments, or a rationality that is negative or not finite.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/majority")
        >>> result = sweep(scenario.market, scenario.users, [200, 1000])
        >>> result.optimal_welfare.round(5).values.tolist()
        [0.00636, 0.00689]
    """
    import xarray as xr

    beta = np.atleast_1d(np.asarray(rationality, float))
    if beta.ndim != 1 or not np.all(np.isfinite(beta) & (beta >= 0)):
        raise InputError(f"sweep: rationality must be one-dimensional, finite and not negative, got {rationality}")
    if users.num_segments != 1:
        raise InputError("sweep: needs one segment of users; sweep each segment on its own")
    game = PayPerCompute(market, users)
    keys = jax.random.split(jax.random.key(0) if key is None else key, len(beta))
    parts = []
    for start in range(0, len(beta), MARKETS_PER_CALL):
        # Every block has the size of the first, so that nothing is compiled twice; surplus rows repeat the last.
        rows = np.minimum(np.arange(start, start + min(MARKETS_PER_CALL, len(beta))), len(beta) - 1)
        solved = _solve_block(game, jnp.asarray(beta[rows]), keys[rows], tolerance)
        count = min(len(rows), len(beta) - start)
        parts.append({variable: values[:count] for variable, values in solved.items()})
        if progress is not None:
            progress(count)
    columns = {variable: np.concatenate([part[variable] for part in parts]) for variable in parts[0]}
    columns |= _auction_columns(game, len(beta))
    data = {
        variable: (("rationality", "provider")[: values.ndim], values, {"units": UNITS[variable]})
        for variable, values in columns.items()
    }
    coords = {
        "rationality": ("rationality", beta, {"units": "per dollar", "long_name": "users' rationality β"}),
        "provider": list(market.providers),
    }
    attributes = {"name": name, "value_per_correct": float(users.value_per_correct[0]), "tolerance": tolerance}
    return xr.Dataset(data, coords, attributes)


UNITS = {
    "optimal_welfare": DOLLARS,
    "worst_welfare": DOLLARS,
    "best_welfare": DOLLARS,
    "dynamics_welfare": DOLLARS,
    "user_value": DOLLARS,
    "profit": DOLLARS,
    "consumer_surplus": DOLLARS,
    "provider_profit": DOLLARS,
    "auction_user_value": DOLLARS,
    "auction_profit": DOLLARS,
    "auction_welfare": DOLLARS,
    "num_equilibria": "1",
    "complete": "1",
    "max_regret": "fraction of payoff",
    "price_of_anarchy": "1",
    "price_of_stability": "1",
    "welfare_ratio": "1",
    "share": "fraction of queries",
    "worst_level": "index of level",
    "best_level": "index of level",
    "optimal_level": "index of level",
    "dynamics_level": "index of level",
}


def combine(datasets: Sequence["xr.Dataset"], names: Sequence[str]) -> "xr.Dataset":
    """Several sweeps over the same rationality as one dataset with a dimension ``scenario``.

    Providers that a scenario lacks hold NaN there (levels become floats for that reason).
    """
    import pandas as pd
    import xarray as xr

    return xr.concat(datasets, pd.Index(list(names), name="scenario"), join="outer", combine_attrs="drop_conflicts")


def _solve_block(
    game: PayPerCompute, rationality: Float[Array, " batch"], keys: Key[Array, " batch"], tolerance: float
) -> dict[str, np.ndarray]:
    games = batch.rationality_grid(game, rationality)
    optimal, optimal_welfare = (np.asarray(x) for x in batch.optima(games))
    found = batch.equilibria(games, tolerance=tolerance)
    played = batch.dynamics(games, keys)
    user_value, consumer_surplus, share, provider_profit = _accounts(games, jnp.asarray(found.worst))
    dynamics_welfare = np.asarray(batch.welfare(games, played.profile))
    return {
        "optimal_welfare": optimal_welfare,
        "worst_welfare": found.worst_welfare,
        "best_welfare": found.best_welfare,
        "dynamics_welfare": dynamics_welfare,
        "num_equilibria": found.num_equilibria,
        "complete": found.complete,
        "max_regret": found.max_regret,
        "price_of_anarchy": welfare_ratios(optimal_welfare, found.worst_welfare),
        "price_of_stability": welfare_ratios(optimal_welfare, found.best_welfare),
        "welfare_ratio": welfare_ratios(optimal_welfare, dynamics_welfare),
        "user_value": np.asarray(user_value),
        "profit": np.asarray(provider_profit.sum(axis=1)),
        "consumer_surplus": np.asarray(consumer_surplus),
        "worst_level": found.worst,
        "best_level": found.best,
        "optimal_level": optimal,
        "dynamics_level": np.asarray(played.profile),
        "share": np.asarray(share),
        "provider_profit": np.asarray(provider_profit),
    }


def welfare_ratios(optimum: np.ndarray, welfare: np.ndarray) -> np.ndarray:
    """``solver.efficiency.welfare_ratio`` for arrays: inf where no welfare is left, nan where undefined."""
    ratio = np.divide(optimum, welfare, out=np.full(np.shape(optimum), np.inf), where=welfare > 0)
    return np.where(optimum > 0, ratio, np.nan)


@compiled
def _accounts(games: PayPerCompute, profiles: Int[Array, "batch providers"]):
    def one(game: PayPerCompute, profile: Int[Array, " providers"]):
        value, surplus = game.expected_user_value(profile), game.consumer_surplus(profile)
        return value, surplus, game.shares(profile)[0], game.payoffs(profile)

    return jax.vmap(one)(games, profiles)


def _auction_columns(game: PayPerCompute, size: int) -> dict[str, np.ndarray]:
    """The auction does not depend on β: the same number in every row."""
    reserve = None if game.market.num_providers > 1 else game.users.outside_value
    outcome = SecondScoreAuction(game.market, game.users, reserve=reserve).outcome()
    return {
        "auction_user_value": np.full(size, float(outcome.user_value[0])),
        "auction_profit": np.full(size, float(outcome.winner_profit[0])),
        "auction_welfare": np.full(size, float(outcome.welfare[0])),
    }
