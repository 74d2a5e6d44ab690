"""Expected outcomes under private costs: revenue equivalence over random distributions, other formulas, honest errors."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from games import CurveOffers, LevelOffers, PowerQuality, PrivateCosts, ProportionalCost, UniformCosts
from solver import first_score_outcome, second_score_outcome, symmetric_bids
from solver.bayesian.adaptive import clenshaw_curtis, integrate
from solver.bayesian.interim_regret import _win


class Kumaraswamy(eqx.Module):
    """P(θ ≥ t) = (1 − x^a)^b, x = (t − lower)/(upper − lower): Beta(a, 1) for b = 1, uniform for a = b = 1."""

    lower: jax.Array
    upper: jax.Array
    a: jax.Array
    b: jax.Array

    def _share(self, theta):
        return jnp.clip((theta - self.lower) / (self.upper - self.lower), 0.0, 1.0)

    def survival(self, theta):
        return (1 - self._share(theta) ** self.a) ** self.b

    def pdf(self, theta):
        x = self._share(theta)
        return self.a * self.b * x ** (self.a - 1) * (1 - x**self.a) ** (self.b - 1) / (self.upper - self.lower)

    def inverse_survival(self, probability):
        return self.lower + (self.upper - self.lower) * (1 - probability ** (1 / self.b)) ** (1 / self.a)


GAMES = 12


def random_games(seed: int):
    """Levels, distribution and reserve; the first two are those of the fault: uniform, and Beta(10, 1)."""
    rng = np.random.default_rng(seed)
    cost = np.sort(rng.uniform(0.05, 0.8, (GAMES, 3)), axis=1)
    score = np.sort(rng.uniform(0.3, 1.2, (GAMES, 3)), axis=1)
    low, high = rng.uniform(0.1, 0.8, GAMES), rng.uniform(0.9, 2.0, GAMES)
    a, b = rng.uniform(1.0, 10.0, GAMES), rng.uniform(1.0, 4.0, GAMES)
    cost[:2], score[:2], low[:2], high[:2], a[:2], b[:2] = [0.1, 0.3, 0.6], [0.5, 0.8, 1.0], 0.5, 1.5, [1.0, 10.0], 1.0
    weak, strong = ((score - t[:, None] * cost).max(axis=1) for t in (high, low))
    reserve = np.where(
        np.arange(GAMES) % 2, -np.inf, np.maximum(weak + rng.uniform(-0.3, 0.8, GAMES) * (strong - weak), 0)
    )
    reserve[0] = 0.45
    return score, cost, low, high, a, b, reserve


@pytest.fixture(scope="module", params=[3, 4])
def outcomes(request):
    n = request.param
    games = random_games(n)

    @jax.jit
    @jax.vmap
    def solve(score, cost, low, high, a, b, reserve):
        value = score + jnp.array([0.1, 0.0, 0.2])  # users value more than the auction counts
        offers = LevelOffers(score, cost, value=value)
        game = PrivateCosts.symmetric(offers, Kumaraswamy(low, high, a, b), n, reserve=reserve, outside_value=0.05)
        return first_score_outcome(game, symmetric_bids(game)), second_score_outcome(game)

    return n, games, *jax.tree.map(np.asarray, solve(*games))


def test_revenue_equivalence_to_ten_digits(outcomes):
    """Before: users apart by 8e-7 (uniform, n = 3, r = .45) and 3.4e-5 (Beta(10, 1), n = 4)."""
    _, _, first, second = outcomes
    np.testing.assert_allclose(first.user_value, second.user_value, rtol=0, atol=1e-10)
    np.testing.assert_allclose(first.profits, second.profits, rtol=0, atol=1e-10)
    np.testing.assert_allclose(first.win_probability, second.win_probability, rtol=0, atol=1e-12)
    for outcome in (first, second):
        assert (outcome.error < 1e-10).all()
        assert (outcome.probability_error < 1e-10).all()
        np.testing.assert_allclose(outcome.welfare, outcome.user_value + outcome.profits.sum(axis=1), rtol=1e-13)


def by_order_statistics(n, score, cost, low, high, a, b, reserve):
    """Users' value in the second-score auction, by SciPy over θ.

    The second-lowest θ has density n(n − 1) G (1 − G)^{n−2} g, the lowest n (1 − G)^{n−1} g.
    """
    costs = Kumaraswamy(low, high, a, b)
    pairs = [(lower, upper) for lower in range(3) for upper in range(lower + 1, 3)]
    switches = [(score[j] - score[i]) / (cost[j] - cost[i]) for i, j in pairs]

    def surplus(t):
        return np.max(score - t * cost)

    floor = max(reserve, 0.05, surplus(high))  # never below what not buying is worth
    meets = np.max((score - floor) / cost)
    points = [t for t in [*switches, meets] if low < t < high] or None

    def tail(t):
        return float(costs.survival(t))

    def paid(t):
        return max(surplus(t), floor) * n * (n - 1) * (1 - tail(t)) * tail(t) ** (n - 2) * float(costs.pdf(t))

    def excess(t):
        best = int(np.argmax(score - t * cost))
        return (surplus(t) >= floor) * [0.1, 0.0, 0.2][best] * n * tail(t) ** (n - 1) * float(costs.pdf(t))

    found = [quad(f, low, high, points=points, epsabs=1e-13, epsrel=1e-13, limit=500)[0] for f in (paid, excess)]
    unsold = tail(min(max(meets, low), high)) ** n
    return sum(found) + (0.05 - floor) * unsold


def test_second_score_by_order_statistics(outcomes):
    n, games, _, second = outcomes
    exact = [by_order_statistics(n, *game) for game in zip(*games, strict=True)]
    np.testing.assert_allclose(second.user_value, exact, rtol=0, atol=1e-10)


def test_a_density_without_bound():
    """Kumaraswamy(½, ½): infinite density at both ends; more nodes of the bids bring the two auctions together."""
    costs = Kumaraswamy(*(jnp.array(x) for x in (0.5, 1.5, 0.5, 0.5)))
    game = PrivateCosts.symmetric(LevelOffers(jnp.array([0.5, 0.8, 1.0]), jnp.array([0.1, 0.3, 0.6])), costs, 3)
    second = second_score_outcome(game)
    for nodes, apart in ((513, 2e-9), (2049, 1e-10)):
        first = first_score_outcome(game, symmetric_bids(game, num_nodes=nodes))
        assert abs(float(first.user_value - second.user_value)) < apart


def test_curves_whose_quality_meets_its_bounds():
    """V = 2√q, c = θq, q ≤ .6 and q ≥ .4, θ uniform on [1, 2]: q = 1/θ² meets both; n = 2, SciPy over θ."""
    offers = CurveOffers(PowerQuality(2.0, 0.5), ProportionalCost(), 0.4, 0.6)
    game = PrivateCosts.symmetric(offers, UniformCosts(1.0, 2.0), 2)
    np.testing.assert_allclose(game.switches[:, 0], [0.6**-0.5, 0.4**-0.5], rtol=1e-14)

    def surplus(t):
        q = np.clip(t**-2, 0.4, 0.6)
        return 2 * np.sqrt(q) - t * q

    exact = quad(lambda t: surplus(t) * 2 * (t - 1), 1, 2, points=[0.6**-0.5, 0.4**-0.5], epsabs=1e-14)[0]
    second, first = second_score_outcome(game), first_score_outcome(game, symmetric_bids(game, num_nodes=257))
    assert float(second.user_value) == pytest.approx(exact, abs=1e-12)
    assert float(first.user_value) == pytest.approx(exact, abs=1e-10)


def test_switches_of_levels():
    """Dominated, masked and equal levels switch nowhere: their places stand at the lower bound."""
    offers = LevelOffers(
        jnp.array([0.5, 0.8, 1.0, 0.45, 9.0, 0.8]),
        jnp.array([0.1, 0.3, 0.6, 0.2, 0.1, 0.3]),
        mask=jnp.array([True, True, True, True, False, True]),
    )
    found = np.asarray(offers.switches(jnp.array(0.5), jnp.array(4.0)))
    np.testing.assert_allclose(found, [1.5, 2 / 3, 0.5, 0.5, 0.5, 2 / 3], rtol=1e-14)


def test_the_estimate_covers_the_error():
    """Roots, jumps and kinks, at cuts and elsewhere: errors are below the estimate, or rounding; smooth ones vanish."""

    def integrand(x):
        return jnp.stack(
            [x**0.1, jnp.sqrt(jnp.abs(x - 0.3)), jnp.where(x > 1 / 3, 1.0, 0.0), jnp.exp(-((50 * x) ** 2))]
        )

    exact = [1 / 1.1, (0.3**1.5 + 0.7**1.5) / 1.5, 2 / 3, np.sqrt(np.pi) / 100]
    for cuts in ([0.0, 1.0], [1.0, 0.3, 0.0, 1 / 3, 1 / 3]):
        found = jax.jit(integrate, static_argnums=0)(integrand, jnp.array(cuts)[:, None], jnp.array(1e-13))
        wrong = np.abs(found.value[:, 0] - np.array(exact))
        assert (wrong <= found.error[:, 0] + 1e-15).all()
        assert (wrong < 1e-11).all()
    capped = integrate(lambda x: jnp.sin(1e5 * x)[None], jnp.array([[0.0], [1.0]]), jnp.array(1e-13))
    wrong = abs(float(capped.value[0, 0]) - (1 - np.cos(1e5)) / 1e5)
    assert wrong <= float(capped.error[0, 0])  # too hard for so many panels, and it says so
    assert float(capped.error[0, 0]) > 1e-6


def test_piecewise_linear_chances_are_within_their_bound():
    """P(b_j ≤ x) between nodes of a rising curve: at most 1/(points − 1) from the truth, here √x for bids u²."""
    points = 129
    sample = (jnp.linspace(0.0, 1.0, points) ** 2)[:, None] * jnp.ones(2)
    bids = np.random.default_rng(0).uniform(size=500)
    found = jax.vmap(lambda x: _win(sample, jnp.full(2, x), "right")[0])(jnp.asarray(bids))
    wrong = np.abs(np.asarray(found) - np.sqrt(bids))
    assert 0 < wrong.max() <= 1 / (points - 1)


def test_weights_are_exact_for_polynomials():
    for degree in (2, 8, 32):
        nodes, weights = clenshaw_curtis(degree)
        for power in range(degree + 1):
            assert weights @ nodes**power == pytest.approx(1 / (power + 1), abs=1e-15)
