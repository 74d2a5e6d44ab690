"""The cartel: all providers' prices and levels chosen for their joint profit. A benchmark, not an equilibrium."""

import equinox as eqx
import jax
import jax.numpy as jnp

from games.base import is_concrete
from games.market import Market
from games.posted_price import PriceAndCompute
from games.users import Users
from solver.compile import compiled
from solver.mechanisms.free_prices import GivenLevels, Levels, given_levels
from solver.mechanisms.outcome import Outcome
from solver.mechanisms.posted_price import price_outcome
from solver.posted_price import collusive_prices
from solver.result import Status


class Collusion(eqx.Module):
    """Prices per query that a monopolist of all providers would post; users choose by logit.

    ``max_regret`` is what each provider gains by leaving the cartel alone. Users need an outside option, or any price is paid.

    Args:
        levels: fixed levels, ``[providers]`` or ``[segments, providers]``; by default the cartel's choice, argmax(q − c).

    Raises:
        InputError: in ``outcome``: a wrong number of levels, or one that does not exist.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("AIME/reasoning_effort")
        >>> outcome = Collusion().outcome(scenario.market, scenario.users.with_rationality(1000))
        >>> bool(outcome.max_regret.min() > 0)
        True
    """

    levels: GivenLevels | None = None

    @property
    def name(self) -> str:
        """``collusion``."""
        return "collusion"

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger at the cartel's prices; ``Status.NO_EQUILIBRIUM`` without an outside option.

        Raises:
            PrecisionError: JAX runs with 32-bit floats.
        """
        if self.levels is None:
            return _play(market, users, None)
        if is_concrete(self.levels, market, users):
            return _play(market, users, given_levels(self.levels, market, users, self.name))
        shape = (users.num_segments, market.num_providers)
        return _play(market, users, jnp.broadcast_to(jnp.asarray(self.levels), shape))


@compiled
def _play(market: Market, users: Users, levels: Levels | None) -> Outcome:
    games = PriceAndCompute.per_segment(market, users)
    fixed = levels is not None
    chosen = jax.vmap(lambda game: game.efficient_levels)(games) if levels is None else levels
    found = jax.vmap(lambda game, level: collusive_prices(game.at(level)))(games, chosen)
    return price_outcome(market, users, games, chosen, found, jnp.array(int(Status.CONVERGED)), fixed=fixed)
