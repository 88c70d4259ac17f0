"""Where voxels are: checks of voxel-to-millimetre matrices, alone and against each other."""

from __future__ import annotations

import shlex
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike

from pmrnet.errors import InputError

if TYPE_CHECKING:
    from pmrnet.data.volume import Volume

#: 4x4 matrix between RAS+ and ITK's LPS millimetres, its own inverse
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

# Voxel sizes in mm of brain images lie well inside; outside, the unit is most likely another one.
SMALLEST_VOXEL, LARGEST_VOXEL = 0.05, 10.0
# How far apart a header's two matrices may put a voxel: this part of the shortest voxel side, and
# by the angle in radians that the rounding of a quaternion close to half a turn amounts to.
_AGREEMENT, _ROUNDING = 0.5, 2e-3
# Of the product of the axes' directions with its transpose from the identity: 0.2 mm over a brain.
_PERPENDICULAR = 1e-3


def check_affine(affine: ArrayLike, what: str) -> np.ndarray:
    """Return `affine` as a 4x4 float64 matrix.

    Raises
    ------
    InputError
        If it is not 4x4, not finite, not homogeneous or not invertible.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    ok = matrix.shape == (4, 4) and np.isfinite(matrix).all()
    ok = ok and np.allclose(matrix[3], (0, 0, 0, 1))
    # Relative to the voxel size, so that a grid of micrometres is not called singular.
    if ok:
        sizes = np.linalg.norm(matrix[:3, :3], axis=0)
        ok = sizes.min() > 0 and abs(np.linalg.det(matrix[:3, :3] / sizes)) > 1e-6
    if not ok:
        raise InputError(
            f"{what}: expected an invertible 4x4 voxel-to-mm matrix, found "
            f"{matrix.tolist()}; repair the header (qform/sform) first."
        )
    return matrix


def closest_perpendicular(affine: np.ndarray) -> np.ndarray | None:
    """Directions of the voxel axes as the closest perpendicular ones; None if those are far.

    ITK's grids have no others. The rounding of a header leaves axes off by 1e-5.

    Parameters
    ----------
    affine
        4x4, voxel to mm.

    Returns
    -------
    ndarray or None
        3x3, orthogonal, an axis in each column.
    """
    direction = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(direction.T @ direction, np.eye(3), atol=_PERPENDICULAR):
        return None
    u, _, vt = np.linalg.svd(direction)
    return u @ vt


def check_voxel_size(sizes: ArrayLike, what: str) -> None:
    """Refuse voxels of a size in mm, shape (3,), that no brain image has.

    Raises
    ------
    InputError
        If a side is below `SMALLEST_VOXEL`, 0 included, or above `LARGEST_VOXEL`.
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    if not ((sizes >= SMALLEST_VOXEL) & (sizes <= LARGEST_VOXEL)).all():
        raise InputError(
            f"{what}: expected voxel sides between {SMALLEST_VOXEL} and {LARGEST_VOXEL:g} mm, "
            f"found {' x '.join(f'{s:.4g}' for s in sizes)}; correct the voxel size in the header, "
            "whose unit may be another one."
        )


def axis_codes(affine: np.ndarray) -> str:
    """Where the three voxel axes point: of left/right, posterior/anterior, inferior/superior.

    ``RAS``, for example, if the first points to the right, the second to the front, the third up.
    """
    return "".join(nib.aff2axcodes(affine))


def check_header(header: nib.Nifti1Header, block: bytes, shape: tuple[int, ...], what: str) -> None:
    """Refuse a NIfTI header whose two matrices contradict each other, or whose voxels are no size.

    Parameters
    ----------
    header
        As nibabel repaired it.
    block
        As it is in the file.
    shape
        Number of voxels along each axis.
    what
        The file, for messages.

    Raises
    ------
    InputError
        If qform and sform are both set and put some voxel more than half a voxel and rounding
        apart, or if the voxel sizes are needed and one of them is 0, which nibabel takes for 1.
    """
    qform_code, sform_code = int(header["qform_code"]), int(header["sform_code"])
    if sform_code <= 0:
        check_voxel_size(np.abs(type(header)(block, check=False)["pixdim"][1:4]), what)
    if qform_code <= 0 or sform_code <= 0:
        return
    shape = (*shape, 1, 1, 1)[:3]
    sform = check_affine(header.get_sform(), what)
    try:
        qform = check_affine(header.get_qform(), what)
    except (ValueError, nib.spatialimages.HeaderDataError) as error:  # no rotation, or no size
        raise InputError(
            f"{what}: expected a rotation in the qform, found none ({error}); if the sform is "
            f"right, run `fslorient -copysform2qform {shlex.quote(what)}`."
        ) from error
    corners = list(product(*[(0, n - 1) for n in shape]))
    apart = _distance(qform, sform, corners).max()
    sizes = np.linalg.norm(sform[:3, :3], axis=0)
    diagonal = np.linalg.norm(sizes * (np.array(shape) - 1))
    if apart <= _AGREEMENT * sizes.min() + _ROUNDING * diagonal:
        return
    middle = _distance(qform, sform, [[(n - 1) / 2 for n in shape]])[0]
    raise InputError(
        f"{what}: expected qform and sform to agree, found that they differ by "
        f"{_turn(qform, sform)}, by {middle:.1f} mm in the middle of the grid and {apart:.1f} mm "
        f"at its corners; the qform ({header.get_value_label('qform_code')}) is the rigid place "
        f"that scanners write and the sform ({header.get_value_label('sform_code')}) any affine "
        f"one, so keep the right one: `fslorient -copyqform2sform {shlex.quote(what)}` for the "
        f"qform, `fslorient -copysform2qform {shlex.quote(what)}` for the sform."
    )


def check_same_grid(
    path: str | Path, volume: Volume, image_path: str | Path, image: Volume
) -> None:
    """Refuse a volume that is not on the grid of the image it belongs to.

    Raises
    ------
    InputError
        If the shapes differ, or the affines by more than their rounding.
    """
    if (found := other_grid(volume, image)) is None:
        return
    raise InputError(
        f"{path}: expected the grid of the image {image_path}, {image.shape}, found {found}; "
        "resample it to the image's grid, by nearest neighbour."
    )


def other_grid(volume: Any, expected: Any) -> str | None:
    """What of a volume's grid is not as expected, to follow "found"; None if all is.

    Both are anything with a `shape` and an `affine`. Affines may differ by their rounding, and axes
    after the third do not count.
    """
    shape, other = (tuple(int(n) for n in grid.shape[:3]) for grid in (expected, volume))
    if other != shape:
        return f"{other}"
    if np.allclose(volume.affine, expected.affine, atol=1e-3):
        return None
    corners = list(product(*[(0, n - 1) for n in shape]))
    apart = _distance(volume.affine, expected.affine, corners).max()
    return f"another affine, which puts voxels up to {apart:.3g} mm elsewhere"


def _distance(first: np.ndarray, second: np.ndarray, voxels: ArrayLike) -> np.ndarray:
    """Millimetres between where two matrices put the same voxels."""
    apart = [nib.affines.apply_affine(matrix, voxels) for matrix in (first, second)]
    return np.linalg.norm(apart[0] - apart[1], axis=-1)


def _turn(first: np.ndarray, second: np.ndarray) -> str:
    """Angle of the rotation between two matrices, in words."""
    u, _, vt = np.linalg.svd(first[:3, :3] @ np.linalg.inv(second[:3, :3]))
    rotation = u @ vt
    if np.linalg.det(rotation) < 0:
        return "a mirroring"
    angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    return f"{angle:.1f} degrees"
