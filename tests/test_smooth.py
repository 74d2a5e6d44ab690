"""Curves of log compute, the continuous game on measured markets, and fits."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from games import (
    ContinuousCompute,
    InputError,
    Market,
    PchipCurves,
    PerTokenAndRest,
    Users,
    load_scenario,
    scenario_names,
)
from games.fit import FORMS, LOGISTIC, POWER, QUADRATIC, WEIBULL, cross_validate, fit_curve, fit_curves
from games.instruments import set_levy, tax_users

SCENARIO = load_scenario("GSM8K/majority")


@pytest.mark.parametrize("name", ["GSM8K/best_of_n", "AIME/reasoning_effort", "GPQA/all"])
def test_curves_are_pchip(name):
    """Values and slopes are SciPy's, on falling, unsorted and ragged curves."""
    curves = PchipCurves.from_market(load_scenario(name).market)
    fractions = jnp.linspace(0.0, 1.0, 101)[:, None]
    lower, upper = curves.bounds
    grid = lower + fractions * (upper - lower)
    values = np.asarray(jax.vmap(curves)(grid))
    slopes = np.asarray(jax.vmap(jax.grad(lambda x: curves(x).sum()))(grid[1:-1]))
    for i, count in enumerate(np.asarray(curves.count)):
        x, y = np.asarray(curves.log_tokens[i, :count]), np.asarray(curves.accuracy[i, :count])
        oracle = PchipInterpolator(x, y)
        np.testing.assert_allclose(values[:, i], oracle(grid[:, i]), atol=1e-13)
        np.testing.assert_allclose(slopes[:, i], oracle(grid[1:-1, i], 1), atol=1e-9)
        inside = np.asarray(grid[:, i])
        for left, right in zip(range(count - 1), range(1, count), strict=True):
            cell = values[(inside >= x[left]) & (inside <= x[right]), i]
            assert cell.min() >= min(y[left], y[right]) - 1e-12
            assert cell.max() <= max(y[left], y[right]) + 1e-12


def test_levels_are_sorted_by_tokens_and_equal_tokens_keep_the_best():
    market = Market.from_arrays(
        accuracy=[[0.5, 0.4, 0.6, 0.7], [0.3]], tokens=[[200, 100, 200, 400], [50]], price_per_million=1.0
    )
    curves = PchipCurves.from_market(market)
    assert curves.count.tolist() == [3, 1]
    np.testing.assert_allclose(curves.accuracy[0], [0.4, 0.6, 0.7])
    np.testing.assert_allclose(curves(jnp.log(jnp.array([200.0, 50.0]))), [0.6, 0.3])


@pytest.mark.parametrize("name", [name for name in scenario_names() if not name.endswith("/all")][::4])
def test_payoffs_at_measured_levels_are_those_of_the_finite_game(name):
    scenario = load_scenario(name)
    game = ContinuousCompute(scenario.market, scenario.users)
    finite = scenario.game()
    for level in (0, 2, 4):
        profile = jnp.full(scenario.market.num_providers, level)
        x = jnp.log(scenario.market.tokens[:, level])
        np.testing.assert_allclose(game.log_payoffs(x), finite.log_payoffs(profile), atol=1e-10)
        np.testing.assert_allclose(game.welfare(x), finite.welfare(profile), rtol=1e-10)
        np.testing.assert_allclose(game.expected_user_value(x), finite.expected_user_value(profile), rtol=1e-10)
        np.testing.assert_allclose(game.log_potential(x), finite.log_potential(profile), rtol=1e-10)


