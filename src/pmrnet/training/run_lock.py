"""One process at a time in the folder of a training run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pmrnet.errors import InputError


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a run's folder while the block runs.

    Two that train there would go on from each other's checkpoints and write one log. The lock is
    the operating system's and ends with the process, however that ends; a file system without
    locks has none.

    Parameters
    ----------
    folder
        Of the run, created where it is missing. `train.lock` in it stays.

    Raises
    ------
    InputError
        If another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "train.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"{folder}: expected no other training in this folder, found one that is running; "
            "wait for its end, or stop it and say the same again to go on from its checkpoint."
        ) from None
    except NotImplementedError:  # some network file systems
        pass
    try:
        yield
    finally:
        lock.release()
