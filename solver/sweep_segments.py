"""The sweep over β of a market with several user segments, where neither order nor potential helps.

Up to ``solver.brute_force.MAX_PROFILES`` profiles every one is tried at every β: lists of equilibria are complete, optima
exact. Larger markets: best replies and coordinate ascent from many starts; the dataset says so for every β.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from games.auction import SecondScoreAuction
from games.base import require_double_precision
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.users import Users
from solver import batch
from solver.axes import make_axis
from solver.brute_force import MAX_PROFILES, check_profiles, num_profiles, profile_chunks
from solver.cells import Stages, welfare_ratios
from solver.equilibria import follow_starts, some_starts
from solver.grid import Grid
from solver.optimum import many_ascents, num_levels
from solver.regret import regret
from solver.result import Status

if TYPE_CHECKING:
    import xarray as xr


def sweep_segments(
    market: Market,
    users: Users,
    rationality: Any,
    *,
    tolerance: float,
    seed: int,
    name: str,
    progress: Callable[[int], object] | None,
) -> "xr.Dataset":
    """What ``solver.sweep`` returns, for several segments of users; see there for the arguments.

    Returns:
        The variables of ``solver.sweep``: money and shares are averages over all queries. Where no equilibrium was found
        ``num_equilibria`` is 0, levels are -1, and figures of the market NaN; ``welfare_ratio`` and ``dynamics_welfare``
        are NaN where the dynamics do not settle. ``optimum_exact`` says where the optimum is proved.
    """
    from solver.sweep import as_dataset, attributes

    require_double_precision("sweep")
    axis = make_axis("rationality", rationality, market, None, 0)
    grid, stages = Grid(market, users, ((axis,),), None, name), Stages()
    games = batch.rationality_grid(PayPerCompute(market, users), jnp.asarray(axis.values))
    arrays = segment_figures(PayPerCompute(market, users).anonymous(), games, tolerance)
    exact = arrays.pop("optimum_exact")
    arrays |= _dynamics(games, seed) | _auctions_of(games)
    for ratio, of in (
        ("price_of_anarchy", "worst_welfare"),
        ("price_of_stability", "best_welfare"),
        ("welfare_ratio", "dynamics_welfare"),
    ):
        values = welfare_ratios(arrays["optimal_welfare"], arrays[of])
        arrays[ratio] = np.where(np.isnan(arrays[of]), np.nan, values)
    described = attributes(grid, stages, tolerance, seed)
    described |= {name: np.asarray(getattr(users, name)).tolist() for name in ("value_per_correct", "weight")}
    described["relative_rationality"] = np.asarray(users.relative_rationality).tolist()
    data = as_dataset(grid, arrays, stages, described)
    if progress is not None:
        progress(len(axis.values))
    return data.assign(optimum_exact=("rationality", exact, {"units": "1"}))


def segment_figures(game: PayPerCompute, games: PayPerCompute, tolerance: float) -> dict[str, np.ndarray]:
    """Optimum and equilibria of a batch of markets with several segments each, by the names of ``solver.cells.UNITS``.

    Args:
        game: one of the markets, which says what levels there are; all have the same.
        games: the markets.
        tolerance: relative gain below which a deviation does not count.
    """
    size = games.users.rationality.shape[0]
    small = num_profiles(game) <= MAX_PROFILES
    if small:
        found, optima = _every_profile(game, games, tolerance)
        exact = np.ones(size, bool)
    else:
        found, optima, exact = _many_starts(game, games, tolerance)
    welfare = np.asarray(batch.welfare(games, jnp.asarray(optima)))
    optimum = {"optimal_level_index": optima, "optimal_welfare": welfare, "optimum_exact": exact}
    return optimum | _equilibria(games, found) | {"complete": np.full(size, small)}


def _every_profile(game: PayPerCompute, games: PayPerCompute, tolerance: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Equilibria of every market, and the optimum, by trying all profiles."""
    size = games.users.rationality.shape[0]
    stable_in: list[list[np.ndarray]] = [[] for _ in range(size)]
    best, optima = np.full(size, -np.inf), np.zeros((size, game.market.num_providers), int)
    for profiles, real in profile_chunks(game):
        stable, welfare = (np.asarray(x) for x in _check_all(games, jnp.asarray(profiles), jnp.asarray(tolerance)))
        top = np.argmax(np.where(real, welfare, -np.inf), axis=1)
        better = welfare[np.arange(size), top] > best
        best = np.where(better, welfare[np.arange(size), top], best)
        optima[better] = profiles[top[better]]
        for b in np.flatnonzero((stable & real).any(axis=1)):
            stable_in[b].append(profiles[stable[b] & real])
    empty = np.zeros((0, game.market.num_providers), int)
    return [np.concatenate([empty, *parts]) for parts in stable_in], optima


