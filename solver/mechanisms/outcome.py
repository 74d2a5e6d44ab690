"""What a mechanism does to a market: one ledger for all of them, and the interface they share.

A mechanism decides who serves a query of segment s (allocation x_si, the rest 1 − Σ_i x_si takes the outside option V0),
at which level of compute, and what the user pays. With prices p_si paid where provider i serves,

    user value = Σ_i x_si (q_si − p_si) + (1 − Σ_i x_si) V0,    profit_si = x_si (p_si − c_si) + transfer_si,
    welfare = user value + Σ_i profit_si + platform surplus.

Where users choose for themselves, choice may follow tastes instead of noise; users' value and welfare then exceed the
figures above by H(x_s)/β, the entropy of the choice (Small & Rosen, Econometrica 49, 1981).
"""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import entr
from jaxtyping import Array, ArrayLike, Float, Int

from games.market import Market
from games.readable import readable
from games.users import Users
from solver.result import Status

Levels = Int[Array, "segments providers"]
PerProvider = Float[Array, "segments providers"]


class Outcome(eqx.Module):
    """One mechanism on one market; money in dollars per query that arrives. Leaves gain leading axes under ``vmap``.

    Args:
        levels: level that each provider offers to each segment.
        allocation: probability that a provider serves a query; the rest takes the outside option.
        price: mean payment of the user when that provider serves.
        tokens: tokens generated when that provider serves, at its level.
        user_value: what users get if choice is noise.
        consumer_surplus: what users get if choice follows tastes; equal to ``user_value`` where the platform assigns.
        profits: expected profit of each provider per query of the segment.
        platform: what the platform keeps.
        welfare: user value + profits + platform.
        welfare_with_tastes: consumer surplus + profits + platform.
        max_regret: largest gain of each provider by leaving the play described here, the others fixed.
        misreport_gain: largest gain of each provider by leaving honest play where all others are honest; honest is
            a truthful bid, a price at cost, or the welfare-optimal level, as the mechanism asks.
        status: a ``Status`` as an integer.
        weight: share of queries of each segment.
    """

    __repr__ = readable

    levels: Levels
    allocation: PerProvider
    price: PerProvider
    tokens: PerProvider
    user_value: Float[Array, " segments"]
    consumer_surplus: Float[Array, " segments"]
    profits: PerProvider
    platform: Float[Array, " segments"]
    welfare: Float[Array, " segments"]
    welfare_with_tastes: Float[Array, " segments"]
    max_regret: Float[Array, " providers"]
    misreport_gain: Float[Array, " providers"]
    status: Int[Array, ""]
    weight: Float[Array, " segments"]

    def mean(self, values: Float[Array, "segments *rest"]) -> Float[Array, "*rest"]:
        """Average of a per-segment figure over all queries.

        Example:
            >>> from games import load_scenario
            >>> from solver.mechanisms import SecondScore
            >>> scenario = load_scenario("GSM8K/majority")
            >>> outcome = SecondScore().outcome(scenario.market, scenario.users)
            >>> round(float(outcome.mean(outcome.welfare)), 5)
            0.00726
        """
        return jnp.tensordot(self.weight, values, axes=1)

    @property
    def served(self) -> Float[Array, " segments"]:
        """Probability that a query is served."""
        return self.allocation.sum(axis=-1)

    @property
    def payment(self) -> Float[Array, " segments"]:
        """What users pay per query that arrives, Σ_i x_i p_i."""
        return (self.allocation * self.price).sum(axis=-1)

    @property
    def compute(self) -> Float[Array, " segments"]:
        """Tokens generated per query that arrives."""
        return (self.allocation * self.tokens).sum(axis=-1)


@runtime_checkable
class Mechanism(Protocol):
    """A way to sell answers. Any object with a name and an ``outcome`` is one; see docs/how-to/add-mechanism.md."""

    @property
    def name(self) -> str:
        """Lower-case words joined by hyphens, such as ``second-score``."""

    def outcome(self, market: Market, users: Users) -> Outcome:
        """What the mechanism does to the market and its users."""


def settle(
    market: Market,
    users: Users,
    *,
    levels: Levels,
    allocation: PerProvider,
    price: PerProvider,
    tastes: bool = False,
    transfers: PerProvider | None = None,
    platform: Float[Array, " segments"] | None = None,
    max_regret: Float[Array, " providers"] | None = None,
    misreport_gain: Float[Array, " providers"] | None = None,
    status: ArrayLike = Status.CONVERGED,
) -> Outcome:
    """The whole ledger from who serves, at which level, at which price.

    Args:
        market: N providers.
        users: S segments.
        levels: level of each provider for each segment.
        allocation: probability that a provider serves a query of a segment; rows sum to at most 1.
        price: payment where that provider serves, dollars per query; ignored where it never does.
        tastes: whether users choose for themselves, so that choice can be read as taste.
        transfers: money that a provider receives (negative: pays) besides prices, per query of the segment.
        platform: what the platform keeps, per query of the segment; 0 by default.
        max_regret: see ``Outcome``; 0 by default.
        misreport_gain: see ``Outcome``; 0 by default.
        status: how the search for the play ended.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> first = jnp.zeros((1, 3)).at[0, 0].set(1.0)
        >>> outcome = settle(scenario.market, scenario.users, levels=jnp.zeros((1, 3), int), allocation=first,
        ...                  price=scenario.market.price[None, :, 0])
        >>> bool(outcome.welfare[0] == outcome.user_value[0] + outcome.profits.sum())
        True
    """

    def at(values: Float[Array, "*segments providers levels"]) -> PerProvider:
        values = jnp.broadcast_to(values, (*levels.shape, values.shape[-1]))
        return jnp.take_along_axis(values, levels[..., None], axis=-1)[..., 0]

    none = jnp.zeros(market.num_providers)
    price = jnp.where(allocation > 0, price, 0.0)
    quality, cost, tokens = at(users.quality(market.accuracy)), at(market.cost), at(market.tokens)
    unserved = jnp.maximum(1 - allocation.sum(axis=-1), 0.0)
    outside = jnp.where(jnp.isfinite(users.outside_value), users.outside_value, 0.0)
    user_value = (allocation * (quality - price)).sum(axis=-1) + unserved * outside
    profits = allocation * (price - cost) + (0.0 if transfers is None else transfers)
    platform = jnp.zeros(users.num_segments) if platform is None else platform
    taste = (entr(allocation).sum(axis=-1) + entr(unserved)) / users.rationality if tastes else 0.0
    welfare = user_value + profits.sum(axis=-1) + platform
    return Outcome(
        levels=levels,
        allocation=allocation,
        price=price,
        tokens=tokens,
        user_value=user_value,
        consumer_surplus=user_value + taste,
        profits=profits,
        platform=platform,
        welfare=welfare,
        welfare_with_tastes=welfare + taste,
        max_regret=none if max_regret is None else max_regret,
        misreport_gain=none if misreport_gain is None else misreport_gain,
        status=jnp.asarray(status, int),
        weight=users.weight,
    )
