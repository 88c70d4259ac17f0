"""Turning what readers make of a damaged or foreign file into one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmrnet.data.room import explained_permission
from pmrnet.errors import InputError


@contextmanager
def explained_reading(path: Path, expected: str) -> Iterator[None]:
    """Raise an `InputError` that names the file for whatever goes wrong in the block.

    Parameters
    ----------
    path
        The file that the block reads.
    expected
        What it should be, with its article.

    Raises
    ------
    InputError
        If the file is missing, may not be read, or the block raises.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected {expected}, found no such file; check the path.")
    try:
        with explained_permission(path):
            yield
    except InputError as error:
        if str(error).startswith(str(path)):
            raise
        raise InputError(f"{path}: {error}") from error
    # Each of nibabel, SimpleITK, h5py, zipfile and expat has its own errors for damaged files.
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        reason = " ".join(lines[-1].split()).rstrip(".")
        raise InputError(
            f"{path}: expected {expected}, found a damaged, truncated or foreign file ({reason}); "
            "fetch it or write it again."
        ) from error
