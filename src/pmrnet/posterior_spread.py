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


class PosteriorSpread:
    """Variance of the displacement, by samples of a network's posterior.

    Samples are drawn as in training, at every level by itself or, in a cascade, each level given
    the coarser ones' sample: noise of a coarse level moves neighbouring voxels together, which
    the fused variance on the finest grid knows nothing of. What does not depend on the samples is
    computed once. There are two compiled programs per image size, which change nothing in the
    network.

    Parameters
    ----------
    network
        With weights, and with a velocity.
    """

    def __init__(self, network: RegistrationNetwork) -> None:
        self.network = network
        self._share, self._draw = _compiled(network)

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
        values = self._values()
        shared = self._share(values, state, moving, fixed)
        centre, state = self._draw(values, state, shared, scale)
        # Sums about one of the draws, so that large displacements cost no digits.
        centre = ops.convert_to_numpy(centre)[0]
        total, square = (np.zeros(centre.shape) for _ in range(2))
        for _ in range(samples - 1):
            draw, state = self._draw(values, state, shared, scale)
            away = ops.convert_to_numpy(draw)[0] - centre
            total += away
            square += np.square(away, out=away)
        return np.maximum(square - total**2 / samples, 0) / (samples - 1)

    def _values(self) -> list:
        return [variable.value for variable in _weights(self.network)]


def _weights(network: RegistrationNetwork) -> list[keras.Variable]:
    """All variables but the state of the sampler's generator."""
    state = network.sampler.generator.state
    return [variable for variable in network.variables if variable is not state]


def _compiled(network: RegistrationNetwork) -> tuple[Callable, Callable]:
    """Compile what draws share, and one draw.

    (weights, state, moving, fixed) -> shared; (weights, state, shared, scale) -> displacement
    (1, X, Y, Z, 3) of one draw, next state.
    """
    weights, state_variable = _weights(network), network.sampler.generator.state

    # The scope keeps the generator's state, and what a layer may want to update in training, out of
    # the network: the programs are functions of what they are given.
    def scope(values: list, state: object) -> keras.StatelessScope:
        known = [*zip(weights, values, strict=True), (state_variable, state)]
        return keras.StatelessScope(state_mapping=known)

    def share(values: list, state: object, moving: object, fixed: object) -> object:
        with scope(values, state):
            return network.shared_by_draws(moving, fixed)

    def draw(values: list, state: object, shared: object, scale: object) -> tuple:
        with scope(values, state) as inside, network.sampler.scaled(scale):
            displacement = network.displacement_of(network.draw_from(shared).sample)
        return displacement, inside.get_current_value(state_variable)

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(share), jax.jit(draw)
    import tensorflow as tf

    return tuple(tf.function(f, autograph=False, reduce_retracing=False) for f in (share, draw))
