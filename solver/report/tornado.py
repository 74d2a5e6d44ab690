"""What the result hangs on: every input a fifth smaller and a fifth larger, one at a time, and the market solved again.

Prices carry their costs with them, so that margins stay what they were; token counts move prices and costs in the same
way, so that both are one input here. Margins move costs and leave prices. Error rates are 1 − accuracy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from games.pay_per_compute import PayPerCompute
from games.scenarios import Scenario
from solver import batch
from solver.blocks import block_size
from solver.cells import equilibria_figures, welfare_ratios
from solver.lattice import DEFAULT_TOLERANCE

FACTORS = (0.8, 1.2)
MOST_PROVIDERS = 3
TIMES = "times"

Numbers = dict[str, np.ndarray]
Apply = Callable[[Numbers, float], Numbers]


@dataclass(frozen=True)
class Outcome:
    """One market, solved.

    Args:
        price_of_anarchy: of the worst equilibrium; infinite or NaN as in ``solver.efficiency``.
        user_value: what users get in it, dollars per query; NaN without an equilibrium.
        lost: part of the optimal welfare that it loses; NaN where the optimum is not positive.
        max_regret: certificate of the worst and the best equilibrium, relative.
        num_equilibria: how many there are.
        proved: whether the list of equilibria is complete and the optimum exact.
    """

    price_of_anarchy: float
    user_value: float
    lost: float
    max_regret: float
    num_equilibria: int
    proved: bool


@dataclass(frozen=True)
class Change:
    """One input, moved down and up.

    Args:
        parameter: what it is.
        provider: whose, or empty if it is that of all.
        unit: of its value; ``times`` where it differs between levels or providers, as the value is 1 then.
        value: as the market stands.
        low_value: a fifth smaller.
        high_value: a fifth larger.
        low: the market solved with the smaller.
        high: the market solved with the larger.
    """

    parameter: str
    provider: str
    unit: str
    value: float
    low_value: float
    high_value: float
    low: Outcome
    high: Outcome


@dataclass(frozen=True)
class Tornado:
    """All inputs of one market.

    Args:
        rationality: β, per dollar.
        base: the market as it stands.
        changes: one for each input.
    """

    rationality: float
    base: Outcome
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class _Input:
    parameter: str
    provider: str
    unit: str
    value: float
    apply: Apply
    limit: float = np.inf

    def at(self, factor: float) -> float:
        return min(self.value * factor, self.limit)


def tornado(scenario: Scenario, beta: float, shares: np.ndarray, levels: np.ndarray, block: int) -> Tornado:
    """Move every input of a market and solve all the markets that result together.

    Args:
        scenario: the market.
        beta: users' rationality, per dollar.
        shares: of the providers in the worst equilibrium, ``[providers]``: the largest are looked at one by one.
        levels: level of every provider there, ``[providers]``; its error rate is the one that the table gives.
        block: markets to solve in one call; of the size of a sweep, so that its compiled code serves here too.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> found = tornado(scenario, 1000.0, np.array([0.5, 0.3, 0.2]), np.array([4, 4, 4]), 32)
        >>> [f"{c.parameter} {c.low_value:g} {c.low.price_of_anarchy:.3f}" for c in found.changes[:2]]
        ['value of a correct answer 0.016 1.015', "users' rationality 800 1.014"]
    """
    game = scenario.game(beta)
    inputs = _inputs(game, beta, shares, np.asarray(levels))
    base = _numbers(game)
    markets = [base, *(base | one.apply(base, factor) for one in inputs for factor in FACTORS)]
    outcomes = _solve(game.anonymous(), markets, min(block, block_size(scenario.market)))
    changes = [
        Change(
            one.parameter, one.provider, one.unit, one.value, one.at(FACTORS[0]), one.at(FACTORS[1]),
            outcomes[1 + 2 * i], outcomes[2 + 2 * i],
        )
        for i, one in enumerate(inputs)
    ]  # fmt: skip
    return Tornado(beta, outcomes[0], tuple(changes))


def _numbers(game: PayPerCompute) -> Numbers:
    """What can be moved, by name."""
    market, users = game.market, game.users
    fields = {
        "accuracy": market.accuracy, "price": market.price, "cost": market.cost, "value_per_correct": users.value_per_correct,
        "rationality": users.rationality, "outside_value": users.outside_value, "baseline": users.baseline,
    }  # fmt: skip
    return {name: np.asarray(field, float) for name, field in fields.items()}


def _inputs(game: PayPerCompute, beta: float, shares: np.ndarray, levels: np.ndarray) -> list[_Input]:
    numbers, mask = _numbers(game), np.asarray(game.mask)
    everybody = np.ones(len(mask), bool)
    margins = (numbers["price"] / np.where(mask, numbers["cost"], 1.0))[mask] - 1
    outside = numbers["outside_value"]
    found = [
        _measured("value of a correct answer", "dollars", numbers["value_per_correct"], _scaled("value_per_correct")),
        _Input("users' rationality", "", "per dollar", beta, _scaled("rationality")),
        _measured("margins", "price / cost − 1", margins, _margins),
        _Input("prices or token counts", "", TIMES, 1.0, _prices(everybody)),
        _Input("error rates", "", TIMES, 1.0, _errors(everybody)),
    ]
    if numbers["baseline"] > 0:
        found.append(_Input("worth of any answer", "", "of a correct one", float(numbers["baseline"]), _baseline, 1.0))
    if np.any(np.isfinite(outside) & (outside != 0)):
        found.append(_measured("value of not buying", "dollars per query", outside, _scaled("outside_value")))
    if len(mask) > 1:
        tokens = np.asarray(game.market.tokens)
        for i in np.argsort(-np.nan_to_num(shares), kind="stable")[:MOST_PROVIDERS].tolist():
            own = np.arange(len(mask)) == i
            name, sold = game.market.providers[i], mask[i] & (tokens[i] > 0)
            list_price = 1e6 * numbers["price"][i, sold] / tokens[i, sold]
            error = float(1 - numbers["accuracy"][i, levels[i]])
            found.append(_measured("list price", "dollars per million tokens", list_price, _prices(own), name))
            found.append(_Input("error rate", name, "at its level", error, _errors(own), 1.0))
    return found


def _measured(parameter: str, unit: str, values: np.ndarray, apply: Apply, provider: str = "") -> _Input:
    """An input with its value if there is one value, else with a factor."""
    if values.size and np.isfinite(values).all() and np.allclose(values, values.flat[0], rtol=1e-9, atol=0):
        return _Input(parameter, provider, unit, float(values.flat[0]), apply)
    return _Input(parameter, provider, TIMES, 1.0, apply)


def _scaled(name: str) -> Apply:
    return lambda numbers, factor: {name: numbers[name] * factor}


def _baseline(numbers: Numbers, factor: float) -> Numbers:
    return {"baseline": np.asarray(np.minimum(numbers["baseline"] * factor, 1.0))}


def _margins(numbers: Numbers, factor: float) -> Numbers:
    """p/c' = 1 + factor (p/c − 1), written so that a cost of 0 stays one."""
    price, cost = numbers["price"], numbers["cost"]
    divisor = cost + factor * (price - cost)
    return {"cost": np.divide(price * cost, divisor, out=np.zeros_like(cost), where=divisor > 0)}


