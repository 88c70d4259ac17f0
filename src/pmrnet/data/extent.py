"""Where along each axis a volume holds something."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def extent(volume: NDArray) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """First and last index along every axis at which a volume (X, Y, Z) is not 0; None of zeros."""
    columns = volume.any(axis=2)
    lines = (columns.any(axis=1), columns.any(axis=0), volume.any(axis=(0, 1)))
    if not lines[0].any():
        return None
    first, last = np.transpose([np.flatnonzero(line)[[0, -1]] for line in lines])
    return first, last
