"""Many markets at once: one compiled call for all of them, no Python loop but over markets with several equilibria.

The ends of the lattice are computed for the whole batch; markets whose ends agree are done (one equilibrium). The few
others are searched one by one between their ends (``solver.enumeration``).
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from games.base import require_double_precision
from games.pay_per_compute import PayPerCompute
from solver.best_response import paper_dynamics
from solver.equilibria import between
from solver.lattice import DEFAULT_TOLERANCE, lattice_bounds, single_segment
from solver.optimum import welfare_optimum
from solver.regret import regret
from solver.result import Solution


class BatchEquilibria(NamedTuple):
    """All pure equilibria of a batch of markets.

    Args:
        num_equilibria: number of equilibria, ``[batch]``.
        worst, best: equilibria of lowest and highest welfare, ``[batch, providers]``.
        worst_welfare, best_welfare: dollars per query, ``[batch]``.
        max_regret: largest relative regret of the two, from the independent certificate, ``[batch]``.
        complete: whether all equilibria were found, ``[batch]``.
        sets: for every market with several, its index and its equilibria ``[equilibria, providers]``.
    """

    num_equilibria: np.ndarray
    worst: np.ndarray
    best: np.ndarray
    worst_welfare: np.ndarray
    best_welfare: np.ndarray
    max_regret: np.ndarray
    complete: np.ndarray
    sets: dict[int, np.ndarray]


def stack_games(games: Sequence[PayPerCompute]) -> PayPerCompute:
    """One batched game from games of equal shape, for the functions below.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> stack_games([scenario.game(b) for b in (200, 1000)]).users.rationality.shape
        (2, 1)
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *[game.anonymous() for game in games])


def rationality_grid(game: PayPerCompute, rationality: Float[Array, " batch"]) -> PayPerCompute:
    """One batched game: the same market at every rationality (per dollar, for all segments)."""
    size = len(rationality)
    anonymous = game.anonymous()
    grid = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (size, *jnp.shape(leaf))), anonymous)
    beta = jnp.broadcast_to(jnp.asarray(rationality, float)[:, None], grid.users.rationality.shape)
    return eqx.tree_at(lambda g: g.users.rationality, grid, beta)


@eqx.filter_jit
def optima(games: PayPerCompute) -> tuple[Int[Array, "batch providers"], Float[Array, " batch"]]:
    """Welfare optimum of every market: profiles and welfare."""

    def one(game: PayPerCompute) -> tuple[Int[Array, " providers"], Float[Array, ""]]:
        optimum = welfare_optimum(game)
        return optimum.profile, optimum.welfare

    return jax.vmap(one)(games)


@eqx.filter_jit
def dynamics(games: PayPerCompute, keys: Key[Array, " batch"], *, max_rounds: int = 1000) -> Solution:
    """The paper's dynamics in every market, one key each."""
    return jax.vmap(lambda game, key: paper_dynamics(game, key=key, max_rounds=max_rounds))(games, keys)


@eqx.filter_jit
def _ends(games: PayPerCompute, tolerance: Float[Array, ""]):
    def one(game: PayPerCompute):
        bounds = lattice_bounds(game, tolerance=tolerance)
        return bounds, single_segment(game, "equilibria")

    return jax.vmap(one)(games)


@eqx.filter_jit
def _judge(games: PayPerCompute, profiles: Int[Array, "ends batch providers"]):
    """Welfare and certificate of one profile per market, for both ends."""
    judge = jax.vmap(lambda game, profile: (game.welfare(profile), regret(game, profile).max_regret))
    return jax.lax.map(lambda p: judge(games, p), profiles)


@eqx.filter_jit
def welfare(games: PayPerCompute, profiles: Int[Array, "batch providers"]) -> Float[Array, " batch"]:
    """Welfare of one profile in every market, dollars per query."""
    return jax.vmap(lambda game, profile: game.welfare(profile))(games, profiles)


@eqx.filter_jit
def _welfare_of(games: PayPerCompute, market: Int[Array, " rows"], profiles: Int[Array, "rows providers"]):
    """Welfare of profiles of various markets of the batch."""
    return jax.vmap(lambda i, p: jax.tree.map(lambda x: x[i], games).welfare(p))(market, profiles)


def equilibria(
    games: PayPerCompute, *, tolerance: float = DEFAULT_TOLERANCE, max_equilibria: int = 10_000
) -> BatchEquilibria:
    """All pure equilibria of every market of a batch with one segment of users.

    Raises:
        PrecisionError: JAX runs with 32-bit floats.
    """
    require_double_precision("equilibria")
    bounds, arrays = _ends(games, jnp.asarray(tolerance))
    worst, best = np.array(bounds.least), np.array(bounds.greatest)
    count = np.ones(len(worst), int)
    complete = np.ones(len(worst), bool)
    several = np.flatnonzero(~np.asarray(bounds.unique))
    sets: dict[int, np.ndarray] = {}
    if len(several):
        log_attraction, log_unit_profit, log_outside = (np.asarray(a) for a in arrays)
        rank, tolerances = np.asarray(bounds.rank), np.asarray(bounds.tolerance)
        for i in several:
            found = between(
                log_attraction[i],
                log_unit_profit[i],
                log_outside[i],
                least=worst[i],
                greatest=best[i],
                rank=rank[i],
                tolerance=float(tolerances[i]),
                max_equilibria=max_equilibria,
            )
            sets[int(i)], complete[i], count[i] = found.profiles, found.complete, len(found.profiles)
        _order_by_welfare(games, sets, worst, best)
    welfare, regrets = (np.asarray(x) for x in _judge(games, jnp.asarray(np.stack([worst, best]))))
    return BatchEquilibria(count, worst, best, welfare[0], welfare[1], regrets.max(axis=0), complete, sets)


def _order_by_welfare(games: PayPerCompute, sets: dict[int, np.ndarray], worst: np.ndarray, best: np.ndarray) -> None:
    """Sort each set by welfare, and write its ends into the freshly made arrays ``worst`` and ``best``."""
    market = np.concatenate([np.full(len(p), i) for i, p in sets.items()])
    rows = np.concatenate(list(sets.values()))
    # Padded to a power of two, so that batches with other numbers of equilibria reuse the compiled function.
    size = 1 << (len(rows) - 1).bit_length()
    pad = size - len(rows)
    welfare = np.asarray(
        _welfare_of(games, jnp.asarray(np.pad(market, (0, pad))), jnp.asarray(np.pad(rows, ((0, pad), (0, 0)))))
    )
    for i in sets:
        order = np.argsort(welfare[: len(rows)][market == i], kind="stable")
        sets[i] = sets[i][order]
        worst[i], best[i] = sets[i][0], sets[i][-1]
