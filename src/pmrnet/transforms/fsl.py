"""FSL's coordinates: warps and FLIRT matrices between two headers.

FSL measures in millimetres along the voxel axes of an image, from the centre of its first voxel:
voxel index times voxel size. Where the affine is not mirrored (a positive determinant, as in RAS+),
x runs the other way, from the last voxel. Rotation and origin of the header are left out, so that a
warp of FSL tells nothing without the headers of both images.

A relative warp, on the grid of the fixed image, holds for every voxel the FSL coordinates of its
point in the moving image less those in the fixed one; a FLIRT matrix takes FSL coordinates of the
moving image to those of the fixed one.

Give ``applywarp`` the option ``--rel``: its own guess at relative or absolute goes wrong where the
axes of the two images are ordered or mirrored in different ways.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from pmrnet.errors import InputError
from pmrnet.transforms.absolute import is_absolute
from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.chain import map_slab, slabs, voxel_centres
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.field_image import read_fsl_image
from pmrnet.transforms.reading import explained_reading
from pmrnet.transforms.transform import Grid, check_grid


def fsl_frame(grid: Grid, what: str) -> NDArray[np.float64]:
    """4x4 matrix from RAS mm to the FSL coordinates of an image.

    Raises
    ------
    InputError
        If it is no 3-D grid.
    """
    shape, affine = check_grid(grid.shape, grid.affine, what)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    scaled = np.diag([*sizes, 1.0])
    if np.linalg.det(affine[:3, :3]) > 0:
        scaled[0, 0], scaled[0, 3] = -sizes[0], (shape[0] - 1) * sizes[0]
    return scaled @ np.linalg.inv(affine)


def to_fsl(transform: DenseTransform, moving: Grid) -> NDArray[np.float32]:
    """Values of the relative warp on the transform's own grid, shape (X, Y, Z, 3)."""
    to_fixed = fsl_frame(transform, "fixed")
    to_moving = fsl_frame(moving, "moving")
    values = np.empty((*transform.shape, 3), np.float32)
    for slab in slabs(transform.shape):
        there = map_slab(transform, transform.shape, transform.affine, slab)
        here = voxel_centres(transform.shape, transform.affine, slab)
        values[:, :, slab] = apply_affine(to_moving, there) - apply_affine(to_fixed, here)
    return values


def read_fsl_warp(path: Path, fixed: Grid, moving: Grid) -> DenseTransform:
    """Read a relative warp.

    Parameters
    ----------
    path
        NIfTI file of shape (X, Y, Z, 3) on the grid of the fixed image.
    fixed, moving
        The images that it was made for.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another form, on another grid than the fixed image, or
        an absolute warp.
    """
    values, affine, known = read_fsl_image(path)
    shape, fixed_affine = check_grid(fixed.shape, fixed.affine, "fixed")
    if values.shape[:3] != shape or not np.allclose(affine, fixed_affine, atol=1e-3):
        raise InputError(
            f"{path}: expected a warp on the grid of the fixed image, {shape}, found "
            f"{values.shape[:3]} or another affine; give the image that was the reference of FSL."
        )
    from_moving, to_fixed = np.linalg.inv(fsl_frame(moving, "moving")), fsl_frame(fixed, "fixed")
    centres = voxel_centres(shape, affine, slice(0, shape[2]))
    here = apply_affine(to_fixed, centres)
    with explained_reading(path, "a warp of FSL"):
        field = DenseTransform(apply_affine(from_moving, here + values) - centres, affine)
    if not known and is_absolute(values, to_fixed @ affine):
        raise InputError(
            f"{path}: expected a relative warp of FSL, found an absolute one; convert it by "
            "`convertwarp --abs --relout`."
        )
    return field


def is_flirt_matrix(path: Path) -> bool:
    """Whether a file is sixteen numbers in plain text."""
    with explained_reading(path, "an affine transform"), path.open("rb") as stream:
        words = stream.read(4000).split()
    try:
        return len([float(word) for word in words]) == 16
    except ValueError:
        return False


def read_flirt_matrix(path: Path, fixed: Grid, moving: Grid) -> AffineTransform:
    """Read a FLIRT matrix between two images.

    Raises
    ------
    InputError
        If the file is missing or is no invertible 4x4 matrix.
    """
    with explained_reading(path, "a FLIRT matrix"):
        matrix = np.loadtxt(path).reshape(4, 4)
        inverse = AffineTransform(
            np.linalg.inv(fsl_frame(fixed, "fixed")) @ matrix @ fsl_frame(moving, "moving")
        )
    return inverse.inverse()


def flirt_matrix(transform: AffineTransform, fixed: Grid, moving: Grid) -> str:
    """Text of the FLIRT matrix of a transform between two images."""
    to_fixed, to_moving = fsl_frame(fixed, "fixed"), fsl_frame(moving, "moving")
    matrix = to_fixed @ transform.inverse().matrix @ np.linalg.inv(to_moving)
    return "\n".join("  ".join(f"{value:.10f}" for value in row) for row in matrix) + "\n"
