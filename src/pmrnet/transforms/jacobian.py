"""How much a dense transform enlarges or shrinks, voxel by voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pmrnet.transforms.chain import slabs
from pmrnet.transforms.dense import DenseTransform


def jacobian_determinant(transform: DenseTransform) -> NDArray[np.float32]:
    """Determinant of the derivative of T with respect to millimetres.

    Parameters
    ----------
    transform
        On any grid: `to_dense` makes one of other transforms.

    Returns
    -------
    ndarray, float32, shape (X, Y, Z)
        1 where volume is kept, above 1 where the moving anatomy is shrunk to fit (T takes a small
        volume of the fixed space to a larger one), 0 or below where T folds.

    Notes
    -----
    Derivatives are central differences, one-sided at the edges of the grid, along its axes; the
    inverse of its matrix turns them into derivatives along x, y and z, so that oblique, anisotropic
    and sheared grids give what an isotropic one gives. Along an axis of one voxel d is constant,
    as it is beyond the grid.
    """
    shape = transform.shape
    to_index = np.linalg.inv(transform.affine[:3, :3])
    result = np.empty(shape, np.float32)
    for slab in slabs(shape):
        # One plane more on both sides, where there is one, for the differences.
        low, high = max(slab.start - 1, 0), min(slab.stop + 1, shape[2])
        part = np.asarray(transform.displacement[:, :, low:high], np.float64)
        inner = slice(slab.start - low, slab.stop - low)
        along = [
            (np.gradient(part, axis=axis) if part.shape[axis] > 1 else np.zeros_like(part))[
                :, :, inner
            ]
            for axis in range(3)
        ]
        # rows[i][j] is the derivative of component i of T along coordinate j.
        rows = [
            [
                sum(along[axis][..., i] * to_index[axis, j] for axis in range(3)) + (i == j)
                for j in range(3)
            ]
            for i in range(3)
        ]
        a, b, c = rows
        result[:, :, slab] = (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
        )
    return result
