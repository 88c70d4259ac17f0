"""Errors against a known deformation: built-in subjects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pmrnet.calibration.located_errors import LocatedErrors


def errors_against_truth(
    displacement: NDArray,
    truth: NDArray,
    brain: NDArray,
    spacing: float,
    limit: int,
    rng: np.random.Generator,
) -> LocatedErrors:
    """Difference of two displacement fields at voxels of the brain.

    Parameters
    ----------
    displacement, truth
        (X, Y, Z, 3), voxels of one grid.
    brain
        (X, Y, Z) of bool: where to compare.
    spacing
        Voxel size of the grid, mm.
    limit
        Number of voxels at most, drawn without repetition.
    rng
        Draws them.

    Returns
    -------
    LocatedErrors
        All three components of the error, mm.
    """
    at = np.argwhere(brain)
    if len(at) > limit:
        at = at[np.sort(rng.choice(len(at), limit, replace=False))]
    index = tuple(at.T)
    error = spacing * (displacement[index].astype(float) - truth[index])
    return LocatedErrors(at.astype(float), error)
