"""A brain on its way to the network: aligned to the template, normalised."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pmrnet.brain_image import BrainImage
from pmrnet.composition import Placement
from pmrnet.data.affine import estimate_affine
from pmrnet.data.brain_box import cut_to_brain
from pmrnet.data.intensity import normalise
from pmrnet.data.resampling import resample
from pmrnet.data.template import icbm152_brain, icbm152_volume, network_grid
from pmrnet.data.volume import Volume, canonical
from pmrnet.errors import InputError
from pmrnet.grid_resampling import resample_replicated


@dataclass(frozen=True, eq=False)
class AlignedBrain:
    """A brain, its place, and its image on the network grid.

    Attributes
    ----------
    source
        The image as it was given, and its brain.
    placement
        Native grid and how the network grid lies in it.
    network_image
        float32 in [0, 1] on the network grid at 1 mm; None of a brain that was not aligned.
    overlap
        Share of the brain that lies inside the template's after the alignment; None likewise.
    """

    source: BrainImage
    placement: Placement
    network_image: NDArray | None
    overlap: float | None

    @property
    def name(self) -> str:
        """File name, or what it is in the registration."""
        return self.source.name

    @property
    def image(self) -> nib.spatialimages.SpatialImage:
        """The whole image as given."""
        return self.source.image

    @property
    def brain(self) -> Volume:
        """The image, zero outside the brain."""
        return self.source.brain

    def on_native_grid(self, values: NDArray) -> NDArray:
        """Values of the network grid (X, Y, Z) on the native one, linear, edges replicated."""
        to_grid = np.linalg.inv(self.placement.grid_to_native)
        return resample_replicated(values[..., None], to_grid, self.placement.shape)[0]


def align_image(
    source: BrainImage,
    shape: tuple[int, int, int] = (160, 192, 160),
    to_subject: NDArray | None = None,
) -> AlignedBrain:
    """Align a brain to the ICBM152 template.

    Parameters
    ----------
    source
        From `pmrnet.brain_image.read_brain`.
    shape
        Voxels of the network grid at 1 mm.
    to_subject
        Alignment that is known already: 4x4 from RAS mm of the template to those of the subject.
        It is estimated if None.

    Raises
    ------
    InputError
        If no alignment is found.
    """
    brain, grid = source.brain, network_grid(1, shape)
    part = cut_to_brain(brain)  # all the rest is 0
    if to_subject is None:
        try:
            to_subject = estimate_affine(canonical(part), icbm152_volume(), quick=True)
        except InputError as error:
            raise InputError(f"{source.name}: {error}") from error
    aligned = resample(part, grid.affine, grid.shape, to_subject, order=1).data
    inside = aligned != 0
    if not inside.any():
        raise InputError(
            f"{source.name}: expected a brain on the template after alignment, found nothing "
            "there; check that it is skull-stripped and its header right."
        )
    return AlignedBrain(
        source,
        Placement(
            brain.affine, brain.shape, np.linalg.inv(brain.affine) @ to_subject @ grid.affine
        ),
        network_image=normalise(aligned),
        overlap=_overlap(inside[::2, ::2, ::2], shape),
    )


def place_image(source: BrainImage) -> AlignedBrain:
    """Leave a brain where its header puts it: two such brains meet in RAS mm."""
    affine = source.brain.affine
    placement = Placement(affine, source.brain.shape, np.linalg.inv(affine))
    return AlignedBrain(source, placement, network_image=None, overlap=None)


def _overlap(inside: NDArray[np.bool_], shape: tuple[int, int, int]) -> float:
    """Share of a brain, where it is on the network grid at 2 mm, that lies in the template's."""
    return float((inside & icbm152_brain(2, shape)).sum() / max(1, inside.sum()))
