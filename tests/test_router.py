"""Router rules as demand: O11, existence, levels, Bertrand competition in scores, confidence bounds, certificates."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from games import (
    ArgmaxRouter,
    ConfidentRouter,
    InputError,
    InversePowerRouter,
    LogitRouter,
    Market,
    NormalBound,
    PriceAndCompute,
    RoutedOffers,
    RoutedPrices,
    Users,
    WilsonBound,
)
from solver import (
    Status,
    inverse_power_prices,
    prices_and_compute,
    router_equilibrium,
    router_regret,
    score_regret,
)
from solver.mechanisms import Router

SIZE = 48
prices = jax.jit(jax.vmap(inverse_power_prices))
equilibrium = jax.jit(jax.vmap(router_equilibrium))
certify = jax.jit(jax.vmap(router_regret))


def stack(exponent, quality_exponent, quality, cost) -> RoutedPrices:
    def one(k, g, q, c):
        return RoutedPrices(InversePowerRouter(k, g), q, c, jnp.array(0.0))

    return jax.vmap(one)(*(jnp.asarray(x, float) for x in (exponent, quality_exponent, quality, cost)))


@pytest.mark.parametrize("n", [2, 3])
def test_identical_costs(n):
    """O11: p = c·k(n − 1)/(k(n − 1) − n), if and only if n(1 − 1/k) > 1; what is not finite is said, not computed."""
    rng = np.random.default_rng(n)
    exponent = np.append(rng.uniform(0.5, 6, SIZE - 3), [2.0, n / (n - 1), 1.0])
    cost = 10 ** rng.uniform(-6, 2, SIZE)
    rows = np.repeat(cost[:, None], n, axis=1)
    found = prices(stack(exponent, np.zeros(SIZE), rows, rows))
    exists = exponent * (n - 1) > n
    assert exists.any()
    assert not exists.all()
    np.testing.assert_array_equal(np.asarray(found.status) == Status.CONVERGED, exists)
    assert np.all(np.asarray(found.status)[~exists] == Status.NO_EQUILIBRIUM)
    assert np.isnan(np.asarray(found.price)[~exists]).all()
    margin = np.where(exists, exponent * (n - 1) - n, 1.0)
    expected = cost * exponent * (n - 1) / margin
    # Near the edge the formula divides by a difference: it is as exact as k is.
    slack = 1e-8 + 1e-14 * exponent * n / margin
    error = np.abs(np.asarray(found.price)[exists, 0] / expected[exists] - 1)
    assert np.all(error < slack[exists])
    if n == 3:
        two = np.flatnonzero(exponent == 2.0)[0]
        assert float(found.price[two, 0] / cost[two]) == pytest.approx(4.0, rel=1e-12)


def test_asymmetric_costs_solve_the_first_order_conditions():
    """(p − c)/p = 1/(k(1 − s)) with s ∝ q^g p^{−k} in NumPy, costs six orders apart; unique by monotony of Σ s(A)."""
    rng = np.random.default_rng(0)
    cost, quality = 10 ** rng.uniform(-6, 0, (SIZE, 3)), 10 ** rng.uniform(-4, 0, (SIZE, 3))
    cost[::6, 1], quality[::6, 1] = cost[::6, 0], quality[::6, 0]  # twins
    exponent, power = 1.5 + 10 ** rng.uniform(-1, 1.5, SIZE), rng.choice([0.0, 1.0, 2.5], SIZE)
    exponent[:4] = 1.5 + np.array([1e-6, 1e-3, 0.5, 2000])
    found = prices(stack(exponent, power, quality, cost))
    assert np.all(np.asarray(found.status) == Status.CONVERGED)
    price = np.asarray(found.price)
    log_weight = power[:, None] * np.log(quality) - exponent[:, None] * np.log(price)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    share = weight / weight.sum(axis=1, keepdims=True)
    rest = np.stack([np.delete(share, i, axis=1).sum(axis=1) for i in range(3)], axis=1)
    lerner = np.exp(np.asarray(found.log_markup)) / price
    # Rounding of k ln p is what shares can be known to.
    slack = 1e-8 + 1e-15 * exponent[:, None] * 20
    assert np.all(np.abs(lerner * exponent[:, None] * rest - 1) < slack * np.maximum(1, 1 / rest))
    np.testing.assert_allclose(found.shares, share, rtol=1e-7, atol=1e-12)
    # Relabelled and in another currency (the quality exponent makes worth a weight, so only costs move).
    order = [2, 0, 1]
    moved = prices(stack(exponent, power, quality[:, order], 1000 * cost[:, order]))
    np.testing.assert_allclose(moved.price, 1000 * price[:, order], rtol=1e-7)


def test_without_equilibrium_every_price_is_undercut_from_above():
    """k = 2, two providers: whatever both charge, the best reply is dearer, p* = c + √(c² + p²)."""
    price = 10 ** np.linspace(0.1, 6, 50)
    best = 1 + np.sqrt(1 + price**2)

    def profit(p):
        return (p - 1) * p**-2.0 / (p**-2.0 + price**-2.0)

    assert np.all(best > price)
    assert np.all(profit(best) > profit(price))
    assert np.all(profit(best) > np.maximum(profit(0.99 * best), profit(1.01 * best)))


def offers(rule, quality, cost, outside=0.0) -> RoutedOffers:
    quality, cost = jnp.asarray(quality, float), jnp.asarray(cost, float)
    return RoutedOffers(rule, quality, cost, jnp.isfinite(quality), jnp.asarray(outside, float))


@pytest.fixture(scope="module")
def choices():
    """Random games of three providers with three levels under inverse power; quality matters more or less."""
    rng = np.random.default_rng(4)
    quality = np.sort(rng.uniform(0.2, 1, (SIZE, 3, 3)), axis=2)
    cost = np.sort(10 ** rng.uniform(-3, -1, (SIZE, 3, 3)), axis=2)
    exponent, power = 1.6 + rng.exponential(3, SIZE), rng.choice([0.0, 1.0, 4.0, 12.0], SIZE)
    games = jax.vmap(lambda k, g, q, c: offers(InversePowerRouter(k, g), q, c))(
        *(jnp.asarray(x) for x in (exponent, power, quality, cost))
    )
    return games, power, cost


def test_levels_and_prices_are_certified(choices):
    games, power, cost = choices
    found = equilibrium(games)
    assert np.all(np.asarray(found.status) == Status.CONVERGED)
    regret = np.asarray(certify(games, found))
    assert np.all(regret <= 1e-9 * np.asarray(found.payoffs).max(axis=1, keepdims=True))
    # Where only prices count, the cheapest level wins: no compute beyond the least.
    assert np.all(np.asarray(found.levels)[power == 0] == cost[power == 0].argmin(axis=2))
    assert np.any(np.asarray(found.levels)[power == 12] > 0)
    # The certificate sees a level that is not a best reply.
    wrong = found.levels.at[:, 0].set((found.levels[:, 0] + 1) % 3)
    quality, chosen = (jnp.take_along_axis(x, wrong[..., None], axis=2)[..., 0] for x in (games.quality, games.cost))
    priced = prices(stack(games.rule.exponent, power, quality, chosen))
    seen = np.asarray(certify(games, eqx.tree_at(lambda f: f.levels, priced, wrong)))[:, 0] > 1e-6 * np.asarray(
        priced.payoffs[:, 0]
    )
    assert seen.sum() > SIZE // 2


def test_the_equilibrium_is_among_those_of_full_enumeration(choices):
    """All 27 profiles of levels, prices solved, deviations searched: ours is one of the equilibria."""
    games, _, _ = choices
    every = np.array(list(itertools.product(range(3), repeat=3)))
    padded = np.resize(every, (SIZE, 3))
    for index in (2, 7):
        game = jax.tree.map(lambda leaf, i=index: jnp.stack([leaf[i]] * SIZE), games)
        levels = jnp.asarray(padded)
        quality, cost = (jnp.take_along_axis(x, levels[..., None], axis=2)[..., 0] for x in (game.quality, game.cost))
        priced = prices(stack(game.rule.exponent, game.rule.quality_exponent, quality, cost))
        gain = np.asarray(certify(game, eqx.tree_at(lambda f: f.levels, priced, levels))).max(axis=1)[:27]
        stable = {tuple(row) for row in every[gain <= 1e-9 * np.asarray(priced.payoffs).max()]}
        ours = tuple(np.asarray(equilibrium(game).levels[0]).tolist())
        assert ours in stable
        assert len(stable) < 27


def test_argmax_is_bertrand_in_scores():
    """The winner takes q_1 − W_2; no level and no price on a dense grid does better, ties won by undercutting."""
    quality = [[1.0, 1.4, -jnp.inf], [0.9, 1.2, 1.5], [0.5, 0.6, 0.7]]
    cost = [[0.3, 0.5, 1.0], [0.3, 0.45, 0.9], [0.1, 0.3, 0.6]]
    rule = ArgmaxRouter()
    game = offers(rule, quality, cost)
    found = router_equilibrium(game)
    assert found.levels.tolist() == [1, 1, 0]
    assert found.shares.tolist() == [1.0, 0.0, 0.0]
    np.testing.assert_allclose(found.price, [1.4 - 0.75, 0.45, 0.1], rtol=1e-15)
    np.testing.assert_allclose(router_regret(game, found), 0, atol=1e-15)
    # By payoffs alone: the winner undercuts by a millionth, everybody tries every level at many prices.
    tiny = 1e-6
    markup = found.price.at[0].add(-tiny) - jnp.asarray(cost)[jnp.arange(3), found.levels]
    trials = jnp.exp(jnp.linspace(-12, 1, 400))

    def deviate(i, k, m):
        log_markup = jnp.log(markup).at[i].set(jnp.log(m))
        return jnp.exp(game.log_payoffs(found.levels.at[i].set(k), log_markup)[i])

    over_prices = jax.vmap(deviate, in_axes=(None, None, 0))
    table = jax.jit(jax.vmap(jax.vmap(over_prices, (None, 0, None)), (0, None, None)))(
        jnp.arange(3), jnp.arange(3), trials
    )
    best = np.where(np.isfinite(np.asarray(quality))[..., None], table, 0).max(axis=(1, 2))
    assert best[0] <= float(found.payoffs[0]) + 1e-12
    assert best[0] > 0.9 * float(found.payoffs[0])
    assert np.all(best[1:] <= tiny)
    # Too dear by a cent: the regret is the profit that is lost.
    dear = score_regret(
        game.quality,
        game.cost,
        game.mask,
        game.outside_value,
        found.levels,
        found.price.at[0].add(0.01),
        jnp.array([0.0, 1.0, 0.0]),
    )
    assert float(dear[0]) == pytest.approx(0.15, rel=1e-9)


@pytest.mark.parametrize(
    ("surplus", "outside", "winner", "markup"),
    [
        ([0.5, 0.5, 0.2], 0.0, 0, 0.0),  # a tie leaves no rent
        ([0.5, 0.4, 0.2], 0.45, 0, 0.05),  # the outside option binds
        ([0.5, 0.4, 0.2], 0.6, None, 0.0),  # nobody is good enough
        ([0.5, 0.4, 0.2], -np.inf, 0, 0.1),
    ],
)
def test_argmax_ties_and_outside(surplus, outside, winner, markup):
    quality = 1.0 + np.array(surplus)[:, None] * np.array([1.0, 0.5, 0.1])
    found = router_equilibrium(offers(ArgmaxRouter(), quality, np.ones((3, 3)), outside))
    assert found.shares.tolist() == [float(i == winner) for i in range(3)]
    assert float(found.payoffs.sum()) == pytest.approx(markup, abs=1e-15)


def test_one_provider_needs_an_outside_option():
    column = np.array([[2.0]])
    for outside, status in ((0.5, Status.CONVERGED), (-np.inf, Status.NO_EQUILIBRIUM)):
        found = router_equilibrium(offers(ArgmaxRouter(), column, 0 * column + 1, outside))
        assert int(found.status) == status
    assert np.isnan(float(found.price[0]))


def test_the_logit_router_is_the_posted_price():
    rng = np.random.default_rng(8)
    quality, cost = jnp.asarray(rng.uniform(0.5, 1, (3, 3))), jnp.asarray(rng.uniform(0.1, 0.4, (3, 3)))
    found = router_equilibrium(offers(LogitRouter(20.0), quality, cost))
    direct = prices_and_compute(PriceAndCompute(quality, cost, cost > 0, jnp.array(20.0), jnp.array(0.0)))
    np.testing.assert_array_equal(found.levels, direct.levels)
    np.testing.assert_allclose(found.price, direct.price, rtol=1e-14)


def test_confidence_bounds():
    """Against the textbook formulas; a bound tends to the accuracy as samples grow, and a small sample can cost the win."""
    rng = np.random.default_rng(1)
    accuracy = np.append(rng.uniform(0, 1, (3, 5)), np.ones((3, 1)), axis=1)
    samples, confidence = np.array([3.0, 40.0, 5000.0]), 0.9
    z, m = norm.ppf(confidence), samples[:, None]
    # Wilson's bound is the smaller root of (a − x)² = z² x(1 − x)/m.
    wilson = np.asarray(WilsonBound(samples, confidence)(jnp.asarray(accuracy)))
    np.testing.assert_allclose((accuracy - wilson) ** 2, z**2 * wilson * (1 - wilson) / m, atol=1e-13)
    assert np.all(wilson <= accuracy)
    normal = np.asarray(NormalBound(samples, confidence)(jnp.asarray(accuracy)))
    np.testing.assert_allclose(normal, np.maximum(accuracy - z * np.sqrt(accuracy * (1 - accuracy) / m), 0), atol=1e-14)
    assert np.all(normal[:, -1] == 1.0)  # the normal bound believes a perfect sample of three
    assert np.all(wilson[:, -1] < 1.0)
    np.testing.assert_allclose(WilsonBound(1e14)(jnp.asarray(accuracy)), accuracy, atol=1e-6)


MARKET = Market.from_arrays(
    accuracy=[[0.3, 0.5, 0.6], [0.45, 0.7], [0.2, 0.62, 0.66]],
    tokens=[[400, 1500, 6000], [800, 5000], [300, 2500, 9000]],
    price_per_million=[0.4, 0.9, 0.5],
)
USERS = Users([0.02, 0.05], [600.0, 2000.0], weight=[3, 1])
FREE = Market.from_arrays(accuracy=[[0.5]] * 3, tokens=[[1]] * 3, price_per_million=0.0)
ONE = jnp.ones(3)


def test_the_entrant_with_few_samples_loses_to_its_record():
    """Same market, the best provider measured on 5 answers: users pay for what the router does not know."""
    known = Router(ConfidentRouter(WilsonBound([1e9, 1e9, 1e9]))).outcome(MARKET, USERS)
    new = Router(ConfidentRouter(WilsonBound([1e9, 5.0, 1e9]))).outcome(MARKET, USERS)
    plain = Router(ArgmaxRouter()).outcome(MARKET, USERS)
    np.testing.assert_allclose(known.user_value, plain.user_value, rtol=1e-3)
    assert float(plain.allocation[1, 1]) == 1.0
    assert float(new.allocation[1, 1]) == 0.0
    assert float(new.welfare[1]) < float(plain.welfare[1])
    for outcome in (known, new, plain):
        assert float(outcome.max_regret.max()) <= 1e-15


def test_a_router_says_that_prices_have_no_end():
    """No number, and no overflow on the way; leaving a price at cost alone would still pay."""
    outcome = Router(InversePowerRouter(1.5)).outcome(MARKET, USERS)  # n = 3 needs k > 1.5
    assert int(outcome.status) == Status.NO_EQUILIBRIUM
    assert np.isnan(np.asarray(outcome.welfare)).all()
    assert np.isfinite(np.asarray(outcome.misreport_gain)).all()
    # The best reply to two at cost, by a fine grid in NumPy.
    surplus = np.where(
        np.asarray(MARKET.mask), np.asarray(USERS.quality(MARKET.accuracy)) - np.asarray(MARKET.cost), -9
    )
    expected = np.zeros(3)
    for share, levels in zip(np.asarray(USERS.weight), surplus.argmax(axis=-1), strict=True):
        at_cost = np.asarray(MARKET.cost)[np.arange(3), levels]
        for i in range(3):
            others = (np.delete(at_cost, i) ** -1.5).sum()
            own = np.asarray(MARKET.cost)[i][np.asarray(MARKET.mask)[i]][:, None]
            price = own * (1 + np.exp(np.linspace(-8, 12, 20001)))
            expected[i] += share * ((price - own) * price**-1.5 / (price**-1.5 + others)).max()
    np.testing.assert_allclose(outcome.misreport_gain, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InversePowerRouter(0.0), "exponent is 0"),
        (lambda: InversePowerRouter(2.0, -1.0), "quality_exponent is -1"),
        (lambda: LogitRouter(0.0), "rationality is 0"),
        (lambda: WilsonBound(samples=0.5), "at least 1"),
        (lambda: NormalBound(confidence=1.0), "between 0 and 1"),
        (lambda: Router(ConfidentRouter(WilsonBound([10.0, 20.0]))).outcome(MARKET, USERS), "3 providers and 3 levels"),
        (lambda: Router().outcome(FREE, USERS), "is free"),
        (lambda: inverse_power_prices(RoutedPrices(ArgmaxRouter(), ONE, ONE, jnp.array(0.0))), "InversePowerRouter"),
    ],
)
def test_bad_input_is_explained(make, message):
    with pytest.raises(InputError, match=message):
        make()
