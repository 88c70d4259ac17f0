"""How much a dense transform enlarges or shrinks, voxel by voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pmrnet.transforms.dense import DenseTransform

# Voxels worked on at a time: what is computed of them stays in the processor's cache.
_BLOCK = 1 << 17


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
    to_index = np.linalg.inv(transform.affine[:3, :3]).tolist()  # keeps what it meets in float32
    components = np.moveaxis(transform.displacement, -1, 0)  # each of them contiguous
    result = np.empty(shape, np.float32)
    thickness = max(1, _BLOCK // (shape[1] * shape[2]))
    for start in range(0, shape[0], thickness):
        stop = min(start + thickness, shape[0])
        # One plane more on both sides, where there is one, for the differences.
        low, high = max(start - 1, 0), min(stop + 1, shape[0])
        inner = slice(start - low, stop - low)
        # rows[i][j] is the derivative of component i of T along coordinate j.
        rows = []
        for i, component in enumerate(components[:, low:high]):
            along = [
                np.gradient(component, axis=axis)[inner]
                if component.shape[axis] > 1
                else np.zeros((stop - start, *shape[1:]), np.float32)
                for axis in range(3)
            ]
            rows.append(
                [
                    # Of a grid along the axes of space, two of three factors are 0.
                    sum(
                        (row[j] * d for row, d in zip(to_index, along, strict=True) if row[j]),
                        i == j,
                    )
                    for j in range(3)
                ]
            )
        a, b, c = rows
        result[start:stop] = (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
        )
    return result
