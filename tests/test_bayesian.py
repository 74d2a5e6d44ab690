"""Bids under private costs: closed forms over random parameters, revenue equivalence, learned bids, the certificate itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.bayesian import learn_many, oracles
from games import (
    CurveOffers,
    InputError,
    LevelOffers,
    PowerCosts,
    PowerQuality,
    PrivateCosts,
    ProportionalCost,
    UniformCosts,
    load_scenario,
)
from games.private_costs import alike
from solver import (
    asymmetric_bids,
    first_score_outcome,
    interim_regret,
    learn_bids,
    second_score_outcome,
    symmetric_bids,
    truthful_bids,
)

LEVELS = 6


def good(top, low, power, reserve=-jnp.inf) -> PrivateCosts:
    """k_i in [low_i, top_i], F_i(k) = ((k − low)/(top − low))^power: one level of fixed quality, the rest masked."""
    providers = top.shape[0]
    table = jnp.ones((providers, LEVELS))
    offers = LevelOffers(top[:, None] * table, table, mask=jnp.arange(LEVELS) < table * 0 + 1)
    return PrivateCosts(offers, PowerCosts(jnp.zeros(providers), top - low, power), reserve=reserve)


@pytest.fixture(scope="module")
def alike_games():
    """Three alike providers: random scales over six orders of magnitude, powers and reserves; O12 is the first."""
    rng = np.random.default_rng(0)
    top = 10 ** rng.uniform(-5, 1, 8)
    power = rng.uniform(1.0, 4.0, 8)
    reserve = top * np.where(np.arange(8) % 2, rng.uniform(0.1, 0.8, 8), 0.0)
    top[0], power[0], reserve[0] = 1.0, 1.0, 0.5

    @jax.jit
    @jax.vmap
    def solve(top, power, reserve):
        three = jnp.ones(3)
        game = good(top * three, 0 * three, power * three, reserve)
        bids = symmetric_bids(game)
        k = reserve + jnp.linspace(0.0, 1.0, 101)[1:] * (top - reserve)
        found = jax.vmap(lambda x: bids(x * three)[0])(k)
        return k, found, first_score_outcome(game, bids), second_score_outcome(game)

    return top, power, reserve, *jax.tree.map(np.asarray, solve(top, power, reserve))


def test_symmetric_closed_form(alike_games):
    """F = (k/h)^m, m(n − 1) = a: b = (a k + r (r/k)^a)/(a + 1)."""
    top, power, reserve, k, bids, _, _ = alike_games
    a, r = 2 * power[:, None], reserve[:, None]
    expected = (a * k + r * (r / k) ** a) / (a + 1)
    assert (np.abs(bids - expected).max(axis=1) < 1e-8 * top).all()


def test_revenue_equivalence(alike_games):
    _, _, _, _, _, first, second = alike_games
    np.testing.assert_allclose(first.user_value, second.user_value, rtol=1e-8)
    np.testing.assert_allclose(first.profits, second.profits, rtol=1e-7)
    assert float(second.user_value[0]) == pytest.approx(17 / 32, abs=1e-12)
    np.testing.assert_allclose(second.sold[0], 1 - 1 / 8, rtol=1e-12)
    np.testing.assert_allclose(first.welfare, first.user_value + first.profits.sum(axis=1), rtol=1e-12)


def test_two_asymmetric_uniform_bidders():
    """k_i uniform on [0, h_i]: b_i = k/(1 + √(1 ∓ C k²)), C = h_0⁻² − h_1⁻²; the weaker bidder shades less."""
    rng = np.random.default_rng(1)
    tops = 10 ** rng.uniform(-5, 1, (8, 1)) * np.stack([np.ones(8), rng.uniform(1.05, 4.0, 8)], axis=1)
    tops[4:] = tops[4:, ::-1]
    share = np.linspace(0.0, 1.0, 201)[1:, None]

    @jax.jit
    @jax.vmap
    def solve(top):
        found = asymmetric_bids(good(top, 0 * top, jnp.ones(2)))
        return found.highest, jax.vmap(found.bids)(share * top)

    highest, bids = (np.asarray(x) for x in solve(tops))
    np.testing.assert_allclose(highest, tops.prod(axis=1) / tops.sum(axis=1), rtol=1e-9)
    sign = (tops[:, :1] ** -2 - tops[:, 1:] ** -2) * np.array([1.0, -1.0])
    k = share * tops[:, None]
    expected = k / (1 + np.sqrt(np.maximum(1 - sign[:, None] * k**2, 0.0)))
    assert (np.abs(bids - expected).max(axis=(1, 2)) < 1e-8 * tops.max(axis=1)).all()
    weaker = np.argmin(tops, axis=1)
    at_half = np.abs(tops.min(axis=1)[:, None] / 2 - k[..., 0]).argmin(axis=1)
    assert (expected[np.arange(8), at_half, weaker] > 0).all()


@pytest.fixture(scope="module")
def three_games():
    """Three providers: separated bids, a gap below, a reserve, alike ones, foregone winners; and a real market."""
    tops = jnp.array([[1, 1.5, 2], [1, 1.1, 1.4], [1, 1.2, 3], [1, 1, 1], [1, 1.1, 3], [1, 0.2, 0.3]])
    lows = jnp.array([[0, 0, 0], [0, 0.2, 0.6], [0, 0, 0], [0, 0, 0], [0, 0, 2.5], [0, 0, 0]])
    reserve = jnp.array([-jnp.inf, -jnp.inf, 0.3, -jnp.inf, -jnp.inf, 0.4])
    power = jnp.array([[1, 1, 1], [1, 1, 1], [2, 1, 1.5], [1, 1, 1], [1, 1, 1], [1, 1, 1]])
    games = [good(*parameters) for parameters in zip(tops, lows, power, reserve, strict=True)]

    scenario = load_scenario("GPQA/majority")
    best = scenario.market.subset(["Llama-3-8B", "Qwen2-7B", "Llama-3.1-8B"])
    uniform = PrivateCosts.from_market(best, scenario.users)
    market = PrivateCosts(uniform.offers, PowerCosts(uniform.costs.lower, uniform.costs.upper, jnp.ones(3)))
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *games, market)

    @jax.jit
    @jax.vmap
    def solve(game):
        found = asymmetric_bids(game)
        k = jax.vmap(game.quantile)(jnp.linspace(0.0, 1.0, 65)[:, None] * jnp.ones(3))
        outcomes = first_score_outcome(game, found.bids), second_score_outcome(game)
        return found, interim_regret(game, found.bids, types=65), k, jax.vmap(found.bids)(k), *outcomes

    return stacked, jax.tree.map(np.asarray, solve(stacked))


def test_three_unlike_providers_are_certified(three_games):
    _, (found, certificate, k, bids, _, _) = three_games
    assert (certificate.mean < 1e-5).all()
    assert (certificate.max < 5e-4).all()
    assert (np.delete(certificate.max, 1, axis=0) < 2e-5).all()  # game 1 has the gap below, where three meet
    np.testing.assert_allclose(bids[3], 2 / 3 * k[3], atol=1e-8)
    np.testing.assert_allclose(found.lowest[2], 0.3)
    # Alone: max of (2.5 − b) F_1 F_2 is at the runner-up's top, and the third always bids that.
    np.testing.assert_allclose(bids[4][:, 2], 1.1, rtol=1e-12)
    # Only the first can reach the reserve: it bids just that, or its k if that is less.
    np.testing.assert_allclose(bids[5][:, 0], np.minimum(k[5][:, 0], 0.4), rtol=1e-12)
    # The lowest bid with a gap maximises (0.6 − b) b (b − 0.2): a quadratic's root.
    np.testing.assert_allclose(found.lowest[1], (1.6 + np.sqrt(1.12)) / 6, rtol=1e-9)


def test_revenue_equivalence_fails_without_symmetry(three_games):
    _, (_, _, _, _, first, second) = three_games
    np.testing.assert_allclose(first.user_value[3], second.user_value[3], rtol=1e-8)
    np.testing.assert_allclose(second.user_value[3], 0.5, rtol=1e-12)
    gap = np.asarray(first.user_value / second.user_value - 1)
    assert (np.abs(gap[[0, 1, 2, 4, 6]]) > 1e-4).all()
    assert (first.welfare <= second.welfare * (1 + 1e-9)).all()  # truthful bids are efficient
    np.testing.assert_allclose([first.welfare[5], second.welfare[5]], 0.42, rtol=1e-9)  # ∫ k from the reserve .4 to 1
    assert gap[6] == pytest.approx(0.0015, abs=5e-4)  # the market: users gain from first score


def test_a_market_by_monte_carlo(three_games):
    """200,000 draws of θ: users' value and profits of both auctions within four standard errors."""
    games, (found, _, _, _, first, second) = three_games
    game, bids = (jax.tree.map(lambda x: x[6], tree) for tree in (games, found.bids))
    theta = np.random.default_rng(2).uniform(0.8, 1.2, (200_000, 3))
    k, b = jax.jit(jax.vmap(lambda t: (game.pseudotype(t), bids(game.pseudotype(t)))))(theta)
    k, b = np.asarray(k), np.asarray(b)
    for expected, users in ((first, b.max(axis=1)), (second, np.sort(k, axis=1)[:, -2])):
        assert users.mean() == pytest.approx(float(expected.user_value[6]), abs=4 * users.std() / np.sqrt(len(users)))
    rent = np.where(b.argmax(axis=1) == 1, k[:, 1] - b[:, 1], 0.0)
    assert rent.mean() == pytest.approx(float(first.profits[6, 1]), abs=4 * rent.std() / np.sqrt(len(rent)))


