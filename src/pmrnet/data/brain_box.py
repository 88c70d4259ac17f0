"""The part of a volume that holds its brain: most of a scanner's grid is air."""

from __future__ import annotations

import numpy as np

from pmrnet.data.extent import extent
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
    ends = extent(volume.data)
    if ends is None:
        raise InputError("expected a brain, found only zeros; check the image and its mask.")
    room = np.ceil(margin / volume.spacing).astype(int)
    box = tuple(map(slice, np.maximum(0, ends[0] - room), ends[1] + room + 1))
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    return Volume(volume.data[box], affine, volume.assumed)
