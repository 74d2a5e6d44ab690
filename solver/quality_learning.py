"""How a platform learns from verdicts how good providers are: running means and Beta posteriors, plain or optimistic.

A learner maps counts of approved answers and of answers seen to an estimate of P(approved). Optimism adds a bonus that falls
with what was seen, so that nobody is written off on little evidence: upper confidence bounds (Auer, Cesa-Bianchi & Fischer,
Machine Learning 47, 2002) on the mean, standard deviations on the posterior.
"""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from games.verified_quality import Judge

Seen = Float[Array, "*entries"]


def _number(value: object) -> Float[Array, ""]:
    """Numbers as arrays: jit would compile again for every new Python float."""
    return jnp.asarray(value, float)


@runtime_checkable
class QualityLearner(Protocol):
    """What repeated play asks of a platform that does not know quality."""

    def estimate(self, approved: Seen, seen: Seen, query: Float[Array, ""]) -> Seen:
        """Estimated probability of approval, within [0, 1]; ``query`` counts from 0."""


class RunningMean(eqx.Module):
    """Approved / seen, plus optimism · √(ln(1 + t)/(2·seen)).

    Args:
        initial: estimate before anything was seen.
        optimism: factor of the bonus; 0 is the plain mean, 2 the classical upper confidence bound.

    Example:
        >>> counts = jnp.array([0.0, 3.0]), jnp.array([0.0, 4.0])
        >>> RunningMean().estimate(*counts, jnp.array(10.0)).tolist()
        [1.0, 0.75]
    """

    initial: Float[Array, ""] = eqx.field(converter=_number, default=1.0)
    optimism: Float[Array, ""] = eqx.field(converter=_number, default=0.0)

    def estimate(self, approved: Seen, seen: Seen, query: Float[Array, ""]) -> Seen:
        """Estimated probability of approval."""
        some = jnp.maximum(seen, 1.0)
        bonus = self.optimism * jnp.sqrt(jnp.log1p(query) / (2 * some))
        return jnp.where(seen > 0, jnp.clip(approved / some + bonus, 0.0, 1.0), self.initial)


class BetaPosterior(eqx.Module):
    """Mean of a Beta posterior, plus optimism · its standard deviation.

    Args:
        right, wrong: the prior's counts; (1, 1) is uniform.
        optimism: standard deviations added; 0 is the plain mean.

    Example:
        >>> counts = jnp.array([0.0, 3.0]), jnp.array([0.0, 4.0])
        >>> [f"{x:.4f}" for x in BetaPosterior().estimate(*counts, jnp.array(10.0))]
        ['0.5000', '0.6667']
    """

    right: Float[Array, ""] = eqx.field(converter=_number, default=1.0)
    wrong: Float[Array, ""] = eqx.field(converter=_number, default=1.0)
    optimism: Float[Array, ""] = eqx.field(converter=_number, default=0.0)

    def estimate(self, approved: Seen, seen: Seen, query: Float[Array, ""]) -> Seen:
        """Estimated probability of approval."""
        size = self.right + self.wrong + seen
        mean = (self.right + approved) / size
        return jnp.clip(mean + self.optimism * jnp.sqrt(mean * (1 - mean) / (size + 1)), 0.0, 1.0)


def learned(learner: QualityLearner, judge: Judge, approved: Seen, seen: Seen, query: Array) -> Seen:
    """Estimated probability of a right answer: the learner's estimate of approval, corrected for the judge's errors."""
    approval = learner.estimate(approved, seen, jnp.asarray(query, float))
    return jnp.clip((approval - judge.false_positive) / (judge.true_positive - judge.false_positive), 0.0, 1.0)
