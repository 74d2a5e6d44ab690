"""Who computes too much, in three readings: against counts of the published markets, and against other code."""

from collections import Counter

import jax.numpy as jnp
import numpy as np
import pytest

from games import Market, PayPerCompute, Users, load_scenario, scenario_names
from solver import efficiency
from solver.provision_levels import IMMATERIAL, moves, over_computes

PUBLISHED_BETAS = (200, 1000, 100000)


@pytest.fixture(scope="module")
def published():
    """Efficiency of the nine published markets at the three published β, with its game."""
    names = [name for name in scenario_names() if not name.endswith("/all")]
    assert len(names) == 9
    games = [load_scenario(name).game(beta) for name in names for beta in PUBLISHED_BETAS]
    return [(game, efficiency(game)) for game in games]


def test_counts_of_the_published_markets(published):
    """189 choices: the counts that an independent recomputation found, and what the marginal reading adds to them."""
    rows = [row for _, verdict in published for row in verdict.provision]
    assert Counter(row.against_optimum for row in rows) == {"over": 120, "under": 59, "equal": 10}
    assert Counter(row.against_best_offer for row in rows) == {"over": 129, "under": 11, "equal": 49}
    told = Counter((row.against_best_offer, row.at_the_margin) for row in rows)
    assert told == {
        ("over", "gain"): 102,
        ("over", "loss"): 20,
        ("over", "immaterial"): 7,
        ("under", "immaterial"): 11,
        ("equal", "immaterial"): 49,
    }
    assert sum(row.too_high for row in rows) == 102
    assert sum(row.too_low for row in rows) == 0


def test_every_level_below_the_optimum_repels_users(published):
    """Why the optimum is no yardstick for a provider: where it asks for more compute, that creates less surplus."""
    for game, verdict in published:
        surplus = np.asarray(game.surplus)[0]
        for i, row in enumerate(verdict.provision):
            if row.against_optimum == "under":
                assert surplus[i, int(verdict.optimum.profile[i])] < surplus[i, int(verdict.equilibria.worst[i])]


def accounts(market, users, levels):
    """Welfare per query where provider i plays ``levels[s][i]`` in segment s; plain Python."""
    total = 0.0
    for s in range(len(users["weight"])):
        weights, surplus = [], []
        for i, k in enumerate(levels[s]):
            quality = users["alpha"][s] * (0.1 + 0.9 * market["accuracy"][i][k])
            weights.append(np.exp(users["beta"][s] * (quality - market["price"][i][k])))
            surplus.append(quality - market["price"][i][k] / 1.25)
        outside = users["outside"]
        weights.append(0.0 if outside == -np.inf else np.exp(users["beta"][s] * outside))
        surplus.append(0.0 if outside == -np.inf else outside)
        total += users["weight"][s] * np.dot(weights, surplus) / np.sum(weights)
    return total


