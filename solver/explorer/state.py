"""What the explorer shows: a market, its users and a mechanism, with what a reader changed about them."""

import math
import warnings
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from games.costs import one_margin
from games.errors import InputError, InputWarning, unknown_name
from games.market import Market
from games.scenarios import Scenario
from games.users import Users, ValueCurve
from solver.mechanisms.registry import MECHANISMS

FIRST_MECHANISM = "second-score"


@dataclass(frozen=True)
class Offer:
    """One provider: what was measured, and what the reader made of it.

    Args:
        name: unique in its market.
        labels: of the levels.
        accuracy: probability of a correct answer at each level.
        tokens: mean output tokens per query at each level.
        price: dollars per query at each level, before ``price_factor``.
        price_factor: times list price, above 0.
        cap: most tokens per query; the first level always remains.
        present: whether it takes part.
        added: whether the reader added it.
    """

    name: str
    labels: tuple[str, ...]
    accuracy: tuple[float, ...]
    tokens: tuple[float, ...]
    price: tuple[float, ...]
    price_factor: float = 1.0
    cap: float = math.inf
    present: bool = True
    added: bool = False

    @property
    def allowed(self) -> tuple[int, ...]:
        """Levels that the cap leaves."""
        return tuple(k for k, tokens in enumerate(self.tokens) if k == 0 or tokens <= self.cap)


@dataclass(frozen=True)
class State:
    """Everything that a reader sees the consequences of.

    Args:
        name: of the market.
        source: where its numbers come from.
        offers: all providers, those that were dropped and those that were added too.
        rationality: β of users, per dollar.
        value_per_correct: α, dollars.
        margin: price / cost − 1, above 0.
        outside_value: V0, dollars per query; -inf for none.
        baseline: worth of any answer, as a fraction of α.
        value_curve: from accuracy to worth.
        mechanism: name of a registered mechanism.
        bundled: name of the bundled scenario that the offers were loaded from; None if they come from elsewhere.
    """

    name: str
    source: str
    offers: tuple[Offer, ...]
    rationality: float
    value_per_correct: float
    margin: float
    outside_value: float
    baseline: float
    value_curve: ValueCurve
    mechanism: str = FIRST_MECHANISM
    bundled: str | None = None

    @property
    def present(self) -> tuple[Offer, ...]:
        """Providers that take part."""
        return tuple(offer for offer in self.offers if offer.present)

    @property
    def users(self) -> Users:
        """The users."""
        return Users(
            self.value_per_correct,
            self.rationality,
            outside_value=self.outside_value,
            baseline=self.baseline,
            value_curve=self.value_curve,
        )

    def offer(self, name: str) -> Offer:
        """The provider of that name.

        Raises:
            InputError: there is none.
        """
        for offer in self.offers:
            if offer.name == name:
                return offer
        raise unknown_name("provider", name, [offer.name for offer in self.offers])


def state_of(scenario: Scenario, *, mechanism: str = FIRST_MECHANISM, bundled: str | None = None) -> State:
    """The state that shows a scenario as it is.

    Args:
        scenario: market and users; β of the users is where the explorer starts.
        mechanism: the one to show beside the market.
        bundled: name of the bundled scenario, if it is one.

    Raises:
        InputError: several segments of users, a level that earns nothing, or an unknown mechanism.

    Example:
        >>> from games import load_scenario
        >>> state = state_of(load_scenario("GPQA/reasoning_effort"))
        >>> len(state.present), state.rationality, round(state.margin, 3)
        (3, 1000.0, 0.25)
    """
    market, users = scenario.market, scenario.users
    if users.num_segments > 1:
        raise InputError(
            f"explore: scenario {scenario.name!r} has {users.num_segments} segments of users; the explorer shows one: "
            "give one value for each field of the users"
        )
    if not (math.isfinite(float(users.rationality[0])) and float(users.rationality[0]) > 0):
        raise InputError(
            f"explore: rationality is {float(users.rationality[0]):g}; it must be a positive number per dollar"
        )
    scenario.game()  # refuses levels that earn nothing
    columns = [np.asarray(x) for x in (market.accuracy, market.tokens, market.price)]
    offers = []
    for i, (name, labels) in enumerate(zip(market.providers, market.level_labels, strict=True)):
        accuracy, tokens, price = (tuple(column[i, : len(labels)].tolist()) for column in columns)
        offers.append(Offer(name, labels, accuracy, tokens, price))
    mask = np.asarray(market.mask)
    prices, cost = np.asarray(market.price), np.asarray(market.cost)
    there = mask & (cost > 0) & (prices > cost)
    margins = prices[there] / cost[there] - 1
    if not one_margin(prices, cost, mask):
        warnings.warn(
            f"{scenario.name}: has costs of its own; the explorer has one margin for all, {np.median(margins):.3g} at first",
            InputWarning,
            stacklevel=2,
        )
    if mechanism not in MECHANISMS:
        raise unknown_name("mechanism", mechanism, MECHANISMS)
    return State(
        name=scenario.name,
        source=scenario.source,
        offers=tuple(offers),
        rationality=float(users.rationality[0]),
        value_per_correct=float(users.value_per_correct[0]),
        margin=float(f"{np.median(margins):.12g}"),
        outside_value=float(users.outside_value[0]),
        baseline=float(users.baseline),
        value_curve=users.value_curve,
        mechanism=mechanism,
        bundled=bundled,
    )


def scenario_of(state: State) -> Scenario:
    """The market of the state without what was dropped or capped, for the report and for anything else.

    Example:
        >>> from games import load_scenario
        >>> state = state_of(load_scenario("GPQA/reasoning_effort"))
        >>> scenario_of(state).market.num_levels
        5
    """
    rows = playable(state)
    price = _padded([price for *_, price in rows])
    market = Market(
        accuracy=jnp.asarray(_padded([accuracy for _, _, accuracy, _, _ in rows])),
        tokens=jnp.asarray(_padded([tokens for *_, tokens, _ in rows])),
        price=jnp.asarray(price),
        cost=jnp.asarray(price / (1 + state.margin)),
        mask=jnp.asarray(_padded([[1.0] * len(labels) for _, labels, *_ in rows]) > 0),
        providers=tuple(name for name, *_ in rows),
        level_labels=tuple(labels for _, labels, *_ in rows),
    )
    return Scenario(state.name, market, state.users, state.source)


Row = tuple[str, tuple[str, ...], tuple[float, ...], tuple[float, ...], tuple[float, ...]]


def playable(state: State) -> list[Row]:
    """Name, labels, accuracy, tokens and price (dollars per query) of every provider and level that can be played."""
    rows = []
    for offer in state.present:
        kept = offer.allowed
        prices = tuple(offer.price[k] * offer.price_factor for k in kept)
        labels = tuple(offer.labels[k] for k in kept)
        rows.append(
            (offer.name, labels, tuple(offer.accuracy[k] for k in kept), tuple(offer.tokens[k] for k in kept), prices)
        )
    return rows


def _padded(rows: list[tuple[float, ...]] | list[list[float]]) -> np.ndarray:
    wide = np.zeros((len(rows), max(map(len, rows))))
    for i, row in enumerate(rows):
        wide[i, : len(row)] = row
    return wide
