"""Equilibrium bids of the first-score auction among unlike providers: the differential equation of inverse bids.

φ_i(b) is the pseudotype that bids b, u_i(b) = F_i(φ_i(b)) the probability that provider i bids less. A provider wins with
probability Π_{j≠i} u_j(b), so that a bid b is best for φ_i where Σ_{j≠i} h_j = 1/(φ_i − b), h_j = d ln u_j/db; with m active
providers

    h_i = (1/(m − 1)) Σ_j 1/(φ_j − b) − 1/(φ_i − b).

All stop at a common highest bid b̄, at which u = 1 (Maskin & Riley, Review of Economic Studies 67, 2000; Lebrun, Games and
Economic Behavior 55, 2006), except that a provider whose best pseudotype is too weak joins only at a lower bid, where its
h_i reaches 0 (Hubbard & Kirkegaard, Bid-separation in asymmetric auctions, 2019). Started downwards from a b̄ that is too
high, some φ_i falls onto b above the lowest bid b_*; from one too low, none does: so b̄ is found by bisection (backward
shooting, Marshall, Meurer, Richard & Stromquist, Games and Economic Behavior 7, 1994). Errors grow towards b_* (Fibich &
Gavish, Games and Economic Behavior 73, 2011); where the two last trajectories part, a parabola leads to the known end
(b_*, φ_i(b_*)).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from games.base import is_concrete, require_double_precision
from games.private_costs import PrivateCosts, Providers
from games.readable import readable
from solver.bayesian.bid_functions import BidFunctions, require_participation
from solver.compile import compiled

Scalar = Float[Array, ""]

TRIALS = 32
ROUNDS = 11  # 32^11 > 2^53: the highest bid to the last bit
APART = 1e-10  # of the range of pseudotypes
SCAN = 2049


class AsymmetricBids(eqx.Module):
    """Equilibrium bids of unlike providers.

    Args:
        bids: the bid functions.
        lowest: ``b_*``, least bid that can win.
        highest: b̄, largest bid of all.
        reached: bid down to which the differential equation was followed; a parabola below.
    """

    __repr__ = readable

    bids: BidFunctions
    lowest: Float[Array, "*batch"]
    highest: Float[Array, "*batch"]
    reached: Float[Array, "*batch"]


def asymmetric_bids(game: PrivateCosts, *, num_steps: int = 800) -> AsymmetricBids:
    """Equilibrium bids of the first-score auction for any number of unlike providers, by backward shooting.

    Jits and vmaps over games. Where one provider's weakest type has more surplus than any other can offer at ``b_*``, it always
    bids ``b_*`` and wins. The result is to be certified by ``solver.interim_regret``.

    Args:
        game: providers with any bounds of k; a reserve is kept.
        num_steps: steps of the Runge–Kutta method of order four between b̄ and ``b_*``, finer towards ``b_*``.

    Raises:
        InputError: nobody reaches the reserve.

    Example:
        >>> from games import LevelOffers, UniformCosts
        >>> tops = jnp.array([1.0, 2.0])  # k_i uniform on [0, top]
        >>> game = PrivateCosts(LevelOffers(tops[:, None], jnp.ones((2, 1))), UniformCosts(jnp.zeros(2), tops))
        >>> found = asymmetric_bids(game)
        >>> round(float(found.highest), 9)  # 1·2/(1 + 2)
        0.666666667
    """
    require_double_precision("asymmetric_bids")
    if is_concrete(game):
        require_participation(game)
    return _asymmetric(game, num_steps)


@compiled
def _asymmetric(game: PrivateCosts, num_steps: int) -> AsymmetricBids:
    least, most = game.bounds
    lowest = lowest_bid(game)
    rival = jnp.sort(most)[-2] if game.num_providers > 1 else -jnp.inf
    alone = rival <= lowest
    limit = jnp.where(alone, lowest + 1e-3 * (most.max() - lowest), rival)
    gaps = (jnp.arange(num_steps, -1, -1) / num_steps) ** 3

    def narrow(_, ends):
        """The bracket of b̄ with the trajectories from its ends: the last that does not crash, the first that does."""
        low, high = ends[0]
        trials = low + (high - low) * jnp.arange(1, TRIALS + 1) / (TRIALS + 1)
        paths = jax.vmap(lambda top: _shoot(game, lowest, top, gaps))(trials)
        first = jnp.argmax(jnp.append(paths.crashed[:, -1], True))
        all_paths = jax.tree.map(lambda x, y: jnp.concatenate([x[:1], y, x[1:]]), ends, (trials, paths))
        return jax.tree.map(lambda x: x[first + jnp.arange(2)], all_paths)

    nothing = jax.tree.map(
        lambda x: jnp.zeros((2, *x.shape), x.dtype), jax.eval_shape(_shoot, game, lowest, limit, gaps)
    )
    tops, paths = jax.lax.fori_loop(0, ROUNDS, narrow, (jnp.stack([lowest, limit]), nothing))
    low = tops[0]
    bid = lowest + (low - lowest) * gaps
    spread = most.max() - least.min()
    difference = jnp.abs(paths.pseudotype[0] - paths.pseudotype[1]).max(axis=1)
    apart = paths.crashed.any(axis=0) | (difference > APART * spread)
    good = jnp.cumsum(apart) == 0
    bids = _functions(game, lowest, bid, paths.pseudotype[0], paths.log_u[0], good)
    flat = _constant(game, lowest, bids.bids.shape)
    chosen = jax.tree.map(lambda a, b: jnp.where(alone, a, b), flat, bids)
    reached = jnp.min(jnp.where(good, bid, jnp.inf))
    return AsymmetricBids(chosen, lowest, jnp.where(alone, lowest, low), jnp.where(alone, lowest, reached))


def lowest_bid(game: PrivateCosts) -> Scalar:
    """b_*: least bid that wins with positive probability.

    The reserve if it binds. Else, with ℓ_1 ≥ ℓ_2 the largest least pseudotypes, ℓ_1 if they are equal; and if not, the best bid
    of type ℓ_1 against others who bid their k: the largest maximiser of (ℓ_1 − b) Π_{j≠1} F_j(b) from ℓ_2 on (Maskin & Riley
    2000; Kaplan & Zamir, Economic Theory 50, 2012).
    """
    least, most = game.bounds
    if game.num_providers == 1:
        return jnp.maximum(game.reserve, least[0])
    strongest = jnp.argmax(least)
    others = jnp.arange(game.num_providers) != strongest
    top = least[strongest]
    floor = jnp.maximum(jnp.where(others, least, -jnp.inf).max(), game.reserve)
    ceiling = jnp.minimum(top, jnp.where(others, most, -jnp.inf).max())
    width = jnp.maximum(ceiling - floor, 0.0)

    def gain(bid):
        probability = jnp.where(others, game.cdf(jnp.broadcast_to(bid, least.shape)), 1.0)
        return (top - bid) * jnp.prod(probability)

    grid = floor + width * jnp.linspace(0.0, 1.0, SCAN)
    gains = jax.vmap(gain)(grid)
    best = SCAN - 1 - jnp.argmax(gains[::-1])

    def slope(bid):
        all_at = jnp.broadcast_to(bid, least.shape)
        inside = others & (bid < most)
        hazard = jnp.where(inside, game.pdf(all_at) / jnp.where(inside, game.cdf(all_at), 1.0), 0.0)
        return hazard.sum() - 1 / (top - bid)

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        rises = slope(middle) > 0
        return jnp.where(rises, middle, ends[0]), jnp.where(rises, ends[1], middle)

    ends = (grid[jnp.maximum(best - 1, 0)], grid[jnp.minimum(best + 1, SCAN - 1)])
    low, high = jax.lax.fori_loop(0, 50, halve, ends)
    inner = jnp.where(high == ceiling, ceiling, jnp.where(low == floor, floor, (low + high) / 2))
    return jnp.where(floor >= top, jnp.maximum(top, game.reserve), jnp.where(width > 0, inner, floor))


def _hazards(game: PrivateCosts, bid: Scalar, log_u: Providers) -> tuple[Providers, Providers, Bool[Array, ""]]:
    """h_i and φ_i at a bid, and whether some active φ_i has fallen onto the bid."""
    pseudotype = game.quantile(jnp.exp(jnp.minimum(log_u, 0.0)))
    margin = pseudotype - bid
    at_top = log_u >= 0
    crash = jnp.any((margin <= 0) & ~at_top)
    pull = 1 / jnp.where(margin > 0, margin, 1.0)

    def hazards(active):
        return jnp.where(active, jnp.where(active, pull, 0.0).sum() / jnp.maximum(active.sum() - 1, 1) - pull, 0.0)

    def drop(_, active):
        """The weakest provider that has not joined yet waits if its h would be negative."""
        h = jnp.where(active & at_top, hazards(active), 0.0)
        return active & ~((jnp.arange(h.shape[0]) == jnp.argmin(h)) & (h < 0))

    active = jax.lax.fori_loop(0, max(game.num_providers - 2, 0), drop, margin > 0)
    return hazards(active), pseudotype, crash | (active.sum() < 2)


class _Path(NamedTuple):
    """φ, ln u, and whether the trajectory has crashed, at every bid from the highest down."""

    pseudotype: Float[Array, "steps providers"]
    log_u: Float[Array, "steps providers"]
    crashed: Bool[Array, " steps"]


# Runge and Kutta's method: where each stage looks, and what it weighs. A loop over stages compiles four times faster.
STAGES = ((0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6))


def _shoot(game: PrivateCosts, lowest: Scalar, top: Scalar, gaps: Float[Array, " steps"]) -> _Path:
    """From u = 1 at the bid ``top`` down to ``lowest``."""
    bids = lowest + (top - lowest) * gaps
    start = jnp.zeros(game.num_providers)

    def step(state, ends):
        log_u, crashed = state
        bid, following = ends
        width = following - bid

        def stage(carry, coefficients):
            hazard, moved, crashed = carry
            where, weight = coefficients
            at = bid + where * width
            hazard, _, crash = _hazards(game, at, log_u + where * width * hazard)
            # At b_* itself margins may vanish: a look there is not held against a trajectory.
            return (hazard, moved + weight * width * hazard, crashed | (crash & (at > lowest))), None

        (_, moved, crashed), _ = jax.lax.scan(stage, (start, log_u, crashed), jnp.array(STAGES))
        crashed = crashed | ~jnp.all(jnp.isfinite(moved))
        log_u = jnp.where(crashed, log_u, jnp.minimum(moved, 0.0))
        return (log_u, crashed), (log_u, crashed)

    _, (log_u, crashed) = jax.lax.scan(step, (start, jnp.zeros((), bool)), (bids[:-1], bids[1:]))
    log_u = jnp.concatenate([start[None], log_u])
    crashed = jnp.concatenate([jnp.zeros(1, bool), crashed])
    return _Path(jax.vmap(game.quantile)(jnp.exp(log_u)), log_u, crashed)


def _functions(
    game: PrivateCosts,
    lowest: Scalar,
    bid: Float[Array, " steps"],
    pseudotype: Float[Array, "steps providers"],
    log_u: Float[Array, "steps providers"],
    good: Bool[Array, " steps"],
) -> BidFunctions:
    """Bid functions from a trajectory, its part that is not good replaced by the end at ``lowest``."""
    least, _ = game.bounds
    corner = jnp.maximum(lowest, least)
    hazard, _, _ = jax.vmap(lambda b, z: _hazards(game, b, z))(bid, log_u)
    density = jax.vmap(game.pdf)(pseudotype)
    joined = log_u < 0
    slope = jnp.where(hazard > 0, density / (jnp.exp(log_u) * jnp.where(hazard > 0, hazard, 1.0)), 0.0)
    # A provider whose best type waits bids at most where it joins; who never does loses whatever it bids.
    join = jnp.where(joined | (hazard > 0), bid[:, None], -jnp.inf).max(axis=0)
    highest = jnp.where(jnp.isfinite(join), join, jnp.minimum(corner, lowest))
    bids = jnp.where(good[:, None], jnp.minimum(bid[:, None], highest), lowest)
    nodes = jnp.where(good[:, None], pseudotype, corner)
    slope = jnp.where(good[:, None], slope, 0.0)
    nodes, bids, slope = (x[::-1].T for x in (nodes, bids, slope))
    # Types below b_* never win and bid their k; the corner stands twice, since the slope jumps there.
    loses = jnp.minimum(least, lowest)[:, None]
    nodes = jnp.concatenate([jnp.minimum(least, corner)[:, None], corner[:, None], corner[:, None], nodes], axis=1)
    bids = jnp.concatenate([loses, jnp.full_like(loses, lowest), jnp.full_like(loses, lowest), bids], axis=1)
    ones = jnp.ones_like(loses)
    slope = jnp.concatenate([ones, ones, 0 * ones, slope], axis=1)
    return BidFunctions(nodes, bids, _monotone(nodes, bids, slope), game.reserve)


def _constant(game: PrivateCosts, lowest: Scalar, shape: tuple[int, ...]) -> BidFunctions:
    """Whoever can bids b_* whatever its type; types below bid their own k, in vain."""
    least, most = game.bounds
    corner = jnp.clip(lowest, least, most)
    nodes = jnp.broadcast_to(most[:, None], shape).at[:, 0].set(least).at[:, 1].set(corner).at[:, 2].set(corner)
    slope = jnp.zeros(shape).at[:, :2].set((least < lowest)[:, None] * 1.0)
    return BidFunctions(nodes, jnp.minimum(nodes, lowest), slope, game.reserve)


def _monotone(
    x: Float[Array, "providers nodes"], y: Float[Array, "providers nodes"], slope: Float[Array, "providers nodes"]
) -> Float[Array, "providers nodes"]:
    """Slopes with a parabola at the corner, cut to three secants so that the interpolant rises (Fritsch & Carlson 1980)."""
    width = jnp.diff(x, axis=1)
    secant = jnp.where(width > 0, jnp.diff(y, axis=1) / jnp.where(width > 0, width, 1.0), jnp.inf)
    # The cell above the corner is the last of width 0 before the trajectory: nodes replaced by the corner come before it.
    inner = jnp.arange(x.shape[1] - 1) >= 2
    first = jnp.argmax((width > 0) & inner, axis=1)[:, None]
    parabola = 2 * jnp.take_along_axis(secant, first, axis=1) - jnp.take_along_axis(slope, first + 1, axis=1)
    at_corner = jnp.arange(x.shape[1])[None] == first
    slope = jnp.where(at_corner, jnp.where(jnp.isfinite(parabola), parabola, 0.0), slope)
    most = 3 * jnp.minimum(
        jnp.pad(secant, ((0, 0), (1, 0)), constant_values=jnp.inf),
        jnp.pad(secant, ((0, 0), (0, 1)), constant_values=jnp.inf),
    )
    return jnp.where(jnp.arange(x.shape[1]) < 2, slope, jnp.clip(slope, 0.0, jnp.where(jnp.isfinite(most), most, 0.0)))
