"""The affine part of a transform, and the transform with it where its fields say nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.chain import Chain, joined, to_dense, voxel_centres
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.transform import Transform

# Enough points for a fit that a numerical inversion starts from.
_SAMPLE = 5000


def extended(transform: Transform) -> Transform:
    """The same transform, but that its fields go on beyond their grids as their affine parts do.

    A field is constant there, and breaks off from its affine part: where that is a large rotation,
    the whole has no inverse.

    Parameters
    ----------
    transform
        Any.

    Returns
    -------
    Transform
        Within the grids of its fields it agrees with `transform`.
    """
    if isinstance(transform, Chain):
        return Chain([extended(member) for member in transform.transforms])
    return Chain(split_field(transform)) if isinstance(transform, DenseTransform) else transform


def affine_part(transform: Transform) -> AffineTransform:
    """Affine part of a transform: of a field `closest_affine` on its grid, of a chain the product.

    Parameters
    ----------
    transform
        Any.
    """
    if isinstance(transform, Chain):
        return joined([affine_part(member) for member in transform.transforms])
    if isinstance(transform, DenseTransform):
        return closest_affine(transform, transform.shape, transform.affine)
    return transform


def split_field(field: DenseTransform) -> tuple[DenseTransform, AffineTransform]:
    """A field as another one followed by an affine transform, its `closest_affine`.

    Returns
    -------
    tuple of DenseTransform and AffineTransform
        The first, on the grid of `field`, takes that grid to about itself.
    """
    grid = field.shape, field.affine
    part = closest_affine(field, *grid)
    return to_dense(Chain([field, part.inverse()]), *grid), part


def closest_affine(
    transform: Transform, shape: tuple[int, ...], affine: NDArray[np.float64]
) -> AffineTransform:
    """Affine part of a transform: the least-squares fit to it on a coarse grid.

    Parameters
    ----------
    transform
        T, from the fixed to the moving space.
    shape, affine
        Where it is fitted: voxels along each axis and 4x4 matrix to RAS mm.

    Returns
    -------
    AffineTransform
        A translation alone where the fit is close to singular.
    """
    step = max(1.0, (np.prod(shape) / _SAMPLE) ** (1 / 3))
    coarse = tuple(max(1, round(n / step)) for n in shape)
    grid = affine @ np.diag([*(n / m for n, m in zip(shape, coarse, strict=True)), 1.0])
    centres = voxel_centres(coarse, grid, slice(0, coarse[2])).reshape(-1, 3)
    displacement = transform.map_points(centres) - centres
    middle, shift = centres.mean(axis=0), displacement.mean(axis=0)
    # The smallest solution: an axis of one voxel says nothing, and the identity is kept along it.
    slope = np.linalg.lstsq(centres - middle, displacement - shift, rcond=None)[0].T
    matrix = np.eye(4)
    matrix[:3, :3] += slope
    matrix[:3, 3] = shift - slope @ middle
    if np.linalg.cond(matrix[:3, :3]) > 100:
        matrix[:3, :3], matrix[:3, 3] = np.eye(3), shift
    return AffineTransform(matrix)