def test_potential_and_deviations():
    """A unilateral move changes ln U by the change of the potential."""
    game = ContinuousCompute(SCENARIO.market, SCENARIO.users)
    rng = np.random.default_rng(0)
    x = game.lower + jnp.asarray(rng.uniform(size=9)) * (game.upper - game.lower)
    y = game.lower + jnp.asarray(rng.uniform(size=9)) * (game.upper - game.lower)
    gains = game.log_deviation_payoffs(x, y) - game.log_payoffs(x)
    for i in range(9):
        moved = x.at[i].set(y[i])
        np.testing.assert_allclose(game.log_payoffs(moved)[i] - game.log_payoffs(x)[i], gains[i], atol=1e-12)
        np.testing.assert_allclose(game.log_potential(moved) - game.log_potential(x), gains[i], atol=1e-11)


def test_several_segments():
    users = Users([0.008, 0.02], [1000.0, 50.0], weight=[3, 1])
    game = ContinuousCompute(SCENARIO.market, users)
    x = (game.lower + game.upper) / 2
    parts = [ContinuousCompute(SCENARIO.market, Users(a, b)).payoffs(x) for a, b in ((0.008, 1000.0), (0.02, 50.0))]
    np.testing.assert_allclose(game.payoffs(x), 0.75 * parts[0] + 0.25 * parts[1], rtol=1e-12)
    np.testing.assert_allclose(game.log_deviation_payoffs(x, x), game.log_payoffs(x), atol=1e-12)
    with pytest.raises(InputError, match="one user segment"):
        game.log_potential(x)


def test_levies_are_transfers():
    game = ContinuousCompute(SCENARIO.market, SCENARIO.users)
    x = (game.lower + game.upper) / 2
    for changed in (set_levy(game, 0.01), tax_users(game, 0.03)):
        total = changed.expected_user_value(x) + changed.payoffs(x).sum() + changed.revenue(x)
        np.testing.assert_allclose(changed.welfare(x), total, rtol=1e-12)
        assert float(changed.revenue(x)) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"upper": 1e6}, "measured range"),
        ({"lower": 9000.0, "upper": 5000.0}, "bounds"),
        ({"lower": 0.0}, "bounds"),
    ],
)
def test_bad_bounds(arguments, message):
    with pytest.raises(InputError, match=message):
        ContinuousCompute(SCENARIO.market, SCENARIO.users, **arguments)


def test_bad_markets():
    free = Market.from_arrays(accuracy=[[0.5, 0.6]], tokens=[[0, 100]], price_per_million=1.0, providers=["Ada"])
    with pytest.raises(InputError, match="'Ada' needs no tokens"):
        ContinuousCompute(free, SCENARIO.users)
    with pytest.raises(InputError, match="margin above 0"):
        ContinuousCompute(SCENARIO.market.with_margin(0.0), SCENARIO.users)
    odd = Market(
        *(jnp.array([row]) for row in ([0.5, 0.6], [10.0, 20.0], [1.0, 1.5], [0.5, 0.6])),
        mask=jnp.array([[True, True]]),
        providers=("Ada",),
        level_labels=(("1", "2"),),
    )
    crossing = eqx.tree_at(lambda m: m.cost, odd, jnp.array([[0.5, 1.6]]))
    with pytest.raises(InputError, match="margin above 0"):
        ContinuousCompute(crossing, SCENARIO.users)
    with pytest.raises(InputError, match="do not increase"):
        PchipCurves.from_points(jnp.array([[1.0, 0.5]]), jnp.array([[0.1, 0.2]]))


