"""Repeated play: stages against their games, regret against a replay, and where learning ends."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Judge, Market, PayPerCompute, Users, load_scenario
from games.score_auction import Bids, ScoreAuction, first_score, second_score
from solver import (
    AskStage,
    BanditFeedback,
    BetaPosterior,
    LevelStage,
    RunningMean,
    exp3_ix,
    mixed_payoffs,
    pure_equilibria,
    repeated_play,
)
from solver.learning_rules import RegretMatchingPlus

SCENARIO = load_scenario("GPQA/reasoning_effort")
MARKET, USERS = SCENARIO.market, SCENARIO.users.with_rationality(1000.0)
SECOND, FIRST = 0.0, 1.0
RULES = {SECOND: second_score, FIRST: first_score}


def small_stage(first_share, *, reserve=0.3, ties=False) -> tuple[AskStage, ScoreAuction]:
    """Three offers with six asks each, as a stage and as the one-shot auction, which shares no code with it."""
    quality, cost = np.array([0.9, 0.95, 0.8]), np.array([0.1, 0.2, 0.3])
    asks = np.array([0.0, 0.1, 0.2, 0.3, 0.45, 0.7]) + (0.0 if ties else np.array([[0.0], [0.013], [0.029]]))
    if ties:
        quality = np.array([0.9, 0.9, 0.8])
    stage = AskStage(
        quality=jnp.asarray(quality),
        cost=jnp.asarray(cost),
        value=jnp.array(1.0),
        asks=jnp.broadcast_to(jnp.asarray(asks), (3, 6)),
        reserve=jnp.array(reserve),
        outside=jnp.array(0.05),
        first_share=jnp.array(first_share),
        learner=None,
        judge=Judge(),
        taste_scale=jnp.array(0.0),
    )
    ones = jnp.ones((3, 1))
    market = Market(jnp.asarray(quality)[:, None], ones, ones, jnp.asarray(cost)[:, None], ones > 0, (), ())
    users = Users(1.0, 1.0, baseline=0.0, outside_value=0.05)
    return stage, ScoreAuction(market, users, rule=RULES[first_share], reserve=reserve)


@jax.jit
def rounds_of(stage, profiles):
    knowledge = stage.start()
    return jax.vmap(lambda chosen: stage.play(knowledge, chosen, jnp.array(0), jax.random.key(0)))(profiles)


@jax.jit
def awards_of(auction, asks, profiles):
    """Profits, user value and who serves in the one-shot auction."""

    def one(chosen):
        ask = jnp.take_along_axis(asks, chosen[:, None], axis=1)[None, :, 0]
        quality = auction.quality[:, :, 0]
        award = auction.play(Bids(jnp.zeros((1, 3), int), quality, ask))
        sold = award.allocation.sum() > 0
        user = jnp.where(sold, (award.allocation * (quality - award.price)).sum(), 0.05)
        return award.profits[0], user, award.allocation[0]

    return jax.vmap(one)(profiles)


@jax.jit
def expected_of(stage, mixed):
    return stage.expected(stage.quality, mixed)


@pytest.mark.parametrize("first_share", [SECOND, FIRST])
@pytest.mark.parametrize("ties", [False, True])
def test_every_payoff_of_a_query_is_that_of_the_auction(first_share, ties):
    stage, auction = small_stage(first_share, ties=ties)
    profiles = jnp.asarray(list(itertools.product(range(6), repeat=3)))
    rounds = rounds_of(stage, profiles)
    profits, user_value, served = (np.asarray(x) for x in awards_of(auction, stage.asks, profiles))
    table = profits.reshape(6, 6, 6, 3)
    for i in range(3):
        expected = np.moveaxis(table[..., i], i, -1)  # others' actions, then own
        chosen = np.moveaxis(np.asarray(rounds.values)[:, i].reshape(6, 6, 6, 6), i, 2)
        np.testing.assert_allclose(chosen, np.broadcast_to(expected[:, :, None], chosen.shape), atol=1e-15)
    np.testing.assert_allclose(rounds.user_value, user_value, atol=1e-15)
    np.testing.assert_allclose(rounds.served, served)
    assert 0 < served.sum() < len(served)  # the reserve binds for some

    # Expected payoffs under mixed asks: the same table, weighted.
    mixed = np.random.default_rng(0).dirichlet(np.ones(6), size=3)
    found = np.asarray(expected_of(stage, jnp.asarray(mixed)))
    for i in range(3):
        others = np.multiply.outer(*[mixed[j] for j in range(3) if j != i])
        weighed = np.tensordot(others, np.moveaxis(table[..., i], i, -1), axes=2)
        np.testing.assert_allclose(found[i], weighed, atol=1e-14)


def test_level_stage_is_the_pay_per_compute_game():
    game = PayPerCompute(MARKET, USERS)
    stage = LevelStage.of(MARKET, USERS)
    chosen = jnp.array([0, 2, 1])
    happened = jax.tree.map(lambda leaf: leaf[0], rounds_of(stage.anonymous(), chosen[None]))
    gains, user_value, welfare = jax.jit(
        lambda: (game.deviation_payoffs(chosen), game.expected_user_value(chosen), game.welfare(chosen))
    )()
    np.testing.assert_allclose(happened.values, gains, rtol=1e-10)
    assert float(happened.user_value) == pytest.approx(float(user_value), rel=1e-10)
    assert float(happened.welfare) == pytest.approx(float(welfare), rel=1e-12)
    assert float(happened.knowledge.seen.sum()) <= 1
    uniform = game.mask / game.mask.sum(axis=1, keepdims=True)
    expected = jax.jit(lambda mixed: stage.expected(happened.standing, mixed))(uniform)
    np.testing.assert_allclose(expected, mixed_payoffs(game, uniform), rtol=1e-12)
    assert (np.asarray(happened.values) <= np.asarray(stage.bounds[1])[:, None] * (1 + 1e-12)).all()


def test_bandit_estimates_are_unbiased_without_exploration():
    rng = np.random.default_rng(2)
    values, mixed = rng.uniform(size=(2, 4)), rng.dirichlet(np.ones(4), size=2)
    feedback = BanditFeedback(0.0)
    mean = np.zeros((2, 4))
    for a, b in itertools.product(range(4), repeat=2):
        told = feedback.told(jnp.asarray(values), jnp.asarray(mixed), jnp.array([a, b]), jnp.array(0))
        mean += mixed[0, a] * mixed[1, b] * np.asarray(told)
    np.testing.assert_allclose(mean, values, atol=1e-14)
    explored = BanditFeedback().told(jnp.asarray(values), jnp.asarray(mixed), jnp.array([0, 0]), jnp.array(0))
    plain = feedback.told(jnp.asarray(values), jnp.asarray(mixed), jnp.array([0, 0]), jnp.array(0))
    assert (np.asarray(explored)[:, 0] > np.asarray(plain)[:, 0]).all()  # losses are estimated lower


def test_learners_of_quality():
    approved, seen = jnp.array([0.0, 3.0, 60.0]), jnp.array([0.0, 4.0, 80.0])
    later = jnp.array(99.0)
    np.testing.assert_allclose(RunningMean(initial=0.4).estimate(approved, seen, later), [0.4, 0.75, 0.75])
    bonus = np.sqrt(np.log(100) / (2 * 80))
    np.testing.assert_allclose(RunningMean(optimism=1.0).estimate(approved, seen, later)[2], 0.75 + bonus)
    np.testing.assert_allclose(BetaPosterior(2.0, 3.0).estimate(approved, seen, later), [2 / 5, 5 / 9, 62 / 85])
    spread = np.sqrt((62 / 85) * (23 / 85) / 86)
    np.testing.assert_allclose(
        BetaPosterior(2.0, 3.0, optimism=1.5).estimate(approved, seen, later)[2], 62 / 85 + 1.5 * spread
    )


# Runs share shapes, so that they share compiled code: 21 asks, 8 seeds, 5 points.
RUN = {"num_seeds": 8, "points": 5}
QUERIES = 4000


def test_regret_equals_a_replay():
    """Play the same seed query by query, with plain sums."""
    stage = AskStage.of(MARKET, USERS, num_asks=21, first_share=0.5, taste_scale=1e-3)
    key, rule, queries = jax.random.key(7), RegretMatchingPlus(), 12
    played = repeated_play(stage, rule, num_queries=queries, key=key, **RUN)
    low, high = (np.asarray(x)[:, None] for x in stage.bounds)
    mixed = np.full((3, 21), 1 / 21)
    state, knowledge = rule.init(stage.mask, jnp.asarray(mixed)), stage.start()
    total, earned, user = np.zeros((3, 21)), np.zeros(3), 0.0
    seed = jax.random.split(key, 8)[1]
    play = jax.jit(lambda *arguments: stage.play(*arguments))
    for t in range(queries):
        draw, happen = jax.random.split(jax.random.fold_in(seed, t))
        log_mixed = np.log(mixed, out=np.full((3, 21), -np.inf), where=np.asarray(mixed) > 0)
        chosen = jax.random.categorical(draw, jnp.asarray(log_mixed), axis=1)
        happened = play(knowledge, chosen, jnp.array(t), happen)
        knowledge, values = happened.knowledge, np.asarray(happened.values)
        told = jnp.asarray(np.clip((values - low) / (high - low), 0, 1))
        state, mixed = rule.update(state, jnp.asarray(mixed), told, lambda m: m, jnp.array(t))
        mixed = np.asarray(mixed)
        total += values
        earned += values[np.arange(3), np.asarray(chosen)]
        user += float(happened.user_value) / queries
    np.testing.assert_allclose(played.regret[1, -1], total.max(axis=1) - earned, atol=1e-14)
    assert float(played.user_value[1, -1]) == pytest.approx(user)
    assert played.queries.tolist() == [1, 2, 3, 6, 12]
    again = repeated_play(stage, rule, num_queries=queries, key=key, **RUN)
    np.testing.assert_array_equal(played.regret, again.regret)
    assert not np.array_equal(played.regret[0], played.regret[1])
    counts = np.diff(np.asarray(played.queries), prepend=0)
    recent = np.asarray(played.recent(played.user_value))
    np.testing.assert_allclose((recent * counts).sum(axis=1) / queries, played.user_value[:, -1], rtol=1e-12)
    bands = played.bands(played.earned)
    assert bands.shape == (3, 5, 3)
    assert (np.diff(bands, axis=0) >= 0).all()
    with pytest.raises(InputError, match="quantiles"):
        played.bands(played.earned, [2.0])


def random_stages(**options):
    """The bundled market and two random ones with one level per provider."""
    yield AskStage.of(MARKET, USERS, num_asks=21, **options)
    rng = np.random.default_rng(0)
    for _ in range(2):
        market = Market.from_arrays(
            accuracy=rng.uniform(0.3, 0.95, (3, 1)),
            tokens=rng.uniform(500, 5000, (3, 1)),
            price_per_million=rng.uniform(0.1, 0.8, 3),
        )
        yield AskStage.of(market, Users(0.01, 1000), num_asks=21, **options)


def check_regret(played):
    """Regret per query keeps below regret matching's bound √(K/T), on average over seeds, and vanishes."""
    average = np.asarray(played.average_regret).mean(axis=0)
    assert (average < np.sqrt(21 / np.asarray(played.queries))[:, None]).all()
    assert average[-1].max() < 0.002 < 0.05 < average[0].max()


