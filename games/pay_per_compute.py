"""The pay-per-compute game: each provider chooses its level of test-time compute and is paid per token.

Providers i = 1..N choose a level θ_i. Users of segment s buy from provider i with the logit share

    s_si = e^{β_s V_si} / (e^{β_s V0_s} + Σ_j e^{β_s V_sj}),    V = q − p,

and provider i earns U_i = Σ_s w_s s_si (p_i − c_i) dollars per query that arrives (arXiv 2601.21839).
With one segment the game has the exact log-potential

    Φ = Σ_i ln(p_i − c_i) + β Σ_i V_i − ln Z

(a unilateral move changes ln U_i by ΔΦ), so pure equilibria exist and better replies converge; with several it need not.
"""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from games import demand
from games.base import is_concrete
from games.errors import InputError, InputWarning
from games.market import Market
from games.users import Users

NAMED = 5  # providers whose struck levels are named
Profile = Int[Array, " providers"]


class PayPerCompute(eqx.Module):
    """The pay-per-compute game of a market; implements ``games.base.LogitGame``.

    Args:
        market: N providers, K levels.
        users: S segments.

    Raises:
        InputError: a provider of which no level earns anything (price ≤ cost), so that log payoffs do not exist.

    Warns:
        InputWarning: some levels of a provider earn nothing: they are struck, as it never plays them.

    Example:
        >>> from games import load_scenario
        >>> game = load_scenario("GSM8K/majority").game(rationality=1000)
        >>> round(float(game.welfare(jnp.zeros(9, int))), 5)
        0.00655
    """

    market: Market
    users: Users

    def __check_init__(self) -> None:
        if self.market.providers and is_concrete(self.market, self.users):
            _check_unit_profit(self.market)

    def anonymous(self) -> "PayPerCompute":
        """The same game without names, which are static and would make compiled solvers compile again."""
        return PayPerCompute(self.market.anonymous(), self.users) if self.market.providers else self

    @property
    def mask(self) -> Bool[Array, "providers levels"]:
        """True where a level exists and earns something; no provider plays another while it has one that does."""
        return self.market.mask & (self.market.price > self.market.cost)

    @property
    def quality(self) -> Float[Array, "segments providers levels"]:
        """q, dollars per query that an answer is worth to each segment."""
        return self.users.quality(jnp.where(self.mask, self.market.accuracy, 0.0))

    @property
    def user_value(self) -> Float[Array, "segments providers levels"]:
        """V = q − p, dollars per query; -inf where no level exists."""
        return jnp.where(self.mask, self.quality - self.market.price, -jnp.inf)

    @property
    def surplus(self) -> Float[Array, "segments providers levels"]:
        """W = q − c, dollars per query served; -inf where no level exists."""
        return jnp.where(self.mask, self.quality - self.market.cost, -jnp.inf)

    @property
    def unit_profit(self) -> Float[Array, "providers levels"]:
        """p − c, dollars per query sold; 0 where no level exists."""
        return jnp.where(self.mask, self.market.price - self.market.cost, 0.0)

    @property
    def log_attraction(self) -> Float[Array, "segments providers levels"]:
        """β·V; -inf where no level exists."""
        return demand.log_attraction(self.users.rationality, self.user_value)

    @property
    def log_outside_attraction(self) -> Float[Array, " segments"]:
        """β·V0; -inf without an outside option."""
        return demand.log_attraction(self.users.rationality, self.users.outside_value)

    @property
    def outside_surplus(self) -> Float[Array, " segments"]:
        """V0, dollars per query that an unserved user keeps; 0 without an outside option, which nobody takes."""
        return jnp.where(jnp.isfinite(self.users.outside_value), self.users.outside_value, 0.0)

    @property
    def segment_weight(self) -> Float[Array, " segments"]:
        """Share of queries that each segment sends."""
        return self.users.weight

    def _at(
        self, values: Float[Array, "*segments providers levels"], profile: Profile
    ) -> Float[Array, "*segments providers"]:
        """Pick each provider's chosen level."""
        return jnp.take_along_axis(values, profile[..., None].reshape((1,) * (values.ndim - 2) + (-1, 1)), axis=-1)[
            ..., 0
        ]

    def log_shares(self, profile: Profile) -> Float[Array, "segments providers"]:
        """ln s, finite even where s underflows."""
        return demand.log_shares(self._at(self.log_attraction, profile), self.log_outside_attraction)

    def shares(self, profile: Profile) -> Float[Array, "segments providers"]:
        """s, the share of each segment's queries that each provider serves."""
        return jnp.exp(self.log_shares(profile))

    def outside_share(self, profile: Profile) -> Float[Array, " segments"]:
        """The share of each segment's queries that goes unserved."""
        return jnp.exp(self.log_outside_attraction - self._log_z(profile))

    def _log_z(self, profile: Profile) -> Float[Array, " segments"]:
        return demand.log_sum(self._at(self.log_attraction, profile), self.log_outside_attraction)

    def log_payoffs(self, profile: Profile) -> Float[Array, " providers"]:
        """ln U, U in dollars per query."""
        log_sold = jax.nn.logsumexp(self.log_shares(profile) + jnp.log(self.segment_weight)[:, None], axis=0)
        return log_sold + jnp.log(self._at(self.unit_profit, profile))

    def payoffs(self, profile: Profile) -> Float[Array, " providers"]:
        """U, each provider's profit in dollars per query that arrives."""
        return jnp.exp(self.log_payoffs(profile))

    def log_deviation_payoffs(self, profile: Profile) -> Float[Array, "providers levels"]:
        """ln U of every unilateral deviation; -inf where no level exists."""
        attraction = self.log_attraction
        others = demand.log_sum_of_others(self._at(attraction, profile), self.log_outside_attraction)
        return self._log_reply_payoffs(attraction, others[..., None], self.unit_profit)

    def deviation_payoffs(self, profile: Profile) -> Float[Array, "providers levels"]:
        """U of every unilateral deviation, dollars per query; -inf where no level exists."""
        return jnp.where(self.mask, jnp.exp(self.log_deviation_payoffs(profile)), -jnp.inf)

    def provider_log_payoffs(self, profile: Profile, provider: Int[Array, ""]) -> Float[Array, " levels"]:
        """ln U of each level of one provider, the others as in the profile; -inf where no level exists."""
        attraction = self.log_attraction
        chosen = self._at(attraction, profile).at[:, provider].set(-jnp.inf)
        others = demand.log_sum(chosen, self.log_outside_attraction)
        return self._log_reply_payoffs(attraction[:, provider], others[:, None], self.unit_profit[provider])

    def _log_reply_payoffs(
        self,
        attraction: Float[Array, "segments *levels"],
        others: Float[Array, "segments *#levels"],
        unit_profit: Float[Array, "*levels"],
    ) -> Float[Array, "*levels"]:
        """ln Σ_s w_s a/(R + a) + ln m."""
        weight = self.segment_weight.reshape((-1,) + (1,) * (attraction.ndim - 1))
        log_sold = jax.nn.logsumexp(jnp.log(weight) + attraction - jnp.logaddexp(others, attraction), axis=0)
        exists = unit_profit > 0
        return jnp.where(exists, log_sold + jnp.log(jnp.where(exists, unit_profit, 1.0)), -jnp.inf)

    def log_potential(self, profile: Profile) -> Float[Array, ""]:
        """Φ of the module's formula, dimensionless.

        Raises:
            InputError: there are several segments, for which no potential exists.
        """
        if self.users.num_segments > 1:
            raise InputError("log_potential: exists for one user segment only; this game has several")
        attraction = self._at(self.log_attraction, profile)[0]
        return jnp.log(self._at(self.unit_profit, profile)).sum() + attraction.sum() - self._log_z(profile)[0]

    def segment_user_value(self, profile: Profile) -> Float[Array, " segments"]:
        """Σ_i s_i V_i + s_0 V0 of each segment, dollars per query: what its users get if choice is noise."""
        bought = _earned(self.shares(profile), self._at(self.user_value, profile))
        return bought + self.outside_share(profile) * self.outside_surplus

    def expected_user_value(self, profile: Profile) -> Float[Array, ""]:
        """Σ_s w_s (Σ_i s_i V_i + s_0 V0), dollars per query: what users get if choice is noise."""
        return self.segment_weight @ self.segment_user_value(profile)

    def consumer_surplus(self, profile: Profile) -> Float[Array, ""]:
        """Σ_s w_s (ln Z_s)/β_s, dollars per query: what users get if choice follows tastes; infinite at β = 0."""
        return self.segment_weight @ (self._log_z(profile) / self.users.rationality)

    def welfare(self, profile: Profile) -> Float[Array, ""]:
        """Σ_s w_s (Σ_i s_i W_i + s_0 V0), dollars per query: the paper's reading, choice is noise."""
        created = _earned(self.shares(profile), self._at(self.surplus, profile))
        return self.segment_weight @ (created + self.outside_share(profile) * self.outside_surplus)

    def welfare_with_tastes(self, profile: Profile) -> Float[Array, ""]:
        """Consumer surplus + profits, dollars per query: choice follows tastes; exceeds ``welfare`` by H(s)/β."""
        return self.consumer_surplus(profile) + self.payoffs(profile).sum()


