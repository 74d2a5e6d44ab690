"""The certificate of bid functions: what every type of every provider could gain by any other bid, by quadrature.

Nothing of a solver is used, neither densities nor slopes nor a differential equation: only the pseudotypes at equally likely
types, and the bids that the functions name there. The distribution of a provider's bid is that of the piecewise linear curve
through its bids at ``points`` equally likely types, so that its error falls with the square of their distance. Each type's
payoff is then searched over all bids, on a grid and by golden-section search around its highest peaks.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from games.errors import InputError
from games.private_costs import PrivateCosts, Providers
from games.readable import readable
from solver.compile import compiled

GOLDEN = (math.sqrt(5) - 1) / 2
PEAKS = 3

Bids = Callable[[Providers], Providers]


class InterimRegret(eqx.Module):
    """Gains of other bids, for types that are equally likely, in the first-score auction.

    Args:
        probability: share of types below the one looked at, ``[types]``.
        gains: largest gain of that type of every provider, dollars per query, at least 0, ``[types, providers]``.
        best_bid: bid that attains it; below the reserve: no offer.
        payoff: interim payoff of the bid function, dollars per query.
        value_range: largest less least pseudotype of all providers, dollars per query.
        mean: mean gain over types as a fraction of ``value_range``, ``[providers]``.
        max: largest gain of any type, likewise.
    """

    __repr__ = readable

    probability: Float[Array, " types"]
    gains: Float[Array, "types providers"]
    best_bid: Float[Array, "types providers"]
    payoff: Float[Array, "types providers"]
    value_range: Float[Array, ""]
    mean: Providers
    max: Providers

    @property
    def mean_regret(self) -> Float[Array, "*batch"]:
        """Mean over types of the provider with the largest mean, as a fraction of the range of values."""
        return self.mean.max(axis=-1)

    @property
    def max_regret(self) -> Float[Array, "*batch"]:
        """Largest of all types of all providers, as a fraction of the range of values."""
        return self.max.max(axis=-1)


def interim_regret(
    game: PrivateCosts, bids: Bids, *, types: int = 257, points: int = 4097, grid: int = 1025
) -> InterimRegret:
    """Certify bid functions in the first-score auction.

    Ties count against the bid function and for the deviation, so that atoms cannot hide a gain. A bid below the reserve is no
    offer. Where a bid function falls somewhere, its bids are sorted first.

    Args:
        game: the auction.
        bids: from the pseudotype of every provider to its bid; ``solver.BidFunctions`` or any function that JAX traces.
        types: equally likely types looked at, the weakest and the strongest included.
        points: equally likely types that the distribution of every bid is made from.
        grid: bids tried by every type, before the search around the best of them.

    Raises:
        InputError: fewer than two types, points or bids.

    Example:
        >>> from games import LevelOffers, UniformCosts
        >>> game = PrivateCosts.symmetric(LevelOffers(jnp.ones(1), jnp.ones(1)), UniformCosts(0.0, 1.0), 2)
        >>> round(float(interim_regret(game, lambda k: k / 2).max_regret), 9)
        0.0
        >>> float(interim_regret(game, lambda k: k).max_regret)  # the strongest type earns 1/4 by bidding a half
        0.25
    """
    if min(types, points, grid) < 2:
        raise InputError("interim regret: types, points and grid must be at least 2 each")
    return _interim_regret(game, bids, types, points, grid)


@compiled
def _interim_regret(game: PrivateCosts, bids: Bids, types: int, points: int, grid: int) -> InterimRegret:
    providers = game.num_providers

    def at(probability):
        pseudotype = game.quantile(jnp.broadcast_to(probability, (providers,)))
        return pseudotype, bids(pseudotype)

    _, sample = jax.vmap(at)(jnp.linspace(0.0, 1.0, points))
    sample = jnp.sort(sample, axis=0)
    probability = jnp.linspace(0.0, 1.0, types)
    pseudotypes, chosen = jax.vmap(at)(probability)
    least, most = game.bounds
    lowest = jnp.maximum(jnp.minimum(least.min(), sample.min()), game.reserve)
    tried = lowest + jnp.linspace(0.0, 1.0, grid) * (jnp.maximum(sample.max(), lowest) - lowest)
    won = jax.vmap(lambda bid: _win(sample, jnp.broadcast_to(bid, (providers,)), "right"))(tried)

    def payoff(pseudotype, bid, side):
        return jnp.where(bid >= game.reserve, (pseudotype - bid) * _win(sample, bid, side), 0.0)

    stay = jax.vmap(lambda k, b: payoff(k, b, "left"))(pseudotypes, chosen)

    def search(pseudotype):
        """Best bid of one type of every provider."""
        values = (pseudotype - tried[:, None]) * won
        padded = jnp.pad(values, ((1, 1), (0, 0)), constant_values=-jnp.inf)
        peak = (values >= padded[:-2]) & (values >= padded[2:])
        top, index = jax.lax.top_k(jnp.where(peak, values, -jnp.inf).T, min(PEAKS, grid))
        gain = jax.vmap(lambda bid: payoff(pseudotype, bid, "right"))

        def shrink(_, ends):
            left, right = ends
            low, high = right - GOLDEN * (right - left), left + GOLDEN * (right - left)
            keep = gain(low) >= gain(high)
            return jnp.where(keep, left, low), jnp.where(keep, high, right)

        ends = (tried[jnp.maximum(index - 1, 0)].T, tried[jnp.minimum(index + 1, grid - 1)].T)
        middle = sum(jax.lax.fori_loop(0, 30, shrink, ends)) / 2
        # Staying out is a choice too: it earns nothing.
        choices = jnp.concatenate([middle, tried[index].T, jnp.full((1, providers), -jnp.inf)])
        found = jnp.concatenate([gain(middle), top.T, jnp.zeros((1, providers))])
        best = jnp.argmax(found, axis=0)[None]
        return jnp.take_along_axis(choices, best, axis=0)[0], jnp.take_along_axis(found, best, axis=0)[0]

    best_bid, best = jax.vmap(search)(pseudotypes)
    gains = jnp.maximum(best - stay, 0.0)
    value_range = most.max() - least.min()
    # Trapezoid rule over equally likely types.
    weight = jnp.ones(types).at[jnp.array([0, -1])].set(0.5) / (types - 1)
    return InterimRegret(
        probability=probability,
        gains=gains,
        best_bid=jnp.where(gains > 0, best_bid, chosen),
        payoff=stay,
        value_range=value_range,
        mean=weight @ gains / value_range,
        max=gains.max(axis=0) / value_range,
    )


def _win(sample: Float[Array, "points providers"], bid: Providers, side: str) -> Providers:
    """Probability that a bid of each provider beats everybody else; ties count as won on the side "right"."""
    points = sample.shape[0]

    def below(sorted_bids, x):
        index = jnp.searchsorted(sorted_bids, x, side=side)
        before, behind = jnp.clip(index - 1, 0, points - 2), jnp.clip(index, 1, points - 1)
        width = sorted_bids[behind] - sorted_bids[before]
        part = jnp.where(width > 0, (x - sorted_bids[before]) / jnp.where(width > 0, width, 1.0), 0.0)
        inside = (before + jnp.clip(part, 0.0, 1.0)) / (points - 1)
        return jnp.where(index == 0, 0.0, jnp.where(index == points, 1.0, inside))

    # [providers, bids]: row j holds P(b_j ≤ bid_i); a provider does not compete with itself.
    table = jax.vmap(lambda column: jax.vmap(lambda x: below(column, x))(bid))(sample.T)
    own = jnp.eye(len(bid), dtype=bool)
    return jnp.prod(jnp.where(own, 1.0, table), axis=0)
