"""Workers of Dask, on this machine or behind a scheduler that runs already."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pmrnet.errors import InputError
from pmrnet.machine_limits import usable_cores

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 30


@contextmanager
def dask_client(workers: int = 0, scheduler: str | None = None) -> Iterator[Client]:
    """Connect to a scheduler, or start workers on this machine that end with the block.

    Parameters
    ----------
    workers
        Number of processes on this machine; they share its cores.
    scheduler
        Address of a running scheduler, such as ``tcp://node1:8786``; `workers` is then not used.

    Raises
    ------
    InputError
        If Dask is not installed, or nothing answers at the address.
    """
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            "Workers: expected the package distributed, found none; run `pip install "
            "'distributed>=2024.1'`, or leave --workers and --scheduler out."
        ) from error
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout=_CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"{scheduler}: expected a Dask scheduler, found that none answers "
                f"({' '.join(str(error).split()).rstrip('.')}); check the address, and that it "
                "runs."
            ) from error
        with client:
            yield client
        return
    threads = str(max(1, int(usable_cores()) // workers))
    # Each worker would otherwise take all cores for itself.
    limits = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"), threads)
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            # What fails is said of its pair, in one sentence, not in the log of a worker.
            silence_logs=logging.CRITICAL,
            env=limits,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
