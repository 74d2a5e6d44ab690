"""Best, better and nearest-better replies in any order of moves, until nobody moves or the play repeats itself.

A round lets every provider move once. ``sequential``: in the order of the market; ``random``: in a fresh random order
every round; ``simultaneous``: all at once, against the profile of the round before. Replies: the best level (ties to the
lowest), a random one among those that improve, or the nearest that improves (ties downward) — with random order and a
start at the lowest levels the last is the dynamic of the paper. A provider moves only for a relative gain in payoff above
the tolerance, taken on logarithms: a provider whose share underflows still moves.

Deterministic dynamics that return to an earlier profile without having stopped cycle for ever; Brent's algorithm
(BIT 20, 1980) detects that in constant memory.
"""

import enum
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from games.base import FiniteGame, LogFiniteGame, is_concrete, machine_epsilon, require
from games.errors import InputError, unknown_name
from solver import masked
from solver.compile import compiled
from solver.regret import regret
from solver.result import Solution, Status

DEFAULT_TOLERANCE = 1e-9


class Order(enum.StrEnum):
    """Who moves when."""

    SEQUENTIAL = "sequential"
    RANDOM = "random"
    SIMULTANEOUS = "simultaneous"


class Reply(enum.StrEnum):
    """Which improving level a provider moves to."""

    BEST = "best"
    BETTER = "better"
    NEAREST_BETTER = "nearest_better"


class _State(NamedTuple):
    profile: Int[Array, " providers"]
    checkpoint: Int[Array, " providers"]
    since_checkpoint: Int[Array, ""]
    next_checkpoint: Int[Array, ""]
    rounds: Int[Array, ""]
    status: Int[Array, ""]
    cycle_length: Int[Array, ""]
    key: PRNGKeyArray
    trajectory: Int[Array, "rounds providers"] | None


def best_response_dynamics(
    game: FiniteGame,
    *,
    start: Int[Array, " providers"] | None = None,
    order: Order | str = Order.SEQUENTIAL,
    reply: Reply | str = Reply.BEST,
    key: PRNGKeyArray | None = None,
    tolerance: float | Float[Array, ""] = DEFAULT_TOLERANCE,
    max_rounds: int = 1000,
    record: bool = False,
) -> Solution:
    """Play replies until a fixed point, a cycle, or ``max_rounds``.

    Args:
        game: any finite game; jits, and vmaps over starts, keys, rationality and whole markets.
        start: first profile, ``[providers]``; by default every provider's level with the fewest tokens, or the first level
            of a game that knows no tokens.
        order: ``"sequential"``, ``"random"`` or ``"simultaneous"``.
        reply: ``"best"``, ``"better"`` or ``"nearest_better"``.
        key: random key, needed by random order and by ``"better"``.
        tolerance: relative gain in payoff that a move must exceed; never below the rounding of the floats in use.
        max_rounds: rounds after which to give up.
        record: keep the profile after every round in ``trajectory``.

    Returns:
        The end of the play; ``status`` says which of the three it is, ``max_regret`` certifies it independently.

    Raises:
        InputError: an unknown order or reply, a missing key, a start with levels that do not exist, or a game that lacks
            members of ``games.FiniteGame``.

    Example:
        >>> from games import load_scenario
        >>> game = load_scenario("GSM8K/majority").game(rationality=1000)
        >>> best_response_dynamics(game).describe()
        'converged: no provider has an improving reply, after 2 rounds'
    """
    require(game, FiniteGame, "dynamics")
    who, what = _member(Order, order), _member(Reply, reply)
    if key is None and (who is Order.RANDOM or what is Reply.BETTER):
        raise InputError(f"dynamics: order {who} with reply {what} is random; pass key=jax.random.key(seed)")
    if start is None:
        start = _lowest(game)
    start = jnp.asarray(start, int)
    if is_concrete(start, game.mask):
        _check_start(game.mask, start)
    unused = jax.random.key(0)
    return _play(game, start, unused if key is None else key, tolerance, who, what, max_rounds, record)


def paper_dynamics(game: FiniteGame, *, key: PRNGKeyArray, max_rounds: int = 1000, record: bool = False) -> Solution:
    """The dynamics of the paper: from the levels with the fewest tokens, random order, nearest improving level, tolerance 1e-8.

    Args:
        game: any finite game.
        key: for the order of moves.
        max_rounds: rounds after which to give up; the status then says so.
        record: keep the profile after every round.

    Example:
        >>> from games import load_scenario
        >>> game = load_scenario("GSM8K/majority").game(rationality=1000)
        >>> paper_dynamics(game, key=jax.random.key(0)).converged
        True
    """
    return best_response_dynamics(
        game,
        order=Order.RANDOM,
        reply=Reply.NEAREST_BETTER,
        key=key,
        tolerance=1e-8,
        max_rounds=max_rounds,
        record=record,
    )


def _lowest(game: FiniteGame) -> Int[Array, " providers"]:
    market = getattr(game, "market", None)
    if market is None:
        return jnp.argmax(game.mask, axis=1)
    return jnp.argmin(jnp.where(game.mask, market.tokens, jnp.inf), axis=1)


def _member(kind, value):
    try:
        return kind(value)
    except ValueError:
        raise unknown_name(kind.__name__.lower(), str(value), [str(member) for member in kind]) from None


def _check_start(mask: Bool[Array, "providers levels"], start: Int[Array, "..."]) -> None:
    providers, levels = mask.shape
    if start.shape != (providers,):
        raise InputError(
            f"dynamics: start has shape {start.shape}; it needs one level for each of {providers} providers"
        )
    for i, k in enumerate(start.tolist()):
        if not (0 <= k < levels and bool(mask[i, k])):
            raise InputError(f"dynamics: start gives provider {i} level {k}, which does not exist")


