"""Free prices and free compute: the posted market in which nothing ties price to compute."""

import equinox as eqx
import jax
import jax.numpy as jnp

from games.market import Market
from games.posted_price import PriceAndCompute as PriceAndComputeGame
from games.users import Users
from solver.compile import compiled
from solver.mechanisms.outcome import Outcome
from solver.mechanisms.posted_price import price_outcome
from solver.posted_price import prices_and_compute
from solver.result import Status


class PriceAndCompute(eqx.Module):
    """Every provider chooses level and price per query for each segment of users, who choose by logit.

    Levels are argmax(q − c) whatever β; prices are the equilibrium given them. Honest play is that level at cost. The game of
    one segment, with payoffs at any levels and prices, is ``games.PriceAndCompute``.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("AIME/reasoning_effort")
        >>> outcome = PriceAndCompute().outcome(scenario.market, scenario.users.with_rationality(1000))
        >>> outcome.levels[0].tolist(), bool(outcome.max_regret.max() < 1e-9 * outcome.profits.max())
        ([2, 2, 1], True)
    """

    @property
    def name(self) -> str:
        """``price-and-compute``."""
        return "price-and-compute"

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger at the equilibrium; ``Status.NO_EQUILIBRIUM`` where prices would rise for ever.

        Raises:
            PrecisionError: JAX runs with 32-bit floats.
        """
        return _play(market, users)


@compiled
def _play(market: Market, users: Users) -> Outcome:
    games = PriceAndComputeGame.per_segment(market, users)
    found = jax.vmap(prices_and_compute)(games)
    levels = jax.vmap(lambda game: game.efficient_levels)(games)
    converged = jnp.array(int(Status.CONVERGED))
    return price_outcome(market, users, games, levels, found, converged, fixed=False)
