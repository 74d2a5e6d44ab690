"""Solved replicates as one labelled dataset, units in the attributes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from games.errors import InputError
from games.market import Market
from games.users import Users, Values
from solver.efficiency import NEGLIGIBLE
from solver.uncertainty.replicates import auctions, max_regrets, solve_replicates

if TYPE_CHECKING:
    import xarray as xr

DOLLARS = "dollars per query"
EQUILIBRIA = ("worst", "best")


def replicate_table(
    markets: Market,
    users: Users,
    rationality: Float[Array, " rationality"],
    providers: tuple[str, ...],
    *,
    profile: ArrayLike | Sequence[int] | None,
    reserve: Values | None,
    tolerance: float,
    max_searched: int,
) -> "xr.Dataset":
    """Solve all markets at all β; the first market is the measured one, whose equilibrium is tested in the others.

    Returns:
        Over ``replicate, rationality``: ``optimal_welfare``, ``price_of_anarchy``, ``price_of_stability``,
        ``num_equilibria``, ``complete``, ``is_equilibrium``; with ``equilibrium``: ``welfare``, ``user_value``,
        ``consumer_surplus``, ``profit``, ``max_regret``, ``users_lose``; with ``equilibrium, provider``: ``share``,
        ``provider_profit``, ``level_index``, ``over_computes``; over ``replicate``: ``auction_winner_index`` (-1: no sale),
        ``auction_price``, ``auction_user_value``, ``auction_profit``, ``auction_welfare``; over ``rationality, provider``:
        ``tested_level_index``.
    """
    import xarray as xr

    solved = solve_replicates(markets, users, rationality, tolerance=tolerance, max_searched=max_searched)
    figures = jax.tree.map(np.asarray, solved.figures)
    floor = jnp.asarray(users.outside_value if reserve is None else reserve, float)
    auction = jax.tree.map(lambda leaf: np.asarray(leaf)[:, 0], auctions(markets, users, floor))
    tested = figures.profile[0, :, 0] if profile is None else _checked(profile, markets, len(rationality))
    regrets = np.asarray(max_regrets(markets, users, rationality, jnp.asarray(tested)))
    offered = auction.user_value[:, None, None]
    small = NEGLIGIBLE * np.maximum(np.abs(figures.welfare), np.abs(figures.user_value))
    data = {
        "optimal_welfare": (solved.optimal_welfare, DOLLARS),
        "price_of_anarchy": (_ratios(solved.optimal_welfare, figures.welfare[..., 0]), "1"),
        "price_of_stability": (_ratios(solved.optimal_welfare, figures.welfare[..., 1]), "1"),
        "num_equilibria": (solved.num_equilibria, "1"),
        "complete": (solved.complete, "1"),
        "is_equilibrium": (regrets <= solved.tolerance, "1"),
        "welfare": (figures.welfare, DOLLARS),
        "user_value": (figures.user_value, DOLLARS),
        "consumer_surplus": (figures.consumer_surplus, DOLLARS),
        "profit": (figures.provider_profit.sum(axis=-1), DOLLARS),
        "max_regret": (figures.max_regret, "fraction of payoff"),
        "users_lose": (offered < figures.user_value - small, "1"),
        "share": (figures.share, "fraction of queries"),
        "provider_profit": (figures.provider_profit, DOLLARS),
        "level_index": (figures.profile, "index of level, from 0"),
        "over_computes": (figures.over_computes, "1"),
    }
    dims = ("replicate", "rationality", "equilibrium", "provider")
    variables = {name: (dims[: values.ndim], values, {"units": unit}) for name, (values, unit) in data.items()}
    for name, values, unit in (
        ("auction_winner_index", auction.winner, "index of provider, from 0"),
        ("auction_price", auction.price, DOLLARS),
        ("auction_user_value", auction.user_value, DOLLARS),
        ("auction_profit", auction.winner_profit, DOLLARS),
        ("auction_welfare", auction.welfare, DOLLARS),
    ):
        variables[name] = (("replicate",), values, {"units": unit})
    unit = "index of level, from 0"
    variables["tested_level_index"] = (("rationality", "provider"), np.asarray(tested), {"units": unit})
    coords = {
        "rationality": (
            "rationality",
            np.asarray(rationality),
            {"units": "per dollar", "long_name": "users' rationality β"},
        ),
        "equilibrium": list(EQUILIBRIA),
        "provider": list(providers),
    }
    return xr.Dataset(variables, coords, {"value_per_correct": float(users.value_per_correct[0])})


def _checked(profile: ArrayLike | Sequence[int], markets: Market, size: int) -> np.ndarray:
    """One profile for all β, refused where a provider has no such level."""
    chosen, exists = np.asarray(profile), np.asarray(markets.mask[0])
    if chosen.shape != exists.shape[:1] or not np.issubdtype(chosen.dtype, np.integer):
        raise InputError(
            f"bootstrap: profile is {profile}; give the index of a level for each of {len(exists)} providers"
        )
    for i, k in enumerate(chosen):
        if not (0 <= k < exists.shape[1] and exists[i, k]):
            raise InputError(
                f"bootstrap: profile has level {k} for provider {i}, which has {int(exists[i].sum())} levels"
            )
    return np.broadcast_to(chosen, (size, len(chosen)))


def _ratios(optimum: np.ndarray, welfare: np.ndarray) -> np.ndarray:
    """``solver.welfare_ratio`` entry by entry: inf where no welfare is left, nan where undefined."""
    ratio = np.divide(optimum, welfare, out=np.full(optimum.shape, np.inf), where=welfare > 0)
    return np.where(optimum > 0, ratio, np.nan)
