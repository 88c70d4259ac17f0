"""How much memory the process has taken so far, and whether it keeps what it has freed."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# mallopt's parameters, from glibc's malloc.h. Whoever sets one ends glibc's own adaptation, so that
# what is set at the end is what it adapts to where large blocks come and go, by its malloc.c.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_ADAPTED = {_TRIM_THRESHOLD: 64 << 20, _MMAP_THRESHOLD: 32 << 20, _MMAP_MAX: 65536}
_KEEPING = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}


def peak_memory_gib() -> float | None:
    """Largest resident memory of this process up to now, in GiB; memory of a GPU is not in it.

    Returns
    -------
    float or None
        Rounded to two decimals; None on systems that do not say.
    """
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 2)


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep what is freed for what comes next, where the C library can be told so (glibc).

    For work that allocates the same large tensors over and over. Otherwise each comes from the
    system anew, which clears it page by page. It is given back at the end.
    """
    _set_allocator(_KEEPING)
    try:
        yield
    finally:
        _set_allocator(_ADAPTED)
        give_back_memory()


def give_back_memory() -> None:
    """Return freed memory to the system, where the C library has a call for that (glibc).

    Freed blocks that others have split up are kept otherwise: a gigabyte after a few pairs.
    """
    if (trim := _glibc("malloc_trim")) is not None:
        trim(0)


def _set_allocator(settings: dict[int, int]) -> None:
    if (mallopt := _glibc("mallopt")) is not None:
        for parameter, value in settings.items():
            mallopt(parameter, value)


def _glibc(name: str) -> Any:
    """A function of the C library; None where there is no such one."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
