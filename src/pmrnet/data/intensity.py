"""Intensities as the networks take them."""

from __future__ import annotations

import numpy as np

from pmrnet.errors import InputError


def normalise(image: np.ndarray, clip: float = 3.0) -> np.ndarray:
    """Whiten over the brain and map to [0, 1]; the background stays 0.

    The mean and standard deviation over the non-zero voxels become 0 and 1, values are cut at
    ``-clip`` and ``clip``, and (v + clip) / (2 clip) maps them to [0, 1].

    Parameters
    ----------
    image
        Skull-stripped image, zero outside the brain, any shape.
    clip
        Standard deviations at which intensities are cut.

    Returns
    -------
    ndarray
        float32 of the same shape, in [0, 1].

    Raises
    ------
    InputError
        If the brain is empty or all of one intensity.
    """
    brain = image != 0
    values = image[brain].astype(np.float64)
    if values.size == 0 or values.std() == 0:
        raise InputError(
            "Normalisation: expected a brain with contrast, found "
            f"{'only zeros' if values.size == 0 else 'a single intensity'}; check the image."
        )
    whitened = np.clip((values - values.mean()) / values.std(), -clip, clip)
    result = np.zeros(image.shape, dtype=np.float32)
    result[brain] = (whitened + clip) / (2 * clip)
    return result
