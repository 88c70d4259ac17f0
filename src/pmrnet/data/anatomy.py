"""Orientation told by anatomy: where labels lie says which way the axes of a grid run."""

from __future__ import annotations

from collections.abc import Collection

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike

Ends = tuple[Collection[int], Collection[int]]


def anatomical_affine(
    labels: np.ndarray, spacing: ArrayLike, ends: tuple[Ends, Ends, Ends]
) -> np.ndarray | None:
    """Voxel-to-RAS matrix of a grid, by the labels in it.

    Parameters
    ----------
    labels
        Label map of shape (nx, ny, nz), its axes in any order and direction.
    spacing
        Voxel size along each array axis, in mm, shape (3,).
    ends
        Three pairs of groups of labels: left and right, posterior and anterior, inferior and
        superior. The second of a pair lies towards the positive end of x, y or z in RAS+ space.

    Returns
    -------
    ndarray or None
        4x4 matrix that reorders and flips the axes and scales by the voxel sizes, with the middle
        of the grid at 0 mm. None if a group is absent, or the three pairs do not lie along three
        different axes.
    """
    spacing = np.asarray(spacing, dtype=np.float64)
    at = np.argwhere(labels)
    ids = labels[labels != 0]
    affine = np.zeros((4, 4))
    for row, pair in enumerate(ends):
        low, high = (at[np.isin(ids, list(group))] for group in pair)
        if not (len(low) and len(high)):
            return None
        step = (high.mean(axis=0) - low.mean(axis=0)) * spacing
        axis = int(np.abs(step).argmax())
        affine[row, axis] = np.sign(step[axis]) * spacing[axis]
    if not affine[:3, :3].any(axis=0).all():
        return None
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(labels.shape) - 1) / 2)
    affine[3, 3] = 1
    return affine


def is_misoriented(header_affine: np.ndarray, anatomical: np.ndarray) -> bool:
    """Whether a header's axes run in other directions than anatomy says.

    Parameters
    ----------
    header_affine, anatomical
        4x4 voxel-to-RAS matrices; an oblique one counts as the closest that is not.
    """
    return nib.aff2axcodes(header_affine) != nib.aff2axcodes(anatomical)
