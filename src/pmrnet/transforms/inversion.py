"""The inverse of a transform that came without one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from pmrnet.errors import InputError
from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.affine_part import affine_part, split_field
from pmrnet.transforms.chain import Chain, joined, map_slab, slabs, voxel_centres
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.point_search import PointSearch, folds_near, voxel_size
from pmrnet.transforms.transform import Transform, check_grid

# Error in mm at which a point is done, however much more the caller accepts.
_DONE_MM = 0.01
# Points that were not found, of each part of a grid, at which it is looked whether T folds.
_LOOKED_AT = 5000
# Times that what was not found is searched again from what was.
_RESTARTS = 3


def invert(
    transform: Transform,
    shape: tuple[int, ...],
    affine: ArrayLike,
    iterations: int = 100,
    tolerance_mm: float = 0.01,
) -> DenseTransform:
    """Find the inverse of a transform numerically, for transforms of other tools.

    A registration of this package writes the inverse itself, from the negated velocity; that one
    is better. An affine transform has `AffineTransform.inverse`.

    Parameters
    ----------
    transform
        T, from the fixed to the moving space.
    shape, affine
        Grid in the MOVING space on which the inverse is wanted: voxels along each axis and 4x4
        matrix to RAS mm.
    iterations
        Upper limit of steps of one search; what it leaves is searched again from other points.
    tolerance_mm
        How far T(S(y)) may be from y at a voxel centre, a number above 0. It is what is accepted:
        the search itself ends at 0.01 mm, or at the tolerance where that is less.

    Returns
    -------
    DenseTransform
        S, from the moving to the fixed space; `round_trip_error` gives what is left of the error.

    Raises
    ------
    InputError
        If the tolerance is no number above 0, or the error stays above it somewhere, as it does
        where T folds; the message has the number of such voxels and the largest error, and says
        whether T folds there.

    Notes
    -----
    The affine part B of T is taken first, and S(y) is corrected by -w B^-1 (T(S(y)) - y), a
    fixed-point iteration that settles most points at little cost. It stalls where T shrinks, shears
    or turns much more than B does; there Newton's iteration goes on, with the derivative of T in
    place of B. In both, w is halved where a step does not help. What is still not found is searched
    again from the nearest point that was, or from half a voxel aside.
    """
    check_tolerance(tolerance_mm)
    shape, affine = check_grid(shape, affine, "Grid of the inverse")
    back = affine_part(transform).inverse().matrix
    components = np.empty((3, *shape), np.float32)
    failed, largest, looked_at, folds = 0, 0.0, 0, 0
    for slab in slabs(shape):
        targets = voxel_centres(shape, affine, slab)
        found, error = _solve(transform, targets, back, iterations, min(tolerance_mm, _DONE_MM))
        components[..., slab] = np.moveaxis(found - targets, -1, 0)
        left = found[error > tolerance_mm]
        if len(left):
            failed += len(left)
            largest = max(largest, float(error.max()))
            some = left[:: 1 + len(left) // _LOOKED_AT]
            looked_at += len(some)
            folds += np.count_nonzero(folds_near(transform, some))
    if failed:
        where = "there" if folds == looked_at else f"at {100 * folds / looked_at:.2g} % of these"
        why = (
            f"the transform folds {where} and has no inverse, so use the one that was written with "
            "it, or allow a larger tolerance"
            if folds
            else "the transform does not fold there, but the search did not find its inverse: use "
            "the one that was written with it, or allow a larger tolerance"
        )
        raise InputError(
            f"Inverse of the transform: expected it to be found within {tolerance_mm:g} mm "
            f"everywhere, found {largest:.3g} mm left after {iterations} steps and more than the "
            f"tolerance in {failed} of {np.prod(shape)} voxels; {why}."
        )
    return DenseTransform(np.moveaxis(components, 0, -1), affine)


def check_tolerance(tolerance_mm: float) -> None:
    """Refuse a tolerance that nothing or anything would meet.

    Raises
    ------
    InputError
        If it is not a finite number above 0.
    """
    if not (math.isfinite(tolerance_mm) and tolerance_mm > 0):
        raise InputError(
            f"Tolerance of the inverse: expected a finite number of mm above 0, found "
            f"{tolerance_mm:g}; give for example 0.01."
        )


def inverse_of(transform: Transform, tolerance_mm: float = 0.01) -> Transform:
    """Inverse of a transform, wherever its moving space lies.

    Parameters
    ----------
    transform
        T, from the fixed to the moving space.
    tolerance_mm
        As in `invert`.

    Returns
    -------
    Transform
        Exact of an affine transform; of others, that of `extended` T, each field inverted on its
        own grid.

    Raises
    ------
    InputError
        If a field has no inverse, see `invert`.
    """
    if isinstance(transform, Chain):
        return joined([inverse_of(t, tolerance_mm) for t in reversed(transform.transforms)])
    if isinstance(transform, AffineTransform):
        return transform.inverse()
    rest, part = split_field(transform)
    inverse = invert(rest, rest.shape, rest.affine, tolerance_mm=tolerance_mm)
    return Chain([part.inverse(), inverse])


def round_trip_error(transform: Transform, inverse: DenseTransform) -> NDArray[np.float32]:
    """How far T(S(y)) is from y at the voxel centres of the inverse's grid.

    Parameters
    ----------
    transform
        T, from the fixed to the moving space.
    inverse
        S, from the moving to the fixed space.

    Returns
    -------
    ndarray, float32, shape `inverse.shape`
        Millimetres.
    """
    error = np.empty(inverse.shape, np.float32)
    for slab in slabs(inverse.shape):
        start = map_slab(inverse, inverse.shape, inverse.affine, slab)
        there = transform.map_points(start.reshape(-1, 3)).reshape(start.shape)
        there -= voxel_centres(inverse.shape, inverse.affine, slab)
        error[:, :, slab] = np.linalg.norm(there, axis=-1)
    return error


def _solve(
    transform: Transform, targets: NDArray, back: NDArray, iterations: int, stop: float
) -> tuple[NDArray, NDArray]:
    """Points x with T(x) = target, of targets (X, Y, Z, 3), and how far T(x) is from them."""
    grid = targets.shape[:3]
    targets = targets.reshape(-1, 3)
    linear = back[:3, :3]
    search = PointSearch(transform, targets, targets @ linear.T + back[:3, 3])
    search.run(linear, iterations, stop)

    def again(at: NDArray[np.intp], start: NDArray[np.float64]) -> None:
        other = PointSearch(transform, targets[at], start)
        other.run(linear, iterations, stop)
        search.take(at, other.points)

    for _ in range(_RESTARTS):
        at = np.flatnonzero(search.error > stop)
        if not at.size or at.size == len(targets):
            break
        near = _nearest(search.error.reshape(grid) > stop)[at]
        again(at, search.points[near] + (targets[at] - targets[near]) @ linear.T)
        if np.count_nonzero(search.error[at] <= stop) < 0.1 * at.size:
            break
    size = voxel_size(transform)
    for corner in np.ndindex(2, 2, 2):
        # Stalled close by, at a kink between voxels: another side of it may lead on.
        at = np.flatnonzero((search.error > stop) & (search.error < size))
        if at.size:
            again(at, search.points[at] + size * (np.array(corner) - 0.5))
    return search.points.reshape(*grid, 3), search.error.reshape(grid)


def _nearest(left: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat index of the nearest voxel that is not left, of every voxel of a grid."""
    where = ndimage.distance_transform_edt(left, return_distances=False, return_indices=True)
    return np.ravel_multi_index(tuple(where), left.shape).reshape(-1)
