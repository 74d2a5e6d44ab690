"""Equilibrium of free prices under logit demand: one scalar root, whatever the number of providers.

With T_i = e^{β(q_i − c_i)} and H = e^{βV0} + Σ_i e^{β(q_i − p_i)}, every provider's best reply p − c = 1/(β(1 − s)) makes its
share a decreasing function of H alone, and H closes the system (Nocke & Schutz, Econometrica 86, 2018):

    s_i e^{1/(1 − s_i)} = T_i/H,    Σ_i s_i + e^{βV0}/H = 1,    consumer surplus = ln(H)/β.

The root is unique. It is taken in logarithms, with W = q − c measured from the best offer but one, so that β = 10⁶ and T
thousands of orders of magnitude apart lose no digits, and in the form ln(what the leader leaves) = ln(what the others take), in
which nothing cancels where one provider has almost everything. Equilibrium prices, profits and surplus are differentiable in
all that the game holds.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from games.base import require_double_precision
from games.posted_price import PriceAndCompute, PriceCompetition
from games.readable import readable
from games.wright_omega import log_wright_omega
from solver.compile import compiled
from solver.result import Status
from solver.scalar_root import decreasing_root

# At the root of a game whose two best offers are equal no share exceeds one half: s e^{1/(1 − s)} = e²/2 there.
LOWEST_LOG_AGGREGATE = -1.3068528194400546


class PriceEquilibrium(eqx.Module):
    """Prices and what follows from them; money in dollars per query. Leaves gain leading axes under ``vmap``.

    Where no finite equilibrium exists, ``status`` says so and the figures are NaN.

    Args:
        price: p of every provider, per query served.
        log_markup: ln(p − c).
        shares: s, the share of queries that each provider serves.
        log_shares: ln s, finite where s underflows.
        outside_share: share of queries that goes unserved.
        payoffs: s·(p − c), per query that arrives.
        consumer_surplus: ln(H)/β, what users get if choice follows tastes.
        status: a ``Status`` as an integer.
        levels: level of every provider, where levels were chosen.
    """

    __repr__ = readable

    price: Float[Array, " providers"]
    log_markup: Float[Array, " providers"]
    shares: Float[Array, " providers"]
    log_shares: Float[Array, " providers"]
    outside_share: Float[Array, ""]
    payoffs: Float[Array, " providers"]
    consumer_surplus: Float[Array, ""]
    status: Int[Array, ""]
    levels: Int[Array, " providers"] | None = None


@compiled
def posted_prices(game: PriceCompetition) -> PriceEquilibrium:
    """The equilibrium of price competition under logit demand.

    Args:
        game: one segment of users; vmaps over markets and segments.

    Returns:
        The equilibrium; ``Status.NO_EQUILIBRIUM`` for a single provider without an outside option, and at β = 0.

    Raises:
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> found = posted_prices(PriceCompetition(jnp.array([2.0, 2.0]), jnp.array([1.0, 1.0]), 4.0))
        >>> found.price.round(7).tolist(), Status(int(found.status)).name
        ([1.4729267, 1.4729267], 'CONVERGED')
    """
    require_double_precision("posted_prices")
    beta, surplus = game.rationality, game.surplus
    best = jnp.argmax(surplus)
    leader = jnp.arange(len(surplus)) == best
    second = jnp.where(leader, -jnp.inf, surplus).max()
    exists = ((len(surplus) > 1) | jnp.isfinite(game.outside_value)) & (beta > 0)
    origin = jnp.maximum(second, game.outside_value)
    origin = jax.lax.stop_gradient(jnp.where(exists, origin, surplus[best]))
    lead = jnp.where(exists, beta, 1.0) * (surplus - origin)
    outside = _outside(beta, game.outside_value, origin)

    def gap(log_h, parameters):
        """ln(what the others take) − ln(1 − s of the leader), and its slope in ln H."""
        lead, outside = parameters
        odds = log_share_odds(lead - log_h)
        taken = jnp.where(leader, -jnp.inf, odds - jax.nn.softplus(odds))
        log_rest = jnp.append(taken, outside - log_h)
        u = jnp.exp(odds)
        pace = 1 / (1 + u + u**2)
        rest = jax.nn.logsumexp(log_rest)
        fall = jnp.exp(jax.lax.stop_gradient(log_rest - rest)) @ jnp.append(pace, 1.0)
        return rest + jax.nn.softplus(odds[best]), -fall - (u * pace)[best]

    # s < T/(eH) for everybody: at this H, all shares together are at most 1.
    high = jnp.maximum(jax.nn.logsumexp(jnp.append(lead - 1, outside)), LOWEST_LOG_AGGREGATE)
    start = jnp.log1p(jnp.maximum(lead.max(), 0.0))
    log_h = decreasing_root(gap, (lead, outside), jnp.asarray(LOWEST_LOG_AGGREGATE), high, start)
    odds = log_share_odds(lead - log_h)
    consumer_surplus = origin + log_h / beta
    return _assemble(game, jax.nn.softplus(odds) - jnp.log(beta), odds, outside - log_h, consumer_surplus, exists)


@compiled
def prices_and_compute(game: PriceAndCompute) -> PriceEquilibrium:
    """The equilibrium in which providers choose price and level: θ* = argmax(q − c) whatever β, then prices.

    Args:
        game: one segment of users; vmaps over markets and segments.

    Raises:
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("AIME/reasoning_effort")
        >>> found = prices_and_compute(PriceAndCompute.of_segment(scenario.market, scenario.users.with_rationality(1000)))
        >>> found.levels.tolist(), [f"{p:.4f}" for p in found.price]
        ([2, 2, 1], ['0.0011', '0.0014', '0.0043'])
    """
    levels = game.efficient_levels
    found = posted_prices(game.at(levels))
    return eqx.tree_at(lambda f: f.levels, found, levels, is_leaf=lambda leaf: leaf is None)


@compiled
def collusive_prices(game: PriceCompetition) -> PriceEquilibrium:
    """The prices that maximise the providers' joint profit: one common markup (1 + ω)/β.

    A monopolist that sells everything asks the same markup for all of it, against the inclusive value of all offers: ω is
    Lambert's W of Σ_i e^{β(W_i − V0) − 1}, and joint profit is ω/β (Anderson, de Palma & Thisse 1992).

    Args:
        game: one segment of users; vmaps over markets and segments.

    Returns:
        The prices; ``Status.NO_EQUILIBRIUM`` without an outside option (any price would be paid), and at β = 0.

    Raises:
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> found = collusive_prices(PriceCompetition(jnp.array([2.0, 2.0]), jnp.array([1.0, 1.0]), 4.0))
        >>> [f"{p:.6f}" for p in found.price]
        ['1.924981', '1.924981']
    """
    require_double_precision("collusive_prices")
    exists = jnp.isfinite(game.outside_value) & (game.rationality > 0)
    beta = jnp.where(exists, game.rationality, 1.0)
    origin = jnp.where(exists, game.outside_value, 0.0)
    log_attraction = beta * (game.surplus - origin)
    inclusive = jax.nn.logsumexp(log_attraction)
    log_omega = log_wright_omega(inclusive - 1)
    # All together have the share ω/(1 + ω); each its part by attraction at equal markups.
    log_shares = log_omega - jnp.log1p(jnp.exp(log_omega)) + log_attraction - inclusive
    odds = log_shares - jnp.log(-jnp.expm1(log_shares))
    log_unsold = -jnp.log1p(jnp.exp(log_omega))
    log_markup = jnp.log1p(jnp.exp(log_omega)) - jnp.log(beta) + jnp.zeros_like(odds)
    return _assemble(game, log_markup, odds, log_unsold, origin - log_unsold / beta, exists)


def log_share_odds(log_ratio: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """v = ln(s/(1 − s)) of the share with s e^{1/(1 − s)} = T/H, from ln(T/H).

    v − ln(1 + e^v) + 1 + e^v = ln(T/H): increasing and convex, so that Newton's method (with Halley's correction) descends
    to the root from its asymptotes v + 1 and e^v.

    Example:
        >>> [f"{v:.6f}" for v in log_share_odds(jnp.array([-1000.0, 1e6]))]
        ['-1001.000000', '13.815510']
    """
    beyond = jnp.maximum(log_ratio, 2.0)
    v = jnp.minimum(log_ratio - 1, jnp.log(beyond - 1 + 1 / beyond))
    for _ in range(4):
        u = jnp.exp(v)
        excess = v - jnp.log1p(u) + 1 + u - log_ratio
        slope = (1 + u + u**2) / (1 + u)
        bend = u**2 * (2 + u) / (1 + u) ** 2
        v = v - excess / (slope - excess * bend / (2 * slope))
    return v


def _outside(beta: Float[Array, ""], outside_value: Float[Array, ""], origin: Float[Array, ""]) -> Float[Array, ""]:
    """β(V0 − origin); -inf, with finite derivatives, where there is no outside option."""
    finite = jnp.isfinite(outside_value)
    return jnp.where(finite, beta * (jnp.where(finite, outside_value, origin) - origin), -jnp.inf)


def _assemble(
    game: PriceCompetition,
    log_markup: Float[Array, " providers"],
    odds: Float[Array, " providers"],
    log_unsold: Float[Array, ""],
    consumer_surplus: Float[Array, ""],
    exists: Array,
) -> PriceEquilibrium:
    def said(values):
        return jnp.where(exists, values, jnp.nan)

    log_shares = odds - jax.nn.softplus(odds)
    return PriceEquilibrium(
        price=said(game.price(log_markup)),
        log_markup=said(log_markup),
        shares=said(jnp.exp(log_shares)),
        log_shares=said(log_shares),
        outside_share=said(jnp.exp(log_unsold)),
        payoffs=said(jnp.exp(log_shares + log_markup)),
        consumer_surplus=said(consumer_surplus),
        status=jnp.where(exists, int(Status.CONVERGED), int(Status.NO_EQUILIBRIUM)),
    )
