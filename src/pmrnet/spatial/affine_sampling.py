"""Sampling values at the voxels of another grid, through an affine map between the two."""

from __future__ import annotations

from keras import ops

from pmrnet.spatial.backend import island
from pmrnet.spatial.interpolation import interpolate


@island
def sample_affine(values: object, matrix: object, *, shape: tuple[int, ...]) -> object:
    """Values at the points A p of their grid, for the voxels p of another: linear.

    Parameters
    ----------
    values
        (*grid, C); N grid axes.
    matrix
        Homogeneous (N + 1, N + 1) matrix A, from voxel indices p to those of the values.
    shape
        Voxels of the other grid, N axes.

    Returns
    -------
    tensor
        (C, *shape), so that each component is contiguous. Points outside the values' grid take the
        value at its edge.
    """
    axes = len(shape)
    indices = [
        ops.reshape(ops.arange(n, dtype="float32"), [-1 if a == axis else 1 for a in range(axes)])
        for axis, n in enumerate(shape)
    ]
    displacement = [
        sum(matrix[row, axis] * index for axis, index in enumerate(indices))
        + (matrix[row, axes] - indices[row])
        for row in range(axes)
    ]
    sampled = interpolate(values[None], ops.stack(displacement, axis=-1)[None])
    return ops.moveaxis(sampled[0], -1, 0)
