"""Bid functions: the score that a provider offers, by its pseudotype k; and those of the symmetric first-score auction.

With n alike providers, F the distribution of k and r the reserve (−∞ for none), the first-score auction has the equilibrium

    b(k) = k − ∫_a^k (F(x)/F(k))^{n−1} dx,    a = max(r, least k),

a first-price auction of a good worth k (Riley & Samuelson, American Economic Review 71, 1981; in scores Che, RAND J. Econ. 24,
1993). A provider with k < r does not offer; its bid is given as k, below the reserve.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games.base import is_concrete, require_double_precision
from games.errors import InputError
from games.private_costs import PrivateCosts, Providers, alike, surplus_bounds
from solver.bayesian.adaptive import smooth_step
from solver.compile import compiled

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
APART = 1e-12  # of the range: parts between cuts that are narrower get no nodes inside


class BidFunctions(eqx.Module):
    """One bid function per provider: cubic Hermite interpolation in k, linear where no slopes are given.

    Below the reserve the bid is k itself, which is no offer; above the last node the last bid.

    Args:
        pseudotypes: nodes k, increasing, dollars per query, ``[providers, nodes]``.
        bids: score offered there, likewise.
        slopes: db/dk there.
        reserve: score that an offer must reach, -inf for none.
    """

    pseudotypes: Float[Array, "*batch providers nodes"]
    bids: Float[Array, "*batch providers nodes"]
    slopes: Float[Array, "*batch providers nodes"] | None
    reserve: Float[Array, "*batch"]

    def __call__(self, pseudotype: Providers) -> Providers:
        """Score that every provider offers at its own k."""

        def one(x, y, slope, k):
            i = jnp.clip(jnp.searchsorted(x, k, side="right") - 1, 0, x.shape[0] - 2)
            width = x[i + 1] - x[i]
            safe = jnp.where(width > 0, width, 1.0)
            t = jnp.clip(jnp.where(width > 0, (k - x[i]) / safe, 1.0), 0.0, 1.0)
            straight = (1 - t) * y[i] + t * y[i + 1]
            if slope is None:
                return straight
            rise = y[i + 1] - y[i]
            bend = (1 - t) * (slope[i] * width - rise) - t * (slope[i + 1] * width - rise)
            return straight + t * (1 - t) * bend

        at = jax.vmap(one, in_axes=(0, 0, None if self.slopes is None else 0, 0))
        bids = at(self.pseudotypes, self.bids, self.slopes, pseudotype)
        # Rounding must not turn a bid of the reserve into no offer.
        return jnp.where(pseudotype < self.reserve, pseudotype, jnp.maximum(bids, self.reserve))


def truthful_bids(game: PrivateCosts) -> BidFunctions:
    """b = k: the dominant strategy of the second-score auction, and a loss of all rent in the first-score auction.

    Args:
        game: providers with private costs.

    Example:
        >>> from games import LevelOffers, UniformCosts
        >>> game = PrivateCosts.symmetric(LevelOffers(jnp.ones(1), jnp.ones(1)), UniformCosts(0.0, 1.0), 2)
        >>> truthful_bids(game)(jnp.array([0.25, 0.5])).tolist()
        [0.25, 0.5]
    """
    nodes = jnp.stack(game.bounds, axis=1)
    return BidFunctions(nodes, nodes, None, game.reserve)


def symmetric_bids(game: PrivateCosts, *, num_nodes: int = 513) -> BidFunctions:
    """Equilibrium bids of the first-score auction among alike providers, by quadrature (module formula).

    Jits and vmaps over games. Nodes are dense where F may be singular, at both ends and where the best level changes, with
    twelve Gauss points between neighbours.

    Args:
        game: n alike providers; one provider with a reserve bids the reserve.
        num_nodes: nodes of the bid function over the pseudotypes, besides the places where the best level changes.

    Raises:
        InputError: providers differ, or nobody reaches the reserve.

    Example:
        >>> from games import LevelOffers, UniformCosts
        >>> game = PrivateCosts.symmetric(LevelOffers(jnp.ones(1), jnp.ones(1)), UniformCosts(0.0, 1.0), 3)
        >>> symmetric_bids(game)(jnp.full(3, 0.6)).round(9).tolist()  # (n − 1)/n of the surplus
        [0.4, 0.4, 0.4]
    """
    require_double_precision("symmetric_bids")
    if is_concrete(game):
        if not alike(game):
            raise InputError("symmetric bids: providers differ; use solver.asymmetric_bids")
        require_participation(game)
    return _symmetric(game, num_nodes)


def require_participation(game: PrivateCosts) -> None:
    """Refuse a reserve that nobody can reach.

    Raises:
        InputError: the text names the reserve and the largest surplus.
    """
    most = float(surplus_bounds(game)[1].max())
    if float(game.reserve) >= most:
        raise InputError(
            f"private costs: reserve {float(game.reserve):g} is not below the largest surplus {most:g}; lower it"
        )


@compiled
def _symmetric(game: PrivateCosts, num_nodes: int) -> BidFunctions:
    n = game.num_providers
    low, high = (x[0] for x in game.bounds)
    start = jnp.maximum(low, game.reserve)

    def one(function):
        return jax.vmap(lambda k: jnp.broadcast_to(function(jnp.broadcast_to(k, (n,)))[0], ()))

    cdf, pdf = one(game.cdf), one(game.pdf)
    bends = jax.vmap(game.pseudotype)(game.switches)[:, 0]
    nodes, side = _graded(jnp.clip(jnp.concatenate([jnp.stack([start, high]), bends]), start, high), num_nodes)
    width = jnp.diff(nodes)
    points = (nodes[1:] + nodes[:-1])[:, None] / 2 + width[:, None] / 2 * NODES
    probability = cdf(nodes)
    # Shading is ∫ (F(x)/F(k))^{n−1} dx, carried from node to node as a ratio: F^{n−1} itself may be too small for a float.
    above = probability[1:]
    sold = above > 0
    safe = jnp.where(sold, above, 1.0)
    share = jnp.where(sold[:, None], cdf(points.ravel()).reshape(points.shape) / safe[:, None], 0.0)
    added = width / 2 * (share ** (n - 1) @ WEIGHTS)
    kept = jnp.where(sold, probability[:-1] / safe, 0.0) ** (n - 1)

    def carry(shading, step):
        kept, added = step
        return kept * shading + added, kept * shading + added

    _, shading = jax.lax.scan(carry, jnp.zeros(()), (kept, added))
    shading = jnp.concatenate([jnp.zeros(1), shading])
    # Where the density jumps each side has its own slope, looked at within the nearest cell.
    cell = jnp.where(side > 0, jnp.append(width, 0.0), jnp.append(0.0, width))
    density = pdf(jnp.clip(nodes + side * cell / 2, start, high))
    positive = (probability > 0) & ((nodes > start) | (start > low))
    # At the least k both numbers vanish, and rounding decides their ratio: b = k there, and the slope is that of the
    # parabola through the first node and, with its slope, the next. n = 1 bids the reserve.
    shading = jnp.where(positive, shading, 0.0)
    bids = nodes - shading
    slopes = (n - 1) * density / jnp.where(positive, probability, 1.0) * shading
    first = 2 * (bids[1] - bids[0]) / jnp.where(width[0] > 0, width[0], 1.0) - slopes[1]
    slopes = slopes.at[0].set(jnp.where(start > low, slopes[0], first))

    def rows(x):
        return jnp.broadcast_to(x, (n, *x.shape))

    return BidFunctions(rows(nodes), rows(bids), rows(slopes), game.reserve)


def _graded(cuts: Float[Array, " cuts"], num_nodes: int) -> tuple[Float[Array, " nodes"], Float[Array, " nodes"]]:
    """Nodes between cuts, dense near them, each cut standing once for the part below and once for the part above.

    The second array says on which side of a node its part lies where the node is a cut: 1 above, −1 below, 0 inside.
    """
    cuts = jnp.sort(cuts)
    width = jnp.diff(cuts)
    parts = len(width)
    wide = width > APART * (cuts[-1] - cuts[0])
    # Nodes are shared out equally among parts that have a width.
    ends = jnp.cumsum(wide) / wide.sum()
    even = (jnp.arange(num_nodes) + 0.5) / num_nodes
    part = jnp.clip(jnp.searchsorted(ends, even, side="right"), 0, parts - 1)
    inside = part + jnp.clip(even * wide.sum() - jnp.cumsum(wide)[part] + 1, 0.0, 1.0)
    # An end of a part sorts before the beginning of the next: sorting is stable.
    key = jnp.concatenate([jnp.arange(1.0, parts + 1), inside, jnp.arange(0.0, parts)])
    which = jnp.concatenate([jnp.arange(parts), part, jnp.arange(parts)])
    side = jnp.concatenate([-jnp.ones(parts), jnp.zeros(num_nodes), jnp.ones(parts)])
    order = jnp.argsort(key, stable=True)
    key, which, side = key[order], which[order], side[order]
    return cuts[which] + width[which] * smooth_step(key - which), side
