"""VoxelMorph's encoder: the backbone of both branches and of every comparator."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="pmrnet")
class Encoder(keras.layers.Layer):
    """Four 3^N convolutions of stride 2 with LeakyReLU(0.2), He-initialised (Dalca et al. 2018).

    Call with (batch, *grid, C); every grid size must be a multiple of 2^levels. Returns the list
    of feature maps, finest first: (batch, *(grid / 2^l), filters[l-1]) for l = 1, 2, ...
    """

    def __init__(self, filters: tuple[int, ...] = (16, 32, 32, 32), **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)

    def build(self, input_shape: tuple) -> None:
        """Create one convolution per level."""
        conv = {2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[len(input_shape) - 2]
        self.convolutions = []
        for level, filters in enumerate(self.filters, start=1):
            layer = conv(
                filters,
                3,
                strides=2,
                padding="same",
                kernel_initializer="he_normal",
                name=f"level{level}",
            )
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
            self.convolutions.append(layer)

    def call(self, image: object) -> list:
        """Return the feature maps of all levels."""
        features = []
        for layer in self.convolutions:
            image = ops.leaky_relu(layer(image), 0.2)
            features.append(image)
        return features

    def compute_output_shape(self, input_shape: tuple) -> list:
        """Shapes of the feature maps."""
        batch, *grid, _ = input_shape
        shapes = []
        for filters in self.filters:
            grid = [None if n is None else -(-n // 2) for n in grid]
            shapes.append((batch, *grid, filters))
        return shapes

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {**super().get_config(), "filters": list(self.filters)}
