"""What a learner is told after a query: the payoff of every action, or only of its own.

With the payoff of its own action alone, EXP3-IX (Kocák, Neu, Valko & Munos, NeurIPS 2014; Neu, NeurIPS 2015) estimates losses
ℓ = 1 − u by ℓ·1[k played]/(x_k + γ), implicit exploration γ_t = η_t/2 that keeps estimates bounded, and feeds them to Hedge
with η_t = √(2 ln K/(K t)).
"""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from games.errors import InputError
from solver.learning_rules import Hedge
from solver.repeated_stage import Table


@runtime_checkable
class Feedback(Protocol):
    """What ``repeated_play`` asks of it."""

    def told(self, values: Table, mixed: Table, chosen: Int[Array, " providers"], query: Array) -> Table:
        """Payoffs, within [0, 1] or estimates of such, that the learning rule sees."""


class FullInformation(eqx.Module):
    """Every provider sees what each of its actions would have earned."""

    def told(self, values: Table, mixed: Table, chosen: Int[Array, " providers"], query: Array) -> Table:
        """The payoffs themselves."""
        return values


class BanditFeedback(eqx.Module):
    """Every provider sees what its own action earned; the rest is estimated with implicit exploration.

    Args:
        exploration: factor of γ_t = ½√(2 ln K/(K t)); 1 is the textbook's.

    Example:
        >>> values, mixed = jnp.array([[0.2, 0.9]]), jnp.array([[0.5, 0.5]])
        >>> BanditFeedback(0.0).told(values, mixed, jnp.array([0]), jnp.array(0)).round(6).tolist()
        [[-0.6, 1.0]]
    """

    exploration: Float[Array, ""] = eqx.field(converter=lambda x: jnp.asarray(x, float), default=1.0)

    def told(self, values: Table, mixed: Table, chosen: Int[Array, " providers"], query: Array) -> Table:
        """1 − ℓ·1[played]/(x + γ): at most 1, and 1 where nothing was learned."""
        actions = mixed.shape[1]
        gamma = self.exploration * jnp.sqrt(jnp.log(actions) / (2 * actions * (query + 1.0)))
        played = jax.nn.one_hot(chosen, actions, dtype=values.dtype)
        return 1 - (1 - values) * played / jnp.where(played > 0, mixed + gamma, 1.0)


def exp3_ix(num_actions: int) -> tuple[Hedge, BanditFeedback]:
    """The rule and the feedback that together are EXP3-IX.

    Args:
        num_actions: K, actions per provider.

    Raises:
        InputError: fewer than two actions.

    Example:
        >>> rule, feedback = exp3_ix(16)
        >>> float(rule.rate)
        0.125
    """
    if num_actions < 2:
        raise InputError(f"exp3_ix: {num_actions} actions; it takes at least 2 to learn anything")
    return Hedge(0.5 / num_actions**0.5), BanditFeedback()
