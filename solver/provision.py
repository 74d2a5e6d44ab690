"""Who computes too much: over- and under-provision at a continuous equilibrium, from the first-order condition.

With θ in tokens and ′ = d/dθ, a provider that no bound holds satisfies, with one segment of users and m = p − c − levy,

    q′ − c′ = (p′ − c′) − m′ / (β (1 − s) m)    (without a levy: (p′ − c′)·[1 − 1/(β (1 − s)(p − c))])

The left side is what one more token adds to welfare per query served. It is negative, and the provider computes too much,
exactly if its posted profit m lies below the markup 1/(β(1 − s)) of free logit price competition (without a levy, for p′ > c′).
See docs/theory/continuous.md.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games.errors import InputError
from games.smooth import ContinuousLogit
from solver.aggregate import binding, own_slopes
from solver.compile import compiled


@dataclasses.dataclass(frozen=True)
class ProvisionRow:
    """One provider at a continuous equilibrium; money in dollars per query, derivatives in dollars per token.

    Args:
        provider: name, or its number where the game has no names.
        compute: θ, tokens per query.
        marginal_quality, marginal_price, marginal_cost: q′, p′, c′.
        marginal_surplus: q′ − c′, what one more token adds to welfare per query served.
        unit_profit: p − c − levy.
        logit_markup: 1/(β(1 − s)), the profit per query of free price competition.
        identity: the right side of the identity; equal to ``marginal_surplus`` where no bound holds the provider.
        held: whether a bound holds the provider, so that the identity need not hold.
    """

    provider: str
    compute: float
    marginal_quality: float
    marginal_price: float
    marginal_cost: float
    marginal_surplus: float
    unit_profit: float
    logit_markup: float
    identity: float
    held: bool

    @property
    def verdict(self) -> str:
        """``over`` if less compute would raise its surplus, ``under`` if more would, ``equal`` within 1e-9 of p′."""
        if abs(self.marginal_surplus) <= 1e-9 * abs(self.marginal_price):
            return "equal"
        return "over" if self.marginal_surplus < 0 else "under"


def provision_identity(game: ContinuousLogit, log_compute: Float[Array, " providers"]) -> tuple[ProvisionRow, ...]:
    """Over- or under-provision of every provider, and the two sides of the identity.

    Args:
        game: one segment of users.
        log_compute: a continuous equilibrium, ``[providers]``.

    Raises:
        InputError: several segments.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> from solver import continuous_equilibria
        >>> scenario = load_scenario("GSM8K/majority")
        >>> game = ContinuousCompute(scenario.market, scenario.users)
        >>> rows = provision_identity(game, continuous_equilibria(game).worst)
        >>> rows[0].provider, rows[0].verdict
        ('Llama-3-8B', 'over')
    """
    if game.rationality.shape[0] != 1:
        raise InputError("provision_identity: needs one segment of users; look at each on its own")
    names = getattr(game, "providers", ()) or tuple(f"provider {i + 1}" for i in range(game.num_providers))
    columns = {name: np.asarray(column).tolist() for name, column in _columns(game, log_compute).items()}
    rows = zip(*columns.values(), strict=True)
    return tuple(
        ProvisionRow(name, **dict(zip(columns, row, strict=True))) for name, row in zip(names, rows, strict=True)
    )


@compiled
def _columns(game: ContinuousLogit, log_compute: Float[Array, " providers"]) -> dict[str, Array]:
    tokens = jnp.exp(log_compute)

    def per_token(curve):
        return jax.grad(lambda x: curve(x).sum())(log_compute) / tokens

    quality, price, cost, levy = (per_token(curve) for curve in (game.quality, game.price, game.cost, game.levy))
    profit = jnp.exp(game.log_unit_profit(log_compute))
    # 1 − s without cancellation: the sum of everybody else's share.
    others = -jnp.expm1(game.log_shares(log_compute)[0])
    markup = 1 / (game.rationality[0] * others)
    return {
        "compute": tokens,
        "marginal_quality": quality,
        "marginal_price": price,
        "marginal_cost": cost,
        "marginal_surplus": quality - cost,
        "unit_profit": profit,
        "logit_markup": markup,
        "identity": price - cost - (price - cost - levy) * markup / profit,
        "held": binding(game, log_compute, own_slopes(game, log_compute)),
    }
