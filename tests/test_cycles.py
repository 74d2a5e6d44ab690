"""Cycles of best replies with several segments of users: found, named, and replayed by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cycles import has_pure_equilibrium, random_market, study
from solver import Status, best_response_dynamics, brute_force, two_player_equilibria

SEED = 7


def best_reply_by_hand(game, profile, provider):
    """The level that earns most, every level tried in the game itself; stays where it is as good as any."""
    payoffs = []
    for level in range(game.mask.shape[1]):
        changed = list(profile)
        changed[provider] = level
        payoffs.append(float(game.payoffs(jnp.array(changed))[provider]))
    best = int(np.argmax(payoffs))
    return profile[provider] if payoffs[profile[provider]] >= payoffs[best] * (1 - 1e-9) else best


def test_a_seeded_market_cycles_and_has_no_pure_equilibrium():
    @jax.jit
    @jax.vmap
    def status(number):
        game = random_market(jax.random.fold_in(jax.random.key(SEED), number), 2, 4, 2)
        return best_response_dynamics(game, max_rounds=200).status, has_pure_equilibrium(game)

    statuses, pure = (np.asarray(column) for column in status(jnp.arange(200)))
    cycling = np.flatnonzero(statuses == Status.CYCLE)
    assert 1 <= len(cycling) <= 20
    assert not np.any(statuses == Status.MAX_ROUNDS)
    game = random_market(jax.random.fold_in(jax.random.key(SEED), int(cycling[0])), 2, 4, 2)
    play = best_response_dynamics(game, max_rounds=200, record=True)
    assert play.describe().startswith("cycle")
    profile = [0, 0]
    for round_number in range(1, int(play.num_rounds) + 1):
        for provider in range(2):
            profile[provider] = best_reply_by_hand(game, profile, provider)
        assert profile == play.trajectory[round_number].tolist()
    assert profile == play.trajectory[int(play.num_rounds) - int(play.cycle_length)].tolist()
    assert (len(brute_force(game).equilibria) > 0) == bool(pure[cycling[0]])
    assert not pure[cycling[0]]
    found = two_player_equilibria(game)
    assert len(found) % 2 == 1
    assert float(found.max_regret.max()) < 1e-9
    assert float(found.profiles.max(axis=2).min(axis=1).max()) < 1


def test_one_segment_never_cycles_in_turns():
    counts = study((2, 4, 1), 500, SEED)
    assert counts["in turns"] == counts["no pure equilibrium"] == counts["unsettled"] == 0
    assert counts["all at once"] > 0
