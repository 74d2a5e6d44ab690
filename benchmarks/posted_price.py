"""Equilibrium prices of logit demand, against PyBLP: ``python -m benchmarks.posted_price``.

Same markets, same tolerance, answers compared before anything is timed: many markets of few products, and one of many. PyBLP
(Conlon & Gortmaker, RAND J. Econ. 51, 2020) iterates the ζ-markup map of Morrow & Skerlos market by market. It is timed as it
comes, without its checks of first- and second-order conditions, and with SQUAREM; the ratio is to the fastest of these. On
the large market the checks take minutes and run only with ``--checks``. PyBLP solves a wider class than plain logit (random
coefficients, several products to a firm). Where it is not installed only our side runs.
"""

import argparse
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import Timing, machine, measure, show
from games import PriceCompetition
from solver import posted_prices

HINT = 'PyBLP is not installed: pip install "ttc-games[peers]" (or pip install pyblp) and run this again to compare.'
RATIONALITY = 2.0
AGREEMENT = 1e-9


class Markets(NamedTuple):
    """Qualities and costs in dollars, ``[markets, products]``; every user may also buy nothing, worth 0."""

    quality: np.ndarray
    cost: np.ndarray


def random_markets(markets: int, products: int) -> Markets:
    """Seeded markets in which nobody sells next to nothing and nobody nearly all."""
    rng = np.random.default_rng(0)
    shape = (markets, products)
    return Markets(rng.uniform(1.0, 4.0, shape), rng.uniform(0.5, 1.5, shape))


def ours(markets: Markets) -> Callable[[], jax.Array]:
    """A call that solves all markets at once."""
    games = jax.vmap(lambda q, c: PriceCompetition(q, c, RATIONALITY, 0.0))(
        jnp.asarray(markets.quality), jnp.asarray(markets.cost)
    )
    solve = jax.jit(jax.vmap(lambda game: posted_prices(game).price))
    return lambda: solve(games)


def theirs(markets: Markets, **options: Any) -> Callable[[], np.ndarray]:
    """A call that solves all markets by PyBLP; what can be built beforehand is."""
    import pyblp

    pyblp.options.verbose = False
    count, products = markets.cost.shape
    size = count * products
    data = {
        "market_ids": np.repeat(np.arange(count), products),
        "firm_ids": np.tile(np.arange(products), count),
        "quality": RATIONALITY * markets.quality.ravel(),
        "prices": markets.cost.ravel(),
        "shares": np.full(size, 0.5 / products),
    }
    formulation = (pyblp.Formulation("0 + prices + quality"),)
    simulation = pyblp.Simulation(formulation, product_data=data, beta=[-RATIONALITY, 1.0], xi=np.zeros(size))
    costs = markets.cost.ravel()

    def call() -> np.ndarray:
        solved = simulation.replace_endogenous(costs=costs, **options)
        return np.asarray(solved.product_data.prices).reshape(count, products)

    return call


def peers() -> dict[str, dict[str, Any]]:
    """Settings of PyBLP that are timed."""
    import pyblp

    unchecked = {"compute_gradients": False, "compute_hessians": False}
    squarem = pyblp.Iteration("squarem", {"atol": 1e-12})
    return {
        "PyBLP, as it comes": {},
        "PyBLP, without its checks": unchecked,
        "PyBLP, SQUAREM, without its checks": {"iteration": squarem, **unchecked},
    }


def run(markets: int, products: int, repeats: int, *, checks: bool = True) -> None:
    problem = random_markets(markets, products)
    solve = ours(problem)
    timing = measure(solve, repeats=20)
    price = np.asarray(solve())
    rows = [["ttc-games", f"{timing.first:.3f} s", f"{1e3 * timing.best:.3f} ms", "", ""]]
    timings: dict[str, Timing] = {}
    if importlib.util.find_spec("pyblp") is not None:
        for name, options in peers().items():
            if not (options or checks):
                continue
            call = theirs(problem, **options)
            difference = float(np.max(np.abs(call() / price - 1)))
            if difference > AGREEMENT:
                raise SystemExit(f"{name}: prices differ by {difference:.1e}, relatively; nothing was timed")
            timings[name] = measure(call, repeats=repeats)
            ratio = timings[name].best / timing.best
            rows.append([name, "", f"{1e3 * timings[name].best:.1f} ms", f"{difference:.0e}", f"{ratio:,.0f}×"])
    columns = ["prices of every market", "first call", "best warm call", "largest difference", "time against ours"]
    title = f"{markets:,} market{'s' if markets > 1 else ''} of {products:,} products, {machine()}"
    show(title, columns, rows)
    if timings:
        fastest = min(timings, key=lambda name: timings[name].best)
        print(f"{timings[fastest].best / timing.best:,.0f} times the speed of the fastest ({fastest})\n")


def main(command_line: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markets", type=int, default=1000, help="markets of the first comparison")
    parser.add_argument("--products", type=int, default=10, help="products in each of them")
    parser.add_argument("--large", type=int, default=1000, help="products of the single large market; 0 leaves it out")
    parser.add_argument("--repeats", type=int, default=3, help="warm calls of PyBLP of which the best counts")
    parser.add_argument("--checks", action="store_true", help="check the large market too: minutes per call")
    arguments = parser.parse_args(command_line)
    run(arguments.markets, arguments.products, arguments.repeats)
    if arguments.large:
        run(1, arguments.large, arguments.repeats, checks=arguments.checks)
    if importlib.util.find_spec("pyblp") is None:
        print(HINT)


if __name__ == "__main__":
    main()
