"""Warping of one image by a displacement field outside of networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def warp_image(image: NDArray, displacement: NDArray, beyond: str = "constant") -> NDArray:
    """Image at p + u(p), linearly interpolated.

    Parameters
    ----------
    image
        (X, Y, Z).
    displacement
        u, (X, Y, Z, 3), in voxels.
    beyond
        What lies beyond the grid, as `scipy.ndimage` calls it: ``"constant"`` for 0, ``"nearest"``
        for the voxel at the edge.

    Returns
    -------
    ndarray
        float32 (X, Y, Z).
    """
    location = np.moveaxis(np.asarray(displacement, np.float32), -1, 0).copy()
    for axis, size in enumerate(image.shape):
        along = [1, 1, 1]
        along[axis] = size
        location[axis] += np.arange(size, dtype=np.float32).reshape(along)
    return ndimage.map_coordinates(np.asarray(image, np.float32), location, order=1, mode=beyond)
