"""Integrals of several functions at once, refined where they are hard, with an estimate of the error; jits and vmaps.

The interval is cut at given points, where integrands may bend, jump or have a singular derivative. Between two cuts

    x = c + (c' − c) w(s),  w(s) = s⁵ (126 − 420 s + 540 s² − 315 s³ + 70 s⁴),

whose first four derivatives vanish at both ends: a term (x − c)^p of the integrand becomes one in s^{5p + 4}, so that roots at
a cut cost nothing. Panels are summed by Clenshaw and Curtis's rule with 33 points (Numerische Mathematik 2, 1960); the rule
on every other of them gives the error of a panel, and the worst panels are halved until the sum of all errors is small
(Gander & Gautschi, BIT 40, 2000). The estimate is that of the coarser rule, so that what is returned is usually much better.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

Columns = Float[Array, " columns"]

POINTS = 32
AT_ONCE = 8
EXTRA = 256
NARROW = 1e-15  # of the interval: narrower panels hold nothing, their cuts differ by rounding


def clenshaw_curtis(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Points cos(jπ/degree) on [−1, 1], moved to [0, 1], and their weights, exact for polynomials of an even ``degree``.

    Args:
        degree: even, at least 2.

    Example:
        >>> nodes, weights = clenshaw_curtis(4)
        >>> round(float(weights @ nodes**4), 12)  # 1/5
        0.2
    """
    angle = np.pi * np.arange(degree + 1) / degree
    order = np.arange(1, degree // 2 + 1)
    factor = np.where(order == degree // 2, 1.0, 2.0) / (4 * order**2 - 1)
    weights = 1 - np.cos(2 * angle[:, None] * order) @ factor
    weights[[0, -1]] /= 2
    return (1 - np.cos(angle)) / 2, weights / degree


NODES, FINE = clenshaw_curtis(POINTS)
COARSE = np.zeros(POINTS + 1)
COARSE[::2] = clenshaw_curtis(POINTS // 2)[1]


class Integral(NamedTuple):
    """Integrals of every function, ``[functions, columns]``, and estimates of their absolute errors."""

    value: Float[Array, "functions columns"]
    error: Float[Array, "functions columns"]


class _Panels(NamedTuple):
    """Parts of the gaps between cuts: which gap, from where to where in s, integral and error there.

    ``priority`` is infinite where nothing was evaluated yet, 0 where nothing is left to do.
    """

    gap: Int[Array, " panels"]
    start: Float[Array, " panels"]
    end: Float[Array, " panels"]
    value: Float[Array, "panels functions columns"]
    error: Float[Array, "panels functions columns"]
    priority: Float[Array, " panels"]
    used: Int[Array, ""]


def integrate(
    integrand: Callable[[Columns], Float[Array, "functions columns"]],
    cuts: Float[Array, "cuts columns"],
    tolerance: Float[Array, ""],
) -> Integral:
    """Integrals between the least and the largest cut, in every column over its own variable.

    All columns move together: ``integrand`` is asked at one point of every column and answers for all of them.

    Args:
        integrand: from one point per column to the values of all functions there.
        cuts: points where integrands may be singular, in any order, the ends among them; ``[cuts, columns]``.
        tolerance: absolute error, estimated, at which refining stops; it also stops after 256 more panels.
    """
    cuts = jnp.sort(cuts, axis=0)
    lower, width = cuts[:-1], jnp.diff(cuts, axis=0)
    gaps = len(lower)
    panels = gaps + EXTRA
    shape = jax.eval_shape(integrand, lower[0]).shape
    narrow = jnp.all(width <= NARROW * (cuts[-1] - cuts[0]), axis=1)

    def fill(x: Any, rest: float | int = 0.0) -> Any:
        return jnp.concatenate([x, jnp.full((EXTRA, *x.shape[1:]), rest, x.dtype)])

    start = _Panels(
        gap=fill(jnp.arange(gaps), 0),
        start=jnp.zeros(panels),
        end=fill(jnp.ones(gaps)),
        value=jnp.zeros((panels, *shape)),
        error=jnp.zeros((panels, *shape)),
        priority=fill(jnp.where(narrow, 0.0, jnp.inf)),
        used=jnp.asarray(gaps),
    )

    def unfinished(state: _Panels) -> Bool[Array, ""]:
        fresh = jnp.isinf(state.priority).any()
        wrong = state.error.sum(axis=0).max() > tolerance
        return fresh | (wrong & (state.used + AT_ONCE <= panels) & (state.priority > 0).any())

    def refine(state: _Panels) -> _Panels:
        priority, chosen = jax.lax.top_k(state.priority, min(AT_ONCE, panels))
        fresh = jnp.isinf(priority)
        # Halves only once everything has been looked at; then a share of the error that does not matter is left alone.
        split = (priority > 0) & ~fresh & ~fresh.any()
        begin, stop, gap = state.start[chosen], state.end[chosen], state.gap[chosen]
        middle = (begin + stop) / 2
        stop = jnp.where(split, middle, stop)
        place = jnp.where(split, state.used + jnp.cumsum(split) - 1, panels)
        s = begin + (stop - begin) * NODES[:, None]
        rise, slope = _smooth(s)
        points = lower[gap] + width[gap] * rise[..., None]
        values = jax.vmap(jax.vmap(integrand))(points) * (width[gap] * slope[..., None])[:, :, None]
        scale = (stop - begin)[:, None, None]
        fine, coarse = (scale * jnp.tensordot(jnp.asarray(rule), values, axes=1) for rule in (FINE, COARSE))
        done = fresh | split
        error = jnp.abs(fine - coarse)
        urgent = jnp.where(stop - begin > 1e-12, error.max(axis=(1, 2)), 0.0)

        def put(old: Any, new: Any) -> Any:
            return old.at[chosen].set(jnp.where(done.reshape(-1, *[1] * (new.ndim - 1)), new, old[chosen]))

        return _Panels(
            gap=state.gap.at[place].set(gap, mode="drop"),
            start=state.start.at[place].set(middle, mode="drop"),
            end=put(state.end, stop).at[place].set(state.end[chosen], mode="drop"),
            value=put(state.value, fine),
            error=put(state.error, error),
            priority=put(state.priority, urgent).at[place].set(jnp.inf, mode="drop"),
            used=state.used + split.sum(),
        )

    found = jax.lax.while_loop(unfinished, refine, start)
    return Integral(found.value.sum(axis=0), found.error.sum(axis=0))


def _smooth(s: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """w(s) of the module formula and w′(s) = 630 s⁴ (1 − s)⁴."""
    return smooth_step(s), 630 * (s * (1 - s)) ** 4


def smooth_step(s: Float[Array, "..."]) -> Float[Array, "..."]:
    """w(s) of the module formula: from 0 to 1, flat at both ends.

    Args:
        s: between 0 and 1.
    """
    return jnp.clip(s**5 * (126 + s * (-420 + s * (540 + s * (-315 + s * 70)))), 0.0, 1.0)
