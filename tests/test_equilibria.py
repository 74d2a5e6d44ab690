"""All pure equilibria, against brute force, multiprecision, and what must not change them."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Market, PayPerCompute, Users, load_scenario, scenario_names
from solver import brute_force, enumeration, lattice_bounds, pure_equilibria, regret, welfare_optimum
from tests import multiprecision
from tests.markets import profiles_of, random_game

# (providers, levels): 8 shapes × 250 games = 2,000 random games; ragged, so that every smaller size occurs as well.
SHAPES = [(2, 1), (2, 6), (3, 3), (3, 5), (4, 2), (4, 4), (5, 3), (5, 6)]
GAMES_PER_SHAPE = 250


@pytest.mark.parametrize(("providers", "levels"), SHAPES)
def test_equals_brute_force_on_random_games(providers, levels):
    rng = np.random.default_rng([providers, levels])
    for number in range(GAMES_PER_SHAPE):
        game = random_game(rng, providers, levels)
        found, truth = pure_equilibria(game), brute_force(game)
        assert found.complete
        assert profiles_of(found.profiles) == profiles_of(truth.equilibria), f"game {number}"
        assert float(found.max_regret.max()) <= 1.1e-9
        # The optimum and the lattice are checked on the same games.
        optimum = welfare_optimum(game)
        assert float(optimum.welfare) == pytest.approx(float(truth.optimal_welfare), rel=1e-12, abs=1e-300)
        bounds = lattice_bounds(game)
        assert bool(bounds.unique) == (len(truth.equilibria) == 1)
        ranks = np.asarray(bounds.rank)[np.arange(providers), np.asarray(truth.equilibria)]
        assert (ranks.min(axis=0) == ranks_of(bounds, bounds.least)).all()
        assert (ranks.max(axis=0) == ranks_of(bounds, bounds.greatest)).all()


def ranks_of(bounds, profile):
    return np.asarray(bounds.rank)[np.arange(len(profile)), np.asarray(profile)]


@pytest.mark.parametrize("name", scenario_names())
def test_equals_multiprecision_on_bundled_markets(name):
    scenario = load_scenario(name)
    for beta in np.logspace(0, 6, 100):
        game = scenario.game(rationality=beta)
        found = profiles_of(pure_equilibria(game).profiles)
        truth = multiprecision.equilibria(game)
        # Ours admits deviations that gain up to 1e-9; anything more than exact equilibria must be such a near-tie.
        assert truth <= found, beta
        assert all(multiprecision.largest_relative_gain(game, profile) < 1e-9 for profile in found - truth), beta


@pytest.mark.parametrize("log_rationality", [7, 9])
def test_beyond_a_million(log_rationality):
    rng = np.random.default_rng(log_rationality)
    for _ in range(30):
        game = random_game(rng, 3, 3, log_rationality=log_rationality)
        found = pure_equilibria(game)
        assert profiles_of(found.profiles) == profiles_of(brute_force(game, tolerance=found.tolerance).equilibria)


def test_market_with_several_equilibria_lists_them_lowest_welfare_first():
    game = several_equilibria()
    found = pure_equilibria(game)
    assert len(found) > 1
    assert np.all(np.diff(np.asarray(found.welfare)) >= 0)
    assert profiles_of(found.profiles) == profiles_of(brute_force(game).equilibria)
    for profile in found.profiles:
        assert float(regret(game, profile).max_regret) < 1e-9


def several_equilibria() -> PayPerCompute:
    """Two firms that both offer the good level or both the dear one: found by search, checked by brute force."""
    rng = np.random.default_rng(7)
    while True:
        game = random_game(rng, 2, 2)
        if len(brute_force(game).equilibria) > 1:
            return game


def test_duplicated_levels_multiply_equilibria_and_the_cut_is_said():
    """Eight providers, every level listed twice: 2^8 equilibria of the same outcome."""
    market = Market.from_arrays(
        accuracy=[[0.5, 0.5, 0.9, 0.9]] * 8, tokens=[[100, 100, 1000, 1000]] * 8, price_per_million=0.2
    )
    game = PayPerCompute(market, Users(0.01, 100))
    found = pure_equilibria(game)
    assert len(found) == 2**8
    assert found.complete
    cut = pure_equilibria(game, max_equilibria=10)
    assert not cut.complete
    assert len(cut) == 10
    assert "cut" in cut.reason


@pytest.mark.parametrize("seed", range(5))
def test_relabelling_providers_and_levels_relabels_equilibria(seed):
    rng = np.random.default_rng(seed)
    game = random_game(rng, 4, 3)
    providers, levels = rng.permutation(4), rng.permutation(3)
    fields = ("accuracy", "tokens", "price", "cost", "mask")
    moved = {f: getattr(game.market, f)[providers][:, levels] for f in fields}
    names = tuple(game.market.providers[i] for i in providers)
    labels = tuple(tuple("abc"[: len(game.market.level_labels[i])]) for i in providers)
    # Padding may now lie before existing levels: only the mask says what exists.
    relabelled = PayPerCompute(Market(**moved, providers=names, level_labels=labels).anonymous(), game.users)
    inverse = np.argsort(levels)
    expected = {tuple(int(inverse[p[i]]) for i in providers) for p in profiles_of(pure_equilibria(game).profiles)}
    assert profiles_of(pure_equilibria(relabelled).profiles) == expected
    assert float(welfare_optimum(relabelled).welfare) == pytest.approx(float(welfare_optimum(game).welfare), rel=1e-12)


@pytest.mark.parametrize("factor", [1e-6, 1e3, 1e9])
def test_currency_changes_nothing(factor):
    """Scale α, V0, prices and 1/β together: same equilibria, welfare in the new currency, same regret."""
    for seed in range(10):
        game = random_game(np.random.default_rng(seed), 3, 4)
        market = dataclasses.replace(game.market, price=game.market.price * factor, cost=game.market.cost * factor)
        users = dataclasses.replace(
            game.users,
            value_per_correct=game.users.value_per_correct * factor,
            outside_value=game.users.outside_value * factor,
            rationality=game.users.rationality / factor,
        )
        scaled = PayPerCompute(market, users)
        before, after = pure_equilibria(game), pure_equilibria(scaled)
        assert profiles_of(before.profiles) == profiles_of(after.profiles)
        np.testing.assert_allclose(np.asarray(after.welfare), np.asarray(before.welfare) * factor, rtol=1e-9, atol=0)
        optimum = float(welfare_optimum(game).welfare)
        assert float(welfare_optimum(scaled).welfare) == pytest.approx(optimum * factor, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("seed", range(5))
def test_dominated_level_is_never_played(seed):
    """A level that is dearer to users and less profitable than another adds no equilibrium."""
    game = random_game(np.random.default_rng(seed), 3, 3)
    market = game.market
    worse = {
        "accuracy": jnp.zeros((3, 1)),
        "tokens": market.tokens[:, :1],
        "price": market.price[:, :1],
        "cost": (market.price + market.cost)[:, :1] / 2,
        "mask": jnp.ones((3, 1), bool),
    }
    # The new level halves the profit of level 0 and its accuracy is 0.
    wider = {name: jnp.concatenate([getattr(market, name), column], axis=1) for name, column in worse.items()}
    grown = PayPerCompute(Market(**wider, providers=(), level_labels=()), game.users)
    assert profiles_of(pure_equilibria(grown).profiles) == profiles_of(pure_equilibria(game).profiles)


def test_several_segments_small_games_are_enumerated():
    rng = np.random.default_rng(3)
    for _ in range(40):
        game = random_game(rng, 3, 3, segments=2)
        found = pure_equilibria(game)
        assert found.complete
        assert profiles_of(found.profiles) == profiles_of(brute_force(game).equilibria)


def test_several_segments_large_games_say_that_the_list_may_be_incomplete():
    scenario = load_scenario("GSM8K/majority")
    game = PayPerCompute(scenario.market, Users([0.008, 0.02], [200, 5000]))
    found = pure_equilibria(game)
    assert not found.complete
    assert "may exist" in found.reason
    assert len(found) >= 1
    assert float(found.max_regret.max()) <= 1e-9


def test_one_segment_solvers_refuse_several():
    game = random_game(np.random.default_rng(0), 3, 3, segments=2)
    with pytest.raises(InputError, match="one segment"):
        lattice_bounds(game)


def test_single_provider_takes_its_monopoly_level():
    market = Market.from_arrays(accuracy=[[0.5, 0.9]], tokens=[[100, 5000]], price_per_million=0.2)
    for outside in (0.0, -np.inf):
        game = PayPerCompute(market, Users(0.01, 500, outside_value=outside))
        assert profiles_of(pure_equilibria(game).profiles) == profiles_of(brute_force(game).equilibria)


def test_indifferent_users_let_providers_maximise_the_margin():
    """O6: at β = 0 everybody sells the level with the largest p − c."""
    game = load_scenario("GSM8K/majority").game(rationality=0.0)
    expected = np.asarray(jnp.argmax(game.unit_profit, axis=1))
    assert np.asarray(pure_equilibria(game).profiles).tolist() == [expected.tolist()]


def near_ties(rng, scale: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """ln a up to ``scale`` and ln m up to ``spread``, with levels that copy others up to a few last places."""
    log_attraction = rng.uniform(-scale, scale, (3, 4))
    log_profit = rng.uniform(-spread, spread, (3, 4))
    for logs in (log_attraction, log_profit):
        logs[:, 3] = logs[:, 2] * (1 + rng.integers(-3, 4, 3) * np.finfo(float).eps)
        logs[1, 1] = logs[0, 1]
    return log_attraction, log_profit


@pytest.mark.parametrize("scale", [1.0, 30.0, 5e4])
def test_the_widening_covers_rounding(scale):
    """The proved bound, in 60 digits and at tolerance 0: exact intervals lie inside ours, and not without the widening."""
    rng, missed = np.random.default_rng(int(scale)), 0
    allowed = np.ones((3, 4), bool)
    for _ in range(20):
        log_attraction, log_profit = near_ties(rng, scale, 20.0)
        widened = enumeration.widening(log_attraction, log_profit, 0.0)
        bare = enumeration._aggregate_intervals(log_attraction, log_profit, allowed, 0.0)
        low, high = enumeration._aggregate_intervals(log_attraction, log_profit, allowed, widened)
        for (i, k), (least, most) in multiprecision.aggregate_intervals(log_attraction, log_profit).items():
            assert low[i, k] < least
            assert most < high[i, k] or high[i, k] == np.inf
            missed += not (bare[0][i, k] <= least and most <= bare[1][i, k])
        # An aggregate of its own, as a cell of no width: found within the widening.
        profile = rng.integers(0, 4, 3)
        exact = float(multiprecision.log_aggregate(log_attraction, profile, 0.0))
        one = np.arange(4) == profile[:, None]
        listed = enumeration._profiles_in_cell(log_attraction, 0.0, one, exact - widened, exact + widened)
        assert [each.tolist() for each in listed] == [profile.tolist()]
    assert missed > 0
