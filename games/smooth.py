"""Continuous compute: each provider buys any amount of test-time compute, and is paid per token.

Provider i chooses x = ln θ, the natural logarithm of its tokens per query, within an interval. Quality q, price p and cost
c are functions of x; shares and payoffs are those of ``games.pay_per_compute``:

    s_si = e^{β_s V_si} / (e^{β_s V0_s} + Σ_j e^{β_s V_sj}),    V = q − p,    U_i = Σ_s w_s s_si (p_i − c_i − levy_i)

A levy (a tax per token, or a subsidy if negative) moves money between providers and a regulator and leaves welfare
Σ s (q − c) as it is. With one segment the game has the exact log-potential Σ ln(p_i − c_i − levy_i) + β Σ V_i − ln Z.
"""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from games import demand
from games.base import is_concrete
from games.curves import Curves, PchipCurves
from games.errors import InputError
from games.market import Market
from games.tariffs import LogCompute, PerToken, Tariff, tariff_of_levels
from games.users import Users, ValueCurve

# Between two levels an interpolated price and cost could cross: profit is looked at in so many places.
CHECKED_POINTS = 33


class AccuracyQuality(eqx.Module):
    """q = α·(b + (1 − b)·f(accuracy)), as in ``games.users``, with accuracy a curve of log compute.

    Args:
        curves: accuracy of every provider at its log compute.
        value_per_correct: α, dollars, ``[segments]``.
        baseline: b, worth of any answer as a fraction of α.
        value_curve: f.
    """

    curves: Curves
    value_per_correct: Float[Array, " segments"]
    baseline: Float[Array, ""]
    value_curve: ValueCurve

    def __call__(self, log_compute: LogCompute) -> Float[Array, "segments providers"]:
        """Dollars per query that an answer is worth to each segment."""
        worth = self.baseline + (1 - self.baseline) * self.value_curve(self.curves(log_compute))
        return self.value_per_correct[:, None] * worth


class LogarithmicQuality(eqx.Module):
    """q = level + slope · ln θ: every doubling of compute is worth the same.

    Args:
        slope: dollars per unit of ln θ, ``[providers]``.
        level: dollars at one token, ``[providers]``.
    """

    slope: Float[Array, " providers"]
    level: Float[Array, " providers"]

    def __call__(self, log_compute: LogCompute) -> Float[Array, "segments providers"]:
        """Dollars per query, one segment."""
        return (self.level + self.slope * log_compute)[None]


class LinearQuality(eqx.Module):
    """q = level + slope · θ: every token is worth the same.

    Args:
        slope: dollars per token, ``[providers]``.
        level: dollars without compute, ``[providers]``.
    """

    slope: Float[Array, " providers"]
    level: Float[Array, " providers"]

    def __call__(self, log_compute: LogCompute) -> Float[Array, "segments providers"]:
        """Dollars per query, one segment."""
        return (self.level + self.slope * jnp.exp(log_compute))[None]


