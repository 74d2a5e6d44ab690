"""Users: how much a correct answer is worth, how sharply they choose, and what they do otherwise.

The value of an answer of accuracy ``acc`` to a user of segment s is (arXiv 2601.21839)

    q_s(acc) = α_s · (b + (1 − b) · f(acc))

with α dollars for a correct answer, a baseline b and a value curve f from [0, 1] onto [0, 1].
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from games.base import is_concrete
from games.errors import InputError


class LinearValue(eqx.Module):
    """f(x) = x: every further point of accuracy is worth the same."""

    def __call__(self, accuracy: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Value in [0, 1] of an accuracy in [0, 1]."""
        return accuracy


def _scalar(value: ArrayLike) -> Float[Array, ""]:
    """An array, not a Python number: the latter would be static and make compiled solvers compile again."""
    return jnp.asarray(value, float)


def _check_positive(name: str, value: Float[Array, ""]) -> None:
    if is_concrete(value) and not (jnp.isfinite(value) & (value > 0)):
        raise InputError(f"users: {name} is {float(value):g}; it must be a positive number")


class PowerValue(eqx.Module):
    """f(x) = x^γ: with γ > 1 the last points of accuracy are worth most.

    Args:
        exponent: γ > 0; the paper uses 3.5.

    Raises:
        InputError: the exponent is not positive.
    """

    exponent: Float[Array, ""] = eqx.field(converter=_scalar, default=3.5)

    def __check_init__(self) -> None:
        _check_positive("exponent of a power value curve", self.exponent)

    def __call__(self, accuracy: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Value in [0, 1] of an accuracy in [0, 1]."""
        return accuracy**self.exponent


class ExponentialValue(eqx.Module):
    """f(x) = (e^{κx} − 1)/(e^κ − 1): steeper still near perfection.

    Args:
        curvature: κ > 0; the paper uses 6.

    Raises:
        InputError: the curvature is not positive.
    """

    curvature: Float[Array, ""] = eqx.field(converter=_scalar, default=6.0)

    def __check_init__(self) -> None:
        _check_positive("curvature of an exponential value curve", self.curvature)

    def __call__(self, accuracy: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Value in [0, 1] of an accuracy in [0, 1]."""
        return jnp.expm1(self.curvature * accuracy) / jnp.expm1(self.curvature)


ValueCurve = LinearValue | PowerValue | ExponentialValue
# α β of the default β: that of the published GPQA markets at β = 1,000.
RELATIVE_RATIONALITY = 20.0
Values = ArrayLike | Sequence[ArrayLike]  # one for all segments, or one each


class Users(eqx.Module):
    """One or several segments of users with logit demand.

    Scalars make one segment; sequences of equal length make several.

    Args:
        value_per_correct: α, dollars that a correct answer is worth, ``[segments]``.
        rationality: β ≥ 0, sensitivity of users' choice, per dollar, ``[segments]``.
        weight: share of the queries that each segment sends, ``[segments]``; equal by default, normalised to 1.
        outside_value: V0, dollars per query of not buying, ``[segments]``; 0 by default, ``-inf`` for none.
        baseline: b in [0, 1], worth of an answer whatever its accuracy, as a fraction of α.
        value_curve: f, from accuracy to worth.

    Raises:
        InputError: a value is out of range; the text names the field and the segment.

    Example:
        >>> users = Users(value_per_correct=[0.02, 0.1], rationality=1000, weight=[3, 1])
        >>> users.weight.tolist()
        [0.75, 0.25]
    """

    value_per_correct: Float[Array, " segments"]
    rationality: Float[Array, " segments"]
    weight: Float[Array, " segments"]
    outside_value: Float[Array, " segments"]
    baseline: Float[Array, ""]
    value_curve: ValueCurve

    def __init__(
        self,
        value_per_correct: Values,
        rationality: Values,
        *,
        weight: Values | None = None,
        outside_value: Values = 0.0,
        baseline: ArrayLike = 0.1,
        value_curve: ValueCurve | None = None,
    ) -> None:
        named = {
            "value_per_correct": value_per_correct,
            "rationality": rationality,
            "weight": 1.0 if weight is None else weight,
            "outside_value": outside_value,
        }
        arrays = {name: jnp.atleast_1d(jnp.asarray(value, float)) for name, value in named.items()}
        lengths = {name: array.shape[0] for name, array in arrays.items() if array.shape != (1,)}
        if len(set(lengths.values())) > 1 or any(array.ndim != 1 for array in arrays.values()):
            raise InputError(
                f"users: fields disagree on the number of segments ({lengths}): give one value or one each"
            )
        segments = max(lengths.values(), default=1)
        arrays = {name: jnp.broadcast_to(array, (segments,)) for name, array in arrays.items()}
        if is_concrete(arrays, baseline):
            _check(arrays, float(jnp.asarray(baseline)))
        self.value_per_correct = arrays["value_per_correct"]
        self.rationality = arrays["rationality"]
        self.weight = arrays["weight"] / arrays["weight"].sum()
        self.outside_value = arrays["outside_value"]
        self.baseline = jnp.asarray(baseline, float)
        self.value_curve = LinearValue() if value_curve is None else value_curve

    @property
    def num_segments(self) -> int:
        """Number of user segments S."""
        return self.value_per_correct.shape[-1]

    def quality(self, accuracy: Float[Array, "providers levels"]) -> Float[Array, "segments providers levels"]:
        """Dollars per query that an answer of the given accuracy is worth to each segment, q above."""
        worth = self.baseline + (1 - self.baseline) * self.value_curve(accuracy)
        return self.value_per_correct[:, None, None] * worth

    @property
    def mean_rationality(self) -> Float[Array, ""]:
        """Geometric mean of the segments' β > 0, weighted by their queries, per dollar; 0 if all are 0.

        With one segment this is its β.

        Example:
            >>> float(Users([0.02, 0.1], [100, 400]).mean_rationality.round(9))
            200.0
        """
        if self.num_segments == 1:
            return self.rationality[0]
        chooses = self.rationality > 0
        weight = jnp.where(chooses, self.weight, 0.0)
        logs = jnp.log(jnp.where(chooses, self.rationality, 1.0))
        # Measured from the largest, so that the mean of equal numbers is that number.
        largest = jnp.max(self.rationality)
        below = jnp.where(chooses, logs - jnp.log(jnp.where(largest > 0, largest, 1.0)), 0.0)
        return largest * jnp.exp(weight @ below / jnp.where(largest > 0, weight.sum(), 1.0))

    def with_rationality(self, rationality: Values) -> "Users":
        """The same users with another β, per dollar.

        Args:
            rationality: one number: with one segment its β; with several, all β are scaled by one factor so that this is
                their weighted geometric mean (``mean_rationality``), and a segment at 0 stays there unless all are at 0.
                The mean itself leaves them exactly as they are. One number for each segment: the β themselves.

        Example:
            >>> users = Users([0.02, 0.1], [100, 400])
            >>> users.with_rationality(50).rationality.round(9).tolist(), users.with_rationality([7, 8]).rationality.tolist()
            ([25.0, 100.0], [7.0, 8.0])
        """
        values = jnp.asarray(rationality, float)
        if values.ndim == 0 and self.num_segments > 1:
            values = jnp.where(values == self.mean_rationality, self.rationality, values * self.relative_rationality)
        return Users(
            self.value_per_correct,
            values,
            weight=self.weight,
            outside_value=self.outside_value,
            baseline=self.baseline,
            value_curve=self.value_curve,
        )

    @property
    def scale_free_rationality(self) -> float:
        """The β at which a right answer is worth ``RELATIVE_RATIONALITY`` units of utility: 20 / Σ_s w_s α_s, per dollar.

        An offer worth a tenth of a correct answer more is then chosen e² = 7.4 times as often, in whatever currency. It is
        the default for markets without a β of their own, and that of the published GPQA markets (β = 1,000, α = 0.02).

        Example:
            >>> Users(0.02, 1).scale_free_rationality, Users(2.0, 1).scale_free_rationality
            (1000.0, 10.0)
        """
        return RELATIVE_RATIONALITY / float(self.weight @ self.value_per_correct)

    @property
    def relative_rationality(self) -> Float[Array, " segments"]:
        """β of each segment over ``mean_rationality``; 1 for all if all are 0.

        Example:
            >>> Users([0.02, 0.1], [100, 400]).relative_rationality.round(9).tolist()
            [0.5, 2.0]
        """
        mean = self.mean_rationality
        return jnp.where(mean > 0, self.rationality / jnp.where(mean > 0, mean, 1.0), 1.0)


def _check(arrays: dict[str, Float[Array, " segments"]], baseline: float) -> None:
    """Refuse values out of range, naming field and segment."""
    rules = {
        "value_per_correct": (lambda x: np.isfinite(x) & (x > 0), "a positive number of dollars"),
        "rationality": (lambda x: np.isfinite(x) & (x >= 0), "finite and not negative"),
        "weight": (lambda x: np.isfinite(x) & (x > 0), "positive"),
        "outside_value": (lambda x: np.isfinite(x) | np.isneginf(x), "finite, or -inf for no outside option"),
    }
    for name, (rule, wanted) in rules.items():
        values = np.asarray(arrays[name])
        for segment in np.flatnonzero(~rule(values)):
            place = f"users: {name}" + (f" of segment {segment}" if len(values) > 1 else "")
            remedy = ""
            if name == "rationality" and np.isposinf(values[segment]):
                remedy = "; for the limit of perfectly rational users take 1e9, where choices of these scales are sharp"
            raise InputError(f"{place} is {values[segment]:g}; it must be {wanted}{remedy}")
    if not 0 <= baseline <= 1:
        raise InputError(f"users: baseline is {baseline:g}; it must lie within [0, 1]")
