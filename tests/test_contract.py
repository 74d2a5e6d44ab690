"""What solvers may ask of a game: the smallest game of each protocol, games that lack something, garbage in the padding."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import solver
from games import InputError, Market, NormalForm, PayPerCompute, Scenario, Users
from games.base import ContinuousGame, ContinuousLogitGame, FiniteGame, LogFiniteGame, LogitGame, missing_members
from solver import batch
from solver.learning_rules import Hedge
from solver.mechanisms.registry import MECHANISMS

MASK = jnp.array([[True, True, False], [True, True, True]])


class Least(eqx.Module):
    """A finite game and nothing else; the profile (1, 2) is its only equilibrium, and padding holds ``garbage``."""

    mask: jax.Array
    garbage: jax.Array

    def payoffs(self, profile):
        wanted = jnp.array([1, 2])
        exists = self.mask[jnp.arange(2), profile]
        return jnp.where(exists, -1.0 * (profile - wanted) ** 2, self.garbage)

    def deviation_payoffs(self, profile):
        levels = jnp.arange(self.mask.shape[1])
        values = -1.0 * (levels - jnp.array([1, 2])[:, None]) ** 2
        return jnp.where(self.mask, values, self.garbage)


class LeastLog(Least):
    """A game with logarithms of payoffs."""

    def log_payoffs(self, profile):
        return super().payoffs(profile)

    def payoffs(self, profile):
        return jnp.exp(self.log_payoffs(profile))

    def log_deviation_payoffs(self, profile):
        return Least.deviation_payoffs(self, profile)

    def deviation_payoffs(self, profile):
        return jnp.exp(self.log_deviation_payoffs(profile))

    def provider_log_payoffs(self, profile, provider):
        return self.log_deviation_payoffs(profile)[provider]


class LeastContinuous(eqx.Module):
    """A continuous game and nothing else; everybody's best choice is 1."""

    @property
    def bounds(self):
        return jnp.zeros(2), jnp.full(2, 3.0)

    def log_payoffs(self, log_compute):
        return -((log_compute - 1.0) ** 2)

    def payoffs(self, log_compute):
        return jnp.exp(self.log_payoffs(log_compute))

    def log_deviation_payoffs(self, log_compute, choices):
        return self.log_payoffs(choices)


class OwnLogit(eqx.Module):
    """A logit game of one's own whose arrays are those of another, with ``garbage`` in the padding."""

    game: PayPerCompute
    garbage: jax.Array

    mask = property(lambda self: self.game.mask)
    log_attraction = property(lambda self: self._spoilt(self.game.log_attraction))
    log_outside_attraction = property(lambda self: self.game.log_outside_attraction)
    unit_profit = property(lambda self: self._spoilt(self.game.unit_profit))
    surplus = property(lambda self: self._spoilt(self.game.surplus))
    outside_surplus = property(lambda self: self.game.outside_surplus)
    segment_weight = property(lambda self: self.game.segment_weight)

    def _spoilt(self, values):
        return jnp.where(self.mask, values, self.garbage)

    def payoffs(self, profile):
        return self.game.payoffs(profile)

    def log_payoffs(self, profile):
        return self.game.log_payoffs(profile)

    def welfare(self, profile):
        return self.game.welfare(profile)

    def deviation_payoffs(self, profile):
        return self._spoilt(self.game.deviation_payoffs(profile))

    def log_deviation_payoffs(self, profile):
        return self._spoilt(self.game.log_deviation_payoffs(profile))

    def provider_log_payoffs(self, profile, provider):
        values = self.game.provider_log_payoffs(profile, provider)
        return jnp.where(self.mask[provider], values, self.garbage)


