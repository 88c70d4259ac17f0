"""Several transforms one after the other, and one field that stands for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmrnet.errors import InputError
from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.transform import Transform, check_grid, check_points

# Points worked on at a time: some 100 MB of coordinates and what is made of them.
_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Chain:
    """T(x) = t_n(... t_2(t_1(x))).

    Parameters
    ----------
    transforms
        t_1 to t_n, the one nearest to the fixed image first; chains among them are opened.

    Raises
    ------
    InputError
        If there is none.
    """

    transforms: Sequence[Transform]

    def __post_init__(self) -> None:
        members: list[Transform] = []
        for transform in self.transforms:
            members.extend(members_of(transform))
        if not members:
            raise InputError("Chain: expected one transform or more, found none; name them.")
        object.__setattr__(self, "transforms", tuple(members))

    def map_points(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (n, 3) of the fixed space in RAS mm, to the moving space."""
        points = check_points(points)
        for transform in self.transforms:
            points = transform.map_points(points)
        return points


def members_of(transform: Transform) -> list[Transform]:
    """The transforms of a chain, the one nearest to the fixed image first; of another, itself."""
    return list(transform.transforms) if isinstance(transform, Chain) else [transform]


def joined(transforms: Sequence[Transform]) -> Transform:
    """One transform of several, the one nearest to the fixed image first.

    Returns
    -------
    Transform
        The only one; an `AffineTransform` if all of them are; else a `Chain`.

    Raises
    ------
    InputError
        If there is none.
    """
    chain = Chain(transforms)
    if len(chain.transforms) == 1:
        return chain.transforms[0]
    if not all(isinstance(member, AffineTransform) for member in chain.transforms):
        return chain
    matrix = np.eye(4)
    for member in chain.transforms:
        matrix = member.matrix @ matrix
    return AffineTransform(matrix)


def slabs(shape: tuple[int, int, int]) -> Iterator[slice]:
    """Parts of a grid along its last axis, each small enough to be worked on in memory."""
    thickness = max(1, _BLOCK // (shape[0] * shape[1]))
    for start in range(0, shape[2], thickness):
        yield slice(start, min(start + thickness, shape[2]))


def voxel_centres(shape: tuple[int, int, int], affine: NDArray, slab: slice) -> NDArray[np.float64]:
    """Voxel centres of a slab of a grid in RAS mm, shape (X, Y, thickness, 3)."""
    i, j, k = np.ogrid[: shape[0], : shape[1], slab]
    centres = np.empty((*shape[:2], slab.stop - slab.start, 3))
    for row in range(3):
        a, b, c, d = affine[row]
        np.add(a * i + b * j + d, c * k, out=centres[..., row])
    return centres


def lies_on(transform: Transform, shape: tuple[int, int, int], affine: NDArray) -> bool:
    """Whether it is a field on this very grid, which needs no interpolation."""
    return (
        isinstance(transform, DenseTransform)
        and transform.shape == shape
        and np.allclose(transform.affine, affine, rtol=0, atol=1e-6)
    )


def map_slab(
    transform: Transform, shape: tuple[int, int, int], affine: NDArray, slab: slice
) -> NDArray[np.float64]:
    """Where a transform takes the voxel centres of a slab: RAS mm, (X, Y, thickness, 3)."""
    centres = voxel_centres(shape, affine, slab)
    members = members_of(transform)
    first = members[0]
    if lies_on(first, shape, affine):
        centres += first.displacement[:, :, slab]
        members = members[1:]
    points = centres.reshape(-1, 3)
    for member in members:
        points = member.map_points(points)
    return points.reshape(centres.shape)


def to_dense(transform: Transform, shape: tuple[int, ...], affine: ArrayLike) -> DenseTransform:
    """One displacement field in place of a transform, so that images are interpolated once.

    Parameters
    ----------
    transform
        Any, mostly a `Chain`.
    shape
        Voxels of the grid along each axis; those after the third are left out.
    affine
        4x4 matrix from its voxel indices to RAS mm of the fixed space.

    Returns
    -------
    DenseTransform
        Exact at the voxel centres; between them it is interpolated.

    Raises
    ------
    InputError
        If the grid is no 3-D grid.
    """
    shape, affine = check_grid(shape, affine, "Grid of the displacement field")
    if lies_on(transform, shape, affine):
        return transform
    components = np.empty((3, *shape), np.float32)
    for slab in slabs(shape):
        moved = map_slab(transform, shape, affine, slab) - voxel_centres(shape, affine, slab)
        components[..., slab] = np.moveaxis(moved, -1, 0)
    return DenseTransform(np.moveaxis(components, 0, -1), affine)