def _many_starts(
    game: PayPerCompute, games: PayPerCompute, tolerance: float
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Equilibria that best replies reach, the best profile that ascent reaches, and whether a bound proves it."""
    ends, settled = (np.asarray(x) for x in _follow_all(games, some_starts(game), jnp.asarray(tolerance)))
    found = [np.unique(rows[ok], axis=0) for rows, ok in zip(ends, settled, strict=True)]
    profiles, welfare, bound = (np.asarray(x) for x in _ascend_all(games, num_levels(game)))
    return found, profiles, (bound > 0) & (welfare >= bound * (1 - 1e-14))


@eqx.filter_jit
def _check_all(
    games: PayPerCompute, profiles: Int[Array, "chunk providers"], tolerance: Float[Array, ""]
) -> tuple[Bool[Array, "batch chunk"], Float[Array, "batch chunk"]]:
    return jax.lax.map(lambda game: check_profiles(game, profiles, tolerance), games)


@eqx.filter_jit
def _follow_all(games: PayPerCompute, starts: Int[Array, "starts providers"], tolerance: Float[Array, ""]):
    return jax.lax.map(lambda game: follow_starts(game, starts, tolerance), games)


@eqx.filter_jit
def _ascend_all(games: PayPerCompute, counts: tuple[int, ...]):
    return jax.lax.map(lambda game: many_ascents(game, counts), games)


def _equilibria(games: PayPerCompute, found: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Worst and best equilibrium of every market with their accounts."""
    size, providers = len(found), games.market.mask.shape[1]
    market = np.concatenate([np.full(len(rows), b) for b, rows in enumerate(found)]).astype(int)
    rows = np.concatenate([np.zeros((0, providers), int), *found])
    count = np.array([len(each) for each in found])
    # One size for all sweeps of so many β, so that little is compiled; rows to fill it up belong to market 0.
    padded = max(256, 1 << max(0, len(rows) - 1).bit_length())
    fill = padded - len(rows)
    accounts = _accounts(games, jnp.asarray(np.pad(market, (0, fill))), jnp.asarray(np.pad(rows, ((0, fill), (0, 0)))))
    welfare, regrets, users, surplus, shares, profits = (np.asarray(x)[: len(rows)] for x in accounts)
    order = np.lexsort((welfare, market))
    starts = np.concatenate([[0], np.cumsum(count)])
    some = count > 0
    worst, best = np.full(size, -1), np.full(size, -1)
    worst[some], best[some] = order[starts[:-1][some]], order[starts[1:][some] - 1]

    def at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
        filled = np.full((size, *values.shape[1:]), np.nan)
        filled[some] = values[index[some]]
        return filled

    def levels(index: np.ndarray) -> np.ndarray:
        chosen = np.full((size, providers), -1)
        chosen[some] = rows[index[some]]
        return chosen

    largest = np.full(size, np.nan)
    np.fmax.at(largest, market, regrets)
    return {
        "num_equilibria": count,
        "max_regret": largest,
        "worst_welfare": at(welfare, worst),
        "best_welfare": at(welfare, best),
        "worst_level_index": levels(worst),
        "best_level_index": levels(best),
        "user_value": at(users, worst),
        "consumer_surplus": at(surplus, worst),
        "share": at(shares, worst),
        "provider_profit": at(profits, worst),
        "profit": at(profits, worst).sum(axis=1),
    }


@eqx.filter_jit
def _accounts(games: PayPerCompute, market: Int[Array, " rows"], profiles: Int[Array, "rows providers"]):
    def one(number: Int[Array, ""], profile: Int[Array, " providers"]):
        game = jax.tree.map(lambda leaf: leaf[number], games)
        return (
            game.welfare(profile),
            regret(game, profile).max_regret,
            game.expected_user_value(profile),
            game.consumer_surplus(profile),
            game.segment_weight @ game.shares(profile),
            game.payoffs(profile),
        )

    return jax.vmap(one)(market, profiles)


def _dynamics(games: PayPerCompute, seed: int) -> dict[str, np.ndarray]:
    """Where the paper's dynamics end; without a welfare where they do not settle."""
    size = games.users.rationality.shape[0]
    keys = jax.vmap(lambda number: jax.random.fold_in(jax.random.key(seed), number))(jnp.arange(size))
    played = batch.dynamics(games, keys)
    welfare = np.asarray(batch.welfare(games, played.profile))
    settled = np.asarray(played.status) == int(Status.CONVERGED)
    return {
        "dynamics_level_index": np.asarray(played.profile),
        "dynamics_welfare": np.where(settled, welfare, np.nan),
    }


def _auctions_of(games: PayPerCompute) -> dict[str, np.ndarray]:
    names = ("auction_user_value", "auction_profit", "auction_welfare")
    return {name: np.asarray(x) for name, x in zip(names, _auctions(games), strict=True)}


@eqx.filter_jit
def _auctions(games: PayPerCompute) -> tuple[Array, Array, Array]:
    """Averages over all queries, with every segment's V0 as reserve."""

    def one(game: PayPerCompute) -> tuple[Array, Array, Array]:
        outcome = SecondScoreAuction(game.market, game.users).outcome()
        return outcome.mean(outcome.user_value), outcome.mean(outcome.winner_profit), outcome.mean(outcome.welfare)

    return jax.vmap(one)(games)
