"""What mechanisms with free prices share: levels of all segments, and a ledger that says so where no equilibrium exists."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from games.errors import InputError
from games.market import Market
from games.users import Users
from solver.mechanisms.outcome import Outcome, settle
from solver.result import Status

Levels = Int[Array, "segments providers"]
GivenLevels = ArrayLike | Sequence[ArrayLike] | Sequence[Sequence[ArrayLike]]
PerProvider = Float[Array, "segments providers"]


def given_levels(levels: GivenLevels, market: Market, users: Users, mechanism: str) -> Levels:
    """Levels as given, one profile for all segments or one each, checked.

    Raises:
        InputError: a wrong shape, or a level that does not exist.
    """
    values = np.asarray(levels)
    shape = (users.num_segments, market.num_providers)
    if values.shape not in (shape, shape[1:]) or not np.issubdtype(values.dtype, np.integer):
        raise InputError(
            f"{mechanism}: levels has shape {values.shape} and type {values.dtype}; give one whole number for each of "
            f"{shape[1]} providers, or a row of them for each of {shape[0]} segments"
        )
    values = np.broadcast_to(values, shape)
    mask = np.asarray(market.mask)
    for s, i in np.ndindex(shape):
        k = values[s, i]
        if not (0 <= k < mask.shape[1] and mask[i, k]):
            name = market.providers[i] if market.providers else f"provider {i}"
            raise InputError(f"{mechanism}: {name!r} has no level {k}; it has levels 0 to {mask[i].sum() - 1}")
    return jnp.asarray(values, int)


def take_levels(values: Float[Array, "segments providers levels"], levels: Levels) -> PerProvider:
    """Each provider's value at its level."""
    return jnp.take_along_axis(values, levels[..., None], axis=-1)[..., 0]


def per_provider(weight: Float[Array, " segments"], values: PerProvider) -> Float[Array, " providers"]:
    """Average over segments; infinite entries stay infinite."""
    return jnp.tensordot(weight, values, axes=1)


def settle_prices(market: Market, users: Users, *, status: Int[Array, " segments"], **play: Any) -> Outcome:
    """``settle``, with NaN in every figure of money or share of the segments that have no equilibrium."""
    missing = status == int(Status.NO_EQUILIBRIUM)
    outcome = settle(market, users, status=status.max(), **play)

    def hide(values: Any) -> Any:
        return jnp.where(missing.reshape((-1,) + (1,) * (values.ndim - 1)), jnp.nan, values)

    def figures(o: Any) -> Any:
        money = (o.user_value, o.consumer_surplus, o.platform, o.welfare, o.welfare_with_tastes)
        return (o.allocation, o.price, o.profits, *money)

    return eqx.tree_at(figures, outcome, jax.tree.map(hide, figures(outcome)))
