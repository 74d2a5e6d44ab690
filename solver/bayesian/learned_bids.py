"""Bid functions learned by gradient: each provider climbs its own expected payoff, knowing only how the others bid now.

A bid function is a polynomial in the pseudotype k with rising Bernstein coefficients, so that it rises. Provider i expects

    ∫ (k_i(u) − b_i(k_i(u))) Π_{j≠i} F_j(b_j^{-1}(b_i(k_i(u)))) du,

is a sum over equally likely types and differentiable in its own coefficients: its gradient is exact, nothing is sampled.
All move at once, by Adam with a step that decays to zero (simultaneous gradient ascent; with sampled opponents Bichler, Fichtl,
Heidekrüger, Kohring & Sutterer, Nature Machine Intelligence 3, 2021). No equation of an equilibrium is used: that what is
learned is one, ``solver.interim_regret`` says.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from games.base import is_concrete, require_double_precision
from games.errors import InputError
from games.private_costs import PrivateCosts, alike
from games.readable import readable
from solver.bayesian.bid_functions import BidFunctions, require_participation
from solver.compile import compiled

TABLE = 1025
NODES = 257


class LearnedBids(eqx.Module):
    """What gradient ascent arrived at.

    Args:
        bids: the bid functions.
        last_change: mean change of the bids in the last tenth of the steps, as a fraction of the range of values.
    """

    __repr__ = readable

    bids: BidFunctions
    last_change: Float[Array, "*batch"]


def learn_bids(
    game: PrivateCosts,
    key: Key[Array, ""],
    *,
    symmetric: bool | None = None,
    degree: int = 8,
    types: int = 256,
    num_steps: int = 1500,
    step_size: float = 0.05,
) -> LearnedBids:
    """Learn the bid functions of the first-score auction by gradient ascent; jits, and vmaps over keys and games.

    Args:
        game: the auction.
        key: seed of the random bid functions at the start.
        symmetric: let all providers use one bid function; by default, if they are alike.
        degree: of the polynomials.
        types: equally likely types that the expected payoff sums over.
        num_steps: steps of Adam.
        step_size: of the first step, in the logarithm of slopes; falls to zero along a cosine.

    Raises:
        InputError: one bid function for providers that differ, or nobody reaches the reserve.

    Example:
        >>> from games import LevelOffers, UniformCosts
        >>> game = PrivateCosts.symmetric(LevelOffers(jnp.ones(1), jnp.ones(1)), UniformCosts(0.0, 1.0), 2)
        >>> found = learn_bids(game, jax.random.key(0), num_steps=300)
        >>> bool(jnp.abs(found.bids(jnp.full(2, 0.8)) - 0.4).max() < 0.01)
        True
    """
    require_double_precision("learn_bids")
    if is_concrete(game):
        require_participation(game)
        if symmetric and not alike(game):
            raise InputError("learned bids: providers differ, and cannot share a bid function; leave symmetric= out")
        symmetric = alike(game) if symmetric is None else symmetric
    return _learn(game, key, bool(symmetric), degree, types, num_steps, jnp.asarray(step_size, float))


@compiled
def _learn(
    game: PrivateCosts,
    key: Key[Array, ""],
    symmetric: bool,
    degree: int,
    types: int,
    num_steps: int,
    step_size: Float[Array, ""],
) -> LearnedBids:
    n = game.num_providers
    rows = 1 if symmetric else n  # alike providers share one row, and n − 1 of it are to be beaten
    least, most = game.bounds
    # All in units of the range of values above the least: a step has the same meaning in any currency.
    unit, base = most.max() - least.min(), least.min()

    def scaled(values):
        return (values - base) / unit

    def table(probability):
        return scaled(jax.vmap(lambda u: game.quantile(jnp.broadcast_to(u, (n,))))(probability)).T[:rows]

    share = jnp.linspace(0.0, 1.0, TABLE)
    quantiles = table(share)
    own = table((jnp.arange(types) + 0.5) / types)
    reserve = scaled(game.reserve)
    bottom, top = scaled(least)[:rows], scaled(most)[:rows]
    start = jnp.minimum(jnp.maximum(bottom, reserve), top)
    width = top - start
    grid = jnp.linspace(0.0, 1.0, NODES)
    nodes = start[:, None] + width[:, None] * grid
    basis, rise = _bernstein(degree, grid), _bernstein(degree - 1, grid)

    def coefficients(parameters):
        """Bernstein coefficients: the first below the least k, or the reserve where that binds; then positive steps."""
        shade, slopes = jax.nn.softplus(parameters[0]), jax.nn.softplus(parameters[1])
        first = jnp.where(reserve >= bottom, start, jnp.maximum(start - shade, reserve))
        steps = slopes * (width / degree)[:, None]
        return first[:, None] + jnp.pad(jnp.cumsum(steps, axis=1), ((0, 0), (1, 0)))

    def bid_table(parameters):
        return coefficients(parameters) @ basis.T

    interpolate = jax.vmap(jnp.interp)

    def payoffs(parameters):
        """Expected payoff of every provider, differentiable in its own parameters alone."""
        bids = bid_table(parameters)
        others = jax.lax.stop_gradient(bids)
        bid = interpolate(own, nodes, bids)

        def below(other, other_nodes, quantile):
            """P(b_j ≤ b) at the bids of everybody."""
            return jnp.interp(jnp.interp(bid, other, other_nodes), quantile, share)

        table = jax.vmap(below)(others, nodes, quantiles)  # [beaten, bidder, types]
        if symmetric:
            won = table[0] ** (n - 1)
        else:
            won = jnp.prod(jnp.where(jnp.eye(n, dtype=bool)[:, :, None], 1.0, table), axis=0)
        offers = own >= reserve
        return jnp.sum(jnp.where(offers, (own - bid) * won, 0.0)) / types

    first_key, second_key = jax.random.split(key)
    # Random starts near the truth, from where bids fall as far as it pays: types that never win have no gradient.
    slopes = jax.random.uniform(second_key, (rows, degree), minval=0.7, maxval=1.0)
    shade = jax.random.uniform(first_key, (rows,), minval=0.001, maxval=0.02)
    parameters: Any = jax.tree.map(lambda x: jnp.log(jnp.expm1(x)), (shade, slopes))
    optimiser = optax.inject_hyperparams(optax.adam)(learning_rate=step_size)
    gradient = jax.grad(lambda parameters: -payoffs(parameters))
    late = num_steps - num_steps // 10

    def step(state, i):
        parameters, memory, before = state
        before = jnp.where(i == late, bid_table(parameters), before)
        memory.hyperparams["learning_rate"] = step_size * (1 + jnp.cos(jnp.pi * i / num_steps)) / 2
        updates, memory = optimiser.update(gradient(parameters), memory)
        return (optax.apply_updates(parameters, updates), memory, before), None

    state = (parameters, optimiser.init(parameters), bid_table(parameters))
    (parameters, _, before), _ = jax.lax.scan(step, state, jnp.arange(num_steps))
    bids = bid_table(parameters)
    slopes = jax.nn.softplus(parameters[1]) @ rise.T
    nodes, values, slopes = (jnp.broadcast_to(x, (n, NODES)) for x in (base + unit * nodes, base + unit * bids, slopes))
    functions = BidFunctions(nodes, values, slopes, game.reserve)
    return LearnedBids(functions, jnp.abs(bids - before).mean())


def _bernstein(degree: int, grid: Float[Array, " points"]) -> Float[Array, "points coefficients"]:
    """Bernstein polynomials: with rising coefficients their sum rises."""
    index = jnp.arange(degree + 1)
    choose = jnp.array([math.comb(degree, m) for m in range(degree + 1)], grid.dtype)
    return choose * grid[:, None] ** index * (1 - grid[:, None]) ** (degree - index)
