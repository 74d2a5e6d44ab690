"""Bid functions of auctions with private costs, certified: ``python -m benchmarks.bayesian``.

Every oracle is solved twice, by its equilibrium equation (quadrature or differential equation) and by gradient ascent from
several random starts in one call. Printed: interim regret, exact by quadrature, as a fraction of the range of values (mean
over types of the worst provider, and largest of all types; the worst of the starts), distance from the closed form likewise,
and time.
``--market`` adds bundled markets whose costs are private: users' value in first-score and second-score auction.
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import machine, measure, show
from games import (
    CurveOffers,
    LevelOffers,
    PowerQuality,
    PrivateCosts,
    ProportionalCost,
    UniformCosts,
    load_scenario,
    scenario_names,
)
from games.private_costs import alike
from solver import (
    BidFunctions,
    asymmetric_bids,
    first_score_outcome,
    interim_regret,
    learn_bids,
    second_score_outcome,
    symmetric_bids,
)


class Oracle(NamedTuple):
    """An auction and its equilibrium bids in closed form, from pseudotypes ``[providers]``."""

    game: PrivateCosts
    closed_form: Callable[[jax.Array], jax.Array]


def uniform(tops: list[float]) -> PrivateCosts:
    """First-price auction: k_i uniform on [0, top]."""
    top = jnp.array(tops)
    return PrivateCosts(LevelOffers(top[:, None], jnp.ones((len(tops), 1))), UniformCosts(jnp.zeros(len(tops)), top))


def one_uniform(n: int) -> Oracle:
    """n alike bidders, uniform on [0, 1]: (n − 1)k/n."""
    return Oracle(uniform([1.0] * n), lambda k: (n - 1) / n * k)


def two_uniform(tops: list[float]) -> Oracle:
    """Two bidders, uniform on [0, h_i]: k/(1 + √(1 ∓ C k²)), C = h_0⁻² − h_1⁻², minus for the first."""
    sign = (tops[0] ** -2 - tops[1] ** -2) * jnp.array([1.0, -1.0])
    return Oracle(uniform(tops), lambda k: k / (1 + jnp.sqrt(jnp.maximum(1 - sign * k**2, 0.0))))


def che() -> Oracle:
    """V = 2√q, c = θq, θ uniform on [1, 2], two bidders: the price is 2/θ − ln(2/θ)/(2 − θ), the score 2/θ less that."""
    offers = CurveOffers(PowerQuality(2.0, 0.5), ProportionalCost(), 0.0, 4.0)

    def closed_form(k):
        rest = jnp.maximum(2 - 1 / k, 1e-300)
        return jnp.where(2 - 1 / k > 0, jnp.log(2 * k) / rest, 0.5)

    return Oracle(PrivateCosts.symmetric(offers, UniformCosts(1.0, 2.0), 2), closed_form)


def oracles() -> dict[str, Oracle]:
    """All of them by name."""
    found = {f"symmetric, n = {n}": one_uniform(n) for n in (2, 3, 4, 5)}
    found |= {f"[0, 1], [0, {h:g}]": two_uniform([1.0, h]) for h in (1.5, 2.0, 3.0)}
    return found | {"Che, first score": che()}


def distance(oracle: Oracle, bids) -> jax.Array:
    """Largest distance from the closed form over types that sell with some probability, as a fraction of the range."""
    low, high = oracle.game.bounds
    share = jnp.linspace(0.01, 1.0, 397)
    pseudotypes = jax.vmap(lambda t: low + (high - low) * t)(share)
    apart = jnp.abs(jax.vmap(bids)(pseudotypes) - jax.vmap(oracle.closed_form)(pseudotypes))
    return apart.max() / (high.max() - low.min())


@eqx.filter_jit
def learn_many(game: PrivateCosts, keys: jax.Array, shared: bool, steps: int) -> BidFunctions:
    """Learned bids of all starts in one call."""
    return jax.vmap(lambda key: learn_bids(game, key, symmetric=shared, num_steps=steps).bids)(keys)


def rows_of(name: str, oracle: Oracle, seeds: int, steps: int) -> list[list[str]]:
    """Equilibrium and learned bids of one oracle."""
    game, shared = oracle.game, alike(oracle.game)
    keys = jax.random.split(jax.random.key(0), seeds)

    def solve():
        return symmetric_bids(game) if shared else asymmetric_bids(game).bids

    rows = []
    for method, call, many in (
        ("quadrature" if shared else "shooting", solve, False),
        (f"learned, {seeds} starts", lambda: learn_many(game, keys, shared, steps), True),
    ):
        time = measure(call, repeats=3)
        bids = call()
        judge = eqx.filter_jit(lambda b: (interim_regret(game, b), distance(oracle, b)))
        found, apart = eqx.filter_vmap(judge)(bids) if many else judge(bids)
        rows.append(
            [
                name,
                method,
                f"{float(jnp.max(found.mean_regret)):.1e}",
                f"{float(jnp.max(found.max_regret)):.1e}",
                f"{float(jnp.max(apart)):.1e}",
                f"{max(time.first - time.warm, 0.0):.1f}",
                f"{time.warm:.3f}",
            ]
        )
    return rows


def market_row(name: str) -> list[str]:
    """Users' value per 1,000 queries in both auctions of a bundled market whose costs are θ times those listed."""
    scenario = load_scenario(name)
    game = PrivateCosts.from_market(scenario.market, scenario.users)
    bids = asymmetric_bids(game).bids
    first, second = first_score_outcome(game, bids), second_score_outcome(game)
    certificate = interim_regret(game, bids)
    return [
        name,
        f"{1e3 * float(first.user_value):.4f}",
        f"{1e3 * float(second.user_value):.4f}",
        f"{100 * float(first.user_value / second.user_value - 1):+.3f} %",
        f"{1e3 * float(first.profits.sum()):.4f}",
        f"{1e3 * float(second.profits.sum()):.4f}",
        f"{1e3 * float(second.welfare - first.welfare):.5f}",
        f"{float(np.max(certificate.max_regret)):.0e}",
    ]


def main(command_line: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8, help="random starts of the learned bids")
    parser.add_argument("--steps", type=int, default=1500, help="gradient steps")
    parser.add_argument("--only", default="", help="oracles whose name contains this")
    parser.add_argument(
        "--market", default=None, help="bundled markets whose name contains this, instead of the oracles"
    )
    arguments = parser.parse_args(command_line)
    if arguments.market is not None:
        columns = ["market", "users 1st", "users 2nd", "change", "profit 1st", "profit 2nd"]
        columns += ["waste 1st", "regret"]
        rows = [market_row(name) for name in scenario_names() if arguments.market in name]
        show("Private costs, θ uniform on [0.8, 1.2]; dollars per 1,000 queries", columns, rows)
        return
    columns = ["oracle", "method", "mean regret", "max regret", "from closed form", "compile s", "run s"]
    table = [
        row
        for name, oracle in oracles().items()
        if arguments.only in name
        for row in rows_of(name, oracle, arguments.seeds, arguments.steps)
    ]
    show(machine(), columns, table)


if __name__ == "__main__":
    main()
