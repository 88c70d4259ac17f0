"""Random changes of training images, for weights that are to serve brains of any origin."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage

from pmrnet.errors import InputError
from pmrnet.settings_section import read_settings
from pmrnet.value_checks import is_number


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How much training images are changed; 0 leaves one kind of change out.

    Both images of a pair are mirrored alike, so that a pair stays a pair; everything else is drawn
    for each image by itself.

    Parameters
    ----------
    mirror
        Share of pairs that are mirrored along the first axis, left to right.
    rotation_degrees, scaling, shear, translation_voxels
        Largest change, uniformly drawn per axis, of the affine map that images are resampled by:
        what an affine alignment may leave.
    contrast
        Standard deviation of the logarithm of gamma: intensities in [0, 1] become their power.
    bias
        Standard deviation of the logarithm of a smooth factor that varies over half the grid.
    """

    mirror: float = 0.0
    rotation_degrees: float = 0.0
    scaling: float = 0.0
    shear: float = 0.0
    translation_voxels: float = 0.0
    contrast: float = 0.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not is_number(value) or value < 0:
                raise InputError(
                    f"augment.{field.name}: expected a number of 0 or more, found {value!r}; "
                    "correct the file."
                )

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], path: object) -> Augmentation:
        """Read the section `augment` of an experiment file; what is left out is 0.

        Raises
        ------
        InputError
            If a key is unknown or a value no number of 0 or more; it names `path`.
        """
        return read_settings(cls, content, "augment", path, "experiments/lpba40/general.yaml")

    def pair(
        self,
        images: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
        labels: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray] | None]:
        """Change a moving and a fixed image, and their labels as far as they move.

        Parameters
        ----------
        images
            (X, Y, Z), float32 in [0, 1].
        rng
            Source of the changes, which do not depend on whether there are labels.
        labels
            Label maps of the images' shape, or None. Mirrored like the images, labels keep their
            numbers: left is then on the right in both.

        Returns
        -------
        tuple
            Images and labels, new arrays of their kind.
        """
        step = -1 if rng.random() < self.mirror else 1
        maps = labels or (None, None)
        changed = [
            self._image(image[::step], rng, None if found is None else found[::step])
            for image, found in zip(images, maps, strict=True)
        ]
        images, maps = zip(*changed, strict=True)
        return images, maps if labels else None

    def _image(
        self, image: np.ndarray, rng: np.random.Generator, labels: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        image, labels = self._resampled(image, rng, labels)
        brain = image > 0
        if self.contrast:
            image = image ** np.float32(np.exp(self.contrast * rng.standard_normal()))
        if self.bias:
            image = image * self._bias(image.shape, rng)
        return np.where(brain, np.clip(image, 0, 1), 0).astype(np.float32), labels

    def _resampled(
        self, image: np.ndarray, rng: np.random.Generator, labels: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        matrix, shift = self.affine(rng)
        if np.array_equal(matrix, np.eye(3)) and not shift.any():
            return image, labels
        centre = (np.array(image.shape) - 1) / 2
        offset = centre - matrix @ centre + shift
        image = ndimage.affine_transform(image, matrix, offset, order=1, output=np.float32)
        if labels is not None:
            labels = ndimage.affine_transform(labels, matrix, offset, order=0)
        return image, labels

    def affine(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a 3x3 matrix about the grid's centre and a shift in voxels."""
        angles, scales, shears, shift = rng.uniform(-1, 1, (4, 3))
        matrix = np.eye(3)
        for axis, angle in enumerate(np.deg2rad(self.rotation_degrees * angles)):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            turn = np.eye(3)
            turn[[a, a, b, b], [a, b, a, b]] = (
                np.cos(angle),
                -np.sin(angle),
                np.sin(angle),
                np.cos(angle),
            )
            matrix = matrix @ turn
        stretch = np.diag(1 + self.scaling * scales)
        stretch[[0, 0, 1], [1, 2, 2]] = self.shear * shears
        return matrix @ stretch, self.translation_voxels * shift

    def _bias(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """A random field of 3^N knots, interpolated to the grid."""
        field = self.bias * rng.standard_normal((3,) * len(shape))
        for axis, size in enumerate(shape):
            place = np.linspace(0, 2, size)
            hats = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(3)))
            field = np.moveaxis(np.tensordot(hats, field, axes=(1, axis)), 0, axis)
        return np.exp(field).astype(np.float32)
