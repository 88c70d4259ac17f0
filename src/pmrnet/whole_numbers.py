"""Whole numbers among floating-point ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A header holds its scale in single precision: 410 times 0.1 comes out as 41.0000006.
_ROUNDING = 4 * np.finfo(np.float32).eps


def is_whole(values: NDArray) -> NDArray[np.bool_]:
    """Where a value is a whole number but for the rounding of a scale in single precision.

    Parameters
    ----------
    values
        Real numbers; infinity and NaN are none.
    """
    rounded = np.rint(values)
    finite = np.isfinite(values)
    # Infinity less itself is no number, and no warning is wanted of it.
    apart = np.abs(np.subtract(values, rounded, where=finite, out=np.zeros(values.shape)))
    return finite & (apart <= _ROUNDING * np.abs(rounded))
