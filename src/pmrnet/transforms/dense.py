"""Dense displacement fields in millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from pmrnet.errors import InputError
from pmrnet.transforms.transform import check_grid, check_points


@dataclass(frozen=True, eq=False)
class DenseTransform:
    """T(x) = x + d(x), d given at the voxel centres of a grid.

    Between voxel centres d is interpolated linearly. Beyond the grid it keeps the value at the
    nearest point of the grid's edge, so that T is continuous; ITK takes the identity there.

    Parameters
    ----------
    displacement
        Shape (X, Y, Z, 3), RAS mm whatever the axes of the grid; kept as float32.
    affine
        4x4 matrix from voxel indices of the grid to RAS mm of the fixed space; it may be oblique,
        anisotropic, mirrored or sheared.

    Raises
    ------
    InputError
        If the displacement has another shape or is not finite, or the affine cannot be inverted.
    """

    displacement: NDArray[np.float32]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = np.shape(self.displacement)
        if len(shape) != 4 or shape[3] != 3:
            raise InputError(
                f"Displacement field: expected the shape (X, Y, Z, 3), found {shape}; give three "
                "millimetres for every voxel of a 3-D grid."
            )
        _, affine = check_grid(shape, self.affine, "Displacement field")
        # Each component contiguous, on which interpolation is several times faster.
        with np.errstate(over="ignore"):
            components = np.ascontiguousarray(np.moveaxis(self.displacement, -1, 0), np.float32)
        if not np.isfinite(components).all():
            count = np.count_nonzero(~np.isfinite(components).all(axis=0))
            raise InputError(
                f"Displacement field: expected finite millimetres, found NaN or infinity in "
                f"{count} voxels; make the field again, or replace those vectors."
            )
        object.__setattr__(self, "displacement", np.moveaxis(components, 0, -1))
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels of the grid along each axis."""
        return self.displacement.shape[:3]

    def map_points(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (n, 3) of the fixed space in RAS mm, to the moving space."""
        points = check_points(points)
        at = apply_affine(np.linalg.inv(self.affine), points).T
        mapped = points.copy()
        for component in range(3):
            mapped[:, component] += ndimage.map_coordinates(
                self.displacement[..., component], at, output=np.float64, order=1, mode="nearest"
            )
        return mapped
