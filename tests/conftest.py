"""Shared settings and fixtures of the tests."""

import jax
import pytest

jax.config.update("jax_enable_x64", True)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the proofs marked slow at their full size")


@pytest.fixture(scope="session")
def full(request) -> bool:
    """Whether proofs run at their full size."""
    return request.config.getoption("--full")
