"""Rings of bidders in the second-score auction: what they gain together, and what a reserve takes back.

A ring R shares a profit that at most its best member earns: max(0, max_{i ∈ R} W_i − M_R), where M_R = max(best W outside the
ring, r) is what the user must be left. The best member bids the truth and the others stay away; each on its own would have left
max(W_2, r), so that a ring with the winner in it gains

    max(W_2, r) − max(best W outside the ring, r),

W_2 − W_3 for the two best without a reserve (Graham & Marshall, J. Polit. Econ. 95, 1987). The user pays for it, welfare stays.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from games.errors import InputError, unknown_name
from games.market import Market
from games.readable import readable
from games.score_auction import Bids, ScoreAuction
from games.users import Users, Values
from solver.compile import compiled
from solver.mechanisms.second_score import reserve_of
from solver.misreport import misreport_gain

Members = Bool[Array, " providers"]
GivenMembers = Sequence[str | int] | Members | Bool[np.ndarray, " providers"]
# Rings of all sizes are enumerated where segments disagree on who is best: 2^20 sets.
MAX_PROVIDERS = 20


class Ring(eqx.Module):
    """A ring at its best play; dollars per query.

    Args:
        members: who belongs to it.
        gain: what its members earn more together than each on its own, over all segments; infinite if everybody
            belongs to it and there is no reserve, since then nothing sets the price.
        segment_gain: the same in every segment; users of the segment pay this much more.
        taken_back: gain without a reserve less ``gain``.
        defection_gain: the largest gain of each provider by leaving the ring's play, the others in place: 0, so that the
            ring needs no enforcement.
    """

    __repr__ = readable

    members: Bool[Array, " providers"]
    gain: Float[Array, ""]
    segment_gain: Float[Array, " segments"]
    taken_back: Float[Array, ""]
    defection_gain: Float[Array, " providers"]


class BestRings(eqx.Module):
    """The most profitable ring of every size, from one member to all; dollars per query.

    Args:
        members: who belongs to it; among equals the set listed first.
        gain: see ``Ring``.
    """

    __repr__ = readable

    members: Bool[Array, "sizes providers"]
    gain: Float[Array, " sizes"]


def ring(market: Market, users: Users, members: GivenMembers, *, reserve: Values | str | None = None) -> Ring:
    """What a ring gains in the second-score auction.

    Args:
        market: N providers.
        users: S segments; the ring's members may agree anew in each.
        members: names or indices of the members, or a mask ``[providers]``.
        reserve: dollars per query, or a kind as in ``solver.mechanisms.SecondScore``.

    Raises:
        InputError: a member that does not exist, a mask of another length, or no member.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> members = ["R1-D-Qwen-7B", "R1-D-Llama-8B"]
        >>> found = ring(scenario.market, scenario.users, members)
        >>> held = ring(scenario.market, scenario.users, members, reserve=0.015)
        >>> f"{found.gain:.5f} {held.gain:.5f} {held.taken_back:.5f} {found.defection_gain.max():.5f}"
        '0.00266 0.00025 0.00241 0.00000'
    """
    chosen = _mask(market, members)
    auction = ScoreAuction(market, users, reserve=0.0).with_reserve(reserve_of(reserve, market, users))
    return _at_best_play(auction, chosen)


def best_rings(market: Market, users: Users, *, reserve: Values | str | None = None) -> BestRings:
    """The most profitable ring of each size.

    With one segment it consists of the best offers; with several all sets of members are tried.

    Args:
        market: N providers, at most 20 with several segments.
        users: S segments.
        reserve: as in ``ring``.

    Raises:
        InputError: several segments and more than 20 providers.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> found = best_rings(scenario.market, scenario.users, reserve="V0")
        >>> [f"{gain * 1e6:.1f}" for gain in found.gain[:4]]
        ['0.0', '173.3', '510.9', '854.6']
    """
    auction = ScoreAuction(market, users, reserve=0.0).with_reserve(reserve_of(reserve, market, users))
    if users.num_segments == 1:
        order = jnp.argsort(-auction.surplus[0].max(axis=-1), stable=True)
        rank = jnp.argsort(order)
        sets = rank[None, :] <= jnp.arange(market.num_providers)[:, None]
        return BestRings(sets, _gains(auction, sets))
    if market.num_providers > MAX_PROVIDERS:
        raise InputError(
            f"best_rings: {market.num_providers} providers and {users.num_segments} segments, too many sets to try (at most "
            f"{MAX_PROVIDERS} providers); take one segment at a time, or ask solver.ring.ring about the rings you suspect"
        )
    bits = np.arange(1, 2**market.num_providers)
    sets = (bits[:, None] >> np.arange(market.num_providers)) & 1 == 1
    gains, sizes = np.asarray(_gains(auction, jnp.asarray(sets))), sets.sum(axis=1)
    best = [np.flatnonzero(sizes == n)[gains[sizes == n].argmax()] for n in range(1, market.num_providers + 1)]
    return BestRings(jnp.asarray(sets[best]), jnp.asarray(gains[best]))


def ring_bids(auction: ScoreAuction, members: Members) -> Bids:
    """The ring's play: in each segment its best member bids the truth, the others stay out; outsiders bid the truth."""
    scores = jnp.where(members, auction.surplus.max(axis=-1), -jnp.inf)
    spokesman = jnp.arange(scores.shape[1]) == jnp.argmax(scores, axis=-1)[:, None]
    return auction.honest(~members | spokesman)


