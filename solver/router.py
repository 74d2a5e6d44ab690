"""Equilibria of price and compute under the rules of ``games.router``.

Logit: the posted-price equilibrium at β of the router, levels argmax(q − c).

Argmax, also with confidence bounds: Bertrand competition in scores. The provider of the best W = q − c (with the router's q)
wins and asks q_1 − max(W_2, V0); the others offer theirs at cost. A tie in scores counts for the winner, who could undercut by
as little as it likes.

Inverse power, share = q^g p^{−k}/A with A = Σ q^g p^{−k}: a best reply has the Lerner index (p − c)/p = 1/(k(1 − s)), so that

    s (r/(r − 1))^k = q^g c^{−k}/A,    r = k(1 − s),    p = c r/(r − 1),

one share in (0, 1 − 1/k) for every A, falling in A from 1 − 1/k to 0. Hence Σ s = 1 has a solution, and only one, if and only
if n(1 − 1/k) > 1; with fewer providers, or k ≤ 1, somebody always gains by a higher price. Where the level is free too,
Σ ln(p − c) + Σ ln w − ln A is an exact potential of the log payoffs (w = q^g p^{−k}, the own weight): solving prices, letting
one provider change its level where that pays, and solving prices again raises it at every step, and so ends at an equilibrium.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from games import demand
from games.base import require_double_precision
from games.errors import InputError
from games.posted_price import PriceAndCompute
from games.readable import readable
from games.routed_prices import RoutedOffers, RoutedPrices
from games.router import ArgmaxRouter, ConfidentRouter, InversePowerRouter, LogitRouter
from solver.compile import compiled
from solver.inverse_power import best_share_odds, log_ratio, markup_of, share_odds, share_of, slope_of
from solver.posted_price import prices_and_compute
from solver.result import Status
from solver.scalar_root import decreasing_root

Numbers = Float[Array, " providers"]
Levels = Int[Array, " providers"]
GAIN = 1e-10


class RouterEquilibrium(eqx.Module):
    """Levels, prices and what follows; money in dollars per query. Leaves gain leading axes under ``vmap``.

    Where no finite equilibrium exists, ``status`` says so and the figures are NaN.

    Args:
        levels: level of every provider.
        price: p of every provider, per query served.
        log_markup: ln(p − c); -inf at cost.
        shares: share of queries that each provider serves.
        payoffs: s·(p − c), per query that arrives.
        status: a ``Status`` as an integer.
    """

    __repr__ = readable

    levels: Levels
    price: Numbers
    log_markup: Numbers
    shares: Numbers
    payoffs: Numbers
    status: Int[Array, ""]


@compiled
def router_equilibrium(game: RoutedOffers) -> RouterEquilibrium:
    """The equilibrium of prices and compute under the game's rule.

    Args:
        game: one segment of users; vmaps over segments and markets.

    Returns:
        The equilibrium; ``Status.NO_EQUILIBRIUM`` where prices would rise for ever. Under inverse power with a quality exponent
        others may exist: this is the one that level changes lead to from the levels of largest q^g c^{−k}.

    Raises:
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> ones = jnp.ones((3, 1))
        >>> game = RoutedOffers(InversePowerRouter(2.0), ones, ones, ones > 0, jnp.array(0.0))
        >>> router_equilibrium(game).price.round(9).tolist()
        [4.0, 4.0, 4.0]
    """
    require_double_precision("router_equilibrium")
    return _solve(game.rule, game)


@compiled
def inverse_power_prices(game: RoutedPrices) -> RouterEquilibrium:
    """Equilibrium prices of fixed offers under an inverse-power rule.

    Args:
        game: one segment of users, ``game.rule`` an ``InversePowerRouter``; vmaps over markets.

    Raises:
        InputError: another rule.
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> game = RoutedPrices(InversePowerRouter(2.0), jnp.ones(2), jnp.ones(2), jnp.array(0.0))
        >>> Status(int(inverse_power_prices(game).status)).name
        'NO_EQUILIBRIUM'
    """
    require_double_precision("inverse_power_prices")
    rule = game.rule
    if not isinstance(rule, InversePowerRouter):
        raise InputError(f"inverse_power_prices: the rule is {type(rule).__name__}; it must be an InversePowerRouter")
    k = rule.exponent
    exists = _exists(k, len(game.cost))
    odds = _odds(jnp.where(exists, k, 2.0), _merit(rule, game.quality, game.cost), exists)
    return _from_odds(k, odds, game.cost, exists, jnp.zeros(len(game.cost), int))


@functools.singledispatch
def _solve(rule: Any, game: RoutedOffers) -> RouterEquilibrium:
    raise TypeError(f"no solver for the router rule {type(rule).__name__}; register one with router_solver.register")


router_solver = _solve


@_solve.register
def _(rule: LogitRouter, game: RoutedOffers) -> RouterEquilibrium:
    plain = PriceAndCompute(game.quality, game.cost, game.mask, rule.rationality, game.outside_value)
    found = prices_and_compute(plain)
    return RouterEquilibrium(
        plain.efficient_levels, found.price, found.log_markup, found.shares, found.payoffs, found.status
    )


@_solve.register(ArgmaxRouter)
@_solve.register(ConfidentRouter)
def _(rule: ArgmaxRouter | ConfidentRouter, game: RoutedOffers) -> RouterEquilibrium:
    surplus = game.surplus
    levels = jnp.argmax(surplus, axis=1)
    every = jnp.arange(len(levels))
    offers, cost = surplus[every, levels], game.cost[every, levels]
    winner = every == jnp.argmax(offers)
    rival = jnp.maximum(jnp.where(winner, -jnp.inf, offers).max(), game.outside_value)
    exists = jnp.isfinite(rival)
    sells = winner & (offers >= rival)
    markup = jnp.where(sells, offers - jnp.where(exists, rival, 0.0), 0.0)
    return _said(exists, levels, cost, jnp.log(markup), sells.astype(float))


@_solve.register
def _(rule: InversePowerRouter, game: RoutedOffers) -> RouterEquilibrium:
    providers, num_levels = game.mask.shape
    exists = _exists(rule.exponent, providers)
    k = jnp.where(exists, rule.exponent, 2.0)
    merit = jnp.where(game.mask, _merit(rule, game.quality, game.cost), -jnp.inf)
    log_cost = jnp.log(game.cost)
    every = jnp.arange(providers)

    def price(levels):
        odds = _odds(k, merit[every, levels], exists)
        log_markup = log_cost[every, levels] + markup_of(k, odds)
        own = merit[every, levels] - k * jnp.log1p(jnp.exp(markup_of(k, odds)))
        others = demand.log_sum_of_others(own[None], jnp.full(1, -jnp.inf))[0]
        return odds, log_markup + jnp.log(share_of(k, odds)), others

    def improve(state):
        levels, _, _, _, rounds = state
        odds, log_payoffs, others = price(levels)
        replies = jnp.where(game.mask, best_reply_payoffs(k, merit, log_cost, others), -jnp.inf)
        gains = replies - log_payoffs[:, None]
        mover, level = jnp.unravel_index(jnp.argmax(gains), gains.shape)
        moves = exists & (gains[mover, level] > GAIN)
        return jnp.where(moves, levels.at[mover].set(level), levels), levels, odds, moves, rounds + 1

    start = jnp.argmax(merit, axis=1)
    first = (start, start, jnp.zeros(providers), jnp.array(True), jnp.array(0))
    limit = 50 * providers * num_levels
    _, levels, odds, moves, _ = jax.lax.while_loop(lambda s: s[3] & (s[4] < limit), improve, first)
    found = _from_odds(k, odds, game.cost[every, levels], exists, levels)
    status = jnp.where(moves & exists, int(Status.MAX_ROUNDS), found.status)
    return eqx.tree_at(lambda f: f.status, found, status)


def best_reply_payoffs(
    exponent: Float[Array, ""],
    log_merit: Float[Array, "providers levels"],
    log_cost: Float[Array, "providers levels"],
    log_others: Numbers,
) -> Float[Array, "providers levels"]:
    """ln of the payoff of every level at its best price against the others' weight R, under inverse power with k > 1.

    Args:
        exponent: k > 1.
        log_merit: ln(q^g c^{−k}) of every level.
        log_cost: ln c.
        log_others: ln R of every provider.

    Example:
        >>> zero = jnp.zeros((1, 1))
        >>> f"{jnp.exp(best_reply_payoffs(jnp.array(2.0), zero, zero, jnp.log(jnp.array([2 / 16]))))[0, 0]:.9f}"
        '1.000000000'
    """
    odds = best_share_odds(exponent, log_merit - log_others[:, None])
    return log_cost + markup_of(exponent, odds) + jnp.log(share_of(exponent, odds))


def _exists(exponent: Float[Array, ""], providers: int) -> Bool[Array, ""]:
    """Whether n(1 − 1/k) > 1."""
    return providers * (exponent - 1) > exponent


def _merit(
    rule: InversePowerRouter, quality: Float[Array, "*shape"], cost: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """ln(q^g c^{−k}): what an offer at cost weighs."""
    return rule.log_weights(cost, quality)


def _odds(exponent: Float[Array, ""], merit: Numbers, exists: Bool[Array, ""]) -> Numbers:
    """ln(x/(1 − x)) with x = s/(1 − 1/k) of every provider: the root of Σ s = 1 in ln A.

    The m largest, m = ⌊k/(k − 1)⌋, are the most that can come near 1 − 1/k together. Σ s = 1 is written as
    Σ_rest s = Σ_{m largest} (1 − 1/k − s) + 1 − m(1 − 1/k): no term is negative, and nothing cancels where prices are high.
    """
    k, count = exponent, len(merit)
    full = jnp.minimum(jnp.floor(k / (k - 1)), count)
    # Rounding of k/(k − 1) must not let one provider too many, or too few, in.
    full = jnp.where(full * (k - 1) > k, full - 1, jnp.where((full + 1) * (k - 1) <= k, full + 1, full))
    full = jnp.where(exists, full, count - 1.0)
    order = jnp.argsort(-merit, stable=True)
    rank = jnp.zeros(count).at[order].set(jnp.arange(count, dtype=float))
    top = rank < full
    pivot = jnp.take(merit[order], full.astype(int), mode="clip")
    ratio = merit - jax.lax.stop_gradient(pivot)
    spare = jnp.maximum((k - full * (k - 1)) / k, 0.0)
    cap = jnp.log1p(-1 / k)

    def gap(log_a, parameters):
        ratio, spare, k = parameters
        odds = share_odds(k, ratio - log_a)
        cap = jnp.log1p(-1 / k)
        log_share, log_left = cap + jax.nn.log_sigmoid(odds), cap + jax.nn.log_sigmoid(-odds)
        rest = jax.nn.logsumexp(jnp.where(top, -jnp.inf, log_share))
        left = jnp.append(jnp.where(top, log_left, -jnp.inf), jnp.log(spare))
        total = jax.nn.logsumexp(left)
        share, pace = jax.nn.sigmoid(odds), 1 / slope_of(k, odds)
        taken = jnp.exp(jnp.where(top, -jnp.inf, log_share) - rest) @ ((1 - share) * pace)
        given = jnp.exp(left[:-1] - total) @ (share * pace)
        return rest - total, -taken - given

    # With the m + 1 best at equal offers and A so small, each would take more than 1/(m + 1).
    enough = jnp.where(exists, (full + 1) * (1 - 1 / k) - 1, 1.0)
    slack = -jnp.log(enough)
    low = -log_ratio(k, slack) - 1e-9 * (1 + jnp.abs(log_ratio(k, slack)))
    high = jnp.maximum(jax.nn.logsumexp(ratio) + k * cap, low)
    log_a = decreasing_root(gap, (ratio, spare, k), low, high, jnp.clip(jnp.zeros(()), low, high))
    return share_odds(k, ratio - log_a)


def _from_odds(
    exponent: Float[Array, ""], odds: Numbers, cost: Numbers, exists: Bool[Array, ""], levels: Levels
) -> RouterEquilibrium:
    k = jnp.where(exists, exponent, 2.0)
    return _said(exists, levels, cost, jnp.log(cost) + markup_of(k, odds), share_of(k, odds))


def _said(
    exists: Bool[Array, ""], levels: Levels, cost: Numbers, log_markup: Numbers, shares: Numbers
) -> RouterEquilibrium:
    """The equilibrium, or NaN where there is none."""

    def said(values):
        return jnp.where(exists, values, jnp.nan)

    markup = jnp.exp(log_markup)
    return RouterEquilibrium(
        levels=levels,
        price=said(cost + markup),
        log_markup=said(log_markup),
        shares=said(shares),
        payoffs=said(shares * markup),
        status=jnp.where(exists, int(Status.CONVERGED), int(Status.NO_EQUILIBRIUM)),
    )
