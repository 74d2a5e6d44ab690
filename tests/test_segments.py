"""Several user segments: one rule for β, sweeps beside the verdicts of single markets, and the command line."""

import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Market, PayPerCompute, Scenario, Users
from solver import Grid, brute_force, efficiency, sweep
from solver.batch import rationality_grid

# Best replies cycle in this market at β = 1000 and beyond (docs/how-to/segments.md).
MARKET = Market.from_arrays(
    accuracy=[[0.80, 0.90], [0.70, 0.95]],
    tokens=[[1000, 10000], [5000, 10000]],
    price_per_million=2.0,
    providers=["Ada", "Bell"],
)
USERS = Users([0.005, 0.1], [500, 2000], weight=[1, 1])
SCENARIO = Scenario("two", MARKET, USERS, source="made by hand", segments=("small", "large"))


def test_one_number_scales_all_rationalities():
    for weight in ([1, 1], [3, 1]):
        users = Users([0.01, 0.02, 0.03], [500, 2000, 0], weight=[*weight, 5]).with_rationality(70.0)
        beta, share = np.asarray(users.rationality), np.array(weight) / sum(weight)
        assert np.exp(share @ np.log(beta[:2])) == pytest.approx(70, rel=1e-12)
        assert beta[1] / beta[0] == pytest.approx(4, rel=1e-12)
        assert beta[2] == 0
        assert float(users.mean_rationality) == pytest.approx(70, rel=1e-12)
    assert Users([0.01, 0.02], [0, 0]).with_rationality(3.0).rationality.tolist() == [3.0, 3.0]
    assert Users([0.01, 0.02], 7).with_rationality(3.0).rationality.tolist() == [3.0, 3.0]
    assert Users(0.01, 7).with_rationality(3.0).rationality.tolist() == [3.0]
    grid = rationality_grid(PayPerCompute(MARKET, USERS), jnp.array([70.0, 1000.0]))
    for row, beta in zip(grid.users.rationality, (70.0, 1000.0), strict=True):
        np.testing.assert_allclose(row, SCENARIO.game(beta).users.rationality, rtol=1e-12)


def test_names_of_segments_are_checked():
    assert Scenario("two", MARKET, USERS, source="").segment_names == ("segment 1", "segment 2")
    for names in (("small",), ("small", "small")):
        with pytest.raises(InputError, match="segments are called"):
            Scenario("two", MARKET, USERS, source="", segments=names)


def test_a_sweep_agrees_with_the_verdict_on_each_market():
    betas = [100.0, 1000.0, 3000.0]
    data = sweep(MARKET, USERS, betas)
    assert data.num_equilibria.values.tolist() == [1, 0, 0]
    assert data.complete.all()
    assert data.optimum_exact.all()
    for b, beta in enumerate(betas):
        verdict, row = efficiency(SCENARIO.game(beta)), data.isel(rationality=b)
        oracle = brute_force(SCENARIO.game(beta))
        assert float(row.optimal_welfare) == pytest.approx(float(oracle.optimal_welfare), rel=1e-12)
        auction = next(entry for entry in verdict.ledger if entry.name == "auction")
        assert float(row.auction_user_value) == pytest.approx(auction.users, rel=1e-12)
        assert float(row.auction_profit) == pytest.approx(auction.providers, rel=1e-12)
        np.testing.assert_allclose(row.price_of_anarchy, verdict.price_of_anarchy, rtol=1e-12)
        if len(verdict.equilibria):
            market = verdict.ledger[0]
            assert float(row.user_value) == pytest.approx(market.users, rel=1e-12)
            np.testing.assert_allclose(row.provider_profit, market.profits, rtol=1e-12)
            assert row.worst_level.values.tolist() == verdict.equilibria.worst.tolist()
            assert float(row.max_regret) <= verdict.equilibria.tolerance
        else:
            assert row.worst_level.values.tolist() == [-1, -1]
            assert all(np.isnan(float(row[name])) for name in ("user_value", "worst_welfare", "dynamics_welfare"))


def test_a_sweep_of_a_large_market_lists_what_starts_reach():
    """Twelve providers of four levels are too many profiles to try; equal segments are one, whose answer is proved."""
    rng = np.random.default_rng(0)
    market = Market.from_arrays(
        accuracy=np.sort(rng.uniform(0.3, 0.9, (12, 4)), axis=1),
        tokens=rng.uniform(100, 400, (12, 1)) * np.array([1, 4, 16, 64]),
        price_per_million=0.4,
    )
    betas = [100.0, 1000.0]
    split, one = sweep(market, Users([0.01, 0.01], 1000), betas), sweep(market, Users(0.01, 1000), betas)
    assert not split.complete.any()
    assert split.optimum_exact.all()
    for name in ("num_equilibria", "worst_level", "optimal_level"):
        np.testing.assert_array_equal(split[name], one[name])
    for name in ("optimal_welfare", "worst_welfare", "share", "user_value", "auction_welfare", "consumer_surplus"):
        np.testing.assert_allclose(split[name], one[name], rtol=1e-9)


def test_grids_take_one_segment():
    with pytest.raises(InputError, match="one segment of users"):
        Grid.of(MARKET, USERS, {"margin": [0.1, 0.2]})