@compiled
def _gains(auction: ScoreAuction, sets: Bool[Array, "sets providers"]) -> Float[Array, " sets"]:
    return jax.lax.map(
        lambda members: auction.users.weight @ _segment_gain(auction, members, auction.reserve), sets, batch_size=1024
    )


def _segment_gain(
    auction: ScoreAuction, members: Members, reserve: Float[Array, " segments"]
) -> Float[Array, " segments"]:
    """The module's formula; 0 where the winner is no member, or nothing is sold."""
    scores = auction.surplus.max(axis=-1)
    winner: Int[Array, " segments"] = jnp.argmax(scores, axis=-1)
    alone = jnp.arange(scores.shape[1]) == winner[:, None]
    left = jnp.maximum(jnp.where(alone, -jnp.inf, scores).max(axis=-1), reserve)
    left_to_ring = jnp.maximum(jnp.where(members, -jnp.inf, scores).max(axis=-1), reserve)
    profits = members[winner] & (scores.max(axis=-1) >= reserve)
    # Without a rival and a reserve nothing was left in the first place, and there is nothing to gain.
    gain = jnp.where(jnp.isneginf(left), 0.0, left - left_to_ring)
    return jnp.where(profits, gain, 0.0)


@compiled
def _at_best_play(auction: ScoreAuction, members: Members) -> Ring:
    weight = auction.users.weight
    gain = _segment_gain(auction, members, auction.reserve)
    without = _segment_gain(auction, members, jnp.full(auction.reserve.shape, -jnp.inf))
    # Where there is no reserve nothing is taken back, and infinite gains have no difference.
    taken_back = jnp.where(jnp.isneginf(auction.reserve), 0.0, without - gain)
    return Ring(
        members=members,
        gain=weight @ gain,
        segment_gain=gain,
        taken_back=weight @ taken_back,
        defection_gain=weight @ misreport_gain(auction, ring_bids(auction, members)).gain,
    )


def _mask(market: Market, members: GivenMembers) -> Members:
    """Members as a mask, checked."""
    given = np.asarray(members)
    if given.dtype == bool:
        if given.shape != (market.num_providers,):
            raise InputError(f"ring: the mask of members has shape {given.shape} for {market.num_providers} providers")
        chosen = given
    else:
        chosen = np.zeros(market.num_providers, bool)
        for member in given.tolist():
            if isinstance(member, str) and member not in market.providers:
                raise unknown_name("provider", member, market.providers)
            index = market.providers.index(member) if isinstance(member, str) else int(member)
            if not 0 <= index < market.num_providers:
                raise InputError(f"ring: member {index} does not exist; providers are numbered 0 to {len(chosen) - 1}")
            chosen[index] = True
    if not chosen.any():
        raise InputError("ring: no member; name at least one provider")
    return jnp.asarray(chosen)
