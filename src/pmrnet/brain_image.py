"""A brain as it is given: read, checked, and cut out by its mask or by a tool for that."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pmrnet.data.brain_contrast import check_contrast
from pmrnet.data.brain_mask import cut_out
from pmrnet.data.placement import check_affine, check_same_grid, check_voxel_size
from pmrnet.data.reading import placement_of, without_trailing_axes
from pmrnet.data.skull_strip import SkullStrip, installed_tool
from pmrnet.data.volume import Volume, load_image
from pmrnet.data.whole_head import STRIPPERS, is_whole_head, refuse_whole_head
from pmrnet.errors import InputError
from pmrnet.image_files import open_image, storable

Image = str | os.PathLike | nib.spatialimages.SpatialImage | Sequence[Any]


@dataclass(frozen=True, eq=False)
class BrainImage:
    """An image and the brain in it.

    Attributes
    ----------
    name
        File name, or what it is in the registration.
    image
        The whole image as given, for writing results with its type, header and space.
    brain
        The same grid, zero outside the brain.
    mask_name
        File name of the mask, or what it is; None without one.
    stripped
        The mask that a tool made, and which; None if none was needed.
    """

    name: str
    image: nib.spatialimages.SpatialImage
    brain: Volume
    mask_name: str | None = None
    stripped: SkullStrip | None = None


def read_brain(
    given: Image,
    mask: Image | None,
    role: str,
    strip: Callable[[Volume, str], SkullStrip] | None = None,
    offers_strip: bool = False,
) -> BrainImage:
    """Read an image and cut the brain out.

    Parameters
    ----------
    given
        Path, nibabel image, or pair (array, 4x4 voxel-to-RAS affine).
    mask
        Brain mask on the same grid, see `pmrnet.data.brain_mask.inside_mask`; without one the image
        must be skull-stripped.
    role
        What the image is, for messages, such as ``fixed image``.
    strip
        What finds the brain in an image that looks like a whole head and has no mask, such as
        `pmrnet.data.skull_strip.strip_skull`; such an image is refused if None.
    offers_strip
        Whether who calls could say `strip`, for messages.

    Raises
    ------
    InputError
        If the image cannot be used, the mask is none or leaves no brain, or there is no mask, it
        looks like a whole head and is not to be stripped or cannot be.
    """
    name, image, whole = _read(given, role)
    if mask is not None:
        mask_name, _, volume = _read(mask, f"mask of the {role}")
        check_same_grid(Path(mask_name), volume, Path(name), whole)
        brain = cut_out(whole, volume, name, mask_name)
        check_contrast(brain, name, mask_name)
        return BrainImage(name, image, brain, mask_name)
    if strip is not None and is_whole_head(whole):
        stripped = strip(whole, name)
        brain = replace(whole, data=np.where(stripped.mask.data > 0, whole.data, 0))
        check_contrast(brain, name, f"that {stripped.tool} made")
        return BrainImage(name, image, brain, stripped=stripped)
    refuse_whole_head(Path(name), whole, _advice(offers_strip))
    return BrainImage(name, image, whole)


def _advice(offers_strip: bool) -> str:
    tool = installed_tool() if offers_strip else None
    here = "" if tool is None else f"say --strip (in Python strip=True) to run {tool}, found here, "
    return f"{here}{'or ' if here else ''}strip it with {STRIPPERS}, or give its brain mask."


def _read(given: Image, role: str) -> tuple[str, nib.spatialimages.SpatialImage, Volume]:
    """Name for messages, the image as given, and its checked values."""
    if isinstance(given, str | os.PathLike):
        volume = load_image(given)
        name = os.fspath(given)
        return name, open_image(name), volume
    assumed = None
    if isinstance(given, nib.spatialimages.SpatialImage):
        data, affine = np.asarray(given.dataobj), given.affine
        image = given
        file = given.get_filename()
        if file is not None and Path(file).is_file():
            affine, assumed = placement_of(Path(file), given)
            image = given if assumed is None else open_image(file)
    else:
        try:
            data, affine = given
            data = storable(np.asarray(data))
            image = nib.Nifti1Image(data, check_affine(affine, role), dtype=data.dtype)
        except (TypeError, ValueError, nib.spatialimages.HeaderDataError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{role}: expected a path, a nibabel image or a pair (array, 4x4 affine), found "
                f"{type(given).__name__}; give one of these."
            ) from error
    data = without_trailing_axes(np.asarray(data))
    if data.ndim != 3 or data.dtype.kind not in "biuf" or min(data.shape) < 2:
        raise InputError(
            f"{role}: expected a 3-D image of real numbers, found the shape {data.shape}, type "
            f"{data.dtype}; extract a single scalar volume."
        )
    if not np.isfinite(data).all() or data.min() == data.max():
        raise InputError(
            f"{role}: expected finite values with contrast, found "
            f"{'NaN or infinity' if not np.isfinite(data).all() else 'one value everywhere'}; "
            "correct the image."
        )
    matrix = check_affine(affine, role)
    check_voxel_size(np.linalg.norm(matrix[:3, :3], axis=0), role)
    return role, image, Volume(np.ascontiguousarray(data, np.float32), matrix, assumed)
