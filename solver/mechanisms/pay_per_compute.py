"""Today's market as a mechanism: list prices per token, users choose, providers choose compute."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from games.errors import InputError
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.users import Users
from solver.best_response import paper_dynamics
from solver.compile import compiled
from solver.equilibria import pure_equilibria
from solver.mechanisms.outcome import Outcome, settle
from solver.optimum import welfare_optimum
from solver.regret import regret
from solver.result import Status


class PayPerComputeEquilibrium(eqx.Module):
    """The pay-per-compute market at one of its pure equilibria (docs/theory/model.md).

    Honest play is the welfare-optimal level: ``misreport_gain`` is what a provider gains by leaving the optimum alone.

    Args:
        select: the equilibrium of lowest welfare (``"worst"``, the one of the price of anarchy) or of highest (``"best"``).

    Raises:
        InputError: another ``select``.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> outcome = PayPerComputeEquilibrium().outcome(scenario.market, scenario.users.with_rationality(1000))
        >>> f"{outcome.user_value[0]:.5f}", bool(outcome.misreport_gain.max() > 0)
        ('0.01545', True)
    """

    select: str = eqx.field(static=True, default="worst")

    def __check_init__(self) -> None:
        if self.select not in ("worst", "best"):
            raise InputError(f"pay-per-compute: select is {self.select!r}; it must be 'worst' or 'best'")

    @property
    def name(self) -> str:
        """``pay-per-compute``."""
        return "pay-per-compute"

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger at the selected equilibrium.

        Without a pure equilibrium: where the paper's dynamics stop, with a status that says so. ``solver.compare`` sets
        nothing beside such a row.

        Raises:
            PrecisionError: JAX runs with 32-bit floats.
        """
        game = PayPerCompute(market, users)
        found = pure_equilibria(game)
        if len(found):
            profile, status = getattr(found, self.select), Status.CONVERGED
        else:
            play = paper_dynamics(game, key=jax.random.key(0))
            profile, status = play.profile, Status.NO_EQUILIBRIUM if found.complete else Status(int(play.status))
        return at_profile(game, jnp.asarray(profile), welfare_optimum(game).profile, jnp.asarray(int(status)))


class MarketOptimum(eqx.Module):
    """List prices per token and users who choose, but levels set by a planner who maximises welfare: a yardstick.

    Not an equilibrium: ``max_regret`` is what a provider would gain by leaving its prescribed level.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> users = scenario.users.with_rationality(1000)
        >>> f"{MarketOptimum().outcome(scenario.market, users).welfare[0]:.5f}"
        '0.01570'
    """

    @property
    def name(self) -> str:
        """``market-optimum``."""
        return "market-optimum"

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger at the welfare-optimal levels."""
        game = PayPerCompute(market, users)
        optimum = welfare_optimum(game).profile
        return at_profile(game, optimum, optimum)


@compiled
def at_profile(
    game: PayPerCompute,
    profile: Int[Array, " providers"],
    optimum: Int[Array, " providers"],
    status: Int[Array, ""] | int = int(Status.CONVERGED),
) -> Outcome:
    """The ledger of the pay-per-compute market at a profile; honest play is the optimum.

    Args:
        game: the market and its users.
        profile: level of every provider.
        optimum: the welfare-optimal profile.
        status: how the search for the profile ended.
    """
    users = game.users
    every_segment = (users.num_segments, game.market.num_providers)
    return settle(
        game.market,
        users,
        levels=jnp.broadcast_to(profile, every_segment),
        allocation=game.shares(profile),
        price=jnp.broadcast_to(game.market.price[jnp.arange(every_segment[1]), profile], every_segment),
        tastes=True,
        max_regret=regret(game, profile).regret,
        misreport_gain=regret(game, optimum).regret,
        status=status,
    )
