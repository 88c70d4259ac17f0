"""The grid of a report: axes of RAS+ space, voxels of 1 to 2 mm, not too many of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pmrnet.data.extent import extent
from pmrnet.data.placement import check_affine
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

LARGEST = 224
"""Voxels along an axis at most: more than the screen shows, and files stay small."""

FINEST, COARSEST = 1.0, 2.0
"""Voxel sides in mm between which a grid's lies, unless `LARGEST` needs a longer one."""

# Of the coarse voxel, as in pmrnet.data.downsampling: the width of the smoothing against aliasing.
_SMOOTHING = 0.35


@dataclass(frozen=True, eq=False)
class DisplayGrid:
    """A grid of cubic voxels whose axes point to the right, the front and the top.

    Parameters
    ----------
    affine
        4x4 voxel-to-RAS matrix, mm.
    shape
        Its number of voxels.
    """

    affine: NDArray
    shape: tuple[int, int, int]


def display_grid(
    image: Volume | nib.spatialimages.SpatialImage,
    voxel: float | None = None,
    limit: int = LARGEST,
    margin: float = 10.0,
) -> DisplayGrid:
    """Make the grid of a report around the brain of the fixed image.

    Parameters
    ----------
    image
        Fixed image of any orientation and voxel size, 0 outside the brain.
    voxel
        Voxel side in mm; by default the image's shortest, between `FINEST` and `COARSEST`. Longer
        if the grid would have more than `limit` voxels along an axis.
    limit
        Voxels along an axis at most.
    margin
        Millimetres around the brain at least; up to half a voxel less where the voxels are the
        image's own.

    Returns
    -------
    DisplayGrid

    Raises
    ------
    InputError
        If the image is not a 3D image with a brain in it, or its affine cannot be right.
    """
    data, affine = _parts(image)
    if data.ndim != 3 or not data.any():
        found = f"the shape {data.shape}" if data.ndim != 3 else "only zeros"
        raise InputError(f"Report: expected a 3D image with a brain in it, found {found}.")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if voxel is None:
        voxel = float(np.clip(spacing.min(), FINEST, COARSEST))
    first, last = extent(data)
    # Corners of the voxels, not their middles.
    ends = zip(first - 0.5, last + 0.5, strict=True)
    corners = nib.affines.apply_affine(affine, list(product(*ends)))
    low, high = corners.min(axis=0) - margin, corners.max(axis=0) + margin
    voxel = max(voxel, float((high - low).max()) / limit)
    # The tolerance keeps rounding from adding a voxel beyond the limit.
    shape = np.maximum(2, np.ceil((high - low) / voxel - 1e-6)).astype(int)
    matrix = np.diag([voxel, voxel, voxel, 1.0])
    matrix[:3, 3] = (low + high) / 2 - voxel * (shape - 1) / 2
    if _on_voxels(np.linalg.inv(affine) @ matrix, places=False):
        # On the image's own voxels, up to half of one further: nothing need be interpolated.
        first = np.linalg.inv(affine) @ matrix[:, 3]
        matrix[:, 3] = affine @ np.append(np.rint(first[:3]), 1)
    return DisplayGrid(matrix, tuple(shape.tolist()))


