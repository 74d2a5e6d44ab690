"""Every mixed equilibrium of two-provider games, certified, and against games whose equilibria are known."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, NormalForm, PayPerCompute, Users, load_scenario
from solver import brute_force, mixed_regret, two_player_equilibria
from solver.two_player import Method
from tests.two_providers import two_provider_market

METHODS = list(Method)


def bimatrix(rows, columns):
    return NormalForm(jnp.stack([jnp.asarray(rows, float), jnp.asarray(columns, float)]))


def as_set(profiles):
    return {tuple(np.round(np.asarray(p), 9).ravel() + 0.0) for p in profiles}


PENNIES = bimatrix([[1, -1], [-1, 1]], [[-1, 1], [1, -1]])
CHICKEN = bimatrix([[6, 2], [7, 0]], [[6, 7], [2, 0]])
# von Stengel's 3 × 2 game with three equilibria (Handbook of Game Theory 3, 2002).
STENGEL = bimatrix([[0, 6, 0], [2, 5, 0], [3, 3, 0]], [[1, 0, 0], [0, 2, 0], [4, 3, 0]])
STENGEL = NormalForm(STENGEL.tensor, jnp.array([[True] * 3, [True, True, False]]))
KNOWN = {
    "matching pennies": (PENNIES, [[[0.5, 0.5], [0.5, 0.5]]]),
    "chicken": (CHICKEN, [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[2 / 3, 1 / 3], [2 / 3, 1 / 3]]]),
    "three by two": (
        STENGEL,
        [
            [[0, 0, 1], [1, 0, 0]],
            [[0, 1 / 3, 2 / 3], [2 / 3, 1 / 3, 0]],
            [[2 / 3, 1 / 3, 0], [1 / 3, 2 / 3, 0]],
        ],
    ),
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("unit", [1.0, 1e-9])
def test_known_games_in_any_currency(name, method, unit):
    game, wanted = KNOWN[name]
    found = two_player_equilibria(NormalForm(game.tensor * unit - 3 * unit, game.mask), method=method)
    if method is Method.LEMKE_HOWSON:
        assert len(found) > 0
        assert as_set(found.profiles) <= as_set(wanted)
        assert not found.complete
    else:
        assert as_set(found.profiles) == as_set(wanted)
        assert found.complete
    assert float(found.max_regret.max()) < 1e-12


def test_every_equilibrium_of_random_markets_is_certified(full):
    """One and two segments of users; β up to 1e5; regret below 1e-9 of the payoff range, and of the payoff itself."""
    mixed = 0
    for segments in (1, 2):
        rng = np.random.default_rng([53, segments])
        for number in range(50 if full else 5):
            game = two_provider_market(rng, segments, log_rationality=(1.5, 5.0))
            found = two_player_equilibria(game)
            assert len(found) > 0, number
            assert found.rejected == 0, found.reason
            for profile in found.profiles:
                certificate = mixed_regret(game, profile)
                assert float(certificate.range_regret.max()) < 1e-9
                assert float(certificate.max_regret) < 1e-9
            assert np.all(np.diff(found.welfare) >= 0)
            pure = {tuple(p) for p in np.asarray(brute_force(game).equilibria).tolist()}
            one_level = [p for p in np.asarray(found.profiles) if p.max(axis=1).min() == 1.0]
            assert {tuple(p.argmax(axis=1).tolist()) for p in one_level} == pure
            assert found.degenerate or len(found) % 2 == 1
            mixed += len(found) - len(one_level)
            some = two_player_equilibria(game, method="lemke-howson")
            assert as_set(some.profiles) <= as_set(found.profiles)
    assert mixed > 0


def test_the_markets_contain_some_without_a_pure_equilibrium():
    rng = np.random.default_rng([53, 2])
    for _ in range(20):
        game = two_provider_market(rng, 2)
        if len(brute_force(game).equilibria) == 0:
            break
    else:
        pytest.fail("none found")
    found = two_player_equilibria(game)
    assert len(found) == 1
    assert float(found.profiles.max(axis=2).min()) < 1
    assert float(found.max_regret[0]) < 1e-12


def test_relabelling_levels_moves_the_answer_along():
    rng = np.random.default_rng([53, 2])
    game = two_provider_market(rng, 2)
    market = game.market
    fields = lambda m: (m.accuracy, m.tokens, m.price, m.cost)  # noqa: E731
    ours = np.asarray(two_player_equilibria(game).profiles)
    for order in (np.array([3, 0, 4, 1, 2]), np.array([4, 3, 2, 1, 0]), np.array([1, 2, 0, 4, 3])):
        shuffled = eqx.tree_at(fields, market.anonymous(), tuple(x[:, order] for x in fields(market)))
        theirs = two_player_equilibria(PayPerCompute(shuffled, game.users))
        assert as_set(ours[:, :, order]) == as_set(theirs.profiles)
        assert theirs.complete


def test_a_tie_is_called_degenerate():
    tie = bimatrix([[1, 1], [1, 1]], [[1, 2], [1, 2]])
    found = two_player_equilibria(tie)
    assert found.degenerate
    assert not found.complete
    assert "degenerate" in found.reason
    assert float(found.max_regret.max()) < 1e-12


def test_refuses_what_it_cannot_do():
    with pytest.raises(InputError, match="not 2"):
        two_player_equilibria(load_scenario("GPQA/reasoning_effort").game())
    with pytest.raises(InputError, match="'support'"):
        two_player_equilibria(PENNIES, method="suport")


def test_two_real_providers_at_high_rationality():
    scenario = load_scenario("GPQA/reasoning_effort")
    market = scenario.market.subset(scenario.market.providers[:2])
    game = PayPerCompute(market, Users(0.02, 1e5))
    found = two_player_equilibria(game)
    assert {tuple(p.argmax(axis=1).tolist()) for p in np.asarray(found.profiles)} >= {
        tuple(p) for p in np.asarray(brute_force(game).equilibria).tolist()
    }
    assert float(found.max_regret.max()) < 1e-9
