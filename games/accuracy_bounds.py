"""Lower confidence bounds of an accuracy measured on m samples.

A router that has graded m answers of a provider knows its accuracy up to a margin. With z the one-sided quantile of the
confidence, Φ(z) = confidence, and a the accuracy that the sample shows (its typical value: the true one),

    Wilson:  (a + z²/2m − z √(a(1 − a)/m + z²/4m²)) / (1 + z²/m),
    normal:  a − z √(a(1 − a)/m), cut at 0

(Wilson, JASA 22, 1927). The normal bound does not move at a = 1, however small the sample: that is its known fault.
"""

import abc
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, ArrayLike, Float

from games.base import is_concrete
from games.errors import InputError

Accuracy = Float[Array, "providers levels"]
Samples = ArrayLike | Sequence[ArrayLike] | Sequence[Sequence[ArrayLike]]


def _numbers(values: Samples) -> Float[Array, "..."]:
    return jnp.asarray(values, float)


class AccuracyBound(eqx.Module):
    """A lower confidence bound of an accuracy measured on a sample: ``WilsonBound`` or ``NormalBound``.

    Args:
        samples: m ≥ 1, answers graded: one number, ``[providers]``, or ``[providers, levels]``.
        confidence: of the one-sided bound, in (0, 1).

    Raises:
        InputError: samples below 1, or a confidence outside (0, 1).
    """

    samples: Float[Array, "..."] = eqx.field(converter=_numbers, default=100.0)
    confidence: Float[Array, ""] = eqx.field(converter=_numbers, default=0.95)

    def __check_init__(self) -> None:
        if not is_concrete(self.samples, self.confidence):
            return
        samples, confidence = np.asarray(self.samples), float(self.confidence)
        if not np.all(np.isfinite(samples) & (samples >= 1)):
            raise InputError(
                f"confidence bound: samples is {samples}; every number of samples must be finite and at least 1"
            )
        if not 0 < confidence < 1:
            raise InputError(
                f"confidence bound: confidence is {confidence:g}; it must lie between 0 and 1, such as 0.95"
            )

    def __call__(self, accuracy: Accuracy) -> Accuracy:
        """The lower bound of every accuracy, in [0, 1]."""
        samples = self.samples[:, None] if self.samples.ndim == 1 else self.samples
        fits = samples.ndim <= 2 and all(
            size in (1, wanted) for size, wanted in zip(samples.shape[::-1], accuracy.shape[::-1], strict=False)
        )
        if not fits:
            raise InputError(
                f"confidence bound: samples of shape {self.samples.shape} for {accuracy.shape[0]} providers and "
                f"{accuracy.shape[1]} levels; give one number, one each, or one for every level"
            )
        return jnp.clip(self._bound(accuracy, samples, ndtri(self.confidence)), 0.0, 1.0)

    @abc.abstractmethod
    def _bound(self, accuracy: Accuracy, samples: Float[Array, "..."], z: Float[Array, ""]) -> Accuracy:
        """The formula, z the quantile of the confidence."""


class WilsonBound(AccuracyBound):
    """The bound of Wilson's score interval.

    Example:
        >>> WilsonBound(samples=20)(jnp.array([[0.5, 1.0]])).round(4).tolist()
        [[0.3274, 0.8808]]
    """

    def _bound(self, accuracy: Accuracy, samples: Float[Array, "..."], z: Float[Array, ""]) -> Accuracy:
        centre = accuracy + z**2 / (2 * samples)
        spread = z * jnp.sqrt(accuracy * (1 - accuracy) / samples + (z / (2 * samples)) ** 2)
        return (centre - spread) / (1 + z**2 / samples)


class NormalBound(AccuracyBound):
    """The bound of the normal approximation.

    Example:
        >>> NormalBound(samples=20)(jnp.array([[0.5, 1.0]])).round(4).tolist()
        [[0.3161, 1.0]]
    """

    def _bound(self, accuracy: Accuracy, samples: Float[Array, "..."], z: Float[Array, ""]) -> Accuracy:
        return accuracy - z * jnp.sqrt(accuracy * (1 - accuracy) / samples)
