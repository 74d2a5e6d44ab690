"""The contract that every registered mechanism keeps, whatever market it gets."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax.scipy.special import entr

from games import InputError, Market, QualityContract, Scenario, Users, load_scenario, scenario_names
from solver import Status, compare
from solver.mechanisms import (
    MECHANISMS,
    FirstScore,
    Mechanism,
    PayPerComputeEquilibrium,
    SecondScore,
    VerifiedQuality,
    mechanism,
)
from tests.odd_markets import segments

# Yardsticks in which providers are told what to do, so that regret is what they show.
NOT_EQUILIBRIA = {"market-optimum", "collusion"}
AUCTIONS = (SecondScore, FirstScore, VerifiedQuality)
CAPTIVE = Users(0.02, 1000, outside_value=-np.inf)
# A reserve that is computed from the bids can be bid for.
FROM_BIDS = {"second-score-user-optimal", "second-score-revenue-optimal"}
TRUTHFUL = {name for name in MECHANISMS if name.startswith("second-score")} | {"truthful-logit", "verified-quality"}
TRUTHFUL -= FROM_BIDS


def small_market(order=(0, 1, 2), currency=1.0) -> tuple[Market, Users]:
    """Three providers with three, two and three levels, two of them close rivals; two segments of users."""
    accuracy = [[0.3, 0.5, 0.6], [0.45, 0.7], [0.2, 0.62, 0.66]]
    tokens = [[400, 1500, 6000], [800, 5000], [300, 2500, 9000]]
    price = [0.4, 0.9, 0.5]
    market = Market.from_arrays(
        accuracy=[accuracy[i] for i in order],
        tokens=[tokens[i] for i in order],
        price_per_million=[currency * price[i] for i in order],
        providers=[f"p{i}" for i in order],
    )
    users = Users([0.02 * currency, 0.05 * currency], [600 / currency, 2000 / currency], weight=[3, 1])
    return market, users


@pytest.fixture(scope="module")
def outcomes():
    """Every mechanism on the small market, with its providers in another order, and in another currency."""
    variants = {"plain": small_market(), "order": small_market((2, 0, 1)), "currency": small_market(currency=100.0)}
    return {
        name: {key: MECHANISMS[name]().outcome(*variant) for key, variant in variants.items()} for name in MECHANISMS
    }


@pytest.mark.parametrize("name", MECHANISMS)
def test_interface(name):
    made = mechanism(name)
    assert isinstance(made, Mechanism)
    assert made.name == name
    assert type(made).__doc__
    assert ">>>" in type(made).__doc__
    with pytest.raises(AttributeError):  # frozen
        made.name = "other"


def test_names_tell_variants_apart():
    audited = QualityContract(0.5)
    made = [
        SecondScore("V0"),
        FirstScore(0.01),
        VerifiedQuality(),
        VerifiedQuality(audited),
        VerifiedQuality(audited, "V0"),
    ]
    assert [one.name for one in made] == [
        "second-score-V0",
        "first-score, reserve 0.01",
        "verified-quality",
        "verified-quality, audit rate 0.5",
        "verified-quality-V0, audit rate 0.5",
    ]


@pytest.mark.parametrize("name", MECHANISMS)
def test_ledger_adds_up(name, outcomes):
    market, users = small_market()
    outcome = outcomes[name]["plain"]
    assert int(outcome.status) == Status.CONVERGED
    allocation, unserved = np.asarray(outcome.allocation), 1 - np.asarray(outcome.served)
    assert (allocation >= 0).all()
    assert (unserved >= -1e-12).all()
    scale = float(users.value_per_correct.max())
    quality = np.asarray(users.quality(market.accuracy))
    levels = np.asarray(outcome.levels)
    row = np.arange(3)
    created = sum(
        allocation[:, i] * (quality[:, i][[0, 1], levels[:, i]] - np.asarray(market.cost)[i, levels[:, i]]) for i in row
    )  # the outside option is worth nothing here
    np.testing.assert_allclose(outcome.welfare, created, atol=1e-12 * scale)
    parts = outcome.user_value + outcome.profits.sum(axis=1) + outcome.platform
    np.testing.assert_allclose(outcome.welfare, parts, atol=1e-12 * scale)
    taste = np.asarray(outcome.consumer_surplus - outcome.user_value)
    np.testing.assert_allclose(outcome.welfare_with_tastes - outcome.welfare, taste, atol=1e-12 * scale)
    entropy = np.asarray(entr(allocation).sum(axis=1) + entr(np.maximum(unserved, 0)))
    matches = np.isclose(taste, entropy / np.asarray(users.rationality), atol=1e-12 * scale)
    assert np.all(matches | (taste == 0))
    assert (np.asarray(outcome.profits) >= -1e-12 * scale).all()  # nobody is made to lose
    assert (np.asarray(outcome.platform) >= -1e-12 * scale).all()
    assert np.all(levels < np.asarray(market.mask).sum(axis=1))


@pytest.mark.parametrize("name", MECHANISMS)
def test_certificates(name, outcomes):
    outcome = outcomes[name]["plain"]
    winners_surplus = float(outcome.mean(outcome.welfare))
    if name not in NOT_EQUILIBRIA:
        assert float(outcome.max_regret.max()) <= 1e-9 * winners_surplus
    if name in TRUTHFUL:
        assert float(outcome.misreport_gain.max()) <= 1e-9 * winners_surplus
    assert (np.asarray(outcome.misreport_gain) >= 0).all()


def hard_markets() -> dict[str, tuple[Market, Users]]:
    """Of the small market's shape, so that nothing compiles again."""
    market, _ = small_market()
    tied = market.subset(["p0", "p1", "p2"])
    for field in ("accuracy", "tokens", "price", "cost", "mask"):
        rows = getattr(market, field)
        tied = eqx.tree_at(lambda m, name=field: getattr(m, name), tied, rows.at[1].set(rows[0]))
    dear = eqx.tree_at(lambda m: (m.price, m.cost), market, (100 * market.price, 100 * market.cost))
    alpha = [0.02, 0.05]
    return {
        "ties, perfectly rational": (tied, Users(alpha, 1e6)),
        "ties, users who must buy": (tied, Users(alpha, 1000, outside_value=-np.inf)),
        "no offer worth its cost": (dear, Users(alpha, 1000)),
        "no offer worth the outside option": (market, Users(alpha, [10, 1e6], outside_value=[0.03, 0.2])),
        "choice at random": (market, Users(alpha, 0.0)),
    }


