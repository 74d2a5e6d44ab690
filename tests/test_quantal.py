"""Quantal response: the defining equation at every point, known games, folds, and where the path ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from games import InputError, NormalForm, PayPerCompute, load_scenario
from solver import mixed_regret, pure_equilibria, quantal_limit, quantal_path, quantal_response, two_player_equilibria
from solver.mixed_extension import mixed_extension, safe_log
from solver.quantal import quantal_residual
from tests.two_providers import two_provider_market


def bimatrix(rows, columns):
    return NormalForm(jnp.stack([jnp.asarray(rows, float), jnp.asarray(columns, float)]))


ASYMMETRIC_PENNIES = bimatrix([[9, 0], [0, 1]], [[0, 1], [1, 0]])
COORDINATION = bimatrix([[2, 0], [0, 1]], [[1, 0], [0, 2]])


def odds_error(game, precision, profile):
    """Largest error of ln(x_k/x_l) = λ(u_k − u_l), over the levels that have probability."""
    utility = mixed_extension(game).utility(safe_log(profile))
    shifted = safe_log(profile) - precision * utility
    exists = game.mask & (profile > 1e-280)
    high = jnp.where(exists, shifted, -jnp.inf).max(axis=1)
    low = jnp.where(exists, shifted, jnp.inf).min(axis=1)
    return float((high - low).max())


@pytest.mark.parametrize("game", [ASYMMETRIC_PENNIES, COORDINATION], ids=["pennies", "coordination"])
def test_the_defining_equation_holds_at_every_point(game):
    path = quantal_path(game, max_precision=200.0)
    assert path.converged
    assert float(path.precision[0]) == 0.0
    np.testing.assert_allclose(path.profiles[0], 0.5)
    for precision, profile in zip(path.precision, path.profiles, strict=True):
        assert odds_error(game, precision, profile) < 1e-12 * max(1.0, float(precision))
    assert float(path.residual.max()) < 1e-12
    assert float(path.precision[-1]) == pytest.approx(200.0, rel=1e-12)


@pytest.mark.parametrize("precision", [0.5, 3.0, 20.0])
def test_pennies_against_one_scalar_equation(precision):
    """Substituting the column player's reply leaves one equation in one unknown; its root by bisection."""

    def logistic(z):
        return 1 / (1 + np.exp(-z))

    def column(p):  # probability of the first column, payoffs within [0, 1]
        return logistic(precision * ((1 - p) - p))

    def gap(p):  # payoffs of the row player over their range of 9
        return p - logistic(precision * (9 * column(p) - (1 - column(p))) / 9)

    p = brentq(gap, 0, 1, xtol=1e-15, rtol=1e-14)
    found = quantal_response(ASYMMETRIC_PENNIES, precision)
    np.testing.assert_allclose(found[:, 0], [p, column(p)], rtol=1e-11)


def test_the_limit_of_pennies_is_its_mixed_equilibrium():
    path = quantal_path(ASYMMETRIC_PENNIES)
    limit = quantal_limit(ASYMMETRIC_PENNIES, path)
    assert limit.certified
    assert not limit.pure
    np.testing.assert_allclose(limit.profile, [[0.5, 0.5], [0.1, 0.9]], atol=1e-12)
    assert float(mixed_regret(ASYMMETRIC_PENNIES, path.last).max_regret) > 1e-6


def test_limits_of_markets_are_equilibria_that_enumeration_finds(full):
    for segments in (1, 2):
        rng = np.random.default_rng([53, segments])
        for _ in range(20 if full else 1):
            game = two_provider_market(rng, segments, log_rationality=(1.5, 3.5))
            path = quantal_path(game)
            limit = quantal_limit(game, path)
            assert path.converged
            assert limit.certified
            known = np.asarray(two_player_equilibria(game).profiles)
            assert np.abs(known - np.asarray(limit.profile)).max(axis=(1, 2)).min() < 1e-6


