"""Registration of any two brains: native geometry in, native geometry out.

import pmrnet
r = pmrnet.register("moving.nii.gz", "fixed.nii.gz")
r.moved, r.forward, r.inverse, r.uncertainty
r.save("out")
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from pmrnet.aligned_brain import AlignedBrain, align_image, place_image
from pmrnet.brain_image import Image, read_brain
from pmrnet.composition import native_displacement
from pmrnet.data.skull_strip import strip_skull
from pmrnet.data.template import network_grid
from pmrnet.registration_method import IDENTITY, AlignmentOnly, NoField, load_method
from pmrnet.transforms import AffineTransform, DenseTransform, apply_to_image, jacobian_determinant
from pmrnet.weights.temperature import choose_temperature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pmrnet.network_field import FieldModel, NetworkField
    from pmrnet.refinement_settings import Refinement
    from pmrnet.weights.passes import Passes

#: weights that are used unless others are named
DEFAULT_WEIGHTS = "lpba40-general"


@dataclass(frozen=True, eq=False)
class Registration:
    """What `register` found; images and transforms are in the spaces of the files given.

    Attributes
    ----------
    fixed, moving
        The two brains and their alignment to the network grid.
    field
        Velocity and displacement on the network grid; none where the alignment is all.
    weights
        Description of the weights: name, SHA-256, training.
    seconds
        Time taken by each step.
    refinement
        Settings, steps and losses of the refinement; None without one.
    temperature
        Factor of the posterior's variance in `uncertainty`.
    """

    fixed: AlignedBrain
    moving: AlignedBrain
    field: NetworkField | NoField
    weights: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)
    refinement: dict[str, Any] | None = None
    temperature: float = 1.0

    @cached_property
    def forward(self) -> DenseTransform:
        """Transform from fixed to moving space: it resamples the moving image; RAS mm."""
        placed = self.fixed.placement, self.moving.placement
        u = _rounded(native_displacement(*placed, self.field.displacement))
        return DenseTransform(u, self.fixed.brain.affine)

    @cached_property
    def inverse(self) -> DenseTransform:
        """Transform from moving to fixed space, by the negated velocity; RAS mm.

        It resamples the fixed image, and takes points of the moving anatomy to the fixed one.
        """
        placed = self.moving.placement, self.fixed.placement
        u = _rounded(native_displacement(*placed, self.field.inverse_displacement))
        return DenseTransform(u, self.moving.brain.affine)

    @cached_property
    def affine(self) -> AffineTransform:
        """The affine part alone, from fixed to moving space; RAS mm."""
        fixed, moving = self.fixed.placement, self.moving.placement
        return AffineTransform(
            (moving.affine @ moving.grid_to_native)
            @ np.linalg.inv(fixed.affine @ fixed.grid_to_native)
        )

    @cached_property
    def moved(self) -> nib.Nifti1Image:
        """Moving image on the fixed image's grid, linearly interpolated once, in its own type."""
        return apply_to_image(self.forward, self.moving.image, self.fixed.image)

    @cached_property
    def moved_back(self) -> nib.Nifti1Image:
        """Fixed image on the moving image's grid."""
        return apply_to_image(self.inverse, self.fixed.image, self.moving.image)

    @cached_property
    def uncertainty(self) -> nib.Nifti1Image | None:
        """Standard deviation of the displacement, mm, on the fixed grid; see `network_field`.

        As the displacement's, its millimetres are those of the moving image. None where there is
        no network.
        """
        if self.field.displacement is None:
            return None
        placed = self.moving.placement
        deviation = self.field.standard_deviation(
            temperature=self.temperature, to_mm=(placed.affine @ placed.grid_to_native)[:3, :3]
        )
        deviation = self.fixed.on_native_grid(deviation)
        return nib.Nifti1Image(deviation, self.fixed.brain.affine)

    @cached_property
    def jacobian(self) -> nib.Nifti1Image:
        """Determinant of the forward transform's Jacobian on the fixed grid; below 0 it folds."""
        determinant = jacobian_determinant(self.forward)
        return nib.Nifti1Image(determinant.astype(np.float32), self.fixed.brain.affine)

    @cached_property
    def round_trip_error(self) -> dict[str, float]:
        """Distance in mm of points of the fixed brain from where forward and inverse take them."""
        inside = np.argwhere(self.fixed.brain.data != 0)
        step = max(1, len(inside) // 20_000)
        points = nib.affines.apply_affine(self.fixed.brain.affine, inside[::step])
        back = self.inverse.map_points(self.forward.map_points(points))
        distance = np.linalg.norm(back - points, axis=1)
        return {
            "mean_mm": float(distance.mean()),
            "p99_mm": float(np.percentile(distance, 99)),
            "max_mm": float(distance.max()),
        }

    def save(self, folder: str | PathLike, **options: Any) -> Path:
        """Write images, transforms, metrics and report; see `pmrnet.registration_files.save`."""
        from pmrnet.registration_files import save

        return save(self, Path(folder), **options)


def _rounded(displacement: NDArray) -> NDArray:
    """Millimetres to 1/4096: the digits beyond say nothing, and fill a third of a file."""
    displacement *= 4096
    np.rint(displacement, out=displacement)
    displacement /= 4096
    return displacement


def register(
    moving: Image,
    fixed: Image,
    *,
    moving_mask: Image | None = None,
    fixed_mask: Image | None = None,
    weights: str | PathLike = DEFAULT_WEIGHTS,
    refine: Refinement | None = None,
    passes: Passes | None = None,
    symmetric: bool = False,
    temperature: float | str | None = None,
    strip: bool = False,
) -> Registration:
    """Register two T1 brains.

    Each brain is aligned to the ICBM152 template by an affine map, the network finds the
    deformation between the two there, and everything is composed into one transform between the
    two native spaces.

    Parameters
    ----------
    moving, fixed
        Path of a NIfTI, MGZ, Analyze or npz file, a nibabel image, or a pair (array, affine) with
        the 4x4 voxel-to-RAS matrix in mm. Skull-stripped, unless there is a mask.
    moving_mask, fixed_mask
        Brain masks on the grids of their images. Whole numbers above 0 are brain, and of fractions
        between 0 and 1, probabilities, those from 0.5.
    weights
        Name of shipped weights, or path of a weights JSON. Without a network: ``affine``, the
        affine alignment alone, or ``identity``, the places that the headers say.
    refine
        Settings with which the network's answer is optimised for this pair, which takes some
        seconds; None takes the answer as it is. See `pmrnet.refinement_settings.Refinement`.
    passes
        How often the network looks, each time at what it has moved so far, with the same weights;
        None for the number that the weights' JSON advises, else that of their training. More may
        help where images are unlike those of the training and lie further apart. "1+3": before
        these three, one at images of half the resolution.
    symmetric
        Look in both directions and take half the difference of the two velocities, so that neither
        image is preferred: registered in the other order, they give the inverse of this
        registration. The network takes twice the time, and `refine` counts the similarity of both
        directions.
    temperature
        Factor of the posterior's variance in the uncertainty: a number, 1 for what the network
        says; "fitted" for the one that `pmrnet calibrate` stored beside the weights; None for the
        fitted one where there is one, else 1. Nothing but the uncertainty depends on it.
    strip
        Let SynthStrip, HD-BET or BET, whichever is on the PATH, find the brain in an image that
        looks like a whole head and has no mask; such an image is refused otherwise.

    Returns
    -------
    Registration

    Raises
    ------
    InputError
        If an image cannot be used; the sentence says why and what to do.

    Examples
    --------
    >>> import pmrnet
    >>> r = pmrnet.register("moving.nii.gz", "fixed.nii.gz")  # doctest: +SKIP
    >>> r.save("out")  # doctest: +SKIP
    """
    started = time.perf_counter()
    given = ((moving, moving_mask, "moving image"), (fixed, fixed_mask, "fixed image"))
    align = place_image if str(weights) == IDENTITY else align_image
    stripper = strip_skull if strip else None
    # Reading and aligning are the work of libraries that leave Python to others meanwhile.
    with ThreadPoolExecutor(max_workers=len(given)) as pool:
        sources = list(
            pool.map(lambda one: read_brain(*one, strip=stripper, offers_strip=True), given)
        )
    with ThreadPoolExecutor(max_workers=1) as pool:
        aligning = [pool.submit(align, source) for source in sources]
        model = load_method(
            weights, refine, passes, temperature, symmetric=symmetric, compiled=False
        )
        model.compile(network_grid().shape)  # by one processor mostly; the other one aligns
        aligned = [brain.result() for brain in aligning]
    seconds = {"align_and_load": time.perf_counter() - started}
    return register_aligned(*aligned, model, refine, seconds, temperature)


def register_aligned(
    moving: AlignedBrain,
    fixed: AlignedBrain,
    model: FieldModel | AlignmentOnly,
    refine: Refinement | None = None,
    seconds: Mapping[str, float] | None = None,
    temperature: float | str | None = None,
) -> Registration:
    """Register two brains that are aligned to the template, with a network that is loaded.

    Parameters
    ----------
    moving, fixed
        From `pmrnet.aligned_brain.align_image`.
    model
        From `pmrnet.registration_method.load_method`.
    refine, temperature
        As in `register`.
    seconds
        What the steps before took, for the record.
    """
    seconds = dict(seconds or {})
    temperature = choose_temperature(temperature, model.description)  # before the work
    started = time.perf_counter()
    images = moving.network_image, fixed.network_image
    found = model.field(*images) if refine is None else model.field(*images, refine=refine)
    seconds["network"] = time.perf_counter() - started
    record = None if refine is None else found.refinement
    if record is not None:
        seconds["refine"] = record["seconds"]
        seconds["network"] -= record["seconds"]
    return Registration(fixed, moving, found, model.description, seconds, record, temperature)
