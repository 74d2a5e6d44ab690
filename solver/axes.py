"""The parameters that a grid can vary: what each changes about a game, and how its values are checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from games.costs import one_margin
from games.errors import InputError, unknown_name
from games.market import Market
from games.pay_per_compute import PayPerCompute

if TYPE_CHECKING:
    from games.sampling.question_curves import QuestionCurves

Apply = Callable[[PayPerCompute, Array], PayPerCompute]


class Parameter(NamedTuple):
    """What an axis changes.

    Args:
        units: of its values.
        long_name: for the axis of a plot.
        lowest: no value may lie below.
        apply: the game with the parameter set to a value.
    """

    units: str
    long_name: str
    lowest: float
    apply: Apply


def _set(where: Callable[[PayPerCompute], Any]) -> Apply:
    """Replace one array of a game by a value, broadcast to its shape."""
    return lambda game, value: eqx.tree_at(where, game, jnp.broadcast_to(value, where(game).shape))


def _list_price(game: PayPerCompute, factor: Array) -> PayPerCompute:
    return eqx.tree_at(lambda g: g.market.price, game, game.market.price * factor)


def _margin(game: PayPerCompute, margin: Array) -> PayPerCompute:
    return eqx.tree_at(lambda g: g.market.cost, game, game.market.price / (1 + margin))


def _compute_cap(game: PayPerCompute, cap: Array) -> PayPerCompute:
    market = game.market
    lowest = jnp.argmin(jnp.where(game.mask, market.tokens, jnp.inf), axis=1)
    allowed = (market.tokens <= cap) | (jnp.arange(market.mask.shape[1]) == lowest[:, None])
    return eqx.tree_at(lambda g: g.market.mask, game, market.mask & allowed)


def _providers(game: PayPerCompute, present: Array) -> PayPerCompute:
    return eqx.tree_at(lambda g: g.market.mask, game, game.market.mask & (present > 0)[:, None])


PARAMETERS: dict[str, Parameter] = {
    "list_price": Parameter("1", "list prices, times", 0.0, _list_price),
    "margin": Parameter("1", "margin, price / cost − 1", 0.0, _margin),
    "compute_cap": Parameter("tokens per query", "cap on tokens per query", 0.0, _compute_cap),
    "value_per_correct": Parameter(
        "dollars", "value of a correct answer α", 0.0, _set(lambda g: g.users.value_per_correct)
    ),
    "baseline": Parameter("1", "worth of any answer, fraction of α", 0.0, _set(lambda g: g.users.baseline)),
    "outside_value": Parameter("dollars per query", "outside value V0", -np.inf, _set(lambda g: g.users.outside_value)),
    "rationality": Parameter("per dollar", "users' rationality β", 0.0, _set(lambda g: g.users.rationality)),
    "reserve": Parameter(
        "dollars per query", "auction's reserve (V0 counts where it is more)", -np.inf, lambda game, _: game
    ),
}
ROWS: dict[str, Apply] = {"providers": _providers}  # axes whose values are rows of numbers, not numbers
ORDER = ("draw", "providers", *PARAMETERS)
POSITIVE = ("list_price", "margin", "value_per_correct")


@dataclass(frozen=True)
class Axis:
    """One parameter and its values.

    Args:
        name: of the parameter.
        values: numbers ``[size]``, or rows of numbers ``[size, ...]``.
        labels: coordinates of the dimension, ``[size]``.
        units: of the labels.
        long_name: for plots.
    """

    name: str
    values: np.ndarray
    labels: np.ndarray
    units: str
    long_name: str


def make_axis(name: str, values: Any, market: Market, questions: "QuestionCurves | None", seed: int) -> Axis:
    """The axis of that name, checked.

    Args:
        name: of a parameter, ``providers`` or ``draw``.
        values: numbers, lists of providers, or the number of draws.
        market: whose providers the lists name.
        questions: curves question by question, needed by ``draw``.
        seed: of the draws.

    Raises:
        InputError: an unknown name, or values that are out of range.
    """
    if name == "draw":
        return _draws(values, questions, seed)
    if name == "providers":
        return _subsets(values, market)
    if name not in PARAMETERS:
        raise unknown_name("axis", name, ORDER)
    if name == "margin":
        _check_one_margin(market)
    parameter = PARAMETERS[name]
    array = np.atleast_1d(np.asarray(values, float))
    bad = ~np.isfinite(array) if array.ndim == 1 else np.array([True])
    if name in ("outside_value", "reserve") and array.ndim == 1:
        bad = np.isnan(array) | np.isposinf(array)
    if name == "reserve" and array.ndim == 1:
        bad |= np.isfinite(array) & (array < 0)
    out = bad | (array < parameter.lowest) | ((array <= 0) if name in POSITIVE else False)
    if name == "baseline":
        out = out | (array > 1)
    if array.ndim != 1 or not array.size or np.any(out):
        signs = {
            "baseline": "within [0, 1]",
            "outside_value": "at most a number (-inf for none)",
            "reserve": "not negative (-inf for none)",
        }
        sign = "positive" if name in POSITIVE else signs.get(name, "not negative")
        raise InputError(f"sweep: {name} must be one-dimensional, finite and {sign}, got {values}")
    return Axis(name, array, array, parameter.units, parameter.long_name)


def _check_one_margin(market: Market) -> None:
    """Refuse to overwrite costs of one's own, which no single margin describes."""
    price, cost, mask = (np.asarray(x) for x in (market.price, market.cost, market.mask))
    if one_margin(price, cost, mask):
        return
    over = price[mask] / np.where(cost[mask] > 0, cost[mask], np.nan) - 1
    raise InputError(
        f"sweep: margin would overwrite the costs of this market, whose margins run from {np.nanmin(over):.3g} to "
        f"{np.nanmax(over):.3g}; sweep list_price (prices times a factor, costs as they are), or make the costs one margin "
        "first, with market.with_margin(0.25)"
    )


def _subsets(values: Any, market: Market) -> Axis:
    rows = []
    for names in values:
        for name in names:
            if name not in market.providers:
                raise unknown_name("provider", name, market.providers)
        rows.append([float(provider in names) for provider in market.providers])
    present = np.array(rows)
    if present.ndim != 2 or not len(present) or np.any(present.sum(axis=1) == 0):
        raise InputError("sweep: providers must be lists of names, none of them empty")
    labels = np.array([", ".join(names) for names in values])
    return Axis("providers", present, labels, "", "providers that take part")


def _draws(number: Any, questions: "QuestionCurves | None", seed: int) -> Axis:
    if questions is None:
        raise InputError("sweep: the axis draw needs questions=, curves question by question")
    if not isinstance(number, int) or number < 1:
        raise InputError(f"sweep: draw is {number!r}; it must be a number of bootstrap draws, 1 or more")
    count = len(questions.questions)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=number) / count
    return Axis("draw", weights, np.arange(number), "", "bootstrap draw of the questions")
