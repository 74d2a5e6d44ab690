"""Roots of decreasing functions of one number: Newton's method inside a bracket, many at once, with derivatives.

Entries are independent. A Newton step that leaves its bracket, or is not a number, becomes a bisection. The loop itself is not
differentiated: one more Newton step, taken outside it, carries the derivatives that the implicit function theorem gives.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

P = TypeVar("P")
Numbers = Float[Array, "*shape"]
Function = Callable[[Numbers, P], tuple[Numbers, Numbers]]


def decreasing_root(
    function: Function[P], parameters: P, low: Numbers, high: Numbers, start: Numbers, *, max_steps: int = 200
) -> Numbers:
    """The x between ``low`` and ``high`` at which a decreasing function of every entry is 0.

    Args:
        function: from x and parameters to values and slopes, entry by entry; the slopes need no derivatives.
        parameters: any pytree; derivatives pass through it.
        low: the function is not negative here.
        high: the function is not positive here.
        start: first guess; cut to the bracket.
        max_steps: steps after which to stop; a bisection of a bracket a thousand wide needs 62.

    Example:
        >>> root = decreasing_root(lambda x, a: (a - jnp.exp(x), -jnp.exp(x)), jnp.array(5.0),
        ...                        jnp.array(0.0), jnp.array(9.0), jnp.array(1.0))
        >>> f"{float(root):.12f}", f"{float(jnp.log(5.0)):.12f}"
        ('1.609437912434', '1.609437912434')
    """
    frozen = jax.lax.stop_gradient(parameters)
    low, high, start = jax.lax.stop_gradient((low, high, start))
    # Newton's error is squared at each step: one that moved less than this has landed.
    close = jnp.sqrt(jnp.finfo(start.dtype).eps)

    def advance(state):
        x, low, high, _, count = state
        value, slope = function(x, frozen)
        low, high = jnp.where(value >= 0, x, low), jnp.where(value <= 0, x, high)
        newton = x - value / slope
        # A step that has landed is taken also where it leaves the bracket: the end it crosses lies as near as the root.
        # Else rounding, which need not be the same in the copies that a compiler makes of a value, sends it half way back.
        landed = jnp.abs(newton - x) <= close * jnp.maximum(1.0, jnp.abs(x))
        inside = landed | ((newton >= low) & (newton <= high))
        new = jnp.where(inside, newton, low + (high - low) / 2)
        moving = jnp.abs(new - x) > close * jnp.maximum(1.0, jnp.abs(x)) * jnp.where(inside, 1.0, close)
        return new, low, high, jnp.any(moving), count + 1

    state = (jnp.clip(start, low, high), low, high, jnp.array(True), jnp.array(0))
    x = jax.lax.while_loop(lambda s: s[3] & (s[4] < max_steps), advance, state)[0]
    x = jax.lax.stop_gradient(x)
    value, slope = function(x, parameters)
    step = value / jax.lax.stop_gradient(slope)
    return x - jnp.where(jnp.isfinite(step), step, 0.0)
