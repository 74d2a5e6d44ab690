"""What is played: markets of test-time compute as strategic games, frozen and differentiable.

Importing this package switches JAX to double precision: payoffs are of the order of 1e-5 dollars and users'
rationality reaches 1e6 per dollar, which single precision cannot resolve. Set the environment variable
``JAX_ENABLE_X64=0`` before the import to keep JAX as it is; solvers whose certificate would then be wrong refuse.

The public names are listed in ``__init__.pyi`` and loaded on first use.
"""

import os
import sys

import lazy_loader

if "JAX_ENABLE_X64" not in os.environ:
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", True)
    else:
        os.environ["JAX_ENABLE_X64"] = "1"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
