"""What the report says about learning and about continuous compute, for one market at one β.

Compiling costs more here than computing. So small markets of a report are brought to one shape by silent providers: one
level each, of which users think so little (e^−45 of the least that anybody offers them) that shares do not change.
"""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from games.curves import PchipCurves
from games.errors import InputError
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.scenarios import Scenario
from games.smooth import ContinuousCompute
from solver.continuous_equilibria import ContinuousEquilibria, continuous_equilibria
from solver.learning_curve import LearningCurve, mixed_curve
from solver.learning_rules import RegretMatchingPlus
from solver.log_time import log_time_nodes
from solver.mixed import learn
from solver.mixed_extension import LogitExtension
from solver.provision import ProvisionRow, provision_identity

ROUNDS = 200
POINTS = 33
SILENCE = 45.0
# Larger markets keep their own shape.
MOST_PROVIDERS, MOST_LEVELS = 16, 16
NODES = 512

Shape = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Learned:
    """Regret matching+ from all levels alike.

    Args:
        curve: expected tokens and regrets of every provider by round.
        rounds: rounds played.
    """

    curve: LearningCurve
    rounds: int

    @property
    def last_regret(self) -> float:
        """Largest relative regret of the last iterate."""
        return float(self.curve.last_regret[-1].max())

    @property
    def average_regret(self) -> float:
        """Largest relative regret of the time average."""
        return float(self.curve.average_regret[-1].max())


@dataclasses.dataclass(frozen=True)
class Continuous:
    """Equilibria of continuous compute, or why there are none to show.

    Args:
        tokens: of every provider in every equilibrium, lowest welfare first, ``[equilibria, providers]``.
        found: the equilibria and their certificates; ``None`` where the market has no continuous game.
        provision: who computes too much in the worst one.
        reason: why the list is complete or not, or why there is no game.
    """

    tokens: np.ndarray
    found: ContinuousEquilibria | None
    provision: tuple[ProvisionRow, ...]
    reason: str


def common_shape(scenarios: Sequence[Scenario]) -> Shape:
    """The size to which the small markets of a report are brought."""
    shapes = [scenario.market.mask.shape for scenario in scenarios]
    small = [s for s in shapes if s[0] <= MOST_PROVIDERS and s[1] <= MOST_LEVELS]
    return max((s[0] for s in small), default=0), max((s[1] for s in small), default=0)


def learned(scenario: Scenario, beta: float, shape: Shape) -> Learned:
    """Let providers learn which level to play."""
    users = scenario.users.with_rationality(beta)
    game = PayPerCompute(_shaped(scenario, beta, shape), users)
    nodes = log_time_nodes(game)
    if nodes.log_time.shape[1] < NODES:
        nodes = log_time_nodes(game, size=NODES)
    extension = LogitExtension(game, nodes)
    played = learn(extension, RegretMatchingPlus(), max_steps=ROUNDS, tolerance=0.0, record=True)
    assert played.trajectory is not None
    curve = mixed_curve(extension, game.market.tokens, played.trajectory, int(played.num_steps), points=POINTS)
    real = slice(0, scenario.market.num_providers)
    shown = (curve.tokens[:, real], curve.last_regret[:, real], curve.average_regret[:, real])
    curve = eqx.tree_at(lambda c: (c.tokens, c.last_regret, c.average_regret), curve, shown)
    return Learned(curve, int(played.num_steps))


def continuous(scenario: Scenario, beta: float, shape: Shape) -> Continuous:
    """Let providers buy any amount of compute."""
    count = scenario.market.num_providers
    if scenario.users.num_segments > 1:
        reason = "there are several segments of users, and the search for all its equilibria needs one"
        return Continuous(np.zeros((0, count)), None, (), reason)
    try:
        game = _continuous_game(scenario, beta, shape)
    except InputError as error:
        return Continuous(np.zeros((0, count)), None, (), str(error))
    found = continuous_equilibria(game)
    provision = provision_identity(game, found.worst)[:count] if len(found) else ()
    named = tuple(
        dataclasses.replace(row, provider=name)
        for row, name in zip(provision, scenario.market.providers, strict=bool(provision))
    )
    return Continuous(np.asarray(found.compute)[:, :count], found, named, found.reason)


def _continuous_game(scenario: Scenario, beta: float, shape: Shape) -> ContinuousCompute:
    market = _shaped(scenario, beta, shape)
    curves = PchipCurves.from_market(market)
    # Of levels with equal tokens one is kept, so that the width depends on the numbers: bring it back to the market's.
    missing = ((0, 0), (0, max(0, market.num_levels - curves.log_tokens.shape[1])))
    wide = PchipCurves.from_points(jnp.pad(curves.log_tokens, missing), jnp.pad(curves.accuracy, missing), curves.count)
    return ContinuousCompute(market, scenario.users.with_rationality(beta), curves=wide)


def _shaped(scenario: Scenario, beta: float, shape: Shape) -> Market:
    """The market with silent providers behind its own, and columns without levels, up to the shape."""
    market = scenario.market.anonymous()
    providers, levels = market.mask.shape
    if providers > MOST_PROVIDERS or levels > MOST_LEVELS:
        return market
    users = scenario.users.with_rationality(beta)
    if not np.all(np.asarray(users.rationality) > 0):
        return market  # who chooses by lot hears everybody
    missing = ((0, shape[0] - providers), (0, shape[1] - levels))
    arrays = (market.accuracy, market.tokens, market.price, market.cost, market.mask)
    accuracy, tokens, prices, costs, mask = (jnp.pad(x, missing) for x in arrays)
    value = np.where(np.asarray(market.mask), np.asarray(scenario.game(beta).user_value), np.inf)
    # Whatever is played, users of a segment have an offer at least as good as this.
    offered = np.maximum(value.min(axis=2).max(axis=1), np.asarray(users.outside_value))
    price = float((np.asarray(users.value_per_correct) - offered + SILENCE / np.asarray(users.rationality)).max())
    margin = float((market.price / market.cost)[0, 0]) if float(market.cost[0, 0]) > 0 else 2.0
    silent = np.arange(shape[0]) >= providers
    return Market(
        accuracy,
        tokens.at[silent, 0].set(1.0),
        prices.at[silent, 0].set(price),
        costs.at[silent, 0].set(price / margin),
        mask.at[silent, 0].set(True),
        (),
        (),
    )
