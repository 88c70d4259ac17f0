"""A brain on its way to the network: read, checked, aligned to the template, normalised."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pmrnet.composition import Placement
from pmrnet.data.affine import AffineSettings, estimate_affine, resample
from pmrnet.data.intensity import normalise
from pmrnet.data.placement import check_affine, check_same_grid, check_voxel_size
from pmrnet.data.template import icbm152, icbm152_volume, network_grid
from pmrnet.data.volume import Volume, canonical, load_image
from pmrnet.data.whole_head import refuse_whole_head
from pmrnet.errors import InputError
from pmrnet.image_files import open_image

Image = str | os.PathLike | nib.spatialimages.SpatialImage | Sequence[Any]


@dataclass(frozen=True, eq=False)
class AlignedBrain:
    """A brain, its place, and its image on the network grid.

    Attributes
    ----------
    name
        File name, or what it is in the registration.
    image
        The whole image as given, for writing results with its type, header and space.
    brain
        Native grid, zero outside the brain.
    placement
        Native grid and how the network grid lies in it.
    network_image
        float32 in [0, 1] on the network grid at 1 mm.
    overlap
        Share of the brain that lies inside the template's after the alignment.
    """

    name: str
    image: nib.spatialimages.SpatialImage
    brain: Volume
    placement: Placement
    network_image: NDArray
    overlap: float

    def on_native_grid(self, values: NDArray) -> NDArray:
        """Values of the network grid (X, Y, Z) on the native one, linear, edges replicated."""
        matrix = np.linalg.inv(self.placement.grid_to_native)
        return ndimage.affine_transform(
            np.asarray(values, np.float32),
            matrix[:3, :3],
            matrix[:3, 3],
            output_shape=self.placement.shape,
            order=1,
            mode="nearest",
        )


def align_brain(
    given: Image,
    mask: Image | None,
    role: str,
    shape: tuple[int, int, int] = (160, 192, 160),
    settings: AffineSettings | None = None,
    to_subject: NDArray | None = None,
) -> AlignedBrain:
    """Read a brain and align it to the ICBM152 template.

    Parameters
    ----------
    given
        Path, nibabel image, or pair (array, 4x4 voxel-to-RAS affine).
    mask
        Brain mask on the same grid; without one the image must be skull-stripped.
    role
        What the image is, for messages, such as ``fixed image``.
    shape
        Voxels of the network grid at 1 mm.
    settings
        Of the affine alignment; the defaults if None.
    to_subject
        Alignment that is known already: 4x4 from RAS mm of the template to those of the subject.
        It is estimated if None.

    Raises
    ------
    InputError
        If the image cannot be used or no alignment is found.
    """
    name, image, brain = read_brain(given, mask, role)
    grid = network_grid(1, shape)
    if to_subject is None:
        to_subject = estimate_affine(canonical(brain), icbm152_volume(), settings)
    aligned = resample(brain, grid.affine, grid.shape, to_subject, order=1).data
    inside = aligned != 0
    if not inside.any():
        raise InputError(
            f"{name}: expected a brain on the template after alignment, found nothing there; check "
            "that it is skull-stripped and its header right."
        )
    return AlignedBrain(
        name=name,
        image=image,
        brain=brain,
        placement=Placement(
            brain.affine, brain.shape, np.linalg.inv(brain.affine) @ to_subject @ grid.affine
        ),
        network_image=normalise(aligned),
        overlap=float((inside & (icbm152(grid) > 0)).sum() / inside.sum()),
    )


def read_brain(
    given: Image, mask: Image | None, role: str
) -> tuple[str, nib.spatialimages.SpatialImage, Volume]:
    """Name for messages, the whole image as given, and the brain: zero outside its mask.

    Raises
    ------
    InputError
        If the image cannot be used, or there is no mask and it looks like a whole head.
    """
    name, image, brain = _read(given, role)
    if mask is None:
        refuse_whole_head(Path(name), brain)
    else:
        mask_name, _, volume = _read(mask, f"mask of the {role}")
        check_same_grid(Path(mask_name), volume, Path(name), brain)
        brain = replace(brain, data=np.where(volume.data > 0, brain.data, 0))
    return name, image, brain


def _read(given: Image, role: str) -> tuple[str, nib.spatialimages.SpatialImage, Volume]:
    """Name for messages, the image as given, and its checked values."""
    if isinstance(given, str | os.PathLike):
        volume = load_image(given)
        name = os.fspath(given)
        return name, open_image(name), volume
    if isinstance(given, nib.spatialimages.SpatialImage):
        data, affine = np.asarray(given.dataobj), given.affine
        image = given
    else:
        try:
            data, affine = given
            data = np.asarray(data)
            image = nib.Nifti1Image(data, check_affine(affine, role), dtype=data.dtype)
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{role}: expected a path, a nibabel image or a pair (array, 4x4 affine), found "
                f"{type(given).__name__}; give one of these."
            ) from error
    data = np.asarray(data)
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
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
    return role, image, Volume(np.ascontiguousarray(data, np.float32), matrix)
