"""Central differences of fields, and the change of volume under a displacement."""

from __future__ import annotations

from keras import ops

from pmrnet.spatial.backend import island


def central_difference(values: object, axis: int) -> object:
    """(values[i + 1] - values[i - 1]) / 2 along an axis, per voxel; same shape.

    What lies beyond the border takes the value at the edge, as in `pmrnet.spatial.warp`.
    """
    size = values.shape[axis]
    first, last, lower, upper = ([slice(None)] * len(values.shape) for _ in range(4))
    first[axis], last[axis] = slice(0, 1), slice(size - 1, size)
    lower[axis], upper[axis] = slice(0, size - 1), slice(1, size)
    after = ops.concatenate([values[tuple(upper)], values[tuple(last)]], axis=axis)
    before = ops.concatenate([values[tuple(first)], values[tuple(lower)]], axis=axis)
    return 0.5 * (after - before)


@island
def gradient(image: object) -> object:
    """Gradient of an image (1, *grid, 1), per voxel: (1, *grid, N)."""
    axes = range(1, len(image.shape) - 1)
    return ops.concatenate([central_difference(image, axis) for axis in axes], axis=-1)


@island
def volume_change(displacement: object) -> object:
    """Determinant of the derivative of p + u(p).

    Parameters
    ----------
    displacement
        (1, *grid, N) in voxels, N 2 or 3.

    Returns
    -------
    tensor
        (1, *grid, 1); 1 where volume is kept, 0 or less where the map folds.
    """
    axes = displacement.shape[-1]
    rows = [central_difference(displacement, axis + 1) for axis in range(axes)]
    # d[i][j] is the derivative of component i along axis j.
    d = [[rows[j][..., i] + float(i == j) for j in range(axes)] for i in range(axes)]
    if axes == 2:
        return (d[0][0] * d[1][1] - d[0][1] * d[1][0])[..., None]
    determinant = (
        d[0][0] * (d[1][1] * d[2][2] - d[1][2] * d[2][1])
        - d[0][1] * (d[1][0] * d[2][2] - d[1][2] * d[2][0])
        + d[0][2] * (d[1][0] * d[2][1] - d[1][1] * d[2][0])
    )
    return determinant[..., None]
