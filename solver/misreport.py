"""What a bidder gains by a false bid in a score auction: the certificate of truthfulness, exact up to a tick.

Against fixed bids of the others, a provider's profit changes form only where the winner changes: where its score meets a
rival's or the reserve. Between two such points it is linear in the ask, so its supremum lies at one of them, approached
from one side or the other, or at the ends of the bid space. Every level, every promise and every such ask is tried (on
either side of each point, a tick away), besides a grid that covers rules of payment with breaks of their own, and
staying out. Only ``ScoreAuction.play`` is asked: nothing here knows what the equilibrium or the truth should be.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from games.readable import readable
from games.score_auction import Bids, ScoreAuction
from solver.compile import compiled

# Distance, relative to the largest quality, at which either side of a point is tried.
TICK = 1e-12


class MisreportGain(eqx.Module):
    """The best false bid of every provider in every segment, the others' bids fixed.

    Args:
        gain: profit of the best bid less the profit of the given one, dollars per query; never negative.
        level, promise, ask: the best bid found (the given one where nothing gains).
    """

    __repr__ = readable

    gain: Float[Array, "segments providers"]
    level: Int[Array, "segments providers"]
    promise: Float[Array, "segments providers"]
    ask: Float[Array, "segments providers"]


@compiled
def misreport_gain(
    auction: ScoreAuction, bids: Bids, *, promises: Float[Array, " promises"] | None = None, grid: int = 33
) -> MisreportGain:
    """Largest gain of each provider over its bid, searched over all levels, promises and asks (module formula).

    Args:
        auction: the auction.
        bids: what everybody bids.
        promises: promised qualities to try besides the true one of each level, as fractions of what a surely right
            answer is worth; by default only true promises. ``jnp.array([1.0])`` tries the boldest.
        grid: asks tried between zero and the largest promise, evenly spaced.

    Example:
        >>> from games import load_scenario
        >>> from games.score_auction import ScoreAuction, first_score
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> second = ScoreAuction(scenario.market, scenario.users)
        >>> first = ScoreAuction(scenario.market, scenario.users, rule=first_score)
        >>> [f"{float(misreport_gain(a, a.honest()).gain.max()):.5f}" for a in (second, first)]
        ['0.00000', '0.00072']
    """
    base = auction.play(bids).profits
    quality = auction.quality
    segments, providers, levels = quality.shape
    best_quality = auction.users.quality(jnp.ones((1, 1)))[:, 0, 0]  # of a surely right answer, per segment
    scale = jnp.maximum(best_quality.max(), jnp.abs(jnp.where(auction.market.mask, auction.market.cost, 0.0)).max())
    promised = quality[..., None]
    if promises is not None:
        boldest = jnp.broadcast_to(best_quality[:, None, None, None] * promises, (*quality.shape, promises.shape[0]))
        promised = jnp.concatenate([promised, boldest], axis=-1)
    steps = jnp.linspace(0.0, 1.0, grid) * scale

    def of_provider(provider: Int[Array, ""]):
        points = jnp.concatenate([bids.score, auction.reserve[:, None]], axis=-1)  # [segments, points]
        at_point = promised[:, provider, :, :, None] - points[:, None, None, :]
        ask = jnp.concatenate(
            [
                at_point,
                at_point - TICK * scale,
                at_point + TICK * scale,
                jnp.broadcast_to(steps, (*at_point.shape[:-1], grid)),
                jnp.full((*at_point.shape[:-1], 1), jnp.inf),
            ],
            axis=-1,
        )
        ask = jnp.where(jnp.isnan(ask) | jnp.isneginf(ask), jnp.inf, ask)
        promise = jnp.broadcast_to(promised[:, provider, :, :, None], ask.shape)
        level = jnp.broadcast_to(jnp.arange(levels)[:, None, None], ask.shape)
        flat = [x.reshape(segments, -1) for x in (level, promise, ask)]

        def profit(level: Int[Array, " segments"], promise: Float[Array, " segments"], ask: Float[Array, " segments"]):
            changed = Bids(
                bids.level.at[:, provider].set(level),
                bids.promise.at[:, provider].set(promise),
                bids.ask.at[:, provider].set(ask),
            )
            return auction.play(changed).profits[:, provider]

        profits = jax.vmap(profit, in_axes=1, out_axes=1)(*flat)
        exists = auction.market.mask[provider][flat[0]]
        profits = jnp.where(exists, profits, -jnp.inf)
        best = jnp.argmax(profits, axis=1)
        row = jnp.arange(segments)
        return profits[row, best], *(x[row, best] for x in flat)

    found, level, promise, ask = (jnp.moveaxis(x, 0, 1) for x in jax.lax.map(of_provider, jnp.arange(providers)))
    better = found > base
    return MisreportGain(
        gain=jnp.where(better, found - base, 0.0),
        level=jnp.where(better, level, bids.level),
        promise=jnp.where(better, promise, bids.promise),
        ask=jnp.where(better, ask, bids.ask),
    )
