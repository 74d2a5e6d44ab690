"""Best, better and nearest-better replies: fixed points, cycles, trajectories, batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, NormalForm, PayPerCompute, load_scenario
from solver import DidNotConverge, Status, best_response_dynamics, paper_dynamics, pure_equilibria
from tests.markets import profiles_of, random_game

PENNIES = NormalForm(jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]]))
MEETING = NormalForm(jnp.array([[[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]]]))
ORDERS = ("sequential", "random", "simultaneous")
REPLIES = ("best", "better", "nearest_better")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reply", REPLIES)
def test_every_fixed_point_is_an_equilibrium(order, reply):
    rng = np.random.default_rng(4)
    for number in range(6):
        game = random_game(rng, 4, 4, log_rationality=2 + number / 2)
        end = best_response_dynamics(game, order=order, reply=reply, key=jax.random.key(number))
        # One segment: a potential exists, so replies in turn converge, whatever the order and the reply.
        if order != "simultaneous":
            assert end.converged
        if end.converged:
            assert tuple(end.profile.tolist()) in profiles_of(pure_equilibria(game).profiles)
            assert float(end.max_regret) <= 1.1e-9


@pytest.mark.parametrize(("order", "period"), [("sequential", 2), ("simultaneous", 4)])
def test_matching_pennies_cycles_and_says_so(order, period):
    end = best_response_dynamics(PENNIES, order=order)
    assert int(end.status) == Status.CYCLE
    assert int(end.cycle_length) == period
    assert f"period {period}" in end.describe()
    with pytest.raises(DidNotConverge, match="repeat"):
        end.require_convergence()


def test_reported_cycle_is_the_cycle_of_the_trajectory():
    end = best_response_dynamics(PENNIES, order="simultaneous", record=True, max_rounds=40)
    played = np.asarray(end.trajectory)[: int(end.num_rounds) + 1]
    period = int(end.cycle_length)
    np.testing.assert_array_equal(played[-1], played[-1 - period])
    assert all((played[-1] != played[-1 - shorter]).any() for shorter in range(1, period))


def test_simultaneous_replies_miscoordinate_where_sequential_ones_meet():
    start = jnp.array([0, 1])
    assert int(best_response_dynamics(MEETING, start=start, order="simultaneous").cycle_length) == 2
    assert best_response_dynamics(MEETING, start=start, order="sequential").require_convergence().converged


def test_random_orders_never_claim_a_cycle():
    end = best_response_dynamics(PENNIES, order="random", key=jax.random.key(1), max_rounds=50)
    assert int(end.status) == Status.MAX_ROUNDS
    assert int(end.num_rounds) == 50


@pytest.mark.parametrize("reply", REPLIES)
def test_potential_rises_every_round(reply):
    game = load_scenario("GPQA/best_of_n").game(rationality=700)
    end = best_response_dynamics(game, order="random", reply=reply, key=jax.random.key(5), record=True, max_rounds=100)
    potential = np.asarray(jax.vmap(game.log_potential)(end.trajectory))[: int(end.num_rounds)]
    assert np.all(np.diff(potential) > 0)
    assert len(potential) >= 2
    behind = np.asarray(end.trajectory)[int(end.num_rounds) :]
    assert (behind == np.asarray(end.profile)).all()


def test_nearest_better_moves_to_the_nearest_improving_level_ties_down():
    one = NormalForm(jnp.array([[3.0, 1.0, 0.0, 2.0, 9.0]])[0][None])
    moves = {2: 1, 1: 0, 3: 4, 0: 4, 4: 4}
    for start, after in moves.items():
        played = best_response_dynamics(
            one, start=jnp.array([start]), reply="nearest_better", record=True, max_rounds=1
        )
        assert int(played.trajectory[1, 0]) == after


def test_best_reply_ties_go_to_the_lowest_level_and_staying_wins_a_tie():
    tie = NormalForm(jnp.array([[0.0, 1.0, 1.0]]))
    assert int(best_response_dynamics(tie).profile[0]) == 1
    assert int(best_response_dynamics(tie, start=jnp.array([2])).profile[0]) == 2


def test_provider_with_vanishing_share_still_moves():
    """An absolute tolerance freezes it at its start, as in the published code; ours is relative."""
    game = load_scenario("AIME/reasoning_effort").game(rationality=100000)
    end = paper_dynamics(game, key=jax.random.key(0))
    underflown = np.asarray(game.payoffs(end.profile)) < 1e-8
    assert underflown.any()
    assert np.all(np.asarray(end.profile)[underflown] != 0)
    assert float(end.max_regret) <= 1e-8


def test_vmaps_over_rationality_starts_keys_and_markets():
    scenario = load_scenario("GSM8K/majority")
    rng = np.random.default_rng(0)
    starts = jnp.asarray(rng.integers(0, 6, (7, 9)))
    betas = jnp.logspace(1, 5, 7)
    keys = jax.random.split(jax.random.key(3), 7)

    def run(beta, start, key):
        game = PayPerCompute(scenario.market, scenario.users.with_rationality(beta))
        return best_response_dynamics(game, start=start, order="random", reply="nearest_better", key=key)

    batch = jax.jit(jax.vmap(run))(betas, starts, keys)
    assert "7 runs: 7 converged" in batch.describe()
    for i in range(7):
        alone = run(betas[i], starts[i], keys[i])
        np.testing.assert_array_equal(batch.profile[i], alone.profile)
        assert int(batch.num_rounds[i]) == int(alone.num_rounds)


def test_second_market_of_the_same_shape_does_not_recompile():
    """Names, numbers and tolerances are data: only shapes and settings compile."""
    traces = 0

    class Counting(PayPerCompute):
        def anonymous(self):
            return Counting(self.market.anonymous(), self.users)

        def provider_log_payoffs(self, profile, provider):
            nonlocal traces
            traces += 1
            return super().provider_log_payoffs(profile, provider)

    first = Counting(*vars_of(load_scenario("GSM8K/majority").game(300)))
    best_response_dynamics(first)
    seen = traces
    assert seen > 0
    second = Counting(*vars_of(load_scenario("GPQA/best_of_n").game(2000)))
    best_response_dynamics(second, tolerance=1e-7)
    assert traces == seen


def vars_of(game):
    return game.market, game.users


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "sequental"}, "did you mean 'sequential'"),
        ({"reply": "nearest"}, "nearest_better"),
        ({"order": "random"}, "pass key="),
        ({"reply": "better"}, "pass key="),
        ({"start": jnp.array([0, 5])}, "provider 1 level 5"),
        ({"start": jnp.array([0])}, "one level for each of 2"),
    ],
)
def test_bad_arguments_are_explained(arguments, message):
    with pytest.raises(InputError, match=message):
        best_response_dynamics(PENNIES, **arguments)
