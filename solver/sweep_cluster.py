"""The workers of a sweep: local processes, or a dask cluster that stands somewhere else."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from games.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = "20 s"


@contextmanager
def connect(*, workers: int | None = None, address: str | None = None) -> "Iterator[Client]":
    """A dask client: of so many new local processes with one thread each, or of the scheduler at an address.

    Local workers share the compile cache that ``JAX_COMPILATION_CACHE_DIR`` names, if any, so that only one compiles.

    Args:
        workers: number of local processes.
        address: of a running scheduler, such as ``tcp://10.0.0.5:8786``.

    Raises:
        InputError: no scheduler answers at the address.
    """
    import dask
    from distributed import Client, LocalCluster

    if address is not None:
        try:
            client = Client(address, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(f"--cluster {address}: no scheduler answers ({error}); check address and port") from None
        with client:
            yield client
        return
    # Workers are spawned: forking a process in which JAX runs can hang. Each computes with its share of the cores.
    threads = max(1, (os.cpu_count() or 1) // (workers or 1))
    flags = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}".strip()
    )
    # Workers spill into a folder of ours, not into one that stays behind where the user happens to be.
    with (
        tempfile.TemporaryDirectory(prefix="ttc-games-", ignore_cleanup_errors=True) as folder,
        dask.config.set({"distributed.nanny.pre-spawn-environ": {"XLA_FLAGS": flags, "JAX_ENABLE_X64": "1"}}),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=folder
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
