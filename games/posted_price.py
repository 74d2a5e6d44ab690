"""Free prices: every provider posts one price per query, and users choose by logit (Bertrand competition).

One kind of query (one segment; the platform knows a query's segment, so each is a game of its own). Provider i has quality
q_i and cost c_i and chooses its price. With W = q − c, markup m = p − c and R_i = e^{βV0} + Σ_{j≠i} e^{β(q_j − p_j)},

    s_i = e^{β(W_i − m_i)} / (R_i + e^{β(W_i − m_i)}),    U_i = s_i m_i,
    best reply m_i = (1 + ω)/β, payoff ω/β,    ω e^ω = e^{βW_i − 1}/R_i    (ω is Lambert's W),

so p − c = 1/(β(1 − s)) at every best reply (Anderson, de Palma & Thisse, Discrete Choice Theory of Product Differentiation,
MIT Press 1992). The games speak of x = ln m: nobody sells below cost, and payoffs are positive.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from games import demand
from games.base import is_concrete
from games.errors import InputError
from games.market import Market
from games.users import Users, Values
from games.wright_omega import log_wright_omega

LogMarkup = Float[Array, " providers"]
SLACK = 10.0


class PriceCompetition(eqx.Module):
    """Price competition of fixed offers for one segment of users; implements ``games.base.ContinuousLogitGame``.

    A choice is the natural logarithm of the markup p − c in dollars; ``price`` and ``log_markup`` convert.

    Args:
        quality: q, dollars per query that an answer is worth, ``[providers]``.
        cost: c, dollars per query served, ``[providers]``.
        rationality: users' β ≥ 0, per dollar.
        outside_value: V0, dollars per query; -inf for no outside option.
        lower, upper: bounds of ln(p − c), for solvers that search an interval; by default a factor of ten beyond
            anything that can be an equilibrium: 1/β ≤ m ≤ (3 + β(W_i − the best alternative)⁺)/β.

    Raises:
        InputError: a value is out of range; the text names it.

    Example:
        >>> game = PriceCompetition(jnp.array([2.0, 2.0]), jnp.array([1.0, 1.0]), 4.0)
        >>> x = game.log_markup(jnp.array([1.4729267, 1.4729267]))
        >>> [f"{p:.6f}" for p in game.price(game.best_reply(x))]
        ['1.472927', '1.472927']
    """

    quality: Float[Array, " providers"]
    cost: Float[Array, " providers"]
    rationality: Float[Array, ""]
    outside_value: Float[Array, ""]
    lower: LogMarkup
    upper: LogMarkup

    def __init__(
        self,
        quality: Values,
        cost: Values,
        rationality: ArrayLike,
        outside_value: ArrayLike = 0.0,
        *,
        lower: Values | None = None,
        upper: Values | None = None,
    ) -> None:
        self.quality, self.cost = jnp.asarray(quality, float), jnp.asarray(cost, float)
        self.rationality, self.outside_value = jnp.asarray(rationality, float), jnp.asarray(outside_value, float)
        if is_concrete(self.quality, self.cost, self.rationality, self.outside_value):
            _check(self.quality, self.cost, self.rationality, self.outside_value)
        lowest, highest = self._bounds()
        self.lower = lowest if lower is None else jnp.broadcast_to(jnp.asarray(lower, float), lowest.shape)
        self.upper = highest if upper is None else jnp.broadcast_to(jnp.asarray(upper, float), lowest.shape)

    def _bounds(self) -> tuple[LogMarkup, LogMarkup]:
        # The rival with the better offer has a share of at most one half, hence a markup of at most 2/β, and an attraction
        # of at least e^{βW − 2}: the best reply to that bounds every equilibrium.
        surplus = self.surplus
        scale = 1 / jnp.where(self.rationality > 0, self.rationality, 1.0)
        rivals = jnp.where(jnp.eye(len(surplus), dtype=bool), -jnp.inf, surplus).max(axis=1, initial=-jnp.inf)
        rival = jnp.maximum(rivals, self.outside_value)
        lead = jnp.where(
            jnp.isfinite(rival), jnp.maximum(surplus - jnp.where(jnp.isfinite(rival), rival, 0.0), 0.0), 0.0
        )
        return jnp.log(scale / SLACK + 0 * lead), jnp.log(SLACK * (3 * scale + lead))

    @property
    def num_providers(self) -> int:
        """Number of providers N."""
        return self.quality.shape[-1]

    @property
    def bounds(self) -> tuple[LogMarkup, LogMarkup]:
        """Lowest and highest ln(p − c) of every provider."""
        return self.lower, self.upper

    @property
    def surplus(self) -> Float[Array, " providers"]:
        """W = q − c, dollars per query served."""
        return self.quality - self.cost

    def price(self, log_markup: LogMarkup) -> Float[Array, " providers"]:
        """p = c + m, dollars per query."""
        return self.cost + jnp.exp(log_markup)

    def log_markup(self, price: Float[Array, " providers"]) -> LogMarkup:
        """ln(p − c); NaN below cost."""
        return jnp.log(price - self.cost)

    def user_value(self, log_markup: LogMarkup) -> Float[Array, " providers"]:
        """V = q − p = W − m, dollars per query."""
        return self.surplus - jnp.exp(log_markup)

    def log_attraction(self, log_markup: LogMarkup) -> Float[Array, "segments providers"]:
        """β·V of every provider; one segment."""
        return demand.log_attraction(self.rationality[None], self.user_value(log_markup)[None])

    @property
    def log_outside_attraction(self) -> Float[Array, " segments"]:
        """β·V0; -inf without an outside option; one segment."""
        return demand.log_attraction(self.rationality[None], self.outside_value[None])

    def log_unit_profit(self, log_markup: LogMarkup) -> LogMarkup:
        """ln(p − c), which is the choice itself."""
        return log_markup

    def log_shares(self, log_markup: LogMarkup) -> Float[Array, " providers"]:
        """ln s, finite even where s underflows."""
        return demand.log_shares(self.log_attraction(log_markup), self.log_outside_attraction)[0]

    def shares(self, log_markup: LogMarkup) -> Float[Array, " providers"]:
        """s, the share of queries that each provider serves."""
        return jnp.exp(self.log_shares(log_markup))

    def log_payoffs(self, log_markup: LogMarkup) -> Float[Array, " providers"]:
        """ln U, U in dollars per query that arrives."""
        return self.log_shares(log_markup) + log_markup

    def payoffs(self, log_markup: LogMarkup) -> Float[Array, " providers"]:
        """U = s·(p − c), dollars per query that arrives."""
        return jnp.exp(self.log_payoffs(log_markup))

    def log_sum_of_others(self, log_markup: LogMarkup) -> Float[Array, " providers"]:
        """ln R of the module's formula."""
        return demand.log_sum_of_others(self.log_attraction(log_markup), self.log_outside_attraction)[0]

    def log_deviation_payoffs(self, log_markup: LogMarkup, choices: LogMarkup) -> Float[Array, " providers"]:
        """ln U of every provider if it alone played its entry of ``choices``, the others as in ``log_markup``."""
        return choices - jax.nn.softplus(self.log_sum_of_others(log_markup) - self.log_attraction(choices)[0])

    def best_reply(self, log_markup: LogMarkup) -> LogMarkup:
        """ln of the best markup against the others' in ``log_markup``; +inf for a provider without any alternative."""
        omega = jnp.exp(self.log_reply_payoffs(log_markup) + jnp.log(self.rationality))
        return jnp.log1p(omega) - jnp.log(self.rationality)

    def log_reply_payoffs(self, log_markup: LogMarkup) -> Float[Array, " providers"]:
        """ln of the payoff ω/β of the best reply, dollars per query."""
        excess = self.rationality * self.surplus - 1 - self.log_sum_of_others(log_markup)
        alone = jnp.isposinf(excess)
        omega = jnp.where(alone, jnp.inf, log_wright_omega(jnp.where(alone, 0.0, excess)))
        return omega - jnp.log(self.rationality)


