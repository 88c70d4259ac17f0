"""Linear resizing of fields between the levels' grids, which differ by powers of two.

Grid point i of a coarse grid lies on point 2i of the next finer one (VoxelMorph's convention:
output x reads input x / 2, clipped at the edge). Doubling twice equals resizing by four, so one
doubling per axis, written with slices, is all that is needed; its gradient has no scatter.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from pmrnet.spatial.backend import island


@island
def _double(field: object) -> object:
    for axis in range(1, len(field.shape) - 1):
        size = field.shape[axis]
        after = [slice(None)] * len(field.shape)
        last = list(after)
        after[axis], last[axis] = slice(1, size), slice(size - 1, size)
        following = ops.concatenate([field[tuple(after)], field[tuple(last)]], axis=axis)
        between = 0.5 * (field + following)
        shape = list(field.shape)
        shape[axis] = 2 * size
        shape[0] = -1
        field = ops.reshape(ops.stack([field, between], axis=axis + 1), shape)
    return field


def upsample(field: object, times: int = 1) -> object:
    """Double a field's grid `times` times by linear interpolation, values unchanged.

    Parameters
    ----------
    field
        (batch, *grid, C).
    times
        Number of doublings; 0 returns the field.

    Returns
    -------
    tensor
        (batch, *(2^times * grid), C).
    """
    for _ in range(times):
        field = _double(field)
    return field


@island
def _stretch(field: object) -> object:
    for axis in range(1, len(field.shape) - 1):
        size = field.shape[axis]
        location = np.linspace(0, size - 1, 2 * size)
        lower = np.minimum(np.floor(location).astype(int), max(size - 2, 0))
        along = [1] * len(field.shape)
        along[axis] = 2 * size
        weight = ops.reshape(ops.convert_to_tensor(location - lower, dtype=field.dtype), along)
        upper = np.minimum(lower + 1, size - 1)
        below, above = (ops.take(field, index, axis=axis) for index in (lower, upper))
        field = below + weight * (above - below)
    return field


def stretch_field(field: object) -> object:
    """Double a displacement's grid and values as VoxelMorph 0.2 does: first and last points stay.

    There, unlike in its code of 2018 and everywhere else here, a coarse voxel is not at an even
    fine one: point x of the fine grid reads x (n - 1) / (2 n - 1). For its weights only.
    """
    return _stretch(field) * 2.0


def upsample_field(field: object, times: int = 1) -> object:
    """Bring a velocity or displacement to a grid finer by 2^times.

    Its values are voxels of its own grid, so they grow by 2^times with the grid; a variance grows
    by 4^times.
    """
    return upsample(field, times) * float(2**times)
