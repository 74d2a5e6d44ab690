"""What one provider can offer when its cost depends on a private parameter θ, and its best surplus k(θ).

A provider that must reach a score b earns S(q) − b − c(q, θ) if it wins, so that it delivers the quality of

    k(θ) = max_q (S(q) − c(q, θ)),

its *pseudotype*, whatever it bids (Che, RAND J. Econ. 24, 1993; Asker & Cantillon, RAND J. Econ. 39, 2008). The score S of
the auction may differ from the users' value V. By the envelope theorem dk/dθ = −∂c/∂θ at the best quality, so that k has
distribution F(k) = P(θ ≥ θ(k)) and density f(k) = g(θ(k))/(∂c/∂θ).

Methods here speak of one provider; ``games.private_costs`` maps them over providers.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float
from typing_extensions import Protocol, runtime_checkable

from games.base import is_concrete
from games.errors import InputError

Scalar = Float[Array, ""]
Curve = Callable[[Scalar], Scalar]
CostCurve = Callable[[Scalar, Scalar], Scalar]

GRID = 65
HALVINGS = 56


@runtime_checkable
class Offers(Protocol):
    """The offers of a provider with parameter θ; all money in dollars per query served."""

    def pseudotype(self, theta: Scalar) -> Scalar:
        """k(θ), the largest score less cost."""

    def excess(self, theta: Scalar) -> Scalar:
        """V − S at the quality that attains k(θ); 0 where the score is the users' value."""

    def marginal_cost(self, theta: Scalar) -> Scalar:
        """∂c/∂θ there."""

    def parameter(self, pseudotype: Scalar, lower: Scalar, upper: Scalar) -> Scalar:
        """θ within [lower, upper] whose pseudotype is given."""

    def check(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Refuse offers whose pseudotype does not fall in θ within the bounds, one pair per provider."""


class LevelOffers(eqx.Module):
    """Levels of compute to choose from; a provider's cost is θ times the cost of the level.

    θ(k) = max over levels of (S − k)/c is exact: no root is sought.

    Args:
        score: S of every level, dollars per query, ``[providers, levels]``.
        cost: dollars per query at θ = 1, likewise; positive.
        value: users' value V of every level; the score itself by default.
        mask: True where a level exists; everywhere by default.

    Example:
        >>> offers = LevelOffers(score=jnp.array([0.5, 0.9]), cost=jnp.array([0.1, 0.4]))
        >>> [round(float(offers.pseudotype(jnp.array(theta))), 6) for theta in (0.5, 2.0)]
        [0.7, 0.3]
        >>> round(float(offers.parameter(jnp.array(0.3), jnp.array(0.5), jnp.array(4.0))), 6)
        2.0
    """

    score: Float[Array, "*providers levels"]
    cost: Float[Array, "*providers levels"]
    value: Float[Array, "*providers levels"]
    mask: Bool[Array, "*providers levels"]

    def __init__(
        self,
        score: ArrayLike,
        cost: ArrayLike,
        *,
        value: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        self.score = jnp.asarray(score, float)
        self.cost = jnp.asarray(cost, float)
        self.value = self.score if value is None else jnp.asarray(value, float)
        self.mask = jnp.ones(self.score.shape, bool) if mask is None else jnp.asarray(mask)

    def pseudotype(self, theta: Scalar) -> Scalar:
        """k(θ), the largest score less cost."""
        return jnp.max(self._surplus(theta))

    def excess(self, theta: Scalar) -> Scalar:
        """V − S of the best level; ties go to the first."""
        best = jnp.argmax(self._surplus(theta))
        return self.value[best] - self.score[best]

    def marginal_cost(self, theta: Scalar) -> Scalar:
        """Cost of the best level at θ = 1."""
        return self.cost[jnp.argmax(self._surplus(theta))]

    def parameter(self, pseudotype: Scalar, lower: Scalar, upper: Scalar) -> Scalar:
        """θ whose pseudotype is given."""
        cost = jnp.where(self.mask, self.cost, 1.0)
        return jnp.clip(jnp.max(jnp.where(self.mask, (self.score - pseudotype) / cost, -jnp.inf)), lower, upper)

    def switches(self, lower: Scalar, upper: Scalar) -> Float[Array, " levels"]:
        """θ within [lower, upper] where a cheaper level becomes the best, one entry per level; ``lower`` where it never does.

        Level l beats a cheaper one up to (S_l − S)/(c_l − c) and a dearer one from there on.
        """
        cost = jnp.where(self.mask, self.cost, 1.0)
        dearer = cost - cost[:, None]  # [level, other]
        meet = (self.score - self.score[:, None]) / jnp.where(dearer == 0, 1.0, dearer)
        other = self.mask & self.mask[:, None]
        begins = jnp.max(jnp.where(other & (dearer > 0), meet, -jnp.inf), axis=1)
        ends = jnp.min(jnp.where(other & (dearer < 0), meet, jnp.inf), axis=1)
        used = self.mask & jnp.isfinite(begins) & (begins <= ends)
        return jnp.clip(jnp.where(used, begins, lower), lower, upper)

    def check(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Refuse values that are not finite and levels without cost."""
        rows = np.atleast_2d(np.asarray(self.mask))
        tables = {"score": self.score, "value": self.value, "cost": self.cost}
        for name, table in tables.items():
            wrong = ~np.isfinite(np.atleast_2d(np.asarray(table)))
            if name == "cost":
                wrong |= np.atleast_2d(np.asarray(table)) <= 0
            for i, level in np.argwhere(wrong & rows):
                bad = float(np.atleast_2d(np.asarray(table))[i, level])
                raise InputError(
                    f"private costs: {name} of provider {i} at level {level} is {bad:g}; it must be finite"
                    + (" and positive, or θ does not matter there" if name == "cost" else "")
                )
        for i in np.flatnonzero(~rows.any(axis=1)):
            raise InputError(f"private costs: provider {i} has no level; leave it out or give it one")

    def _surplus(self, theta: Scalar) -> Float[Array, " levels"]:
        return jnp.where(self.mask, self.score - theta * self.cost, -jnp.inf)


class CurveOffers(eqx.Module):
    """Any quality within bounds; score, value and cost are curves.

    The best quality comes from a grid and bisection of the derivative around its peak, θ(k) from Newton's method, bracketed.

    Args:
        score: S(q), dollars per query.
        cost: c(q, θ), dollars per query, increasing in θ.
        lower, upper: bounds of quality, ``[providers]`` or one.
        value: users' value V(q); the score itself by default.

    Example:
        >>> offers = CurveOffers(score=PowerQuality(2.0, 0.5), cost=ProportionalCost(), lower=0.0, upper=4.0)
        >>> round(float(offers.pseudotype(jnp.array(1.25))), 9)  # q = 1/θ², k = 1/θ
        0.8
    """

    score: Curve
    cost: CostCurve
    lower: Float[Array, "*providers"]
    upper: Float[Array, "*providers"]
    value: Curve

    def __init__(
        self,
        score: Curve,
        cost: CostCurve,
        lower: ArrayLike,
        upper: ArrayLike,
        *,
        value: Curve | None = None,
    ) -> None:
        self.score, self.cost = score, cost
        self.lower, self.upper = jnp.asarray(lower, float), jnp.asarray(upper, float)
        self.value = score if value is None else value

    def pseudotype(self, theta: Scalar) -> Scalar:
        """k(θ), the largest score less cost."""
        return self._surplus(self.best_quality(theta), theta)

    def excess(self, theta: Scalar) -> Scalar:
        """V − S at the best quality."""
        quality = self.best_quality(theta)
        return self.value(quality) - self.score(quality)

    def marginal_cost(self, theta: Scalar) -> Scalar:
        """∂c/∂θ at the best quality."""
        return jax.grad(self.cost, argnums=1)(self.best_quality(theta), theta)

    def switches(self, lower: Scalar, upper: Scalar) -> Float[Array, " 2"]:
        """θ within [lower, upper] where the best quality leaves its upper bound and where it reaches its lower one.

        Where S − c has several peaks, the best quality may jump at other places besides; those are not named.
        """
        slope = jax.grad(self._surplus)

        def last(quality):
            """Largest θ at which surplus still rises in quality there."""

            def halve(_, ends):
                middle = (ends[0] + ends[1]) / 2
                rises = slope(quality, middle) > 0
                return jnp.where(rises, middle, ends[0]), jnp.where(rises, ends[1], middle)

            return sum(jax.lax.fori_loop(0, HALVINGS, halve, (lower, upper))) / 2

        return jnp.stack([last(self.upper), last(self.lower)])

    def best_quality(self, theta: Scalar) -> Scalar:
        """argmax_q (S(q) − c(q, θ))."""
        grid = self.lower + jnp.linspace(0.0, 1.0, GRID) * (self.upper - self.lower)
        peak = jnp.argmax(jax.vmap(lambda q: self._surplus(q, theta))(grid))
        slope = jax.grad(self._surplus)

        def halve(_, ends):
            middle = (ends[0] + ends[1]) / 2
            rises = slope(middle, theta) > 0
            return jnp.where(rises, middle, ends[0]), jnp.where(rises, ends[1], middle)

        ends = (grid[jnp.maximum(peak - 1, 0)], grid[jnp.minimum(peak + 1, GRID - 1)])
        low, high = jax.lax.fori_loop(0, HALVINGS, halve, ends)
        return (low + high) / 2

    def parameter(self, pseudotype: Scalar, lower: Scalar, upper: Scalar) -> Scalar:
        """θ whose pseudotype is given."""

        def unsettled(state):
            count, _, _, _, step = state
            return (count < HALVINGS) & (step > 4 * jnp.finfo(upper.dtype).eps * upper)

        def improve(state):
            """Newton's step, dk/dθ = −∂c/∂θ; half the bracket where it would leave it."""
            count, low, high, theta, _ = state
            quality = self.best_quality(theta)
            above = self._surplus(quality, theta) - pseudotype
            low, high = jnp.where(above > 0, theta, low), jnp.where(above > 0, high, theta)
            target = theta + above / jax.grad(self.cost, argnums=1)(quality, theta)
            inside = (target >= low) & (target <= high)
            target = jnp.where(inside, target, (low + high) / 2)
            return count + 1, low, high, target, jnp.abs(target - theta)

        start = (jnp.zeros((), int), lower, upper, (lower + upper) / 2, jnp.abs(upper))
        theta = jax.lax.while_loop(unsettled, improve, start)[3]
        # Beyond the bounds the nearest bound, exactly.
        theta = jnp.where(pseudotype >= self.pseudotype(lower), lower, theta)
        return jnp.where(pseudotype <= self.pseudotype(upper), upper, theta)

    def check(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Refuse empty quality bounds and costs that do not rise with θ."""
        pairs = zip(np.atleast_1d(np.asarray(self.lower)), np.atleast_1d(np.asarray(self.upper)), strict=True)
        for i, (low, high) in enumerate(pairs):
            if not (np.isfinite(high) and low < high):
                raise InputError(
                    f"private costs: quality bounds [{low:g}, {high:g}] of provider {i} are empty or not finite"
                )

    def _surplus(self, quality: Scalar, theta: Scalar) -> Scalar:
        return self.score(quality) - self.cost(quality, theta)


class PowerQuality(eqx.Module):
    """V(q) = scale · q^exponent + slope · q, in dollars per query.

    Args:
        scale: dollars at q = 1, ``[providers]`` or one.
        exponent: in (0, 1] for decreasing returns.
        slope: dollars per unit of quality on top; 0 by default.

    Example:
        >>> float(PowerQuality(1.0, 0.5, slope=0.5)(jnp.array(4.0)))  # √q + q/2
        4.0
    """

    scale: Float[Array, "*providers"]
    exponent: Float[Array, "*providers"]
    slope: Float[Array, "*providers"]

    def __init__(
        self,
        scale: ArrayLike,
        exponent: ArrayLike,
        *,
        slope: ArrayLike = 0.0,
    ) -> None:
        arrays = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (scale, exponent, slope)))
        self.scale, self.exponent, self.slope = arrays
        if is_concrete(arrays) and not np.all((np.asarray(self.scale) > 0) & (np.asarray(self.exponent) > 0)):
            raise InputError(f"power quality: scale {self.scale} and exponent {self.exponent} must be positive")

    def __call__(self, quality: Scalar) -> Scalar:
        """Dollars per query."""
        return self.scale * quality**self.exponent + self.slope * quality


class ProportionalCost(eqx.Module):
    """c(q, θ) = θ · q, in dollars per query.

    Example:
        >>> float(ProportionalCost()(jnp.array(2.0), jnp.array(1.5)))
        3.0
    """

    def __call__(self, quality: Scalar, theta: Scalar) -> Scalar:
        """Dollars per query."""
        return theta * quality