@pytest.mark.parametrize("name", MECHANISMS)
def test_hard_markets(name):
    solved = 0
    for case, (market, users) in hard_markets().items():
        if name == "second-score-revenue-optimal" and np.isneginf(users.outside_value).any():
            with pytest.raises(InputError, match="give users an outside_value"):
                mechanism(name).outcome(market, users)
            continue
        outcome = mechanism(name).outcome(market, users)
        if int(outcome.status) == Status.NO_EQUILIBRIUM:
            assert np.isnan(outcome.welfare).any(), case
            continue
        solved += 1
        scale = float(users.value_per_correct.max() + market.cost.max())
        parts = outcome.user_value + outcome.profits.sum(axis=1) + outcome.platform
        np.testing.assert_allclose(outcome.welfare, parts, atol=1e-12 * scale, err_msg=case)
        assert (np.asarray(outcome.profits) >= -1e-12 * scale).all(), case
        if name not in NOT_EQUILIBRIA:
            assert float(outcome.max_regret.max()) <= 1e-9 * scale, case
        if name in TRUTHFUL:
            assert float(outcome.misreport_gain.max()) <= 1e-9 * scale, case
        assert (np.asarray(outcome.platform) >= -1e-12 * scale).all(), case
    assert solved >= 2


def test_what_is_not_proved_truthful_can_be_gamed(outcomes):
    gains = {name: float(outcomes[name]["plain"].misreport_gain.max()) for name in MECHANISMS}
    assert gains["first-score"] > 1e-4
    assert gains["promised-quality"] > 1e-3
    assert min(gains[name] for name in FROM_BIDS) > 1e-4
    assert gains["pay-per-compute"] > 1e-7
    assert float(outcomes["market-optimum"]["plain"].max_regret.max()) > 1e-7


