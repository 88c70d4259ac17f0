"""Errors seen at the boundaries of labels, where no true deformation is known.

At a voxel of a label's boundary in the fixed subject, the error is taken as the distance to the
nearest voxel of the moved label's boundary. What that is, and is not:

- Only the component across the boundary can be seen; sliding along it cannot. It is therefore
  compared with the predicted standard deviation along the boundary's normal alone.
- The nearest point need not be the corresponding one: of a large error the distance is a lower
  bound.
- The voxel grid, through which both boundaries are seen, and the hand that drew the labels, which
  would not draw them twice alike, add to it: even a perfect registration has distances above 0.
- It is a distance in the fixed subject and the deviation one of the displacement, which differ by
  the deformation's Jacobian, near the identity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from pmrnet.calibration.located_errors import LocatedErrors
from pmrnet.errors import InputError
from pmrnet.surface_distance import surface_voxels

# Standard deviation in voxels of the smoothing by which a label's normals are found.
_SMOOTHING = 1.5


def errors_at_boundaries(
    fixed_labels: NDArray,
    moved_labels: NDArray,
    labels: Sequence[int],
    to_grid: NDArray,
    spacing: float,
    limit: int,
    rng: np.random.Generator,
) -> LocatedErrors:
    """Distance from boundary voxels of the fixed labels to the moved labels' boundaries.

    Parameters
    ----------
    fixed_labels, moved_labels
        Integers (X, Y, Z) on the fixed subject's native grid.
    labels
        Labels to compare; those that either volume lacks are left out.
    to_grid
        (4, 4): voxel indices of the native grid to those of the network grid.
    spacing
        Voxel size of the network grid, mm. Distances are millimetres of that grid, in which the
        displacement's deviations are.
    limit
        Number of boundary voxels at most, drawn without repetition from those of all labels.
    rng
        Draws them.

    Returns
    -------
    LocatedErrors
        One component, along the fixed boundary's normal.

    Raises
    ------
    InputError
        If the volumes differ in shape or have no label in common.
    """
    if fixed_labels.shape != moved_labels.shape:
        raise InputError(
            f"Expected two label volumes of one shape, found {fixed_labels.shape} and "
            f"{moved_labels.shape}: bring both to one grid."
        )
    matrix = np.asarray(to_grid, float)
    own, other = (surface_voxels(volume, labels) for volume in (fixed_labels, moved_labels))
    common = [label for label in labels if len(own[label]) and len(other[label])]
    if not common:
        raise InputError(
            "Expected labels that both subjects have, found none in common: check the labels of "
            "the data set's file."
        )
    count = sum(len(own[label]) for label in common)
    chosen = np.zeros(count, bool)
    chosen[rng.choice(count, min(limit, count), replace=False)] = True
    at, distance, normal, start = [], [], [], 0
    for label in common:
        here = own[label][chosen[start : start + len(own[label])]]
        start += len(own[label])
        if not len(here):
            continue
        tree = KDTree(spacing * (other[label] @ matrix[:3, :3].T), balanced_tree=False)
        distance.append(tree.query(spacing * (here @ matrix[:3, :3].T))[0])
        gradient = _gradient(fixed_labels == label, here)
        normal.append(gradient @ np.linalg.inv(matrix[:3, :3]))  # gradients are covectors
        at.append(here @ matrix[:3, :3].T + matrix[:3, 3])
    return LocatedErrors(
        np.concatenate(at), np.concatenate(distance)[:, None], _unit(np.concatenate(normal))
    )


def _gradient(mask: NDArray, at: NDArray) -> NDArray:
    """Gradient of the smoothed mask at some of its voxels, per voxel; (n, 3)."""
    first, last = at.min(axis=0).astype(int), at.max(axis=0).astype(int)
    margin = int(np.ceil(4 * _SMOOTHING))
    low = np.maximum(first - margin, 0)
    box = tuple(slice(a, b + margin + 1) for a, b in zip(low, last, strict=True))
    part = mask[box].astype(np.float32)
    index = tuple((at.astype(int) - low).T)
    orders = np.eye(3, dtype=int)
    return np.stack(
        [ndimage.gaussian_filter(part, _SMOOTHING, order=order)[index] for order in orders], axis=1
    )


def _unit(vectors: NDArray) -> NDArray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    # Where a label is symmetrical about a voxel, any direction is as good as another.
    even = np.full_like(vectors, 3**-0.5)
    return np.divide(vectors, length, out=even, where=length > 1e-6)
