"""Where in the moving image the voxels of the fixed grid get their values from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.chain import lies_on, map_slab, members_of, slabs
from pmrnet.transforms.transform import Transform

# Voxels worked on at a time: their coordinates stay in the processor's cache.
_BLOCK = 1 << 18

Part = tuple[slice, slice, slice]


def sampled_voxels(
    transform: Transform, shape: tuple[int, int, int], affine: NDArray, to_voxels: NDArray
) -> Iterator[tuple[Part, NDArray[np.float64]]]:
    """Map the voxels of the fixed grid to voxel indices of the moving image, part by part.

    Parameters
    ----------
    transform
        From points of the fixed to points of the moving space.
    shape, affine
        Fixed grid: voxels along each axis and 4x4 matrix to RAS mm.
    to_voxels
        4x4 matrix from RAS mm of the moving space to voxel indices of the moving image.

    Yields
    ------
    part
        Slices of the fixed grid.
    at
        (3, *its shape), the caller's own.
    """
    members = members_of(transform)
    field = None
    if lies_on(members[0], shape, affine):
        field = members.pop(0).displacement
    if not all(isinstance(member, AffineTransform) for member in members):
        for slab in slabs(shape):
            at = apply_affine(to_voxels, map_slab(transform, shape, affine, slab))
            yield (slice(None), slice(None), slab), np.ascontiguousarray(np.moveaxis(at, -1, 0))
        return
    # All else is one matrix: no point need be computed in millimetres.
    matrix = to_voxels
    for member in reversed(members):
        matrix = matrix @ member.matrix
    linear = matrix @ affine
    thickness = max(1, _BLOCK // (shape[1] * shape[2]))
    for start in range(0, shape[0], thickness):
        part = (slice(start, min(start + thickness, shape[0])), slice(None), slice(None))
        yield part, _linear_part(linear, matrix, field, part, shape)


def _linear_part(
    linear: NDArray,
    matrix: NDArray,
    field: NDArray | None,
    part: Part,
    shape: tuple[int, int, int],
) -> NDArray[np.float64]:
    """Linear map of the voxels' indices, and the same of the field's millimetres."""
    axes = [np.arange(*s.indices(n), dtype=np.float64) for s, n in zip(part, shape, strict=True)]
    i, j, k = np.ix_(*axes)
    at = np.empty((3, *(len(axis) for axis in axes)))
    own = np.empty(at.shape[1:])
    for row in range(3):
        a, b, c, d = linear[row]
        np.add(a * i + b * j + d, c * k, out=at[row])
        for component in range(3 if field is not None else 0):
            np.multiply(field[(*part, component)], matrix[row, component], out=own)
            at[row] += own
    return at
