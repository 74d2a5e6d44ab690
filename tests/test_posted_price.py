"""Free prices under logit demand: O7 to O10 over random markets, certificates, limits, mechanisms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, wrightomega

from benchmarks import posted_price as benchmark
from games import InputError, Market, PriceAndCompute, PriceCompetition, Users
from games.wright_omega import log_wright_omega
from solver import Status, collusive_prices, gradient_dynamics, posted_prices, price_regret
from solver.mechanisms import Collusion, PostedPrice
from solver.mechanisms import PriceAndCompute as FreePriceAndCompute

N = 4
SIZE = 64
solve = jax.jit(jax.vmap(posted_prices))


@jax.jit
@jax.vmap
def certify(game: PriceAndCompute, levels, log_markup):
    """The search over levels and prices; one compiled function for all tests."""
    return price_regret(game, levels, log_markup)


def one_level(game: PriceCompetition) -> PriceAndCompute:
    """Fixed offers as games of three levels of which one exists."""
    quality, cost = (jnp.repeat(x[:, :, None], 3, axis=2) for x in (game.quality, game.cost))
    make = jax.vmap(lambda q, c, b, v: PriceAndCompute(q, c, jnp.arange(3)[None] == jnp.zeros((N, 1)), b, v))
    return make(quality, cost, game.rationality, game.outside_value)


def stack(quality, cost, beta, outside) -> PriceCompetition:
    return jax.vmap(PriceCompetition)(*(jnp.asarray(x, float) for x in (quality, cost, beta, outside)))


@pytest.fixture(scope="module")
def data():
    """β from 0.01 to 10^6, money from 1e-4 to 100 dollars, twins, no outside option: T spans 10^±thousands."""
    rng = np.random.default_rng(5)
    scale = 10 ** rng.uniform(-4, 2, (SIZE, 1))
    quality, cost = (rng.uniform(0, 1, (SIZE, N)) * scale for _ in range(2))
    quality[::7, 1], cost[::7, 1] = quality[::7, 0], cost[::7, 0]  # ties
    beta = 10 ** rng.uniform(-2, 6, SIZE)
    outside = np.array([0.0, -np.inf, 0.5, 50.0])[np.arange(SIZE) % 4] * np.where(
        np.arange(SIZE) % 4 > 1, scale[:, 0], 1
    )
    return quality, cost, beta, outside


@pytest.fixture(scope="module")
def game(data):
    return stack(*data)


@pytest.fixture(scope="module")
def found(game):
    return solve(game)


def others_and_all(quality, price, beta, outside):
    """ln R and ln Z from prices, in NumPy."""
    attraction = beta[:, None] * (quality - price)
    outside = np.where(np.isfinite(outside), beta * np.where(np.isfinite(outside), outside, 0), -np.inf)
    rows = np.concatenate([attraction, outside[:, None]], axis=1)
    others = [logsumexp(np.delete(rows, i, axis=1), axis=1) for i in range(attraction.shape[1])]
    return np.stack(others, axis=1), logsumexp(rows, axis=1), attraction, outside


def test_the_markets_are_as_wild_as_they_claim(data):
    quality, cost, beta, _ = data
    exponent = beta[:, None] * (quality - cost) / np.log(10)
    assert exponent.max() > 1e4
    assert exponent.min() < -1e4
    assert beta.max() > 5e5


def test_every_price_is_the_best_reply_and_profit_is_lambert_w(data, found):
    """O7: p − c = 1/(β(1 − s)) = (1 + W)/β, profit = W/β, W = SciPy's omega of β(q − c) − 1 − ln R."""
    quality, cost, beta, outside = data
    price = np.asarray(found.price)
    others, _, attraction, _ = others_and_all(quality, price, beta, outside)
    # ln R carries the rounding of β·V, of the order of 1e-16 times its size.
    slack = 1e-8 + 1e-15 * np.abs(attraction)
    omega = wrightomega(beta[:, None] * (quality - cost) - 1 - others)
    markup = np.exp(np.asarray(found.log_markup))
    assert np.all(np.abs(markup * beta[:, None] / (1 + omega) - 1) < slack)
    log_rest = -np.logaddexp(0, attraction - others)  # ln(1 − s)
    assert np.all(np.abs(np.log(markup * beta[:, None]) + log_rest) < slack)
    seen = omega > 1e-290
    assert np.all(np.abs((np.asarray(found.payoffs) * beta[:, None])[seen] / omega[seen] - 1) < slack[seen] * 10)
    np.testing.assert_allclose(price, cost + markup, rtol=1e-14)


