"""What both sides of the benchmark share: inputs, and the tasks on fields alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

PEAK_VELOCITY = 5.0  # voxels of the half grid, so about 10 mm at 1 mm
IMAGE_SIGMA, PRIOR_LAMBDA = 0.02, 10.0  # of the loss, VoxelMorph's own defaults of 2018

#: the ways in which a task can be done, by name
Ways = dict[str, Callable[[], Any]]


class Inputs:
    """Seeded smooth images and fields of one shape; smooth, as brains at 1 mm are."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.half = tuple(n // 2 for n in shape)
        rng = np.random.default_rng(0)
        self.moving, self.fixed = (self._image(rng) for _ in range(2))
        self.velocity = self._field(rng, self.half, PEAK_VELOCITY)
        self.displacement = self._field(rng, self.shape, 2 * PEAK_VELOCITY)

    def _image(self, rng: np.random.Generator) -> np.ndarray:
        image = ndimage.gaussian_filter(rng.normal(size=self.shape).astype(np.float32), 4)
        return ((image - image.min()) / np.ptp(image))[None, ..., None]

    def _field(self, rng: np.random.Generator, grid: tuple[int, ...], peak: float) -> np.ndarray:
        sigma = grid[0] / 20
        field = np.stack(
            [
                ndimage.gaussian_filter(rng.normal(size=grid).astype(np.float32), sigma)
                for _ in grid
            ],
            axis=-1,
        )
        return (peak * field / np.abs(field).max())[None]


def field_tasks(inputs: Inputs, integrate: Callable, warp: Callable) -> dict[str, Ways]:
    """Integration at half resolution and the full-size warp, each alone and with its gradient."""
    import tensorflow as tf

    velocity, displacement = tf.constant(inputs.velocity), tf.constant(inputs.displacement)
    moving = tf.constant(inputs.moving)

    def with_gradient(function: Callable) -> Callable:
        @tf.function
        def run(x: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_sum(tf.square(function(x)))
            return tape.gradient(value, x)

        return run

    def warped(u: tf.Tensor) -> tf.Tensor:
        return warp(moving, u)

    return {
        "integration": graph(tf.function(integrate), velocity),
        "integration_gradient": graph(with_gradient(integrate), velocity),
        "warp": graph(tf.function(warped), displacement),
        "warp_gradient": graph(with_gradient(warped), displacement),
    }


def graph(function: Callable, *arguments: Any) -> Ways:
    """Call of a graph function on given tensors, as the one way of a task."""
    return {"tf.function": lambda: _wait(function(*arguments))}


def _wait(result: Any) -> None:
    # A TensorFlow CPU tensor may still be in the making; taking its buffer waits for it.
    import tensorflow as tf

    for tensor in tf.nest.flatten(result):
        if hasattr(tensor, "numpy"):
            tensor.numpy()
