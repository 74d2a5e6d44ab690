"""Who computes too much, level by level, in three readings of one equilibrium.

1. *Against its own best offer.* Provider i's best offer to segment s is its level of largest surplus, argmax_k W_sik with
   W = q − c: what an auction would call for. It depends on the provider alone, not on its rivals.
2. *At the margin.* The dollars of welfare per query by which one provider's own move, all others as in the equilibrium and
   users choosing anew, would change welfare: the move to its best offer (in every segment to the one there), and the move
   one level down, to the next fewer tokens. If it serves s before and s′ after, and A is the average surplus of everybody
   else's queries, unserved ones included (the move leaves A alone), then the change is s′(W′ − A) − s(W − A).
3. *Against the market optimum.* Its level in the welfare optimum at the same β, which may ask a weak provider for a level
   that users like less, so that they go to a better one. The paper compares with it; it says nothing of what is best for
   a provider's own users.

A change of less than ``IMMATERIAL`` of welfare is immaterial. See docs/theory/efficiency.md.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from games import demand
from games.pay_per_compute import PayPerCompute
from solver.compile import compiled

# A move that changes welfare by less than this fraction of it does not matter: 0.1 %.
IMMATERIAL = 1e-3
# Surpluses that differ by less than this fraction are equal: a provider at one of several best levels is at its best offer.
TIE = 1e-12
MOVERS = 128  # whose moves are computed at once


@dataclass(frozen=True)
class BestOffer:
    """A provider's best offer to one segment of users, argmax_k (q − c).

    Args:
        level: its label; of several levels of equal surplus the one played, else the lowest.
        tokens: mean output tokens per query there.
        against: ``over``, ``under`` or ``equal``: the tokens played in equilibrium against these.
    """

    level: str
    tokens: float
    against: str


@dataclass(frozen=True)
class Provision:
    """How much one provider computes in the worst equilibrium, in the three readings of the module.

    Args:
        provider: name.
        share: fraction of all queries that it serves there.
        equilibrium, optimum: label of its level there, and in the welfare optimum.
        equilibrium_tokens, optimum_tokens: mean output tokens per query there.
        best_offers: its best offer to every segment of users, in the order of the segments.
        best_offer_change: change of welfare if it alone moved to its best offer (in every segment to the one there),
            dollars per query.
        one_down: label of its level of next fewer tokens; empty if it plays its lowest.
        one_down_change: change of welfare if it alone moved there, dollars per query; 0 if it plays its lowest.
        immaterial_below: the change of welfare that does not matter yet, dollars per query: ``IMMATERIAL`` times welfare,
            in the worst equilibrium or in the optimum, whichever is farther from 0.
    """

    provider: str
    share: float
    equilibrium: str
    optimum: str
    equilibrium_tokens: float
    optimum_tokens: float
    best_offers: tuple[BestOffer, ...]
    best_offer_change: float
    one_down: str
    one_down_change: float
    immaterial_below: float

    @property
    def best_offer(self) -> str:
        """Label of its best offer; labels with `` / `` between them where segments differ."""
        return " / ".join(dict.fromkeys(offer.level for offer in self.best_offers))

    @property
    def best_offer_tokens(self) -> float:
        """Tokens per query of its best offer; NaN where they differ between segments."""
        tokens = {offer.tokens for offer in self.best_offers}
        return tokens.pop() if len(tokens) == 1 else math.nan

    @property
    def against_best_offer(self) -> str:
        """``over``, ``under`` or ``equal`` against its own best offer.

        With several segments: of those where it is not equal; ``mixed`` if it is over in one and under in another.
        """
        sides = {offer.against for offer in self.best_offers} - {"equal"}
        return "equal" if not sides else sides.pop() if len(sides) == 1 else "mixed"

    @property
    def at_the_margin(self) -> str:
        """What its own move to its best offer would do to welfare: ``gain``, ``loss`` or ``immaterial``."""
        if abs(self.best_offer_change) <= self.immaterial_below:
            return "immaterial"
        return "gain" if self.best_offer_change > 0 else "loss"

    @property
    def too_high(self) -> bool:
        """Whether it computes more than its own best offer, and its move there alone would raise welfare materially."""
        return self.against_best_offer == "over" and self.at_the_margin == "gain"

    @property
    def too_low(self) -> bool:
        """Whether it computes less than its own best offer, and its move there alone would raise welfare materially."""
        return self.against_best_offer == "under" and self.at_the_margin == "gain"

    @property
    def against_optimum(self) -> str:
        """``over``, ``under`` or ``equal`` against its level in the welfare optimum, the paper's comparison."""
        return _side(self.equilibrium_tokens, self.optimum_tokens)


class Moves(NamedTuple):
    """The moves that the first two readings look at.

    Args:
        best_offers: level of largest surplus.
        best_offer_change: change of welfare by each provider's own move there, dollars per query.
        one_down: level of next fewer tokens; the one played if there is none.
        one_down_change: change of welfare by each provider's own move there, dollars per query.
        share: of all queries, in the profile.
    """

    best_offers: Int[Array, "segments providers"]
    best_offer_change: Float[Array, " providers"]
    one_down: Int[Array, " providers"]
    one_down_change: Float[Array, " providers"]
    share: Float[Array, " providers"]


