"""How much memory the process has taken so far, at most, and giving back what it has freed."""

from __future__ import annotations

import ctypes
import sys


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


def give_back_memory() -> None:
    """Return freed memory to the system, where the C library has a call for that (glibc).

    Freed blocks that others have split up are kept otherwise: a gigabyte after a few pairs.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
