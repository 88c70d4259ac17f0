"""How far a network's displacement spreads under samples of its posterior velocity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from pmrnet.errors import InputError

if TYPE_CHECKING:
    from pmrnet.nn.network import RegistrationNetwork

# Draws of one compiled call. They share the encoders, whose work is the same for all of them:
# both backends merge equal parts of a program. More of them take longer to compile and gain little.
_GROUP = 4


class PosteriorSpread:
    """Variance of the displacement, by samples of a network's posterior.

    Samples are drawn as in training, at every level by itself or, in a cascade, each level given
    the coarser ones' sample: noise of a coarse level moves neighbouring voxels together, which
    the fused variance on the finest grid knows nothing of. There is one compiled program per image
    size, which changes nothing in the network.

    Parameters
    ----------
    network
        With weights, and with a velocity.
    """

    def __init__(self, network: RegistrationNetwork) -> None:
        self.network = network
        self._draw = _compiled(network)

    def variance(
        self,
        moving: NDArray,
        fixed: NDArray,
        samples: int = 16,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> NDArray:
        """Variance of every component of the displacement.

        Parameters
        ----------
        moving, fixed
            (1, X, Y, Z, 1), intensities in [0, 1], on the network's grid.
        samples
            Number of draws, 2 or more. The relative standard error of a variance is
            sqrt(2 / (samples - 1)).
        seed
            Of the draws: the same one gives the same variance.
        temperature
            Factor of the posterior's variance, above 0; 1 for the posterior as the network
            gives it.

        Returns
        -------
        ndarray
            float64 (X, Y, Z, 3), square voxels of the network's image grid.

        Raises
        ------
        InputError
            If there are too few samples or the temperature is not above 0.
        """
        if samples < 2:
            raise InputError(
                f"samples: expected 2 or more draws, which a spread needs, found {samples}; give "
                "more."
            )
        if not 0 < temperature < np.inf:
            raise InputError(
                f"temperature: expected a number above 0, found {temperature}; 1 leaves the "
                "posterior as it is."
            )
        moving, fixed = (ops.convert_to_tensor(image, "float32") for image in (moving, fixed))
        scale = ops.convert_to_tensor(np.sqrt(temperature), "float32")
        state = self.network.sampler.state_from(seed)
        total = square = centre = 0.0
        for start in range(0, samples, _GROUP):
            draws, state = self._draw(self._values(), state, moving, fixed, scale)
            draws = ops.convert_to_numpy(draws)[: samples - start]
            if start == 0:
                # Sums about one of the draws, so that large displacements cost no digits.
                centre = draws[0]
            away = draws - centre
            total = total + away.sum(axis=0, dtype=np.float64)
            square = square + np.square(away, out=away).sum(axis=0, dtype=np.float64)
        return np.maximum(square - total**2 / samples, 0) / (samples - 1)

    def _values(self) -> list:
        return [variable.value for variable in _weights(self.network)]


def _weights(network: RegistrationNetwork) -> list[keras.Variable]:
    """All variables but the state of the sampler's generator."""
    state = network.sampler.generator.state
    return [variable for variable in network.variables if variable is not state]


def _compiled(network: RegistrationNetwork) -> Callable:
    """Make (weights, state, moving, fixed, scale) -> (_GROUP, X, Y, Z, 3) draws, next state."""
    weights, state_variable = _weights(network), network.sampler.generator.state

    def draw(values: list, state: object, moving: object, fixed: object, scale: object) -> tuple:
        # The scope keeps the generator's state, and what a layer may want to update in training,
        # out of the network: the program is a function of what it is given.
        known = [*zip(weights, values, strict=True), (state_variable, state)]
        with keras.StatelessScope(state_mapping=known) as scope, network.sampler.scaled(scale):
            fields = [
                network.displacement_of(network.draw(moving, fixed).sample) for _ in range(_GROUP)
            ]
        return ops.concatenate(fields, axis=0), scope.get_current_value(state_variable)

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(draw)
    import tensorflow as tf

    return tf.function(draw, autograph=False, reduce_retracing=False)
