"""Entry and exit under any mechanism: who leaves when being in the market costs something, who gains when somebody arrives.

A provider stays if its expected profit, over all segments, covers its fixed cost. Providers that lose leave one at a time, the
largest loss first, until none loses. Since a leaver might do well once others have left too, the result says what
every outsider would gain by coming back alone: where none would, the market is a free-entry equilibrium (Mankiw & Whinston,
RAND J. Econ. 17, 1986).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from games.errors import InputError
from games.market import Market
from games.users import Users, Values
from solver.mechanisms.outcome import Mechanism, Outcome
from solver.result import Status


class ExitPath(NamedTuple):
    """Who left, in order, and what is left; money in dollars per query that arrives.

    Args:
        left: names of those who left, the first to leave first.
        stays: names of those who stay, in the market's order.
        outcomes: outcome before every exit and at the end; one more than ``left`` unless everybody left.
        net_profit: profit less fixed cost of those who stay, by name.
        return_gain: what each of those who left would earn, net, by coming back alone; positive where exit is not final.
    """

    left: tuple[str, ...]
    stays: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    net_profit: dict[str, float]
    return_gain: dict[str, float]

    @property
    def free_entry(self) -> bool:
        """Whether no one who left would come back."""
        return all(gain <= 0 for gain in self.return_gain.values())


class Arrival(NamedTuple):
    """What the arrival of a provider changes; dollars per query that arrives, after less before.

    Args:
        users: change of users' value, choice as noise.
        users_with_tastes: the same, choice as tastes.
        platform: change of what the platform keeps.
        welfare: change of welfare, choice as noise; the newcomer's profit is part of it, its fixed cost is not.
        incumbents: change of each incumbent's profit, by name.
        newcomer: profit of each newcomer, by name.
        losers: names of all that lose, ``users`` and ``platform`` among them; by more than rounding.
        before, after: both outcomes.
    """

    users: float
    users_with_tastes: float
    platform: float
    welfare: float
    incumbents: dict[str, float]
    newcomer: dict[str, float]
    losers: tuple[str, ...]
    before: Outcome
    after: Outcome


# Changes below this share of the largest sum at stake are rounding.
ROUNDING = 1e-12


def exit_until_stable(mechanism: Mechanism, market: Market, users: Users, fixed_cost: Values) -> ExitPath:
    """Let providers that do not earn their fixed cost leave, one at a time, until none is left that should.

    Args:
        mechanism: any mechanism; one that refuses a market (an auction with one bidder and no reserve) says so.
        market: N providers with names.
        users: S segments.
        fixed_cost: of being in the market, dollars per query that arrives, one or one per provider.

    Raises:
        InputError: a fixed cost that is negative or not finite, a market without names, or one that the mechanism refuses or
            has no equilibrium in.

    Example:
        >>> from games import load_scenario
        >>> from solver.mechanisms import SecondScore
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> path = exit_until_stable(SecondScore(reserve="V0"), scenario.market, scenario.users, 1e-4)
        >>> len(path.left), path.stays, path.free_entry
        (2, ('R1-D-Qwen-7B',), True)
    """
    _check_names(market, "market")
    cost = np.asarray(fixed_cost, float)
    if cost.shape not in ((), (1,), (market.num_providers,)):
        raise InputError(f"entry: fixed_cost has shape {cost.shape}; give one or {market.num_providers}")
    if not np.all(np.isfinite(cost) & (cost >= 0)):
        raise InputError(
            f"entry: fixed_cost is {fixed_cost}; it must be a finite number of dollars per query, at least 0"
        )
    costs = dict(zip(market.providers, np.broadcast_to(cost, (market.num_providers,)).tolist(), strict=True))
    stays, left, outcomes = list(market.providers), [], []
    net: dict[str, float] = {}
    while stays:
        outcome = _outcome(mechanism, market.subset(stays), users)
        outcomes.append(outcome)
        profits = _profits(outcome)
        net = {name: profit - costs[name] for name, profit in zip(stays, profits, strict=True)}
        worst = min(net, key=lambda name: net[name])
        if net[worst] >= -ROUNDING * np.abs(profits).max():
            break
        stays.remove(worst)
        left.append(worst)
        net.pop(worst)
    back = {}
    for name in left:
        inside = [other for other in market.providers if other in stays or other == name]
        profits = _profits(_outcome(mechanism, market.subset(inside), users))
        back[name] = float(profits[inside.index(name)]) - costs[name]
    return ExitPath(tuple(left), tuple(stays), tuple(outcomes), net, back)


def arrival(mechanism: Mechanism, market: Market, users: Users, newcomer: Market) -> Arrival:
    """Who gains and who loses when a provider arrives.

    Args:
        mechanism: any mechanism.
        market: the incumbents.
        users: S segments.
        newcomer: a market of the provider that arrives (or of several).

    Raises:
        InputError: a name that is taken, a market without names, or one in which the mechanism has no equilibrium.

    Example:
        >>> from games import load_scenario
        >>> from solver.mechanisms import SecondScore
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> rival = Market.from_arrays(accuracy=[[0.9]], tokens=[[6000]], price_per_million=0.2, providers=["rival"])
        >>> change = arrival(SecondScore(), scenario.market, scenario.users, rival)
        >>> f"{change.users:.5f} {change.newcomer['rival']:.5f}", change.losers
        ('0.00072 0.00127', ('R1-D-Qwen-7B',))
    """
    after = _outcome(mechanism, join(market, newcomer), users)
    before = _outcome(mechanism, market, users)
    now, then = _profits(after), _profits(before)
    incumbents = {name: float(now[i] - then[i]) for i, name in enumerate(market.providers)}

    def change(field: str) -> float:
        return float(after.mean(getattr(after, field)) - before.mean(getattr(before, field)))

    changes = {"users": change("user_value"), "platform": change("platform"), **incumbents}
    at_stake = max(
        abs(float(after.mean(after.welfare))), abs(float(before.mean(before.welfare))), float(np.abs(then).max())
    )
    return Arrival(
        users=changes["users"],
        users_with_tastes=change("consumer_surplus"),
        platform=changes["platform"],
        welfare=change("welfare"),
        incumbents=incumbents,
        newcomer={name: float(now[market.num_providers + i]) for i, name in enumerate(newcomer.providers)},
        losers=tuple(name for name, gain in changes.items() if gain < -ROUNDING * at_stake),
        before=before,
        after=after,
    )


def join(market: Market, newcomer: Market) -> Market:
    """Both markets as one, the newcomer's providers last.

    Raises:
        InputError: a name that is taken, or a market without names.

    Example:
        >>> one = Market.from_arrays(accuracy=[[0.6, 0.7]], tokens=[[100, 400]], price_per_million=0.2, providers=["Ada"])
        >>> two = Market.from_arrays(accuracy=[[0.5]], tokens=[[100]], price_per_million=0.1, providers=["Bell"])
        >>> join(one, two).providers, join(one, two).mask.sum(axis=1).tolist()
        (('Ada', 'Bell'), [2, 1])
    """
    for which, name in ((market, "market"), (newcomer, "newcomer")):
        _check_names(which, name)
    taken = set(market.providers) & set(newcomer.providers)
    if taken:
        raise InputError(f"entry: {min(taken)!r} is in the market already; give the newcomer another name")
    width = max(market.num_levels, newcomer.num_levels)

    def stacked(field: str) -> Shaped[np.ndarray, "providers levels"]:
        rows = [np.asarray(getattr(each, field)) for each in (market, newcomer)]
        return np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows])

    return Market(
        **{field: jnp.asarray(stacked(field)) for field in ("accuracy", "tokens", "price", "cost", "mask")},
        providers=market.providers + newcomer.providers,
        level_labels=market.level_labels + newcomer.level_labels,
    )


def _outcome(mechanism: Mechanism, market: Market, users: Users) -> Outcome:
    """The outcome, refused where it has no figures to compare."""
    outcome = mechanism.outcome(market, users)
    if int(outcome.status) == Status.NO_EQUILIBRIUM:
        raise InputError(
            f"entry: {mechanism.name} has no equilibrium with {', '.join(market.providers)}, so that nobody's profit is known; "
            "give users an outside_value, or take another mechanism"
        )
    return outcome


def _profits(outcome: Outcome) -> Float[np.ndarray, " providers"]:
    """Profit of every provider over all queries."""
    return np.asarray(outcome.mean(outcome.profits))


def _check_names(market: Market, place: str) -> None:
    if not market.providers:
        raise InputError(f"entry: the {place} has no names of providers; name them, so that the result can say who")