def test_shares_solve_the_aggregate_equations(data, found):
    """O8: s e^{1/(1 − s)} = T/H, Σ s + e^{βV0}/H = 1, consumer surplus ln(H)/β; H from prices."""
    quality, cost, beta, outside = data
    _, log_h, _, log_outside = others_and_all(quality, np.asarray(found.price), beta, outside)
    shares = np.asarray(found.shares)
    total = shares.sum(axis=1) + np.exp(log_outside - log_h)
    np.testing.assert_allclose(total, 1, atol=1e-8)
    size = np.abs(beta[:, None] * np.maximum(np.abs(quality), cost))
    log_t = beta[:, None] * (quality - cost)
    inverse = np.exp(-np.log(beta)[:, None] - np.asarray(found.log_markup))  # 1 − s, without cancellation
    left = np.asarray(found.log_shares) + 1 / inverse
    assert np.all(np.abs(left - (log_t - log_h[:, None])) < 1e-8 + 1e-14 * size)
    np.testing.assert_allclose(found.consumer_surplus * beta, log_h, rtol=1e-12, atol=1e-8)
    np.testing.assert_allclose(found.outside_share, np.exp(log_outside - log_h), rtol=1e-6, atol=1e-8)


def test_certified_by_search_over_prices(data, game, found):
    size = np.abs(data[2][:, None] * (data[0] + data[1])).max(axis=1)
    tolerance = 1e-9 + 1e-14 * size
    assert np.all(np.asarray(found.status) == Status.CONVERGED)
    games, only = one_level(game), jnp.zeros((SIZE, N), int)
    assert np.all(np.asarray(certify(games, only, found.log_markup).max_regret) <= tolerance)
    off = found.log_markup.at[:, 0].add(0.05)
    served = np.asarray(found.shares[:, 0]) > 1e-3
    # The certificate sees a markup that is 5 % off.
    assert np.all(np.asarray(certify(games, only, off).max_regret)[served] > 1e-4)


def test_published_anchors():
    """O9, and the symmetric closed form without outside option."""
    pair = PriceCompetition([2.0, 2.0], [1.0, 1.0], 4.0, 0.0)
    np.testing.assert_allclose(posted_prices(pair).price, 1.4729267, atol=5e-8)
    np.testing.assert_allclose(collusive_prices(pair).price, 1.9249810, atol=1e-7)
    rng = np.random.default_rng(0)
    beta, cost = 10 ** rng.uniform(-2, 6, SIZE), rng.uniform(0, 1, SIZE)
    rows = np.repeat(cost[:, None], N, axis=1)
    alike = solve(stack(rows + 0.3, rows, beta, np.full(SIZE, -np.inf)))
    np.testing.assert_allclose(np.exp(alike.log_markup), N / (beta * (N - 1))[:, None] * np.ones(N), rtol=1e-10)


def test_order_and_currency_change_nothing(data, found):
    quality, cost, beta, outside = data
    order = np.array([2, 0, 3, 1])
    moved = solve(stack(100 * quality[:, order], 100 * cost[:, order], beta / 100, 100 * outside))
    slack = 1e-9 + 1e-13 * np.abs(beta[:, None] * (quality + cost)).max()
    np.testing.assert_allclose(moved.log_markup - np.log(100), found.log_markup[:, order], atol=slack)
    np.testing.assert_allclose(moved.shares, found.shares[:, order], atol=1e-9)


def test_a_batch_equals_a_loop(game, found):
    for i in range(0, SIZE, 16):
        one = posted_prices(jax.tree.map(lambda leaf, i=i: leaf[i], game))
        np.testing.assert_allclose(one.log_markup, found.log_markup[i], rtol=1e-13)


def test_one_provider():
    alone = [posted_prices(PriceCompetition([1.0], [0.5], 1000.0, v)) for v in (0.2, -np.inf)]
    assert float(alone[0].price[0]) == pytest.approx(0.5 + (1 + wrightomega(1000 * 0.3 - 1)) / 1000, rel=1e-12)
    assert int(alone[1].status) == Status.NO_EQUILIBRIUM
    assert np.isnan(np.asarray(alone[1].price)).all()
    flat = PriceCompetition([1.0, 1.0], [1.0, 1.0], 0.0, 0.0)
    assert int(posted_prices(flat).status) == Status.NO_EQUILIBRIUM  # users who do not look at prices


