"""One reader's state and what was computed about it: at once what takes milliseconds, beside the page what takes longer."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from games.errors import InputError
from solver.explorer.charts import Scene
from solver.explorer.engine import MarketView, MechanismView
from solver.explorer.rows import shape_of
from solver.explorer.state import State
from solver.explorer.warm import Warm
from solver.report.palette import Look, provider_looks
from solver.report.style import Money

MOST_COLOURED = 12
COMPILING = "Compiling for markets of this size. This happens once …"

Beside = Callable[[Callable[[], Any], Callable[[Any], None]], None]


class Session:
    """Where one reader is.

    Args:
        state: where to start.
        warm: what is compiled, shared by all readers.
        beside: runs its first argument elsewhere, and its second with the result when that is there.
        show: called with the scene and a line about the time it took, whenever there is something new; with None for the
            scene while nothing can be shown yet.
    """

    def __init__(self, state: State, warm: Warm, beside: Beside, show: Callable[[Scene | None, str], None]) -> None:
        self.state = state
        self._warm, self._beside, self._show = warm, beside, show
        self._turn = 0
        self._looks: Mapping[str, Look] = {}
        self._market: MarketView | None = None

    def change(self, make: Callable[[State], State]) -> str:
        """Go to another state; if there is no such state, stay and return why."""
        try:
            state = make(self.state)
            shape_of(state)  # refuses what is too large
        except InputError as error:
            return str(error)
        self.state = state
        self.refresh()
        return ""

    def adopt(self, state: State) -> str:
        """Go to another market, with colours of its own."""
        self._looks = {}
        return self.change(lambda _: state)

    def refresh(self) -> None:
        """Compute and show the state."""
        self._turn += 1
        turn, state, started = self._turn, self.state, time.perf_counter()
        if self._warm.has_market(state):
            self._solved(turn, started, self._warm.market(state))
            return
        self._show(None, COMPILING)
        self._beside(lambda: self._warm.market(state), lambda found: self._solved(turn, started, found))

    def _solved(self, turn: int, started: float, found: MarketView) -> None:
        if turn != self._turn:
            return  # the reader has moved on
        state, self._market = self.state, found
        if self._warm.has(state, state.mechanism):
            self._played(turn, started, self._warm.mechanism(state, state.mechanism))
            return
        self._show(self._scene(None), f"Market: {_milliseconds(started)}. The mechanism is on its way …")
        self._beside(
            lambda: self._warm.mechanism(state, state.mechanism), lambda view: self._played(turn, started, view)
        )

    def _played(self, turn: int, started: float, view: MechanismView) -> None:
        if turn == self._turn:
            self._show(self._scene(view), f"Computed in {_milliseconds(started)}.")

    def _scene(self, view: MechanismView | None) -> Scene:
        assert self._market is not None
        market = self._market
        if any(offer.name not in self._looks for offer in self.state.offers):
            self._looks = _looks(self.state, market)
        ledgers = [market.worst_ledger, market.optimum_ledger] + ([view.ledger] if view and view.ledger else [])
        money = Money.for_amounts([ledger.welfare for ledger in ledgers])
        return Scene(self.state, market, view, self._looks, money)


def _looks(state: State, market: MarketView) -> Mapping[str, Look]:
    """Colours for those who sell most at any β, and for those whom the reader added."""
    top = np.argsort(-market.peak_shares, kind="stable")[:MOST_COLOURED]
    coloured = [o.name for i, o in enumerate(state.offers) if i in top or o.added]
    return provider_looks(coloured, [offer.name for offer in state.offers])


def _milliseconds(started: float) -> str:
    seconds = time.perf_counter() - started
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s, most of it compilation, which happens once"
