"""A trained network applied to prepared subjects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from pmrnet import spatial
from pmrnet.errors import InputError
from pmrnet.methods import method_of
from pmrnet.network_field import FieldModel, refuse_other_grids
from pmrnet.nn.cascade import with_passes
from pmrnet.refinement_settings import Refinement
from pmrnet.weights.passes import counts_of

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
        # Anew for each pair, so that the seconds of a registration have all that it takes.
        image = np.asarray(subject.image_at(self.spacing), dtype=np.float32)
        refuse_other_grids(self.network, image.shape)
        return image[None, ..., None]


class PairRegistrar:
    """As `Registrar`, with what `pmrnet register` does for each pair besides.

    Parameters
    ----------
    network, description
        With weights, and the weights' JSON.
    refine
        Settings with which the network's answer is optimised; None takes it as it is.
    symmetric
        Whether it looks in both directions.
    """

    def __init__(
        self,
        network: RegistrationNetwork,
        description: dict[str, Any],
        refine: Refinement | None = None,
        symmetric: bool = False,
    ) -> None:
        self.model = FieldModel(network, description, symmetric=symmetric)
        self.settings = refine

    def displacement(self, moving: PreparedSubject, fixed: PreparedSubject) -> np.ndarray:
        """Displacement that moves `moving` onto `fixed`.

        Returns
        -------
        ndarray
            (X, Y, Z, 3), voxels of the subjects' network grid, which must be of 1 mm.

        Raises
        ------
        InputError
            If it is not.
        """
        if not moving.spacing == fixed.spacing == 1:
            raise InputError(
                "registration as of files: expected subjects stored at 1 mm, found "
                f"{moving.spacing:g} and {fixed.spacing:g} mm; take another method."
            )
        images = (np.asarray(s.image_at(1), dtype=np.float32) for s in (moving, fixed))
        return self.model.field(*images, refine=self.settings).displacement


def registrar_of(
    method: str, network: RegistrationNetwork, description: dict[str, Any]
) -> Registrar | PairRegistrar:
    """What registers pairs for a method of the tables: the network as it uses it.

    Parameters
    ----------
    method
        Name of the method.
    network, description
        From `pmrnet.weights.load_network`, of the weights that the method has.
    """
    shown = method_of(method)
    if shown.passes is not None:
        network = with_passes(network, *counts_of(shown.passes))
    if shown.refined or shown.symmetric:
        refine = Refinement() if shown.refined else None
        return PairRegistrar(network, description, refine, shown.symmetric)
    return Registrar(network, description["spacing"])
