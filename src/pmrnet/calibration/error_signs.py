"""Maps that might say where a registration is wrong, other than its posterior.

All are on one grid, of a displacement u in its voxels: the moved image at p is the moving one at
p + u(p).
"""

from __future__ import annotations

import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy import ndimage

from pmrnet import spatial
from pmrnet.metrics import LOG_FLOOR, jacobian_determinant

# Standard deviation, in voxels, of the smoothing of what is measured voxel by voxel.
_SMOOTHING = 2.0


def round_trip(forward: NDArray, backward: NDArray) -> NDArray:
    """How far two registrations, of a pair and of the same pair swapped, miss each other.

    Parameters
    ----------
    forward, backward
        Displacements (X, Y, Z, 3) of two runs, not of one and its inverse.

    Returns
    -------
    ndarray
        (X, Y, Z): length of u(p) + v(p + u(p)), voxels, smoothed. 0 if they agree.
    """
    left = ops.convert_to_numpy(spatial.compose(backward[None], forward[None]))[0]
    return _smoothed(np.linalg.norm(left, axis=-1))


def volume_change(displacement: NDArray) -> NDArray:
    """Absolute logarithm of the Jacobian determinant, smoothed; (X, Y, Z)."""
    determinant = np.maximum(jacobian_determinant(displacement), LOG_FLOOR)
    return _smoothed(np.abs(np.log(determinant)))


def strain(displacement: NDArray) -> NDArray:
    """Frobenius norm of the displacement's gradient, smoothed; (X, Y, Z)."""
    gradients = [np.gradient(displacement[..., axis]) for axis in range(3)]
    return _smoothed(np.sqrt(sum(np.square(g) for of in gradients for g in of)))


def local_dissimilarity(moved: NDArray, fixed: NDArray, window: int = 9) -> NDArray:
    """One minus the correlation of two images within a cube around each voxel; (X, Y, Z), 0 to 2.

    Parameters
    ----------
    moved, fixed
        Images (X, Y, Z), in [0, 1].
    window
        Voxels along the cube's edge. Cubes without contrast count as uncorrelated.
    """
    a, b = (np.asarray(image, float) for image in (moved, fixed))
    mean = [ndimage.uniform_filter(x, window) for x in (a, b, a * a, b * b, a * b)]
    covariance = mean[4] - mean[0] * mean[1]
    variances = np.maximum(mean[2] - mean[0] ** 2, 0) * np.maximum(mean[3] - mean[1] ** 2, 0)
    return 1 - covariance / np.sqrt(variances + 1e-8)


def _smoothed(values: NDArray) -> NDArray:
    return ndimage.gaussian_filter(np.asarray(values, np.float32), _SMOOTHING)
