"""How providers learn to mix: one small frozen rule per algorithm, all played by ``solver.mixed.learn``.

A rule maps its own state and the payoffs of all levels to the next mixed profile. Payoffs arrive per provider on a scale of
their own, within [0, 1] (``scaled`` of ``solver.mixed_extension``), so that step sizes have no unit. Sources: replicator
dynamics, Taylor & Jonker (Math. Biosci. 40, 1978); multiplicative weights, Freund & Schapire (Games Econ. Behav. 29,
1999); regret matching+, Tammelin et al. (IJCAI 2015); fictitious play, Brown (1951), smooth: Fudenberg & Levine (J. Econ. Dyn.
Control 19, 1995); softmax policy gradient, Williams (1992) with exact gradients.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

Mixed = Float[Array, "providers levels"]
Payoffs = Callable[[Mixed], Mixed]


@runtime_checkable
class LearningRule(Protocol):
    """What ``learn`` asks of a rule."""

    def init(self, mask: Bool[Array, "providers levels"], start: Mixed) -> Any:
        """State before the first step, from the levels that exist and the mixed profile to start at."""

    def update(
        self, state: Any, mixed: Mixed, values: Mixed, payoffs: Payoffs, step: Int[Array, ""]
    ) -> tuple[Any, Mixed]:
        """Next state and mixed profile; ``values`` are the scaled payoffs at ``mixed``, ``step`` counts from 0."""


def _number(value: object) -> Float[Array, ""]:
    """Numbers as arrays: jit would compile again for every new Python float."""
    return jnp.asarray(value, float)


def softmax(logits: Mixed, mask: Bool[Array, "providers levels"]) -> Mixed:
    """Rows of probabilities, 0 where no level exists."""
    return jax.nn.softmax(jnp.where(mask, logits, -jnp.inf), axis=1)


def _log_start(mask: Bool[Array, "providers levels"], start: Mixed) -> Mixed:
    """Logits of a start; levels that it never plays stay out, as they do under these dynamics."""
    return jnp.where(mask & (start > 0), jnp.log(jnp.where(start > 0, start, 1.0)), -jnp.inf)


def _advantage(mixed: Mixed, values: Mixed) -> Mixed:
    """u_i(k) − ū_i."""
    return values - (mixed * values).sum(axis=1, keepdims=True)


class Replicator(eqx.Module):
    """dx_k/dt = x_k (u_k − ū), integrated by Runge–Kutta of order 4 in ln x, where it stays inside the simplex.

    Args:
        step: time per step; 0.1 follows the flow of payoffs within [0, 1] to about 1e-8 per unit of time.
    """

    step: Float[Array, ""] = eqx.field(converter=_number, default=0.1)

    def init(self, mask: Bool[Array, "providers levels"], start: Mixed) -> Mixed:
        """Logits."""
        return _log_start(mask, start)

    def update(
        self, state: Mixed, mixed: Mixed, values: Mixed, payoffs: Payoffs, step: Int[Array, ""]
    ) -> tuple[Mixed, Mixed]:
        """One Runge–Kutta step."""
        first = _advantage(mixed, values)

        def slope(shift: Mixed) -> Mixed:
            at = jax.nn.softmax(state + shift, axis=1)
            return _advantage(at, payoffs(at))

        second = slope(0.5 * self.step * first)
        third = slope(0.5 * self.step * second)
        fourth = slope(self.step * third)
        logits = state + self.step / 6 * (first + 2 * second + 2 * third + fourth)
        logits = jax.nn.log_softmax(logits, axis=1)
        return logits, jax.nn.softmax(logits, axis=1)


class Hedge(eqx.Module):
    """Multiplicative weights: x_k ∝ x_k(0)·exp(η_t Σ u_k) with η_t = rate·√(8 ln K / t), no regret on average.

    Args:
        rate: factor of the learning rate; 1 is the textbook's.
    """

    rate: Float[Array, ""] = eqx.field(converter=_number, default=1.0)

    def init(self, mask: Bool[Array, "providers levels"], start: Mixed) -> tuple[Mixed, Mixed]:
        """Start and cumulative payoffs."""
        return _log_start(mask, start), jnp.zeros(mask.shape)

    def update(
        self, state: tuple[Mixed, Mixed], mixed: Mixed, values: Mixed, payoffs: Payoffs, step: Int[Array, ""]
    ) -> tuple[tuple[Mixed, Mixed], Mixed]:
        """Add the payoffs and weigh anew."""
        start, total = state
        total = total + values
        levels = jnp.isfinite(start).sum(axis=1, keepdims=True)
        eta = self.rate * jnp.sqrt(8 * jnp.log(jnp.maximum(levels, 2)) / (step + 1))
        return (start, total), jax.nn.softmax(start + eta * total, axis=1)


class RegretMatchingPlus(eqx.Module):
    """x_k ∝ Q_k, Q_k ← max(0, Q_k + u_k − ū): no regret on average, no parameter."""

    def init(
        self, mask: Bool[Array, "providers levels"], start: Mixed
    ) -> tuple[Bool[Array, "providers levels"], Mixed]:
        """Which levels exist, and no regret yet."""
        return mask, jnp.zeros(mask.shape)

    def update(self, state: Any, mixed: Mixed, values: Mixed, payoffs: Payoffs, step: Int[Array, ""]) -> Any:
        """Accumulate regret; a provider without any stays where it is."""
        mask, regrets = state
        regrets = jnp.where(mask, jnp.maximum(regrets + _advantage(mixed, values), 0.0), 0.0)
        total = regrets.sum(axis=1, keepdims=True)
        return (mask, regrets), jnp.where(total > 0, regrets / jnp.where(total > 0, total, 1.0), mixed)


class FictitiousPlay(eqx.Module):
    """Every provider best-replies to the average of what the others played; ties to the lowest level.

    The average converges where anything does; the last iterate is pure.
    """

    def init(
        self, mask: Bool[Array, "providers levels"], start: Mixed
    ) -> tuple[Bool[Array, "providers levels"], Mixed]:
        """Which levels exist, and the average of play."""
        return mask, start

    def update(self, state: Any, mixed: Mixed, values: Mixed, payoffs: Payoffs, step: Int[Array, ""]) -> Any:
        """Update the beliefs with what was played, then reply to them."""
        mask, beliefs = state
        beliefs = beliefs + (mixed - beliefs) / (step + 1)
        replies = jnp.argmax(jnp.where(mask, payoffs(beliefs), -jnp.inf), axis=1)
        return (mask, beliefs), jax.nn.one_hot(replies, mask.shape[1], dtype=mixed.dtype)


class SmoothFictitiousPlay(eqx.Module):
    """x = softmax(λ_t u(beliefs)) with beliefs the average of play and λ_t = precision·(t + 1)^growth.

    Args:
        precision: λ in the first step, per unit of scaled payoff; with growth 0 the limit is a logit quantal response.
        growth: exponent of λ_t.
    """

    precision: Float[Array, ""] = eqx.field(converter=_number, default=10.0)
    growth: Float[Array, ""] = eqx.field(converter=_number, default=0.5)

    def init(
        self, mask: Bool[Array, "providers levels"], start: Mixed
    ) -> tuple[Bool[Array, "providers levels"], Mixed]:
        """Which levels exist, and the average of play."""
        return mask, start

    def update(self, state: Any, mixed: Mixed, values: Mixed, payoffs: Payoffs, step: Int[Array, ""]) -> Any:
        """Update the beliefs with what was played, then reply to them smoothly."""
        mask, beliefs = state
        beliefs = beliefs + (mixed - beliefs) / (step + 1)
        precision = self.precision * (step + 1.0) ** self.growth
        return (mask, beliefs), softmax(precision * payoffs(beliefs), mask)


class PolicyGradient(eqx.Module):
    """Logits climb the exact gradient of their provider's own payoff, x_k (u_k − ū), by any optax optimiser.

    Args:
        optimizer: for example ``optax.adam(0.05)``; it is static, so that a new one compiles anew.
    """

    optimizer: optax.GradientTransformation = eqx.field(default_factory=lambda: optax.adam(0.05))

    def init(self, mask: Bool[Array, "providers levels"], start: Mixed) -> Any:
        """Logits and the optimiser's state; missing levels have a logit of 0 that never moves and is never used."""
        exists = mask & (start > 0)
        logits = jnp.where(exists, _log_start(mask, start), 0.0)
        return exists, logits, self.optimizer.init(logits)

    def update(self, state: Any, mixed: Mixed, values: Mixed, payoffs: Payoffs, step: Int[Array, ""]) -> Any:
        """One ascent step of every provider."""
        exists, logits, inner = state
        gradient = mixed * _advantage(mixed, values)
        # optax descends, providers climb.
        change, inner = self.optimizer.update(-gradient, inner, logits)
        logits = jnp.where(exists, logits + change, 0.0)
        return (exists, logits, inner), softmax(logits, exists)


RULES: dict[str, Callable[[], LearningRule]] = {
    "replicator": Replicator,
    "hedge": Hedge,
    "regret-matching": RegretMatchingPlus,
    "fictitious-play": FictitiousPlay,
    "smooth-fictitious-play": SmoothFictitiousPlay,
    "policy-gradient": PolicyGradient,
}