class ContinuousLogit(eqx.Module):
    """A game of continuous compute with any curves; implements ``games.base.ContinuousLogitGame``.

    Args:
        quality: q of every provider at its log compute, dollars per query, ``[segments, providers]``.
        price: p of every provider at its log compute, dollars per query.
        cost: c, likewise.
        levy: what a regulator takes per query sold, likewise; negative for a subsidy.
        lower, upper: bounds of log compute, ``[providers]``.
        rationality: users' β ≥ 0, per dollar, ``[segments]``.
        outside_value: V0, dollars per query, ``[segments]``; -inf for no outside option.
        weight: share of queries of each segment, ``[segments]``; sums to 1.

    Example:
        >>> ones = jnp.ones(3)
        >>> game = ContinuousLogit(
        ...     quality=LogarithmicQuality(2.0 * ones, 0.0 * ones), price=PerToken(0.5 * ones), cost=PerToken(0.4 * ones),
        ...     levy=PerToken(0.0 * ones), lower=-3 * ones, upper=5 * ones, rationality=jnp.array([1.0]),
        ...     outside_value=jnp.array([-jnp.inf]), weight=jnp.array([1.0]))
        >>> [f"{payoff:.4f}" for payoff in game.payoffs(jnp.log(5.0 * ones))]
        ['0.1667', '0.1667', '0.1667']
    """

    quality: Callable[[LogCompute], Float[Array, "segments providers"]]
    price: Tariff
    cost: Tariff
    levy: Tariff
    lower: Float[Array, " providers"]
    upper: Float[Array, " providers"]
    rationality: Float[Array, " segments"]
    outside_value: Float[Array, " segments"]
    weight: Float[Array, " segments"]

    @property
    def num_providers(self) -> int:
        """Number of providers N."""
        return self.lower.shape[-1]

    @property
    def bounds(self) -> tuple[LogCompute, LogCompute]:
        """Lowest and highest log compute of every provider."""
        return self.lower, self.upper

    def user_value(self, log_compute: LogCompute) -> Float[Array, "segments providers"]:
        """V = q − p, dollars per query."""
        return self.quality(log_compute) - self.price(log_compute)

    def surplus(self, log_compute: LogCompute) -> Float[Array, "segments providers"]:
        """W = q − c, dollars per query served."""
        return self.quality(log_compute) - self.cost(log_compute)

    def log_attraction(self, log_compute: LogCompute) -> Float[Array, "segments providers"]:
        """β·V of every provider."""
        return self.rationality[:, None] * self.user_value(log_compute)

    @property
    def log_outside_attraction(self) -> Float[Array, " segments"]:
        """β·V0; -inf without an outside option."""
        return demand.log_attraction(self.rationality, self.outside_value)

    @property
    def outside_surplus(self) -> Float[Array, " segments"]:
        """V0, dollars per query that an unserved user keeps; 0 without an outside option."""
        return jnp.where(jnp.isfinite(self.outside_value), self.outside_value, 0.0)

    def log_unit_profit(self, log_compute: LogCompute) -> Float[Array, " providers"]:
        """ln(p − c − levy), p in dollars per query; NaN where a query sold earns nothing."""
        return jnp.log(self.price(log_compute) - self.cost(log_compute) - self.levy(log_compute))

    def log_shares(self, log_compute: LogCompute) -> Float[Array, "segments providers"]:
        """ln s, finite even where s underflows."""
        return demand.log_shares(self.log_attraction(log_compute), self.log_outside_attraction)

    def shares(self, log_compute: LogCompute) -> Float[Array, "segments providers"]:
        """s, the share of each segment's queries that each provider serves."""
        return jnp.exp(self.log_shares(log_compute))

    def outside_share(self, log_compute: LogCompute) -> Float[Array, " segments"]:
        """The share of each segment's queries that goes unserved."""
        log_z = demand.log_sum(self.log_attraction(log_compute), self.log_outside_attraction)
        return jnp.exp(self.log_outside_attraction - log_z)

    def log_payoffs(self, log_compute: LogCompute) -> Float[Array, " providers"]:
        """ln U, U in dollars per query."""
        log_sold = jax.nn.logsumexp(self.log_shares(log_compute) + jnp.log(self.weight)[:, None], axis=0)
        return log_sold + self.log_unit_profit(log_compute)

    def payoffs(self, log_compute: LogCompute) -> Float[Array, " providers"]:
        """U, each provider's profit in dollars per query that arrives."""
        return jnp.exp(self.log_payoffs(log_compute))

    def log_deviation_payoffs(self, log_compute: LogCompute, choices: LogCompute) -> Float[Array, " providers"]:
        """ln U of every provider if it alone played its entry of ``choices``, the others as in ``log_compute``.

        Written as ln m − ln(1 + R/a), so that its derivative in the choice is exact where the share is almost 1.
        """
        others = demand.log_sum_of_others(self.log_attraction(log_compute), self.log_outside_attraction)
        log_sold = -jax.nn.softplus(others - self.log_attraction(choices))
        return jax.nn.logsumexp(log_sold + jnp.log(self.weight)[:, None], axis=0) + self.log_unit_profit(choices)

    def log_potential(self, log_compute: LogCompute) -> Float[Array, ""]:
        """The log-potential of the module's formula, dimensionless.

        Raises:
            InputError: there are several segments, for which no potential exists.
        """
        if self.rationality.shape[-1] > 1:
            raise InputError("log_potential: exists for one user segment only; this game has several")
        attraction = self.log_attraction(log_compute)
        log_z = demand.log_sum(attraction, self.log_outside_attraction)
        return self.log_unit_profit(log_compute).sum() + (attraction.sum(axis=1) - log_z)[0]

    def welfare(self, log_compute: LogCompute) -> Float[Array, ""]:
        """Σ_s w_s (Σ_i s_i W_i + s_0 V0), dollars per query; levies are transfers and do not count."""
        created = (self.shares(log_compute) * self.surplus(log_compute)).sum(axis=1)
        return self.weight @ (created + self.outside_share(log_compute) * self.outside_surplus)

    def expected_user_value(self, log_compute: LogCompute) -> Float[Array, ""]:
        """Σ_s w_s (Σ_i s_i V_i + s_0 V0), dollars per query: what users get if choice is noise."""
        bought = (self.shares(log_compute) * self.user_value(log_compute)).sum(axis=1)
        return self.weight @ (bought + self.outside_share(log_compute) * self.outside_surplus)

    def revenue(self, log_compute: LogCompute) -> Float[Array, ""]:
        """What the regulator collects from levies, dollars per query; welfare = users + providers + this."""
        return self.weight @ (self.shares(log_compute) * self.levy(log_compute)).sum(axis=1)