def _prices(whose: np.ndarray) -> Apply:
    def apply(numbers: Numbers, factor: float) -> Numbers:
        factors = np.where(whose, factor, 1.0)[:, None]
        return {"price": numbers["price"] * factors, "cost": numbers["cost"] * factors}

    return apply


def _errors(whose: np.ndarray) -> Apply:
    def apply(numbers: Numbers, factor: float) -> Numbers:
        factors = np.where(whose, factor, 1.0)[:, None]
        return {"accuracy": np.clip(1 - factors * (1 - numbers["accuracy"]), 0.0, 1.0)}

    return apply


def _solve(game: PayPerCompute, markets: Sequence[Numbers], block: int) -> list[Outcome]:
    """All markets, in blocks of one size; the last one is filled up."""
    missing = -len(markets) % block
    filled = [*markets, *([markets[0]] * missing)]
    outcomes = []
    for start in range(0, len(filled), block):
        outcomes += _solve_block(game, filled[start : start + block])
    return outcomes[: len(markets)]


def _solve_block(game: PayPerCompute, markets: Sequence[Numbers]) -> list[Outcome]:
    size = len(markets)
    wide = jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (size, *jnp.shape(leaf))), game)
    columns = {name: np.stack([numbers[name] for numbers in markets]) for name in markets[0]}
    wide = eqx.tree_at(
        lambda g: (
            g.market.accuracy, g.market.price, g.market.cost, g.users.value_per_correct, g.users.rationality,
            g.users.outside_value, g.users.baseline,
        ),
        wide, tuple(columns.values()),
    )  # fmt: skip
    games = jax.tree.map(jnp.asarray, wide)
    if game.users.num_segments > 1:
        from solver.sweep_segments import segment_figures

        found = segment_figures(game, games, DEFAULT_TOLERANCE)
    else:
        found = equilibria_figures(games, DEFAULT_TOLERANCE) | {"optimal_welfare": np.asarray(batch.optima(games)[1])}
        found["optimum_exact"] = np.ones(size, bool)
    optimum, worst = found["optimal_welfare"], found["worst_welfare"]
    ratio = np.where(np.isnan(worst), np.nan, welfare_ratios(optimum, worst))
    lost = np.where(optimum > 0, 1 - np.divide(worst, optimum, out=np.zeros(size), where=optimum > 0), np.nan)
    return [
        Outcome(
            float(ratio[i]), float(found["user_value"][i]), float(lost[i]), float(found["max_regret"][i]),
            int(found["num_equilibria"][i]), bool(found["complete"][i] and found["optimum_exact"][i]),
        )
        for i in range(size)
    ]  # fmt: skip


def by_width(tornado: Tornado, figure: Callable[[Outcome], float]) -> list[Change]:
    """The changes, those first that move a figure most; what becomes infinite or undefined moves most of all."""

    def width(change: Change) -> float:
        values = [figure(outcome) for outcome in (tornado.base, change.low, change.high)]
        return float(max(values) - min(values)) if np.isfinite(values).all() else np.inf

    return sorted(tornado.changes, key=lambda change: -width(change))
