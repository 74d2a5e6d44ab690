"""Users who can have their outside value take nothing worse: in every auction, in every command that holds one."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from games import (
    LevelOffers,
    Market,
    PrivateCosts,
    SecondScoreAuction,
    SmoothAuction,
    UniformCosts,
    Users,
    load_scenario,
)
from games.errors import InputError
from games.pay_per_compute import PayPerCompute
from games.router import ArgmaxRouter
from solver import Stages, efficiency, parametric_bootstrap
from solver.cli import app
from solver.explorer import engine
from solver.explorer.state import state_of
from solver.grid import Grid
from solver.mechanisms import FirstScore, PostedPrice, Router, SecondScore, TruthfulLogit, VerifiedQuality
from solver.sweep import sweep_grid

NAME = "GPQA/reasoning_effort"
NUMBERS = np.array([-np.inf, -0.5, -0.1, 0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.2])
# What users' outside value must not lower there, and the figure that says so. With V0 = -inf and a reserve of its own an
# auction may serve nobody, who then has no value at all: finite outside values only.
THEOREMS = {
    "second-score": (SecondScore(), "user_value", 0),
    "split ties": (SecondScore(split_ties=True), "user_value", 0),
    "a number": (SecondScore(reserve=0.4), "user_value", 1),
    "entry cost": (SecondScore(entry_cost=0.05), "user_value", 1),
    "entry cost and a number": (SecondScore(reserve=0.4, entry_cost=0.05), "user_value", 1),
    "user-optimal": (SecondScore(reserve="user-optimal"), "user_value", 0),
    "revenue-optimal": (SecondScore(reserve="revenue-optimal"), "user_value", 1),
    "first-score": (FirstScore(), "user_value", 0),
    "verified-quality": (VerifiedQuality(), "user_value", 0),
    "argmax-router": (Router(ArgmaxRouter()), "user_value", 1),
    "truthful-logit": (TruthfulLogit(), "consumer_surplus", 0),
    "posted-price": (PostedPrice(), "consumer_surplus", 1),
}


def markets(count=24, seed=0):
    rng = np.random.default_rng(seed)
    # W = α accuracy − cost lies on both sides of 0 and of every outside value.
    return rng.uniform(0.0, 1.0, (count, 3, 2)), rng.uniform(0.0, 0.6, (count, 3, 2))


@pytest.mark.parametrize("case", THEOREMS)
def test_raising_the_outside_value_never_lowers_users_value(case):
    mechanism, figure, first = THEOREMS[case]
    accuracy, cost = (jnp.asarray(x) for x in markets())

    def value(accuracy, cost, outside):
        ones = jnp.ones(cost.shape)
        users = Users([1.0, 0.7], 20.0, weight=[1, 2], outside_value=jnp.stack([outside, outside]), baseline=0.0)
        market = Market(accuracy, ones, cost + 0.1, cost, ones > 0, (), ())
        if case == "posted-price":
            chosen = PostedPrice(levels=jnp.argmax(users.quality(accuracy)[0] - cost, axis=1))
            outcome = chosen.outcome(market, users)
        else:
            outcome = mechanism.outcome(market, users)
        # One reserve for all segments trades them off: only their mean is sure to rise.
        found = getattr(outcome, figure)
        return outcome.mean(found)[None] if case == "user-optimal" else found

    numbers = jnp.asarray(NUMBERS[first:])
    found = jax.jit(jax.vmap(jax.vmap(value, (None, None, 0)), (0, 0, None)))(accuracy, cost, numbers)
    steps = np.diff(np.asarray(found), axis=1)
    assert np.isfinite(steps).all()
    assert steps.min() >= -1e-9
    assert (steps > 1e-3).any(axis=(0, 2)).any()  # and it does raise it somewhere
    if figure == "user_value" and case != "user-optimal":
        below = np.asarray(found) - np.where(np.isfinite(numbers), numbers, -np.inf)[None, :, None]
        assert below.min() >= -1e-9  # nobody gets less than the outside value


def test_noise_can_turn_a_better_outside_option_into_a_loss():
    """Pay-per-compute, and the reserve that follows it: users choose the worse option more often, so no theorem there."""
    market = Market.from_arrays(accuracy=[[0.5]], tokens=[[1e4]], price_per_million=1.0)
    low, high = (PayPerCompute(market, Users(0.06, 100.0, outside_value=v, baseline=0.0)) for v in (-0.1, -0.01))
    profile = jnp.zeros(1, int)
    assert float(high.expected_user_value(profile)) < float(low.expected_user_value(profile)) - 1e-3
    harmless = [
        SecondScoreAuction(game.market, game.users, reserve="no-harm", posted=profile).outcome() for game in (low, high)
    ]
    assert float(harmless[1].user_value[0]) < float(harmless[0].user_value[0]) - 1e-3


@pytest.mark.parametrize(("outside", "sold"), [(0.05, False), (0.0157, True)])
def test_every_way_to_hold_the_auction_leaves_users_their_outside_value(outside, sold):
    """W is .0160, .0153 and .0126; before, .0153 was paid out whatever users could have."""
    scenario = load_scenario(NAME)
    users = Users(scenario.users.value_per_correct, 1000.0, outside_value=outside)
    game = PayPerCompute(scenario.market, users)
    best = float(game.surplus.max())
    welfare = best if sold else outside
    verdict = efficiency(game)
    assert (int(verdict.auction.winner[0]) >= 0) is sold
    for row in [row for row in verdict.ledger if row.name.startswith("auction")]:  # the no-harm reserve too
        assert row.users >= outside
        assert row.welfare == pytest.approx(welfare, rel=1e-12)
    assert float(verdict.auction.user_value[0]) == pytest.approx(outside, rel=1e-12)
    stages = Stages(dynamics=False, mechanisms=("second-score", "second-score-no-harm"))
    swept = sweep_grid(Grid.of(scenario.market, users, {"rationality": [1000.0]}), stages=stages)
    assert float(swept.auction_user_value[0]) == pytest.approx(outside, rel=1e-12)
    assert float(swept.auction_welfare[0]) == pytest.approx(welfare, rel=1e-12)
    assert float(swept.mechanism_user_value.min()) >= outside
    state = state_of(load_scenario(NAME))
    ledger = engine.solve(replace(state, outside_value=outside, rationality=1000.0)).auction_ledger
    assert (ledger.users, ledger.welfare) == pytest.approx((outside, welfare), rel=1e-12)
    drawn = parametric_bootstrap(scenario.market, 198, users, [1000.0], replicates=20)
    assert float(drawn.replicates.auction_user_value.min()) >= outside


def test_soft_auctions_and_private_costs_know_the_outside_value():
    market = Market.from_arrays(accuracy=[[0.5], [0.4]], tokens=[[10], [10]], price_per_million=1.0)
    users = Users(1.0, 10.0, outside_value=0.45, baseline=0.0)
    soft = SmoothAuction.from_market(market, users, temperature=1e-4)
    assert float(soft.user_value(soft.surplus)) == pytest.approx(0.45, abs=1e-6)  # before: .4
    content = SmoothAuction.from_market(market, Users(1.0, 10.0, outside_value=0.8, baseline=0.0), temperature=1e-4)
    assert float(content.user_value(content.surplus)) == pytest.approx(0.8, abs=1e-6)  # before: 0
    one = LevelOffers(score=jnp.ones(1), cost=jnp.ones(1))
    game = PrivateCosts.symmetric(one, UniformCosts(0.0, 1.0), 2, outside_value=0.3)
    assert float(game.reserve) == 0.3
    assert float(PrivateCosts.symmetric(one, UniformCosts(0.0, 1.0), 2, outside_value=-np.inf).reserve) == -np.inf
    captive = PrivateCosts.from_market(market, Users(1.0, 10.0, outside_value=-np.inf))
    assert (float(captive.reserve), float(captive.outside_value)) == (-np.inf, 0.0)


@pytest.mark.parametrize("outside", [0.0, 0.012, 0.0157, 0.05])
def test_the_user_optimal_reserve_works_in_efficiency(outside):
    scenario = load_scenario(NAME)
    users = Users(scenario.users.value_per_correct, 1000.0, outside_value=outside)
    game = PayPerCompute(scenario.market, users)
    verdict = efficiency(game, reserve="user-optimal")
    assert float(verdict.auction.user_value[0]) == pytest.approx(max(float(game.surplus.max()), outside), rel=1e-9)
    assert any(row.name == "auction, reserve user-optimal" for row in verdict.ledger)


def test_the_user_optimal_reserve_works_under_uncertainty():
    """One number for all draws; no other number does better over them."""
    scenario = load_scenario(NAME)
    users = Users(scenario.users.value_per_correct, 1000.0, outside_value=0.012)

    def mean(reserve):
        drawn = parametric_bootstrap(scenario.market, 198, users, [1000.0], replicates=20, reserve=reserve)
        return float(drawn.replicates.auction_user_value.mean())

    best = mean("user-optimal")
    assert best > mean(None) + 1e-5
    assert best >= max(mean(r) for r in np.linspace(0.012, 0.018, 13)) - 1e-12
    with pytest.raises(InputError, match="'V0', 'user-optimal' or dollars"):
        mean("no-harm")
    words = ["uncertainty", NAME, "--questions", "198", "--replicates", "20", "--rationality", "1000"]
    said = CliRunner().invoke(app, [*words, "--reserve", "user-optimal"])
    assert said.exit_code == 0, said.output
    assert "The auction with reserve user-optimal" in " ".join(said.output.split())
    solved = CliRunner().invoke(app, ["solve", NAME, "--reserve", "user-optimal"])
    assert solved.exit_code == 0, solved.output
    assert "Auction with reserve user-optimal: R1-D-Qwen-7B wins" in " ".join(solved.output.split())
    refused = CliRunner().invoke(app, [*words, "--reserve", "no-harm"])
    assert refused.exit_code != 0
