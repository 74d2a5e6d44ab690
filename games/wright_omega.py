"""The Wright omega function ω(z) on the real line, in logarithms: ω e^ω = e^z, that is, ω = LW(e^z), LW Lambert's W.

Best prices against logit demand are Lambert W of exponentials whose exponents reach ±10⁶: e^z over- and underflows,
and ln ω does not. From a start within a third of ω, three steps of Fritsch, Shafer & Crowley (Communications of the ACM 16,
1973; order four; Algorithm 917 of Lawrence, Corless & Jeffrey, ACM Trans. Math. Softw. 38, 2012, uses the same) end at
machine precision.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def log_wright_omega(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """ln ω(z), the v with v + e^v = z; -inf at -inf.

    Args:
        z: any real numbers.

    Example:
        >>> values = log_wright_omega(jnp.array([-1e6, 1.0, 1e6]))
        >>> [f"{v:.6f}" for v in values]
        ['-1000000.000000', '0.000000', '13.815497']
    """
    finite = jnp.where(jnp.isneginf(z), -1.0, z)
    # Each branch of a where must stay finite on the other's side, so that derivatives do.
    large = jnp.maximum(finite, 1.0)
    small = jnp.clip(finite, -30.0, 1.0)
    start = jnp.where(finite > 1, jnp.log(large - jnp.log(large) * (1 - 1 / large)), jnp.log(jax.nn.softplus(small)))
    v = jnp.where(finite < -30, finite, start)
    for _ in range(3):
        omega = jnp.exp(v)
        residual = finite - omega - v
        slope = 1 + omega
        cubic = 2 * slope * (slope + 2 * residual / 3)
        v = v + jnp.log1p(residual / slope * (cubic - residual) / (cubic - 2 * residual))
    return jnp.where(jnp.isneginf(z), z, v)
