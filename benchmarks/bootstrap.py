"""Time and memory of the bootstrap: 1,000 replicates of a nine-provider market at 100 β, one call.

    python -m benchmarks.bootstrap [--replicates 1000] [--betas 100] [--questions 198] [--scenario GPQA/majority]

Questions are simulated so that their averages are a bundled market (``benchmarks.question_population``). Equilibria of every
replicate at every β, certified, its optimum and its auction; the first call compiles, and is reported apart. A few replicates
are first solved by ``efficiency``, one market at a time, and must agree.
"""

import resource

import jax
import numpy as np
import typer

from benchmarks.question_population import benchmark_of, of_market
from benchmarks.timing import machine, measure, show
from games import PayPerCompute, load_scenario
from solver import bootstrap, efficiency
from solver.uncertainty.resample import question_replicates

CHECKED = 3


def main(
    replicates: int = 1000, betas: int = 100, questions: int = 198, scenario: str = "GPQA/majority", repeats: int = 3
) -> None:
    """Print the table."""
    chosen = load_scenario(scenario)
    curves = benchmark_of(of_market(chosen.market), questions, jax.random.key(0))
    rationality = np.logspace(0, 6, betas)
    results = []

    def call() -> object:
        results.append(bootstrap(curves, chosen.users, rationality, replicates=replicates, key=jax.random.key(1)))
        return None

    timing = measure(call, repeats=repeats)
    result = results[-1]
    markets = question_replicates(curves, replicates=replicates, key=jax.random.key(1)).markets
    worst = 0.0
    for replicate in range(CHECKED):
        game = PayPerCompute(jax.tree.map(lambda leaf, r=replicate: leaf[1 + r], markets), chosen.users)
        game = PayPerCompute(game.market, chosen.users.with_rationality(rationality[-1]))
        alone = efficiency(PayPerCompute(_named(game.market, curves), game.users)).price_of_anarchy
        worst = max(worst, abs(float(result.replicates.price_of_anarchy[replicate, -1]) / alone - 1))
    assert worst < 1e-9, worst
    solved = replicates * betas
    rows = [
        ["first call, compilation included", f"{timing.first:.2f} s"],
        [f"later calls, median of {repeats}", f"{timing.warm:.2f} s"],
        ["per market (one replicate at one β)", f"{1e6 * timing.warm / solved:.1f} µs"],
        ["intervals of all figures", f"{measure(lambda: result.intervals().to_array().values, repeats=1).warm:.2f} s"],
        ["peak memory of the process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"],
        ["largest certified regret", f"{float(result.replicates.max_regret.max()):.1e}"],
        ["replicate markets with several equilibria", f"{result.num_several:,}"],
        ["of these not searched completely", f"{result.num_incomplete:,}"],
    ]
    print(f"{scenario}: {replicates:,} replicates × {betas} β = {solved:,} markets, on {machine()}")
    show("", ["", ""], rows)
    for note in result.notes:
        print(note)


def _named(market, curves):
    """Give a market of a batch its names back, which the verdict of one market wants."""
    return type(market)(
        market.accuracy, market.tokens, market.price, market.cost, market.mask, curves.providers, curves.level_labels
    )


if __name__ == "__main__":
    typer.run(main)
