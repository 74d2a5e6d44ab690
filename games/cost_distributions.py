"""Distributions of a provider's private cost parameter θ: what the others believe about it.

A distribution is any frozen module with ``lower``, ``upper``, ``survival``, ``pdf`` and ``inverse_survival``; its arrays have
one entry per provider, and its methods work entry by entry, so that they also serve one provider after ``jax.vmap``. It is
given by P(θ ≥ t) because a provider beats those that cost more: near the weakest type 1 − P(θ ≤ t) would lose its digits.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from typing_extensions import Protocol, runtime_checkable

from games.base import is_concrete
from games.errors import InputError

Values = Float[Array, "*providers"]


@runtime_checkable
class CostDistribution(Protocol):
    """Distribution of the cost parameter θ of every provider, without atoms or gaps."""

    @property
    def lower(self) -> Values:
        """Least θ of every provider."""

    @property
    def upper(self) -> Values:
        """Largest θ of every provider."""

    def survival(self, theta: Values) -> Values:
        """Probability that θ is at least so much; 1 below the support, 0 above."""

    def pdf(self, theta: Values) -> Values:
        """Density within the support."""

    def inverse_survival(self, probability: Values) -> Values:
        """θ that is reached with this probability."""


class UniformCosts(eqx.Module):
    """θ uniform on [lower, upper].

    Args:
        lower, upper: bounds of θ, one for all providers or ``[providers]``; 0 ≤ lower < upper.

    Raises:
        InputError: an empty support or a negative bound.

    Example:
        >>> costs = UniformCosts(0.8, 1.2)
        >>> [round(float(f(jnp.array(x))), 6) for f, x in ((costs.survival, 0.9), (costs.inverse_survival, 0.75))]
        [0.75, 0.9]
    """

    lower: Values
    upper: Values

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        self.lower, self.upper = jnp.broadcast_arrays(jnp.asarray(lower, float), jnp.asarray(upper, float))

    def __check_init__(self) -> None:
        _check_support(self.lower, self.upper)

    def survival(self, theta: Values) -> Values:
        """Probability that θ is at least so much."""
        return jnp.clip((self.upper - theta) / (self.upper - self.lower), 0.0, 1.0)

    def pdf(self, theta: Values) -> Values:
        """Density within the support."""
        return jnp.broadcast_to(1 / (self.upper - self.lower), jnp.shape(theta))

    def inverse_survival(self, probability: Values) -> Values:
        """θ that is reached with this probability."""
        return self.upper - probability * (self.upper - self.lower)


class PowerCosts(eqx.Module):
    """P(θ ≥ t) = ((upper − t)/(upper − lower))^exponent on [lower, upper].

    With ``exponent`` m a provider's θ is distributed like the least of m uniform ones: a large exponent makes low costs
    likely.

    Args:
        lower, upper: bounds of θ, one for all providers or ``[providers]``; 0 ≤ lower < upper.
        exponent: at least 1; 1 is the uniform distribution.

    Raises:
        InputError: an empty support, a negative bound, or an exponent below 1.

    Example:
        >>> round(float(PowerCosts(0.0, 1.0, 2.0).survival(jnp.array(0.5))), 6)
        0.25
    """

    lower: Values
    upper: Values
    exponent: Values

    def __init__(self, lower: ArrayLike, upper: ArrayLike, exponent: ArrayLike) -> None:
        arrays = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (lower, upper, exponent)))
        self.lower, self.upper, self.exponent = arrays

    def __check_init__(self) -> None:
        _check_support(self.lower, self.upper)
        if is_concrete(self.exponent) and not np.all(np.asarray(self.exponent) >= 1):
            raise InputError(
                f"costs: exponent is {self.exponent}; it must be at least 1, or the density at the upper bound is infinite"
            )

    def survival(self, theta: Values) -> Values:
        """Probability that θ is at least so much."""
        return self._left(theta) ** self.exponent

    def pdf(self, theta: Values) -> Values:
        """Density within the support."""
        return self.exponent * self._left(theta) ** (self.exponent - 1) / (self.upper - self.lower)

    def inverse_survival(self, probability: Values) -> Values:
        """θ that is reached with this probability."""
        return self.upper - (self.upper - self.lower) * probability ** (1 / self.exponent)

    def _left(self, theta: Values) -> Values:
        return jnp.clip((self.upper - theta) / (self.upper - self.lower), 0.0, 1.0)


def _check_support(lower: Values, upper: Values) -> None:
    if not is_concrete(lower, upper):
        return
    low, high = np.atleast_1d(np.asarray(lower)), np.atleast_1d(np.asarray(upper))
    for i in np.flatnonzero(~((low >= 0) & np.isfinite(high) & (low < high))):
        place = f" of provider {i}" if len(low) > 1 else ""
        raise InputError(
            f"costs: support [{low[i]:g}, {high[i]:g}]{place} is empty, negative or not finite; "
            "give 0 <= lower < upper (a known cost is a narrow interval)"
        )
