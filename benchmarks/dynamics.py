"""Every dynamic on every market: steps, time with compilation apart, final regret, welfare ratio.

    python -m benchmarks.dynamics [SCENARIO ...] [--rationality 1000] [--starts 10000]

Three families: replies on levels, learning of mixed strategies on levels, gradient ascent on continuous compute. Regrets
are relative and come from the certificates. The welfare ratio divides the optimum over levels by the welfare of where the
dynamic ended; a continuous game has more choices than its levels, so that its ratio can fall below 1.
"""

import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, NamedTuple

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
from solver.learning_rules import RULES

COLUMNS = ["method", "end", "steps", "first call", "warm", "regret", "welfare ratio"]


def main(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Markets; the nine published ones by default.")] = None,
    rationality: float = 1000.0,
    starts: int = 10_000,
    steps: int = 2000,
    only: Annotated[str, typer.Option(help="Methods whose name holds this text, for example 'hedge'.")] = "",
) -> None:
    """Print one table per market, and the time of many starts in one call."""
    print(f"{machine()}; β = {rationality:g}; at most {steps} steps\n")
    for name in scenarios or scenario_names()[:9]:
        scenario = load_scenario(name)
        game = scenario.game(rationality)
        best = float(welfare_optimum(game).welfare)
        rows = []
        for method in (*_replies(game), *_mixed(game, steps), *_gradients(game, steps)):
            if only in method.name:
                rows.append(_row(method, best))
        show(name, COLUMNS, rows)
    if starts:
        _many_starts(load_scenario("GSM8K/majority").game(rationality), starts)


class Method(NamedTuple):
    """One dynamic on one market: how to run it, and what its end says."""

    name: str
    run: Callable[[], Any]
    judge: Callable[[Any], "End"]


class End(NamedTuple):
    """Where a dynamic ended: certified regret, welfare in dollars per query, and a remark."""

    steps: jax.Array
    regret: float
    welfare: jax.Array
    remark: str = ""


def _replies(game: PayPerCompute) -> Iterator[Method]:
    """Best, better and nearest-better replies in turn, in random order, and all at once."""
    key = jax.random.key(0)

    def judge(end: Solution) -> End:
        return End(end.num_rounds, float(end.max_regret), game.welfare(end.profile))

    for order in Order:
        for reply in Reply:
            run = partial(best_response_dynamics, game, order=order, reply=reply, key=key)
            yield Method(f"levels: {order}, {reply}", run, judge)


def _mixed(game: PayPerCompute, steps: int) -> Iterator[Method]:
    """No-regret and evolutionary learning of mixed strategies; the better of last iterate and average."""
    extension = mixed_extension(game)
    assert isinstance(extension, LogitExtension)

    def judge(end: Learning) -> End:
        if float(end.last_regret) <= float(end.average_regret):
            return End(end.num_steps, float(end.last_regret), extension.welfare(end.mixed), " (last)")
        return End(end.num_steps, float(end.average_regret), extension.welfare(end.average), " (average)")

    for name, rule in RULES.items():
        yield Method(f"mixed: {name}", partial(learn, extension, rule(), max_steps=steps), judge)


def _gradients(game: PayPerCompute, steps: int) -> Iterator[Method]:
    """Gradient ascent on continuous compute, curves interpolated through the levels."""
    smooth = ContinuousCompute(game.market, game.users)

    def judge(end: GradientSolution) -> End:
        return End(end.num_steps, float(end.max_regret), smooth.welfare(end.log_compute))

    for update in Update:
        yield Method(f"continuous: {update}", partial(gradient_dynamics, smooth, update=update, max_steps=steps), judge)


def _row(method: Method, best: float) -> list[str]:
    jax.clear_caches()  # or a market of a shape seen before would hide its compilation
    timing = measure(method.run, repeats=3)
    result = method.run()
    end = method.judge(result)
    return [
        method.name + end.remark,
        Status(int(result.status)).name.lower(),
        str(int(end.steps)),
        f"{timing.first:.2f} s",
        f"{1e3 * timing.warm:.2f} ms",
        f"{end.regret:.1e}",
        f"{best / float(end.welfare):.4f}",
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
