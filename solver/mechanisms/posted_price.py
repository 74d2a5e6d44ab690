"""Free prices at given levels of compute: today's market without the tie between price and compute."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from games.base import is_concrete
from games.market import Market
from games.posted_price import PriceAndCompute
from games.users import Users
from solver.compile import compiled
from solver.mechanisms.free_prices import GivenLevels, Levels, given_levels, per_provider, settle_prices
from solver.mechanisms.outcome import Outcome
from solver.mechanisms.pay_per_compute import PayPerComputeEquilibrium
from solver.posted_price import PriceEquilibrium, posted_prices
from solver.price_regret import price_regret
from solver.result import Status


class PostedPrice(eqx.Module):
    """Every provider posts one price per query for each segment of users, who choose by logit; levels are fixed.

    At the levels of the pay-per-compute equilibrium, the default, the step from there to here is what free prices change, and
    the step from here to ``PriceAndCompute`` what free compute changes. Honest play is a price at cost.

    Args:
        levels: level of every provider, ``[providers]`` or ``[segments, providers]``; by default those of the
            pay-per-compute equilibrium of lowest welfare.

    Raises:
        InputError: in ``outcome``: a wrong number of levels, or one that does not exist.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("AIME/reasoning_effort")
        >>> outcome = PostedPrice().outcome(scenario.market, scenario.users.with_rationality(1000))
        >>> outcome.levels[0].tolist(), bool(outcome.max_regret.max() < 1e-9 * outcome.profits.max())
        ([3, 2, 4], True)
    """

    levels: GivenLevels | None = None

    @property
    def name(self) -> str:
        """``posted-price``."""
        return "posted-price"

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger at the price equilibrium; ``Status.NO_EQUILIBRIUM`` where prices would rise for ever.

        Raises:
            PrecisionError: JAX runs with 32-bit floats.
        """
        if self.levels is None:
            before = PayPerComputeEquilibrium().outcome(market, users)
            levels, status = before.levels, before.status
        else:
            if is_concrete(self.levels, market, users):
                levels = given_levels(self.levels, market, users, self.name)
            else:
                levels = jnp.broadcast_to(jnp.asarray(self.levels), (users.num_segments, market.num_providers))
            status = jnp.array(int(Status.CONVERGED))
        return _play(market, users, levels, status)


@compiled
def _play(market: Market, users: Users, levels: Levels, status: Int[Array, ""]) -> Outcome:
    games = PriceAndCompute.per_segment(market, users)
    found = jax.vmap(lambda game, chosen: posted_prices(game.at(chosen)))(games, levels)
    return price_outcome(market, users, games, levels, found, status, fixed=True)


def price_outcome(
    market: Market,
    users: Users,
    games: PriceAndCompute,
    levels: Levels,
    found: PriceEquilibrium,
    status: Int[Array, ""],
    *,
    fixed: bool,
) -> Outcome:
    """The ledger of posted prices under logit demand, with certificates.

    Args:
        market: N providers.
        users: S segments.
        games: one per segment, stacked.
        levels: level of every provider for every segment.
        found: prices for every segment.
        status: how the search for the levels ended.
        fixed: whether levels are fixed, so that a deviation is a price alone.
    """

    def certify(game, chosen, log_markup):
        if not fixed:
            return price_regret(game, chosen, log_markup).regret
        # Fixed levels are a game of one level each.
        alone = game.at(chosen)
        quality, cost = alone.quality[:, None], alone.cost[:, None]
        small = PriceAndCompute(quality, cost, jnp.ones(quality.shape, bool), game.rationality, game.outside_value)
        return price_regret(small, jnp.zeros_like(chosen), log_markup).regret

    def gain_over_cost_price(game, chosen):
        honest = game.at(chosen if fixed else game.efficient_levels)
        return jnp.exp(honest.log_reply_payoffs(jnp.full(market.num_providers, -jnp.inf)))

    return settle_prices(
        market,
        users,
        levels=levels,
        allocation=found.shares,
        price=found.price,
        tastes=True,
        max_regret=per_provider(users.weight, jax.vmap(certify)(games, levels, found.log_markup)),
        misreport_gain=per_provider(users.weight, jax.vmap(gain_over_cost_price)(games, levels)),
        status=jnp.maximum(found.status, status),
    )
