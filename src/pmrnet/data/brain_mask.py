"""What a brain mask says: which voxels are brain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pmrnet.data.volume import Volume
from pmrnet.data.whole_head import LARGEST_BRAIN_LITRES, nonzero_amount
from pmrnet.errors import InputError

# A scale in a header may make 0.99999 of 1, and a tool's floor 0.0001 of 0.
_ROUNDING = 1e-3
_LIKELY = 0.5
# Interpolated by splines, a mask of 0 and 1 goes beyond both.
_LOWEST, _HIGHEST = -0.5, 1.5


def cut_out(image: Volume, mask: Volume, image_name: object, mask_name: object) -> Volume:
    """Image that is zero outside its mask.

    Parameters
    ----------
    image, mask
        Of one grid.
    image_name, mask_name
        What messages call them.

    Raises
    ------
    InputError
        If the mask is none, see `inside_mask`, is the image itself, or keeps more than a brain.
    """
    if np.array_equal(image.data, mask.data):
        raise InputError(
            f"{mask_name}: expected a brain mask, found the values of the image {image_name} that "
            "it is to mask; give the mask, or none if the image is a brain without skull."
        )
    brain = replace(image, data=np.where(inside_mask(mask, mask_name), image.data, 0))
    litres, _ = nonzero_amount(brain)
    if litres > LARGEST_BRAIN_LITRES:
        raise InputError(
            f"{mask_name}: expected the mask of a brain, found one that keeps {litres:.1f} litres "
            f"of {image_name}, as of a whole head; give the mask of the brain alone."
        )
    return brain


def inside_mask(mask: Volume, name: object) -> np.ndarray:
    """Which voxels a mask counts as brain; bool, shape (X, Y, Z).

    Parameters
    ----------
    mask
        Whole numbers, such as 0 and 1 or a label map: those above 0 count. Fractions between 0
        and 1 are probabilities: those from 0.5 count. Of two values the greater one does, whatever
        they are.
    name
        What messages call it.

    Raises
    ------
    InputError
        If the values are of another kind, as those of an image are.
    """
    values = mask.data
    low, high = values.min(), values.max()
    whole = np.rint(values)
    fractions = values[np.abs(values - whole) > _ROUNDING]
    if not fractions.size:
        return whole > 0
    if ((values == low) | (values == high)).all():
        return values == high
    if low >= _LOWEST and high <= _HIGHEST:
        return values >= _LIKELY
    raise InputError(
        f"{name}: expected a brain mask, of whole numbers or of probabilities from 0 to 1, found "
        f"values from {low:g} to {high:g} with fractions such as {fractions[0]:g}, as in an image; "
        "give the mask itself, or the image where it is above a threshold."
    )
