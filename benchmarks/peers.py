"""Pure equilibria of one market by this project and by general game solvers: nashpy, Gambit, QuantEcon.py and OpenSpiel.

    pip install -e ".[peers,report]" && python -m benchmarks.peers --docs docs

All solve the normal form of a bundled market cut to its first N providers and first K levels. Every answer is checked before
its time counts: methods that find all equilibria must return our set, methods that find one must return one. Pure profiles are
certified by ``solver.regret``, mixed ones by ``solver.mixed_regret``; an answer whose strategies all put 0.9 or more
on one level counts as that pure profile. Every method runs twice: at its best (payoffs divided by each player's
largest, settings named in the table) and with the library's own settings on the payoffs in dollars.

Each cell is a process of its own (``benchmarks.peer_methods``), which ends when its time is over or its memory is used up. A
method that failed at a size is not tried at larger ones of the same K. Times are of the solver with the game's construction,
medians of up to nine calls, after a first call that compiles; ours is ``pure_equilibria`` with its certificate,
from the market itself.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jaxtyping import Array, Float, Int

from benchmarks.peer_methods import METHODS, Method, installed
from benchmarks.peer_page import OURS, Cell, Rows, heading, tables, write_page
from benchmarks.timing import machine, measure, show
from games import Market, NormalForm, PayPerCompute, load_scenario
from games.version import VERSION
from solver import batch, mixed_regret, pure_equilibria, regret
from solver.compile import compiled

NEARLY_PURE = 0.9
FALSE = 1e-6  # relative regret above which a profile is no equilibrium
CHUNK = 256
BATCH = 1024
LEVELS = (3, 6)
IMPORTS = 120.0  # seconds that loading a library and compiling may take beside the time limit
TABULATED = 20_000  # entries up to which the table is compared with ``games.NormalForm``


class Size(NamedTuple):
    """A game: N providers with K levels, its table, our equilibria, and our seconds (one market, and one of many)."""

    game: PayPerCompute
    table: np.ndarray
    equilibria: set[tuple[int, ...]]
    ours: dict[str, float]


def cut(game: PayPerCompute, providers: int, levels: int) -> PayPerCompute:
    """The game of the first providers and the first levels of each.

    Example:
        >>> from games import load_scenario
        >>> cut(load_scenario("GSM8K/majority").game(), 3, 2).mask.shape
        (3, 2)
    """
    market = game.market.subset(game.market.providers[:providers])
    labels = tuple(row[:levels] for row in market.level_labels)
    arrays = {name: getattr(market, name)[:, :levels] for name in ("accuracy", "tokens", "price", "cost", "mask")}
    return PayPerCompute(Market(**arrays, providers=market.providers, level_labels=labels), game.users)


def tabulate(game: PayPerCompute) -> np.ndarray:
    """Payoffs ``[providers, levels, ..., levels]``, by NumPy: ``games.NormalForm`` refuses tables of more than 20 million."""
    logs, outside = np.asarray(game.log_attraction[0]), float(game.log_outside_attraction[0])
    top = max(logs.max(), outside)
    attraction = np.exp(logs - top)
    count = len(attraction)

    def along(values: np.ndarray, i: int) -> np.ndarray:
        return values.reshape((1,) * i + (-1,) + (1,) * (count - 1 - i))

    total: np.ndarray | float = float(np.exp(outside - top))
    for i in range(count):
        total = total + along(attraction[i], i)
    profit = np.asarray(game.unit_profit)
    table = np.empty((count, *np.shape(total)))
    for i in range(count):
        np.divide(along(attraction[i] * profit[i], i), total, out=table[i])
    if table.size <= TABULATED:
        np.testing.assert_allclose(table, np.asarray(NormalForm.from_game(game).tensor), rtol=1e-12)
    return table


def largest_regrets(game: PayPerCompute, profiles: np.ndarray) -> np.ndarray:
    """Certified relative regret of pure profiles ``[profiles, providers]``."""
    found = []
    for start in range(0, len(profiles), CHUNK):
        part = profiles[start : start + CHUNK]
        padded = jnp.asarray(np.pad(part, ((0, CHUNK - len(part)), (0, 0)), mode="edge"))
        found.append(np.asarray(_regrets(game, padded))[: len(part)])
    return np.concatenate(found) if found else np.zeros(0)


@compiled
def _regrets(game: PayPerCompute, profiles: Int[Array, "chunk providers"]) -> Float[Array, " chunk"]:
    return jax.lax.map(lambda profile: regret(game, profile).max_regret, profiles)


def judge(method: Method, size: Size, profiles: np.ndarray) -> str:
    """Nothing if the answer is right; else what is wrong with it, certified."""
    pure = profiles.max(axis=2).min(axis=1) >= NEARLY_PURE
    named = profiles[pure].argmax(axis=2)
    false = int((largest_regrets(size.game, named) > FALSE).sum())
    worst = [
        float(mixed_regret(size.game, jnp.asarray(p / p.sum(axis=1, keepdims=True))).max_regret)
        for p in profiles[~pure]
    ]
    if not method.finds_all:
        gain = max([*worst, *largest_regrets(size.game, named).tolist()], default=np.inf)
        return "" if gain <= FALSE else f"regret {gain:.0e}" if np.isfinite(gain) else "no answer"
    false += sum(gain > FALSE for gain in worst)
    missed = len(size.equilibria - {tuple(p) for p in named.tolist()})
    return ", ".join(f"{count} {kind}" for count, kind in ((false, "false"), (missed, "missed")) if count)


def solve(key: str, size: Size, limit: float, memory: float, folder: Path) -> Cell:
    """Run a method on a game in a process of its own, and judge its answer."""
    method = METHODS[key]
    if not installed(method):
        return Cell(np.nan, "not installed")
    if method.players and method.players != len(size.table):
        return Cell(np.nan, f"{method.players} players only")
    table, answer = folder / "table.npz", folder / "answer.npz"
    answer.unlink(missing_ok=True)
    np.savez(table, table=size.table)
    command = [sys.executable, "-m", "benchmarks.peer_methods", key, str(table), str(answer), str(limit), str(memory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit + IMPORTS, check=False)
    except subprocess.TimeoutExpired:
        return Cell(np.nan, f"> {limit:.0f} s")
    if done.returncode == -signal.SIGALRM:
        return Cell(np.nan, f"> {limit:.0f} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"killed by signal {-done.returncode}"]
        out_of_memory = (
            any(word in done.stderr for word in ("MemoryError", "bad_alloc")) or done.returncode == -signal.SIGKILL
        )
        return Cell(np.nan, f"> {memory:.0f} GB" if out_of_memory else lines[-1][:60])
    with np.load(answer) as found:
        return Cell(float(found["seconds"]), judge(method, size, found["profiles"]))


def prepare(game: PayPerCompute, providers: int, levels: int) -> Size:
    """Our own answer, timed, and the table."""
    small = cut(game, providers, levels)
    ours = pure_equilibria(small)
    assert ours.complete
    assert float(ours.max_regret.max()) < 1e-9
    many = batch.rationality_grid(small, small.users.rationality * jnp.geomspace(0.5, 2, BATCH))
    seconds = {
        "ours": measure(lambda: pure_equilibria(small).profiles).warm,
        "batch": measure(lambda: batch.equilibria(many).worst).warm / BATCH,
    }
    return Size(small, tabulate(small), {tuple(p) for p in ours.profiles.tolist()}, seconds)


def ladder(
    game: PayPerCompute, levels: Sequence[int], most: int, limit: float, memory: float, keys: Sequence[str]
) -> Rows:
    """Every method at every size, by (N, K)."""
    rows: Rows = {}
    for num_levels in levels:
        failed: dict[str, int] = {}
        for providers in range(2, most + 1):
            size = prepare(game, providers, num_levels)
            row = {key: Cell(seconds, "") for key, seconds in size.ours.items()}
            with tempfile.TemporaryDirectory() as folder:
                for key in keys:
                    if key in failed:
                        row[key] = Cell(np.nan, f"not tried (N = {failed[key]})")
                        continue
                    row[key] = solve(key, size, limit, memory, Path(folder))
                    if row[key].seconds != row[key].seconds and not METHODS[key].players:
                        failed[key] = providers
            rows[providers, num_levels] = row
            print(
                f"{providers} × {num_levels}: " + "; ".join(f"{key} {cell.text}" for key, cell in row.items()),
                flush=True,
            )
    return rows


def main(
    scenario: str = "GPQA/majority",
    rationality: float = 1000.0,
    providers: int = 9,
    levels: list[int] = list(LEVELS),  # noqa: B006
    limit: float = 60.0,
    memory: float = 6.0,
    only: str = "",
    docs: Path | None = None,
) -> None:
    """Run the ladder, print both tables, and write the page with ``--docs``."""
    keys = [key for key in METHODS if only in key]
    for package in sorted({METHODS[key].package for key in keys if not installed(METHODS[key])}):
        print(f"{package} is not installed; run: pip install 'ttc-games[peers]'")
    keys = [key for key in keys if installed(METHODS[key])]
    game = load_scenario(scenario).game(rationality=rationality)
    rows = ladder(game, levels, providers, limit, memory, keys)
    best = [*OURS, *(key for key in keys if METHODS[key].settings)]
    default = [key for key in keys if not METHODS[key].settings]
    versions = sorted({f"{METHODS[key].package} {installed(METHODS[key])}" for key in keys})
    load = max(os.getloadavg())
    named = ", ".join(["ttc-games " + VERSION, *versions])
    here = f"{machine()}, {os.cpu_count()} cores, load {load:.1f}"
    note = f"Limits {limit:g} s and {memory:g} GB; {named}; {here}."
    title = f"{scenario} at β = {rationality:g}"
    for name, chosen in ((f"{title}, at their best", best), ("own settings, payoffs in dollars", default)):
        show(name, ["N × K", "profiles", *(heading(key) for key in chosen)], tables(rows, chosen))
    print(note)
    if docs is not None:
        write_page(docs, (__doc__ or "").split("\n\n", 2)[2], title, rows, best, default, note)


if __name__ == "__main__":
    typer.run(main)
