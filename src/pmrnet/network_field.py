"""A trained network as a function from two images to a field with its inverse and uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from pmrnet import spatial
from pmrnet.data.downsampling import downsample
from pmrnet.errors import InputError
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.posterior_programs import PosteriorPrograms
from pmrnet.posterior_spread import DRAWS, PosteriorSpread
from pmrnet.weights import load_network
from pmrnet.weights.passes import Passes, looking

if TYPE_CHECKING:
    from pmrnet.refinement_settings import Refinement


@dataclass(frozen=True, eq=False)
class NetworkField:
    """Posterior of the velocity between two images, and what follows from its mean.

    Attributes
    ----------
    shared
        What draws of the posterior share, from `PosteriorPrograms.share`.
    displacement, inverse_displacement
        (X, Y, Z, 3) in voxels of the network grid at 1 mm: integrals of the posterior mean v and
        of -v. The first resamples the moving image, the second the fixed one.
    velocity
        (x, y, z, 3) in voxels of its own grid: the posterior mean on half the network's grid, or
        what the refinement made of it, on the grid of its last level.
    refinement
        Record of `pmrnet.refine.refine`; None where the posterior mean was taken as it is.
    """

    model: FieldModel
    shared: Any
    velocity: NDArray
    displacement: NDArray
    inverse_displacement: NDArray
    refinement: dict[str, Any] | None = None

    def standard_deviation(
        self,
        samples: int = DRAWS,
        seed: int = 0,
        temperature: float = 1.0,
        to_mm: NDArray | None = None,
    ) -> NDArray:
        """Spread of the displacement under samples of the posterior velocity, mm.

        Square root of the sum of the variances of the displacement's three components over
        `samples` draws, on the network grid (X, Y, Z). It is the network's posterior, in this
        order of the images, also where the mean was refined or is that of both directions.
        `temperature` multiplies the variance of the posterior velocity; the one that makes the
        spread match errors is fitted by `pmrnet.calibration`. `to_mm`, 3x3, takes displacements
        from the network grid to the millimetres wanted; None leaves them in those of the template.
        """
        return self.model.standard_deviation(self.shared, samples, seed, temperature, to_mm)


def refuse_other_grids(network: RegistrationNetwork, shape: Sequence[float]) -> None:
    """Refuse images of a shape that the network cannot halve as often as it does.

    Raises
    ------
    InputError
        Such weights are of data of another shape than the standard grid's.
    """
    if any(n % network.multiple for n in shape):
        raise InputError(
            f"weights: expected a network for images of {' x '.join(f'{n:g}' for n in shape)} "
            f"voxels, found one that takes multiples of {network.multiple}; choose other weights."
        )


class FieldModel:
    """A network with weights, ready for pairs of images on the network grid at 1 mm.

    Parameters
    ----------
    network
        With weights.
    description
        The weights' JSON; `spacing` is the voxel size in mm that the network takes.
    compiled
        Whether it pays to compile the network, see `PosteriorPrograms`: for many pairs it does.
    symmetric
        Whether fields are those of both directions: half the difference of the two velocities, so
        that images in the other order give the negative velocity; refined ones up to rounding,
        which the steps amplify.
    """

    def __init__(
        self,
        network: RegistrationNetwork,
        description: dict[str, Any],
        compiled: bool = True,
        symmetric: bool = False,
    ) -> None:
        if not network.has_velocity:
            raise InputError(
                f"weights: expected a network that finds a velocity, which can be inverted, found "
                f"{description['network'].get('type')!r}; choose other weights."
            )
        if symmetric:
            description = {**description, "symmetric": True}
        self.network, self.description, self._compiled = network, description, compiled
        self.symmetric = symmetric
        self.factor = int(description["spacing"])

    @cached_property
    def posterior(self) -> PosteriorPrograms:
        """The network's posterior, whose programs are compiled when they are first used."""
        return PosteriorPrograms(self.network, self._compiled)

    def field(
        self, moving: NDArray, fixed: NDArray, refine: Refinement | None = None
    ) -> NetworkField:
        """Register two images (X, Y, Z), float32 in [0, 1], on the network grid at 1 mm.

        With `refine`, the velocity is optimised for this pair from the network's on.
        """
        images = moving, fixed
        refuse_other_grids(self.network, [n / self.factor for n in moving.shape])
        with ThreadPoolExecutor(max_workers=2) as pool:
            moving, fixed = pool.map(self._tensor, images)
        shared = self.posterior.share(moving, fixed)
        velocity = self.posterior.mean(shared)
        if self.symmetric:
            back = self.posterior.mean(self.posterior.share(fixed, moving))
            velocity = 0.5 * (velocity - back)
        if refine is not None and any(refine.steps):
            return self._refined(shared, images, velocity, refine)
        return NetworkField(
            self,
            shared,
            ops.convert_to_numpy(velocity)[0],
            self._displacement(velocity),
            self._displacement(-velocity),
        )

    def compile(self, shape: tuple[int, int, int]) -> None:
        """Compile for images (X, Y, Z) at 1 mm, which the first call of `field` does otherwise."""
        reduced = [n // self.factor for n in shape]
        refuse_other_grids(self.network, [n / self.factor for n in shape])
        moving, fixed = np.zeros((2, 1, *reduced, 1), np.float32)
        self._displacement(self.posterior.mean(self.posterior.share(moving, fixed)))

    def _refined(
        self,
        shared: Any,
        images: tuple[NDArray, NDArray],
        velocity: object,
        settings: Refinement,
    ) -> NetworkField:
        from pmrnet.refine import displacement_of, refine

        full = [ops.convert_to_tensor(image[None, ..., None]) for image in images]
        velocity, record = refine(*full, velocity, settings, self.symmetric)
        u, inverse = (
            ops.convert_to_numpy(displacement_of(sign * velocity, images[0].shape, settings))[0]
            for sign in (1.0, -1.0)
        )
        velocity = ops.convert_to_numpy(velocity)[0]
        return NetworkField(self, shared, velocity, u, inverse, record)

    def displacement(self, velocity: NDArray) -> NDArray:
        """Integrate a velocity to a displacement (X, Y, Z, 3) on the grid at 1 mm, in its voxels.

        The velocity, (x, y, z, 3), is one that `field` gives without refinement, or a mean of
        such; a refined one has another grid and is integrated in other steps.
        """
        return self._displacement(ops.convert_to_tensor(velocity[None]))

    def standard_deviation(
        self,
        shared: Any,
        samples: int,
        seed: int,
        temperature: float = 1.0,
        to_mm: NDArray | None = None,
    ) -> NDArray:
        """See `NetworkField.standard_deviation`."""
        variance = PosteriorSpread(self.posterior).variance(shared, samples, seed, temperature)
        # |A e|^2 in the mean over e of independent components is the sum of their variances times
        # the squared lengths of A's columns.
        weights = np.ones(3) if to_mm is None else np.square(to_mm).sum(axis=0)
        deviation = np.sqrt(variance @ weights.astype(np.float32)) * self.factor
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


def load_field_model(
    weights: str | PathLike,
    compiled: bool = True,
    passes: Passes | None = None,
    symmetric: bool = False,
) -> FieldModel:
    """Load a network for `FieldModel`.

    Parameters
    ----------
    weights
        Name of shipped weights or path of a JSON.
    compiled, symmetric
        See `FieldModel`.
    passes
        See `pmrnet.weights.passes.looking`.

    Raises
    ------
    InputError
        If there are no such weights, or the network cannot look so often.
    """
    network, description = load_network(weights)
    return FieldModel(*looking(network, description, passes), compiled, symmetric)
