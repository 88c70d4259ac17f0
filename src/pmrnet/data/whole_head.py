"""Telling a whole head from a skull-stripped brain, before minutes are spent on aligning it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

# Living brains with the fluid around them stay below 2 litres, heads with some neck begin at 3, and
# a background that is not quite 0 makes the whole field of view count.
LARGEST_BRAIN_LITRES = 2.5
# For heads of children in a narrow field of view: a brain cropped to its edges fills half of it.
LARGEST_FRACTION = 0.6

#: what strips skulls, for messages
STRIPPERS = "SynthStrip (mri_synthstrip), HD-BET, ANTs' brain extraction or FSL's BET"
_ADVICE = f"strip it with {STRIPPERS}, or name its brain mask under `mask:`."


def refuse_whole_head(path: Path, image: Volume, advice: str = _ADVICE) -> None:
    """Refuse an image in which too much is not 0 for a brain alone.

    Parameters
    ----------
    path
        The image's file, for the message.
    image
        Image that should be zero outside the brain.
    advice
        End of the message: what to do.

    Raises
    ------
    InputError
        If more than `LARGEST_BRAIN_LITRES` or more than `LARGEST_FRACTION` of the grid is not 0.
    """
    litres, fraction = nonzero_amount(image)
    if is_whole_head(image):
        raise InputError(
            f"{path}: expected a skull-stripped brain that is 0 outside, found {litres:.1f} litres "
            f"({fraction:.0%} of the image) that are not 0, as in a whole head; {advice}"
        )


def is_whole_head(image: Volume) -> bool:
    """Whether more of the image is not 0 than a brain alone takes."""
    litres, fraction = nonzero_amount(image)
    return litres > LARGEST_BRAIN_LITRES or fraction > LARGEST_FRACTION


def nonzero_amount(image: Volume) -> tuple[float, float]:
    """What is not 0 in an image: its volume in litres, and its share of the grid."""
    count = np.count_nonzero(image.data)
    voxel = abs(np.linalg.det(image.affine[:3, :3]))
    return count * voxel / 1e6, count / image.data.size
