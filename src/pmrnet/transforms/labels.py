"""Telling label maps from images."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pmrnet.errors import InputError
from pmrnet.transforms.transform import Grid
from pmrnet.whole_numbers import is_whole

# Of neighbours neither of which is background, the share with equal values of a label map. Manual
# labels of brains at 1 mm (LPBA40, Mindboggle) have above 0.95, the 8-bit images below 0.07.
_EQUAL_NEIGHBOURS = 0.6
_INTENT_LABEL = 1002


def image_values(image: Grid) -> NDArray:
    """Array of a `Volume` or a nibabel image, scaling of the header applied."""
    return np.asarray(image.dataobj if hasattr(image, "dataobj") else image.data)


def image_name(image: Grid, otherwise: str) -> str:
    """File that a nibabel image was read from, or the words for one that has none."""
    name = image.get_filename() if hasattr(image, "get_filename") else None
    return str(Path(name)) if name else otherwise


def check_labels(image: Grid) -> None:
    """Refuse an image that is no label map.

    Parameters
    ----------
    image
        `Volume` or nibabel image, of any number of axes.

    Raises
    ------
    InputError
        If a value is not a whole number.
    """
    values = image_values(image)
    if values.dtype.kind in "biu":
        return
    bad = values if values.dtype.kind != "f" else values[~is_whole(values)]
    if bad.size:
        raise InputError(
            f"{image_name(image, 'Label map')}: expected labels, which are whole numbers, found "
            f"{bad.flat[0]}; give the label map itself, not an image or an interpolated map."
        )


def looks_like_labels(image: Grid) -> bool:
    """Whether an image is most likely a label map, which must not be interpolated linearly.

    Parameters
    ----------
    image
        `Volume` or nibabel image, of any number of axes.

    Returns
    -------
    bool
        True if the header says so (NIfTI intent 1002), or if all values are whole numbers and most
        neighbouring voxels have the same one, the most frequent value, the background, left out.
    """
    header = getattr(image, "header", None)
    if isinstance(header, nib.Nifti1Header) and int(header["intent_code"]) == _INTENT_LABEL:
        return True
    values = image_values(image)
    if values.dtype.kind not in "biuf" or not values.size:
        return False
    if values.dtype.kind == "f" and not is_whole(values).all():
        return False
    found, count = np.unique(values, return_counts=True)
    background = found[count.argmax()]
    equal = counted = 0
    for axis in range(min(values.ndim, 3)):
        ahead = values[(slice(None),) * axis + (slice(1, None),)]
        behind = values[(slice(None),) * axis + (slice(None, -1),)]
        # Where one of the two is background there is a border, of labels and of brains alike.
        inside = (ahead != background) & (behind != background)
        counted += np.count_nonzero(inside)
        equal += np.count_nonzero(inside & (ahead == behind))
    # Without neighbours these are landmarks, or one value throughout.
    return counted == 0 or equal >= _EQUAL_NEIGHBOURS * counted