def test_second_score_bidders_lose_their_regret_and_end_truthful(full):
    """Tastes among users make every ask matter, so that the truth is the only best reply, up to the grid."""
    for stage in random_stages(taste_scale=1e-3):
        played = repeated_play(stage, num_queries=100_000 if full else QUERIES, **RUN)
        check_regret(played)
        step = float(stage.asks[0, 1] - stage.asks[0, 0])
        best = int(jnp.argmax(stage.quality - stage.cost))
        above_cost = np.asarray(played.action)[:, :, best] - float(stage.cost[best])
        assert np.abs(above_cost[:, -1]).max() < step / 2
        assert np.abs(above_cost[:, 0]).max() > 2 * step  # far from where play began


def test_first_score_asks_approach_the_runner_up(full):
    for stage in random_stages(first_share=1.0):
        played = repeated_play(stage, num_queries=100_000 if full else QUERIES, **RUN)
        check_regret(played)
        surplus = np.asarray(stage.quality - stage.cost)
        best, step = int(surplus.argmax()), float(stage.asks[0, 1] - stage.asks[0, 0])
        score = float(stage.quality[best]) - np.asarray(played.action)[:, -1, best]
        below = np.sort(surplus)[-2] - score
        # The winner asks all but what beats the runner-up, who can undercut it by less than a step of the grid.
        assert below.max() < step
        assert below.min() > -step
        assert np.asarray(played.recent(played.served))[:, -1, best].min() > 0.99


