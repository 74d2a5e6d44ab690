"""Accuracy as a differentiable function of log compute: shape-preserving interpolation of measured levels.

The interpolant is PCHIP in the natural logarithm of tokens (Fritsch & Butland, SIAM J. Sci. Stat. Comput. 5, 1984):
cubic between levels, through every level, with a continuous first derivative, and monotone wherever the data are. Where
the data fall, the curve falls: a provider whose accuracy peaks has its peak at the measured level.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.base import is_concrete
from games.errors import InputError
from games.market import Market

Curves = Callable[[Float[Array, " providers"]], Float[Array, " providers"]]


class PchipCurves(eqx.Module):
    """One interpolated curve per provider, called with one log compute per provider.

    Build it with ``from_market`` or ``from_points``. Rows shorter than the longest are continued by their last value.

    Args:
        log_tokens: natural logarithm of tokens, increasing, ``[providers, levels]``.
        accuracy: probability of a correct answer there, ``[providers, levels]``.
        slope: derivative of accuracy in log tokens there, ``[providers, levels]``.
        count: number of levels of each provider, ``[providers]``.
    """

    log_tokens: Float[Array, "providers levels"]
    accuracy: Float[Array, "providers levels"]
    slope: Float[Array, "providers levels"]
    count: Int[Array, " providers"]

    @classmethod
    def from_points(
        cls,
        log_tokens: Float[Array, "providers levels"],
        accuracy: Float[Array, "providers levels"],
        count: Int[Array, " providers"] | None = None,
    ) -> "PchipCurves":
        """Interpolate points; differentiable in both arrays.

        Args:
            log_tokens: increasing along each row, as far as ``count`` says.
            accuracy: values there.
            count: number of points of each row; all by default.

        Raises:
            InputError: a row does not increase.

        Example:
            >>> curves = PchipCurves.from_points(jnp.log(jnp.array([[100.0, 400.0, 1600.0]])), jnp.array([[0.5, 0.7, 0.6]]))
            >>> curves(jnp.log(jnp.array([400.0]))).round(6).tolist()
            [0.7]
        """
        providers, levels = log_tokens.shape
        count = jnp.full(providers, levels) if count is None else jnp.asarray(count)
        if levels == 1:
            log_tokens, accuracy = (jnp.concatenate([x, x], axis=1) for x in (log_tokens, accuracy))
        index = jnp.arange(log_tokens.shape[1])
        last = (count - 1)[:, None]
        behind = jnp.maximum(index - last, 0)
        # Points behind the last one continue the row at unit distance, so that no cell has width zero.
        log_tokens = jnp.where(behind > 0, jnp.take_along_axis(log_tokens, last, axis=1) + behind, log_tokens)
        accuracy = jnp.where(behind > 0, jnp.take_along_axis(accuracy, last, axis=1), accuracy)
        if is_concrete(log_tokens):
            for i in np.flatnonzero(~np.all(np.diff(np.asarray(log_tokens), axis=1) > 0, axis=1)):
                raise InputError(
                    f"curves: log tokens of provider {i} do not increase; sort its points and drop repeats"
                )
        return cls(log_tokens, accuracy, _slopes(log_tokens, accuracy, last), count)

    @classmethod
    def from_market(cls, market: Market, values: Float[Array, "providers levels"] | None = None) -> "PchipCurves":
        """Interpolate the levels of a market.

        Levels are sorted by tokens, whatever their labels say: more effort need not mean more tokens. Of several levels
        with the same tokens (two methods with one sample, say) only the most accurate stays.

        Args:
            market: N providers; which levels exist and how many tokens they need must be known, not traced.
            values: what to interpolate in place of accuracy, such as ``market.price``.

        Raises:
            InputError: a level needs no tokens, so that it has no logarithm.

        Example:
            >>> from games import load_scenario
            >>> curves = PchipCurves.from_market(load_scenario("AIME/reasoning_effort").market)
            >>> [f"{tokens:.1f}" for tokens in jnp.exp(curves.log_tokens[1])]
            ['1546.5', '1569.2', '1652.2', '1742.7', '1896.3']
        """
        mask, tokens = np.asarray(market.mask), np.asarray(market.tokens)
        for i, k in np.argwhere(mask & ~(tokens > 0)):
            name = market.providers[i] if market.providers else f"provider {i}"
            raise InputError(f"curves: {name!r} needs no tokens at level {k}; continuous compute needs positive tokens")
        accuracy = np.asarray(market.accuracy) if is_concrete(market.accuracy) else None
        order = np.zeros(mask.shape, int)
        count = np.zeros(mask.shape[0], int)
        for i in range(mask.shape[0]):
            levels = np.flatnonzero(mask[i])
            tie = np.zeros(len(levels)) if accuracy is None else -accuracy[i, levels]
            levels = levels[np.lexsort((tie, tokens[i, levels]))]
            kept = levels[np.append(True, np.diff(tokens[i, levels]) > 0)]
            order[i, : len(kept)], count[i] = kept, len(kept)
        width = count.max()
        points = (
            jnp.take_along_axis(x, jnp.asarray(order[:, :width]), axis=1)
            for x in (market.tokens, market.accuracy if values is None else values)
        )
        tokens_in_order, accuracy_in_order = points
        positive = jnp.where(tokens_in_order > 0, tokens_in_order, 1.0)
        return cls.from_points(jnp.log(positive), accuracy_in_order, jnp.asarray(count))

    @property
    def bounds(self) -> tuple[Float[Array, " providers"], Float[Array, " providers"]]:
        """First and last log tokens of every provider's points."""
        return self.log_tokens[:, 0], jnp.take_along_axis(self.log_tokens, (self.count - 1)[:, None], axis=1)[:, 0]

    def __call__(self, log_compute: Float[Array, " providers"]) -> Float[Array, " providers"]:
        """Accuracy of every provider at its own log compute; cubic Hermite form."""
        inside = jnp.sum(self.log_tokens[:, 1:-1] <= log_compute[:, None], axis=1)[:, None]

        def ends(values):
            both = (jnp.take_along_axis(values, inside, axis=1), jnp.take_along_axis(values, inside + 1, axis=1))
            return both[0][:, 0], both[1][:, 0]

        (x0, x1), (y0, y1), (d0, d1) = ends(self.log_tokens), ends(self.accuracy), ends(self.slope)
        width = x1 - x0
        t = (log_compute - x0) / width
        rest = 1 - t
        bend = rest * (d0 * width - (y1 - y0)) - t * (d1 * width - (y1 - y0))
        return rest * y0 + t * y1 + t * rest * bend


