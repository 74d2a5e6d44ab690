"""Shared settings and fixtures of the tests."""

import gc
import os
from pathlib import Path

import pytest

from tests.browsers import browser, new_page, page  # noqa: F401 (fixtures)

# Compiled code is shared by the test processes, and by the next run: most of the suite's time is compilation.
CACHE = Path(__file__).parent.parent / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the proofs marked slow at their full size")


# Code that runs for milliseconds need not be optimised for seconds, and the older emitters of XLA's processor
# backend write a loop in half the time of the newer ones. Both flags exist in every supported jaxlib.
QUICK_COMPILATION = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"


# Tracing makes many short-lived objects and few cycles; Python looks for cycles behind every 700 of them.
gc.set_threshold(50_000, 20, 20)


def pytest_configure(config):
    # --full tests the code that users run.
    if not config.getoption("--full"):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK_COMPILATION}".strip()


@pytest.fixture(scope="session")
def full(request) -> bool:
    """Whether proofs run at their full size."""
    return request.config.getoption("--full")


def pytest_collection_modifyitems(items):
    """Tests whose size depends on --full are marked slow: ``pytest -m slow --full`` runs just the full proofs."""
    for item in items:
        if "full" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


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
