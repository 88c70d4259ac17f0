"""The fixed image's intensities on the scale of the moving one's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def align_grey_levels(image: NDArray, reference: NDArray) -> NDArray:
    """Give a brain's intensities the mean and standard deviation of another's.

    Parameters
    ----------
    image, reference
        Arrays whose brain is above 0; their shapes may differ.

    Returns
    -------
    ndarray
        float32, shape of `image`: 0 where `image` is 0 or less, no value below 0. `image` itself
        where either brain is empty or without contrast.
    """
    inside = image > 0
    brain, other = image[inside].astype(float), reference[reference > 0].astype(float)
    if not brain.size or not other.size or brain.std() == 0 or other.std() == 0:
        return np.asarray(image, np.float32)
    aligned = np.zeros(image.shape, np.float32)
    aligned[inside] = (brain - brain.mean()) * (other.std() / brain.std()) + other.mean()
    return np.maximum(aligned, 0.0)
