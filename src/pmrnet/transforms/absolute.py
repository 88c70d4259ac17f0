"""Telling a field of coordinates from one of displacements: files do not say which they are."""

from __future__ import annotations

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

# Voxels along each axis that the linear part of a field is found from.
_SAMPLES = 30


def is_absolute(values: NDArray, to_mm: NDArray) -> bool:
    """Whether a field holds coordinates of the moving image, not differences to the fixed one's.

    Between brains, coordinates go to coordinates by a rotation, about one of any size where the
    headers differ, and scales near 1. Either reading has a linear part, and the right one is the
    closer to a rotation: the wrong one adds or takes away the identity, which leaves none. How much
    the two vary, by which FSL decides, tells them apart for small rotations only.

    Parameters
    ----------
    values
        The field, (X, Y, Z, 3).
    to_mm
        4x4 matrix from its voxels to the fixed image's coordinates, of the field's kind.
    """
    steps = [max(1, n // _SAMPLES) for n in values.shape[:3]]
    indices = np.mgrid[tuple(slice(0, n, s) for n, s in zip(values.shape[:3], steps, strict=True))]
    points = apply_affine(to_mm, indices.reshape(3, -1).T)
    some = values[tuple(slice(None, None, step) for step in steps)]
    found = some.reshape(-1, 3).astype(np.float64)
    points -= points.mean(axis=0)
    linear = np.linalg.lstsq(points, found - found.mean(axis=0), rcond=None)[0]
    return _from_rotation(linear) < _from_rotation(linear + np.eye(3))


def _from_rotation(matrix: NDArray) -> float:
    """How far a 3x3 matrix stretches, as the squared logarithms of its three factors."""
    factors = np.linalg.svd(matrix, compute_uv=False)
    return float(np.square(np.log(np.maximum(factors, 1e-6))).sum())
