"""The certificate of correlated play: every incentive constraint, from the definition of the game alone.

Every profile that has probability is changed in one provider's level at a time and the game's payoffs are evaluated
there; nothing of the linear programme's matrices is used.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from games.base import FiniteGame, require
from games.readable import readable
from solver.compile import compiled


class CorrelatedRegret(eqx.Module):
    """What providers could gain against a distribution over profiles, as fractions of their payoff range.

    Args:
        coarse: largest gain from committing to one level beforehand, at least 0.
        correlated: largest gain from a rule "play k' whenever told k", at least 0.
        gains: the latter, ``[providers, told, played]``; 0 where no level exists.
    """

    __repr__ = readable

    coarse: Float[Array, ""]
    correlated: Float[Array, ""]
    gains: Float[Array, "providers levels levels"]


@compiled
def correlated_regret(
    game: FiniteGame,
    profiles: Int[Array, "profiles providers"],
    probabilities: Float[Array, " profiles"],
    payoff_range: Float[Array, " providers"],
) -> CorrelatedRegret:
    """Check a distribution over profiles.

    Args:
        game: any finite game.
        profiles: those with probability, ``[profiles, providers]``.
        probabilities: theirs; they sum to 1.
        payoff_range: unit of every provider's gain, dollars per query.

    Raises:
        InputError: the game lacks members of ``games.FiniteGame``.

    Example:
        >>> from games import NormalForm
        >>> row = jnp.array([[6.0, 2.0], [7.0, 0.0]])
        >>> lights = jnp.array([[0, 0], [0, 1], [1, 0]])
        >>> play = (lights, jnp.array([0.5, 0.25, 0.25]), jnp.array([7.0, 7.0]))
        >>> float(correlated_regret(NormalForm(jnp.stack([row, row.T])), *play).correlated)
        0.0
    """
    require(game, FiniteGame, "correlated_regret")
    providers, levels = game.mask.shape

    def one(profile: Int[Array, " providers"]):
        own = game.payoffs(profile)

        def changed(index: Int[Array, ""]):
            provider, level = index // levels, index % levels
            return game.payoffs(profile.at[provider].set(level))[provider] - own[provider]

        gains = jax.vmap(changed)(jnp.arange(providers * levels)).reshape(providers, levels)
        return jnp.where(game.mask, gains, 0.0)

    gains = jax.lax.map(one, profiles)
    told = jax.nn.one_hot(profiles, levels, dtype=gains.dtype)
    total = jnp.einsum("p,pik,pil->ikl", probabilities, told, gains)
    unit = jnp.where(payoff_range > 0, payoff_range, 1.0)[:, None, None]
    relative = total / unit
    coarse = relative.sum(axis=1)
    return CorrelatedRegret(jnp.maximum(coarse.max(), 0.0), jnp.maximum(relative.max(), 0.0), relative)
