"""The metric's kernel: a weighted sum of Gaussians, which turns a momentum into a velocity.

A Gaussian is a product of one matrix per axis; on these grids (about 100 voxels along an axis) the
products with whole matrices take no longer than an FFT, and nothing wraps around the border: what
lies beyond it is zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from keras import ops
from numpy.typing import NDArray

#: a Gaussian's samples this many standard deviations away no longer count in single precision
_TAIL = 9.0


def gaussian_matrix(size: int, sigma: float) -> NDArray:
    """Matrix that smooths along an axis.

    Parameters
    ----------
    size
        Voxels along the axis.
    sigma
        Standard deviation in voxels, above 0.

    Returns
    -------
    ndarray
        float64 of shape (size, size): symmetric, positive definite, the samples of a Gaussian
        whose sum over an endless axis is 1.
    """
    reach = math.ceil(_TAIL * sigma)
    total = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).sum()
    distance = np.arange(size)[:, None] - np.arange(size)
    return np.exp(-0.5 * (distance / sigma) ** 2) / total


def kernel_matrices(
    grid: tuple[int, ...], sigmas: Sequence[float], weights: Sequence[float]
) -> tuple[NDArray, ...]:
    """Matrices of K = sum of weights[s] * Gaussian(sigmas[s]).

    Parameters
    ----------
    grid
        Voxels along each axis, 2 or 3 axes.
    sigmas
        Standard deviations in voxels.
    weights
        One per Gaussian, positive. With a sum of 1, K leaves a constant field as it is, away from
        the border.

    Returns
    -------
    tuple of ndarray
        Per axis, float32 of shape (Gaussians, n, n); the weights are in the first axis's.
    """
    matrices = [np.stack([gaussian_matrix(size, sigma) for sigma in sigmas]) for size in grid]
    matrices[0] = matrices[0] * np.asarray(weights, float)[:, None, None]
    return tuple(matrix.astype(np.float32) for matrix in matrices)


def apply_kernel(field: object, matrices: tuple) -> object:
    """Smooth every component of a field by the kernel.

    Parameters
    ----------
    field
        (1, *grid, N).
    matrices
        Of `kernel_matrices`, for the same grid.

    Returns
    -------
    tensor
        (1, *grid, N).
    """
    components = ops.moveaxis(field[0], -1, 0)
    total = 0.0
    for number in range(matrices[0].shape[0]):
        smooth = components
        for axis, matrix in enumerate(matrices, start=1):
            smooth = _along(smooth, matrix[number], axis)
        total = total + smooth
    return ops.moveaxis(total, 0, -1)[None]


def _along(field: object, matrix: object, axis: int) -> object:
    """Product with a symmetric matrix along an axis."""
    shape = tuple(field.shape)
    before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    if after == 1:
        return ops.reshape(ops.matmul(ops.reshape(field, (before, shape[axis])), matrix), shape)
    columns = ops.reshape(field, (before, shape[axis], after))
    return ops.reshape(ops.matmul(matrix, columns), shape)
