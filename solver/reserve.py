"""The best single reserve for many auctions: queries, segments or market draws that the platform cannot tell apart.

With best and second-best scores W_1 ≥ W_2 of each auction, both raised to the outside value V0 where they are below it (users
who can have V0 take nothing worse), a reserve r gives the user max(W_2, r) where W_1 ≥ r and V0 elsewhere. The mean,

    u(r) = Σ w [W_2 ≥ r] W_2 + r Σ w [W_2 < r ≤ W_1] + Σ w [W_1 < r] V0,

rises between two neighbouring values of W_1, so that the best reserve is one of them, or none besides V0.
For one known auction it is W_1: it leaves the winner nothing. For a distribution it is Myerson's reserve (Math. Oper. Res.
6, 1981).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class OptimalReserve(NamedTuple):
    """The best reserve and what it brings.

    Args:
        reserve: dollars per query; -inf if none besides users' outside values is best.
        user_value: what users then get on average, dollars per query.
    """

    reserve: Float[Array, ""]
    user_value: Float[Array, ""]


@jax.jit
def optimal_reserve(
    best: Float[Array, " auctions"],
    second: Float[Array, " auctions"],
    outside_value: Float[Array, " auctions"],
    weight: Float[Array, " auctions"],
) -> OptimalReserve:
    """The reserve that is best for users over all auctions, exactly, in O(n log n).

    A platform that sells at the outside value and keeps the rest earns Σ w [sold] (max(W_2, r) − V0), which the same
    reserve maximises.

    Args:
        best: W_1 of each auction, dollars per query.
        second: W_2 ≤ W_1, likewise; -inf where nobody else bids.
        outside_value: V0 of each auction, dollars per query; -inf for users who must be served.
        weight: share of the queries of each auction; sums to 1.

    Example:
        >>> import numpy as np
        >>> draws = np.sort(np.random.default_rng(0).uniform(size=(4000, 2)), axis=1)
        >>> found = optimal_reserve(draws[:, 1], draws[:, 0], np.zeros(4000), np.full(4000, 1 / 4000))
        >>> round(float(found.reserve), 1), round(float(found.user_value), 2)  # theory: 1/2 and 5/12
        (0.5, 0.42)
    """
    best, second, outside_value, weight = (jnp.asarray(x, float) for x in (best, second, outside_value, weight))
    best, second = jnp.maximum(best, outside_value), jnp.maximum(second, outside_value)
    by_best, by_second = jnp.argsort(best), jnp.argsort(second)
    sorted_best, sorted_second = best[by_best], second[by_second]

    def total(values: Float[Array, " auctions"]) -> Float[Array, " auctions"]:
        """Weighted values; infinite ones of auctions without weight count nothing."""
        return jnp.where(weight > 0, weight * values, 0.0)

    def up_to(sums: Float[Array, " auctions"]) -> Float[Array, " sums"]:
        return jnp.concatenate([jnp.zeros(1), jnp.cumsum(sums)])

    weight_below_second = up_to(weight[by_second])
    money_below_second = up_to(total(jnp.where(jnp.isfinite(second), second, 0.0))[by_second])
    weight_below_best = up_to(weight[by_best])
    outside_below_best = up_to(total(outside_value)[by_best])
    rows_second = jnp.searchsorted(sorted_second, sorted_best, side="left")
    rows_best = jnp.searchsorted(sorted_best, sorted_best, side="left")
    value = (
        money_below_second[-1]
        - money_below_second[rows_second]
        + sorted_best * (weight_below_second[rows_second] - weight_below_best[rows_best])
        + outside_below_best[rows_best]
    )
    # From the least reserve to the greatest; among equals the first, which sells more.
    reserve = jnp.concatenate([jnp.array([-jnp.inf]), sorted_best])
    user_value = jnp.concatenate([total(second).sum()[None], value])
    top = jnp.argmax(user_value)
    return OptimalReserve(reserve=reserve[top], user_value=user_value[top])
