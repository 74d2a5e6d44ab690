"""Derivatives of equilibria: closed forms, central differences, an unrolled solve; folds and bounds; tuning."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from continuous_games import symmetric

from games import ContinuousCompute, ContinuousLogit, InputError, PerToken, load_scenario
from games.demand import log_sum_of_others
from games.instruments import (
    cap_compute,
    cap_list_price,
    regulate_margin,
    scale_list_price,
    set_levy,
    set_margin,
    set_rationality,
    set_value_per_correct,
    tax_users,
)
from solver import Regularity, continuous_bounds, differentiable_equilibrium, provision_identity, sensitivities, tune
from solver.tuning import user_value

SCENARIO = load_scenario("GSM8K/majority")
GAME = ContinuousCompute(SCENARIO.market, SCENARIO.users)


def of_everything(t):
    """β, α, all list prices, a tax on users, a cap on compute, and the accuracy of one level of one provider."""
    game = set_value_per_correct(set_rationality(GAME, t[0]), t[1])
    game = cap_compute(tax_users(scale_list_price(game, t[2]), t[3]), t[4])
    curves = GAME.quality.curves
    curves = type(curves).from_points(curves.log_tokens, curves.accuracy.at[0, 4].set(t[5]), curves.count)
    return eqx.tree_at(lambda g: g.quality.curves, game, curves)


POINT = jnp.array([1000.0, 0.008, 1.0, 0.002, 11000.0, float(GAME.quality.curves.accuracy[0, 4])])


@pytest.fixture(scope="module")
def everything():
    return sensitivities(of_everything, POINT)


def test_central_differences(everything):
    found = everything
    assert int(found.regularity) == Regularity.REGULAR
    assert found.held.sum() > 0
    steps = np.array([1e-4 if k != 4 else 1e-5 for k in range(len(POINT))]) * np.asarray(POINT)
    moved = np.asarray(POINT) + np.concatenate([np.diag(steps), -np.diag(steps)])

    @jax.jit
    @jax.vmap
    def outcomes(t):
        game = of_everything(t)
        x = continuous_bounds(game).least
        return {"log_compute": x, "welfare": game.welfare(x), "user_value": game.expected_user_value(x)}

    for name, values in outcomes(jnp.asarray(moved)).items():
        up, down = np.split(np.asarray(values), 2)
        for k, step in enumerate(steps):
            difference = (up[k] - down[k]) / (2 * step)
            derivative = np.asarray(found.derivatives[name])[..., k]
            np.testing.assert_allclose(
                derivative, difference, rtol=1e-5, atol=1e-5 * np.max(np.abs(difference)), err_msg=f"{name} {k}"
            )


BETAS = np.array([0.5, 1.0, 2.0, 5.0])


def equilibrium_at(beta):
    return differentiable_equilibrium(symmetric(beta)).log_compute


@pytest.fixture(scope="module")
def forward():
    """The symmetric game's equilibrium and its derivative in β, at every β."""
    both = jax.jit(jax.vmap(lambda b: jax.jvp(equilibrium_at, (b,), (1.0,))))
    return tuple(np.asarray(x) for x in both(jnp.asarray(BETAS)))


def test_closed_form_forward_reverse_and_vmap(forward):
    """θ = (a + n/(β(n − 1)))/κ: dx/dβ = −n/(β²(n − 1)κθ)."""
    theta = (2 + 3 / (2 * BETAS)) / 0.5
    expected = -3 / (BETAS**2 * 2 * 0.5 * theta)
    reverse = jax.jit(jax.vmap(jax.grad(lambda b: equilibrium_at(b).sum())))(jnp.asarray(BETAS))
    np.testing.assert_allclose(forward[1], np.broadcast_to(expected[:, None], (4, 3)), rtol=1e-9)
    np.testing.assert_allclose(reverse, 3 * expected, rtol=1e-9)


def test_unrolled_solve(forward):
    """The same derivative through eighty damped Newton replies, written out and differentiated step by step."""

    def unrolled(beta):
        game = symmetric(beta)

        def reply(x, _):
            others = log_sum_of_others(game.log_attraction(x), game.log_outside_attraction)[0]

            def payoff(y, r, i):
                full = jnp.zeros(3).at[i].set(y)
                return game.log_unit_profit(full)[i] - jax.nn.softplus(r - game.log_attraction(full)[0, i])

            every = jnp.arange(3)
            slope = jax.vmap(jax.grad(payoff))(x, others, every)
            bend = jax.vmap(jax.grad(jax.grad(payoff)))(x, others, every)
            return x - 0.7 * slope / bend, None

        return jax.lax.scan(reply, jnp.full(3, 1.8), None, length=80)[0]

    value, derivative = jax.jit(lambda b: jax.jvp(unrolled, (b,), (1.0,)))(BETAS[2])
    np.testing.assert_allclose(value, forward[0][2], atol=1e-10)
    np.testing.assert_allclose(derivative, forward[1][2], rtol=1e-8)


def test_held_providers_follow_their_cap(everything):
    moved = everything.derivatives["log_compute"]
    held = np.asarray(everything.held)
    capped = held & np.asarray(GAME.upper > jnp.log(POINT[4]))
    assert 0 < capped.sum() < 9
    np.testing.assert_allclose(moved[capped, 4], 1 / POINT[4], rtol=1e-12)
    assert bool(jnp.all(jnp.abs(moved[~held, 4]) < 1 / POINT[4]))
    others = np.array([0, 1, 2, 3, 5])
    assert np.all(np.asarray(moved)[np.ix_(held, others)] == 0)