@pytest.fixture
def unchecked(monkeypatch):
    """Without the suite's check of types at run time, as users have it."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


RAGGED = Market.from_arrays(
    accuracy=[[0.5, 0.7], [0.4, 0.6, 0.8]], tokens=[[100, 500], [200, 900, 4000]], price_per_million=[2.0, 1.0]
)
GARBAGE = [jnp.nan, jnp.inf, -jnp.inf, 1e300, 0.5]
GAME = PayPerCompute(RAGGED, Users(0.02, 400.0))
UNIFORM = MASK / MASK.sum(axis=1, keepdims=True)


def finite_answers(game) -> dict[str, object]:
    """What every solver of finite games says, as arrays."""
    key = jax.random.key(0)
    path = solver.quantal_path(game, max_precision=50.0, max_points=100)
    found = {
        "pure_equilibria": solver.pure_equilibria(game).profiles,
        "brute_force": solver.brute_force(game).equilibria,
        "paper_dynamics": solver.paper_dynamics(game, key=key).profile,
        "regret": solver.regret(game, jnp.array([0, 0])).max_regret,
        "mixed_regret": solver.mixed_regret(game, UNIFORM).max_regret,
        "mixed_payoffs": solver.mixed_payoffs(game, UNIFORM),
        "expected_payoffs": solver.expected_payoffs(game, UNIFORM).payoffs,
        "two_player_equilibria": solver.two_player_equilibria(game).profiles,
        "correlated_bounds": solver.correlated_bounds(game).worst.payoffs,
        "learn": solver.learn(game, Hedge(), max_steps=200).mixed,
        "quantal_path": path.last,
        "quantal_limit": solver.quantal_limit(game, path).profile,
    }
    for order in solver.Order:
        for reply in solver.Reply:
            played = solver.best_response_dynamics(game, order=order, reply=reply, key=key)
            found[f"dynamics {order} {reply}"] = (played.profile, played.status)
    return found


def logit_answers(game) -> dict[str, object]:
    """What the solvers of logit games say besides."""
    bounds = solver.lattice_bounds(game)
    optimum = solver.welfare_optimum(game)
    return {"lattice_bounds": (bounds.least, bounds.greatest), "optimum": (optimum.profile, optimum.welfare)}


def check_same(found: dict[str, object], wanted: dict[str, object]) -> None:
    for name, values in wanted.items():
        for one, other in zip(jax.tree.leaves(found[name]), jax.tree.leaves(values), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", [Least, LeastLog])
def test_every_solver_of_finite_games_runs_on_the_smallest_one_whatever_the_padding_holds(kind):
    wanted = finite_answers(kind(MASK, jnp.array(-jnp.inf)))
    assert wanted["pure_equilibria"].tolist() == wanted["brute_force"].tolist() == [[1, 2]]
    for name, found in wanted.items():
        if name.startswith("dynamics"):
            assert found[0].tolist() == [1, 2], name
    assert np.asarray(wanted["quantal_limit"]).round(6).tolist() == [[0, 1, 0], [0, 0, 1]]
    for garbage in GARBAGE:
        check_same(finite_answers(kind(MASK, jnp.array(garbage))), wanted)


def test_logit_games_whatever_the_padding_holds():
    wanted = {**finite_answers(GAME), **logit_answers(GAME)}
    for garbage in GARBAGE:
        game = OwnLogit(GAME, jnp.array(garbage))
        assert isinstance(game, LogitGame)
        check_same({**finite_answers(game), **logit_answers(game)}, wanted)


def test_several_segments_whatever_the_padding_holds():
    game = PayPerCompute(RAGGED, Users([0.02, 0.1], [400.0, 90.0]))
    found = [OwnLogit(game, jnp.array(garbage)) for garbage in GARBAGE]
    from solver.equilibria import follow_starts, some_starts
    from solver.optimum import many_ascents, num_levels

    def answers(of):
        starts = some_starts(of)
        assert bool(of.mask[jnp.arange(2), starts].all())
        return {
            "all": solver.pure_equilibria(of).profiles,
            "starts": follow_starts(of, starts, jnp.asarray(1e-9)),
            "ascents": many_ascents(of, num_levels(of)),
            "optimum": solver.welfare_optimum(of).welfare,
        }

    wanted = answers(game)
    for spoilt in found:
        check_same(answers(spoilt), wanted)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_markets_whatever_the_padding_holds(garbage):
    def spoil(market: Market) -> Market:
        fields = [
            jnp.where(market.mask, x, garbage) for x in (market.accuracy, market.tokens, market.price, market.cost)
        ]
        return eqx.tree_at(lambda m: (m.accuracy, m.tokens, m.price, m.cost), market, tuple(fields))

    users = Users(0.02, 400.0)
    for name, mechanism in MECHANISMS.items():
        clean, spoilt = (mechanism().outcome(market, users) for market in (RAGGED, spoil(RAGGED)))
        for field in ("user_value", "profits", "platform", "welfare", "misreport_gain", "max_regret"):
            one, other = getattr(spoilt, field), getattr(clean, field)
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15, err_msg=f"{name} {field}")
    game = PayPerCompute(spoil(RAGGED), users)
    check_same(logit_answers(game), logit_answers(GAME))
    check_same(finite_answers(game), finite_answers(GAME))


def test_levels_may_stand_anywhere_in_a_row():
    tensor = jnp.array([[[9.0, 9.0], [1.0, 2.0]], [[9.0, 9.0], [4.0, 3.0]]])
    game = NormalForm(tensor, jnp.array([[False, True], [True, True]]))
    assert solver.pure_equilibria(game).profiles.tolist() == [[1, 0]]


def test_a_welfare_of_ones_own_orders_equilibria_and_has_an_optimum():
    class Planned(NormalForm):
        def welfare(self, profile):
            return -jnp.abs(profile - jnp.array([0, 1])).sum().astype(float)

    coordination = jnp.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    planned = Planned(coordination)
    assert solver.brute_force(planned).optimum.tolist() == [0, 1]
    found = solver.pure_equilibria(planned)
    assert found.welfare.tolist() == [-1.0, -1.0]
    assert found.complete
    assert solver.pure_equilibria(NormalForm(coordination)).welfare.tolist() == [2.0, 2.0]


@pytest.mark.usefixtures("unchecked")
def test_continuous_games_need_no_logit_form_to_be_played_and_certified():
    game = LeastContinuous()
    assert solver.gradient_dynamics(game, max_steps=500).converged
    limits = solver.gradient_limits(game, solver.random_starts(game, jax.random.key(0), 3), max_steps=500)
    assert np.abs(limits.log_compute - 1).max() < 1e-2
    assert float(solver.continuous_regret(game, jnp.ones(2)).max_regret) < 1e-9
    for refuses in (solver.continuous_bounds, solver.continuous_equilibria, solver.differentiable_equilibrium):
        with pytest.raises(InputError, match="LeastContinuous has no log_attraction"):
            refuses(game)


class Nothing(eqx.Module):
    """Payoffs, yet no mask and no deviations."""

    def payoffs(self, profile):
        return jnp.zeros(2)


PROFILE = jnp.zeros(2, int)
FINITE = {
    "pure_equilibria": solver.pure_equilibria,
    "brute_force": solver.brute_force,
    "dynamics": lambda game: solver.paper_dynamics(game, key=jax.random.key(0)),
    "regret": lambda game: solver.regret(game, PROFILE),
    "mixed_regret": lambda game: solver.mixed_regret(game, UNIFORM),
    "two_player_equilibria": solver.two_player_equilibria,
    "correlated_bounds": solver.correlated_bounds,
    "correlated_regret": lambda game: solver.correlated_regret(game, PROFILE[None], jnp.ones(1), jnp.ones(2)),
    "mixed strategies": lambda game: solver.learn(game, Hedge()),
    "mixed strategies ": solver.quantal_path,
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", FINITE)
def test_solvers_of_finite_games_name_what_is_missing(name):
    with pytest.raises(
        InputError, match=rf"{name.strip()}: needs a FiniteGame .* Nothing has no deviation_payoffs, mask;"
    ):
        FINITE[name](Nothing())


@pytest.mark.usefixtures("unchecked")
def test_solvers_of_logit_games_name_what_is_missing():
    assert missing_members(Least(MASK, jnp.array(0.0)), FiniteGame) == ()
    assert missing_members(LeastLog(MASK, jnp.array(0.0)), LogFiniteGame) == ()
    assert missing_members(LeastContinuous(), ContinuousGame) == ()
    assert "log_attraction" in missing_members(LeastContinuous(), ContinuousLogitGame)
    for refuses in (solver.lattice_bounds, solver.welfare_optimum):
        with pytest.raises(InputError, match=r"needs a LogitGame .* LeastLog has no log_attraction, .*, welfare; add"):
            refuses(LeastLog(MASK, jnp.array(0.0)))

    class Large(Least):
        pass

    large = Large(jnp.ones((18, 2), bool), jnp.array(0.0))
    with pytest.raises(InputError, match=r"262,144 profiles are too many .* Large has no log_attraction"):
        solver.pure_equilibria(large)
    with pytest.raises(
        InputError,
        match=r"more than 300,000 profiles and no logit form \(a LogitGame also has log_attraction, ",
    ):
        solver.mixed_regret(Large(jnp.ones((40, 2), bool), jnp.array(0.0)), jnp.full((40, 2), 0.5))


def test_what_cannot_be_traced_says_so():
    games = batch.rationality_grid(GAME, jnp.array([100.0, 400.0]))
    for name, untraced in (("pure_equilibria", solver.pure_equilibria), ("brute_force", solver.brute_force)):
        with pytest.raises(InputError, match=f"{name}: .* traced by jit"):
            jax.vmap(lambda game, run=untraced: run(game).profiles)(games)
    segments = PayPerCompute(RAGGED, Users([0.02, 0.1], [400.0, 90.0]))
    with pytest.raises(InputError, match=r"2 segments of users.*once for each market"):
        batch.optima(batch.stack_games([segments, segments]))
    with pytest.raises(InputError, match=r"from_arrays .* traced by jit.*Market\(accuracy"):
        jax.vmap(lambda p: Market.from_arrays(accuracy=[[0.5]], tokens=[[9]], price_per_million=p).price)(jnp.ones(2))


def test_games_of_unequal_shapes_stack():
    one = PayPerCompute(RAGGED.subset(["provider 1"]), Users(0.02, 400.0))
    stacked = batch.stack_games([one, GAME])
    found, (profiles, welfare) = batch.equilibria(stacked), batch.optima(stacked)
    ends = batch.dynamics(stacked, jax.random.split(jax.random.key(0), 2))
    for i, game in enumerate((one, GAME)):
        alone, providers = solver.pure_equilibria(game), game.mask.shape[0]
        assert found.num_equilibria[i] == len(alone)
        assert found.worst[i, :providers].tolist() == alone.worst.tolist()
        assert found.worst[i, providers:].tolist() == [0] * (2 - providers)
        np.testing.assert_allclose(found.worst_welfare[i], alone.welfare[0], rtol=1e-14)
        optimum = solver.welfare_optimum(game)
        np.testing.assert_allclose(welfare[i], optimum.welfare, rtol=1e-14)
        assert profiles[i, :providers].tolist() == optimum.profile.tolist()
        assert ends.profile[i, :providers].tolist() == alone.worst.tolist()
    segments = PayPerCompute(RAGGED, Users([0.02, 0.1], 400.0))
    with pytest.raises(InputError, match="unequal segments of users"):
        batch.stack_games([GAME, segments])
    with pytest.raises(InputError, match="no game"):
        batch.stack_games([])


def test_margins_may_be_arrays():
    by_provider = RAGGED.with_margin([0.5, 1.0]).cost
    np.testing.assert_allclose(by_provider, RAGGED.price / jnp.array([[1.5], [2.0]]))
    by_level = jnp.array([[0.1, 0.2, -1.0], [0.3, 0.4, 0.5]])  # the entry of the padding does not count
    exists = np.asarray(RAGGED.mask)
    costs = np.asarray(RAGGED.with_margin(by_level).cost)
    np.testing.assert_allclose(costs[exists], np.asarray(RAGGED.price)[exists] / (1 + np.asarray(by_level)[exists]))
    mapped = jax.vmap(lambda m: RAGGED.with_margin(m).cost)(jnp.array([[0.5, 1.0], [0.25, 0.25]]))
    np.testing.assert_allclose(mapped[0], by_provider)
    for bad in ([0.5, -1.0], [0.5, 0.5, 0.5], jnp.nan):
        with pytest.raises(InputError, match="margin"):
            RAGGED.with_margin(bad)


def test_a_scenario_needs_no_source():
    assert Scenario("mine", RAGGED, Users(0.02, 400.0)).source == ""
