"""The part of a volume that holds its brain: most of a scanner's grid is air."""

from __future__ import annotations

import numpy as np

from pmrnet.data.volume import Volume
from pmrnet.errors import InputError


def cut_to_brain(volume: Volume, margin: float = 24.0) -> Volume:
    """Cut a volume to the box around its voxels that are not 0.

    Parameters
    ----------
    volume
        Zero outside the brain.
    margin
        Millimetres to keep around it, where the grid has them. The affine alignment takes the
        scales of its parameters from the size of the grid: with 24 mm it is as good as on the whole
        of it (training subjects of LPBA40), with 12 mm a little worse.

    Returns
    -------
    Volume
        A view of the part; its affine leaves every voxel where it was.

    Raises
    ------
    InputError
        If there are only zeros.
    """
    used = [np.flatnonzero(volume.data.any(axis=tuple({0, 1, 2} - {a}))) for a in range(3)]
    if not used[0].size:
        raise InputError("expected a brain, found only zeros; check the image and its mask.")
    room = np.ceil(margin / volume.spacing).astype(int)
    box = tuple(
        slice(max(0, at[0] - more), at[-1] + more + 1) for at, more in zip(used, room, strict=True)
    )
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    return Volume(volume.data[box], affine, volume.assumed)
