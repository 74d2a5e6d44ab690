"""What users and providers can expect from an auction with private costs, by quadrature.

H_i(x) = Π_{j≠i} P(b_j ≤ x) is the probability that provider i wins with score x. In the first-score auction

    users: Σ_i ∫ (b_i + V − S) H_i(b_i) du_i,    provider i: ∫ (k_i − b_i) H_i(b_i) du_i,

over equally likely types u, those with an offer; V − S is what users value beyond the score. In the second-score auction with
truthful bids the winner delivers max(second-best score, reserve), which stays below x with probability G(x) = Π_j F_j +
Σ_i (1 − F_i) H_i from the reserve on:

    provider i: ∫_r (1 − F_i(x)) H_i(x) dx,    users: r P(sold) + ∫_r (1 − G(x)) dx + Σ_i ∫ (V − S) H_i(k_i) du_i.

Unsold queries leave users their outside value. Integrals are cut where a provider's types begin, end or change their level,
and refined where that is not enough (``solver.bayesian.adaptive``).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from games.base import require_double_precision
from games.private_costs import PrivateCosts, Providers
from games.readable import readable
from solver.bayesian.adaptive import integrate
from solver.compile import compiled

HALVINGS = 54
# Of the range of surpluses, and of a probability. Bid functions of many pieces would be refined for long beyond the first.
FIRST_SCORE, SECOND_SCORE = 1e-11, 1e-13

Bids = Callable[[Providers], Providers]


class ExpectedOutcome(eqx.Module):
    """Expectations over everybody's private costs; money in dollars per query.

    Args:
        user_value: users' value less price, the outside value where nothing is sold.
        profits: score left to every provider: its own k less the score it delivers, if it wins.
        win_probability: probability that every provider sells.
        sold: probability of a sale.
        welfare: user value and profits.
        error: estimated absolute error of the integrals, the same for every figure in dollars: that of user value, profits
            and welfare is at most so much.
        probability_error: likewise of ``win_probability`` and ``sold``.
    """

    __repr__ = readable

    user_value: Float[Array, "*batch"]
    profits: Float[Array, "*batch providers"]
    win_probability: Float[Array, "*batch providers"]
    sold: Float[Array, "*batch"]
    welfare: Float[Array, "*batch"]
    error: Float[Array, "*batch"]
    probability_error: Float[Array, "*batch"]


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
    least, most = game.bounds

    def share_below(bid: Float[Array, ""]) -> Providers:
        """P(b_j ≤ bid) of every provider, by bisection over its pseudotypes."""

        def halve(_, ends):
            middle = (ends[0] + ends[1]) / 2
            under = bids(middle) <= bid
            return jnp.where(under, middle, ends[0]), jnp.where(under, ends[1], middle)

        low, high = jax.lax.fori_loop(0, HALVINGS, halve, (least, most))
        return jnp.where(low == least, 0.0, jnp.where(high == most, 1.0, game.cdf((low + high) / 2)))

    ends = jnp.concatenate([jax.vmap(bids)(_special(game)).ravel(), game.reserve[None]])
    # Types that reach the reserve start where k does, even if all of them bid just that.
    first = game.cdf(jnp.broadcast_to(game.reserve, (n,)))
    cuts = jnp.concatenate([jax.vmap(share_below)(ends), _own_cuts(game), first[None]])

    def at(types: Providers):
        theta = game.costs.inverse_survival(types)
        pseudotype = game.pseudotype(theta)
        bid = bids(pseudotype)
        below = jax.vmap(share_below)(bid)  # [provider who bids, provider who is beaten]
        won = jnp.where(bid >= game.reserve, jnp.prod(jnp.where(jnp.eye(n, dtype=bool), 1.0, below), axis=1), 0.0)
        return jnp.stack([won * (bid + game.excess(theta)) / unit, won * (pseudotype - bid) / unit, won])

    unit, tolerance = _unit(game, FIRST_SCORE)
    found = integrate(at, cuts, tolerance)
    (value, profits, won), error = found.value, found.error.sum(axis=1)
    return _outcome(game, unit * value.sum(), unit * profits, won, unit * error[:2].sum(), error[2])


@compiled
def _second_score(game: PrivateCosts) -> ExpectedOutcome:
    n = game.num_providers
    unit, tolerance = _unit(game, SECOND_SCORE)
    start = jnp.maximum(game.bounds[0].min(), game.reserve)

    def below(score: Float[Array, ""]) -> Providers:
        return game.cdf(jnp.broadcast_to(score, (n,)))

    def rivals_below(shares: Float[Array, "... providers"]) -> Float[Array, "... providers"]:
        return jnp.prod(jnp.where(jnp.eye(n, dtype=bool), 1.0, shares[..., None, :]), axis=-1)

    special = jnp.concatenate([_special(game).ravel(), start[None]])

    def at(types: Providers):
        theta = game.costs.inverse_survival(types)
        pseudotype = game.pseudotype(theta)
        beaten = jnp.prod(jnp.where(jnp.eye(n, dtype=bool), 1.0, jax.vmap(below)(pseudotype)), axis=1)
        won = jnp.where(pseudotype >= game.reserve, beaten, 0.0)
        return jnp.stack([won * game.excess(theta) / unit, won])

    by_type = integrate(at, jnp.concatenate([jax.vmap(below)(special), _own_cuts(game)]), tolerance)
    excess, won = by_type.value

    def rent_and_score(score: Float[Array, " 1"]):
        shares = below(score[0])
        rents = (1 - shares) * rivals_below(shares)
        beyond = 1 - jnp.prod(shares) - rents.sum() if n > 1 else jnp.zeros(())
        return jnp.append(rents, beyond)[:, None] / unit

    by_score = integrate(rent_and_score, jnp.maximum(special, start)[:, None], tolerance)
    rents, beyond = by_score.value[:-1, 0], by_score.value[-1, 0]
    # A single provider leaves the reserve, however little its least surplus exceeds it; of several, somebody has the least.
    from_here = game.reserve if n == 1 else start
    sold = 1 - jnp.prod(below(start))
    value = from_here * sold + unit * (beyond + excess.sum())
    money = unit * (by_score.error.sum() + by_type.error[0].sum())
    return _outcome(game, value, unit * rents, won, money, by_type.error[1].sum())


def _unit(game: PrivateCosts, wanted: float) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Range of surpluses, in which money is counted, and the tolerance in it: not finer than rounding allows."""
    least, most = game.bounds
    unit = most.max() - least.min()
    size = jnp.maximum(jnp.abs(most).max(), jnp.abs(least).max())
    return unit, wanted + 32 * jnp.finfo(float).eps * size / unit


def _special(game: PrivateCosts) -> Float[Array, "places providers"]:
    """Pseudotypes at which a provider's distribution begins, ends or bends."""
    return jnp.concatenate([jnp.stack(game.bounds), jax.vmap(game.pseudotype)(game.switches)])


def _own_cuts(game: PrivateCosts) -> Float[Array, "places providers"]:
    """The same places of every provider as shares of its own types."""
    ends = jnp.array([[0.0], [1.0]]) * jnp.ones(game.num_providers)
    return jnp.concatenate([ends, jax.vmap(game.costs.survival)(game.switches)])


def _outcome(
    game: PrivateCosts,
    value: Float[Array, ""],
    profits: Providers,
    won: Providers,
    error: Float[Array, ""],
    probability_error: Float[Array, ""],
) -> ExpectedOutcome:
    sold = won.sum()
    users = value + (1 - sold) * game.outside_value
    error = error + jnp.abs(game.outside_value) * probability_error
    return ExpectedOutcome(users, profits, won, sold, users + profits.sum(), error, probability_error)
