"""The truthful logit market as a mechanism: between posted prices and the auction with a single winner."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from games.market import Market
from games.truthful_logit import TruthfulLogitMarket
from games.users import Users
from solver.compile import compiled
from solver.mechanisms.free_prices import per_provider, settle_prices, take_levels
from solver.mechanisms.outcome import Outcome
from solver.result import Status

REPORTS = 256
REACH = 40.0


class TruthfulLogit(eqx.Module):
    """Users with Gumbel tastes of scale 1/β, providers paid by the Vickrey–Clarke–Groves rule (docs/theory/truthful-logit.md).

    Allocation is the logit on W = q − c, efficient for users with tastes; levels are argmax(q − c); provider i earns
    −ln(1 − s_i)/β, and as β grows the winner's rent becomes that of the second-score auction. Honest play is the true cost:
    ``misreport_gain`` is the best of 256 false reports of surplus over each provider's range of any effect, against truth.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("AIME/reasoning_effort")
        >>> outcome = TruthfulLogit().outcome(scenario.market, scenario.users.with_rationality(1000))
        >>> outcome.misreport_gain.tolist()
        [0.0, 0.0, 0.0]
    """

    @property
    def name(self) -> str:
        """``truthful-logit``."""
        return "truthful-logit"

    def outcome(self, market: Market, users: Users) -> Outcome:
        """The ledger under true reports.

        ``Status.NO_EQUILIBRIUM`` for one provider without an outside option, and at β = 0: nothing bounds its payment. Runs
        in single precision as well.
        """
        return _play(market, users)


@compiled
def _play(market: Market, users: Users) -> Outcome:
    surplus = jnp.where(market.mask, users.quality(market.accuracy) - market.cost, -jnp.inf)
    levels = jnp.argmax(surplus, axis=-1)
    offers = surplus.max(axis=-1)
    exists = ((market.num_providers > 1) | jnp.isfinite(users.outside_value)) & (users.rationality > 0)
    games = jax.vmap(TruthfulLogitMarket)(offers, jnp.where(exists, users.rationality, 1.0), users.outside_value)
    shares = jax.vmap(lambda game: game.shares(game.surplus))(games)
    rents = jax.vmap(lambda game: game.payoffs(game.surplus))(games)
    gain = per_provider(users.weight, jnp.where(exists[:, None], jax.vmap(misreport_gains)(games), jnp.inf))
    # A share that underflows serves nobody: no rent is lost by leaving out its mean payment.
    mean_rent = rents / jnp.where(shares > 0, shares, 1.0)
    return settle_prices(
        market,
        users,
        levels=levels,
        allocation=shares,
        price=take_levels(jnp.broadcast_to(market.cost, surplus.shape), levels) + mean_rent,
        tastes=True,
        max_regret=gain,
        misreport_gain=gain,
        status=jnp.where(exists, int(Status.CONVERGED), int(Status.NO_EQUILIBRIUM)),
    )


def misreport_gains(game: TruthfulLogitMarket) -> Float[Array, " providers"]:
    """Largest gain of a false report, the others truthful: every tested report against every taste, payments written out.

    Expected profit is the average of profits over the logistic gap between a provider's taste and the others' best. What is
    searched here is stronger: the gain at every one of 256 quantiles of that gap, by the payment rule itself.

    Returns:
        Dollars per query, ``[providers]``; 0 if no report at any taste pays more than the truth.

    Example:
        >>> game = TruthfulLogitMarket(jnp.array([1.0, 0.8]), jnp.array(5.0), jnp.array(0.0))
        >>> misreport_gains(game).tolist()
        [0.0, 0.0]
    """
    log_others = game.log_sum_of_others(game.surplus)
    centre = jnp.where(jnp.isfinite(log_others), log_others, 0.0) / game.rationality
    quantiles = (jnp.arange(REPORTS) + 0.5) / REPORTS
    gaps = jnp.log(quantiles / (1 - quantiles)) / game.rationality
    # Reports around the truth and around the others' best, as far as shares of e^−40 can tell.
    spread = jnp.linspace(-REACH, REACH, REPORTS // 2) / game.rationality

    def one(row: tuple[Float[Array, ""], Float[Array, ""]]) -> Float[Array, ""]:
        surplus, centre = row

        def profit(reports: Float[Array, " reports"]) -> Float[Array, "reports gaps"]:
            """Winning costs the gap, whatever was reported."""
            return jnp.where(reports[:, None] >= centre + gaps, surplus - (centre + gaps), 0.0)

        reports = jnp.concatenate([surplus + spread, centre + spread])
        return jnp.maximum((profit(reports) - profit(surplus[None])).max(), 0.0)

    return jax.lax.map(one, (game.surplus, centre), batch_size=16)
