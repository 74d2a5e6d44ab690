"""Score auctions with a soft winner: differentiable in the bids, so that bidders can learn by gradients.

Provider i bids a score σ_i and serves a query with probability

    s_i = e^{σ_i/τ} / (e^{r/τ} + Σ_j e^{σ_j/τ}),    τ the temperature in dollars per query, r the reserve.

Its true surplus is W_i. Two rules of payment, both the usual ones as τ → 0:

    first score:   U_i = s_i (W_i − σ_i)
    second score:  U_i = s_i (W_i − σ_i) + ∫_{−∞}^{σ_i} s_i dσ = s_i (W_i − σ_i) + τ ln(1 + e^{(σ_i − ρ_i)/τ})

with ρ_i = τ ln(e^{r/τ} + Σ_{j≠i} e^{σ_j/τ}), the rivals' soft maximum. The integral is the rent that makes a monotone
allocation truthful (Myerson, Math. Oper. Res. 6, 1981): dU_i/dσ_i = s_i' (W_i − σ_i), zero at the truth alone. Under
the first-score rule bidders shade by τ/(1 − s_i), as sellers do in logit price competition.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games.base import is_concrete
from games.demand import log_sum_of_others
from games.errors import InputError
from games.market import Market
from games.score_auction import reserve_per_segment
from games.users import Users

Scores = Float[Array, " providers"]


class SmoothAuction(eqx.Module):
    """A score auction with a softmax allocation.

    Args:
        surplus: W_i, quality less cost of each provider's best offer, dollars per query.
        temperature: τ > 0, dollars per query; small against differences of surplus makes the best bid win.
        reserve: r, dollars per query; -inf for none.
        second_score: whether the truthful rent is paid, as above; else the winner is paid its ask.
        outside_value: V0, what a user keeps whom nobody serves, dollars per query.

    Raises:
        InputError: a temperature that is not a positive number, a reserve that is NaN, +inf or negative, or one bidder and
            no reserve.

    Example:
        >>> auction = SmoothAuction(jnp.array([3.0, 2.0]), jnp.array(0.01), jnp.array(-jnp.inf), True)
        >>> [f"{profit:.3f}" for profit in auction.payoffs(auction.surplus)]  # W_1 − W_2 for the winner
        ['1.000', '0.000']
    """

    surplus: Scores
    temperature: Float[Array, ""]
    reserve: Float[Array, ""]
    second_score: bool = eqx.field(static=True)
    outside_value: Float[Array, ""] = eqx.field(default=0.0, converter=lambda value: jnp.asarray(value, float))

    def __check_init__(self) -> None:
        if not is_concrete(self.temperature, self.reserve):
            return
        reserve_per_segment(self.reserve, 1, self.outside_value, "smooth auction")
        if self.surplus.shape[-1] == 1 and np.isneginf(self.reserve):
            raise InputError(
                "smooth auction: one bidder and no reserve, so that nothing sets the price; give a reserve"
            )
        temperature = float(self.temperature)
        if not (np.isfinite(temperature) and temperature > 0):
            raise InputError(
                f"smooth auction: temperature is {temperature:g}; it must be a positive number of dollars per query"
            )

    @classmethod
    def from_market(
        cls, market: Market, users: Users, *, temperature: float, reserve: float = -np.inf, second_score: bool = True
    ) -> "SmoothAuction":
        """The auction among a market's best offers, for users of one segment; V0 counts where it exceeds the reserve.

        Raises:
            InputError: several segments, each of which has an auction of its own.

        Example:
            >>> from games import load_scenario
            >>> scenario = load_scenario("GPQA/reasoning_effort")
            >>> auction = SmoothAuction.from_market(scenario.market, scenario.users, temperature=1e-3)
            >>> [f"{surplus:.4f}" for surplus in auction.surplus]
            ['0.0153', '0.0126', '0.0160']
        """
        if users.num_segments != 1:
            raise InputError("smooth auction: takes one segment of users; each segment has its own auction")
        offers = jnp.where(market.mask, users.quality(market.accuracy)[0] - market.cost, -jnp.inf)
        floor = reserve_per_segment(reserve, 1, users.outside_value, "smooth auction")[0]
        outside = jnp.where(jnp.isfinite(users.outside_value[0]), users.outside_value[0], 0.0)
        return cls(offers.max(axis=-1), jnp.asarray(temperature, float), floor, second_score, outside)

    def _log_odds(self, scores: Scores | Sequence[float]) -> Scores:
        """(σ_i − ρ_i)/τ."""
        scores = jnp.asarray(scores, float)
        if scores.shape != self.surplus.shape or (is_concrete(scores) and np.any(np.isnan(np.asarray(scores)))):
            raise InputError(
                f"smooth auction: scores are {scores}; give one number of dollars per query for each of {len(self.surplus)} "
                "providers (-inf stays out)"
            )
        scaled = scores / self.temperature
        return scaled - log_sum_of_others(scaled[None], self.reserve[None] / self.temperature)[0]

    def shares(self, scores: Scores | Sequence[float]) -> Scores:
        """s, the probability that each provider serves a query."""
        return jax.nn.sigmoid(self._log_odds(scores))

    def payoffs(self, scores: Scores | Sequence[float]) -> Scores:
        """U, expected profit of each provider in dollars per query."""
        scores = jnp.asarray(scores, float)
        # Who stays out earns nothing, whatever the difference.
        margin = jnp.where(jnp.isneginf(scores), 0.0, self.shares(scores) * (self.surplus - scores))
        if not self.second_score:
            return margin
        return margin + self.temperature * jax.nn.softplus(self._log_odds(scores))

    def user_value(self, scores: Scores | Sequence[float]) -> Float[Array, ""]:
        """Expected value that users keep, Σ s_i W_i − Σ U_i + (1 − Σ s_i) V0, dollars per query."""
        shares = self.shares(scores)
        return shares @ self.surplus - self.payoffs(scores).sum() + (1 - shares.sum()) * self.outside_value
