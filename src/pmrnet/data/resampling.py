"""Resampling of a volume through an affine map."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pmrnet.data.volume import Volume
from pmrnet.errors import InputError


def resample(
    volume: Volume,
    grid_affine: np.ndarray,
    grid_shape: tuple[int, int, int],
    fixed_to_moving: np.ndarray,
    order: int,
) -> Volume:
    """Bring a volume onto a grid through an affine map, by a single interpolation.

    Parameters
    ----------
    volume
        The moving volume.
    grid_affine
        4x4 voxel-to-RAS matrix of the grid to fill.
    grid_shape
        Its number of voxels along x, y and z.
    fixed_to_moving
        4x4 matrix from RAS+ mm of the grid's space to RAS+ mm of the volume's space.
    order
        1 linear, 0 nearest neighbour (for labels: the type is kept).

    Returns
    -------
    Volume
        On the grid; zero where the volume has no data.
    """
    if order not in (0, 1):
        raise InputError(f"Resampling: expected the order 0 or 1, found {order}; choose one.")
    matrix = np.linalg.inv(volume.affine) @ fixed_to_moving @ grid_affine
    data = ndimage.affine_transform(
        volume.data if order == 0 else np.asarray(volume.data, dtype=np.float32),
        matrix[:3, :3],
        offset=matrix[:3, 3],
        output_shape=tuple(grid_shape),
        order=order,
        mode="grid-constant",  # a voxel at the border counts up to its own border
        cval=0,
        prefilter=False,
    )
    return Volume(data, np.array(grid_affine, dtype=np.float64))
