"""Who enters a second-score auction in which every bid costs something: all equilibria of entry, from the definition.

Providers know each other's offers and decide at the same time whether to bid (truthfully) at a cost e > 0. At most one enters,
since a second would pay and win nothing. With r the reserve and W_1 the best surplus, "only i enters" is an equilibrium
exactly if W_i ≥ max(r + e, W_1 − e), and "nobody enters" exactly if W_1 ≤ r + e (docs/theory/mechanisms.md).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from games.base import is_concrete
from games.errors import InputError
from games.score_auction import ScoreAuction, second_score


class EntryEquilibria(NamedTuple):
    """Every pure equilibrium of entry in every segment.

    Args:
        enters: whether "only this provider enters" is an equilibrium, ``[segments, providers]``.
        nobody: whether "nobody enters" is one, ``[segments]``.
        profit: what a provider that enters alone earns, dollars per query, entry cost subtracted, ``[segments, providers]``.
        user_value: what users get where somebody enters: the reserve, dollars per query, ``[segments]``.
    """

    enters: Bool[Array, "segments providers"]
    nobody: Bool[Array, " segments"]
    profit: Float[Array, "segments providers"]
    user_value: Float[Array, " segments"]

    @property
    def number(self) -> Int[Array, " segments"]:
        """Number of pure equilibria in every segment."""
        return self.enters.sum(axis=-1) + self.nobody


def entry_equilibria(auction: ScoreAuction) -> EntryEquilibria:
    """All pure equilibria of entry into a second-score auction with an entry cost, bids truthful.

    Several exist where the best offers are closer than the cost of a bid: whoever is in keeps the others out.

    Args:
        auction: with an entry cost above 0 and a reserve, or users with an outside value, in every segment.

    Raises:
        InputError: another rule of payment, no entry cost (then everybody bids), or nothing that sets the price of a provider
            alone.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")  # W_1 − W_2 is .00072
        >>> for cost in (0.0005, 0.001):
        ...     auction = ScoreAuction(scenario.market, scenario.users, reserve=0.012, entry_cost=cost)
        ...     print(entry_equilibria(auction).enters.tolist())
        [[False, False, True]]
        [[True, False, True]]
    """
    if auction.rule is not second_score:
        raise InputError("entry: equilibria of entry are those of the second-score rule; give rule=second_score")
    if is_concrete(auction.entry_cost) and not float(auction.entry_cost) > 0:
        raise InputError("entry: the entry cost is 0, so that everybody bids; give entry_cost= dollars per query")
    if is_concrete(auction.reserve) and bool(jnp.isneginf(auction.reserve).any()):
        raise InputError(
            "entry: users must be served (outside value -inf) and there is no reserve, so that nothing sets the price of a "
            "provider alone; give a reserve or an outside value"
        )
    offer = auction.surplus.max(axis=-1)
    best, reserve, cost = offer.max(axis=-1, keepdims=True), auction.reserve[:, None], auction.entry_cost
    profit = offer - reserve - cost
    return EntryEquilibria(
        enters=(profit >= 0) & (best - offer <= cost),
        nobody=best[:, 0] - auction.reserve <= cost,
        profit=profit,
        user_value=auction.reserve,
    )
