"""Geodesic shooting applied to prepared subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from pmrnet import spatial
from pmrnet.shooting.grey_levels import align_grey_levels
from pmrnet.shooting.optimise import register

if TYPE_CHECKING:
    from pmrnet.data.prepared import PreparedSubject
    from pmrnet.shooting.settings import ShootingSettings


class ShootingRegistrar:
    """Displacements between prepared subjects, each by an optimisation of its own.

    Parameters
    ----------
    settings
        See `ShootingSettings`; its finest spacing is at least that of the stored images.

    Attributes
    ----------
    record
        Of the last registration, as `pmrnet.shooting.optimise.register` gives it; None before.
    """

    def __init__(self, settings: ShootingSettings) -> None:
        self.settings = settings
        self.record: dict | None = None
        self._images: dict[tuple[str, int], np.ndarray] = {}

    def displacement(self, moving: PreparedSubject, fixed: PreparedSubject) -> np.ndarray:
        """Displacement that moves `moving` onto `fixed`.

        Returns
        -------
        ndarray
            (X, Y, Z, 3), voxels of the subjects' stored network grid.

        Raises
        ------
        InputError
            If a spacing of the settings is not a whole multiple of the stored images'.
        """
        spacings = self.settings.spacings
        sources = [self._image(moving, spacing) for spacing in spacings]
        targets = [self._image(fixed, spacing) for spacing in spacings]
        if self.settings.align_grey_levels:
            targets = [align_grey_levels(t, s) for t, s in zip(targets, sources, strict=True)]
        field, self.record = register(sources, targets, self.settings)
        times = (spacings[-1] // fixed.spacing).bit_length() - 1
        finest = spatial.upsample_field(ops.convert_to_tensor(field[None]), times)
        return ops.convert_to_numpy(finest)[0]

    def _image(self, subject: PreparedSubject, spacing: int) -> np.ndarray:
        key = subject.name, spacing
        if key not in self._images:
            self._images[key] = np.asarray(subject.image_at(spacing), dtype=np.float32)
        return self._images[key]
