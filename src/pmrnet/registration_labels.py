"""Label maps of a registration: moved by nearest neighbour, and compared."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from pmrnet.data.placement import other_grid
from pmrnet.data.reading import without_trailing_axes
from pmrnet.data.volume import Volume, label_volume, load_labels
from pmrnet.errors import InputError
from pmrnet.image_files import open_image
from pmrnet.label_warp import compact_labels
from pmrnet.metrics import dice_per_label
from pmrnet.transforms import apply_to_image
from pmrnet.transforms.labels import image_name, image_values, looks_like_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pmrnet.transforms import Transform
    from pmrnet.transforms.transform import Grid

Labels = str | PathLike | nib.spatialimages.SpatialImage


def read_labels(given: Labels | None, role: str, grid: Grid) -> nib.Nifti1Image | None:
    """Read the label map of an image; None of None.

    Its type is the given one's, or the smallest integer type that holds it where that is none.

    Parameters
    ----------
    given
        Label map on the grid of the image: a file, or a nibabel image such as this function made.
    role
        ``moving`` or ``fixed``, for messages.
    grid
        The image.

    Raises
    ------
    InputError
        If it is no label map but an image, say, or on another grid.
    """
    if given is None:
        return None
    name, volume, image = _read(given, role)
    stored = image.get_data_dtype()
    if not looks_like_labels(image):
        raise InputError(
            f"{name}: expected the label map of the {role} image, found what looks like an image, "
            "whose neighbouring voxels differ; give the labels, or leave them out."
        )
    if (found := other_grid(volume, grid)) is not None:
        shape = tuple(int(n) for n in grid.shape[:3])
        raise InputError(
            f"{name}: expected labels on the grid of the {role} image, {shape}, found {found}; "
            "resample them to it, or mend the header if they were drawn on it."
        )
    kept = stored.kind in "iu" and volume.data.max() <= np.iinfo(stored).max
    # 64 bits are refused by nibabel if they are not asked for, and by others anyway.
    if kept and stored.itemsize <= 4:
        data = volume.data.astype(stored.newbyteorder("="))
    else:
        data = compact_labels(volume.data)
        data = volume.data if data.dtype.itemsize > 4 else data
    return nib.Nifti1Image(data, grid.affine)


def _read(given: Labels, role: str) -> tuple[str, Volume, nib.spatialimages.SpatialImage]:
    """Name for messages, labels, and the image that they are stored in."""
    if not isinstance(given, nib.spatialimages.SpatialImage):
        return str(given), load_labels(given), open_image(given, "seg")
    name = image_name(given, f"labels of the {role} image")
    data = without_trailing_axes(image_values(given))
    if data.ndim != 3 or data.dtype.kind not in "biuf" or not data.size:
        raise InputError(
            f"{name}: expected a 3-D label map, found the shape {data.shape}, type {data.dtype}; "
            "extract a single volume."
        )
    return name, label_volume(data, given.affine, name), given


def move_labels(
    moving: nib.Nifti1Image | None,
    fixed: nib.Nifti1Image | None,
    forward: Transform,
    affine: Transform,
    reference: Grid,
) -> dict[str, nib.Nifti1Image]:
    """Label maps on the fixed grid.

    Parameters
    ----------
    moving, fixed
        From `read_labels`; there may be neither.
    forward, affine
        Transform from fixed to moving space, and its affine part.
    reference
        Fixed image.

    Returns
    -------
    dict
        ``fixed``, and of the moving ones ``before``, by the affine part alone, and ``moved``, as
        far as they were given.
    """
    result = {} if fixed is None else {"fixed": fixed}
    if moving is not None:
        result["moved"] = apply_to_image(forward, moving, reference, order=0)
        result["before"] = apply_to_image(affine, moving, reference, order=0)
    return result


def dice_of(labels: Mapping[str, nib.Nifti1Image]) -> dict[str, float]:
    """Mean Dice over the fixed labels, ``dice_before`` and ``dice_after``; nothing without both."""
    if not {"fixed", "moved"} <= labels.keys():
        return {}
    target = np.asarray(labels["fixed"].dataobj)
    ids = [int(i) for i in np.unique(target) if i]
    return {
        key: float(
            np.nanmean(list(dice_per_label(np.asarray(labels[name].dataobj), target, ids).values()))
        )
        for key, name in (("dice_before", "before"), ("dice_after", "moved"))
    }
