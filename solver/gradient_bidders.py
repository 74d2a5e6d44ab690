"""Bidders who climb the gradient of their own profit in a smooth score auction: truthful under one rule, shading under another.

All bidders move at once, each by resilient propagation (Riedmiller & Braun 1993), which looks at the sign of its own
derivative dU_i/dσ_i alone: profits and their slopes span many orders of magnitude. The end is certified by a search of each
bidder's whole bid space that uses payoffs only.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from games.smooth_auction import SmoothAuction

Scores = Float[Array, " providers"]
GRID = 513


class GradientBids(NamedTuple):
    """Where bidders' learning ended; dollars per query.

    Args:
        scores: σ of each bidder.
        shading: W − σ, how far each bids below its surplus.
        payoffs: expected profits.
        regret: what each could still gain by any other bid.
        trajectory: scores after every step, ``[steps + 1, providers]``.
    """

    scores: Scores
    shading: Scores
    payoffs: Scores
    regret: Scores
    trajectory: Float[Array, "steps providers"]


@eqx.filter_jit
def gradient_bidders(auction: SmoothAuction, start: Scores | None = None, *, num_steps: int = 400) -> GradientBids:
    """Let bidders learn from ``start``, by default from scores half of their surplus.

    Args:
        auction: the auction.
        start: first scores, dollars per query.
        num_steps: steps of everybody at once.

    Example:
        >>> bidders = jnp.array([3.0, 2.5, 2.0]), jnp.array(0.25), jnp.array(-jnp.inf)
        >>> bool(abs(gradient_bidders(SmoothAuction(*bidders, True)).shading).max() < 1e-9)
        True
        >>> first_score = SmoothAuction(*bidders, False)
        >>> learned = gradient_bidders(first_score)
        >>> [f"{x:.4f}" for x in learned.shading * (1 - first_score.shares(learned.scores))]  # shading is τ/(1 − s)
        ['0.2500', '0.2500', '0.2500']
    """
    first = auction.surplus / 2 if start is None else jnp.asarray(start, float)
    scale = jnp.maximum(jnp.abs(auction.surplus).max(), auction.temperature)
    optimiser = optax.rprop(0.05, eta_plus=1.2, max_step_size=0.2, min_step_size=1e-13)

    def step(state, _):
        scores, memory = state
        slope = jnp.diagonal(jax.jacfwd(auction.payoffs)(scores))
        update, memory = optimiser.update(-slope, memory)
        scores = scores + update * scale
        return (scores, memory), scores

    (scores, _), path = jax.lax.scan(step, (first, optimiser.init(first)), length=num_steps)
    return GradientBids(
        scores=scores,
        shading=auction.surplus - scores,
        payoffs=auction.payoffs(scores),
        regret=bid_regret(auction, scores),
        trajectory=jnp.concatenate([first[None], path]),
    )


@eqx.filter_jit
def bid_regret(auction: SmoothAuction, scores: Scores) -> Scores:
    """What each bidder could gain by any other score, the others' fixed: a grid over its bids, refined twice.

    A grid spans ten ranges of surplus and temperature around the truth; the neighbourhood of its best point is searched
    on a grid again, so that bids are resolved to 1e-6 of the range and gains, flat at a maximum, to 1e-12.

    Args:
        auction: the auction.
        scores: what is bid, dollars per query, ``[bidders]``.

    Example:
        >>> auction = SmoothAuction(jnp.array([3.0, 2.0]), jnp.array(0.1), jnp.array(-jnp.inf), False)
        >>> [f"{x:.2f}" for x in bid_regret(auction, auction.surplus)]  # truth earns nothing under first score
        ['0.70', '0.00']
    """
    now = auction.payoffs(scores)
    width = 10 * (jnp.ptp(auction.surplus) + auction.temperature)

    def gain(provider: Array, surplus: Array) -> Array:
        def profit(score: Array) -> Array:
            return auction.payoffs(scores.at[provider].set(score))[provider]

        centre, half = surplus, width
        best = now[provider]
        for _ in range(3):
            tried = centre + half * jnp.linspace(-1, 1, GRID)
            profits = jax.vmap(profit)(tried)
            centre = tried[jnp.argmax(profits)]
            half = 4 * half / GRID
            best = jnp.maximum(best, profits.max())
        return best - now[provider]

    return jax.vmap(gain)(jnp.arange(scores.shape[0]), auction.surplus)
