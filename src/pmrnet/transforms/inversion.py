"""The inverse of a transform that came without one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmrnet.errors import InputError
from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.affine_part import affine_part, split_field
from pmrnet.transforms.chain import Chain, joined, map_slab, slabs, voxel_centres
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.transform import Transform, check_grid


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
        Upper limit of steps.
    tolerance_mm
        How far T(S(y)) may be from y at a voxel centre.

    Returns
    -------
    DenseTransform
        S, from the moving to the fixed space; `round_trip_error` gives what is left of the error.

    Raises
    ------
    InputError
        If the error stays above the tolerance somewhere, which it does where T folds or comes
        close to it; the message has the number of such voxels and the largest error.

    Notes
    -----
    A fixed-point iteration: the affine part B of T is taken first, and S(y) is corrected by
    -w B^-1 (T(S(y)) - y). The weight w is halved at points whose error did not shrink, so that the
    iteration converges where the plain one (B = identity, w = 1) diverges, as for large rotations
    and strong expansion.
    """
    shape, affine = check_grid(shape, affine, "Grid of the inverse")
    back = affine_part(transform).inverse().matrix
    components = np.empty((3, *shape), np.float32)
    failed, largest = 0, 0.0
    for slab in slabs(shape):
        targets = voxel_centres(shape, affine, slab)
        found, error = _solve(transform, targets.reshape(-1, 3), back, iterations, tolerance_mm)
        failed += np.count_nonzero(error > tolerance_mm)
        largest = max(largest, float(error.max()))
        components[..., slab] = np.moveaxis(found.reshape(targets.shape) - targets, -1, 0)
    if failed:
        raise InputError(
            f"Inverse of the transform: expected it to be found within {tolerance_mm:g} mm "
            f"everywhere, found {largest:.3g} mm left after {iterations} steps and more than the "
            f"tolerance in {failed} of {np.prod(shape)} voxels; the transform folds there and has "
            "no inverse, so use the one that was written with it, or allow a larger tolerance."
        )
    return DenseTransform(np.moveaxis(components, 0, -1), affine)


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
    transform: Transform, targets: NDArray, back: NDArray, iterations: int, tolerance: float
) -> tuple[NDArray, NDArray]:
    """Points x (n, 3) with T(x) = target, and how far T(x) is from it (n,)."""
    points = targets @ back[:3, :3].T + back[:3, 3]
    miss = transform.map_points(points) - targets
    error = np.linalg.norm(miss, axis=1)
    weight = np.ones(len(points))
    for _ in range(iterations):
        at = np.flatnonzero(error > tolerance)
        if not at.size:
            break
        tried = points[at] - weight[at, None] * (miss[at] @ back[:3, :3].T)
        tried_miss = transform.map_points(tried) - targets[at]
        tried_error = np.linalg.norm(tried_miss, axis=1)
        better = tried_error < error[at]
        kept = at[better]
        points[kept], miss[kept], error[kept] = (
            tried[better],
            tried_miss[better],
            tried_error[better],
        )
        weight[at] = np.where(better, np.minimum(1.0, 1.5 * weight[at]), weight[at] / 2)
    return points, error
