"""Shared settings and fixtures of the tests."""

import gc
import os
from pathlib import Path

import pytest

from tests.browsers import NONE_HERE, browser, new_page, page, remedy  # noqa: F401 (fixtures)
from tests.compiler_flags import known_flags

# Compiled code is shared by the test processes, and by the next run: most of the suite's time is compilation.
CACHE = Path(__file__).parent.parent / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the proofs marked slow at their full size")


# Tracing makes many short-lived objects and few cycles; Python looks for cycles behind every 700 of them.
gc.set_threshold(50_000, 20, 20)


def pytest_configure(config):
    # --full tests the code that users run. Workers inherit the flags of the process that started them.
    if not config.getoption("--full") and "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *known_flags()]).strip()


def pytest_terminal_summary(terminalreporter):
    """One loud line where tests were left out for want of a browser."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NONE_HERE in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"WARNING: {len(skipped)} browser tests were NOT run: {NONE_HERE}; to run them, {remedy()}",
            red=True,
            bold=True,
        )


@pytest.fixture(scope="session")
def full(request) -> bool:
    """Whether proofs run at their full size."""
    return request.config.getoption("--full")


def pytest_collection_modifyitems(items):
    """Marks by what a test asks for: ``slow``, its size depends on --full; ``browser``, it drives one."""
    for item in items:
        asked = getattr(item, "fixturenames", ())
        if "full" in asked:
            item.add_marker(pytest.mark.slow)
        if "browser" in asked:
            item.add_marker(pytest.mark.browser)


# Every compiled function holds memory maps; Linux allows a process 65,530, and the compiler crashes behind them.
MAPS = Path("/proc/self/maps")
MANY_MAPS = 25_000


def drop_compiled_code_if_it_is_too_much() -> None:
    """Forget compiled functions if there are very many; the disk cache still has the dear ones."""
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        import jax

        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="module", autouse=True)
def room_for_compiled_code():
    """Between two files of tests."""
    yield
    drop_compiled_code_if_it_is_too_much()