def test_che():
    """θ uniform on [a, b], V = s√q, c = θq: prices, users' value in both auctions, and the optimal scoring rule."""
    rng = np.random.default_rng(3)
    s, a = np.array([2.0, 2.0, *rng.uniform(0.5, 2.0, 2)]), np.array([1.0, 1.0, *rng.uniform(0.8, 1.5, 2)])
    b = np.array([2.0, 2.0, *rng.uniform(1.7, 3.0, 2)])
    slope = np.array([0.0, 0.5, 0.0, 0.0])

    @jax.jit
    @jax.vmap
    def solve(s, a, b, slope):
        score = PowerQuality(jnp.where(slope > 0, 1.0, s), 0.5, slope=slope)
        offers = CurveOffers(score, ProportionalCost(), 0.0, 4.0, value=PowerQuality(s, 0.5))
        game = PrivateCosts.symmetric(offers, UniformCosts(a, b), 2)
        bids = symmetric_bids(game, num_nodes=129)
        theta = a + jnp.linspace(0.0, 0.99, 50) * (b - a)
        price = jax.vmap(lambda t: s**2 / (2 * t) - bids(game.pseudotype(t * jnp.ones(2)))[0])(theta)
        return theta, price, first_score_outcome(game, bids).user_value, second_score_outcome(game).user_value

    theta, price, first, second = (np.asarray(x) for x in solve(s, a, b, slope))
    np.testing.assert_allclose(price[0], 2 / theta[0] - np.log(2 / theta[0]) / (2 - theta[0]), atol=1e-8)
    rest, bound = s[:, None] ** 2 / 4, b[:, None]
    general = rest * (2 / theta - np.log(bound / theta) / (bound - theta))
    np.testing.assert_allclose(price[[2, 3]], general[[2, 3]], atol=1e-8)
    expected = s**2 / 4 * 2 / (b - a) ** 2 * ((b - a) - a * np.log(b / a))
    expected[1] = 1.5 * np.log(3) - 1  # optimal: .647918
    np.testing.assert_allclose(expected[:2], [2 * (1 - np.log(2)), 0.647918], atol=1e-6)
    np.testing.assert_allclose(first, expected, rtol=1e-8)
    np.testing.assert_allclose(second, expected, rtol=1e-8)


