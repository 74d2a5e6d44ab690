"""How long the explorer takes from a reader's move to everything that it sends to the page, without a browser.

    python -m benchmarks.explorer [--repeats 20] [--scenario GPQA/majority --scenario frontier/gpqa-diamond]

One row for each control, with the mechanism second-score, and one for each mechanism, with moves of β: the time until the
market is on the page (its β and 61 others solved, the auction held, charts and texts drawn), and until the mechanism is there
too. A mechanism that took more than 0.1 s is computed beside the page and drawn after the market. Compilation is measured
apart, as the first use in this process; the last column counts what was compiled while readers moved.
"""

import json
import time
from collections.abc import Callable
from typing import Annotated, Any

import jax
import numpy as np
import typer

from benchmarks.timing import machine, show
from games import load_scenario
from solver.explorer import changes, charts, texts
from solver.explorer.charts import Scene
from solver.explorer.session import Session
from solver.explorer.state import State, state_of
from solver.explorer.warm import Warm
from solver.mechanisms.registry import MECHANISMS

Move = Callable[[State, int], State]
SCENARIOS = ["GPQA/majority", "frontier/gpqa-diamond"]
# The controls are moved with the first.
ORDER = ["second-score", *(name for name in MECHANISMS if name != "second-score")]
COMPILED = "/jax/core/compile/backend_compile_duration"


class Compilations:
    """Counts what JAX compiles."""

    def __init__(self) -> None:
        self.number = 0
        jax.monitoring.register_event_duration_secs_listener(self._heard)

    def _heard(self, event: str, duration_secs: float, **_: Any) -> None:
        self.number += event == COMPILED


def moves(state: State) -> dict[str, Move]:
    """What a reader can do, each a little differently every time."""
    first, last = state.offers[0].name, state.offers[-1].name
    most = max(tokens for offer in state.offers for tokens in offer.tokens)
    return {
        "β": lambda s, n: changes.with_numbers(s, rationality=10 ** (6 * ((7 * n) % 19) / 19)),
        "α": lambda s, n: changes.with_numbers(s, value_per_correct=state.value_per_correct * (0.5 + n % 7 / 5)),
        "margin": lambda s, n: changes.with_numbers(s, margin=0.1 + n % 5 / 10),
        "cap, all": lambda s, n: changes.with_cap_for_all(s, most / 2 ** (n % 6)),
        "price": lambda s, n: changes.with_price(s, first, 0.5 + n % 7 / 5),
        "cap": lambda s, n: changes.with_cap(s, first, most / 2 ** (n % 6)),
        "drop and restore": lambda s, n: changes.restore(s, last) if n % 2 else changes.drop(s, last),
        "add a provider": lambda s, n: changes.add_copy(state, first, f"new {n}", price=0.5 + n % 7 / 5),
    }


def main(
    scenario: Annotated[list[str], typer.Option()] = SCENARIOS,
    repeats: int = 20,
    mechanism: Annotated[list[str], typer.Option()] = ORDER,
) -> None:
    """Print one table for each market."""
    print(f"on {machine()}")
    counted = Compilations()
    for name in scenario:
        state = state_of(load_scenario(name), bundled=name)
        show(f"{name}, {len(state.offers)} providers: milliseconds from move to page",
             ["", "first use, s", "market, median", "95 %", "all, median", "95 %", "compiled"],
             _rows(state, mechanism, repeats, counted))  # fmt: skip


def _rows(state: State, mechanisms: list[str], repeats: int, counted: Compilations) -> list[list[str]]:
    warm, rows = Warm(), []
    first = {"market": _seconds(lambda: warm.market(state))}
    for name in mechanisms:
        first[name] = _seconds(lambda name=name: warm.mechanism(state, name))  # type: ignore[misc]
    shown: list[float] = []

    def show_scene(scene: Scene | None, _: str) -> None:
        _draw(scene)
        shown.append(time.perf_counter())

    session = Session(changes.with_mechanism(state, mechanisms[0]), warm, _at_once, show_scene)
    session.refresh()  # the charts' own first time
    tried: list[tuple[str, str | None, Move]] = [(control, None, move) for control, move in moves(state).items()]
    tried += [(name, name, moves(state)["β"]) for name in mechanisms]
    for label, played, move in tried:
        start = changes.with_mechanism(state, played or mechanisms[0])
        session.change(lambda _, start=start: start)  # type: ignore[misc]
        before, market, everything = counted.number, [], []
        for number in range(repeats):
            shown.clear()
            started = time.perf_counter()
            wrong = session.change(lambda s, n=number, move=move: move(s, n))  # type: ignore[misc]
            assert not wrong, wrong
            market.append(1000 * (shown[0] - started))
            everything.append(1000 * (shown[-1] - started))
        once = first["market"] if label == "β" else first.get(label)
        rows.append(
            [
                label,
                "" if once is None else f"{once:.1f}",
                *_spread(market),
                *_spread(everything),
                str(counted.number - before),
            ]
        )
    return rows


def _spread(times: list[float]) -> tuple[str, str]:
    return f"{np.median(times):.0f}", f"{np.quantile(times, 0.95):.0f}"


def _draw(scene: Scene | None) -> None:
    """Everything that goes to the page, in the form in which it goes."""
    assert scene is not None, "compiled beside the page, though everything was compiled before"
    for chart in (charts.value, charts.anarchy, charts.ledger):
        json.dumps(chart(scene).spec)
    for text in (texts.headline, texts.mechanism_note, texts.providers):
        text(scene)
    texts.about(scene.state)


def _at_once(run: Callable[[], Any], then: Callable[[Any], None]) -> None:
    """In place of a thread: what is computed beside the page counts."""
    then(run())


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    typer.run(main)