def test_gradient_bidders_learn_the_price():
    game = PriceCompetition([2.0, 1.7], [1.0, 0.9], 4.0, 0.0)
    learned = gradient_dynamics(game, points=129)
    assert learned.converged
    # A relative regret of 1e-9 leaves the price itself free by its square root.
    np.testing.assert_allclose(game.price(learned.log_compute), posted_prices(game).price, rtol=1e-4)


def test_derivatives_follow_the_root():
    quality, cost = jnp.array([1.0, 1.2, 1.1, 0.8]), jnp.array([0.5, 0.6, 0.7, 0.4])

    def price(cost):
        return posted_prices(PriceCompetition(quality, cost, 50.0, 0.1)).price

    step = 1e-6
    by_differences = np.stack([(price(cost + e) - price(cost - e)) / (2 * step) for e in step * np.eye(N)], axis=1)
    np.testing.assert_allclose(jax.jacrev(price)(cost), by_differences, rtol=1e-5)


def test_levels_do_not_depend_on_rationality():
    """O10: q = 1.5(1 − e^{−θ}), c = .3θ: θ* = ln 5, certified over all levels and prices."""
    theta = jnp.array([0.9, np.log(5), 2.6])
    beta = 10 ** jnp.linspace(-1, 5, SIZE)
    row = jnp.ones((N, 1))

    def make(beta):
        cost = row * 0.3 * theta
        return PriceAndCompute(row * 1.5 * (1 - jnp.exp(-theta)), cost, cost > 0, beta, jnp.array(0.0))

    games = jax.vmap(make)(beta)
    assert np.all(np.asarray(jax.vmap(lambda g: g.efficient_levels)(games)) == 1)
    for level in (0, 1, 2):
        levels = jnp.full((SIZE, N), level)
        prices = solve(jax.vmap(lambda game, chosen: game.at(chosen))(games, levels))
        judged = certify(games, levels, prices.log_markup)
        if level == 1:
            assert float(judged.max_regret.max()) < 1e-9
        else:  # prices are in equilibrium, levels are not
            assert float(judged.max_regret.min()) > 1e-4
            assert np.all(np.asarray(judged.best_level) == 1)


def test_a_cartel_leaves_no_money():
    """Joint profit is ω/β, and no other prices earn more together."""
    rng = np.random.default_rng(2)
    quality, cost = rng.uniform(1, 2, 2), rng.uniform(0.2, 0.8, 2)
    game = PriceCompetition(quality, cost, 6.0, 0.3)
    found = collusive_prices(game)
    omega = wrightomega(logsumexp(6 * (quality - cost - 0.3)) - 1)
    assert float(found.payoffs.sum()) == pytest.approx(omega / 6, rel=1e-12)
    joint = jax.jit(jax.vmap(jax.value_and_grad(lambda x: game.payoffs(x).sum())))
    near = np.concatenate([np.zeros((1, 2)), rng.normal(0, 0.05, (500, 2))])
    profit, slope = joint(found.log_markup + near)
    assert float(profit[0]) == pytest.approx(omega / 6, rel=1e-12)
    assert float(profit[1:].max()) < omega / 6
    np.testing.assert_allclose(slope[0], 0, atol=1e-12)
    sure = collusive_prices(PriceCompetition(quality, cost, 6.0, -np.inf))
    assert int(sure.status) == Status.NO_EQUILIBRIUM


def test_wright_omega():
    z = np.concatenate([np.linspace(-40, 40, 2001), np.geomspace(40, 1e7, 50), -np.geomspace(40, 1e7, 50)])
    ours = np.asarray(log_wright_omega(jnp.asarray(z)))
    assert np.all(np.abs(ours + np.exp(ours) - z) <= 4e-15 * np.maximum(1, np.abs(z)))
    theirs = wrightomega(z)
    seen = theirs > 1e-300
    np.testing.assert_allclose(np.exp(ours)[seen], theirs[seen], rtol=1e-14)


USERS = Users([0.02, 0.05], [600.0, 1e5], weight=[3, 1], outside_value=[0.0, 0.001])