def _slopes(
    x: Float[Array, "providers levels"], y: Float[Array, "providers levels"], last: Int[Array, "providers 1"]
) -> Float[Array, "providers levels"]:
    """Derivatives at the points: a weighted harmonic mean inside, a three-point formula at both ends."""
    width = jnp.diff(x, axis=1)
    secant = jnp.diff(y, axis=1) / width
    h0, h1, d0, d1 = width[:, :-1], width[:, 1:], secant[:, :-1], secant[:, 1:]
    agree = d0 * d1 > 0
    w0, w1 = 2 * h1 + h0, h1 + 2 * h0
    # The inner where keeps the unused branch finite, so that its derivative is not NaN.
    inner = jnp.where(agree, (w0 + w1) / (w0 / jnp.where(agree, d0, 1.0) + w1 / jnp.where(agree, d1, 1.0)), 0.0)
    first = jnp.concatenate([_end_slope(h0, h1, d0, d1), secant[:, -1:]], axis=1)
    final = jnp.concatenate([secant[:, :1], _end_slope(h1, h0, d1, d0)], axis=1)
    # With two points both ends have the secant's slope, with one there is no slope.
    start = jnp.where(last >= 2, first[:, :1], jnp.where(last == 1, secant[:, :1], 0.0))
    middle = jnp.concatenate([start, inner, jnp.zeros_like(start)], axis=1)
    index = jnp.arange(x.shape[1])
    at_end = jnp.concatenate([start, final], axis=1)
    return jnp.where(index < last, middle, jnp.where((index == last) & (last > 0), at_end, 0.0))


def _end_slope(
    h0: Float[Array, "providers ends"],
    h1: Float[Array, "providers ends"],
    d0: Float[Array, "providers ends"],
    d1: Float[Array, "providers ends"],
) -> Float[Array, "providers ends"]:
    """One-sided derivative, cut so that the end cell keeps the shape of the data."""
    slope = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
    slope = jnp.where(slope * d0 > 0, slope, 0.0)
    return jnp.where((d0 * d1 <= 0) & (jnp.abs(slope) > 3 * jnp.abs(d0)), 3 * d0, slope)