@pytest.mark.parametrize("name", MECHANISMS)
def test_relabelling_and_currency_change_nothing(name, outcomes):
    plain, order, currency = (outcomes[name][key] for key in ("plain", "order", "currency"))
    for field in ("allocation", "price", "profits"):
        np.testing.assert_allclose(
            getattr(plain, field)[:, jnp.array([2, 0, 1])], getattr(order, field), rtol=1e-7, atol=1e-12
        )
    np.testing.assert_allclose(plain.allocation, currency.allocation, rtol=1e-7, atol=1e-12)
    for field in ("user_value", "profits", "welfare", "platform"):
        np.testing.assert_allclose(100 * getattr(plain, field), getattr(currency, field), rtol=1e-7, atol=1e-12)


def test_splitting_ties_shares_the_queries():
    market = Market.from_arrays(accuracy=[[0.5], [0.5], [0.4]], tokens=[[100]] * 3, price_per_million=1.0)
    users = Users(0.02, 1000)
    split = SecondScore(split_ties=True).outcome(market, users)
    assert split.allocation.tolist() == [[0.5, 0.5, 0.0]]
    assert SecondScore().outcome(market, users).allocation.tolist() == [[1.0, 0.0, 0.0]]
    assert float(jnp.abs(split.profits).max()) <= 1e-17  # equal offers leave no rent


def test_an_entry_cost_keeps_all_but_the_best_out():
    market, _ = small_market()
    users = Users(0.02, 1000)
    free = SecondScore(reserve=0.008).outcome(market, users)
    best = float(free.welfare[0])
    costly = SecondScore(reserve=0.008, entry_cost=1e-4).outcome(market, users)
    assert float(costly.user_value[0]) == pytest.approx(0.008)  # nobody else bids: the reserve sets the price
    assert float(costly.profits.sum()) == pytest.approx(best - 0.008 - 1e-4)
    assert float(costly.max_regret.max()) <= 1e-12  # neither entering nor leaving pays
    dear = SecondScore(reserve=0.008, entry_cost=best).outcome(market, users)
    assert float(dear.served[0]) == 0.0
    assert float(dear.max_regret.max()) <= 1e-12
    without = SecondScore(entry_cost=1e-4).outcome(market, users)  # the outside value, 0, sets the price
    assert float(without.profits.sum()) == pytest.approx(best - 1e-4)
    with pytest.raises(InputError, match="entry cost"):
        SecondScore(entry_cost=1e-4).outcome(market, CAPTIVE)