@pytest.fixture(scope="module")
def market() -> Market:
    """Of the shape of the contract tests' market, so that compiled code is shared."""
    accuracy = [[0.3, 0.5, 0.6], [0.45, 0.7], [0.2, 0.62, 0.66]]
    tokens = [[400, 1500, 6000], [800, 5000], [300, 2500, 9000]]
    return Market.from_arrays(accuracy=accuracy, tokens=tokens, price_per_million=[0.4, 0.9, 0.5])


def test_mechanisms_keep_the_aggregate_equations(market):
    """Levels as given or argmax(q − c), consumer surplus ln(H)/β, and W/β for leaving a price at cost."""
    quality, cost = np.asarray(USERS.quality(market.accuracy)), np.asarray(market.cost)
    efficient = np.where(np.asarray(market.mask), quality - cost, -np.inf).argmax(axis=-1)
    given = np.array([[0, 1, 0], [2, 0, 2]])
    beta, outside, rows = np.asarray(USERS.rationality), np.asarray(USERS.outside_value), np.arange(3)
    for made, levels in ((PostedPrice(levels=given), given), (FreePriceAndCompute(), efficient)):
        outcome = made.outcome(market, USERS)
        np.testing.assert_array_equal(outcome.levels, levels)
        assert int(outcome.status) == Status.CONVERGED
        assert float(outcome.max_regret.max()) < 1e-9 * float(outcome.profits.max())
        q = np.stack([quality[s, rows, levels[s]] for s in range(2)])
        c = np.stack([cost[rows, levels[s]] for s in range(2)])
        log_h = others_and_all(q, np.asarray(outcome.price), beta, outside)[1]
        np.testing.assert_allclose(outcome.consumer_surplus, log_h / beta, rtol=1e-10)
        log_r = others_and_all(q, c, beta, outside)[0]
        gain = wrightomega(beta[:, None] * (q - c) - 1 - log_r) / beta[:, None]
        np.testing.assert_allclose(outcome.misreport_gain, np.asarray(USERS.weight) @ gain, rtol=1e-8)


def test_mechanisms_say_where_no_price_exists(market):
    """Users who do not look at prices would pay any."""
    users = Users([0.02, 0.05], [600.0, 0.0], weight=[3, 1], outside_value=[0.0, 0.001])
    outcome = FreePriceAndCompute().outcome(market, users)
    assert int(outcome.status) == Status.NO_EQUILIBRIUM
    assert np.isfinite(float(outcome.welfare[0]))
    assert np.isnan(float(outcome.welfare[1]))
    assert np.isnan(np.asarray(outcome.price[1])).all()


def test_benchmark_runs_and_compares_answers_first(capsys, monkeypatch):
    """Where PyBLP is installed it must agree, or nothing is timed; where not, the script says how to get it."""
    arguments = ["--markets", str(SIZE), "--products", str(N), "--large", "0", "--repeats", "1"]
    benchmark.main(arguments)
    printed = capsys.readouterr().out
    assert f"{SIZE} markets of {N} products" in printed
    assert ("times the speed" in printed) or (benchmark.HINT in printed)
    # A peer whose prices are off by a millionth is found out.
    monkeypatch.setattr(benchmark.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(benchmark, "peers", lambda: {"peer": {}})
    right = benchmark.ours(benchmark.random_markets(SIZE, N))
    monkeypatch.setattr(benchmark, "theirs", lambda markets: lambda: np.asarray(right()) * (1 + 1e-6))
    with pytest.raises(SystemExit, match="prices differ by 1"):
        benchmark.main(arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: PostedPrice(levels=[0, 1]).outcome(m, USERS), "one whole number for each of 3 providers"),
        (lambda m: PostedPrice(levels=[0, 2, 1]).outcome(m, USERS), "has no level 2; it has levels 0 to 1"),
        (lambda m: Collusion(levels=[0.0, 1.0, 1.0]).outcome(m, USERS), "whole number"),
        (lambda m: PriceCompetition([1.0, 2.0], [1.0], 4.0), "one of each per provider"),
        (lambda m: PriceCompetition([1.0], [np.nan], 4.0), "cost of provider 0 is nan"),
        (lambda m: PriceCompetition([1.0], [1.0], -1.0), "rationality is -1"),
        (lambda m: PriceCompetition([1.0], [1.0], 1.0, np.inf), "outside_value is inf"),
    ],
)
def test_bad_input_is_explained(market, make, message):
    with pytest.raises(InputError, match=message):
        make(market)
