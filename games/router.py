"""Rules by which a router assigns queries to providers, as demand that providers price against.

A rule sees posted prices p and what it believes about quality, and gives the share of queries of each provider:

    logit           s ∝ e^{β(q − p)}, against e^{βV0} for leaving a query unserved
    inverse power   s ∝ q^g p^{−k}, every query served (load balancing by 1/p² is common practice)
    argmax          everything to the best score q − p, nothing if it falls short of V0
    confident       the same with q at a lower confidence bound of accuracy, as a router that measures quality would

The games that providers then play are in ``games.routed_prices``. One kind of query (one segment of users) at a time.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float
from typing_extensions import Protocol, runtime_checkable

from games import demand
from games.accuracy_bounds import AccuracyBound, WilsonBound
from games.base import is_concrete
from games.errors import InputError
from games.market import Market
from games.users import Users

Numbers = Float[Array, " providers"]


@runtime_checkable
class RouterRule(Protocol):
    """What the games of ``games.routed_prices`` ask of a rule."""

    @property
    def name(self) -> str:
        """Lower-case words joined by hyphens."""

    def perceived_quality(self, market: Market, users: Users) -> Float[Array, "segments providers levels"]:
        """Quality as the router believes it, dollars per query."""

    def log_shares(self, price: Numbers, quality: Numbers, outside_value: Float[Array, ""]) -> Numbers:
        """ln s of every provider; -inf for those that serve nothing."""


def _number(value: ArrayLike) -> Float[Array, ""]:
    return jnp.asarray(value, float)


def _require(rule: str, name: str, value: Float[Array, ""], allowed: bool, wanted: str) -> None:
    if not allowed:
        raise InputError(f"{rule}: {name} is {float(value):g}; it must be {wanted}")


class LogitRouter(eqx.Module):
    """Queries go to providers at random, e^{β(q − p)} to one.

    Args:
        rationality: the router's β > 0, per dollar; a large one is nearly argmax.

    Raises:
        InputError: a β that is not positive.

    Example:
        >>> rule = LogitRouter(2.0)
        >>> shares = jnp.exp(rule.log_shares(jnp.array([1.0, 1.0]), jnp.array([2.0, 2.0]), jnp.array(2.0)))
        >>> [f"{s:.4f}" for s in shares]
        ['0.1065', '0.1065']
    """

    rationality: Float[Array, ""] = eqx.field(converter=_number)

    def __check_init__(self) -> None:
        if is_concrete(self.rationality):
            value = self.rationality
            allowed = bool(jnp.isfinite(value) & (value > 0))
            _require("logit router", "rationality", value, allowed, "a positive number per dollar")

    @property
    def name(self) -> str:
        """``logit-router``."""
        return "logit-router"

    def perceived_quality(self, market: Market, users: Users) -> Float[Array, "segments providers levels"]:
        """True quality."""
        return users.quality(market.accuracy)

    def log_shares(self, price: Numbers, quality: Numbers, outside_value: Float[Array, ""]) -> Numbers:
        """ln of the logit shares."""
        outside = demand.log_attraction(self.rationality[None], outside_value[None])[0]
        return demand.log_shares(self.rationality * (quality - price), outside)


class InversePowerRouter(eqx.Module):
    """Queries go to providers at random, q^g/p^k to one; every query is served.

    Args:
        exponent: k > 0, of price; with k ≤ 1, or too few providers, prices have no finite equilibrium.
        quality_exponent: g ≥ 0, of quality; 0 looks at prices alone.

    Raises:
        InputError: an exponent out of range.

    Example:
        >>> shares = jnp.exp(InversePowerRouter(2.0).log_shares(jnp.array([1.0, 2.0]), jnp.ones(2), jnp.array(0.0)))
        >>> [f"{s:.3f}" for s in shares]
        ['0.800', '0.200']
    """

    exponent: Float[Array, ""] = eqx.field(converter=_number, default=2.0)
    quality_exponent: Float[Array, ""] = eqx.field(converter=_number, default=0.0)

    def __check_init__(self) -> None:
        if is_concrete(self.exponent, self.quality_exponent):
            k, g = self.exponent, self.quality_exponent
            rule = "inverse-power router"
            _require(rule, "exponent", k, bool(jnp.isfinite(k) & (k > 0)), "a positive number")
            _require(rule, "quality_exponent", g, bool(jnp.isfinite(g) & (g >= 0)), "finite and not negative")

    @property
    def name(self) -> str:
        """``inverse-power-router``."""
        return "inverse-power-router"

    def perceived_quality(self, market: Market, users: Users) -> Float[Array, "segments providers levels"]:
        """True quality."""
        return users.quality(market.accuracy)

    def log_weights(self, price: Float[Array, "*shape"], quality: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """g ln q − k ln p."""
        return self.log_merit(quality) - self.exponent * jnp.log(price)

    def log_merit(self, quality: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """g ln q; 0 where g is 0, whatever the quality."""
        looks = self.quality_exponent > 0
        return jnp.where(looks, self.quality_exponent * jnp.log(jnp.where(looks, quality, 1.0)), 0.0)

    def log_shares(self, price: Numbers, quality: Numbers, outside_value: Float[Array, ""]) -> Numbers:
        """ln of the shares; the outside option is never used."""
        weights = self.log_weights(price, quality)
        return weights - jax.nn.logsumexp(weights)


class ArgmaxRouter(eqx.Module):
    """Every query goes to the provider of the best score q − p, ties to the one listed first; to nobody below V0.

    Example:
        >>> ArgmaxRouter().log_shares(jnp.array([1.0, 2.0]), jnp.array([1.5, 3.0]), jnp.array(0.0)).tolist()
        [-inf, 0.0]
    """

    @property
    def name(self) -> str:
        """``argmax-router``."""
        return "argmax-router"

    def perceived_quality(self, market: Market, users: Users) -> Float[Array, "segments providers levels"]:
        """True quality."""
        return users.quality(market.accuracy)

    def log_shares(self, price: Numbers, quality: Numbers, outside_value: Float[Array, ""]) -> Numbers:
        """0 for the winner, -inf for all others."""
        score = quality - price
        wins = (jnp.arange(len(score)) == jnp.argmax(score)) & (score >= outside_value)
        return jnp.where(wins, 0.0, -jnp.inf)


class ConfidentRouter(eqx.Module):
    """Argmax on the quality that the router can be confident of: q at a lower bound of accuracy.

    Args:
        bound: from true accuracy to the bound that a typical sample gives; ``games.WilsonBound`` or ``games.NormalBound``.

    Example:
        >>> rule = ConfidentRouter(WilsonBound(samples=100, confidence=0.95))
        >>> [f"{a:.4f}" for a in rule.bound(jnp.array([[0.8]]))[0]]
        ['0.7267']
    """

    bound: AccuracyBound = eqx.field(default_factory=WilsonBound)

    @property
    def name(self) -> str:
        """``confident-router``."""
        return "confident-router"

    def perceived_quality(self, market: Market, users: Users) -> Float[Array, "segments providers levels"]:
        """Quality at the lower confidence bound of accuracy."""
        return users.quality(self.bound(market.accuracy))

    def log_shares(self, price: Numbers, quality: Numbers, outside_value: Float[Array, ""]) -> Numbers:
        """0 for the winner, -inf for all others."""
        return ArgmaxRouter().log_shares(price, quality, outside_value)
