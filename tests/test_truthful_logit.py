"""The truthful logit market: O13, truth against every tested lie, limits, the ledger."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp

from games import Market, SecondScoreAuction, TruthfulLogitMarket, Users
from solver import Status
from solver.mechanisms import TruthfulLogit
from solver.mechanisms.truthful_logit import misreport_gains

N, SIZE = 3, 32


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    surplus = rng.uniform(-1, 1, (SIZE, N)) * 10 ** rng.uniform(-4, 1, (SIZE, 1))
    surplus[::5, 1] = surplus[::5, 0]
    beta = 10 ** rng.uniform(-1, 6, SIZE)
    outside = np.array([0.0, -np.inf])[np.arange(SIZE) % 2]
    return surplus, beta, outside


@pytest.fixture(scope="module")
def games(data):
    return jax.vmap(TruthfulLogitMarket)(*map(jnp.asarray, data))


@pytest.fixture(scope="module")
def rents(games):
    return jax.jit(jax.vmap(lambda game: game.payoffs(game.surplus)))(games)


def test_rent_is_minus_log_of_the_others_share(data, rents):
    """O13: −ln(1 − s_i)/β, s the logit shares on W, in NumPy's log-sum-exp."""
    surplus, beta, outside = data
    rows = np.concatenate([surplus, outside[:, None]], axis=1) * beta[:, None]
    log_z = logsumexp(rows, axis=1)
    others = np.stack([logsumexp(np.delete(rows, i, axis=1), axis=1) for i in range(N)], axis=1)
    slack = 1e-8 * np.abs(rents) + 1e-14 * np.abs(surplus).max(axis=1, keepdims=True)
    assert np.all(np.abs(np.asarray(rents) - (log_z[:, None] - others) / beta[:, None]) <= slack)


def test_at_infinite_rationality_the_rent_is_the_auctions(data):
    surplus, _, outside = data
    sharp = jax.vmap(lambda w, v: TruthfulLogitMarket(w, jnp.array(1e12), v))(
        jnp.asarray(surplus), jnp.asarray(outside)
    )
    rent = np.asarray(jax.vmap(lambda game: game.payoffs(game.surplus))(sharp))
    best = np.concatenate([surplus, outside[:, None]], axis=1)
    rivals = np.stack([np.delete(best, i, axis=1).max(axis=1) for i in range(N)], axis=1)
    np.testing.assert_allclose(rent, np.maximum(surplus - rivals, 0), atol=1e-11)


def test_the_rule_averages_to_the_closed_forms():
    """The rule itself on 200,000 draws of Gumbel tastes, truthful and lying: four standard errors; quadrature to 1e-8."""
    rng = np.random.default_rng(0)
    surplus, beta, outside = np.array([1.0, 0.8, 0.3]), 3.0, 0.5
    market = TruthfulLogitMarket(jnp.asarray(surplus), jnp.array(beta), jnp.array(outside))
    tastes = rng.gumbel(scale=1 / beta, size=(200_000, N + 1))
    centre = logsumexp(beta * np.array([0.8, 0.3, outside])) / beta

    def weight(d):
        return (surplus[0] - d) * beta / (4 * np.cosh(beta * (d - centre) / 2) ** 2)

    play = jax.jit(jax.vmap(market.realised_payoffs, in_axes=(None, 0, 0)))
    for shift in (0.0, 0.2, -0.4):
        reports = jnp.asarray(surplus + np.array([shift, 0, 0]))
        drawn = np.asarray(play(reports, tastes[:, :N], tastes[:, N]))
        closed = np.asarray(market.payoffs(reports))
        error = 4 * drawn.std(axis=0) / np.sqrt(len(drawn))
        assert np.all(np.abs(drawn.mean(axis=0) - closed)[:1] < error[:1])  # provider 0's own report is what moved
        if shift == 0.0:
            assert np.all(np.abs(drawn.mean(axis=0) - closed) < error)
        # Provider 0 earns W − D below the threshold Ŵ, D logistic around ln R / β.
        exact = quad(weight, -15, surplus[0] + shift, epsabs=1e-12, points=[centre])[0]
        assert closed[0] == pytest.approx(exact, rel=1e-8)


