"""A trained network as a function from two images to a field with its inverse and uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from pmrnet import spatial
from pmrnet.data.downsampling import downsample
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.weights import load_network


@dataclass(frozen=True, eq=False)
class NetworkField:
    """Posterior of the velocity between two images, and what follows from its mean.

    Attributes
    ----------
    displacement, inverse_displacement
        (X, Y, Z, 3) in voxels of the network grid at 1 mm: integrals of the posterior mean v and
        of -v. The first resamples the moving image, the second the fixed one.
    """

    model: FieldModel
    moving: NDArray
    fixed: NDArray
    velocity: NDArray
    displacement: NDArray
    inverse_displacement: NDArray

    def standard_deviation(self, samples: int = 16, seed: int = 0) -> NDArray:
        """Spread of the displacement under samples of the posterior velocity, mm.

        Square root of the sum of the variances of the displacement's three components over
        `samples` draws, on the network grid (X, Y, Z).
        """
        return self.model.standard_deviation(self.moving, self.fixed, samples, seed)


class FieldModel:
    """A network with weights, ready for pairs of images on the network grid at 1 mm.

    Parameters
    ----------
    network
        With weights.
    description
        The weights' JSON; `spacing` is the voxel size in mm that the network takes.
    """

    def __init__(self, network: RegistrationNetwork, description: dict[str, Any]) -> None:
        self.network, self.description = network, description
        self.factor = int(description["spacing"])

    def field(self, moving: NDArray, fixed: NDArray) -> NetworkField:
        """Register two images (X, Y, Z), float32 in [0, 1], on the network grid at 1 mm."""
        moving, fixed = (self._tensor(image) for image in (moving, fixed))
        outputs = self.network.predict_on_batch({"moving": moving, "fixed": fixed})
        velocity = ops.convert_to_tensor(outputs["velocity"])
        return NetworkField(
            self,
            moving,
            fixed,
            ops.convert_to_numpy(velocity)[0],
            self._displacement(velocity),
            self._displacement(-velocity),
        )

    def standard_deviation(
        self, moving: NDArray, fixed: NDArray, samples: int, seed: int
    ) -> NDArray:
        """See `NetworkField.standard_deviation`."""
        self.network.sampler.reset(seed)
        total = square = 0.0
        for _ in range(samples):
            sample = self.network.infer(moving, fixed, training=True).sample
            u = ops.convert_to_numpy(self.network.displacement_of(sample))[0].astype(np.float64)
            total, square = total + u, square + u**2
        variance = np.maximum(square - total**2 / samples, 0) / max(samples - 1, 1)
        deviation = np.sqrt(variance.sum(axis=-1)) * self.factor
        upsampled = spatial.upsample(
            ops.convert_to_tensor(deviation[None, ..., None].astype(np.float32)),
            round(math.log2(self.factor)),
        )
        return ops.convert_to_numpy(upsampled)[0, ..., 0]

    def _tensor(self, image: NDArray) -> NDArray:
        return downsample(image, self.factor)[None, ..., None]

    def _displacement(self, velocity: object) -> NDArray:
        u = self.network.displacement_of(velocity)
        return ops.convert_to_numpy(spatial.upsample_field(u, round(math.log2(self.factor))))[0]


def load_field_model(weights: str | PathLike) -> FieldModel:
    """Load a network for `FieldModel`, by the name of shipped weights or the path of a JSON."""
    return FieldModel(*load_network(weights))
