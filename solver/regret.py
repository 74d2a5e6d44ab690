"""The certificate: how much any provider could gain by deviating, from the definition of the game alone.

Every unilateral deviation is written out as a profile of its own and the game's payoffs are evaluated there. No
shortcut of any solver (deviation payoffs, attractions, sums of others) is used, so that a mistake in one cannot hide here.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from games.base import FiniteGame, LogFiniteGame, require
from games.readable import readable
from solver.compile import compiled


class Regret(eqx.Module):
    """Gains of unilateral deviations from one profile.

    Args:
        deviation_gains: payoff of a deviation less the payoff of staying, dollars per query,
            ``[providers, levels]``; -inf where no level exists.
        regret: the largest gain of every provider, dollars per query, at least 0.
        relative_regret: the same as a fraction of the provider's payoff, where payoffs are positive (computed from
            logarithms, right even where payoffs underflow); else of the range of its payoffs over its own deviations.
        max_regret: the largest relative regret: ε of the ε-equilibrium; the same in any currency.
        nash_conv: Σ regret, dollars per query.
    """

    __repr__ = readable

    deviation_gains: Float[Array, "providers levels"]
    regret: Float[Array, " providers"]
    relative_regret: Float[Array, " providers"]
    max_regret: Float[Array, ""]
    nash_conv: Float[Array, ""]


@compiled
def regret(game: FiniteGame, profile: Int[Array, " providers"]) -> Regret:
    """Certify a profile.

    Args:
        game: any finite game.
        profile: level of every provider, ``[providers]``.

    Raises:
        InputError: the game lacks members of ``games.FiniteGame``.

    Example:
        >>> import jax.numpy as jnp
        >>> from games import load_scenario
        >>> game = load_scenario("GSM8K/majority").game(rationality=1000)
        >>> bool(regret(game, jnp.zeros(9, int)).max_regret > 0.1)
        True
    """
    require(game, FiniteGame, "regret")
    profile = jnp.asarray(profile)
    providers, levels = game.mask.shape

    def deviated(payoffs, index):
        provider, level = index // levels, index % levels
        return payoffs(profile.at[provider].set(level))[provider]

    def table(payoffs):
        every = jnp.arange(providers * levels)
        values = jax.lax.map(lambda index: deviated(payoffs, index), every, batch_size=_batch(providers, levels))
        return jnp.where(game.mask, values.reshape(providers, levels), -jnp.inf)

    payoffs = game.payoffs(profile)
    values = table(game.payoffs)
    gains = jnp.where(game.mask, values - payoffs[:, None], -jnp.inf)
    largest = jnp.maximum(gains.max(axis=1), 0.0)
    if isinstance(game, LogFiniteGame):
        log_gain = table(game.log_payoffs).max(axis=1) - game.log_payoffs(profile)
        # A provider without any level is absent: it has nothing to gain.
        relative = jnp.where(game.mask.any(axis=1), jnp.expm1(jnp.maximum(log_gain, 0.0)), 0.0)
    else:
        spread = values.max(axis=1) - jnp.where(game.mask, values, jnp.inf).min(axis=1)
        relative = jnp.where(largest > 0, largest / jnp.where(spread > 0, spread, 1.0), 0.0)
    return Regret(gains, largest, relative, relative.max(), largest.sum())


def _batch(providers: int, levels: int) -> int:
    """Deviations evaluated at once: all for small games, a few million numbers for large ones."""
    return max(1, min(providers * levels, 4_000_000 // (providers * levels)))