def test_no_lie_pays_for_any_taste():
    """Ex post: draw by draw the truth is never worse, to the last bit; some lies are."""
    rng = np.random.default_rng(1)
    surplus = jnp.array([1.0, 0.9, 0.4])
    market = TruthfulLogitMarket(surplus, jnp.array(4.0), jnp.array(0.2))
    tastes = rng.gumbel(scale=0.25, size=(2000, N + 1))
    lies = np.concatenate([[0.0], rng.normal(0, 0.5, 40)])

    @jax.jit
    @jax.vmap
    def payoffs(taste):
        return jax.vmap(lambda lie: market.realised_payoffs(surplus.at[0].add(lie), taste[:N], taste[N])[0])(lies)

    earned = np.asarray(payoffs(tastes))
    gain = earned - earned[:, :1]
    assert gain.max() == 0.0
    assert gain.min() < -0.1
    # The same draws with payment of the own report, as in a first-price rule: lying pays, and this test would see it.
    won = earned != 0
    first_price = np.where(won, -lies, 0.0)
    assert (first_price.mean(axis=0) - first_price[:, 0].mean()).max() > 0.01


def test_misreport_gain_is_exactly_zero(data, games):
    gains = np.asarray(jax.jit(jax.vmap(misreport_gains))(games))
    assert np.all(gains == 0.0)
    # In expectation too, by the closed form of the profit of a report.
    surplus, beta, _ = data
    reach = np.linspace(-30, 30, 61)[:, None, None] / beta[:, None]
    reports = jnp.asarray(np.swapaxes(surplus + reach, 0, 1))
    profit = np.asarray(jax.vmap(lambda game, rows: game.deviation_payoffs(game.surplus, rows))(games, reports))
    slack = 1e-13 * np.maximum(np.abs(surplus).max(axis=1), 1 / beta)
    assert np.all(profit.max(axis=(1, 2)) <= profit[:, 30].max(axis=1) + slack)
    assert np.all(profit - profit[:, 30:31] <= slack[:, None, None])


MARKET = Market.from_arrays(
    accuracy=[[0.3, 0.5, 0.6], [0.45, 0.7], [0.2, 0.62, 0.66]],
    tokens=[[400, 1500, 6000], [800, 5000], [300, 2500, 9000]],
    price_per_million=[0.4, 0.9, 0.5],
)


def test_the_ledger():
    """Welfare with tastes is ln(Z)/β, the most that any mechanism can reach; users get it less the rents."""
    users = Users([0.02, 0.05], [600.0, 2000.0], weight=[3, 1], outside_value=[0.0, -np.inf])
    outcome = TruthfulLogit().outcome(MARKET, users)
    surplus = np.where(
        np.asarray(MARKET.mask), np.asarray(users.quality(MARKET.accuracy)) - np.asarray(MARKET.cost), -9
    )
    np.testing.assert_array_equal(outcome.levels, surplus.argmax(axis=-1))
    beta = np.asarray(users.rationality)
    rows = beta[:, None] * np.concatenate([surplus.max(axis=-1), np.asarray(users.outside_value)[:, None]], axis=1)
    log_z = logsumexp(rows, axis=1)
    np.testing.assert_allclose(outcome.welfare_with_tastes, log_z / beta, rtol=1e-10)
    shares = np.exp(rows[:, :N] - log_z[:, None])
    rents = -np.log1p(-shares) / beta[:, None]
    np.testing.assert_allclose(outcome.profits, rents, rtol=1e-9)
    np.testing.assert_allclose(outcome.consumer_surplus, log_z / beta - rents.sum(axis=1), rtol=1e-9)
    assert outcome.misreport_gain.tolist() == [0.0, 0.0, 0.0]
    assert outcome.platform.tolist() == [0.0, 0.0]
    # The auction with a single winner is the limit of sharp users.
    sharp = TruthfulLogit().outcome(MARKET, users.with_rationality(1e9))
    auction = SecondScoreAuction(MARKET, users, reserve="V0").outcome()
    np.testing.assert_allclose(sharp.user_value, auction.user_value, rtol=1e-6)
    np.testing.assert_allclose(sharp.profits.max(axis=1), auction.winner_profit, rtol=1e-6)


def test_what_nothing_bounds_is_said():
    users = Users([0.02, 0.05], [600.0, 0.0], weight=[3, 1], outside_value=[0.0, -np.inf])
    outcome = TruthfulLogit().outcome(MARKET, users)
    assert int(outcome.status) == Status.NO_EQUILIBRIUM
    assert np.isfinite(float(outcome.welfare[0]))
    assert np.isnan(float(outcome.welfare[1]))
    alone = TruthfulLogitMarket(jnp.ones(1), jnp.array(5.0), jnp.array(-jnp.inf))
    assert np.isposinf(float(alone.payoffs(alone.surplus)[0]))
