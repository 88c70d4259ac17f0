"""From a displacement on the network grid to one transform between two native spaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an image lies, and how it was aligned to the network grid.

    Parameters
    ----------
    affine
        4x4 voxel-to-RAS matrix of the native grid, mm.
    shape
        Its number of voxels.
    grid_to_native
        4x4 matrix from voxel indices of the network grid to those of the native grid.
    """

    affine: NDArray
    shape: tuple[int, int, int]
    grid_to_native: NDArray


def native_displacement(
    fixed: Placement, moving: Placement, displacement: NDArray | None = None
) -> NDArray:
    """Displacement in mm, on the fixed native grid, of the map from fixed to moving space.

    Parameters
    ----------
    fixed, moving
        Both aligned to one network grid.
    displacement
        Field u (X, Y, Z, 3) in voxels of the network grid such that the moved image at voxel q is
        the moving one at q + u(q); None for the affine alignment alone. Interpolated linearly;
        beyond the network grid it keeps the value at the nearest edge.

    Returns
    -------
    ndarray, float32, shape (*fixed.shape, 3)
        d(p) in RAS mm: the point A_fixed p of the fixed space goes to A_fixed p + d(p) in the
        moving space.
    """
    to_grid = np.linalg.inv(np.asarray(fixed.grid_to_native, float))
    to_moving = np.asarray(moving.affine, float) @ np.asarray(moving.grid_to_native, float)
    # Components one after the other, which is several times faster than side by side.
    result = np.empty((3, *fixed.shape), np.float32)
    # The affine part, less the point itself: linear in the voxel index.
    linear = to_moving @ to_grid - np.asarray(fixed.affine, float)
    axes = np.ogrid[tuple(slice(n) for n in fixed.shape)]
    for row in range(3):
        result[row] = linear[row, 3] + sum(linear[row, a] * axes[a] for a in range(3))
    if displacement is not None:
        for component in range(3):
            # On the whole grid at once: the matrix is nearly diagonal, which SciPy is fast at.
            u = ndimage.affine_transform(
                np.ascontiguousarray(displacement[..., component], np.float32),
                to_grid[:3, :3],
                to_grid[:3, 3],
                output_shape=fixed.shape,
                output=np.float32,
                order=1,
                mode="nearest",
            )
            for row in range(3):
                result[row] += np.float32(to_moving[row, component]) * u
    return np.moveaxis(result, 0, -1)
