"""Continuous games with closed forms, for tests."""

import equinox as eqx
import jax
import jax.numpy as jnp

from games import ContinuousLogit, LinearQuality, LogarithmicQuality, PerToken

NOBODY_OUTSIDE = -jnp.inf


class SumOfQualities(eqx.Module):
    """q = level + a ln θ + gθ: games of either kind have one shape, and are solved by one compiled call."""

    logarithmic: LogarithmicQuality
    linear: LinearQuality

    def __call__(self, x):
        return self.logarithmic(x) + self.linear(x)


def together(*batches):
    """Batches of logarithmic and of linear games as one batch."""

    def widen(game):
        q = game.quality
        nothing = jnp.zeros_like(q.slope)
        both = (
            SumOfQualities(q, LinearQuality(nothing, nothing))
            if isinstance(q, LogarithmicQuality)
            else SumOfQualities(LogarithmicQuality(nothing, nothing), q)
        )
        return eqx.tree_at(lambda g: g.quality, game, both)

    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(jax.vmap(widen)(games) for games in batches))


def logit(quality, price, margin, beta, outside, lower, upper):
    """A one-segment game with prices and costs proportional to compute."""
    ones = jnp.ones_like(price)
    return ContinuousLogit(
        quality=quality,
        price=PerToken(price),
        cost=PerToken(price / (1 + margin)),
        levy=PerToken(0 * ones),
        lower=lower * ones,
        upper=upper * ones,
        rationality=jnp.atleast_1d(jnp.asarray(beta, float)),
        outside_value=jnp.atleast_1d(jnp.asarray(outside, float)),
        weight=jnp.ones(1),
    )


def logarithmic(slope, price, beta, *, margin=0.25, level=0.0, outside=NOBODY_OUTSIDE, lower=-4.0, upper=8.0):
    """q = level + a ln θ, p = κθ."""
    return logit(LogarithmicQuality(slope, level + 0 * slope), price, margin, beta, outside, lower, upper)


def linear(slope, level, price, beta, *, margin=0.25, outside=0.0, lower=-8.0, upper=8.0):
    """q = b + gθ, p = κθ."""
    return logit(LinearQuality(slope, level), price, margin, beta, outside, lower, upper)


def symmetric(beta, *, n=3, a=2.0, kappa=0.5, margin=0.25):
    """The symmetric game without outside option whose equilibrium is θ = (a + n/(β(n − 1)))/κ."""
    ones = jnp.ones(n)
    return logarithmic(a * ones, kappa * ones, beta, margin=margin)