@pytest.mark.parametrize("rationality", [1000.0])
def test_limit_of_a_real_market_is_its_equilibrium(rationality):
    game = load_scenario("GPQA/reasoning_effort").game(rationality)
    path = quantal_path(game)
    limit = quantal_limit(game, path)
    assert limit.certified
    assert limit.pure
    assert limit.profile.argmax(axis=1).tolist() in pure_equilibria(game).profiles.tolist()
    every = zip(path.precision[:20], path.profiles[:20], strict=True)
    assert max(odds_error(game, precision, profile) for precision, profile in every) < 1e-9


def test_a_fold_is_followed_and_counted(full):
    """GSM8K/majority at β = 100000 turns back in λ: between the turns one λ has several equilibria, all of them real.

    Three of its nine providers do the same in a tenth of the time.
    """
    scenario = load_scenario("GSM8K/majority")
    few = scenario.market.subset(("Llama-3-8B", "Llama-3.1-8B", "Qwen2.5-3B"))
    game = PayPerCompute(scenario.market if full else few, scenario.users.with_rationality(100_000))
    path = quantal_path(game)
    count = int(path.num_points)
    precision = np.asarray(path.precision[:count])
    turns = int(np.sum(np.diff(np.sign(np.diff(precision))) != 0))
    assert path.converged
    assert int(path.num_folds) == turns > 0
    assert float(path.residual.max()) < 1e-11
    start = int(np.argmax(np.diff(precision) < 0))
    back = start + int(np.argmax(np.diff(precision[start:]) > 0))
    between = 0.5 * (precision[start] + precision[back])
    crossings = np.flatnonzero(np.diff(np.sign(precision - between)) != 0)
    assert len(crossings) >= 3
    ends = [np.asarray(path.profiles[i]) for i in crossings]
    assert max(np.abs(a - b).max() for a in ends for b in ends) > 1e-3
    assert quantal_limit(game, path).certified


def test_a_symmetric_game_meets_a_branch_point_and_says_so():
    path = quantal_path(bimatrix([[1, 0], [0, 1]], [[1, 0], [0, 1]]), max_precision=50.0)
    np.testing.assert_allclose(path.profiles, 0.5, atol=1e-9)
    assert int(path.num_branch_points) == 1
    assert int(path.num_folds) == 0


def test_the_residual_is_differentiable_and_gives_the_slope_of_the_path():
    extension = mixed_extension(COORDINATION)
    path = quantal_path(COORDINATION, max_precision=3.0)
    logits, precision = path.logits[-1], path.precision[-1]
    by_logits = jax.jacfwd(quantal_residual, argnums=1)(extension, logits, precision).reshape(4, 4)
    by_precision = jax.jacfwd(quantal_residual, argnums=2)(extension, logits, precision).ravel()
    slope = -jnp.linalg.solve(by_logits, by_precision).reshape(2, 2)
    step = 1e-4
    ends = [quantal_path(COORDINATION, max_precision=3.0 + d).logits[-1] for d in (step, -step)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-6)


def test_too_few_points_are_reported():
    assert not quantal_path(ASYMMETRIC_PENNIES, max_points=5).converged
    with pytest.raises(InputError, match="max_points"):
        quantal_response(ASYMMETRIC_PENNIES, 1e4, max_points=5)
    with pytest.raises(InputError, match="positive"):
        quantal_path(ASYMMETRIC_PENNIES, max_precision=-1.0)


def test_many_games_in_one_call():
    tensors = jnp.asarray(np.random.default_rng(1).uniform(size=(6, 2, 3, 3)))
    extensions = jax.vmap(lambda tensor: mixed_extension(NormalForm(tensor)))(tensors)
    paths = jax.vmap(lambda extension: quantal_path(extension, max_precision=100.0, max_points=150))(extensions)
    assert paths.converged
    assert float(paths.residual.max()) < 1e-11
    alone = quantal_path(NormalForm(tensors[4]), max_precision=100.0, max_points=150)
    np.testing.assert_allclose(paths.profiles[4, -1], alone.last, atol=1e-10)
