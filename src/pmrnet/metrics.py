"""Overlap of labels, regularity of deformations and error against a known one.

Arrays are indexed (x, y, z). A displacement field `u` has shape (X, Y, Z, 3) and maps the voxel
`p` of its grid to ``p + u(p)``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmrnet.errors import InputError

LOG_FLOOR = 1e-9
"""Smallest determinant of which `sdlogj` takes the logarithm."""

# Labels below it are looked up in a table of as many entries; atlases number up to 10^9.
_LARGEST_TABLE = 1_000_000


def dice_per_label(a: NDArray, b: NDArray, labels: Sequence[int]) -> dict[int, float]:
    """Dice overlap ``2 |A ∩ B| / (|A| + |B|)`` of every label, after Dice (1945).

    Parameters
    ----------
    a, b : ndarray of integers
        Label volumes of one shape.
    labels : sequence of int
        The labels to score, none negative, none twice. Other values in the volumes are ignored.

    Returns
    -------
    dict of int to float
        One value per label, in the order of `labels`: NaN where the label is in neither volume,
        0 where it is in only one.

    Raises
    ------
    InputError
        If the shapes differ, the volumes do not hold integers, or `labels` is empty, has a
        negative label or has one twice.

    Notes
    -----
    One pass over the volumes, whatever the number of labels: all counts come from one joint
    histogram.
    """
    a, b = np.asarray(a), np.asarray(b)
    wanted = np.asarray(labels, dtype=np.int64)
    if a.shape != b.shape:
        raise InputError(
            f"Expected label volumes of one shape, found {a.shape} and {b.shape}: bring both to "
            "one grid."
        )
    for volume in (a, b):
        if volume.dtype.kind not in "iu":
            raise InputError(
                f"Expected label volumes of integers, found {volume.dtype}: convert them."
            )
    if wanted.size == 0 or wanted.min() < 0 or np.unique(wanted).size != wanted.size:
        raise InputError(
            f"Expected a list of different labels, none negative, found {list(labels)}: correct it."
        )
    size = wanted.size + 1  # class 0 gathers everything that is not scored
    # Small integers all the way: the passes are limited by memory.
    kind = np.uint16 if size <= 256 else np.int64
    if wanted.max() < _LARGEST_TABLE:
        table = np.zeros(int(wanted.max()) + 2, kind)
        table[wanted] = np.arange(1, size)
        first, second = _classes(a, table), _classes(b, table)
    else:
        first, second = (_ranks(volume, wanted).astype(kind) for volume in (a, b))
    cell = first * kind(size) + second
    joint = np.bincount(cell.ravel(), minlength=size * size).reshape(size, size)
    both = np.diagonal(joint)[1:]
    total = joint.sum(axis=1)[1:] + joint.sum(axis=0)[1:]
    with np.errstate(invalid="ignore"):
        dice = 2.0 * both / total
    return dict(zip(wanted.tolist(), dice.tolist(), strict=True))


def _ranks(volume: NDArray, labels: NDArray) -> NDArray:
    """Places from 1 of a volume's values among the labels, 0 for others, without a table."""
    order = np.argsort(labels)
    place = np.searchsorted(labels[order], volume).clip(max=labels.size - 1)
    return np.where(labels[order][place] == volume, order[place] + 1, 0)


def _classes(volume: NDArray, table: NDArray) -> NDArray:
    """Look labels up in `table`, whose last entry stands for everything beyond it."""
    last = table.size - 1
    if volume.size and (volume.min() < 0 or volume.max() > last):
        volume = np.where((volume < 0) | (volume > last), last, volume)
    return table[volume]


def jacobian_determinant(displacement: NDArray, spacing: float | ArrayLike = 1.0) -> NDArray:
    """Compute the determinant of the Jacobian of ``p -> p + u(p)`` at every voxel.

    Parameters
    ----------
    displacement : ndarray, shape (X, Y, Z, 3)
        The field `u`; two or more voxels along every axis.
    spacing : float or sequence of three floats, default 1
        Distance of neighbouring grid points in the unit of `displacement`: 1 for a field in voxels
        of its own grid, the voxel size for a field in millimetres.

    Returns
    -------
    ndarray, shape (X, Y, Z)
        In the floating type of `displacement`, single precision at least. Above 1 the map expands
        locally, below 1 it compresses, at or below 0 it folds.

    Raises
    ------
    InputError
        If the shape is not (X, Y, Z, 3) with two or more voxels along every axis.

    Notes
    -----
    Derivatives are central differences inside the volume and one-sided differences of first order
    in the outermost layer of voxels (`numpy.gradient`, ``edge_order=1``), so that every voxel
    counts. Both are exact for an affine map. Central differences do not see a field that
    alternates from voxel to voxel: the share of folded voxels is a lower bound.
    """
    u = np.asarray(displacement)
    if u.ndim != 4 or u.shape[3] != 3 or min(u.shape) < 2:
        raise InputError(
            "Expected a displacement field of shape (X, Y, Z, 3), two or more voxels along every "
            f"axis, found {u.shape}: give the field of a 3D registration."
        )
    step = np.broadcast_to(np.asarray(spacing, dtype=float), (3,)).tolist()
    u = u.astype(np.result_type(u.dtype, np.float32), copy=False)
    determinant = np.empty(u.shape[:3], u.dtype)
    # Slabs with one layer of neighbours on either side: twelve arrays of a whole volume would
    # neither fit the cache nor, on a laptop, the memory that is left.
    thickness = 8
    for start in range(0, u.shape[0], thickness):
        stop = min(start + thickness, u.shape[0])
        low = max(start - 1, 0)
        slab = u[low : stop + 1]
        inside = slice(start - low, stop - low)
        rows = []
        for component in range(3):
            values = np.ascontiguousarray(slab[..., component])
            row = [d[inside] for d in np.gradient(values, *step)]
            row[component] = row[component] + 1
            rows.append(row)
        (a, b, c), (d, e, f), (g, h, i) = rows
        determinant[start:stop] = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return determinant