def test_prices_that_are_not_proportional_to_tokens():
    """Commercial models charge input tokens too, or a bill was recorded: through the levels, positive between them."""
    scenario = load_scenario("frontier/aider-polyglot")
    market, game = scenario.market, scenario.game(30.0)
    smooth = ContinuousCompute(market, game.users)
    assert isinstance(smooth.price, PerTokenAndRest)
    rng = np.random.default_rng(0)
    for _ in range(3):
        profile = jnp.asarray(rng.integers(0, np.asarray(market.mask.sum(axis=1))))
        log_tokens = jnp.log(market.tokens[jnp.arange(market.num_providers), profile])
        np.testing.assert_allclose(smooth.payoffs(log_tokens), game.payoffs(profile), rtol=1e-12)
    inside = smooth.lower + jnp.linspace(0, 1, 101)[:, None] * (smooth.upper - smooth.lower)
    price, cost = jax.vmap(smooth.price)(inside), jax.vmap(smooth.cost)(inside)
    lowest = np.where(market.mask, market.price, np.inf).min(axis=1)
    assert (np.asarray(price) >= lowest * (1 - 1e-12)).all()
    np.testing.assert_allclose(price, 1.25 * cost, rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(smooth.price.scaled(3.0))(inside), 3 * price, rtol=1e-12)
    affine = market.tokens * 1e-5 + 0.01
    flat = ContinuousCompute(eqx.tree_at(lambda m: (m.price, m.cost), market, (affine, 0.8 * affine)), game.users)
    np.testing.assert_allclose(jax.vmap(flat.price)(inside), 1e-5 * jnp.exp(inside) + 0.01, rtol=1e-12)


TRUTH = {
    POWER: [0.4, 0.8, 0.7],
    WEIBULL: [0.4, 0.8, 0.5, 1.4],
    LOGISTIC: [0.3, 0.8, 1.5, 2.0],
    QUADRATIC: [0.4, 0.2, -0.03],
}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_fits_recover_their_own_form(form):
    x = np.log(200.0) + np.linspace(0, 4.2, 8)
    fit = fit_curve(form, x, form.function(np, x - x[0], *TRUTH[form]))
    np.testing.assert_allclose(fit.values, TRUTH[form], rtol=1e-4)
    assert fit.residual < 1e-6
    assert fit.degrees_of_freedom == 8 - len(form.parameters)


def test_standard_errors_are_the_spread_of_estimates():
    x = np.log(200.0) + np.linspace(0, 4.2, 8)
    rng = np.random.default_rng(0)
    truth = POWER.function(np, x - x[0], *TRUTH[POWER])
    fits = [fit_curve(POWER, x, truth + rng.normal(0, 0.004, 8)) for _ in range(200)]
    spread = np.std([fit.values for fit in fits], axis=0)
    claimed = np.sqrt(np.mean([fit.standard_errors**2 for fit in fits], axis=0))
    np.testing.assert_allclose(claimed, spread, rtol=0.2)


def test_cross_validation_ranks_the_true_form_first_and_a_saturating_form_cannot_fall():
    x = np.log(200.0) + np.linspace(0, 4.2, 7)
    falling = [(x, 0.3 + 0.1 * k + 0.2 * (x - x[0]) - 0.05 * (x - x[0]) ** 2) for k in range(2)]
    table = cross_validate(falling, (POWER, QUADRATIC)).set_index("form")
    assert table.index[0] == "quadratic"
    assert table.residual["quadratic"] < 1e-6
    assert table.residual["power"] > 0.02


def test_fitted_curves_extrapolate_in_the_game():
    curves = fit_curves(SCENARIO.market)
    game = ContinuousCompute(SCENARIO.market, SCENARIO.users, curves=curves, lower=100.0, upper=1e5)
    x = jnp.log(SCENARIO.market.tokens)
    measured = jax.vmap(curves, in_axes=1, out_axes=1)(x)
    assert float(jnp.max(jnp.abs(measured - SCENARIO.market.accuracy))) < 0.02
    ends = (curves(game.lower), curves(game.upper))
    assert bool(jnp.all((ends[0] >= 0) & (ends[1] <= 1) & (ends[1] > ends[0])))
    with pytest.raises(InputError, match="increase"):
        fit_curve(POWER, [1.0, 1.0], [0.1, 0.2])


def test_curve_fits_script(capsys, tmp_path):
    from benchmarks import curve_fits

    curve_fits.main(["--figure", str(tmp_path / "fits.svg"), "--curves", "1"])
    printed = capsys.readouterr().out
    assert "all curves (3)" in printed
    assert "limit" in printed
    assert (tmp_path / "fits.svg").read_text("utf-8").lstrip().startswith("<?xml")
