"""The state as Python code that runs anywhere the package is installed and prints the numbers on the page."""

import math

from games.users import ExponentialValue, LinearValue, PowerValue, ValueCurve
from solver.explorer.state import Offer, State, playable

_PADDED = '''
def padded(rows):
    """Rows of unequal length as one array, zeros behind the shorter ones."""
    width = max(map(len, rows))
    return jnp.asarray([[*row, *[0.0] * (width - len(row))] for row in rows], float)
'''


def to_python(state: State, *, undefined: str = "") -> str:
    """Code that makes the state's market and users, solves them, and plays the mechanism.

    A bundled market that was changed in nothing but users, margin and who takes part is loaded by name; any other stands in
    the code number by number. Names are written as Python literals, so that none can become code.

    Args:
        state: what the page shows.
        undefined: why its mechanism has no outcome here; it is then left out.

    Example:
        >>> from games import load_scenario
        >>> from solver.explorer.state import state_of
        >>> code = to_python(state_of(load_scenario("GPQA/reasoning_effort"), bundled="GPQA/reasoning_effort"))
        >>> 'load_scenario("GPQA/reasoning_effort", margin=0.25)' in code.replace("'", '"')
        True
    """
    loaded = state.bundled is not None and all(map(_as_loaded, state.offers))
    curve = type(state.value_curve).__name__
    imports = ["Market"] * (not loaded) + ["PayPerCompute", "Users"] + ["load_scenario"] * loaded
    if not isinstance(state.value_curve, LinearValue):
        imports.append(curve)
    lines = [] if loaded else ["import jax.numpy as jnp", ""]
    lines += [
        f"from games import {', '.join(sorted(imports))}",
        "from solver import pure_equilibria, welfare_optimum, welfare_ratio",
    ]
    lines += [] if undefined else ["from solver.mechanisms import mechanism"]
    lines += [*(_loaded(state) if loaded else _written_out(state)), *_users(state), *_solved()]
    if undefined:
        lines += ["", *(f"# {line}" for line in f"{state.mechanism} is not defined here: {undefined}".splitlines())]
    else:
        lines += _played(state)
    return "\n".join(lines) + "\n"


def _as_loaded(offer: Offer) -> bool:
    return offer.price_factor == 1 and len(offer.allowed) == len(offer.tokens) and not offer.added


def _loaded(state: State) -> list[str]:
    market = f"load_scenario({state.bundled!r}, margin={state.margin!r}).market"
    lines = ["", f"market = {market}"]
    if len(state.present) < len(state.offers):
        names = [offer.name for offer in state.present]
        lines += ["market = market.subset(", "    [", *(f"        {name!r}," for name in names), "    ]", ")"]
    return lines


def _written_out(state: State) -> list[str]:
    lines = [_PADDED, "", "# Name, levels, accuracy, mean output tokens per query, price in dollars per query."]
    lines += ["offers = ["]
    for row in playable(state):
        lines += ["    (", *(f"        {part!r}," for part in row), "    ),"]
    lines += [
        "]",
        "names, labels, accuracy, tokens, price = zip(*offers)",
        "market = Market(",
        "    accuracy=padded(accuracy),",
        "    tokens=padded(tokens),",
        "    price=padded(price),",
        f"    cost=padded(price) / (1 + {state.margin!r}),",
        "    mask=padded([[1.0] * len(row) for row in labels]) > 0,",
        "    providers=names,",
        "    level_labels=labels,",
        ")",
    ]
    return lines


def _users(state: State) -> list[str]:
    arguments = [f"value_per_correct={state.value_per_correct!r}", f"rationality={state.rationality!r}"]
    if state.outside_value != 0:
        value = repr(state.outside_value) if math.isfinite(state.outside_value) else "float('-inf')"
        arguments.append(f"outside_value={value}")
    if state.baseline != 0.1:
        arguments.append(f"baseline={state.baseline!r}")
    if not isinstance(state.value_curve, LinearValue):
        arguments.append(f"value_curve={_curve(state.value_curve)}")
    return [f"users = Users({', '.join(arguments)})", ""]


def _curve(curve: ValueCurve) -> str:
    if isinstance(curve, PowerValue):
        return f"PowerValue({float(curve.exponent)!r})"
    assert isinstance(curve, ExponentialValue)
    return f"ExponentialValue({float(curve.curvature)!r})"


def _solved() -> list[str]:
    return [
        "game = PayPerCompute(market, users)",
        "equilibria, optimum = pure_equilibria(game), welfare_optimum(game)",
        "price_of_anarchy = welfare_ratio(float(optimum.welfare), float(equilibria.welfare[0]))",
        'print(f"price of anarchy {price_of_anarchy:.6g}, equilibria {len(equilibria)}")',
        'print("worst equilibrium:", market.labels(equilibria.worst))',
        'print("welfare optimum:", market.labels(optimum.profile))',
    ]


def _played(state: State) -> list[str]:
    return [
        "",
        f"outcome = mechanism({state.mechanism!r}).outcome(market, users)",
        "users_get, providers_get = float(outcome.user_value[0]), float(outcome.profits.sum())",
        'print(f"users {users_get:.6g}, providers {providers_get:.6g} dollars per query")',
    ]
