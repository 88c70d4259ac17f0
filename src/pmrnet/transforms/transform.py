"""What every transform can do, and what it asks of points and grids."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmrnet.data.placement import check_affine
from pmrnet.errors import InputError


class Transform(Protocol):
    """A map from points of the fixed space to points of the moving space."""

    def map_points(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (n, 3) of the fixed space in RAS mm, to the moving space."""
        ...


class Grid(Protocol):
    """Anything with voxels in a place: a `Volume`, a nibabel image.

    Attributes
    ----------
    shape : tuple of ints
        Number of voxels along each axis; what follows the third is not looked at.
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm.
    """

    shape: tuple[int, ...]
    affine: NDArray


def check_points(points: ArrayLike) -> NDArray[np.float64]:
    """Return points as a float64 array (n, 3).

    Raises
    ------
    InputError
        If it has another shape, or a coordinate is not finite.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(
            f"Points: expected an array of shape (n, 3), found {points.shape}; give x, y and z of "
            "every point."
        )
    if not np.isfinite(points).all():
        at = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise InputError(
            f"Points: expected finite coordinates, found {points[at].tolist()} at point {at + 1}; "
            "remove it."
        )
    return points


def check_grid(
    shape: tuple[int, ...], affine: ArrayLike, what: str
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape (X, Y, Z) and 4x4 float64 affine of a grid, the axes after the third left out.

    Raises
    ------
    InputError
        If there are fewer than three axes, one of them is empty, or the affine is unusable.
    """
    spatial = tuple(int(n) for n in shape[:3])
    if len(spatial) < 3 or min(spatial) < 1:
        raise InputError(
            f"{what}: expected three axes with voxels, found the shape {tuple(shape)}; give a 3-D "
            "image."
        )
    return spatial, check_affine(affine, what)
