"""Every replicate of a market at every β, solved in one compiled call, no loop over markets outside it.

Optimum, both ends of the lattice (``solver.lattice``) and what users and providers get there. Where the ends agree the
equilibrium is unique. The few markets whose ends differ are searched completely between them (``solver.enumeration``), so
that ``worst`` and ``best`` are of all equilibria, not of the two ends; markets beyond a stated number keep their ends, and
say so.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from games.auction import AuctionOutcome, SecondScoreAuction
from games.base import require_double_precision
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.users import Users
from solver.enumeration import Enumeration
from solver.equilibria import between
from solver.lattice import LogitArrays, lattice_bounds, single_segment
from solver.optimum import welfare_optimum
from solver.provision_levels import over_computes
from solver.regret import regret

BLOCK = 2048  # markets in memory at once
MAX_EQUILIBRIA = 1000  # of one market; a longer list is cut and called incomplete


class Figures(NamedTuple):
    """What a profile gives, dollars per query; leading axes of the caller.

    Args:
        profile: level of every provider.
        welfare, user_value, consumer_surplus: of all queries.
        share, provider_profit: per provider.
        over_computes: whether the provider computes more than its own best offer.
        max_regret: the independent certificate.
    """

    profile: Int[Array, "*batch providers"]
    welfare: Float[Array, "*batch"]
    user_value: Float[Array, "*batch"]
    consumer_surplus: Float[Array, "*batch"]
    share: Float[Array, "*batch providers"]
    provider_profit: Float[Array, "*batch providers"]
    max_regret: Float[Array, "*batch"]
    over_computes: Bool[Array, "*batch providers"]


class Solved(NamedTuple):
    """All replicates at all β, NumPy arrays.

    Args:
        figures: of the equilibrium of lowest and of highest welfare, ``[replicates, rationality, 2, ...]``.
        optimal_welfare: dollars per query, ``[replicates, rationality]``.
        num_equilibria: how many there are, ``[replicates, rationality]``; 2 where the search was left out.
        complete: whether all equilibria were found, ``[replicates, rationality]``.
        tolerance: relative gain that did not count, raised where rounding exceeds it, ``[replicates, rationality]``.
    """

    figures: Figures
    optimal_welfare: np.ndarray
    num_equilibria: np.ndarray
    complete: np.ndarray
    tolerance: np.ndarray


def game_at(
    markets: Market, users: Users, rationality: Float[Array, " rationality"], index: Int[Array, ""]
) -> PayPerCompute:
    """Game number ``index`` of all replicates × all β, replicates outside."""
    market, beta = index // rationality.shape[0], index % rationality.shape[0]
    chosen = jax.tree.map(lambda leaf: leaf[market], markets)
    return PayPerCompute(chosen, eqx.tree_at(lambda u: u.rationality, users, rationality[beta][None]))


def _figures(game: PayPerCompute, profile: Int[Array, " providers"]) -> Figures:
    return Figures(
        profile,
        game.welfare(profile),
        game.expected_user_value(profile),
        game.consumer_surplus(profile),
        game.shares(profile)[0],
        game.payoffs(profile),
        regret(game, profile).max_regret,
        over_computes(game, profile),
    )


@eqx.filter_jit
def _ends(markets: Market, users: Users, rationality: Float[Array, " rationality"], tolerance: Array, blocks: int):
    """Both ends, their figures and the optimum of every game, a block at a time."""
    size = markets.mask.shape[0] * rationality.shape[0]

    def one(index: Int[Array, ""]) -> tuple[Figures, Bool[Array, ""], Float[Array, ""], Float[Array, ""]]:
        game = game_at(markets, users, rationality, index)
        bounds = lattice_bounds(game, tolerance=tolerance)
        ends = jnp.stack([bounds.least, bounds.greatest])
        return (
            jax.vmap(lambda p: _figures(game, p))(ends),
            bounds.unique,
            welfare_optimum(game).welfare,
            bounds.tolerance,
        )

    # Blocks of one size, surplus rows repeating the last game: a remainder would be compiled by itself.
    each = -(-size // blocks)
    rows = jnp.minimum(jnp.arange(blocks * each), size - 1).reshape(blocks, each)
    solved = jax.lax.map(jax.vmap(one), rows)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:size], solved)


@eqx.filter_jit
def _searchable(
    markets: Market, users: Users, rationality: Float[Array, " rationality"], tolerance: Array, index: Array
):
    """What the search of the games numbered ``index`` needs."""

    def one(i: Int[Array, ""]):
        game = game_at(markets, users, rationality, i)
        bounds = lattice_bounds(game, tolerance=tolerance)
        return single_segment(game, "bootstrap"), bounds.rank, bounds.tolerance

    return jax.vmap(one)(index)


@eqx.filter_jit
def _judge(markets: Market, users: Users, rationality: Float[Array, " rationality"], index: Array, profiles: Array):
    """Figures of profiles of various games."""
    return jax.vmap(lambda i, p: _figures(game_at(markets, users, rationality, i), p))(index, profiles)


@eqx.filter_jit
def _max_regrets(markets: Market, users: Users, rationality: Array, profiles: Array, blocks: int) -> Array:
    size = markets.mask.shape[0] * rationality.shape[0]

    def one(index: Int[Array, ""]) -> Float[Array, ""]:
        game = game_at(markets, users, rationality, index)
        return regret(game, profiles[index % rationality.shape[0]]).max_regret

    each = -(-size // blocks)
    rows = jnp.minimum(jnp.arange(blocks * each), size - 1).reshape(blocks, each)
    return jax.lax.map(jax.vmap(one), rows).reshape(-1)[:size].reshape(-1, rationality.shape[0])


def max_regrets(
    markets: Market,
    users: Users,
    rationality: Float[Array, " rationality"],
    profiles: Int[Array, "rationality providers"],
) -> Float[Array, "replicates rationality"]:
    """Largest relative regret of one profile per β, in every replicate: how far it is from an equilibrium there."""
    return _max_regrets(markets, users, rationality, profiles, _num_blocks(markets, rationality))


def _num_blocks(markets: Market, rationality: Array) -> int:
    return -(-markets.mask.shape[0] * rationality.shape[0] // BLOCK)


@eqx.filter_jit
def auctions(markets: Market, users: Users, reserve: Array) -> AuctionOutcome:
    """The auction of every replicate; it does not depend on β."""
    return jax.vmap(lambda market: SecondScoreAuction(market, users, reserve=reserve).outcome())(markets)


def solve_replicates(
    markets: Market,
    users: Users,
    rationality: Float[Array, " rationality"],
    *,
    tolerance: float,
    max_searched: int,
) -> Solved:
    """Equilibria and optimum of every replicate at every β.

    Args:
        markets: a batch of markets without names.
        users: one segment; its own rationality is replaced.
        rationality: β, per dollar.
        tolerance: relative gain below which a deviation does not count.
        max_searched: games with several equilibria that are searched completely; further ones keep the ends of the
            lattice, and are not ``complete``.

    Raises:
        PrecisionError: JAX runs with 32-bit floats.
    """
    require_double_precision("bootstrap")
    limit = jnp.asarray(tolerance)
    found, unique, optimum, tolerances = _ends(markets, users, rationality, limit, _num_blocks(markets, rationality))
    figures = jax.tree.map(np.array, found)
    several = np.flatnonzero(~np.asarray(unique))
    count = np.where(np.asarray(unique), 1, 2)
    complete = np.asarray(unique).copy()
    _sort_ends(figures, several)
    searched = several[:max_searched]
    if len(searched):
        needed = _searchable(markets, users, rationality, limit, _padded(searched))
        sets = _search(figures.profile[searched], *jax.tree.map(np.asarray, needed))
        count[searched] = [len(found.profiles) for found in sets]
        complete[searched] = [found.complete for found in sets]
        _replace_ends(markets, users, rationality, figures, searched, [found.profiles for found in sets])
    shape = (markets.mask.shape[0], rationality.shape[0])
    return Solved(
        jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), figures),
        np.asarray(optimum).reshape(shape),
        count.reshape(shape),
        complete.reshape(shape),
        np.asarray(tolerances).reshape(shape),
    )


def _padded(index: np.ndarray) -> Int[Array, " rows"]:
    """Repeat the last entry up to a power of two, so that few sizes are compiled."""
    size = 1 << (len(index) - 1).bit_length()
    return jnp.asarray(np.pad(index, (0, size - len(index)), mode="edge"))


def _sort_ends(figures: Figures, several: np.ndarray) -> None:
    """Lower welfare first, in place."""
    swapped = several[figures.welfare[several, 0] > figures.welfare[several, 1]]
    for leaf in figures:
        leaf[swapped] = leaf[swapped, ::-1]


def _search(ends: np.ndarray, arrays: LogitArrays, rank: np.ndarray, tolerance: np.ndarray) -> list[Enumeration]:
    """All equilibria of every game, from its two ends ``[games, 2, providers]``."""
    log_attraction, log_unit_profit, log_outside = (np.asarray(array) for array in arrays)
    found = []
    for row, (one, other) in enumerate(ends):
        every = np.arange(len(one))
        # The ends are ordered by welfare; the least is the one of lower rank for every provider.
        below = rank[row, every, one] <= rank[row, every, other]
        found.append(
            between(
                log_attraction[row],
                log_unit_profit[row],
                log_outside[row],
                least=np.where(below, one, other),
                greatest=np.where(below, other, one),
                rank=rank[row],
                tolerance=float(tolerance[row]),
                max_equilibria=MAX_EQUILIBRIA,
            )
        )
    return found


def _replace_ends(
    markets: Market,
    users: Users,
    rationality: Float[Array, " rationality"],
    figures: Figures,
    searched: np.ndarray,
    sets: list[np.ndarray],
) -> None:
    """Write the equilibria of lowest and highest welfare of the games ``searched`` in the place of their ends."""
    owner = np.repeat(searched, [len(profiles) for profiles in sets])
    rows = np.concatenate(sets)
    padded = _padded(np.arange(len(rows)))
    judged = _judge(markets, users, rationality, jnp.asarray(owner)[padded], jnp.asarray(rows)[padded])
    judged = jax.tree.map(lambda leaf: np.asarray(leaf)[: len(rows)], judged)
    for index in searched:
        mine = np.flatnonzero(owner == index)
        order = mine[np.argsort(judged.welfare[mine], kind="stable")]
        for leaf, values in zip(figures, judged, strict=True):
            leaf[index] = values[order[[0, -1]]]
