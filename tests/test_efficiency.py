"""Price of anarchy, the split of the auction's gain, over-computing, the ledger."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from games import Market, PayPerCompute, Users, load_scenario
from solver import efficiency, pure_equilibria, welfare_ratio
from tests.odd_markets import segments
from tests.test_equilibria import several_equilibria

THREE = Market.from_arrays(accuracy=[[0.5, 0.9], [0.4, 0.8]], tokens=[[500, 5000], [400, 4000]], price_per_million=1.0)


def test_numbers_fit_together():
    game = load_scenario("GPQA/reasoning_effort").game(1000)
    verdict = efficiency(game)
    worst = float(verdict.equilibria.welfare[0])
    assert verdict.price_of_anarchy == pytest.approx(float(verdict.optimum.welfare) / worst)
    assert verdict.price_of_stability == pytest.approx(verdict.price_of_anarchy)
    auction = float(verdict.auction.welfare[0])
    assert verdict.choice_noise + verdict.incentives == pytest.approx(auction - worst)
    for row in verdict.ledger:
        assert row.users + row.providers + row.platform == pytest.approx(row.welfare)
        assert sum(row.profits) == pytest.approx(row.providers)


def test_ledger_names_those_who_lose():
    rows = {row.name: row for row in efficiency(load_scenario("GPQA/reasoning_effort").game(1000)).ledger}
    assert rows["market equilibrium"].losers == ()
    assert "users" in rows["auction"].losers
    assert "R1-D-Qwen-7B" not in rows["auction"].losers  # it wins and earns more
    assert "users" not in rows["auction, no-harm reserve"].losers
    assert rows["auction, no-harm reserve"].users == pytest.approx(rows["market equilibrium"].users, rel=1e-12)


def test_over_computing_is_against_a_providers_own_best_offer():
    game = load_scenario("GPQA/majority").game(1000)
    verdict = efficiency(game)
    surplus, tokens = np.asarray(game.surplus)[0], np.asarray(game.market.tokens)
    offers = surplus.argmax(axis=1)
    for i, row in enumerate(verdict.provision):
        played, offered = tokens[i, int(verdict.equilibria.worst[i])], tokens[i, offers[i]]
        assert (row.equilibrium_tokens, row.best_offer_tokens) == (played, offered)
        assert (row.provider in verdict.over_computing) == (played > offered)
    assert len(verdict.over_computing) == 9
    # The optimum asks two of the nine for more than they play, and for more than their own best offer.
    assert [row.provider for row in verdict.provision if row.against_optimum == "under"] == [
        "Llama-3.2-1B",
        "Qwen2.5-7B",
    ]
    # Two weak ones gain users by their best offer, or change next to nothing.
    assert set(verdict.over_computing) - set(verdict.too_high) == {"Qwen2-0.5B", "Qwen2.5-3B"}


def test_without_an_equilibrium_nobody_is_named_a_loser():
    scenario = segments()
    verdict = efficiency(scenario.game(1000))
    assert len(verdict.equilibria) == 0
    assert [row.name for row in verdict.ledger] == ["market optimum", "auction"]
    assert all(row.losers == () for row in verdict.ledger)
    assert verdict.provision == ()


def test_several_equilibria_put_anarchy_above_stability():
    game = several_equilibria()
    verdict = efficiency(game)
    assert len(verdict.equilibria) > 1
    assert verdict.price_of_anarchy >= verdict.price_of_stability >= 1 - 1e-12
    assert [row.name for row in verdict.ledger][:2] == ["market equilibrium", "market, best equilibrium"]


def test_infinite_and_undefined_ratios_are_said():
    assert welfare_ratio(1.0, 0.0) == math.inf
    assert math.isnan(welfare_ratio(0.0, -1.0))
    # Indifferent users: providers sell what is dearest, at a loss to everybody; the optimum does better.
    wasteful = Market.from_arrays(accuracy=[[0.9, 0.9]] * 2, tokens=[[100, 1e6]] * 2, price_per_million=1.0)
    infinite = efficiency(PayPerCompute(wasteful, Users(0.01, 0.0)))
    assert infinite.price_of_anarchy == math.inf
    assert infinite.note.startswith("infinite")
    worthless = Market.from_arrays(accuracy=[[0.1, 0.1]] * 2, tokens=[[1e6, 2e6]] * 2, price_per_million=1.0)
    undefined = efficiency(PayPerCompute(worthless, Users(0.01, 1.0)))
    assert math.isnan(undefined.price_of_anarchy)
    assert undefined.note.startswith("undefined")


def test_one_provider_gets_an_auction_with_the_outside_value_as_reserve():
    market = Market.from_arrays(accuracy=[[0.5, 0.9]], tokens=[[500, 5000]], price_per_million=1.0)
    verdict = efficiency(PayPerCompute(market, Users(0.02, 500)))
    assert any(row.name == "auction" for row in verdict.ledger)
    assert float(verdict.auction.user_value[0]) == 0.0


def test_welfare_never_falls_under_the_auction_and_some_users_lose():
    """The nine published markets at the published β: welfare up everywhere, users down somewhere."""
    users_lose = []
    for name in ("GSM8K/majority", "GPQA/reasoning_effort", "AIME/best_of_n"):
        for beta in (200, 1000, 100000):
            verdict = efficiency(load_scenario(name).game(beta))
            first, auction = verdict.ledger[0], next(row for row in verdict.ledger if row.name == "auction")
            assert auction.welfare >= first.welfare
            users_lose.append("users" in auction.losers)
    assert any(users_lose)
    assert not all(users_lose)


def test_symmetric_closed_form_of_over_provision():
    """O3/O4: q = a ln θ, p = κθ on a fine grid of levels: the equilibrium sits at (a + n/(β(n−1)))/κ, over θ_opt iff β < β*."""
    a, kappa, margin, n = 2.0, 0.5, 0.25, 3
    theta = np.linspace(2.0, 12.0, 2001)
    critical = n / ((n - 1) * a * margin)
    for beta in (1.0, critical, 20.0):
        quality = a * np.log(theta) / 10  # accuracy within [0, 1], value per correct 10
        price = jnp.asarray(np.tile(kappa * theta, (n, 1)))
        market = Market(
            accuracy=jnp.asarray(np.tile(quality, (n, 1))),
            tokens=jnp.asarray(np.tile(theta, (n, 1))),
            price=price,
            cost=price / (1 + margin),
            mask=jnp.ones((n, len(theta)), bool),
            providers=("a", "b", "c"),
            level_labels=(tuple(map(str, range(len(theta)))),) * n,
        )
        game = PayPerCompute(market, Users(10.0, beta, baseline=0.0, outside_value=-np.inf))
        equilibrium = theta[np.asarray(pure_equilibria(game, max_equilibria=100_000).worst)]
        expected = (a + n / (beta * (n - 1))) / kappa
        assert np.abs(equilibrium - expected).max() < 3 * (theta[1] - theta[0])


def test_a_leader_over_provides_at_every_rationality():
    """q = l + ln θ, l = (½, 0), κ = ½, margin ¼, no outside option: anarchy never comes near 1, as it does among equals."""
    kappa, margin, step = 0.5, 0.25, 0.01
    theta = np.arange(1.5, 6.0, step)
    lead = np.array([[0.5], [0.0]])
    price = jnp.asarray(np.tile(kappa * theta, (2, 1)))
    market = Market(
        accuracy=jnp.asarray((lead + np.log(theta)) / 10),
        tokens=jnp.asarray(np.tile(theta, (2, 1))),
        price=price,
        cost=price / (1 + margin),
        mask=jnp.ones(price.shape, bool),
        providers=("leader", "follower"),
        level_labels=(tuple(map(str, range(len(theta)))),) * 2,
    )
    for beta in (5.0, 10.5, 100.0):
        found = efficiency(PayPerCompute(market, Users(10.0, beta, baseline=0.0, outside_value=-np.inf)))
        leader, follower = theta[np.asarray(found.equilibria.worst)]
        assert leader > 3.8  # the best compute is 2.5
        assert (follower < 2.5) == (beta > 5.0)
        assert found.price_of_stability > 1.62
        if beta == 10.5:
            assert found.price_of_anarchy == pytest.approx(1.623, abs=0.005)