class PriceAndCompute(eqx.Module):
    """Every provider chooses a price per query and a level of compute; one segment of users.

    For a given markup users like the level of largest q − c best, and the provider earns the same per query sold: whatever
    the others do, θ* = argmax(q − c) at a suitable price is a best reply. Compute is efficient, and only the price distorts.

    Args:
        quality: q, dollars per query, ``[providers, levels]``.
        cost: c, dollars per query served, ``[providers, levels]``.
        mask: True where a level exists.
        rationality: users' β ≥ 0, per dollar.
        outside_value: V0, dollars per query; -inf for no outside option.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("AIME/reasoning_effort")
        >>> game = PriceAndCompute.of_segment(scenario.market, scenario.users)
        >>> int(game.efficient_levels[0]), game.at(game.efficient_levels).num_providers
        (2, 3)
    """

    quality: Float[Array, "providers levels"]
    cost: Float[Array, "providers levels"]
    mask: Bool[Array, "providers levels"]
    rationality: Float[Array, ""]
    outside_value: Float[Array, ""]

    @classmethod
    def of_segment(cls, market: Market, users: Users, segment: int = 0) -> "PriceAndCompute":
        """The game for the queries of one segment."""
        return jax.tree.map(lambda leaf: leaf[segment], cls.per_segment(market, users))

    @classmethod
    def per_segment(cls, market: Market, users: Users) -> "PriceAndCompute":
        """The games of all segments, stacked: every leaf gains a leading axis, for ``jax.vmap``."""

        def one(quality, rationality, outside_value):
            return cls(quality, market.cost, market.mask, rationality, outside_value)

        return jax.vmap(one)(users.quality(market.accuracy), users.rationality, users.outside_value)

    @property
    def surplus(self) -> Float[Array, "providers levels"]:
        """W = q − c, dollars per query served; -inf where no level exists."""
        return jnp.where(self.mask, self.quality - self.cost, -jnp.inf)

    @property
    def efficient_levels(self) -> Int[Array, " providers"]:
        """θ* = argmax(q − c) of every provider, ties to the lowest level."""
        return jnp.argmax(self.surplus, axis=-1)

    def at(self, levels: Int[Array, " providers"]) -> PriceCompetition:
        """Price competition with every provider's level fixed."""
        quality, cost = (jnp.take_along_axis(x, levels[:, None], axis=1)[:, 0] for x in (self.quality, self.cost))
        return PriceCompetition(quality, cost, self.rationality, self.outside_value)

    def log_payoffs(self, levels: Int[Array, " providers"], log_markup: LogMarkup) -> Float[Array, " providers"]:
        """ln U, U in dollars per query that arrives."""
        return self.at(levels).log_payoffs(log_markup)


def _check(
    quality: Float[Array, "..."],
    cost: Float[Array, "..."],
    rationality: Float[Array, ""],
    outside_value: Float[Array, ""],
) -> None:
    if quality.ndim != 1 or quality.shape != cost.shape or not len(quality):
        raise InputError(
            f"price competition: quality has shape {quality.shape} and cost {cost.shape}; give one of each per provider"
        )
    for name, values in (("quality", quality), ("cost", cost)):
        for i in np.flatnonzero(~np.isfinite(np.asarray(values))):
            raise InputError(f"price competition: {name} of provider {i} is {float(values[i]):g}; it must be finite")
    if not (np.isfinite(rationality) and rationality >= 0):
        raise InputError(
            f"price competition: rationality is {float(rationality):g}; it must be finite and not negative"
        )
    if np.isnan(outside_value) or np.isposinf(outside_value):
        raise InputError(
            f"price competition: outside_value is {float(outside_value):g}; it must be finite, or -inf for no outside option"
        )
