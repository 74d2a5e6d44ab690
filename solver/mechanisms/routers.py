"""A router in front of providers that set prices: the equilibrium of prices and compute under its rule."""

import equinox as eqx
import jax
import jax.numpy as jnp

from games.market import Market
from games.routed_prices import RoutedOffers
from games.router import InversePowerRouter, RouterRule
from games.users import Users
from solver.compile import compiled
from solver.mechanisms.free_prices import per_provider, settle_prices
from solver.mechanisms.outcome import Outcome
from solver.router import router_equilibrium
from solver.router_regret import gain_over_honesty, router_regret


class Router(eqx.Module):
    """A router assigns queries by a rule; providers choose price per query and level against it.

    The ledger is in true quality, whatever the router believes, and choice is noise: users do not choose. Honest play is the
    level argmax(q − c) at cost.

    Args:
        rule: ``games.LogitRouter``, ``games.InversePowerRouter`` (the default, 1/p²), ``games.ArgmaxRouter`` or
            ``games.ConfidentRouter``.

    Raises:
        InputError: in ``outcome``: a market that the rule cannot weigh.

    Example:
        >>> from games import ArgmaxRouter, load_scenario
        >>> scenario = load_scenario("AIME/reasoning_effort")
        >>> outcome = Router(ArgmaxRouter()).outcome(scenario.market, scenario.users)
        >>> outcome.allocation[0].tolist(), f"{outcome.price[0, 2]:.5f}"
        ([0.0, 0.0, 1.0], '0.00416')
    """

    rule: RouterRule = eqx.field(default_factory=InversePowerRouter)

    @property
    def name(self) -> str:
        """The rule's name, such as ``inverse-power-router``."""
        return self.rule.name

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger at the equilibrium; ``Status.NO_EQUILIBRIUM`` where prices would rise for ever.

        Raises:
            PrecisionError: JAX runs with 32-bit floats.
        """
        games = RoutedOffers.per_segment(self.rule, market, users)
        return _play(market, users, games)


@compiled
def _play(market: Market, users: Users, games: RoutedOffers) -> Outcome:
    found = jax.vmap(router_equilibrium)(games)
    true_surplus = jnp.where(market.mask, users.quality(market.accuracy) - market.cost, -jnp.inf)
    honest = jax.vmap(gain_over_honesty)(games, jnp.argmax(true_surplus, axis=-1))
    return settle_prices(
        market,
        users,
        levels=found.levels,
        allocation=found.shares,
        price=found.price,
        max_regret=per_provider(users.weight, jax.vmap(router_regret)(games, found)),
        misreport_gain=per_provider(users.weight, honest),
        status=found.status,
    )
