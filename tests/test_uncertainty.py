"""Bootstrap of a market: replicates, their solutions against one market at a time, intervals, probabilities, coverage."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from benchmarks import bootstrap as bootstrap_benchmark
from benchmarks.coverage import FIGURES, SEPARATED_RATIONALITY, coverage
from benchmarks.question_population import SEPARATED, Population, answers, benchmark_of, curves_of
from games import InputError, Market, PayPerCompute, Users
from solver import (
    Bootstrap,
    Draw,
    Interval,
    bootstrap,
    curve_intervals,
    efficiency,
    parametric_bootstrap,
    pure_equilibria,
    regret,
    wilson_interval,
)
from solver.uncertainty.replicates import _replace_ends, solve_replicates
from solver.uncertainty.resample import count_replicates, question_replicates, question_weights
from tests.markets import all_profiles, profiles_of, random_game

BETAS = [100.0, 300.0, 3000.0]
USERS = Users(0.02, 300)
REPLICATES = 199


@pytest.fixture(scope="module")
def curves():
    return benchmark_of(SEPARATED, 60, jax.random.key(5))


@pytest.fixture(scope="module")
def result(curves):
    return bootstrap(curves, USERS, BETAS, replicates=REPLICATES)


def replaced(curves, **fields):
    """The curves with some fields changed."""
    names = list(fields)
    return eqx.tree_at(lambda c: [getattr(c, n) for n in names], curves, [jnp.asarray(fields[n]) for n in names])


# Intervals of single accuracies and curves


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_equals_scipy(level):
    right, total = np.array([0, 1, 7, 50, 197, 198]), np.array([3, 15, 15, 50, 198, 198])
    low, high = wilson_interval(right, total, level=level)
    for i, (k, n) in enumerate(zip(right.tolist(), total.tolist(), strict=True)):
        expected = stats.binomtest(k, n).proportion_ci(level, method="wilson")
        assert (low[i], high[i]) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("correct", "total"), [(3, 2), (-1, 4), (1, 0), ([1, np.nan], 3)])
def test_wilson_refuses(correct, total):
    with pytest.raises(InputError, match="right answers"):
        wilson_interval(correct, total)


def test_curve_intervals_hold_the_truth_about_95_times_of_100(full):
    """Independent of the bootstrap: 60 questions, three answers each, so that answers to one question go together."""
    datasets = 2000 if full else 400
    draw = jax.jit(jax.vmap(lambda key: answers(SEPARATED, 60, key, 3)))
    correct, tokens = (np.asarray(x) for x in draw(jax.random.split(jax.random.key(0), datasets)))
    # Levels are taken one by one, so that all data sets can stand side by side, as providers.
    beside = Population(*(np.tile(x, (datasets, *[1] * (x.ndim - 1))) for x in SEPARATED))
    found = curve_intervals(curves_of(beside, *(np.moveaxis(x, 0, 1).reshape(60, -1, 2) for x in (correct, tokens))))
    inside = []
    for name in ("accuracy", "tokens"):
        low, high = np.moveaxis(found[f"{name}_interval"].values, -1, 0)
        truth = getattr(beside, name)
        inside.append(((low <= truth) & (truth <= high)).reshape(datasets, 3, 2))
    # Levels are correlated: the error of a mean over them is at most that of one level.
    error = 2 * np.sqrt(0.95 * 0.05 / datasets)
    covered = np.mean(inside, axis=1)
    assert np.all(covered > 0.93 - error)
    assert np.all(covered < 0.97 + error)


def test_curve_intervals_use_what_answers_to_one_question_have_in_common(curves):
    """Every question twice over is no new information: with one answer counted twice the interval must not shrink."""
    once = curve_intervals(curves)
    assert float(once.effective_answers.max()) < 60
    steady = replaced(curves, correct=jnp.full(curves.correct.shape, 0.5).at[::2].add(0.1))
    assert float(curve_intervals(steady).effective_answers.min()) > 60 * 20
    right = curve_intervals(replaced(curves, correct=jnp.ones(curves.correct.shape)))
    low, high = right.accuracy_interval.values[0, 0]
    assert high == 1
    assert low == pytest.approx(60 / (60 + stats.t.ppf(0.975, 59) ** 2))
    alone = replaced(curves, answered=curves.answered.at[1:, 0, 0].set(False))
    found = curve_intervals(alone)
    assert found.accuracy_interval.values[0, 0].tolist() == [0, 1]
    assert found.tokens_interval.values[0, 0].tolist() == [0, np.inf]
    assert found.num_questions.values[0].tolist() == [1, 60]


# Replicates


def test_weights_are_multinomial():
    weights = np.asarray(question_weights(jax.random.key(1), 20, 4000))
    np.testing.assert_array_equal(weights.sum(axis=1), 20)
    covariance = np.cov(weights.T)
    expected = np.eye(20) - 1 / 20
    assert np.abs(covariance - expected).max() < 6 / np.sqrt(4000)


def test_paired_replicates_keep_what_providers_have_in_common(curves):
    """Variances from first principles: a difference of two providers, with and without their covariance."""
    correct = np.asarray(curves.correct)
    gap = correct[:, 0, 1] - correct[:, 1, 1]
    separate = correct[:, 0, 1].var() + correct[:, 1, 1].var()
    assert separate > 1.3 * gap.var()
    for paired, expected in ((True, gap.var() / 60), (False, separate / 60)):
        drawn = question_replicates(curves, replicates=1000, key=jax.random.key(2), paired=paired)
        accuracy = np.asarray(drawn.markets.accuracy)
        np.testing.assert_allclose(accuracy[0], correct.mean(axis=0), rtol=1e-12)
        found = (accuracy[1:, 0, 1] - accuracy[1:, 1, 1]).var()
        assert found == pytest.approx(expected, rel=4 * np.sqrt(2 / 1000))
        prices = np.asarray(curves.price_per_million)[:, None] * np.asarray(drawn.markets.tokens) * 1e-6
        np.testing.assert_allclose(np.asarray(drawn.markets.price), prices, rtol=1e-12)


def test_redrawn_averages_follow_their_laws():
    market = Market.from_arrays(accuracy=[[0.6, 1.0]], tokens=[[100, 300]], price_per_million=2.0)
    number = np.array([[30.0, 15.0]])
    drawn = {
        draw: count_replicates(market, number, replicates=4000, key=jax.random.key(0), draw=draw, token_error=0.2)
        for draw in Draw
    }
    accuracy = np.asarray(drawn[Draw.JEFFREYS].markets.accuracy)[1:, 0]
    for level, law in enumerate((stats.beta(18.5, 12.5), stats.beta(15.5, 0.5))):
        assert stats.kstest(accuracy[:, level], law.cdf).pvalue > 1e-3
    binomial = np.asarray(drawn[Draw.BINOMIAL].markets.accuracy)[1:, 0]
    np.testing.assert_array_equal(binomial[:, 1], 1.0)
    assert binomial[:, 0].var() == pytest.approx(0.6 * 0.4 / 30, rel=5 * np.sqrt(2 / 4000))
    tokens = np.asarray(drawn[Draw.BINOMIAL].markets.tokens)[1:, 0]
    assert tokens.mean(axis=0) == pytest.approx([100, 300], rel=5 * 0.2 / np.sqrt(4000))
    assert np.log(tokens).std(axis=0) == pytest.approx([0.2, 0.2], rel=0.06)
    cost = np.asarray(drawn[Draw.BINOMIAL].markets.cost)[1:, 0]
    np.testing.assert_allclose(cost, tokens * 2e-6 / 1.25, rtol=1e-12)


# Solving replicates


@pytest.fixture(scope="module")
def nasty():
    """Markets with ties and twins, and the game of each."""
    rng = np.random.default_rng(12)
    users = Users(0.01, 2000)
    games = [PayPerCompute(random_game(rng, 3, 4).market, users) for _ in range(25)]
    markets = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[game.market.anonymous() for game in games])
    return markets, games, users


def test_every_replicate_is_solved_as_if_it_were_alone(nasty):
    markets, games, users = nasty
    solved = solve_replicates(markets, users, users.rationality, tolerance=1e-9, max_searched=1000)
    several = 0
    for i, game in enumerate(games):
        alone = pure_equilibria(game)
        several += len(alone) > 1
        assert solved.num_equilibria[i, 0] == len(alone)
        assert solved.complete[i, 0]
        welfare = solved.figures.welfare[i, 0]
        assert welfare == pytest.approx([float(alone.welfare[0]), float(alone.welfare[-1])], rel=1e-12, abs=1e-300)
        assert profiles_of(solved.figures.profile[i, 0]) <= profiles_of(alone.profiles)
    assert several > 2
    assert float(np.max(solved.figures.max_regret)) < 1.1e-9


def test_worst_and_best_are_taken_from_whatever_the_search_finds(nasty):
    """Also where neither is an end: all profiles of a market stand in for its equilibria."""
    markets, games, users = nasty
    solved = solve_replicates(markets, users, users.rationality, tolerance=1e-9, max_searched=0)
    figures = jax.tree.map(lambda leaf: np.array(leaf[:, 0]), solved.figures)
    profiles = all_profiles(games[1])
    _replace_ends(markets, users, users.rationality, figures, np.array([1]), [profiles])
    welfare = np.asarray(jax.vmap(games[1].welfare)(jnp.asarray(profiles)))
    assert figures.welfare[1] == pytest.approx([welfare.min(), welfare.max()], rel=1e-12)
    np.testing.assert_array_equal(figures.profile[1, 1], profiles[np.argmax(welfare)])


def test_markets_that_are_not_searched_say_so(nasty):
    markets, _, users = nasty
    whole = solve_replicates(markets, users, users.rationality, tolerance=1e-9, max_searched=1000)
    ends = solve_replicates(markets, users, users.rationality, tolerance=1e-9, max_searched=2)
    several = np.flatnonzero(whole.num_equilibria[:, 0] > 1)
    np.testing.assert_array_equal(np.flatnonzero(~ends.complete[:, 0]), several[2:])
    welfare = ends.figures.welfare[several, 0]
    assert np.all(welfare[:, 0] <= welfare[:, 1])
    # The ends are equilibria: all others of the market lie outside what they enclose in welfare, or on its border.
    assert np.all(whole.figures.welfare[several, 0, 0] <= welfare[:, 0] * (1 + 1e-12))
    assert np.all(whole.figures.welfare[several, 0, 1] >= welfare[:, 1] * (1 - 1e-12))


def test_estimate_is_the_measured_market(curves, result):
    for i, beta in enumerate(BETAS):
        verdict = efficiency(PayPerCompute(curves.market(), USERS.with_rationality(beta)))
        row = result.estimate.isel(rationality=i)
        assert float(row.price_of_anarchy) == pytest.approx(verdict.price_of_anarchy, rel=1e-12)
        assert float(row.user_value.sel(equilibrium="worst")) == pytest.approx(verdict.ledger[0].users, rel=1e-12)
        assert row.share.sel(equilibrium="worst").shape == (3,)
        assert float(row.auction_price) == pytest.approx(float(verdict.auction.price[0]), rel=1e-12)
        assert bool(row.is_equilibrium)
    assert result.estimate.auction_price.attrs["units"] == "dollars per query"


def test_probabilities_are_counted_over_replicates(curves, result):
    """Rebuilt from the markets of the same draw, one by one."""
    markets = question_replicates(curves, replicates=REPLICATES, key=jax.random.key(0)).markets
    tested = result.estimate.tested_level_index.values
    chances = result.probabilities()
    wins = np.zeros(3)
    surplus = np.asarray(USERS.quality(markets.accuracy[1:].reshape(-1, 2))[0]).reshape(-1, 3, 2) - markets.cost[1:]
    for row in np.asarray(surplus):
        wins[np.argmax(row.max(axis=1))] += 1 / REPLICATES
    levels = result.replicates.level_index.values
    tokens, offers = np.asarray(markets.tokens[1:]), np.asarray(surplus).argmax(axis=2)
    played = np.take_along_axis(tokens[:, None, None], levels[..., None], axis=-1)[..., 0]
    offered = np.take_along_axis(tokens, offers[..., None], axis=-1)[..., 0]
    over = (played > offered[:, None, None]).mean(axis=0)
    np.testing.assert_allclose(chances.over_computes.values, over, atol=1e-12)
    assert chances.over_computes.dims == ("rationality", "equilibrium", "provider")
    assert 0 < over.mean() < 1
    assert chances.wins.values == pytest.approx(wins, abs=1e-12)
    assert float(chances.no_sale) == 0
    game = PayPerCompute(jax.tree.map(lambda x: x[7], markets), USERS)
    held = float(regret(game, jnp.asarray(tested[1])).max_regret) <= 1e-9
    assert bool(result.replicates.is_equilibrium[6, 1]) == held
    loses = result.replicates.auction_user_value < result.replicates.user_value.sel(equilibrium="worst")
    assert chances.users_lose.sel(equilibrium="worst").values == pytest.approx(loses.mean("replicate").values)
    frequent = result.profiles(300.0, top=100)
    assert float(frequent.probability.sum()) == pytest.approx(1)
    measured = [str(k + 1) for k in result.estimate.level_index.sel(equilibrium="worst", rationality=300).values]
    same = (frequent[list(curves.providers)] == measured).all(axis=1)
    worst = (
        (result.replicates.level_index.sel(equilibrium="worst", rationality=300).values == tested[1]).all(axis=1).mean()
    )
    assert float(frequent.probability[same].sum()) == pytest.approx(worst)


def test_currency_does_not_matter(curves, result):
    """In cents: ratios and probabilities stay, money grows a hundredfold."""
    cents = replaced(curves, price_per_million=curves.price_per_million * 100)
    scaled = bootstrap(cents, Users(2.0, 3), [b / 100 for b in BETAS], replicates=REPLICATES)
    for name, factor in (("price_of_anarchy", 1), ("share", 1), ("welfare", 100), ("auction_price", 100)):
        expected = factor * result.intervals()[name].values
        np.testing.assert_allclose(scaled.intervals()[name].values, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(scaled.probabilities().users_lose, result.probabilities().users_lose)


def test_a_profile_of_ones_own_is_tested(curves, result):
    lowest = bootstrap(curves, USERS, BETAS, replicates=REPLICATES, profile=[0, 0, 0]).probabilities().is_equilibrium
    assert np.all(lowest < result.probabilities().is_equilibrium)


def test_replicates_without_answers_are_dropped_and_counted(curves):
    rare = replaced(curves, answered=curves.answered.at[3:, 2, 1].set(False))
    found = bootstrap(rare, USERS, BETAS, replicates=REPLICATES)
    chance = (1 - 3 / 60) ** 60
    assert found.num_dropped == pytest.approx(chance * REPLICATES, abs=4 * np.sqrt(chance * REPLICATES))
    assert found.replicates.sizes["replicate"] == REPLICATES - found.num_dropped
    assert any(f"{found.num_dropped} of {REPLICATES} replicates dropped" in note for note in found.notes)
    assert np.isfinite(found.intervals().welfare.values).all()


# Intervals of figures


def table_of(replicates, estimate, **changes):
    """A result that holds one figure, and what the notes look at."""
    import xarray as xr

    size = len(replicates)
    flags = {
        "num_equilibria": np.ones((size, 1), int),
        "complete": np.ones((size, 1), bool),
        "is_equilibrium": np.ones((size, 1), bool),
    } | changes
    data = {name: (("replicate", "rationality"), values) for name, values in flags.items()}
    data["price_of_anarchy"] = (("replicate", "rationality"), np.asarray(replicates, float)[:, None])
    whole = xr.Dataset(data, {"rationality": [1.0]})
    only = xr.Dataset({"price_of_anarchy": ("rationality", [float(estimate)])}, {"rationality": [1.0]})
    return Bootstrap(only, whole, 0, ())


def test_intervals_from_their_definitions():
    replicates = 1 + np.random.default_rng(3).permutation(np.arange(1, 1000)) / 100  # 1.01, ..., 10.99
    result = table_of(replicates, 7.0)
    ends = {method: result.intervals(method=method).price_of_anarchy.values[0] for method in Interval}
    assert ends[Interval.PERCENTILE] == pytest.approx([1.25, 10.75])
    assert ends[Interval.BASIC] == pytest.approx([14 - 10.75, 14 - 1.25])
    assert ends[Interval.BOTH] == pytest.approx([1.25, 14 - 1.25])
    narrow = result.intervals(level=0.5).price_of_anarchy.values[0]
    assert ends[Interval.BOTH][0] < narrow[0] < narrow[1] < ends[Interval.BOTH][1]
    # A ratio is never below 1, whatever its mirror image.
    low = table_of(replicates, 1.2).intervals(method=Interval.BASIC).price_of_anarchy.values[0, 0]
    assert low == 1
    with pytest.raises(InputError, match="between 0 and 1"):
        result.intervals(level=95.0)


def test_infinite_and_undefined_replicates():
    values = np.concatenate([np.full(10, np.inf), np.linspace(1.1, 2, 80), np.full(9, np.nan)])
    result = table_of(values, 1.5)
    assert result.intervals(method=Interval.PERCENTILE).price_of_anarchy.values[0, 1] == np.inf
    assert any("undefined in 9 of 99" in note for note in result.notes)


def test_notes_hide_nothing():
    several = np.ones((10, 1), int)
    several[:3] = 2
    result = table_of(np.full(10, 1.5), 1.5, num_equilibria=several, complete=several == 1)
    assert (result.num_several, result.num_incomplete) == (3, 3)
    assert any("3 of 10 replicate markets have several equilibria" in note for note in result.notes)
    assert any("max_searched" in note for note in result.notes)
    unsettled = table_of(np.full(10, 1.5), 1.5, is_equilibrium=several == 2)
    assert any("30% of the replicates" in note for note in unsettled.notes)
    assert table_of(np.full(10, 1.5), 1.5).notes == ()


def test_coverage_of_95_percent_intervals(full):
    """Levels far apart: between 92 and 98 %, give or take two standard errors of the simulation where it is reduced."""
    datasets, replicates = (1000, 500) if full else (200, 150)
    slack = 0.0 if full else 2 * np.sqrt(0.95 * 0.05 / datasets)
    users = Users(0.02, SEPARATED_RATIONALITY)
    paired, unpaired = (
        coverage(
            SEPARATED,
            users,
            num_questions=198,
            datasets=datasets,
            replicates=replicates,
            key=jax.random.key(1),
            paired=flag,
        )
        for flag in (True, False)
    )
    for figure in FIGURES:
        covered = paired[figure].covered[Interval.BOTH]
        assert 0.92 - slack <= covered <= 0.98 + slack, (figure, covered)
    # What providers have in common cancels in the rent W₁ − W₂, and only paired replicates know.
    both = Interval.BOTH
    assert unpaired["auction_profit"].width[both] > 1.2 * paired["auction_profit"].width[both]
    assert unpaired["auction_profit"].covered[both] > 0.98


# What is refused


def test_refusals(curves):
    one = replaced(curves)
    with pytest.raises(InputError, match="one segment"):
        bootstrap(one, Users([0.01, 0.02], 100))
    with pytest.raises(InputError, match="not negative"):
        bootstrap(one, USERS, [-1.0])
    with pytest.raises(InputError, match="replicates"):
        bootstrap(one, USERS, replicates=0)
    with pytest.raises(InputError, match="index of a level"):
        bootstrap(one, USERS, BETAS, replicates=REPLICATES, profile=[0, 0])
    with pytest.raises(InputError, match="which has 2 levels"):
        bootstrap(one, USERS, BETAS, replicates=REPLICATES, profile=[0, 2, 0])
    single = benchmark_of(SEPARATED, 1, jax.random.key(0))
    with pytest.raises(InputError, match="at least two"):
        bootstrap(single, USERS)
    with pytest.raises(InputError, match="at least 1"):
        parametric_bootstrap(curves.market(), 0, USERS)
    with pytest.raises(InputError, match="num_questions has shape"):
        parametric_bootstrap(curves.market(), np.ones(7), USERS)
    with pytest.raises(InputError, match="token_error"):
        parametric_bootstrap(curves.market(), 10, USERS, token_error=-1)


def test_benchmark_script(capsys):
    """At a tiny size; the script of the bootstrap checks its answers against ``efficiency`` before it prints."""
    bootstrap_benchmark.main(replicates=8, betas=2, questions=20, scenario="GPQA/reasoning_effort", repeats=1)
    assert "8 replicates × 2 β = 16 markets" in capsys.readouterr().out
