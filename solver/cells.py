"""The kernel of a sweep: blocks of cells of a grid, solved together, on all devices.

A block is a run of neighbouring cells. All blocks of a sweep have one size, so that nothing is compiled twice; the last one
is filled up by repeating its last cell. The cells of a block are spread over the devices along their only axis; no
market talks to another.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from games.auction import SecondScoreAuction
from games.errors import InputError, unknown_name
from games.market import Market
from games.pay_per_compute import PayPerCompute
from solver import batch
from solver.compile import compiled
from solver.grid import Grid, games_at

DOLLARS = "dollars per query"
INDEX = "index of level, from 0: a place along level_index in level_label"


@dataclass(frozen=True)
class Stages:
    """What a sweep computes; the auction is always there, since it costs nothing.

    Args:
        optimum: the welfare optimum.
        equilibria: all pure equilibria, worst and best, their accounts and certificates.
        dynamics: where the paper's dynamics end.
        listed: list so many equilibria of each market, lowest welfare first; 0 for none.
        mechanisms: names of mechanisms to run as well (needs ``equilibria``, where some of them start).

    Raises:
        InputError: mechanisms or a list without ``equilibria``, or an unknown mechanism.
    """

    optimum: bool = True
    equilibria: bool = True
    dynamics: bool = True
    listed: int = 0
    mechanisms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.mechanisms or self.listed) and not self.equilibria:
            raise InputError("sweep: mechanisms and lists of equilibria need the stage equilibria")
        if self.mechanisms:
            from solver.mechanisms.registry import MECHANISMS

            for name in self.mechanisms:
                if name not in MECHANISMS:
                    raise unknown_name("mechanism", name, MECHANISMS)

    @property
    def text(self) -> str:
        """The stages by name, for the record.

        Example:
            >>> Stages(dynamics=False, listed=4).text
            'optimum, equilibria, listed=4'
        """
        names = [name for name in ("optimum", "equilibria", "dynamics") if getattr(self, name)]
        return ", ".join(names + ([f"listed={self.listed}"] if self.listed else []) + list(self.mechanisms))


class Variable(NamedTuple):
    """Dimensions of a variable behind those of the grid, their sizes, and its type."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: Any


UNITS = {
    "optimal_welfare": DOLLARS,
    "optimal_level_index": INDEX,
    "num_equilibria": "1",
    "complete": "1",
    "max_regret": "fraction of payoff",
    "worst_welfare": DOLLARS,
    "best_welfare": DOLLARS,
    "worst_level_index": INDEX,
    "best_level_index": INDEX,
    "user_value": DOLLARS,
    "profit": DOLLARS,
    "consumer_surplus": DOLLARS,
    "share": "fraction of queries",
    "provider_profit": DOLLARS,
    "price_of_anarchy": "1",
    "price_of_stability": "1",
    "dynamics_welfare": DOLLARS,
    "dynamics_level_index": INDEX,
    "welfare_ratio": "1",
    "auction_user_value": DOLLARS,
    "auction_profit": DOLLARS,
    "auction_welfare": DOLLARS,
    "equilibrium_level_index": INDEX,
    "overflow": "1",
    **{f"mechanism_{name}": DOLLARS for name in ("user_value", "profits", "platform", "welfare", "misreport_gain")},
    "mechanism_price": "dollars per query served",
    "mechanism_tokens": "tokens per query served",
}
OPTIMUM = ("optimal_welfare", "optimal_level_index")
EQUILIBRIA = (
    "num_equilibria", "complete", "max_regret", "worst_welfare", "best_welfare", "worst_level_index", "best_level_index",
    "user_value", "profit", "consumer_surplus", "share", "provider_profit",
)  # fmt: skip
DYNAMICS = ("dynamics_welfare", "dynamics_level_index")
AUCTION = ("auction_user_value", "auction_profit", "auction_welfare")
BY_PROVIDER = (
    "share", "provider_profit", "worst_level_index", "best_level_index", "optimal_level_index", "dynamics_level_index",
)  # fmt: skip
TYPES = {"complete": np.bool_, "overflow": np.bool_, "num_equilibria": np.int64}


def variables(market: Market, stages: Stages) -> dict[str, Variable]:
    """The variables that the stages give, each with its trailing dimensions and type.

    Example:
        >>> from games import load_scenario
        >>> market = load_scenario("GPQA/reasoning_effort").market
        >>> sorted(variables(market, Stages(equilibria=False, dynamics=False)))[-2:]
        ['optimal_level_index', 'optimal_welfare']
    """
    names = list(OPTIMUM if stages.optimum else ()) + list(EQUILIBRIA if stages.equilibria else ())
    names += [*(DYNAMICS if stages.dynamics else ()), *AUCTION]
    if stages.optimum and stages.equilibria:
        names += ["price_of_anarchy", "price_of_stability"]
    if stages.optimum and stages.dynamics:
        names += ["welfare_ratio"]
    providers = (market.num_providers,)
    found = {}
    for name in names:
        dtype = TYPES.get(name, np.int16 if name.endswith("_level_index") else np.float64)
        found[name] = Variable(("provider",), providers, dtype) if name in BY_PROVIDER else Variable((), (), dtype)
    if stages.listed and stages.equilibria:
        dims = ("equilibrium", "provider")
        found["equilibrium_level_index"] = Variable(dims, (stages.listed, *providers), np.int16)
        found["overflow"] = Variable((), (), np.bool_)
    for name in [name for name in UNITS if name.startswith("mechanism_") and stages.mechanisms]:
        found[name] = Variable(("mechanism",), (len(stages.mechanisms),), np.float64)
    return found


