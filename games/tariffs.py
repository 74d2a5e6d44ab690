"""Amounts of money as functions of compute: proportional to tokens, or that and the rest of what was measured.

A price per query is output tokens × list price where input is free. Where input tokens are charged too, or where a bill was
recorded instead, prices of levels are p_k = r·θ_k + e_k. The largest r ≥ 0 that leaves e_1 ≤ e_2 ≤ ... is split off, and
e is interpolated (PCHIP in ln θ): exact where the rest is the same for all levels, and positive between levels always,
for e never falls below e_1 and r·θ_1 + e_1 = p_1.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from games.base import is_concrete
from games.curves import PchipCurves
from games.market import Market

LogCompute = Float[Array, " providers"]
Tariff = Callable[[LogCompute], LogCompute]
PROPORTIONAL = 1e-5


class PerToken(eqx.Module):
    """An amount of money proportional to compute: rate · θ.

    Args:
        rate: dollars per token, ``[providers]``.
    """

    rate: Float[Array, " providers"]

    def __call__(self, log_compute: LogCompute) -> Float[Array, " providers"]:
        """Dollars per query."""
        return self.rate * jnp.exp(log_compute)

    def scaled(self, factor: ArrayLike) -> "PerToken":
        """Every amount times a factor, one or one per provider."""
        return PerToken(self.rate * factor)


class PerTokenAndRest(eqx.Module):
    """An amount of money that grows with compute, rate · θ, and a rest that was measured level by level.

    Args:
        rate: dollars per token, ``[providers]``.
        rest: dollars per query beside that, interpolated in log compute.
    """

    rate: Float[Array, " providers"]
    rest: PchipCurves

    def __call__(self, log_compute: LogCompute) -> Float[Array, " providers"]:
        """Dollars per query."""
        return self.rate * jnp.exp(log_compute) + self.rest(log_compute)

    def scaled(self, factor: ArrayLike) -> "PerTokenAndRest":
        """Every amount times a factor, one or one per provider."""
        each = jnp.broadcast_to(jnp.asarray(factor, self.rate.dtype), self.rate.shape)
        rest = eqx.tree_at(
            lambda r: (r.accuracy, r.slope),
            self.rest,
            (self.rest.accuracy * each[:, None], self.rest.slope * each[:, None]),
        )
        return PerTokenAndRest(self.rate * each, rest)


def tariff_of_levels(market: Market, amounts: Float[Array, "providers levels"]) -> PerToken | PerTokenAndRest:
    """The tariff through the amounts of a market's levels.

    Args:
        market: N providers.
        amounts: dollars per query of every level, such as ``market.price``; traced amounts are taken as proportional to
            tokens, because their kind cannot be looked at.

    Example:
        >>> market = Market.from_arrays(accuracy=[[0.5, 0.7]], tokens=[[100, 300]], price_per_million=10)
        >>> type(tariff_of_levels(market, market.price)).__name__
        'PerToken'
        >>> with_input = tariff_of_levels(market, market.price + 0.0005)
        >>> with_input(jnp.log(jnp.array([200.0]))).round(7).tolist()
        [0.0025]
    """
    exists = market.mask & (market.tokens > 0)
    rates = jnp.where(exists, amounts / jnp.where(exists, market.tokens, 1.0), 0.0)
    rate = rates.max(axis=1)
    if not is_concrete(rates, exists):
        return PerToken(rate)
    off = np.asarray(exists & (jnp.abs(rates - rate[:, None]) > PROPORTIONAL * rate[:, None]))
    if not off.any():
        return PerToken(rate)
    curves = PchipCurves.from_market(market, amounts)
    tokens, dollars, count = (np.asarray(x) for x in (jnp.exp(curves.log_tokens), curves.accuracy, curves.count))
    split = np.array(rate)
    for i in np.flatnonzero(off.any(axis=1)):
        # A provider without a step between levels stays proportional.
        if count[i] > 1:
            steps = np.diff(dollars[i, : count[i]]) / np.diff(tokens[i, : count[i]])
            split[i] = max(0.0, steps.min())
    rest = jnp.asarray(dollars - split[:, None] * tokens)
    return PerTokenAndRest(jnp.asarray(split), PchipCurves.from_points(curves.log_tokens, rest, curves.count))
