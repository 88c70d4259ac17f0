"""Memory that training and registration need, and whether there is as much."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pmrnet.doctor.finding import Finding
from pmrnet.machine_limits import free_memory

_GIB = 2**30
# Measured with PMR-Net on TensorFlow at 1 mm: peaks of the whole process.
_MEASURED_VOXELS = 160 * 192 * 160
_TRAINING_PEAK, _REGISTRATION_PEAK, _LIBRARIES = 3.1 * _GIB, 1.4 * _GIB, 0.8 * _GIB


def training_bytes(shape: Sequence[int], spacing: float = 1.0) -> int:
    """Memory that training takes at its peak, in bytes.

    A straight line through two measured points: the libraries alone take 0.8 GiB, and training at
    1 mm on 160 x 192 x 160 voxels 3.1 GiB, so that a voxel takes about 500 bytes: the feature maps
    and their gradients. Images of many subjects come on top, up to a quarter of what is free;
    beyond that they stay on disk.

    Parameters
    ----------
    shape
        Voxels of the network grid along x, y and z at 1 mm.
    spacing
        Voxel size in mm that is trained at.
    """
    return _line(shape, spacing, _TRAINING_PEAK)


def registration_bytes(shape: Sequence[int], spacing: float = 1.0) -> int:
    """Memory that registering a pair takes at its peak, in bytes.

    As `training_bytes`, with 1.4 GiB measured on 160 x 192 x 160 voxels at 1 mm.

    Parameters
    ----------
    shape, spacing
        As for `training_bytes`.
    """
    return _line(shape, spacing, _REGISTRATION_PEAK)


def _line(shape: Sequence[int], spacing: float, peak: float) -> int:
    voxels = math.prod(shape) / spacing**3
    return round(_LIBRARIES + (peak - _LIBRARIES) * voxels / _MEASURED_VOXELS)


def memory_finding(shape: Sequence[int], free: int | None = None) -> Finding:
    """Compare the free memory with what training at 1 and 2 mm and registration need.

    Parameters
    ----------
    shape
        Voxels of the network grid at 1 mm.
    free
        Free memory in bytes; asked for if None.
    """
    free = free_memory() if free is None else free
    fine, coarse = (training_bytes(shape, spacing) for spacing in (1, 2))
    register = registration_bytes(shape, 2)
    grid = " x ".join(map(str, shape))
    what = (
        f"Memory: {_gib(free)} free; for a grid of {grid} mm training takes about {_gib(fine)} at "
        f"1 mm and {_gib(coarse)} at 2 mm, registration at 2 mm {_gib(register)}."
    )
    if free >= fine:
        return Finding("ok", what)
    if free >= coarse:
        return Finding("warning", what, "Train at 2 mm (`spacing: 2`), or end other programs.")
    if free >= register:
        return Finding("warning", what, "Enough to register only: end other programs to train.")
    return Finding("error", what, "End other programs, or use a machine with more memory.")


def _gib(number: float) -> str:
    return f"{number / _GIB:.1f} GiB"
