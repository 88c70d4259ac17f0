"""A network's posterior in three programs: what draws share, its mean, and one draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
from keras import ops
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pmrnet.nn.network import RegistrationNetwork


class PosteriorPrograms:
    """Posterior of the velocity between two images, with as little work as its uses allow.

    The programs change nothing in the network; new weights count.

    Parameters
    ----------
    network
        With weights, and with a velocity.
    compiled
        Compile them. It takes some seconds for every size of images, and saves a few hundredths in
        every call that follows, so that for one pair it does not pay. JAX compiles in any case.
    """

    def __init__(self, network: RegistrationNetwork, compiled: bool = True) -> None:
        self.network = network
        self._weights = _weights(network)
        programs = _programs(network, self._weights)
        if compiled or keras.backend.backend() == "jax":
            programs = map(_compiled, programs)
        self._share, self._mean, self._draw = programs

    def share(self, moving: NDArray, fixed: NDArray) -> Any:
        """What mean and draws need of two images (1, X, Y, Z, 1), intensities in [0, 1]."""
        images = (ops.convert_to_tensor(image, "float32") for image in (moving, fixed))
        return self._share(self._values(), self.state(0), *images)

    def mean(self, shared: Any) -> Any:
        """Mean of the velocity, (1, x, y, z, 3) on half the images' grid."""
        return self._mean(self._values(), self.state(0), shared)

    def draw(self, shared: Any, state: Any, scale: Any) -> tuple[Any, Any]:
        """One draw: its displacement (1, X, Y, Z, 3) in voxels, and the next state.

        `state` is that of the random generator, `scale` the factor of the noise.
        """
        return self._draw(self._values(), state, shared, scale)

    def state(self, seed: int) -> Any:
        """State of the random generator that a seed gives."""
        return self.network.sampler.state_from(seed)

    def _values(self) -> list:
        return [variable.value for variable in self._weights]


def _weights(network: RegistrationNetwork) -> list[keras.Variable]:
    """All variables but the state of the sampler's generator."""
    state = network.sampler.generator.state
    return [variable for variable in network.variables if variable is not state]


def _programs(network: RegistrationNetwork, weights: list) -> list[Callable]:
    """(weights, state, ...) -> share, mean, and displacement of a draw with the next state."""
    state_variable = network.sampler.generator.state

    # The scope keeps the generator's state, and what a layer may want to update in training, out of
    # the network: the programs are functions of what they are given.
    def scope(values: list, state: object) -> keras.StatelessScope:
        known = [*zip(weights, values, strict=True), (state_variable, state)]
        return keras.StatelessScope(state_mapping=known)

    def share(values: list, state: object, moving: object, fixed: object) -> object:
        with scope(values, state):
            return network.shared_by_draws(moving, fixed)

    def mean(values: list, state: object, shared: object) -> object:
        with scope(values, state):
            return network.mean_from(shared)

    def draw(values: list, state: object, shared: object, scale: object) -> tuple:
        with scope(values, state) as inside, network.sampler.scaled(scale):
            displacement = network.displacement_of(network.sample_from(shared))
        return displacement, inside.get_current_value(state_variable)

    return [share, mean, draw]


def _compiled(program: Callable) -> Callable:
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(program)
    import tensorflow as tf

    return tf.function(program, autograph=False, reduce_retracing=False)