def test_without_tastes_losers_of_the_second_score_auction_do_not_learn_the_truth():
    """Asks that lose all earn the same, so nothing pulls them to cost, and the user gets less than W_2."""
    stage = AskStage.of(MARKET, USERS, num_asks=21)
    played = repeated_play(stage, num_queries=QUERIES, **RUN)
    surplus = np.sort(np.asarray(stage.quality - stage.cost))
    step = float(stage.asks[0, 1] - stage.asks[0, 0])
    check_regret(played)
    recent = np.asarray(played.recent(played.served))[:, -1]
    assert recent.max(axis=1).min() > 0.95  # the best offer serves all the same
    assert np.asarray(played.recent(played.user_value))[:, -1].mean() < surplus[-2] - step


def test_an_optimistic_platform_learns_quality_better():
    """A plain mean writes off whoever fails first; a bonus for what is little known gives it another chance."""
    best = int(jnp.argmax((USERS.quality(MARKET.accuracy)[0] - MARKET.cost).max(axis=1)))
    served, error = {}, {}
    for optimism in (0.0, 1.0):
        learner = BetaPosterior(optimism=optimism)
        stage = AskStage.of(MARKET, USERS, learner=learner, judge=Judge(0.95, 0.1), num_asks=21)
        played = repeated_play(stage, num_queries=3000, num_seeds=24, points=5)
        served[optimism] = np.asarray(played.recent(played.served))[:, -1, best].mean()
        error[optimism] = np.abs(np.asarray(played.quality)[:, -1, best] / float(stage.quality[best]) - 1).mean()
    assert served[1.0] > served[0.0] + 0.05
    assert error[1.0] < error[0.0] / 1.5


