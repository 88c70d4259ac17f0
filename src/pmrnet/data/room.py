"""Whether files may be read, and folders written to and have room, told in a sentence."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmrnet.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)


@contextmanager
def explained_writing(folder: Path, size: int) -> Iterator[None]:
    """Turn what a full or forbidden folder makes of a write into an `InputError`.

    Parameters
    ----------
    folder
        Folder that the block writes to.
    size
        Bytes that it is about to write.

    Raises
    ------
    InputError
        If the disk or quota is full, the folder may not be written to, or it is a file.
    """
    try:
        yield
    except OSError as error:
        # NumPy reports a short write without a number.
        if error.errno in _FULL or (error.errno is None and _free(folder) < size):
            raise _no_room(folder, size, "a full disk or quota") from error
        if error.errno in _REFUSED:
            raise _no_access(folder, os.strerror(error.errno)) from error
        raise


@contextmanager
def explained_permission(path: Path) -> Iterator[None]:
    """Turn a refusal to read a file into an `InputError`.

    Raises
    ------
    InputError
        If the block may not read the file.
    """
    try:
        yield
    except PermissionError as error:
        raise InputError(
            f"{path}: expected a file that may be read, found that this user may not; change its "
            "permissions."
        ) from error


def check_room(folder: Path, size: int) -> None:
    """Refuse a folder that cannot take `size` bytes, without making it.

    Raises
    ------
    InputError
        If the folder, or the one it would be made in, may not be written to, is a file, or has
        less room.
    """
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise _no_access(folder, f"{existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _no_access(folder, os.strerror(errno.EACCES))
    if (free := _free(existing)) < size:
        raise _no_room(folder, size, _amount(free))


def _amount(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _no_room(folder: Path, size: int, found: str) -> InputError:
    room = f"room for {_amount(size)}" if size >= 1e3 else "room for a small file"
    return InputError(
        f"{folder}: expected {room}, found {found}; free some space or "
        "choose a folder on another disk, what is done already is kept."
    )


def _no_access(folder: Path, found: str) -> InputError:
    return InputError(
        f"{folder}: expected a folder to write to, found that it is none ({found}); change its "
        "permissions or choose another folder."
    )
