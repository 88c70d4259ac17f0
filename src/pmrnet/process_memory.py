"""How much memory the process has taken so far, at most."""

from __future__ import annotations

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
