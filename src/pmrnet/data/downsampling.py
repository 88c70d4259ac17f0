"""Coarser images: smoothed against aliasing, and every n-th voxel kept."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pmrnet.errors import InputError


def downsample(image: np.ndarray, factor: int) -> np.ndarray:
    """Smooth against aliasing and keep each `factor`-th voxel, starting with the first.

    Parameters
    ----------
    image
        Array of shape (nx, ny, nz).
    factor
        Whole number of voxels per coarse voxel.

    Returns
    -------
    ndarray
        float32 of shape (ceil(nx / factor), ...).

    Raises
    ------
    InputError
        If the factor is not a whole number of at least 1.
    """
    if int(factor) != factor or factor < 1:
        raise InputError(
            f"Downsampling: expected a whole factor of at least 1, found {factor}; use 2."
        )
    factor = int(factor)
    # 0.35 voxel widths of the coarse grid: 0.7 voxels at a factor of 2.
    smooth = np.asarray(image, dtype=np.float32)
    if factor > 1:
        smooth = ndimage.gaussian_filter(smooth, 0.35 * factor, mode="nearest", truncate=4)
    return np.ascontiguousarray(smooth[::factor, ::factor, ::factor])
