"""What users and providers can expect from an auction with private costs, by quadrature.

H_i(x) = Π_{j≠i} P(b_j ≤ x) is the probability that provider i wins with score x. In the first-score auction

    users: Σ_i ∫ (b_i + V − S) H_i(b_i) du_i,    provider i: ∫ (k_i − b_i) H_i(b_i) du_i,

over equally likely types u, those with an offer; V − S is what users value beyond the score. In the second-score auction with
truthful bids the winner delivers max(second-best score, reserve):

    provider i: ∫_r (1 − F_i(x)) H_i(x) dx,    users: Σ_i ∫ (k_i + V − S) H_i(k_i) du_i − Σ_i (profit of provider i).

Unsold queries leave users their outside value. Integrals are cut where a provider's bids begin or end, and in 16 parts besides.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games.base import require_double_precision
from games.private_costs import PrivateCosts, Providers
from solver.compile import compiled

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
CUTS = 17
HALVINGS = 54

Bids = Callable[[Providers], Providers]


class ExpectedOutcome(eqx.Module):
    """Expectations over everybody's private costs; money in dollars per query.

    Args:
        user_value: users' value less price, the outside value where nothing is sold.
        profits: score left to every provider: its own k less the score it delivers, if it wins.
        win_probability: probability that every provider sells.
        sold: probability of a sale.
        welfare: user value and profits.
    """

    user_value: Float[Array, "*batch"]
    profits: Float[Array, "*batch providers"]
    win_probability: Float[Array, "*batch providers"]
    sold: Float[Array, "*batch"]
    welfare: Float[Array, "*batch"]


def first_score_outcome(game: PrivateCosts, bids: Bids) -> ExpectedOutcome:
    """Expected outcome of the first-score auction when every provider follows its bid function.

    Args:
        game: the auction.
        bids: from every provider's pseudotype to its score, rising; ``solver.BidFunctions`` or any function JAX traces.

    Example:
        >>> from games import LevelOffers, UniformCosts
        >>> game = PrivateCosts.symmetric(LevelOffers(jnp.ones(1), jnp.ones(1)), UniformCosts(0.0, 1.0), 2)
        >>> round(float(first_score_outcome(game, lambda k: k / 2).user_value), 9)  # E max(k_1, k_2)/2
        0.333333333
    """
    require_double_precision("first_score_outcome")
    return _first_score(game, bids)


def second_score_outcome(game: PrivateCosts) -> ExpectedOutcome:
    """Expected outcome of the second-score auction with truthful bids, its dominant strategies.

    Args:
        game: the auction.

    Example:
        >>> from games import LevelOffers, UniformCosts
        >>> game = PrivateCosts.symmetric(LevelOffers(jnp.ones(1), jnp.ones(1)), UniformCosts(0.0, 1.0), 2)
        >>> round(float(second_score_outcome(game).user_value), 9)  # E min(k_1, k_2)
        0.333333333
    """
    require_double_precision("second_score_outcome")
    return _second_score(game)


@compiled
def _first_score(game: PrivateCosts, bids: Bids) -> ExpectedOutcome:
    n = game.num_providers

    def share_below(bid: Float[Array, ""]) -> Providers:
        """P(b_j ≤ bid) of every provider, by bisection over its types."""

        def halve(_, ends):
            middle = (ends[0] + ends[1]) / 2
            under = bids(game.quantile(middle)) <= bid
            return jnp.where(under, middle, ends[0]), jnp.where(under, ends[1], middle)

        low, high = jax.lax.fori_loop(0, HALVINGS, halve, (jnp.zeros(n), jnp.ones(n)))
        return jnp.where(low == 0, 0.0, jnp.where(high == 1, 1.0, (low + high) / 2))

    ends = jnp.concatenate([bids(k) for k in game.bounds] + [game.reserve[None]])
    # Types that reach the reserve start where k does, even if all of them bid just that.
    first = game.cdf(jnp.broadcast_to(game.reserve, (n,)))
    cuts, widths = _panels(jnp.concatenate([jax.vmap(share_below)(ends), first[None]]))

    def at(types: Providers):
        theta = game.costs.inverse_survival(types)
        pseudotype = game.pseudotype(theta)
        bid = bids(pseudotype)
        below = jax.vmap(share_below)(bid)  # [provider who bids, provider who is beaten]
        won = jnp.where(bid >= game.reserve, jnp.prod(jnp.where(jnp.eye(n, dtype=bool), 1.0, below), axis=1), 0.0)
        return won * (bid + game.excess(theta)), won * (pseudotype - bid), won

    value, profits, won = (jnp.sum(widths * x, axis=0) for x in jax.vmap(at)(cuts))
    return _outcome(game, value.sum(), profits, won)


@compiled
def _second_score(game: PrivateCosts) -> ExpectedOutcome:
    n = game.num_providers
    least, most = game.bounds
    start = jnp.maximum(least.min(), game.reserve)

    def beats(scores: Providers) -> Providers:
        below = jax.vmap(lambda x: game.cdf(jnp.broadcast_to(x, (n,))))(scores)
        return jnp.prod(jnp.where(jnp.eye(n, dtype=bool), 1.0, below), axis=1)

    ends = jnp.concatenate([least, most, start[None]])
    cuts, widths = _panels(jax.vmap(lambda x: game.cdf(jnp.broadcast_to(x, (n,))))(ends))

    def at(types: Providers):
        theta = game.costs.inverse_survival(types)
        pseudotype = game.pseudotype(theta)
        won = jnp.where(pseudotype >= game.reserve, beats(pseudotype), 0.0)
        return won * (pseudotype + game.excess(theta)), won

    made, won = (jnp.sum(widths * x, axis=0) for x in jax.vmap(at)(cuts))
    # The same cuts, now over scores between the start and the largest k.
    span = jnp.maximum(most.max() - start, 0.0)
    scores, steps = _panels(jnp.clip((ends - start) / jnp.where(span > 0, span, 1.0), 0.0, 1.0)[:, None])

    def rent(share):
        score = start + share * span
        all_at = jnp.broadcast_to(score, (n,))
        below = game.cdf(all_at)
        return (1 - below) * jnp.prod(jnp.where(jnp.eye(n, dtype=bool), 1.0, below[None]), axis=1)

    profits = span * jnp.sum(steps * jax.vmap(rent)(scores[:, 0]), axis=0)
    return _outcome(game, made.sum() - profits.sum(), profits, won)


def _panels(
    cuts: Float[Array, "cuts columns"],
) -> tuple[Float[Array, "points columns"], Float[Array, "points columns"]]:
    """Gauss points and weights on [0, 1], between the given cuts and as many equal parts as there are ``CUTS``."""
    even = jnp.broadcast_to(jnp.linspace(0.0, 1.0, CUTS)[:, None], (CUTS, cuts.shape[1]))
    ends = jnp.sort(jnp.concatenate([even, cuts]), axis=0)
    half = (ends[1:] - ends[:-1]) / 2
    points = (ends[1:] + ends[:-1]) / 2 + half * NODES[:, None, None]
    weights = half * WEIGHTS[:, None, None]
    return points.reshape(-1, cuts.shape[1]), weights.reshape(-1, cuts.shape[1])


def _outcome(game: PrivateCosts, value: Float[Array, ""], profits: Providers, won: Providers) -> ExpectedOutcome:
    sold = won.sum()
    users = value + (1 - sold) * game.outside_value
    return ExpectedOutcome(users, profits, won, sold, users + profits.sum())