def test_learned_bids_are_near_equilibrium(full):
    """Mean interim regret below 1e-3 and at most 5e-3 for any type, for every start."""
    wanted = oracles() if full else {name: oracles()[name] for name in ("[0, 1], [0, 2]",)}
    for name, oracle in wanted.items():
        keys = jax.random.split(jax.random.key(1), 8 if full else 2)
        bids = learn_many(oracle.game, keys, alike(oracle.game), 1500 if full else 500)
        certificate = jax.vmap(lambda b, game=oracle.game: interim_regret(game, b, types=129, points=2049))(bids)
        assert float(certificate.mean_regret.max()) < 1e-3, name
        assert float(certificate.max_regret.max()) < 5e-3, name


def brute_regret(k, bids, deviations):
    """Largest gain of every type in NumPy: two bidders whose types are equally likely rows of ``k`` and ``bids``."""
    gains = []
    for i in range(2):
        won = (bids[:, 1 - i][None] < deviations[:, None]).mean(axis=1)
        stay = (k[:, i] - bids[:, i]) * (bids[:, 1 - i][None] < bids[:, i][:, None]).mean(axis=1)
        best = np.maximum(((k[:, i][:, None] - deviations) * won).max(axis=1), 0.0)
        gains.append(np.maximum(best - stay, 0.0))
    return np.array(gains)