def folding_fraction(determinant: NDArray, mask: NDArray | None = None) -> float:
    """Share of voxels at which the map folds, that is, whose determinant is not positive.

    Parameters
    ----------
    determinant : ndarray
        From `jacobian_determinant`.
    mask : ndarray of bool, same shape, optional
        Count only these voxels; all by default.

    Returns
    -------
    float
        Between 0 and 1. A determinant that is not a number counts as folded.

    Raises
    ------
    InputError
        If the mask has another shape or selects no voxel.

    Notes
    -----
    The Learn2Reg evaluator adds 3 to the determinant and clips it to at least 1e-9 before it
    counts, so that its count is always 0 (MDL-UzL/L2R, ``evaluation``).
    """
    return float(np.mean(~(_selected(determinant, mask) > 0)))


def sdlogj(determinant: NDArray, mask: NDArray | None = None) -> float:
    """Return the standard deviation of the logarithm of the Jacobian determinant (SDlogJ).

    Parameters
    ----------
    determinant : ndarray
        From `jacobian_determinant`.
    mask : ndarray of bool, same shape, optional
        Take only these voxels; all by default.

    Returns
    -------
    float
        0 for a volume-preserving map and for an affine one; natural logarithm. NaN if a
        determinant is not a number.

    Raises
    ------
    InputError
        If the mask has another shape or selects no voxel.

    Notes
    -----
    Determinants that are not positive have no logarithm: they are taken as 1e-9 here and counted
    apart by `folding_fraction`. Learn2Reg's evaluator adds 3 to every determinant first; its
    values are much smaller and do not compare with these.
    """
    values = _selected(determinant, mask)
    return float(np.std(np.log(np.maximum(values, LOG_FLOOR)), dtype=np.float64))


def endpoint_error(
    displacement: NDArray,
    truth: NDArray,
    spacing: float | ArrayLike = 1.0,
    mask: NDArray | None = None,
) -> dict[str, float]:
    """Distance between where two displacement fields send each voxel.

    Parameters
    ----------
    displacement, truth : ndarray, shape (X, Y, Z, 3)
        Fields in voxels of one grid.
    spacing : float or sequence of three floats, default 1
        Voxel size in millimetres.
    mask : ndarray of bool, shape (X, Y, Z), optional
        Take only these voxels; all by default.

    Returns
    -------
    dict of str to float
        ``mean``, ``median`` and ``p95`` (95th percentile) of the distance, in millimetres.

    Raises
    ------
    InputError
        If the fields differ in shape, or the mask has another shape or selects no voxel.
    """
    u, v = np.asarray(displacement), np.asarray(truth)
    if u.shape != v.shape or u.ndim != 4 or u.shape[3] != 3:
        raise InputError(
            f"Expected two displacement fields of one shape (X, Y, Z, 3), found {u.shape} and "
            f"{v.shape}: compare fields of one grid."
        )
    voxel = np.broadcast_to(np.asarray(spacing, dtype=float), (3,))
    squared = np.zeros(u.shape[:3])
    for axis in range(3):
        squared += (voxel[axis] * (u[..., axis].astype(float) - v[..., axis])) ** 2
    distance = np.sqrt(_selected(squared, mask))
    median, p95 = np.percentile(distance, [50, 95])
    return {"mean": float(distance.mean()), "median": float(median), "p95": float(p95)}


def _selected(values: NDArray, mask: NDArray | None) -> NDArray:
    values = np.asarray(values)
    if mask is None:
        return values
    mask = np.asarray(mask, dtype=bool)
    if mask.shape != values.shape:
        raise InputError(
            f"Expected a mask of shape {values.shape}, found {mask.shape}: use one of this grid."
        )
    if not mask.any():
        raise InputError("Expected a mask with voxels in it, found an empty one: check the image.")
    return values[mask]
