"""Flags of XLA that make compilation quick, as far as the installed compiler knows them: an unknown one aborts the process."""

import os
import subprocess
import sys
from collections.abc import Sequence

# Code that runs for milliseconds need not be optimised for seconds, and the older emitters of XLA's processor backend
# write a loop in half the time of the newer ones; compilers that came later have only the newer.
QUICK = ("--xla_backend_optimization_level=0", "--xla_cpu_use_fusion_emitters=false")
PROBE = "import jax; jax.numpy.zeros(1).block_until_ready()"


def known_flags(flags: Sequence[str] = QUICK) -> tuple[str, ...]:
    """Those of the flags with which a process of its own gets as far as making an array.

    Names that stand in the library's binary do not tell: flags stay there as text when they are gone.
    """
    if _works(flags):
        return tuple(flags)
    return tuple(flag for flag in flags if _works([flag]))


def _works(flags: Sequence[str]) -> bool:
    given = " ".join([os.environ.get("XLA_FLAGS", ""), *flags]).strip()
    said = subprocess.run(
        [sys.executable, "-c", PROBE], env=os.environ | {"XLA_FLAGS": given}, capture_output=True, check=False
    )
    return said.returncode == 0
