"""What a bidder gains where the reserve is computed from the bids: it bids for its own reserve.

A reserve that is announced before bids come leaves truth dominant. ``"user-optimal"`` and ``"revenue-optimal"`` are best for
given scores; a platform that reads these scores off the bids lets the winner lower the number by overstating its cost.
A provider can earn no more than W_i − max(best rival score, V0) in each segment, its rent without a reserve. The best provider
of one segment, and one that is the best in all, reaches this bound by scores that just beat its rivals'. A provider that is
the best in some segments only may be kept from it by a number that others' scores bring about: there the gain is that of the
best of many joint lies (scores capped at a value, or at rivals' scores and this value), a lower bound.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from games.score_auction import ScoreAuction
from solver.reserve import optimal_reserve

KINDS = ("user-optimal", "revenue-optimal")
GRID = 33

PerProvider = Float[Array, "segments providers"]


class Standing(NamedTuple):
    """What a platform knows besides scores when it computes the best reserve.

    Args:
        outside_value: V0 of every segment, dollars per query.
        weight: share of queries of every segment.
        entry_cost: dollars per query that a bid costs; above 0 only the best bids, and the reserve leaves it that cost.
        rounding: by how much the reserve stays below the score that it is, so that this score meets it.
    """

    outside_value: Float[Array, " segments"]
    weight: Float[Array, " segments"]
    entry_cost: Float[Array, ""]
    rounding: Float[Array, ""]


def standing(auction: ScoreAuction) -> Standing:
    """What an auction's platform knows.

    Args:
        auction: the auction.
    """
    users = auction.users
    quality = jnp.where(auction.market.mask, auction.quality, 0.0)
    rounding = 4 * jnp.finfo(quality.dtype).eps * jnp.abs(quality).max()
    return Standing(users.outside_value, users.weight, auction.entry_cost, rounding)


def best_reserve(known: Standing, scores: PerProvider) -> Float[Array, ""]:
    """The one reserve that is best for users of all segments, if these scores are what offers are worth.

    Args:
        known: see ``Standing``.
        scores: of every bid, dollars per query; -inf for none.
    """
    ranked = -jnp.sort(-scores, axis=-1)
    alone = jnp.full(scores.shape[0], -jnp.inf)
    second = ranked[:, 1] if scores.shape[1] > 1 else alone
    second = jnp.where(known.entry_cost > 0, alone, second)
    best = optimal_reserve(ranked[:, 0] - known.entry_cost, second, known.outside_value, known.weight)
    return best.reserve - known.rounding


def best_false_profit(
    auction: ScoreAuction, enters: Bool[Array, "segments providers"] | bool, worth: PerProvider, *, own_score_paid: bool
) -> Float[Array, " providers"]:
    """The most that each provider can earn by a false bid, the others honest, if the reserve follows the bids.

    Args:
        auction: the auction; its own reserve is not used.
        enters: who else bids.
        worth: score up to which a sale pays a provider.
        own_score_paid: whether the winner leaves the user its own score (first-score auction).

    Returns:
        Dollars per query over all segments, entry costs subtracted.
    """
    known = standing(auction)
    honest = jnp.where(enters, auction.surplus.max(axis=-1), -jnp.inf)
    most = jnp.where(auction.market.mask, auction.quality, -jnp.inf).max(axis=-1)
    outside = known.outside_value

    def of_provider(i: Int[Array, ""]) -> Float[Array, ""]:
        others = jnp.where(jnp.arange(honest.shape[1]) == i, -jnp.inf, honest)
        rival, own, top = others.max(axis=1), worth[:, i], most[:, i]

        def profit(score: Float[Array, " segments"]) -> Float[Array, ""]:
            score = jnp.minimum(score, top)
            reserve = jnp.maximum(best_reserve(known, others.at[:, i].set(score)), outside)
            owed = jnp.maximum(rival, reserve)
            # A tie counts as won: a score just above it is as good as wanted.
            wins = (score >= owed) & jnp.isfinite(score)
            left = jnp.where(wins, own - jnp.where(own_score_paid, score, owed), 0.0)
            return known.weight @ (left - jnp.where(jnp.isfinite(score), known.entry_cost, 0.0))

        met = jnp.concatenate([others.ravel(), others.ravel() - known.entry_cost, outside, own, jnp.zeros(1)])
        finite = jnp.where(jnp.isfinite(met), met, own.min())
        grid = finite.min() + jnp.linspace(0.0, 1.0, GRID) * (own.max() - finite.min())
        points = jnp.concatenate([finite, finite + 4 * known.rounding, finite - 4 * known.rounding, grid])
        capped = jnp.minimum(own, points[:, None])
        # No lower than it takes to win, where winning pays.
        winning = jnp.where(own >= rival, jnp.maximum(capped, rival), capped)
        just_winning = jnp.where(own >= rival, jnp.maximum(rival, outside), own)
        changes = jnp.concatenate([capped, winning, just_winning[None], jnp.full((1, own.shape[0]), -jnp.inf)])
        return jax.lax.map(profit, changes, batch_size=256).max()

    return jax.lax.map(of_provider, jnp.arange(honest.shape[1]))
