"""Which code is compiled already: what is, runs on the spot; what is not, runs beside the page."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from solver.explorer.engine import FEW, MarketView, MechanismView, play, solve
from solver.explorer.rows import shape_of
from solver.explorer.state import State
from solver.mechanisms.registry import MECHANISMS

T = TypeVar("T")
MARKET = "market"
# Seconds without a question before the next piece of code is compiled unasked: compiling slows answers down.
QUIET = 2.0
# Seconds from which on a mechanism is computed beside the page, which shows the market without waiting for it.
SLOW = 0.1


class _Key(NamedTuple):
    """What code is compiled for."""

    shape: tuple[int, int]
    few: int
    curve: str
    part: str


class Warm:
    """Solves states for all pages of one program, and remembers for which shapes code exists.

    Two pages that want the same code wait for one compilation instead of running two.
    """

    def __init__(self) -> None:
        self._done: set[_Key] = set()
        self._locks: defaultdict[_Key, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()
        self._took: dict[_Key, float] = {}
        self._asked = 0.0

    def has_market(self, state: State) -> bool:
        """Whether ``market`` takes milliseconds."""
        return _key(state, MARKET) in self._done

    def has(self, state: State, name: str) -> bool:
        """Whether ``mechanism`` takes milliseconds: it is compiled, and was not slow the last time."""
        key = _key(state, name)
        return key in self._done and self._took.get(key, 0.0) < SLOW

    def market(self, state: State) -> MarketView:
        """The market."""
        self._asked = time.monotonic()
        return self._once(_key(state, MARKET), lambda: solve(state))

    def mechanism(self, state: State, name: str) -> MechanismView:
        """One mechanism."""
        return self._once(_key(state, name), lambda: play(state, name))

    def all_mechanisms(self, state: State) -> None:
        """Compile every mechanism for markets of the state's shape, each only while nobody moves anything."""
        for name in MECHANISMS:
            while _key(state, name) not in self._done and time.monotonic() < self._asked + QUIET:
                time.sleep(0.2)
            self._once(_key(state, name), lambda name=name: play(state, name))  # type: ignore[misc]

    def _once(self, key: _Key, run: Callable[[], T]) -> T:
        if key in self._done:
            started = time.perf_counter()
            found = run()
            self._took[key] = time.perf_counter() - started
            return found
        with self._guard:
            lock = self._locks[key]
        with lock:
            found = run()
            self._done.add(key)
        return found


def _key(state: State, part: str) -> _Key:
    present = len(state.present)
    few = present if part != MARKET and present <= FEW else 0
    return _Key(shape_of(state), few, type(state.value_curve).__name__, part)
