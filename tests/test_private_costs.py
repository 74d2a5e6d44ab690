"""Private costs: pseudotypes and their distributions, against NumPy and closed forms; bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import (
    CurveOffers,
    InputError,
    LevelOffers,
    PowerCosts,
    PowerQuality,
    PrivateCosts,
    ProportionalCost,
    UniformCosts,
    Users,
    load_scenario,
)

ONE_LEVEL = LevelOffers(jnp.ones(1), jnp.ones(1))


def test_a_market_by_numpy():
    """k is the best level's surplus; F and f follow from it by counting a fine grid of θ."""
    scenario = load_scenario("GPQA/majority")
    market = scenario.market
    game = PrivateCosts.from_market(market, scenario.users, lower=0.5, upper=2.0)
    quality = np.asarray(scenario.users.quality(market.accuracy))[0]
    thetas = np.linspace(0.5, 2.0, 20_001)
    surplus = np.where(market.mask, quality - thetas[:, None, None] * np.asarray(market.cost), -np.inf).max(axis=2)
    at = jax.jit(jax.vmap(game.pseudotype))
    np.testing.assert_allclose(at(jnp.broadcast_to(thetas[:, None], surplus.shape)), surplus, rtol=1e-13)
    assert (np.asarray(np.argmax(quality - 0.5 * market.cost, 1) != np.argmax(quality - 2.0 * market.cost, 1))).any()
    low, high = (np.asarray(x) for x in game.bounds)
    k = low + np.linspace(0.01, 0.99, 57)[:, None] * (high - low)
    share = np.asarray(jax.jit(jax.vmap(game.cdf))(jnp.asarray(k)))
    counted = (surplus[None] <= k[:, None]).mean(axis=1)
    np.testing.assert_allclose(share, counted, atol=2e-4)
    np.testing.assert_allclose(jax.jit(jax.vmap(game.quantile))(jnp.asarray(share)), k, rtol=1e-12)
    # The density integrates to the distribution function: its mean over a uniform grid, jumps at changes of level.
    fine = low + (np.arange(4000)[:, None] + 0.5) / 4000 * (high - low)
    density = np.asarray(jax.jit(jax.vmap(game.pdf))(jnp.asarray(fine)))
    np.testing.assert_allclose(density.mean(axis=0) * (high - low), 1.0, rtol=2e-3)


def test_curves_in_closed_form():
    """V = s√q, c = θq: q = (s/2θ)², k = s²/(4θ); with the score s√q/2 + q/2, k = s²/(16θ − 8)."""
    rng = np.random.default_rng(0)
    scale, power = rng.uniform(0.5, 2.0, 6), rng.uniform(1.0, 3.0, 6)
    low, high = rng.uniform(1.0, 1.5, 6), rng.uniform(1.6, 3.0, 6)
    value = PowerQuality(scale, 0.5 * np.ones(6))
    costs = PowerCosts(low, high, power)
    theta = jnp.asarray(low + rng.uniform(size=6) * (high - low))
    bounds = jnp.zeros(6), jnp.full(6, 4.0)
    half = 0.5 * jnp.ones(6)

    @jax.jit
    @jax.vmap
    def solve(slope, share):
        score = PowerQuality(share * scale, half, slope=slope * jnp.ones(6))
        game = PrivateCosts(CurveOffers(score, ProportionalCost(), *bounds, value=value), costs)
        k = game.pseudotype(theta)
        return k, game.parameter(k), game.cdf(k), game.pdf(k), game.excess(theta)

    for rule, row in enumerate(zip(*solve(jnp.array([0.0, 0.5]), jnp.array([1.0, 0.5])), strict=True)):
        k, parameter, share, density, excess = row
        expected = scale**2 / (16 * theta - 8) if rule else scale**2 / (4 * theta)
        np.testing.assert_allclose(k, expected, rtol=1e-13)
        np.testing.assert_allclose(parameter, theta, rtol=1e-12)
        left = (high - theta) / (high - low)
        np.testing.assert_allclose(share, left**power, rtol=1e-9)
        slope_of_k = 16 * expected / (16 * theta - 8) if rule else expected / theta
        np.testing.assert_allclose(density, power * left ** (power - 1) / (high - low) / slope_of_k, rtol=1e-7)
        root = scale / (4 * theta - 2)
        np.testing.assert_allclose(excess, scale * root / 2 - root**2 / 2 if rule else 0 * theta, atol=1e-8)
    np.testing.assert_allclose(costs.inverse_survival(costs.survival(theta)), theta, rtol=1e-12)


def test_power_costs_are_the_least_of_several():
    draws = np.random.default_rng(1).uniform(2.0, 5.0, (20_000, 3)).min(axis=1)
    costs = PowerCosts(2.0, 5.0, 3.0)
    for t in (2.2, 3.0, 4.0):
        share = float(costs.survival(jnp.array(t)))
        assert (draws >= t).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(draws)))


def two_segments():
    scenario = load_scenario("GPQA/reasoning_effort")
    return PrivateCosts.from_market(scenario.market, Users([0.01, 0.02], 1000))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PrivateCosts.symmetric(ONE_LEVEL, UniformCosts(0.0, 1.0), 0), "0 providers; give at least 1"),
        (
            lambda: PrivateCosts.symmetric(ONE_LEVEL, UniformCosts(0, 1), 1, outside_value=-np.inf),
            "one bidder and users",
        ),
        (lambda: PrivateCosts(ONE_LEVEL, UniformCosts(0.0, 1.0)), "PrivateCosts.symmetric repeats one"),
        (lambda: PrivateCosts.symmetric(ONE_LEVEL, UniformCosts(0.0, 1.0), 2, reserve=np.nan), "reserve is nan"),
        (lambda: PrivateCosts.symmetric(ONE_LEVEL, UniformCosts(0.0, 1.0), 2, reserve=-0.1), "costs: reserve is -0.1"),
        (lambda: PrivateCosts.symmetric(ONE_LEVEL, UniformCosts(0.0, 1.0), 2, outside_value=np.inf), "outside value"),
        (
            lambda: PrivateCosts.symmetric(LevelOffers(jnp.ones(2), jnp.array([1.0, 0.0])), UniformCosts(0.0, 1.0), 2),
            "cost of provider 0 at level 1 is 0",
        ),
        (
            lambda: PrivateCosts.symmetric(LevelOffers(jnp.array([np.nan]), jnp.ones(1)), UniformCosts(0.0, 1.0), 2),
            "score of provider 0",
        ),
        (lambda: UniformCosts(1.0, 1.0), "is empty"),
        (lambda: UniformCosts(jnp.array([0.0, -1.0]), 1.0), "of provider 1 is empty, negative"),
        (lambda: PowerCosts(0.0, 1.0, 0.5), "exponent is 0.5"),
        (lambda: PowerQuality(-1.0, 0.5), "must be positive"),
        (
            lambda: PrivateCosts.symmetric(
                CurveOffers(PowerQuality(1.0, 0.5), ProportionalCost(), 2.0, 1.0), UniformCosts(1.0, 2.0), 2
            ),
            r"quality bounds \[2, 1\] of provider 0",
        ),
        (two_segments, "2 segments of users"),
    ],
)
def test_bad_input_is_explained(build, message):
    with pytest.raises(InputError, match=message):
        build()