@pytest.mark.parametrize(
    ("seed", "segments", "outside"),
    [(0, 1, 0.0), (1, 1, -np.inf), (2, 2, 0.0), (3, 3, 0.004), (4, 2, -np.inf), (5, 1, 0.05)],
)
def test_the_readings_against_loops_in_plain_python(seed, segments, outside):
    """Ragged levels in no order of tokens, several segments; every profile of the definition is written out."""
    rng = np.random.default_rng(seed)
    sizes = [3, 1, 4, 2]
    market = {
        "accuracy": [rng.uniform(0.1, 0.9, size).tolist() for size in sizes],
        "tokens": [rng.permutation([100, 700, 2500, 9000])[:size].astype(float).tolist() for size in sizes],
    }
    market["price"] = [[1e-6 * tokens for tokens in row] for row in market["tokens"]]
    users = {
        "alpha": rng.uniform(0.005, 0.05, segments),
        "beta": rng.uniform(50, 900, segments),
        "weight": np.full(segments, 1 / segments),
        "outside": outside,
    }
    game = PayPerCompute(
        Market.from_arrays(accuracy=market["accuracy"], tokens=market["tokens"], price_per_million=1.0),
        Users(users["alpha"], users["beta"], outside_value=outside),
    )
    tokens = np.asarray(game.market.tokens)
    profile = [int(rng.integers(size)) for size in sizes]
    found = moves(game, jnp.array(profile))
    now = accounts(market, users, [profile] * segments)
    for i, size in enumerate(sizes):
        offers, best = [], [list(profile) for _ in range(segments)]
        for s in range(segments):
            surplus = [
                users["alpha"][s] * (0.1 + 0.9 * market["accuracy"][i][k]) - market["price"][i][k] / 1.25
                for k in range(size)
            ]
            offers.append(surplus.index(max(surplus)))
            best[s][i] = offers[s]
        assert found.best_offers[:, i].tolist() == offers
        assert float(found.best_offer_change[i]) == pytest.approx(accounts(market, users, best) - now, abs=1e-15)
        fewer = [k for k in range(size) if market["tokens"][i][k] < market["tokens"][i][profile[i]]]
        down = list(profile)
        if fewer:
            down[i] = max(fewer, key=lambda k: market["tokens"][i][k])
        assert int(found.one_down[i]) == down[i]
        expected = accounts(market, users, [down] * segments) - now
        assert float(found.one_down_change[i]) == pytest.approx(expected, abs=1e-15)
        offered = [tokens[i, k] for k in offers]
        above, below = (any(sign * (tokens[i, profile[i]] - t) > 0 for t in offered) for sign in (1, -1))
        assert bool(over_computes(game, jnp.array(profile))[i]) == (above and not below)


def test_the_auctions_offers_are_the_best_offers_of_every_segment():
    """A demanding and a thrifty segment: what each auction calls for, and a level between the two is ``mixed``."""
    market = Market.from_arrays(
        accuracy=[[0.5, 0.8, 0.95], [0.6, 0.7, 0.75]],
        tokens=[[200, 2000, 6000], [300, 900, 2700]],
        price_per_million=2.0,
        level_labels=[["low", "mid", "high"]] * 2,
    )
    verdict = efficiency(PayPerCompute(market, Users([0.004, 0.2], [300, 300])))
    for i, row in enumerate(verdict.provision):
        auctioned = [market.level_labels[i][int(k)] for k in verdict.auction.levels[:, i]]
        assert [offer.level for offer in row.best_offers] == auctioned == ["low", "high"]
        sides = {offer.against for offer in row.best_offers} - {"equal"}
        assert row.against_best_offer == ("mixed" if len(sides) == 2 else next(iter(sides), "equal"))
        assert row.best_offer == "low / high"
        assert np.isnan(row.best_offer_tokens)


def test_a_provider_at_one_of_two_equal_levels_is_at_its_best_offer():
    """Twice the tokens for so much more accuracy that q − c is the same: neither too much nor too little, no move."""
    market = Market.from_arrays(
        accuracy=[[0.5, 0.5 + 0.8e-3 / 0.9 / 0.02], [0.4, 0.45]],
        tokens=[[1000, 2000], [800, 1600]],
        price_per_million=1.0,
    )
    game = PayPerCompute(market, Users(0.02, 300))
    surplus = np.asarray(game.surplus)[0, 0]
    assert surplus[0] == pytest.approx(surplus[1], rel=1e-13)
    for level in (0, 1):
        found = moves(game, jnp.array([level, 0]))
        assert int(found.best_offers[0, 0]) == level
        assert float(found.best_offer_change[0]) == 0.0
        assert not bool(over_computes(game, jnp.array([level, 0]))[0])


def test_a_change_below_the_constant_is_immaterial(published):
    for _, verdict in published:
        scale = max(abs(float(verdict.equilibria.welfare[0])), abs(float(verdict.optimum.welfare)))
        for row in verdict.provision:
            assert row.immaterial_below == pytest.approx(IMMATERIAL * scale, rel=1e-12)
            assert (row.at_the_margin == "immaterial") == (abs(row.best_offer_change) <= IMMATERIAL * scale)
            assert row.too_high <= (row.against_best_offer == "over")
