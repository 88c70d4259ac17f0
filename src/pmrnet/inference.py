"""A trained network applied to prepared subjects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from pmrnet import spatial

if TYPE_CHECKING:
    from pmrnet.data.prepared import PreparedSubject
    from pmrnet.nn.network import RegistrationNetwork


class Registrar:
    """Displacements between prepared subjects, by the posterior mean of a network.

    Parameters
    ----------
    network
        With weights.
    spacing
        Voxel size in mm of the images that the network takes; where it is coarser than the stored
        images, they are reduced and the displacement is brought back to their grid.
    """

    def __init__(self, network: RegistrationNetwork, spacing: int) -> None:
        self.network = network
        self.spacing = spacing
        self._images: dict[str, np.ndarray] = {}

    def displacement(self, moving: PreparedSubject, fixed: PreparedSubject) -> np.ndarray:
        """Displacement that moves `moving` onto `fixed`.

        Returns
        -------
        ndarray
            (X, Y, Z, 3), voxels of the subjects' stored network grid.
        """
        outputs = self.network.predict_on_batch(
            {"moving": self._image(moving), "fixed": self._image(fixed)}
        )
        times = round(math.log2(self.spacing / fixed.spacing))
        field = spatial.upsample_field(ops.convert_to_tensor(outputs["displacement"]), times)
        return ops.convert_to_numpy(field)[0]

    def _image(self, subject: PreparedSubject) -> np.ndarray:
        if subject.name not in self._images:
            image = np.asarray(subject.image_at(self.spacing), dtype=np.float32)
            self._images[subject.name] = image[None, ..., None]
        return self._images[subject.name]
