"""Sweeps: a grid of markets in, a labelled dataset out.

The result is an ``xarray.Dataset`` with one dimension per axis (and ``provider``), units in the attributes, so that
``dataset.price_of_anarchy.plot()`` or ``dataset.sel(rationality=1000, method="nearest")`` just work. Small sweeps return in
memory; large ones go to a store on disk, block by block (``solver.sweep_store``).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import ArrayLike

from games.errors import InputError
from games.market import Market
from games.users import Users
from games.version import VERSION
from solver.blocks import block_size, in_threads, num_threads
from solver.cells import UNITS, Stages, solve_cells, variables
from solver.grid import Grid
from solver.lattice import DEFAULT_TOLERANCE

if TYPE_CHECKING:
    import xarray as xr

EVERYTHING = Stages()
# Free prices are solved for all providers of a market: one without levels cannot be left out of the equations.
EVERYBODY = ("posted-price", "price-and-compute", "collusion", "inverse-power-router")


def sweep(
    market: Market,
    users: Users,
    rationality: ArrayLike | Sequence[ArrayLike],
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    seed: int = 0,
    name: str = "",
    progress: Callable[[int], object] | None = None,
) -> "xr.Dataset":
    """Solve one market at many β: optimum, all equilibria, the paper's dynamics, and the auction beside them.

    Args:
        market: the providers.
        users: any segments; their own rationality is replaced (of several: scaled, see ``Users.with_rationality``).
        rationality: β, per dollar, one-dimensional.
        tolerance: relative gain below which a deviation does not count.
        seed: of the dynamics' move order.
        name: written into the dataset's attributes.
        progress: called with the number of markets finished since the last call.

    Returns:
        As ``sweep_grid``, over the dimension ``rationality``. With several segments money and shares are averages over all
        queries; where no equilibrium was found the market's figures are NaN and its levels -1; ``optimum_exact`` says
        where the optimum is proved.

    Raises:
        InputError: a rationality that is negative or not finite.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/majority")
        >>> result = sweep(scenario.market, scenario.users, [200, 1000])
        >>> result.optimal_welfare.round(5).values.tolist()
        [0.00636, 0.00689]
    """
    if users.num_segments > 1:
        from solver.sweep_segments import sweep_segments

        return sweep_segments(market, users, rationality, tolerance=tolerance, seed=seed, name=name, progress=progress)
    grid = Grid.of(market, users, {"rationality": rationality}, name=name)
    return sweep_grid(grid, tolerance=tolerance, seed=seed, progress=progress)


def sweep_grid(
    grid: Grid,
    *,
    stages: Stages = EVERYTHING,
    tolerance: float = DEFAULT_TOLERANCE,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> "xr.Dataset":
    """Solve every market of a grid, in memory.

    Args:
        grid: the markets.
        stages: what to compute; everything but the list of all equilibria by default.
        tolerance: relative gain below which a deviation does not count.
        seed: of the dynamics' move order; every cell has its own stream, whatever the block it is solved in.
        progress: called with the number of markets finished since the last call.

    Returns:
        Variables over the grid's dimensions, ``optimal_welfare``, ``worst_welfare``, ``best_welfare``,
        ``num_equilibria``, ``complete``, ``max_regret``, ``price_of_anarchy``, ``price_of_stability``, ``dynamics_welfare``,
        ``welfare_ratio`` (at the profile the paper's dynamics reach), ``user_value``, ``profit`` and ``consumer_surplus`` of
        the worst equilibrium, ``auction_user_value``, ``auction_profit``, ``auction_welfare``; over ``provider`` in
        addition: ``worst_level_index``, ``best_level_index``, ``optimal_level_index``, ``dynamics_level_index`` (places
        along ``level_index`` in the coordinate ``level_label``, see ``level_names``), ``share`` and ``provider_profit`` (worst
        equilibrium). With ``Stages(listed=M)``, ``equilibrium_level_index`` over ``equilibrium`` too,
        -1 behind the last one, and ``overflow`` where there are more than M. With ``Stages(mechanisms=...)``,
        ``mechanism_user_value``, ``_profits``, ``_platform``, ``_welfare``, ``_misreport_gain``, ``_price`` and ``_tokens``
        over ``mechanism``.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> axes = {"value_per_correct": [0.01, 0.02], "rationality": [200, 1000, 5000]}
        >>> result = sweep_grid(Grid.of(scenario.market, scenario.users, axes))
        >>> result.price_of_anarchy.sel(value_per_correct=0.02).round(4).values.tolist()
        [1.0519, 1.0129, 1.0111]
    """
    check(grid, stages)
    size = min(block_size(grid.market), grid.size)

    def solve(start: int) -> dict[str, np.ndarray]:
        solved = solve_cells(grid, start, size, stages=stages, tolerance=tolerance, seed=seed)
        if progress is not None:
            progress(min(size, grid.size - start))
        return solved

    parts = in_threads(solve, range(0, grid.size, size), num_threads())
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return as_dataset(grid, arrays, stages, attributes(grid, stages, tolerance, seed))


def attributes(grid: Grid, stages: Stages, tolerance: float, seed: int) -> dict[str, Any]:
    """Where the numbers come from; nothing here depends on the time or the machine."""
    found: dict[str, Any] = {
        "name": grid.name,
        "tolerance": tolerance,
        "seed": seed,
        "data_hash": grid.fingerprints()["data"],
    }
    if "value_per_correct" not in grid.axes:
        found["value_per_correct"] = float(grid.users.value_per_correct[0])
    return found | {"stages": stages.text, "version": VERSION}


def as_dataset(grid: Grid, arrays: dict[str, np.ndarray], stages: Stages, attrs: dict[str, Any]) -> "xr.Dataset":
    """Flat arrays ``[markets, ...]`` as a labelled dataset in the grid's shape."""
    import xarray as xr

    trailing = variables(grid.market, stages)
    data = {
        key: ((*grid.dim_names, *trailing[key].dims), values.reshape(*grid.shape, *values.shape[1:]), attrs_of(key))
        for key, values in arrays.items()
    }
    return xr.Dataset(data, coordinates(grid, stages), attrs)


def attrs_of(variable: str) -> dict[str, str]:
    """Attributes of a variable."""
    return {"units": UNITS[variable]}


def coordinates(grid: Grid, stages: Stages) -> dict[str, Any]:
    """Coordinates of a sweep: the axes' values, and names of providers, their levels, and mechanisms."""
    labels = grid.market.level_labels
    found: dict[str, Any] = {"provider": list(grid.market.providers), "level_index": np.arange(grid.market.num_levels)}
    padded = [[*row, *[""] * (grid.market.num_levels - len(row))] for row in labels]
    found["level_label"] = (("provider", "level_index"), np.array(padded), {"long_name": "name of the level"})
    if stages.mechanisms:
        found["mechanism"] = list(stages.mechanisms)
    for name, (d, axis) in grid.axes.items():
        details = {"long_name": axis.long_name} | ({"units": axis.units} if axis.units else {})
        found[name] = (grid.dim_names[d], axis.labels, details)
    return found


def level_names(data: "xr.Dataset", variable: str) -> "xr.DataArray":
    """Labels of the levels whose indices a variable holds; empty where it holds none (index −1).

    Args:
        data: from ``solver.sweep`` or ``solver.open_sweep``.
        variable: such as ``worst_level_index``.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> data = sweep(scenario.market, scenario.users, [1000])
        >>> data.worst_level_index.values.tolist(), level_names(data, "worst_level_index").values.tolist()
        ([[3, 1, 3]], [['4', '2', '4']])
    """
    import xarray as xr

    index = data[variable]
    labels, there = xr.broadcast(data["level_label"], index, exclude=["level_index"])
    there = there.transpose(*index.dims).fillna(-1).astype(int)
    values = np.take_along_axis(labels.transpose(*there.dims, "level_index").values, there.values[..., None], -1)
    named = np.where(there.values >= 0, values[..., 0], "").astype(object)
    return xr.DataArray(named, {name: index.coords[name] for name in index.dims if name in index.coords}, there.dims)


def combine(datasets: Sequence["xr.Dataset"], names: Sequence[str]) -> "xr.Dataset":
    """Several sweeps over the same axes as one dataset with a dimension ``scenario``.

    Providers that a scenario lacks hold NaN there (indices of levels become floats for that reason), levels that it lacks no
    label.
    """
    import pandas as pd
    import xarray as xr

    scenario, parts = pd.Index(list(names), name="scenario"), [data.reset_coords("level_label") for data in datasets]
    data = xr.concat(parts, scenario, join="outer", combine_attrs="drop_conflicts")
    return data.assign_coords(level_label=data["level_label"].fillna("").astype(str))


def check(grid: Grid, stages: Stages) -> None:
    """Refuse, before anything is computed, mechanisms that do not take absent providers.

    Raises:
        InputError: the text names the mechanism.
    """
    if "providers" in grid.axes:
        for name in stages.mechanisms:
            if name in EVERYBODY:
                raise InputError(f"sweep: {name} does not take the axis providers; sweep each subset on its own")
