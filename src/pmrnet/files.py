"""Writing files so that a kill never leaves half of one under its final name."""

from __future__ import annotations

import glob
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pmrnet.errors import InputError

_DAY = 24 * 3600.0  # seconds: longer than any file takes to be written


def check_new_file(path: Path, overwrite: bool) -> None:
    """Refuse a file's name that is taken.

    Parameters
    ----------
    path
        The file that is to be written.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    InputError
        If there is one that may not, or a folder.
    """
    if path.is_dir():
        raise InputError(
            f"{path}: expected the name of a file to write, found a folder; give another name."
        )
    # A link that leads nowhere is a file too, such as one of git-annex whose content is elsewhere.
    if os.path.lexists(path) and not overwrite:
        raise InputError(
            f"{path}: expected a new file, found one of that name; give another, or say "
            "--overwrite (in Python overwrite=True)."
        )


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends without an exception.

    Parameters
    ----------
    path : path-like
        The final name. Missing parent folders are created; an existing file is replaced.

    Yields
    ------
    pathlib.Path
        A new name in the same folder that ends with the final name, so that writers which choose
        the format by the suffix (``.nii.gz``, ``.npz``, ``.weights.h5``) choose the same one. The
        block must create this file. It is removed when the block raises, a keyboard interrupt
        included; what a kill leaves of it, when the file is written again a day later.

    Raises
    ------
    FileNotFoundError
        If the block ends without having written the temporary file.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    # Same folder, since a rename is atomic only within one file system. The name is made up rather
    # than taken from tempfile, whose files only their owner can read.
    temporary = final.with_name(f".part-{os.getpid()}-{secrets.token_hex(4)}-{final.name}")
    try:
        yield temporary
        # Without this a crash of the machine may leave an empty file under the final name.
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, final)
        leftovers = final.parent.glob(f".part-*-{glob.escape(final.name)}")
        remove_old(leftovers, _DAY)  # young ones may be at work
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_old(paths: Iterable[Path], seconds: float) -> None:
    """Delete those files that nobody has written to for some seconds, whatever cannot be stays."""
    for path in paths:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > seconds:
                path.unlink()


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    r"""Write `text` as UTF-8 with ``\n`` line ends, all of it or nothing.

    Parameters
    ----------
    path : path-like
        The file to create or replace.
    text : str
        Its whole content.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
