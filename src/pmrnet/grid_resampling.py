"""Linear resampling from one grid to another through an affine map, edges replicated."""

from __future__ import annotations

from itertools import product

import numpy as np
import SimpleITK as sitk
from nibabel.affines import apply_affine
from numpy.typing import NDArray


def resample_replicated(
    values: NDArray, matrix: NDArray, shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Sample values at the voxels of another grid.

    The same as SciPy's `affine_transform` of order 1 and mode "nearest", by ITK, which takes a
    third of the time and all processors.

    Parameters
    ----------
    values
        (X, Y, Z).
    matrix
        4x4, from voxel indices of the other grid to those of the values.
    shape
        Voxels of the other grid.

    Returns
    -------
    ndarray
        float32, of that shape. Beyond the values' grid, the value at its nearest edge.
    """
    matrix = np.asarray(matrix, float)
    ends = apply_affine(matrix, list(product(*[(0, n - 1) for n in shape])))
    # ITK has no value beyond the edge; so that all points lie inside, the edge is repeated.
    before = np.maximum(0, np.ceil(-ends.min(axis=0)) + 1).astype(int)
    after = np.maximum(0, np.ceil(ends.max(axis=0) - values.shape) + 2).astype(int)
    values = np.pad(
        np.asarray(values, np.float32), list(zip(before, after, strict=True)), mode="edge"
    )
    # In units of voxels; ITK counts the axes from the one that varies fastest in memory.
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[2::-1, 2::-1].ravel().tolist())
    transform.SetTranslation((matrix[:3, 3] + before)[::-1].tolist())
    resampling = sitk.ResampleImageFilter()
    resampling.SetSize([int(n) for n in reversed(shape)])
    resampling.SetTransform(transform)
    resampling.SetInterpolator(sitk.sitkLinear)
    return sitk.GetArrayFromImage(resampling.Execute(sitk.GetImageFromArray(values)))
