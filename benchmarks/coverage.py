"""Coverage of the bootstrap's intervals on simulated markets whose truth is known; paired against unpaired width.

    python -m benchmarks.coverage [--datasets 1000] [--replicates 500] [--questions 198] [--rationality 1000] [--only NAME]

Questions are drawn from a population (``benchmarks.question_population``) whose market of all questions is known: one with
levels far apart (``separated``, β = 300), and bundled ones, where neighbours hardly differ. Every draw is bootstrapped,
and the share of 95 % intervals that hold the figure of the whole population is counted, by method of interval. Then the same
with questions resampled for every provider by itself, and the width of those intervals over the paired ones.
"""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import typer
from jaxtyping import Array, Key, PRNGKeyArray

from benchmarks.question_population import SEPARATED, Population, answers, curves_of, of_market
from benchmarks.timing import machine, show
from games import Users, load_scenario
from games.market import Market
from solver.uncertainty.resample import question_replicates
from solver.uncertainty.result import Bootstrap, Interval
from solver.uncertainty.table import replicate_table

if TYPE_CHECKING:
    import xarray as xr

FIGURES = (
    "welfare",
    "optimal_welfare",
    "price_of_anarchy",
    "user_value",
    "profit",
    "share",
    "auction_price",
    "auction_user_value",
    "auction_welfare",
    "auction_profit",
)
SEPARATED_NAME, SEPARATED_RATIONALITY = "separated", 300.0
POPULATIONS = ("AIME/reasoning_effort", "GPQA/reasoning_effort", "GPQA/majority")


class Coverage(NamedTuple):
    """Of one figure: share of intervals that hold the truth, and mean width, per method of interval."""

    covered: dict[Interval, float]
    width: dict[Interval, float]


def markets_of(
    population: Population, num_questions: int, datasets: int, replicates: int, key: PRNGKeyArray, *, paired: bool
) -> Market:
    """Markets of all data sets, each followed by its replicates, ``[datasets · (1 + replicates)]``."""

    @eqx.filter_jit
    def draw(keys: Key[Array, " datasets"]) -> Market:
        def one(key: PRNGKeyArray) -> Market:
            of_questions, of_replicates = jax.random.split(key)
            curves = curves_of(population, *answers(population, num_questions, of_questions))
            return question_replicates(curves, replicates=replicates, key=of_replicates, paired=paired).markets

        return jax.lax.map(one, keys)

    markets = draw(jax.random.split(key, datasets))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), markets)


def solve(markets: Market, users: Users) -> "xr.Dataset":
    """Every figure of a batch of markets."""
    providers = tuple(f"provider {i + 1}" for i in range(markets.mask.shape[1]))
    return replicate_table(
        markets, users, users.rationality, providers, profile=None, reserve=None, tolerance=1e-9, max_searched=10**9
    ).drop_vars("tested_level_index")


def _truth(population: Population) -> Market:
    """The market of all questions, without names."""
    return jax.tree.map(jnp.asarray, population.market().anonymous())


def coverage(
    population: Population,
    users: Users,
    *,
    num_questions: int,
    datasets: int,
    replicates: int,
    key: PRNGKeyArray,
    paired: bool = True,
) -> dict[str, Coverage]:
    """Coverage of 95 % intervals for each of ``FIGURES``; figures per provider are averaged over providers."""
    import xarray as xr

    drawn = markets_of(population, num_questions, datasets, replicates, key, paired=paired)
    everything = jax.tree.map(lambda one, many: jnp.concatenate([one[None], many]), _truth(population), drawn)
    table = solve(everything, users)
    truth, solved = table.isel(replicate=0), table.isel(replicate=slice(1, None))
    grouped = {}
    for name, values in solved.items():
        cells = values.values.reshape(datasets, 1 + replicates, *values.shape[1:])
        grouped[name] = (("replicate", "dataset", *values.dims[1:]), np.moveaxis(cells, 0, 1))
    every = xr.Dataset(grouped, {name: solved[name] for name in solved.coords})
    result = Bootstrap(every.isel(replicate=0), every.isel(replicate=slice(1, None)), 0, ())
    found = {name: Coverage({}, {}) for name in FIGURES}
    for method in Interval:
        intervals = result.intervals(method=method)
        for name in FIGURES:
            low, high = np.moveaxis(intervals[name].values, -1, 0)
            value = truth[name].values
            found[name].covered[method] = float(np.mean((low <= value) & (value <= high)))
            found[name].width[method] = float(np.mean(high - low))
    return found


def main(
    datasets: int = 1000,
    replicates: int = 500,
    questions: int = 198,
    rationality: float = 1000.0,
    only: str = "",
) -> None:
    """Print coverage and width for each population, or for the one named."""
    print(f"{questions} questions, {datasets} data sets × {replicates} replicates, β = {rationality:g}, on {machine()}")
    print(f"standard error of a coverage of 95 %: {np.sqrt(0.95 * 0.05 / datasets):.1%}\n")
    for name in (SEPARATED_NAME, *POPULATIONS) if not only else (only,):
        if name == SEPARATED_NAME:
            population, users = SEPARATED, Users(0.02, SEPARATED_RATIONALITY)
        else:
            scenario = load_scenario(name)
            population, users = of_market(scenario.market), scenario.users.with_rationality(rationality)
        paired, unpaired = (
            coverage(
                population,
                users,
                num_questions=questions,
                datasets=datasets,
                replicates=replicates,
                key=jax.random.key(1),
                paired=flag,
            )
            for flag in (True, False)
        )
        rows = [
            [
                figure,
                *(f"{paired[figure].covered[method]:.1%}" for method in Interval),
                f"{unpaired[figure].covered[Interval.BOTH]:.1%}",
                f"{unpaired[figure].width[Interval.BOTH] / paired[figure].width[Interval.BOTH]:.2f}",
            ]
            for figure in FIGURES
        ]
        show(name, ["figure", *map(str, Interval), "both, unpaired", "width unpaired / paired"], rows)


if __name__ == "__main__":
    typer.run(main)
