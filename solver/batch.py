"""Many markets at once: one compiled call for all of them, no Python loop but over markets with several equilibria.

The ends of the lattice are computed for the whole batch; markets whose ends agree are done (one equilibrium). The few
others are searched one by one between their ends (``solver.enumeration``).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from games.base import require_double_precision
from games.errors import InputError
from games.pay_per_compute import PayPerCompute
from solver.best_response import paper_dynamics
from solver.equilibria import between
from solver.lattice import DEFAULT_TOLERANCE, LOOSEST, lattice_bounds, single_segment
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
    """One batched game from several, for the functions below.

    Games with fewer providers or levels are padded: providers that a market does not have are absent, and its profiles
    hold level 0 for them.

    Args:
        games: any number of providers and levels; equal numbers of segments and kinds of value curve.

    Raises:
        InputError: no game, unequal numbers of segments, or different kinds of value curve.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> stack_games([scenario.game(b) for b in (200, 1000)]).users.rationality.shape
        (2, 1)
    """
    if not games:
        raise InputError("stack_games: no game; give at least one")
    named = {
        "segments of users": {str(game.users.num_segments) for game in games},
        "kinds of value curve": {type(game.users.value_curve).__name__ for game in games},
    }
    for name, kinds in named.items():
        if len(kinds) > 1:
            raise InputError(f"stack_games: unequal {name} ({', '.join(sorted(kinds))}); stack equal ones")
    shape = np.max([game.mask.shape for game in games], axis=0)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *[_padded(game.anonymous(), shape) for game in games])


def _padded(game: PayPerCompute, shape: np.ndarray) -> PayPerCompute:
    """The same game with absent providers and levels that do not exist, up to ``[providers, levels]``."""
    extra = [(0, int(new - old)) for new, old in zip(shape, game.mask.shape, strict=True)]
    market = jax.tree.map(lambda leaf: jnp.pad(leaf, extra), game.market)
    return PayPerCompute(market, game.users)


def rationality_grid(game: PayPerCompute, rationality: Float[Array, " batch"]) -> PayPerCompute:
    """One batched game: the same market at every rationality (per dollar; of several segments their weighted mean)."""
    size = len(rationality)
    anonymous = game.anonymous()
    grid = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (size, *jnp.shape(leaf))), anonymous)
    beta = jnp.asarray(rationality, float)[:, None]
    relative = game.users.relative_rationality if game.users.num_segments > 1 else jnp.ones(1)
    beta = jnp.broadcast_to(beta * relative, grid.users.rationality.shape)
    return eqx.tree_at(lambda g: g.users.rationality, grid, beta)


@eqx.filter_jit
def optima(games: PayPerCompute) -> tuple[Int[Array, "batch providers"], Float[Array, " batch"]]:
    """Welfare optimum of every market with one segment of users: profiles and welfare, dollars per query.

    Raises:
        InputError: several segments; call ``solver.welfare_optimum`` once for each market.
    """

    def one(game: PayPerCompute) -> tuple[Int[Array, " providers"], Float[Array, ""]]:
        optimum = welfare_optimum(game)
        return optimum.profile, optimum.welfare

    return jax.vmap(one)(games)


@eqx.filter_jit
def dynamics(games: PayPerCompute, keys: Key[Array, " batch"], *, max_rounds: int = 1000) -> Solution:
    """The paper's dynamics in every market, one key each."""
    return jax.vmap(lambda game, key: paper_dynamics(game, key=key, max_rounds=max_rounds))(games, keys)


@eqx.filter_jit
def dynamics_ends(
    games: PayPerCompute, key: Key[Array, ""], numbers: Int[Array, " batch"], *, max_rounds: int = 1000
) -> tuple[Int[Array, "batch providers"], Float[Array, " batch"]]:
    """Profile in which the paper's dynamics end in every market, and its welfare, without the certificate of ``dynamics``.

    Args:
        games: the markets.
        key: of all of them; each market has the stream that belongs to its number.
        numbers: one number for each market.
        max_rounds: rounds after which to give up.
    """

    def one(game: PayPerCompute, number: Int[Array, ""]) -> tuple[Int[Array, " providers"], Float[Array, ""]]:
        end = paper_dynamics(game, key=jax.random.fold_in(key, number), max_rounds=max_rounds)
        return end.profile, game.welfare(end.profile)

    return jax.vmap(one)(games, numbers)


@eqx.filter_jit
def _ends(games: PayPerCompute, tolerance: Float[Array, ""]):
    def one(game: PayPerCompute):
        bounds = lattice_bounds(game, tolerance=tolerance)
        return bounds, single_segment(game, "equilibria")

    return jax.vmap(one)(games)


@eqx.filter_jit
def _judge(games: PayPerCompute, profiles: Int[Array, "batch providers"]):
    """Welfare and certificate of one profile in every market."""
    return jax.vmap(lambda game, profile: (game.welfare(profile), regret(game, profile).max_regret))(games, profiles)


@eqx.filter_jit
def _judge_some(games: PayPerCompute, market: Int[Array, " rows"], profiles: Int[Array, "rows providers"]):
    """Welfare and certificate of profiles of various markets of the batch."""
    return _judge(jax.tree.map(lambda leaf: leaf[market], games), profiles)


@eqx.filter_jit
def welfare(games: PayPerCompute, profiles: Int[Array, "batch providers"]) -> Float[Array, " batch"]:
    """Welfare of one profile in every market, dollars per query."""
    return jax.vmap(lambda game, profile: game.welfare(profile))(games, profiles)


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
    # Rounding beyond this decides which profiles count, so that no list is called complete.
    complete = np.asarray(bounds.tolerance) <= max(tolerance, LOOSEST)
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
            sets[int(i)], count[i] = found.profiles, len(found.profiles)
            complete[i] &= found.complete
    judged_sets = _order_by_welfare(games, sets, worst, best) if sets else {}
    welfare, regrets = (np.array(x) for x in _judge(games, jnp.asarray(worst)))
    best_welfare = welfare.copy()
    for index, (of_worst, of_best) in judged_sets.items():
        best_welfare[index], regrets[index] = of_best.welfare, max(of_worst.regret, of_best.regret)
    return BatchEquilibria(count, worst, best, welfare, best_welfare, regrets, complete, sets)


class _Judged(NamedTuple):
    welfare: float
    regret: float


def _order_by_welfare(
    games: PayPerCompute, sets: dict[int, np.ndarray], worst: np.ndarray, best: np.ndarray
) -> dict[int, tuple[_Judged, _Judged]]:
    """Sort each set by welfare, write its ends into the freshly made arrays ``worst`` and ``best``, and judge them."""
    market = np.concatenate([np.full(len(p), i) for i, p in sets.items()])
    rows = np.concatenate(list(sets.values()))
    # Padded to 16, 256, 4096, ..., so that batches with other numbers of equilibria reuse the compiled function.
    pad = 16 ** max(1, math.ceil(math.log(len(rows), 16))) - len(rows)
    padded = np.pad(market, (0, pad)), np.pad(rows, ((0, pad), (0, 0)))
    welfare, regrets = (np.asarray(x) for x in _judge_some(games, *(jnp.asarray(x) for x in padded)))
    ends = {}
    start = 0
    for i, profiles in sets.items():
        members = slice(start, start + len(profiles))
        start += len(profiles)
        order = np.argsort(welfare[members], kind="stable")
        sets[i] = profiles[order]
        worst[i], best[i] = sets[i][0], sets[i][-1]
        judged = [_Judged(float(welfare[members][k]), float(regrets[members][k])) for k in (order[0], order[-1])]
        ends[i] = (judged[0], judged[1])
    return ends