def solve_cells(
    grid: Grid, start: int, size: int, *, stages: Stages, tolerance: float, seed: int
) -> dict[str, np.ndarray]:
    """Solve the cells ``start`` to ``start + size`` (those that exist), in one block of ``size``.

    Args:
        grid: the markets.
        start: number of the first cell, row-major.
        size: cells in the block.
        stages: what to compute.
        tolerance: relative gain below which a deviation does not count.
        seed: of the dynamics' move order; a cell's stream depends on seed and number alone.

    Returns:
        One array ``[cells, ...]`` for each of ``variables``.
    """
    count = min(size, grid.size - start)
    numbers = np.minimum(np.arange(start, start + size), grid.size - 1)
    cells = _spread(games_at(grid, jnp.asarray(numbers)))
    games = cells.games
    found: dict[str, np.ndarray] = {}
    if stages.optimum:
        level, welfare = (np.asarray(x) for x in batch.optima(games))
        found |= {"optimal_welfare": welfare, "optimal_level_index": level}
    if stages.equilibria:
        found |= equilibria_figures(games, tolerance, stages.listed)
    if stages.dynamics:
        end, reached = batch.dynamics_ends(games, jax.random.key(seed), jnp.asarray(numbers))
        found |= {"dynamics_welfare": np.asarray(reached), "dynamics_level_index": np.asarray(end)}
    for name, other in (
        ("price_of_anarchy", "worst_welfare"),
        ("price_of_stability", "best_welfare"),
        ("welfare_ratio", "dynamics_welfare"),
    ):
        if stages.optimum and other in found:
            found[name] = welfare_ratios(found["optimal_welfare"], found[other])
    if stages.mechanisms:
        from solver.batch_mechanisms import figures

        found |= figures(stages.mechanisms, games, found["worst_level_index"], cells.reserve)
    found |= {name: np.asarray(x) for name, x in zip(AUCTION, _auctions(games, cells.reserve), strict=True)}
    kinds = variables(grid.market, stages)
    return {name: found[name][:count].astype(kinds[name].dtype) for name in kinds}


def _spread(cells: Any) -> Any:
    """Lay the cells out over all devices."""
    devices = jax.devices()
    if len(devices) == 1:
        return cells
    sharding = NamedSharding(Mesh(np.array(devices), ("cells",)), PartitionSpec("cells"))
    return jax.tree.map(lambda x: jax.device_put(x, sharding) if x.shape[0] % len(devices) == 0 else x, cells)


def equilibria_figures(games: PayPerCompute, tolerance: float, listed: int = 0) -> dict[str, np.ndarray]:
    """The variables of ``Stages.equilibria`` for a batch of markets with one segment of users each.

    Args:
        games: the markets.
        tolerance: relative gain below which a deviation does not count.
        listed: list so many equilibria of each market.
    """
    all_found = batch.equilibria(games, tolerance=tolerance)
    user_value, surplus, share, profits = (np.asarray(x) for x in _accounts(games, jnp.asarray(all_found.worst)))
    found = {
        "num_equilibria": all_found.num_equilibria,
        "complete": all_found.complete,
        "max_regret": all_found.max_regret,
        "worst_welfare": all_found.worst_welfare,
        "best_welfare": all_found.best_welfare,
        "worst_level_index": all_found.worst,
        "best_level_index": all_found.best,
        "user_value": user_value,
        "profit": profits.sum(axis=1),
        "consumer_surplus": surplus,
        "share": share,
        "provider_profit": profits,
    }
    if listed:
        levels = np.full((len(share), listed, share.shape[1]), -1)
        levels[:, 0] = all_found.worst
        for market, profiles in all_found.sets.items():
            levels[market, : len(profiles)] = profiles[:listed]
        found |= {"equilibrium_level_index": levels, "overflow": all_found.num_equilibria > listed}
    return found


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


@compiled
def _auctions(games: PayPerCompute, reserve: Array) -> tuple[Array, Array, Array]:
    """User value, winner's profit and welfare of the auction in every market; V0 counts where it exceeds the reserve."""

    def one(game: PayPerCompute, floor: Array) -> tuple[Array, Array, Array]:
        outcome = SecondScoreAuction(game.market, game.users, reserve=floor).outcome()
        return outcome.user_value[0], outcome.winner_profit[0], outcome.welfare[0]

    return jax.vmap(one)(games, reserve)
