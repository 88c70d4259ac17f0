"""One process at a time in a folder that long work is kept in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pmrnet.data.room import explained_writing
from pmrnet.errors import InputError

#: file in the folder while it is in use
LOCK = ".lock"


@contextmanager
def folder_lock(folder: Path, work: str, wait_s: float = 0.0) -> Iterator[None]:
    """Keep other processes from the same work in a folder while the block runs.

    Two of them would go on from each other's unfinished files. The lock is the operating system's
    and ends with the process, however that ends.

    Parameters
    ----------
    folder
        Created where it is missing, and removed if the block leaves nothing in it.
    work
        What the block does, for the message, such as ``training``.
    wait_s
        Seconds to wait for another process to leave.

    Raises
    ------
    InputError
        If another process has the folder, or it cannot be made.
    """
    new = not folder.is_dir()
    with explained_writing(folder, 0):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        with explained_writing(folder, 0):
            lock.acquire(timeout=wait_s)
    except Timeout:
        raise InputError(
            f"{folder}: expected no other {work} in this folder, found one that is running; wait "
            "for its end, or stop it and say the same again to go on."
        ) from None
    except NotImplementedError:
        pass  # some network file systems have no locks
    try:
        yield
    finally:
        with suppress(OSError):
            if lock.is_locked:  # who waits for it sees that it is gone, and makes another
                (folder / LOCK).unlink()
        lock.release()
        if new:
            with suppress(OSError):
                folder.rmdir()