class ContinuousCompute(ContinuousLogit):
    """The continuous game of a market of measured levels.

    Args:
        market: N providers; price and cost are interpolated, see ``games.tariffs``.
        users: S segments.
        curves: accuracy as a function of log compute; PCHIP through the market's levels by default.
        lower, upper: bounds in tokens per query, one or one each; by default the fewest and the most tokens of a
            provider's levels. Wider bounds need curves that are fitted rather than interpolated.

    Raises:
        InputError: price and cost leave no profit, a level needs no tokens, or bounds leave the measured range of an
            interpolated curve.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> levels = scenario.market.tokens[:, 2]
        >>> bool(jnp.allclose(game.payoffs(jnp.log(levels)), scenario.game().payoffs(jnp.full(9, 2)), rtol=1e-12))
        True
    """

    providers: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        market: Market,
        users: Users,
        *,
        curves: Curves | None = None,
        lower: ArrayLike | None = None,
        upper: ArrayLike | None = None,
    ) -> None:
        measured = PchipCurves.from_market(market)
        first, last = measured.bounds
        shape = (market.num_providers,)
        self.lower = first if lower is None else jnp.broadcast_to(jnp.log(jnp.asarray(lower, float)), shape)
        self.upper = last if upper is None else jnp.broadcast_to(jnp.log(jnp.asarray(upper, float)), shape)
        self.quality = AccuracyQuality(
            measured if curves is None else curves, users.value_per_correct, users.baseline, users.value_curve
        )
        self.price = tariff_of_levels(market, market.price)
        self.cost = tariff_of_levels(market, market.cost)
        self.levy = PerToken(jnp.zeros(shape))
        self.rationality = users.rationality
        self.outside_value = users.outside_value
        self.weight = users.weight
        self.providers = market.providers
        if is_concrete(self.lower, self.upper, self.price, self.cost):
            self._check(market.providers, None if curves is not None else (first, last))

    def _check(self, names: tuple[str, ...], measured: tuple[LogCompute, LogCompute] | None) -> None:
        lower, upper = np.asarray(self.lower), np.asarray(self.upper)
        inside = self.lower + jnp.linspace(0.0, 1.0, CHECKED_POINTS)[:, None] * (self.upper - self.lower)
        profit = np.asarray(jax.vmap(lambda x: self.price(x) - self.cost(x))(inside)).min(axis=0)
        for i in range(self.num_providers):
            name = names[i] if names else f"provider {i}"
            if not (np.isfinite(lower[i]) and np.isfinite(upper[i]) and lower[i] <= upper[i]):
                low, high = np.exp(lower[i]), np.exp(upper[i])
                raise InputError(
                    f"continuous compute: {name!r} has bounds [{low:g}, {high:g}] tokens; give 0 < lower ≤ upper"
                )
            if not profit[i] > 0:
                raise InputError(f"continuous compute: {name!r} sells at or below cost; payoffs need a margin above 0")
            slack = 1e-9 if lower.dtype == np.float64 else 1e-5
            if measured is not None and (lower[i] < measured[0][i] - slack or upper[i] > measured[1][i] + slack):
                low, high = float(jnp.exp(measured[0][i])), float(jnp.exp(measured[1][i]))
                raise InputError(
                    f"continuous compute: bounds of {name!r} leave its measured range [{low:g}, {high:g}] tokens, where "
                    "interpolation says nothing; narrow them, or pass curves= from games.fit_curves"
                )

    def anonymous(self) -> ContinuousLogit:
        """The same game without names, which are static and would make compiled solvers compile again."""
        return ContinuousLogit(**{f.name: getattr(self, f.name) for f in dataclasses.fields(ContinuousLogit)})