def best_offers(game: PayPerCompute, profile: Int[Array, " providers"]) -> Int[Array, "segments providers"]:
    """Every provider's level of largest surplus for every segment; of equal ones the one played, else the lowest.

    Args:
        game: the pay-per-compute game of a market; jits and vmaps.
        profile: level that every provider plays.
    """
    surplus = game.surplus
    best, played = jnp.max(surplus, axis=-1), jnp.broadcast_to(profile, surplus.shape[:2])
    ties = _at(surplus, played) >= best - TIE * jnp.abs(best)
    return jnp.where(ties, played, jnp.argmax(surplus, axis=-1))


def over_computes(game: PayPerCompute, profile: Int[Array, " providers"]) -> Bool[Array, " providers"]:
    """Whether each provider computes more tokens than its own best offer: above it in a segment, below it in none."""
    tokens = jnp.broadcast_to(game.market.tokens, game.surplus.shape)
    played = _at(tokens, jnp.broadcast_to(profile, tokens.shape[:2]))
    offered = _at(tokens, best_offers(game, profile))
    return jnp.any(played > offered, axis=0) & ~jnp.any(played < offered, axis=0)


@compiled
def moves(game: PayPerCompute, profile: Int[Array, " providers"]) -> Moves:
    """Best offers, the next lower levels, and what each provider's own move there would change.

    Args:
        game: the pay-per-compute game of a market.
        profile: level that every provider plays.
    """
    offers = best_offers(game, profile)
    tokens, mask = game.market.tokens, game.mask
    played = jnp.take_along_axis(tokens, profile[:, None], axis=1)
    fewer = mask & (tokens < played)
    # The lowest of the levels with the most of the fewer tokens.
    down = jnp.where(fewer.any(axis=1), jnp.argmax(jnp.where(fewer, tokens, -jnp.inf), axis=1), profile)
    every = jnp.broadcast_to(down, offers.shape)
    share = game.segment_weight @ game.shares(profile)
    return Moves(offers, _changes(game, profile, offers), down, _changes(game, profile, every), share)


def _changes(
    game: PayPerCompute, profile: Int[Array, " providers"], target: Int[Array, "segments providers"]
) -> Float[Array, " providers"]:
    """Change of welfare by each provider's own move to ``target``, the others as in the profile; dollars per query.

    In the module's formula A stands for the average surplus of the others, whose weights no move changes.
    """
    before = jnp.broadcast_to(profile, target.shape)
    attraction, surplus = game.log_attraction, game.surplus
    weight, at_level = _at(attraction, before), _at(surplus, before)
    others = demand.log_sum_of_others(weight, game.log_outside_attraction)
    at_level = jnp.where(jnp.isfinite(at_level), at_level, 0.0)

    def average_of_others(mover: Int[Array, ""]) -> Float[Array, " segments"]:
        """A of one mover: weights on the scale of their sum, so that none of them overflows."""
        scale = jnp.where(jnp.isfinite(others[:, mover]), others[:, mover], 0.0)
        theirs = jnp.exp(weight.at[:, mover].set(-jnp.inf) - scale[:, None])
        return (theirs * at_level).sum(axis=1) + jnp.exp(game.log_outside_attraction - scale) * game.outside_surplus

    movers = jnp.arange(target.shape[1])
    average = jax.lax.map(average_of_others, movers, batch_size=MOVERS).T

    def earned(level: Int[Array, "segments providers"]) -> Float[Array, "segments providers"]:
        """s(W − A)."""
        own_weight = _at(attraction, level)
        share = jnp.exp(own_weight - jnp.logaddexp(own_weight, others))
        lead = _at(surplus, level) - average
        return jnp.where(jnp.isfinite(lead), share * jnp.where(jnp.isfinite(lead), lead, 0.0), 0.0)

    change = jnp.where(target == before, 0.0, earned(target) - earned(before))
    return game.segment_weight @ change


def _at(
    values: Float[Array, "segments providers levels"], level: Int[Array, "segments providers"]
) -> Float[Array, "segments providers"]:
    """Pick the values of one level of every provider in every segment."""
    return jnp.take_along_axis(values, level[..., None], axis=-1)[..., 0]


def provision(
    game: PayPerCompute,
    equilibrium: Int[Array, " providers"],
    optimum: Int[Array, " providers"],
    welfare: float,
) -> tuple[Provision, ...]:
    """The three readings for every provider.

    Args:
        game: the pay-per-compute game of a market.
        equilibrium: level of every provider in the equilibrium that is judged.
        optimum: the same in the welfare optimum.
        welfare: what changes are measured by, dollars per query.
    """
    market = game.market
    tokens = np.asarray(market.tokens)
    found = jax.tree.map(np.asarray, moves(game, equilibrium))
    rows = []
    for i, (name, labels) in enumerate(zip(market.providers, market.level_labels, strict=True)):
        now, best, down = int(equilibrium[i]), int(optimum[i]), int(found.one_down[i])
        offers = tuple(
            BestOffer(labels[k], float(tokens[i, k]), _side(float(tokens[i, now]), float(tokens[i, k])))
            for k in found.best_offers[:, i].tolist()
        )
        rows.append(
            Provision(
                provider=name,
                share=float(found.share[i]),
                equilibrium=labels[now],
                optimum=labels[best],
                equilibrium_tokens=float(tokens[i, now]),
                optimum_tokens=float(tokens[i, best]),
                best_offers=offers,
                best_offer_change=float(found.best_offer_change[i]),
                one_down="" if down == now else labels[down],
                one_down_change=float(found.one_down_change[i]),
                immaterial_below=IMMATERIAL * abs(welfare),
            )
        )
    return tuple(rows)


def _side(tokens: float, yardstick: float) -> str:
    return "over" if tokens > yardstick else "under" if tokens < yardstick else "equal"