def test_optimal_reserves_leave_the_winner_nothing_or_trade_off_segments():
    market, users = small_market()
    one = Users(0.02, 1000)
    user, revenue = (SecondScore(reserve=kind).outcome(market, one) for kind in ("user-optimal", "revenue-optimal"))
    assert float(user.user_value[0]) == pytest.approx(float(user.welfare[0]))
    assert float(revenue.platform[0]) == pytest.approx(float(user.welfare[0]))
    assert float(revenue.user_value[0]) == pytest.approx(0.0, abs=1e-15)
    # Where users are better off without any offer, nothing is sold, and the platform loses nothing by selling.
    content = Users(0.02, 1000, outside_value=0.5)
    for kind in ("user-optimal", "revenue-optimal"):
        kept = SecondScore(reserve=kind).outcome(market, content)
        assert (float(kept.served[0]), float(kept.user_value[0]), float(kept.platform[0])) == (0.0, 0.5, 0.0)
    # The one bidder that pays for its entry keeps that cost, whoever gets the rest.
    welfare = float(user.welfare[0])
    for made in (SecondScore, FirstScore):
        user, revenue = (made(kind, 1e-4).outcome(market, one) for kind in ("user-optimal", "revenue-optimal"))
        assert float(user.user_value[0]) == pytest.approx(welfare - 1e-4, rel=1e-9)
        assert float(revenue.platform[0]) == pytest.approx(welfare - 1e-4, rel=1e-9)
        assert float(revenue.user_value[0]) == pytest.approx(0.0, abs=1e-15)
    # Several segments: no single reserve on a fine grid does better.
    found = SecondScore(reserve="user-optimal").outcome(market, users)

    @jax.jit
    @jax.vmap
    def value(reserve):
        surplus = jnp.sort(-jnp.where(market.mask, users.quality(market.accuracy) - market.cost, -jnp.inf).max(-1))
        best, second = -surplus[:, 0], -surplus[:, 1]
        return users.weight @ jnp.where(best >= reserve, jnp.maximum(second, reserve), 0.0)

    grid = np.linspace(0, 0.06, 20_001)
    assert float(found.mean(found.user_value)) >= float(value(grid).max()) - 1e-15


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SecondScore(reserve="none"), "no-harm"),
        (lambda: SecondScore(reserve=float("nan")).outcome(*small_market()), "finite"),
        *(
            (lambda made=made: made(reserve=-0.01).outcome(*small_market()), "auction: reserve is -0.01")
            for made in AUCTIONS
        ),
        (lambda: SecondScore(reserve=[0.0, 0.0, 0.0]).outcome(*small_market()), r"shape \(3,\).*each segment: 2"),
        (lambda: SecondScore(reserve="revenue-optimal").outcome(small_market()[0], CAPTIVE), "outside_value"),
        (lambda: compare([], [1.0], [SecondScore(), SecondScore(split_ties=True)]), "dictionary"),
        (lambda: SecondScore(entry_cost=-1.0, reserve=0.0).outcome(*small_market()), "entry cost is -1"),
        (lambda: PayPerComputeEquilibrium("least"), "'worst' or 'best'"),
        (lambda: mechanism("second-scor"), "did you mean"),
        (lambda: mechanism("json:loads"), "module:Class"),
        (lambda: mechanism("fractions:Fraction"), "no name"),
        (lambda: FirstScore().outcome(small_market()[0].subset(["p0"]), CAPTIVE), "one bidder"),
    ],
)
def test_bad_input_is_explained(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    """The nine published markets at the three published rationalities under three mechanisms."""
    names = ("pay-per-compute", "second-score", "second-score-no-harm")
    scenarios = [load_scenario(name) for name in scenario_names()[:9]]
    return compare(scenarios, [200, 1000, 100_000], [mechanism(name) for name in names]).table


def test_welfare_never_falls_under_the_auction_but_users_lose_in_some_cells(published):
    auction = published[published["mechanism"] == "second-score"]
    assert len(auction) == 27
    assert (auction["welfare_gain"] > 0).all()
    losing = auction[["users" in losers for losers in auction["losers"]]]
    cells = set(zip(losing["scenario"], losing["rationality"], strict=True))
    assert ("GPQA/reasoning_effort", 1000.0) in cells  # the one that can be read off the published tables
    assert len(cells) == 10
    assert (losing["user_gain"] < 0).all()


def test_the_no_harm_reserve_removes_every_loss(published):
    harmless = published[published["mechanism"] == "second-score-no-harm"]
    assert len(harmless) == 27
    assert not any("users" in losers for losers in harmless["losers"])
    assert (harmless["user_gain"] >= -1e-12 * harmless["welfare"]).all()
    plain = published[published["mechanism"] == "second-score"]
    np.testing.assert_allclose(harmless["welfare"], plain["welfare"], rtol=1e-12)  # it moves money, not queries


def test_a_mechanism_that_cannot_be_held_is_said_not_hidden():
    market, _ = small_market()
    scenario = Scenario("alone", market.subset(["p0"]), CAPTIVE, source="made up")
    table = compare([scenario], [1000], {"held": SecondScore(reserve=0.001), "free": SecondScore()}).table
    assert table["mechanism"].tolist() == ["held", "free"]
    assert table["note"].tolist()[0] == ""
    assert "one bidder" in table["note"].tolist()[1]
    assert np.isnan(table["welfare"].tolist()[1])
    assert table["losers"].tolist()[1] == ()


def test_nothing_is_compared_with_a_market_that_settles_nowhere():
    """Two segments and no stable levels at β = 1000: today has no row to compare with, and nobody loses against it."""
    found = compare([segments()], [100.0, 1000.0], [PayPerComputeEquilibrium(), SecondScore()])
    settled, restless = (found.table[found.table["rationality"] == beta] for beta in (100.0, 1000.0))
    assert settled["welfare"].notna().all()
    assert settled["losers"].tolist() == [(), ("Bell",)]
    today, auction = restless.to_dict("records")
    assert np.isnan(today["welfare"])
    assert today["note"] != ""
    assert today["losers"] == auction["losers"] == ()
    assert auction["welfare"] > 0
    assert all(np.isnan(auction[name]) for name in ("user_gain", "welfare_gain", "choice_noise", "incentives"))
    there = found.providers[found.providers["rationality"] == 1000.0]
    assert set(there["mechanism"]) == {"second-score"}
