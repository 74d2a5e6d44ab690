"""Logit demand in logarithms: shares, leave-one-out sums and consumer surplus that neither over- nor underflow.

An attraction is a = e^{βV}; at β = 10^6 attractions span thousands of orders of magnitude, so only their
logarithms ever appear. Sums over "everybody else" add what lies before and behind a provider, never subtract.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Up to so many providers, sums over the others are written out pair by pair.
FEW = 64


def log_attraction(
    rationality: Float[Array, " segments"], value: Float[Array, "segments *shape"]
) -> Float[Array, "segments *shape"]:
    """β·V, where β = 0 gives 0 for every finite V, and V = -inf stays -inf whatever β."""
    beta = rationality.reshape(rationality.shape + (1,) * (value.ndim - 1))
    finite = jnp.isfinite(value)
    return jnp.where(finite, beta * jnp.where(finite, value, 0.0), value)


def log_sum(
    log_weights: Float[Array, "*batch providers"], log_outside: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """ln Z, Z = e^{βV0} + Σ_i a_i, over the last axis."""
    return jnp.logaddexp(jax.nn.logsumexp(log_weights, axis=-1), log_outside)


def log_sum_of_others(
    log_weights: Float[Array, "*batch providers"], log_outside: Float[Array, "*batch"]
) -> Float[Array, "*batch providers"]:
    """ln R_i, R_i = e^{βV0} + Σ_{j≠i} a_j, without cancellation; in O(N) where providers are many.

    Example:
        >>> others = log_sum_of_others(jnp.log(jnp.array([1.0, 2.0, 4.0])), jnp.log(0.5))
        >>> jnp.exp(others).round(6).tolist()
        [6.5, 5.5, 3.5]
    """
    if log_weights.shape[-1] == 1:
        # Nobody else: the sum of two empty sums below would have no derivative.
        return log_outside[..., None]
    if log_weights.shape[-1] <= FEW:
        # N² terms, but one sum: two running sums and their derivatives take several times as long to compile.
        own = jnp.eye(log_weights.shape[-1], dtype=bool)
        others = jax.nn.logsumexp(jnp.where(own, -jnp.inf, log_weights[..., None, :]), axis=-1)
        return jnp.logaddexp(others, log_outside[..., None])
    axis = log_weights.ndim - 1
    nothing = jnp.full_like(log_weights[..., :1], -jnp.inf)
    before = jax.lax.cumlogsumexp(log_weights, axis=axis)[..., :-1]
    behind = jax.lax.cumlogsumexp(log_weights, axis=axis, reverse=True)[..., 1:]
    before = jnp.concatenate([nothing, before], axis=axis)
    behind = jnp.concatenate([behind, nothing], axis=axis)
    return jnp.logaddexp(jnp.logaddexp(before, behind), log_outside[..., None])


def log_shares(
    log_weights: Float[Array, "*batch providers"], log_outside: Float[Array, "*batch"]
) -> Float[Array, "*batch providers"]:
    """ln s_i = ln a_i − ln Z, over the last axis."""
    return log_weights - log_sum(log_weights, log_outside)[..., None]
