"""What a registration minimises, and its gradient by automatic differentiation."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
from keras import ops

from pmrnet import spatial
from pmrnet.shooting.geodesic import shoot, squared_norm


def energy(
    momentum: object,
    moving: object,
    fixed: object,
    matrices: tuple,
    spacing: float,
    norm_weight: float,
    time_steps: int,
) -> object:
    """Half the squared norm of the momentum and half the squared difference of the images.

    Parameters
    ----------
    momentum, moving, fixed
        (1, *grid, 1): initial momentum, image at time 0, image wanted at time 1.
    matrices, spacing
        The kernel and the voxel size in mm, as in `pmrnet.shooting.geodesic.shoot`.
    norm_weight, time_steps
        As in `pmrnet.shooting.settings.ShootingSettings`.

    Returns
    -------
    tensor
        A number: both terms as means over the voxels.
    """
    displacement = shoot(moving, momentum, matrices, spacing, time_steps)[-1]
    moved = spatial.warp(moving, displacement, differentiate_values=False)
    norm = squared_norm(moving, momentum, matrices, spacing)
    return 0.5 * (norm_weight * norm + ops.mean(ops.square(moved - fixed)))


@functools.cache
def energy_and_gradient(spacing: float, norm_weight: float, time_steps: int) -> Callable:
    """Compiled (momentum, moving, fixed, matrices) -> energy, gradient by the momentum."""
    numbers = {"spacing": spacing, "norm_weight": norm_weight, "time_steps": time_steps}
    of = functools.partial(energy, **numbers)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.value_and_grad(of))
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=False)
    def evaluate(momentum: object, moving: object, fixed: object, matrices: tuple) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(momentum)
            value = of(momentum, moving, fixed, matrices)
        return value, tape.gradient(value, momentum)

    return evaluate


@functools.cache
def final_displacement(spacing: float, time_steps: int) -> Callable:
    """Compiled (moving, momentum, matrices) -> displacement at time 1, voxels."""

    def last(moving: object, momentum: object, matrices: tuple) -> object:
        return shoot(moving, momentum, matrices, spacing, time_steps)[-1]

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(last)
    import tensorflow as tf

    return tf.function(last, autograph=False, reduce_retracing=False)
