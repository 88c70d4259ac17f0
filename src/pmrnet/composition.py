"""From a displacement on the network grid to one transform between two native spaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pmrnet.grid_resampling import resample_replicated


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
    # The affine part, less the point itself: linear in the voxel index.
    linear = to_moving @ to_grid - np.asarray(fixed.affine, float)
    result = np.empty((3, *fixed.shape), np.float32)
    axes = np.ogrid[tuple(slice(n) for n in fixed.shape)]
    for component, row in zip(result, linear[:3], strict=True):
        a, b, c = (factor * index for factor, index in zip(row, axes, strict=False))
        np.add((a + b) + row[3], c, out=component, casting="same_kind")
    if displacement is not None:
        # In millimetres before it is sampled, which leaves less to do: the fixed grid is larger.
        mm = np.asarray(displacement, np.float32) @ to_moving[:3, :3].T.astype(np.float32)
        result += resample_replicated(mm, to_grid, fixed.shape)
    return np.moveaxis(result, 0, -1)