def _earned(
    shares: Float[Array, "segments providers"], values: Float[Array, "segments providers"]
) -> Float[Array, " segments"]:
    """Σ s x, where a provider without any level (an absent one: share 0, value -inf) adds nothing."""
    return jnp.where(values > -jnp.inf, shares * jnp.where(values > -jnp.inf, values, 0.0), 0.0).sum(axis=-1)


def _check_unit_profit(market: Market) -> None:
    """Refuse providers that earn at no level; tell of levels that are struck."""
    exists, earns = np.asarray(market.mask), np.asarray(market.price > market.cost)
    for i in np.flatnonzero(~(exists & earns).any(axis=1)):
        k = int(np.argmax(exists[i]))
        every = "no level" if exists[i].sum() > 1 else "not"
        raise InputError(
            f"market: {market.providers[i]!r} at level {market.level_labels[i][k]!r} sells at {float(market.price[i, k]):g} "
            f"dollars what costs it {float(market.cost[i, k]):g}, and at {every} above cost; pay-per-compute payoffs need a "
            "price above cost: set a margin above 0, or let such providers leave (market.selling(), --unprofitable leave)"
        )
    struck = [
        f"{market.providers[i]}: {', '.join(market.level_labels[i][k] for k in np.flatnonzero(exists[i] & ~earns[i]))}"
        for i in np.flatnonzero((exists & ~earns).any(axis=1))
    ]
    if struck:
        told = "; ".join(struck[:NAMED]) + (
            f" and levels of {len(struck) - NAMED} others" if len(struck) > NAMED else ""
        )
        warnings.warn(f"levels that sell at or below cost are struck ({told})", InputWarning, stacklevel=3)
