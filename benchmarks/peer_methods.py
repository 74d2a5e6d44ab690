"""One cell of ``benchmarks.peers``: one method of one library on one payoff table, in a process of its own.

    python -m benchmarks.peer_methods METHOD TABLE.npz ANSWER.npz SECONDS GIGABYTES

The process reads the payoffs ``[providers, levels, ..., levels]``, runs the method once on the table cut to two levels, so
that the library is loaded and compiled, then on the whole table, and writes profiles and seconds. It ends itself by the alarm
when the seconds are over, and may not take more memory than it is given. Nothing of this project but NumPy is loaded.
"""

import resource
import signal
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import numpy as np

Answer = list[tuple[np.ndarray, ...]]  # profiles, each a mixed strategy per player
Solve = Callable[[np.ndarray], Answer]
ENOUGH = 0.5  # seconds of repeating a fast call
LOADING = 60.0  # seconds that loading a library and compiling may take


class Method(NamedTuple):
    """A way to solve a game given as a table.

    Args:
        package: whose it is, as installed.
        label: of library and algorithm, for tables.
        settings: that are not the library's own, in words; empty for defaults on the payoffs as they are.
        finds_all: whether it is to find all pure equilibria, or one equilibrium.
        players: the only number of players that it takes, or 0.
        solve: from the table to profiles.
    """

    package: str
    label: str
    settings: str
    finds_all: bool
    players: int
    solve: Solve


def rescaled(table: np.ndarray) -> np.ndarray:
    """Every player's payoffs divided by their largest: the same game, on a scale that fixed tolerances can see."""
    return table / table.reshape(len(table), -1).max(axis=1).reshape((-1,) + (1,) * (table.ndim - 1))


def _scaled(solve: Solve) -> Solve:
    return lambda table: solve(rescaled(table))


def _nashpy(algorithm: str) -> Solve:
    def solve(table: np.ndarray) -> Answer:
        import nashpy

        return list(getattr(nashpy.Game(*table), algorithm)())

    return solve


def _gambit(table: np.ndarray) -> Answer:
    import pygambit

    game = pygambit.Game.from_arrays(*table)
    levels = table.shape[1]
    return [
        tuple(
            np.array([float(profile[strategy]) for strategy in player.strategies]).reshape(levels)
            for player in game.players
        )
        for profile in pygambit.nash.enumpure_solve(game).equilibria
    ]


def _quantecon(table: np.ndarray):
    """Player i's own axis comes first in its own array, the others follow in cyclic order."""
    from quantecon.game_theory import NormalFormGame, Player

    count = len(table)
    axes = [[(i + j) % count for j in range(count)] for i in range(count)]
    return NormalFormGame([Player(np.ascontiguousarray(table[i].transpose(axes[i]))) for i in range(count)])


def _brute(tolerance: float | None) -> Solve:
    def solve(table: np.ndarray) -> Answer:
        from quantecon.game_theory import pure_nash_brute

        one_hot = np.eye(table.shape[1])
        return [tuple(one_hot[k] for k in found) for found in pure_nash_brute(_quantecon(table), tol=tolerance)]

    return solve


def _mclennan_tourky(**settings: float) -> Solve:
    def solve(table: np.ndarray) -> Answer:
        from quantecon.game_theory import mclennan_tourky

        return [tuple(mclennan_tourky(_quantecon(table), **settings))]

    return solve


def _regret_matching(**settings: int) -> Solve:
    def solve(table: np.ndarray) -> Answer:
        from open_spiel.python.algorithms.regret_matching import regret_matching

        return [tuple(regret_matching(list(table), **settings))]

    return solve


SCALED = "rescaled"
METHODS = {
    "nashpy": Method("nashpy", "nashpy, supports", SCALED, True, 2, _scaled(_nashpy("support_enumeration"))),
    "nashpy-vertex": Method("nashpy", "nashpy, vertices", SCALED, True, 2, _scaled(_nashpy("vertex_enumeration"))),
    "nashpy-default": Method("nashpy", "nashpy, supports", "", True, 2, _nashpy("support_enumeration")),
    "gambit": Method("pygambit", "Gambit, enumpure", SCALED, True, 0, _scaled(_gambit)),
    "gambit-default": Method("pygambit", "Gambit, enumpure", "", True, 0, _gambit),
    "quantecon": Method("quantecon", "QuantEcon, brute force", "rescaled, tolerance 0", True, 0, _scaled(_brute(0.0))),
    "quantecon-default": Method("quantecon", "QuantEcon, brute force", "", True, 0, _brute(None)),
    "mclennan": Method(
        "quantecon",
        "QuantEcon, McLennan–Tourky",
        "rescaled, epsilon 1e-6",
        False,
        0,
        _scaled(_mclennan_tourky(epsilon=1e-6)),
    ),
    "mclennan-default": Method("quantecon", "QuantEcon, McLennan–Tourky", "", False, 0, _mclennan_tourky()),
    "openspiel": Method(
        "open_spiel",
        "OpenSpiel, regret matching",
        "rescaled, 2,000 rounds, last 100 averaged",
        False,
        0,
        _scaled(_regret_matching(iterations=2000, average_over_last_n_strategies=100)),
    ),
    "openspiel-default": Method("open_spiel", "OpenSpiel, regret matching", "", False, 0, _regret_matching()),
}


def installed(method: Method) -> str:
    """Version of the library, or nothing."""
    try:
        return version(method.package)
    except PackageNotFoundError:
        return ""


def run(key: str, table_file: str, answer_file: str, seconds: float, gigabytes: float) -> None:
    """Solve and write the answer; the process dies by SIGALRM when the time is over."""
    table = np.load(table_file)["table"]
    solve = METHODS[key].solve
    limit = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.setitimer(signal.ITIMER_REAL, seconds + LOADING)
    solve(table[(slice(None), *[slice(2)] * (table.ndim - 1))].copy())
    signal.setitimer(signal.ITIMER_REAL, seconds)
    taken: list[float] = []
    while not taken or (sum(taken) < ENOUGH and len(taken) < 9):
        start = time.perf_counter()
        answer = solve(table)
        taken.append(time.perf_counter() - start)
    signal.setitimer(signal.ITIMER_REAL, 0)
    profiles = np.array([[np.asarray(s, float) for s in profile] for profile in answer])
    np.savez(answer_file, profiles=profiles.reshape(-1, *table.shape[:2]), seconds=statistics.median(taken))


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
