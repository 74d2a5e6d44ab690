"""The truthful logit market: users with tastes, and payments by the rule of Vickrey, Clarke and Groves.

A user values provider i's answer at q_i + ε_i and not buying at V0 + ε_0, with independent Gumbel tastes ε of scale 1/β.
Providers report costs. The platform, which learns the tastes, gives the query to the offer of largest reported surplus with
taste, Ŵ_i + ε_i with Ŵ = q − ĉ, and pays the winner what the others and the outside option leave it:

    payment = q_i + ε_i − M_i,    M_i = max(V0 + ε_0, max_{j≠i} Ŵ_j + ε_j),    charged to the user, who keeps M_i.

The payment does not depend on the winner's report: truth is dominant, taste by taste. The gap M_i − ε_i is logistic around
(ln R_i)/β with R_i = e^{βV0} + Σ_{j≠i} e^{βŴ_j}, so that with W the true surplus and ŝ = 1/(1 + R_i e^{−βŴ_i}) the share

    expected profit of a report = (W_i − Ŵ_i) ŝ_i − ln(1 − ŝ_i)/β,    −ln(1 − s_i)/β at the truth.

(Groves, Econometrica 41, 1973; Small & Rosen, Econometrica 49, 1981 for the logit integrals.)
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games import demand
from games.base import is_concrete
from games.errors import InputError

Numbers = Float[Array, " providers"]
Given = Numbers | Sequence[float]


class TruthfulLogitMarket(eqx.Module):
    """One segment of users; each provider with one offer.

    Args:
        surplus: true W = q − c, dollars per query served, ``[providers]``.
        rationality: users' β > 0, per dollar.
        outside_value: V0, dollars per query; -inf for no outside option.

    Example:
        >>> market = TruthfulLogitMarket(jnp.array([1.0, 1.0]), jnp.array(2.0), jnp.array(-jnp.inf))
        >>> [f"{rent:.6f}" for rent in market.payoffs(market.surplus)], f"{jnp.log(2.0) / 2:.6f}"
        (['0.346574', '0.346574'], '0.346574')
    """

    surplus: Numbers
    rationality: Float[Array, ""]
    outside_value: Float[Array, ""]

    def log_sum_of_others(self, reports: Given) -> Numbers:
        """ln R of the module's formula, from reported surpluses."""
        attraction, outside = self._weights(self._known(reports))
        return demand.log_sum_of_others(attraction, outside)[0]

    def shares(self, reports: Given) -> Numbers:
        """Probability that each provider serves a query, from reported surpluses in dollars per query."""
        return jnp.exp(demand.log_shares(*self._weights(self._known(reports)))[0])

    def payoffs(self, reports: Given) -> Numbers:
        """Expected profit of every provider, dollars per query that arrives; inf without any alternative."""
        others = self.log_sum_of_others(reports)
        return self._profit(self._known(reports), others)

    def deviation_payoffs(
        self, reports: Given, choices: Float[Array, "points providers"] | Sequence[Sequence[float]]
    ) -> Float[Array, "points providers"]:
        """Expected profit of every provider if it alone reported its entry of ``choices``, row by row."""
        others = self.log_sum_of_others(reports)
        return jax.vmap(lambda row: self._profit(row, others))(self._known(choices))

    def realised_payoffs(self, reports: Given, tastes: Given, outside_taste: Float[Array, ""]) -> Numbers:
        """Profits for one user's tastes, in dollars: the rule itself, allocation and payment written out.

        The provider listed first wins a tie.

        Args:
            reports: reported surpluses q − ĉ.
            tastes: ε of every provider.
            outside_taste: ε_0.

        Example:
            >>> market = TruthfulLogitMarket(jnp.array([1.0, 0.5]), jnp.array(2.0), jnp.array(0.0))
            >>> market.realised_payoffs(jnp.array([1.0, 0.5]), jnp.array([0.0, 0.25]), jnp.array(0.0)).tolist()
            [0.25, 0.0]
        """
        bids, tastes = self._known(reports) + self._known(tastes), self._known(tastes)
        best_of_others = jnp.where(jnp.eye(len(bids), dtype=bool), -jnp.inf, bids).max(axis=1, initial=-jnp.inf)
        threshold = jnp.maximum(best_of_others, self.outside_value + outside_taste)
        wins = (jnp.arange(len(bids)) == jnp.argmax(bids)) & (bids >= threshold)
        return jnp.where(wins, self.surplus + tastes - threshold, 0.0)

    def _known(self, values: Float[Array, "*rows providers"] | Sequence[Any]) -> Float[Array, "*rows providers"]:
        """Numbers of every provider as an array, lists too; refused where one is missing."""
        numbers = jnp.asarray(values, float)
        if numbers.shape[-1:] != self.surplus.shape or (is_concrete(numbers) and np.any(np.isnan(np.asarray(numbers)))):
            raise InputError(
                f"truthful logit: reports and tastes are dollars per query, one for each of {len(self.surplus)} providers; "
                f"got {values}"
            )
        return numbers

    def _weights(self, reports: Numbers) -> tuple[Float[Array, "segments providers"], Float[Array, " segments"]]:
        beta = self.rationality[None]
        return demand.log_attraction(beta, reports[None]), demand.log_attraction(beta, self.outside_value[None])

    def _profit(self, reports: Numbers, log_others: Numbers) -> Numbers:
        edge = self.rationality * reports - log_others
        return (self.surplus - reports) * jax.nn.sigmoid(edge) + jax.nn.softplus(edge) / self.rationality