def test_bandits_learn_levels():
    rule, feedback = exp3_ix(MARKET.num_levels)
    stage = LevelStage.of(MARKET, USERS)
    played = repeated_play(stage, rule, feedback=feedback, num_queries=10_000, num_seeds=4, points=5)
    average = np.asarray(played.average_regret).mean(axis=0)
    queries, actions = np.asarray(played.queries), MARKET.num_levels
    assert (average < 2 * np.sqrt(2 * actions * np.log(actions) / queries)[:, None] + 1 / queries[:, None]).all()
    assert average[-1].max() < 0.05 < average[0].max()
    game = PayPerCompute(MARKET, USERS)
    equilibrium = float(game.welfare(pure_equilibria(game).worst))
    assert np.asarray(played.recent(played.welfare))[:, -1].mean() == pytest.approx(equilibrium, rel=0.02)


def test_figure_is_drawn():
    from solver.report.figures_repeated import repeated_figure

    stage = AskStage.of(MARKET, USERS, num_asks=21)
    played = repeated_play(stage, num_queries=12, **RUN)
    figure = repeated_figure(played, ["Ada", "Bell", "Cray"], marks=[0.1, 0.2, 0.3])
    left, right = figure.axes
    assert [len(axes.lines) for axes in (left, right)] == [6, 3]
    np.testing.assert_allclose(left.lines[0].get_ydata(), np.median(np.asarray(played.action)[:, :, 0], axis=0))
    with pytest.raises(InputError, match="2 providers for 3 providers"):
        repeated_figure(played, ["Ada", "Bell"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AskStage.of(MARKET, Users([0.01, 0.02], 1000)), "one segment"),
        (lambda: LevelStage.of(MARKET, Users([0.01, 0.02], 1000)), "one segment"),
        (lambda: AskStage.of(MARKET, USERS, num_asks=40), r"num_asks is 40; it must be 5k \+ 1"),
        (lambda: AskStage.of(MARKET, USERS, taste_scale=-1.0), "taste_scale is -1"),
        (lambda: AskStage.of(MARKET, USERS, first_share=1.5), "first_share is 1.5"),
        (lambda: AskStage.of(MARKET, Users(1e-9, 1.0)), "no offer is worth its cost"),
        (
            lambda: AskStage.of(MARKET.subset(MARKET.providers[:1]), Users(0.02, 1.0, outside_value=-np.inf)),
            "one bidder and no reserve",
        ),
        (lambda: AskStage.of(MARKET, USERS, reserve=-0.01), "repeated play: reserve is -0.01"),
        (lambda: AskStage.of(MARKET, USERS, reserve=np.nan), "repeated play: reserve is nan"),
        (lambda: repeated_play(LevelStage.of(MARKET, USERS), num_queries=0), "num_queries is 0"),
        (lambda: repeated_play(LevelStage.of(MARKET, USERS), num_seeds=0), "num_seeds is 0"),
        (
            lambda: LevelStage.of(MARKET, USERS, learner=RunningMean()).expected(
                jnp.ones((3, 5)), jnp.ones((3, 5)) / 5
            ),
            "not available while quality is learned",
        ),
        (lambda: exp3_ix(1), "at least 2"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()
