"""Images of half the resolution, inside a network."""

from __future__ import annotations

import numpy as np
from keras import ops

# As `pmrnet.data.downsampling` smooths: 0.35 voxels of the coarse grid, cut off at four deviations.
_DEVIATION, _RADIUS = 0.7, 3


def halve(image: object) -> object:
    """Smooth against aliasing and keep every other voxel, starting with the first.

    Parameters
    ----------
    image
        (batch, *grid, 1), of two or three axes.

    Returns
    -------
    tensor
        (batch, *(ceil(grid / 2)), 1). Voxel i lies where voxel 2 i of the image did. Edges are
        continued by reflection, where `pmrnet.data.downsampling.downsample` repeats them.
    """
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-0.5 * (offsets / _DEVIATION) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    axes = len(image.shape) - 2
    for axis in range(axes):
        along = [1] * axes
        along[axis] = len(offsets)
        kernel = ops.convert_to_tensor(weights.reshape(*along, 1, 1))
        margins = [(0, 0)] * (axes + 2)
        margins[axis + 1] = (_RADIUS, _RADIUS)
        strides = [1] * axes
        strides[axis] = 2
        padded = ops.pad(image, margins, mode="symmetric")
        image = ops.conv(padded, kernel, strides=tuple(strides), padding="valid")
    return image
