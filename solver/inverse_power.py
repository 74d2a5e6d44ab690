"""Shares of best replies under an inverse-power router, by Newton's method in logarithms.

A best reply never takes 1 − 1/k or more: shares are written s = (1 − 1/k) σ(v), σ the logistic function and v any number. Then
r = k(1 − s) = 1 + (k − 1) σ(−v), the markup over cost is (p − c)/c = 1/(r − 1) = 1/((k − 1) σ(−v)), and

    ln(T/A) = ln s + k ln(r/(r − 1)) = (1 − k) ln(1 − 1/k) + v − ln(1 + e^v) + k ln(1 + e^v/k),    T = q^g c^{−k},

rises in v, with a slope that rises from 1 to k.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from solver.scalar_root import decreasing_root

Exponent = Float[Array, ""]
Numbers = Float[Array, "*shape"]


def share_of(exponent: Exponent, odds: Numbers) -> Numbers:
    """s = (1 − 1/k) σ(v)."""
    return (1 - 1 / exponent) * jax.nn.sigmoid(odds)


def markup_of(exponent: Exponent, odds: Numbers) -> Numbers:
    """ln((p − c)/c)."""
    return -jnp.log(exponent - 1) - jax.nn.log_sigmoid(-odds)


def log_ratio(exponent: Exponent, odds: Numbers) -> Numbers:
    """ln(T/A) of the module's formula."""
    k = exponent
    return (1 - k) * jnp.log1p(-1 / k) + odds - jax.nn.softplus(odds) + k * jax.nn.softplus(odds - jnp.log(k))


def slope_of(exponent: Exponent, odds: Numbers) -> Numbers:
    """Derivative of ``log_ratio`` in v, from 1 to k."""
    return jax.nn.sigmoid(-odds) + exponent * jax.nn.sigmoid(odds - jnp.log(exponent))


def share_odds(exponent: Exponent, ratio: Numbers) -> Numbers:
    """v from ln(T/A).

    Example:
        >>> v = share_odds(jnp.array(2.0), log_ratio(jnp.array(2.0), jnp.array([-300.0, 0.5, 300.0])))
        >>> v.round(9).tolist()
        [-300.0, 0.5, 300.0]
    """
    k = exponent
    rest = ratio - (1 - k) * jnp.log1p(-1 / k)
    # Where e^v is not small, k ln(1 + e^v/k) is nearly everything; twice, since ln(1 + e^−v) is left out at first.
    beyond = jnp.maximum(rest, 0.3)
    v = _log_expm1(beyond / k) + jnp.log(k)
    v = jnp.where(rest > 0.3, _log_expm1((beyond + jax.nn.softplus(-v)) / k) + jnp.log(k), rest)
    # A loop, not five copies: this stands within other loops, and copies would triple the time that they take to compile.
    return jax.lax.fori_loop(0, 5, lambda _, v: v - (log_ratio(k, v) - ratio) / slope_of(k, v), v)


def _log_expm1(z: Numbers) -> Numbers:
    """ln(e^z − 1), z > 0."""
    return z + jnp.log(-jnp.expm1(-z))


def best_share_odds(exponent: Exponent, ratio: Numbers) -> Numbers:
    """v of the best reply to others of weight R, from ln(T/R): A is then R/(1 − s)."""
    k = exponent

    def gap(v, parameters):
        ratio, k = parameters
        share = jax.nn.sigmoid(v)
        left = 1 + (k - 1) * jax.nn.sigmoid(-v)
        rise = (k - 1) * share * jax.nn.sigmoid(-v) / left
        return ratio - log_ratio(k, v) + jnp.log(left / k), -slope_of(k, v) - rise

    finite = jnp.where(jnp.isfinite(ratio), ratio, 0.0)
    # 1 − s lies between 1/k and 1.
    high = share_odds(k, finite)
    low = share_odds(k, finite - jnp.log(k))
    return decreasing_root(gap, (finite, k), low - 1e-6, high + 1e-6, low)