def test_bound_just_binding_is_reported():
    game = symmetric(2.0)
    free = continuous_bounds(game).least

    def capped(t):
        return eqx.tree_at(lambda g: g.upper, game, game.upper.at[0].set(t[0]))

    for cap, expected in ((free[0], Regularity.BOUND_JUST_BINDING), (free[0] - 0.1, Regularity.REGULAR)):
        found = sensitivities(capped, cap[None])
        assert int(found.regularity) == expected
        assert all(bool(jnp.all(jnp.isfinite(d))) for d in found.derivatives.values())


class Quartic(eqx.Module):
    """q = tx − x⁴: at t = 0 the best reply moves with infinite speed."""

    tilt: jax.Array

    def __call__(self, x):
        return (self.tilt * x - x**4)[None]


class Flat(eqx.Module):
    """The same amount whatever the compute."""

    amount: jax.Array

    def __call__(self, x):
        return self.amount + 0 * x


def quartic(tilt):
    one = jnp.ones(1)
    return ContinuousLogit(
        Quartic(tilt * one), Flat(one), Flat(0.5 * one), Flat(0 * one), -one, one, one, jnp.zeros(1), one
    )


def test_singular_equations_are_reported():
    found = sensitivities(lambda t: quartic(t[0]), jnp.zeros(1), near=jnp.zeros(1))
    assert int(found.regularity) == Regularity.SINGULAR
    assert all(bool(jnp.all(jnp.isfinite(d))) for d in found.derivatives.values())
    assert "do not exist" in found.describe()
    # Away from it: x = (t/4)^(1/3), so that dx/dt = x/(3t).
    regular = sensitivities(lambda t: quartic(t[0]), jnp.array([0.5]), near=jnp.array([0.4]))
    assert int(regular.regularity) == Regularity.REGULAR
    np.testing.assert_allclose(regular.values["log_compute"], 0.125 ** (1 / 3), rtol=1e-9)
    np.testing.assert_allclose(regular.derivatives["log_compute"], 0.125 ** (1 / 3) / 1.5, rtol=1e-6)


def test_no_equilibrium_is_reported():
    found = differentiable_equilibrium(quartic(jnp.asarray(1.0)), near=jnp.array([-0.9]))
    x, tilt = found.log_compute[0], 1.0
    assert (int(found.regularity) == Regularity.NOT_STATIONARY) == (abs(float(tilt - 4 * x**3)) > 1e-3)


def test_tune_recovers_the_rationality_and_the_margin_without_loss():
    """β* = n/((n − 1)am), and the margin m* = n/((n − 1)aβ) at which the price of anarchy is 1."""
    found = tune(lambda t: symmetric(t[0]), [1.0], lower=[0.2], upper=[20.0], num_starts=1)
    np.testing.assert_allclose(found.after.parameters, 3.0, rtol=1e-5)
    assert found.gain > 0
    assert float(found.after.max_regret) < 1e-9
    base = symmetric(2.0)
    found = tune(lambda t: regulate_margin(base, t[0]), [0.25], lower=[0.05], upper=[2.0], num_starts=1)
    np.testing.assert_allclose(found.after.parameters, 3 / (2 * 2 * 2.0), rtol=1e-5)
    best = 2 * np.log(5.0) - 0.4 * 5.0
    np.testing.assert_allclose(best / float(found.after.objective), 1.0, atol=1e-10)
    rows = provision_identity(regulate_margin(base, found.after.parameters[0]), found.after.log_compute)
    assert all(abs(row.marginal_surplus) < 1e-4 * row.marginal_price for row in rows)
    assert "before" in found.describe()


def test_tune_on_a_measured_market_for_users():
    """A cap on compute: no setting of a grid beats the tuned one."""
    found = tune(
        lambda t: cap_compute(GAME, t[0]), [20000.0], lower=[500.0], upper=[20000.0], objective=user_value, num_starts=2
    )
    worth = jax.jit(lambda game, x: game.expected_user_value(x))
    capped = [cap_compute(GAME, t) for t in np.geomspace(500.0, 20000.0, 60)]
    value = max(float(worth(game, continuous_bounds(game).least)) for game in capped)
    assert float(found.after.user_value) >= value * (1 - 1e-9)
    assert found.gain > 0
    for outcome in (found.before, found.after):
        parts = outcome.user_value + outcome.profit + outcome.revenue
        np.testing.assert_allclose(outcome.welfare, parts, rtol=1e-12)


def test_taxes_on_providers_and_margins_move_nothing():
    """Profit per query is proportional to compute, and a constant factor of payoffs changes no reply; users' taxes do."""
    reference = continuous_bounds(GAME).least
    for game in (set_levy(GAME, 0.01), set_levy(GAME, -0.05), set_margin(GAME, 1.0)):
        np.testing.assert_allclose(continuous_bounds(game).least, reference, atol=1e-9)
    assert bool(jnp.all(continuous_bounds(tax_users(GAME, 0.02)).least <= reference + 1e-12))
    assert float(jnp.max(jnp.abs(continuous_bounds(tax_users(GAME, 0.02)).least - reference))) > 0.01
    assert float(cap_list_price(GAME, 0.1).price.rate.max()) == pytest.approx(1e-7)


def test_bad_input():
    with pytest.raises(InputError, match="outside"):
        tune(lambda t: symmetric(t[0]), [1.0], lower=[2.0], upper=[3.0])
    with pytest.raises(InputError, match="finite"):
        tune(lambda t: symmetric(t[0]), [1.0], lower=[0.0], upper=[np.inf])
    flat = eqx.tree_at(lambda g: g.price, symmetric(1.0), Flat(jnp.ones(3)))
    with pytest.raises(InputError, match="PerToken"):
        set_margin(flat, 0.2)
    with pytest.raises(InputError, match="accuracy"):
        set_value_per_correct(symmetric(1.0), 1.0)
    assert isinstance(set_margin(symmetric(1.0), 0.2).cost, PerToken)
