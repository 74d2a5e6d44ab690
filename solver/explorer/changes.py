"""Every way in which a reader can change a state.

States are values: each change gives a new one, or an ``InputError`` that says what to do instead, and the old one stays.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from games.errors import InputError, unknown_name
from games.market import Market
from solver.explorer.state import Offer, State
from solver.mechanisms.registry import MECHANISMS

NAME_LENGTH = 80


def _changed(state: State, name: str, change: Callable[[Offer], Offer]) -> State:
    state.offer(name)  # refuses an unknown name
    return replace(state, offers=tuple(change(offer) if offer.name == name else offer for offer in state.offers))


def with_numbers(
    state: State,
    *,
    rationality: float | None = None,
    value_per_correct: float | None = None,
    margin: float | None = None,
) -> State:
    """Other users or another margin; what is not given stays.

    Raises:
        InputError: a number that is not positive.
    """
    given = {"rationality": rationality, "value_per_correct": value_per_correct, "margin": margin}
    return replace(state, **{k: _positive(k, value) for k, value in given.items() if value is not None})  # type: ignore[arg-type]


def with_mechanism(state: State, name: str) -> State:
    """Another mechanism.

    Raises:
        InputError: an unknown name.
    """
    if name not in MECHANISMS:
        raise unknown_name("mechanism", name, MECHANISMS)
    return replace(state, mechanism=name)


def with_price(state: State, name: str, factor: float) -> State:
    """One provider's prices, times its list prices.

    Raises:
        InputError: an unknown provider, or a factor that is not positive.
    """
    return _changed(
        state, name, lambda offer: replace(offer, price_factor=_positive("price, times list price", factor))
    )


def with_cap(state: State, name: str, cap: float) -> State:
    """The most tokens per query that one provider may use; infinite for no cap.

    Raises:
        InputError: an unknown provider.
    """
    return _changed(state, name, lambda offer: replace(offer, cap=float(cap)))


def with_cap_for_all(state: State, cap: float) -> State:
    """One cap for every provider."""
    return replace(state, offers=tuple(replace(offer, cap=float(cap)) for offer in state.offers))


def drop(state: State, name: str) -> State:
    """The market without a provider, which stays at hand.

    Raises:
        InputError: an unknown provider, or the last one.
    """
    if [offer.name for offer in state.present] == [name]:
        raise InputError(f"{name} is the last provider; add or restore another before you drop it")
    return _changed(state, name, lambda offer: replace(offer, present=False))


def restore(state: State, name: str) -> State:
    """The market with a provider that was dropped.

    Raises:
        InputError: an unknown provider.
    """
    return _changed(state, name, lambda offer: replace(offer, present=True))


def add_copy(
    state: State, model: str, name: str, *, price: float = 1.0, accuracy: float = 1.0, tokens: float = 1.0
) -> State:
    """A new provider like one that is there.

    Args:
        state: where to add it.
        model: the provider to copy.
        name: of the copy.
        price: its price per token, times that of the model.
        accuracy: its accuracy, times that of the model, at most 1.
        tokens: its tokens per query, times those of the model; its price per query grows with them.

    Raises:
        InputError: an unknown model, a name that is taken, or a factor that is not positive.

    Example:
        >>> from games import load_scenario
        >>> from solver.explorer.state import state_of
        >>> state = state_of(load_scenario("GPQA/reasoning_effort"))
        >>> state = add_copy(state, "R1-D-Qwen-7B", "half the price", price=0.5)
        >>> state.offers[-1].price[0] / state.offer("R1-D-Qwen-7B").price[0]
        0.5
    """
    old = state.offer(model)
    for field, factor in (("price", price), ("accuracy", accuracy), ("tokens", tokens)):
        _positive(field, factor)
    copy = replace(
        old,
        name=name,
        accuracy=tuple(min(1.0, a * accuracy) for a in old.accuracy),
        tokens=tuple(t * tokens for t in old.tokens),
        price=tuple(p * price * tokens * old.price_factor for p in old.price),
        price_factor=1.0,
        present=True,
    )
    return _with(state, copy)


def add_offer(state: State, name: str, accuracy: str, tokens: str, dollars_per_million: float) -> State:
    """A new provider out of the fields of a form.

    Args:
        state: where to add it.
        name: of the provider.
        accuracy: one number for each level, such as ``0.6, 0.7``.
        tokens: mean output tokens per query at each level.
        dollars_per_million: list price per million output tokens.

    Raises:
        InputError: a field that cannot be read, or numbers that no market may hold.

    Example:
        >>> from games import load_scenario
        >>> from solver.explorer.state import state_of
        >>> state = state_of(load_scenario("GPQA/reasoning_effort"))
        >>> add_offer(state, "Ada", "0.4, 0.5", "200 800", 2.0).offers[-1].tokens
        (200.0, 800.0)
    """
    columns = {"accuracy": _numbers("accuracy", accuracy), "tokens": _numbers("tokens", tokens)}
    market = Market.from_arrays(
        accuracy=[columns["accuracy"]],
        tokens=[columns["tokens"]],
        price_per_million=_positive("price per million tokens", dollars_per_million),
        providers=[_name(state, name)],
    )
    price = np.asarray(market.price)[0]
    if price.min() <= 0:
        raise InputError(
            f"{name}: tokens is 0 at level {int(np.argmin(price)) + 1}; a level needs tokens to be paid for"
        )
    labels = market.level_labels[0]
    return _with(state, Offer(name.strip(), labels, columns["accuracy"], columns["tokens"], tuple(price.tolist())))


def _with(state: State, offer: Offer) -> State:
    named = replace(offer, name=_name(state, offer.name), added=True)
    return replace(state, offers=(*state.offers, named))


def _name(state: State, name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise InputError("new provider: the name is empty; give it one")
    if len(name) > NAME_LENGTH:
        raise InputError(f"new provider: the name has {len(name)} signs; give it at most {NAME_LENGTH}")
    if name in [offer.name for offer in state.offers]:
        raise InputError(f"new provider: {name!r} is taken; give it another name")
    return name


def _numbers(field: str, text: str) -> tuple[float, ...]:
    parts = text.replace(",", " ").replace(";", " ").split()
    try:
        numbers = tuple(float(part) for part in parts)
    except ValueError:
        numbers = ()
    if not numbers:
        raise InputError(f"new provider: {field} is {text!r}; write one number for each level, such as 0.6, 0.7")
    return numbers


def _positive(field: str, value: float | None) -> float:
    if value is None or not (math.isfinite(value) and value > 0):
        raise InputError(f"{field} is {value}; it must be a positive number")
    return float(value)