@compiled
def _play(
    game: FiniteGame,
    start: Int[Array, " providers"],
    key: PRNGKeyArray,
    tolerance: float | Float[Array, ""],
    order: Order,
    reply: Reply,
    max_rounds: int,
    record: bool,
) -> Solution:
    providers = start.shape[0]
    tolerance = jnp.maximum(tolerance, 8 * machine_epsilon())
    is_random = order is Order.RANDOM or reply is Reply.BETTER

    def round_of(state: _State) -> _State:
        key, order_key, reply_key = jax.random.split(state.key, 3)
        reply_keys = jax.random.split(reply_key, providers)
        if order is Order.SIMULTANEOUS:
            values = _deviation_values(game, state.profile)
            profile = jax.vmap(lambda v, own, k: _reply(v, own, reply, tolerance, k))(values, state.profile, reply_keys)
        else:
            turns = jnp.arange(providers)
            if order is Order.RANDOM:
                turns = jax.random.permutation(order_key, turns)

            def move(turn, profile):
                provider = turns[turn]
                values = _provider_values(game, profile, provider)
                level = _reply(values, profile[provider], reply, tolerance, reply_keys[turn])
                return profile.at[provider].set(level)

            profile = jax.lax.fori_loop(0, providers, move, state.profile)
        stopped = jnp.all(profile == state.profile)
        rounds = state.rounds + 1
        since = state.since_checkpoint + 1
        repeats = jnp.all(profile == state.checkpoint) & ~stopped & (not is_random)
        move_checkpoint = since >= state.next_checkpoint
        return _State(
            profile=profile,
            checkpoint=jnp.where(move_checkpoint, profile, state.checkpoint),
            since_checkpoint=jnp.where(move_checkpoint, 0, since),
            next_checkpoint=jnp.where(move_checkpoint, 2 * state.next_checkpoint, state.next_checkpoint),
            rounds=rounds,
            status=jnp.where(
                stopped, int(Status.CONVERGED), jnp.where(repeats, int(Status.CYCLE), int(Status.MAX_ROUNDS))
            ),
            cycle_length=jnp.where(repeats, since, 0),
            key=key,
            trajectory=None if state.trajectory is None else state.trajectory.at[rounds].set(profile),
        )

    first = _State(
        profile=start,
        checkpoint=start,
        since_checkpoint=jnp.array(0),
        next_checkpoint=jnp.array(1),
        rounds=jnp.array(0),
        status=jnp.array(int(Status.MAX_ROUNDS)),
        cycle_length=jnp.array(0),
        key=key,
        trajectory=jnp.broadcast_to(start, (max_rounds + 1, providers)) if record else None,
    )
    running = int(Status.MAX_ROUNDS)
    end = jax.lax.while_loop(lambda s: (s.status == running) & (s.rounds < max_rounds), round_of, first)
    trajectory = end.trajectory
    if trajectory is not None:
        played = jnp.arange(max_rounds + 1)[:, None] <= end.rounds
        trajectory = jnp.where(played, trajectory, end.profile)
    return Solution(
        profile=end.profile,
        payoffs=game.payoffs(end.profile),
        max_regret=regret(game, end.profile).max_regret,
        status=end.status,
        num_rounds=end.rounds,
        cycle_length=end.cycle_length,
        trajectory=trajectory,
    )


class _Values(NamedTuple):
    """Payoffs of one provider's levels on a scale where a gain is a difference, and the unit of a relative gain."""

    payoffs: Float[Array, "*providers levels"]
    unit: Float[Array, "*providers"]


def _on_scale(game: FiniteGame, payoffs: Float[Array, "*providers levels"]) -> _Values:
    """Logarithms have unit 1; plain payoffs are measured against their range over the provider's levels."""
    if isinstance(game, LogFiniteGame):
        return _Values(payoffs, jnp.ones(payoffs.shape[:-1]))
    finite = jnp.isfinite(payoffs)
    spread = jnp.max(payoffs, axis=-1) - jnp.min(jnp.where(finite, payoffs, jnp.inf), axis=-1)
    return _Values(payoffs, spread)


def _deviation_values(game: FiniteGame, profile: Int[Array, " providers"]) -> _Values:
    if isinstance(game, LogFiniteGame):
        return _on_scale(game, masked.log_deviation_payoffs(game, profile))
    return _on_scale(game, masked.deviation_payoffs(game, profile))


def _provider_values(game: FiniteGame, profile: Int[Array, " providers"], provider: Int[Array, ""]) -> _Values:
    if isinstance(game, LogFiniteGame):
        return _on_scale(game, masked.provider_log_payoffs(game, profile, provider))
    return _on_scale(game, masked.deviation_payoffs(game, profile)[provider])


def _reply(
    values: _Values, own: Int[Array, ""], reply: Reply, tolerance: Float[Array, ""], key: PRNGKeyArray
) -> Int[Array, ""]:
    """The level that the provider moves to; its own where nothing improves."""
    improves = values.payoffs > values.payoffs[own] + jnp.log1p(tolerance) * values.unit
    levels = jnp.arange(values.payoffs.shape[0])
    if reply is Reply.BEST:
        target = jnp.argmax(values.payoffs)
    elif reply is Reply.BETTER:
        target = jax.random.categorical(key, jnp.where(improves, 0.0, -jnp.inf))
    else:
        # Twice the distance, less one for going down: equal distances resolve downward.
        distance = 2 * jnp.abs(levels - own) - (levels < own)
        target = jnp.argmin(jnp.where(improves, distance, 2 * levels.size + 2))
    return jnp.where(improves.any(), target, own)
