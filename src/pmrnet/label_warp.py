"""Moving manual labels onto the fixed subject's native grid by one interpolation.

Coordinates are voxel indices (x, y, z), affines are 4x4 matrices on homogeneous indices. Labels
are never resampled twice: the affine alignment of both subjects and the deformation between them
are composed into one map first, and the labels are looked up once, at the nearest voxel.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pmrnet.data.extent import extent
from pmrnet.errors import InputError


class ScoredSubject(Protocol):
    """What scoring needs of a subject; any object with these members will do.

    Attributes
    ----------
    name : str
        Name of the subject in the protocol.
    grid_to_native : ndarray, shape (4, 4)
        Voxel indices of the network grid to voxel indices of the subject's native grid.
    native_affine : ndarray, shape (4, 4)
        Voxel indices of the native grid to world coordinates in millimetres (RAS+).
    native_shape : tuple of three ints
        Shape of the native grid.
    """

    name: str
    grid_to_native: NDArray
    native_affine: NDArray
    native_shape: tuple[int, int, int]

    def labels(self) -> Any:
        """Manual labels: an object whose ``data`` is an integer array of `native_shape`."""


def moved_labels(
    fixed: ScoredSubject, moving: ScoredSubject, displacement: NDArray | None = None
) -> NDArray:
    """Labels of the moving subject on the native grid of the fixed one.

    Parameters
    ----------
    fixed, moving : ScoredSubject
        Both aligned to one network grid by their `grid_to_native`.
    displacement : ndarray, shape (X, Y, Z, 3), optional
        Field `u` in voxels of the network grid, such that the moved image at voxel `q` is the
        moving image at ``q + u(q)``. None for the affine alignment alone.

    Returns
    -------
    ndarray, shape `fixed.native_shape`
        In the integer type of the moving labels. Voxel `p` of the fixed grid lies at
        ``q = inv(M_fixed) p`` of the network grid and takes the moving label at
        ``M_moving (q + u(q))``, at the nearest voxel, 0 outside of the moving volume.

    Raises
    ------
    InputError
        If the displacement has another form or is not finite, or the labels are not whole numbers.

    Notes
    -----
    `u` is interpolated linearly at `q`, and beyond the network grid it keeps the value of the
    nearest edge voxel. "Nearest" rounds halves up, as ITK does: rounding them to even would, for
    a shift of half a voxel, repeat every other voxel and drop the ones between. The arithmetic on
    coordinates is in single precision.
    """
    to_grid = np.linalg.inv(np.asarray(fixed.grid_to_native, float))
    from_grid = np.asarray(moving.grid_to_native, float)
    labels = compact_labels(moving.labels().data)
    return _look_up(labels, tuple(fixed.native_shape), to_grid, from_grid, displacement)


def header_moved_labels(fixed: ScoredSubject, moving: ScoredSubject) -> NDArray:
    """Labels of the moving subject where the files' headers put them: no alignment at all.

    Parameters
    ----------
    fixed, moving : ScoredSubject

    Returns
    -------
    ndarray, shape `fixed.native_shape`
        The moving label at ``inv(A_moving) A_fixed p`` for every voxel `p` of the fixed grid,
        nearest neighbour, 0 outside of the moving volume.
    """
    to_moving = np.linalg.solve(
        np.asarray(moving.native_affine, float), np.asarray(fixed.native_affine, float)
    )
    labels = compact_labels(moving.labels().data)
    return _look_up(labels, tuple(fixed.native_shape), to_moving, np.eye(4), None)


def labels_on_grid(
    subject: ScoredSubject, shape: tuple[int, int, int], step: float = 1.0
) -> NDArray:
    """Labels of a subject on its network grid, or on one of other voxels.

    Parameters
    ----------
    subject : ScoredSubject
    shape : tuple of three ints
        Shape of the grid.
    step : float
        Size of the grid's voxels, in voxels of the network grid; its first voxel has the centre
        of the network grid's first one.

    Returns
    -------
    ndarray of integers, shape `shape`
        The label at the nearest voxel, 0 outside of the subject's volume.
    """
    grid = SimpleNamespace(
        grid_to_native=np.diag([1 / step, 1 / step, 1 / step, 1]), native_shape=shape
    )
    return moved_labels(grid, subject)


def compact_labels(labels: NDArray) -> NDArray:
    """`labels` in the smallest of uint8, int16 and int64 that holds them.

    Parameters
    ----------
    labels : ndarray
        Whole numbers, whatever their type: some tools store label volumes as floats.

    Returns
    -------
    ndarray of integers, same shape

    Raises
    ------
    InputError
        If there are other values than whole numbers.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind == "f":
        # "Not equal" is true for NaN too; infinity is whole by this test and caught beside it.
        wrong = (labels != np.rint(labels)) | np.isinf(labels)
        if wrong.any():
            raise InputError(
                f"Expected a label volume of whole numbers, found {labels[wrong][0]}: give the "
                "manual labels, not an image or an interpolated map."
            )
    low, high = (labels.min(), labels.max()) if labels.size else (0, 0)
    for dtype in (np.uint8, np.int16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return labels.astype(dtype, copy=False)
    return labels.astype(np.int64, copy=False)


def _look_up(
    labels: NDArray,
    shape: tuple[int, ...],
    to_grid: NDArray,
    from_grid: NDArray,
    displacement: NDArray | None,
) -> NDArray:
    """Labels at ``from_grid (q + u(q))``, ``q = to_grid p``, for all voxels `p` of `shape`."""
    moved = np.zeros(shape, labels.dtype)
    smallest = largest = np.zeros(3)
    components: list[NDArray] = []
    if displacement is not None:
        displacement = np.asarray(displacement)
        if displacement.ndim != 4 or displacement.shape[3] != 3:
            raise InputError(
                f"Expected a displacement field of shape (X, Y, Z, 3), found {displacement.shape}: "
                "give the field on the network grid."
            )
        # Contiguous components: reductions and interpolation are several times faster on them.
        components = [np.ascontiguousarray(displacement[..., i], np.float32) for i in range(3)]
        smallest = np.array([u.min() for u in components], float)
        largest = np.array([u.max() for u in components], float)
        if not np.isfinite([smallest, largest]).all():
            raise InputError(
                "Expected a displacement field of finite numbers, found others: check the weights "
                "or the file that it comes from."
            )
    if not labels.any():
        return moved
    first, last = extent(labels)
    # Only fixed voxels that can reach the box of the moving labels are worth computing. The way
    # back from that box: q' = inv(from_grid) r, q = q' - u(q), p = inv(to_grid) q.
    low, high = _box(np.linalg.inv(from_grid), first - 0.5, last + 0.5)
    low, high = _box(np.linalg.inv(to_grid), low - largest, high - smallest)
    start = np.clip(np.floor(low), 0, shape).astype(int)
    # Exclusive: a voxel exactly at `high` would be half a voxel beyond and round up, away from it.
    stop = np.clip(np.ceil(high), 0, shape).astype(int)
    if (stop <= start).any():
        return moved
    size = tuple(stop - start)

    composed = from_grid @ to_grid
    offset = composed[:3, :3] @ start + composed[:3, 3]
    axes = np.ogrid[: size[0], : size[1], : size[2]]
    grid_offset = to_grid[:3, :3] @ start + to_grid[:3, 3]
    shift = [
        ndimage.affine_transform(
            u,
            to_grid[:3, :3],
            grid_offset,
            output_shape=size,
            output=np.float32,
            order=1,
            mode="nearest",
        )
        for u in components
    ]
    # The labels' box with a layer of zeros around it, onto which all beyond is clipped.
    padded = np.pad(labels[tuple(map(slice, first, last + 1))], 1)
    index = np.zeros(size, np.int32)
    for row in range(3):
        # Three one-dimensional terms and broadcasting; + 0.5 makes the floor a rounding.
        x, y, z = ((composed[row, axis] * axes[axis]).astype(np.float32) for axis in range(3))
        coordinate = x + (y + (z + np.float32(offset[row] + 0.5 - (first[row] - 1))))
        for axis, values in enumerate(shift):
            coordinate += np.float32(from_grid[row, axis]) * values
        np.floor(coordinate, out=coordinate)
        np.clip(coordinate, 0, padded.shape[row] - 1, out=coordinate)
        index = index * np.int32(padded.shape[row]) + coordinate.astype(np.int32)
    moved[tuple(map(slice, start, stop))] = padded.ravel()[index]
    return moved


def _box(matrix: NDArray, low: NDArray, high: NDArray) -> tuple[NDArray, NDArray]:
    """Axis-aligned box around the image of a box under an affine map."""
    centre = matrix[:3, :3] @ ((low + high) / 2) + matrix[:3, 3]
    reach = np.abs(matrix[:3, :3]) @ ((high - low) / 2)
    return centre - reach, centre + reach
