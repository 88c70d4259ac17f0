"""Affine transforms between two spaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import ArrayLike, NDArray

from pmrnet.errors import InputError
from pmrnet.transforms.transform import check_points


@dataclass(frozen=True, eq=False)
class AffineTransform:
    """T(x) = M x on homogeneous coordinates.

    Parameters
    ----------
    matrix
        4x4, from RAS mm of the fixed space to RAS mm of the moving space; invertible.

    Raises
    ------
    InputError
        If the matrix has another shape, is not finite or cannot be inverted.
    """

    matrix: NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        ok = matrix.shape == (4, 4) and np.isfinite(matrix).all()
        ok = ok and np.allclose(matrix[3], (0, 0, 0, 1))
        # A condition number instead of a determinant, which depends on the scale alone.
        if not ok or np.linalg.cond(matrix[:3, :3]) > 1e8:
            raise InputError(
                f"Affine transform: expected an invertible 4x4 matrix in mm, found "
                f"{matrix.tolist()}; check the file that it comes from."
            )
        object.__setattr__(self, "matrix", matrix)

    def map_points(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (n, 3) of the fixed space in RAS mm, to the moving space."""
        return apply_affine(self.matrix, check_points(points))

    def inverse(self) -> AffineTransform:
        """The transform from the moving to the fixed space."""
        return AffineTransform(np.linalg.inv(self.matrix))
