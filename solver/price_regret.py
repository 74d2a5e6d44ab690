"""The certificate of prices: how much any provider gains by any other price, or level and price, from payoffs alone.

Every deviation is written out as levels and markups of all providers, and the game's payoffs are evaluated there: on a grid of
markups for every level, then by golden-section search around its highest peaks. No solver's formula (best replies, aggregates,
Lambert's W) is used. Payoffs under the logit and inverse-power rules have one peak in the markup, which the search cannot miss.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from typing_extensions import Protocol, runtime_checkable

from games.readable import readable
from solver.compile import compiled
from solver.continuous_regret import polish_peaks

REACH = 30.0
Levels = Int[Array, " providers"]
LogMarkup = Float[Array, " providers"]


@runtime_checkable
class PriceGame(Protocol):
    """A game in levels and ln(p − c): ``games.PriceAndCompute`` or ``games.RoutedOffers``."""

    @property
    def mask(self) -> Bool[Array, "providers levels"]:
        """True where a level exists."""

    def log_payoffs(self, levels: Levels, log_markup: LogMarkup) -> LogMarkup:
        """ln U, U in dollars per query that arrives."""


class PriceRegret(eqx.Module):
    """Gains of unilateral deviations from levels and prices.

    Args:
        regret: largest gain of every provider over levels and prices, dollars per query, at least 0.
        relative_regret: the same as a fraction of the provider's payoff, from logarithms.
        max_regret: the largest relative regret: ε of the ε-equilibrium.
        best_level: level that gains the most; the current one where nothing gains.
        best_log_markup: ln(p − c) that gains the most.
    """

    __repr__ = readable

    regret: Float[Array, " providers"]
    relative_regret: Float[Array, " providers"]
    max_regret: Float[Array, ""]
    best_level: Levels
    best_log_markup: LogMarkup


@compiled
def price_regret(game: PriceGame, levels: Levels, log_markup: LogMarkup, *, points: int = 241) -> PriceRegret:
    """Certify levels and prices.

    Args:
        game: payoffs positive, as under logit and inverse-power rules; one segment of users.
        levels: level of every provider.
        log_markup: ln(p − c) of every provider, finite.
        points: markups on the grid, from e^−30 of the least to e^30 of the largest markup played.

    Example:
        >>> from games import PriceAndCompute, load_scenario
        >>> from solver import prices_and_compute
        >>> scenario = load_scenario("AIME/reasoning_effort")
        >>> game = PriceAndCompute.of_segment(scenario.market, scenario.users.with_rationality(1000))
        >>> found = prices_and_compute(game)
        >>> bool(price_regret(game, found.levels, found.log_markup).max_regret < 1e-12)
        True
    """
    providers, num_levels = game.mask.shape
    every = jnp.arange(providers)
    stay = game.log_payoffs(levels, log_markup)
    markups = jnp.linspace(log_markup.min() - REACH, log_markup.max() + REACH, points)
    grid = jnp.broadcast_to(markups[:, None], (points, providers))

    def best_of(level: Int[Array, ""]) -> tuple[LogMarkup, LogMarkup]:
        """Every provider's best markup if it alone played this level, and its log payoff."""

        def payoffs(choices: LogMarkup) -> LogMarkup:
            def one(i: Int[Array, ""], choice: Float[Array, ""]) -> Float[Array, ""]:
                return game.log_payoffs(levels.at[i].set(level), log_markup.at[i].set(choice))[i]

            return jax.vmap(one)(every, choices)

        return polish_peaks(payoffs, grid, jax.lax.map(payoffs, grid, batch_size=32))

    choices, values = jax.lax.map(best_of, jnp.arange(num_levels))
    values = jnp.where(game.mask, values.T, -jnp.inf)
    level = jnp.argmax(values, axis=1)
    most = values.max(axis=1)
    gain = jnp.maximum(most - stay, 0.0)
    best = choices[level, every]
    relative = jnp.expm1(gain)
    return PriceRegret(
        regret=jnp.exp(most) * -jnp.expm1(-gain),
        relative_regret=relative,
        max_regret=relative.max(),
        best_level=jnp.where(gain > 0, level, levels),
        best_log_markup=jnp.where(gain > 0, best, log_markup),
    )


@compiled
def score_regret(
    quality: Float[Array, "providers levels"],
    cost: Float[Array, "providers levels"],
    mask: Bool[Array, "providers levels"],
    outside_value: Float[Array, ""],
    levels: Levels,
    price: Float[Array, " providers"],
    shares: Float[Array, " providers"],
) -> Float[Array, " providers"]:
    """Largest gain of every provider where the best score q − p takes all: the supremum over levels and prices.

    A provider wins with level k at every price below q_k − M, M the best of the others' scores and V0, and earns nothing above;
    so the supremum of what it can earn is max_k(q_k − M − c_k), or 0.

    Args:
        quality: what the router believes, dollars per query.
        cost: c, dollars per query served.
        mask: True where a level exists.
        outside_value: V0, dollars per query; -inf for none.
        levels: level of every provider.
        price: p of every provider.
        shares: share of queries that each serves now.

    Returns:
        Dollars per query, ``[providers]``; inf where no alternative exists.

    Example:
        >>> column = jnp.array([[3.0], [2.5]])
        >>> score_regret(column, 0 * column + 1, column > 0, jnp.array(0.0), jnp.zeros(2, int), jnp.array([1.25, 1.0]),
        ...              jnp.array([1.0, 0.0])).tolist()
        [0.25, 0.0]
    """
    every = jnp.arange(len(price))
    score = quality[every, levels] - price
    others = jnp.where(jnp.eye(len(price), dtype=bool), -jnp.inf, score).max(axis=1, initial=-jnp.inf)
    threshold = quality - jnp.maximum(others, outside_value)[:, None]
    best = jnp.where(mask, threshold - cost, -jnp.inf).max(axis=1)
    now = shares * (price - cost[every, levels])
    return jnp.maximum(jnp.maximum(best, 0.0) - now, 0.0)
