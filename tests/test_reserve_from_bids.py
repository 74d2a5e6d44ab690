"""Reserves that follow the bids, and equilibria of entry: closed forms and brute force from the definitions."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from games import InputError, Market, ScoreAuction, Users
from games.score_auction import Bids, first_score
from solver import entry_equilibria
from solver.mechanisms import FirstScore, SecondScore, VerifiedQuality

FROM_BIDS = ("user-optimal", "revenue-optimal")


def offers(*accuracy: float) -> Market:
    """Providers whose surplus is their accuracy, to 1e-9."""
    return Market.from_arrays(
        accuracy=np.array(accuracy)[:, None], tokens=np.ones((len(accuracy), 1)), price_per_million=1e-9
    )


def users(value=1.0, weight=1.0, outside=0.0) -> Users:
    return Users(value, 1.0, weight=weight, baseline=0.0, outside_value=outside)


@pytest.mark.parametrize("kind", FROM_BIDS)
@pytest.mark.parametrize(("outside", "gain"), [(0.0, 0.02), (0.73, 0.01), (0.8, 0.0)])
def test_the_winner_bids_its_whole_rent_back(kind, outside, gain):
    """W = (.74, .72): 0 with the reserve held fixed, W₁ − max(W₂, V0) where it follows the bids, under every auction."""
    for auction in (SecondScore, VerifiedQuality, FirstScore):
        outcome = auction(reserve=kind).outcome(offers(0.74, 0.72), users(outside=outside))
        np.testing.assert_allclose(outcome.misreport_gain, [gain, 0.0], atol=1e-9)
        np.testing.assert_allclose(outcome.max_regret, 0.0, atol=1e-12)
    for safe in (None, "V0", "no-harm", 0.73):
        assert float(SecondScore(reserve=safe).outcome(offers(0.74, 0.72), users()).misreport_gain.max()) <= 1e-12


def rent(market: Market, who: Users) -> float:
    """Of the first provider, without a reserve but V0: the most that any bid of it can earn."""
    worth = np.asarray(ScoreAuction(market, who).surplus[..., 0])
    others = np.maximum(worth[:, 1:].max(axis=1), np.asarray(who.outside_value))
    return float(np.asarray(who.weight) @ np.maximum(worth[:, 0] - others, 0.0))


def test_one_number_for_two_segments():
    """W₁ = (.74, .72): .01 on average with r = .72; just above the rival in both segments the whole rent comes back."""
    two = users(value=[1.0, 0.72 / 0.74], weight=[1, 1])
    found = SecondScore("user-optimal").outcome(offers(0.74, 0.697), two)
    assert float(found.mean(found.profits)[0]) == pytest.approx(0.01, abs=1e-9)
    assert float(found.misreport_gain[0]) == pytest.approx(rent(offers(0.74, 0.697), two) - 0.01, abs=1e-9)
    assert float(found.misreport_gain[0]) > 0.03


def brute_gain(market: Market, who: Users, points: int = 41) -> float:
    """The best of all pairs of scores on a grid, for the first provider; the reserve by trying every number."""
    worth = np.asarray(ScoreAuction(market, who).surplus[..., 0])
    weight, outside = np.asarray(who.weight), np.asarray(who.outside_value)

    def profit(scores):
        ranked = np.sort(np.column_stack([scores, worth[:, 1:]]), axis=1)[:, ::-1]
        best, second = np.maximum(ranked[:, 0], outside), np.maximum(ranked[:, 1], outside)

        def value(reserve):
            return weight @ np.where(best >= reserve, np.maximum(second, reserve), outside)

        reserve = max([-np.inf, *np.sort(best)], key=value)
        owed = np.maximum(np.maximum(worth[:, 1], reserve), outside)
        return weight @ np.where(scores >= owed, worth[:, 0] - owed, 0.0)

    grid = [*np.linspace(worth.min() - 0.01, worth.max(), points), *worth.ravel()]
    return max(profit(np.array(pair)) for pair in itertools.product(grid, grid)) - profit(worth[:, 0])


def test_two_segments_against_brute_force():
    """The best provider of random pairs of segments gains exactly its rent without a reserve, and a grid finds no more."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        market = offers(*np.sort(rng.uniform(0.5, 0.9, 2))[::-1])
        who = users(value=rng.uniform(0.6, 1.4, 2), weight=rng.uniform(1, 3, 2))
        found = SecondScore("user-optimal").outcome(market, who)
        gain = float(found.misreport_gain[0])
        assert gain == pytest.approx(rent(market, who) - float(found.mean(found.profits)[0]), abs=1e-9)
        brute = brute_gain(market, who)
        assert brute - 1e-9 <= gain <= brute + 1e-9  # the grid holds the rivals' scores themselves


def play(auction: ScoreAuction, enters: tuple[bool, ...]) -> np.ndarray:
    return np.asarray(auction.play(auction.honest(jnp.array([enters]))).profits[0])


def test_entry_by_brute_force():
    """Every set of entrants, every change of one's mind, by the auction itself: W₁ − W₂ below and above the cost."""
    rng = np.random.default_rng(1)
    several = 0
    for _ in range(25):
        worth = rng.uniform(0.4, 0.8, 3)
        auction = ScoreAuction(
            offers(*worth), users(), reserve=rng.uniform(0.2, 0.7), entry_cost=rng.uniform(0.01, 0.3)
        )
        found = entry_equilibria(auction)
        earned = {enters: play(auction, enters) for enters in itertools.product([False, True], repeat=3)}
        stable = set()
        for enters, now in earned.items():
            changed = [earned[(*enters[:i], not enters[i], *enters[i + 1 :])][i] for i in range(3)]
            if np.all(changed <= now + 1e-12):
                stable.add(enters)
        listed = {tuple(bool(j == i) for j in range(3)) for i in range(3) if found.enters[0, i]}
        listed |= {(False,) * 3} if found.nobody[0] else set()
        assert listed == stable
        assert int(found.number[0]) == len(stable)
        several += len(stable) > 1
        for enters in stable - {(False,) * 3}:
            i = enters.index(True)
            assert earned[enters][i] == pytest.approx(float(found.profit[0, i]), abs=1e-12)
    assert several > 2


def test_entry_that_nothing_decides_is_refused():
    market = offers(0.7, 0.6)
    with pytest.raises(InputError, match="rule=second_score"):
        entry_equilibria(ScoreAuction(market, users(), rule=first_score, entry_cost=0.1))
    with pytest.raises(InputError, match="entry cost is 0"):
        entry_equilibria(ScoreAuction(market, users()))
    with pytest.raises(InputError, match="nothing sets the price"):
        entry_equilibria(ScoreAuction(market, users(outside=-np.inf), entry_cost=0.1))


def test_overstated_promises_gain_their_size_only_given_the_sale():
    """W = (.5, .3): an overstatement δ gains δ for the winner, 0 for a loser that stays one, W + δ − M if it wins by it."""
    auction = ScoreAuction(offers(0.5, 0.3), users(), verified=False)
    honest = auction.honest()

    def gain(provider, overstatement):
        bold = Bids(honest.level, honest.promise.at[0, provider].add(overstatement), honest.ask)
        return float((auction.play(bold).profits - auction.play(honest).profits)[0, provider])

    assert [gain(0, 0.1), gain(1, 0.1), gain(1, 0.25)] == pytest.approx([0.1, 0.0, 0.05], abs=1e-8)
