"""Every dynamic on every market: steps, time with compilation apart, final regret, welfare ratio.

    python -m benchmarks.dynamics [SCENARIO ...] [--rationality 1000] [--starts 10000]

Three families: replies on levels, learning of mixed strategies on levels, gradient ascent on continuous compute. Regrets
are relative and come from the certificates. The welfare ratio divides the optimum over levels by the welfare of where the
dynamic ended; a continuous game has more choices than its levels, so that its ratio can fall below 1.
"""

import resource
import time
from collections.abc import Callable
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import typer

from benchmarks.timing import machine, measure, show
from games import ContinuousCompute, PayPerCompute, load_scenario, scenario_names
from solver import (
    Learning,
    LogitExtension,
    Order,
    Reply,
    Solution,
    Status,
    best_response_dynamics,
    gradient_dynamics,
    gradient_limits,
    learn,
    mixed_extension,
    random_starts,
    welfare_optimum,
)
from solver.gradient import GradientSolution, Update
from solver.learning_rules import RULES, LearningRule

COLUMNS = ["method", "end", "steps", "first call", "warm", "regret", "welfare ratio"]


def main(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Markets; the nine published ones by default.")] = None,
    rationality: float = 1000.0,
    starts: int = 10_000,
    steps: int = 2000,
) -> None:
    """Print one table per market, and the time of many starts in one call."""
    print(f"{machine()}; β = {rationality:g}; at most {steps} steps\n")
    for name in scenarios or scenario_names()[:9]:
        scenario = load_scenario(name)
        game = scenario.game(rationality)
        best = float(welfare_optimum(game).welfare)
        rows = _replies(game, best) + _mixed(game, best, steps) + _gradients(game, best, steps)
        show(name, COLUMNS, rows)
    _many_starts(load_scenario("GSM8K/majority").game(rationality), starts)


def _replies(game: PayPerCompute, best: float) -> list[list[str]]:
    """Best, better and nearest-better replies in turn, in random order, and all at once."""
    rows = []
    key = jax.random.key(0)
    for order in Order:
        for reply in Reply:

            def run(order: Order = order, reply: Reply = reply) -> Solution:
                return best_response_dynamics(game, order=order, reply=reply, key=key)

            end = run()
            regret, ratio = float(end.max_regret), best / float(game.welfare(end.profile))
            rows.append(_row(f"levels: {order}, {reply}", end.status, end.num_rounds, run, regret, ratio))
    return rows


def _mixed(game: PayPerCompute, best: float, steps: int) -> list[list[str]]:
    """No-regret and evolutionary learning of mixed strategies; the better of last iterate and average."""
    rows = []
    extension = mixed_extension(game)
    assert isinstance(extension, LogitExtension)
    for name, make in RULES.items():
        rule = make()

        def run(rule: LearningRule = rule) -> Learning:
            return learn(extension, rule, max_steps=steps)

        end = run()
        last = float(end.last_regret) <= float(end.average_regret)
        where = end.mixed if last else end.average
        regret = min(float(end.last_regret), float(end.average_regret))
        label = f"mixed: {name} ({'last' if last else 'average'})"
        rows.append(_row(label, end.status, end.num_steps, run, regret, best / float(extension.welfare(where))))
    return rows


def _gradients(game: PayPerCompute, best: float, steps: int) -> list[list[str]]:
    """Gradient ascent on continuous compute, curves interpolated through the levels."""
    rows = []
    smooth = ContinuousCompute(game.market, game.users)
    for update in Update:

        def run(update: Update = update) -> GradientSolution:
            return gradient_dynamics(smooth, update=update, max_steps=steps)

        end = run()
        ratio = best / float(smooth.welfare(end.log_compute))
        rows.append(_row(f"continuous: {update}", end.status, end.num_steps, run, float(end.max_regret), ratio))
    return rows


def _row(
    label: str, status: jax.Array, steps: jax.Array, run: Callable[[], object], regret: float, ratio: float
) -> list[str]:
    jax.clear_caches()
    timing = measure(run, repeats=3)
    return [
        label,
        Status(int(status)).name.lower(),
        str(int(steps)),
        f"{timing.first:.2f} s",
        f"{1e3 * timing.warm:.2f} ms",
        f"{regret:.1e}",
        f"{ratio:.4f}",
    ]


def _many_starts(game: PayPerCompute, starts: int) -> None:
    """Many random starts in one call: best replies on levels, gradient ascent on continuous compute."""
    providers = game.market.num_providers
    count = np.asarray(game.mask).sum(axis=1)
    levels = jnp.asarray(np.random.default_rng(0).integers(0, count, (starts, providers)))
    replies = jax.jit(jax.vmap(lambda start: best_response_dynamics(game, start=start)))
    timing = measure(lambda: replies(levels), repeats=3)
    ends = np.unique(np.asarray(replies(levels).profile), axis=0)
    print(f"\n{starts:,} starts, {providers} providers, one call each:")
    print(
        f"  best replies on levels: first {timing.first:.2f} s, warm {timing.warm:.3f} s, {len(ends)} distinct limits"
    )
    smooth = ContinuousCompute(game.market, game.users)
    points = random_starts(smooth, jax.random.key(0), starts)
    begin = time.perf_counter()
    limits = gradient_limits(smooth, points, points=129)
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    gradient_limits(smooth, points, points=129)
    warm = time.perf_counter() - begin
    print(f"  gradient ascent:        first {first:.2f} s, warm {warm:.3f} s, {len(limits)} distinct limits")
    print("    " + limits.describe().replace("\n", "\n    "))
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    typer.run(main)