def to_display_grid(
    image: Volume | nib.spatialimages.SpatialImage,
    grid: DisplayGrid | None = None,
    order: int = 1,
    fill: float | None = 0.0,
) -> NDArray:
    """Resample an image of the fixed space to a report's grid, by its header alone.

    Parameters
    ----------
    image
        Array of shape (nx, ny, nz), or (nx, ny, nz, n) for vectors such as a displacement in RAS
        mm, on a grid of any orientation and voxel size.
    grid
        The grid; `display_grid` of the image itself if None.
    order
        1 for images: linear, smoothed first where the grid is coarser. 0 for labels: nearest
        neighbour, the type is kept. No matter where the grid's voxels are the image's.
    fill
        Value outside the image: 0 for images and labels, 1 for a Jacobian determinant; None for
        the nearest value inside, as for a displacement.

    Returns
    -------
    ndarray
        float32 (order 1) or the image's type (order 0), of the grid's shape and as many components
        as the image has.

    Raises
    ------
    InputError
        If the image has neither shape, its affine cannot be right, or the order is another one.
    """
    data, affine = _parts(image)
    if order not in (0, 1):
        raise InputError(f"Report: expected the order 0 or 1, found {order}; choose one.")
    if data.ndim not in (3, 4):
        raise InputError(
            f"Report: expected an array (x, y, z) or (x, y, z, component), found {data.shape}."
        )
    grid = grid or display_grid(image)
    matrix = np.linalg.inv(affine) @ grid.affine
    components = data[..., None] if data.ndim == 3 else data
    result = np.empty((*grid.shape, components.shape[3]), np.float32 if order else data.dtype)
    if _on_voxels(matrix):
        result[...] = _picked(components, matrix, grid.shape, fill)
        return result[..., 0] if data.ndim == 3 else result
    for component in range(components.shape[3]):
        values = components[..., component]
        if order == 1:
            values = _smooth(values, affine, grid)
        ndimage.affine_transform(
            values,
            matrix[:3, :3],
            offset=matrix[:3, 3],
            output_shape=grid.shape,
            output=result[..., component],
            order=order,
            # A voxel at the border counts up to its own border.
            mode="nearest" if fill is None else "grid-constant",
            cval=0 if fill is None else fill,
            prefilter=False,
        )
    return result[..., 0] if data.ndim == 3 else result


def _parts(image: Volume | nib.spatialimages.SpatialImage) -> tuple[NDArray, NDArray]:
    """Voxels, without the trailing axis of length 1 that some formats have, and checked matrix."""
    data = np.asarray(image.data if isinstance(image, Volume) else image.dataobj)
    if data.ndim == 4 and data.shape[3] == 1:
        data = data[..., 0]
    return data, check_affine(image.affine, "Report")


def _on_voxels(matrix: NDArray, places: bool = True) -> bool:
    """Whether a grid has the image's axes and voxel size, and, with `places`, its voxels."""
    axes, shift = matrix[:3, :3], matrix[:3, 3]
    # Over a whole grid such a difference adds up to less than a thousandth of a voxel.
    if np.abs(axes - np.rint(axes)).max() > 1e-6 or (np.abs(np.rint(axes)).sum(axis=0) != 1).any():
        return False
    return not places or np.abs(shift - np.rint(shift)).max() < 1e-3


def _picked(
    components: NDArray, matrix: NDArray, shape: tuple[int, int, int], fill: float | None
) -> NDArray:
    """Values of the image's own voxels (x, y, z, component), in the order of the grid's axes."""
    of_axis = np.abs(matrix[:3, :3]).argmax(axis=0)
    values = components.transpose(*of_axis, 3)
    cut, room = [], []
    for axis, (own, n) in enumerate(zip(of_axis, shape, strict=True)):
        first, forwards = round(matrix[own, 3]), matrix[own, axis] > 0
        size = components.shape[own]
        if not forwards:  # the same voxels, counted from the other end
            values = np.flip(values, axis)
            first = size - 1 - first
        low, high = (min(max(end, 0), size) for end in (first, first + n))
        if fill is None:  # of a grid beside the image: the nearest voxel
            low = min(low, size - 1)
            high = max(high, low + 1)
        cut.append(slice(low, high))
        before = min(max(low - first, 0), n - (high - low))
        room.append((before, n - before - (high - low)))
    values = values[tuple(cut)]
    if not any(map(any, room)):
        return values
    mode = {"mode": "edge"} if fill is None else {"constant_values": fill}
    return np.pad(values, [*room, (0, 0)], **mode)


def _smooth(values: NDArray, affine: NDArray, grid: DisplayGrid) -> NDArray:
    """Smooth along the axes that the grid samples more coarsely than the image does."""
    factor = grid.affine[0, 0] / np.linalg.norm(affine[:3, :3], axis=0)
    sigma = [_SMOOTHING * f if f > 1.2 else 0.0 for f in factor]
    values = np.asarray(values, np.float32)
    return ndimage.gaussian_filter(values, sigma, mode="nearest") if any(sigma) else values