class Rule(eqx.Module):
    """Bid functions far from equilibrium: one shades, one falls in places, one is constant, one is the truth."""

    chosen: jax.Array

    def __call__(self, k):
        rules = [0.7 * k**2, 0.5 * k + 0.02 * jnp.sin(12 * k), jnp.full_like(k, 0.5), k]
        return jnp.stack(rules)[self.chosen]


def certificate(game, rule):
    return interim_regret(game, Rule(jnp.array(rule)), types=65, points=2049)


@pytest.mark.parametrize("rule", [0, 1, 2])
def test_certificate_by_brute_force(rule):
    game = good(jnp.array([1.0, 1.3]), jnp.zeros(2), jnp.array([1.0, 2.0]), jnp.array(-jnp.inf))
    found = certificate(game, rule)
    types = (np.arange(4000) + 0.5) / 4000
    k = np.stack([types, 1.3 * np.sqrt(types)], axis=1)
    gains = brute_regret(k, np.asarray(Rule(jnp.array(rule))(jnp.asarray(k))), np.linspace(0.0, 1.0, 2001))
    np.testing.assert_allclose(found.max, gains.max(axis=1) / 1.3, atol=2e-3)
    np.testing.assert_allclose(found.mean, gains.mean(axis=1) / 1.3, atol=1e-3)
    assert (found.mean > 0.003).all()


def test_bids_below_the_reserve_are_no_offers():
    game = good(jnp.ones(2), jnp.zeros(2), jnp.ones(2), jnp.array(0.5))
    found = certificate(game, 3)
    weak = np.asarray(found.probability) < 0.5
    np.testing.assert_allclose(found.gains[weak], 0.0, atol=1e-12)
    # The strongest type would offer the reserve against k uniform: (1 − b) b at b = 1/2.
    assert float(found.gains[-1, 0]) == pytest.approx(0.25, abs=1e-6)


def test_bad_input_is_explained():
    unlike = good(jnp.array([1.0, 2.0]), jnp.zeros(2), jnp.ones(2))
    high = good(jnp.ones(2), jnp.zeros(2), jnp.ones(2), jnp.array(2.0))
    with pytest.raises(InputError, match="asymmetric_bids"):
        symmetric_bids(unlike)
    with pytest.raises(InputError, match="cannot share"):
        learn_bids(unlike, jax.random.key(0), symmetric=True)
    for solve in (symmetric_bids, asymmetric_bids, lambda game: learn_bids(game, jax.random.key(0))):
        with pytest.raises(InputError, match="reserve 2 is not below the largest surplus 1"):
            solve(high)
    with pytest.raises(InputError, match="at least 2 each"):
        interim_regret(unlike, truthful_bids(unlike), types=1)


def test_one_provider_bids_the_reserve():
    game = good(jnp.ones(1), jnp.zeros(1), jnp.ones(1), jnp.array(0.25))
    bids = symmetric_bids(game)
    np.testing.assert_allclose([float(bids(jnp.array([k]))[0]) for k in (0.1, 0.3, 1.0)], [0.1, 0.25, 0.25])
