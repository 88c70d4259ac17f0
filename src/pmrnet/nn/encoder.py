"""VoxelMorph's encoder: the backbone of both branches and of the comparators."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet.nn.blocks import CONVOLUTIONS

DOWNSAMPLINGS = ("stride", "pool")


@keras.saving.register_keras_serializable(package="pmrnet")
class Encoder(keras.layers.Layer):
    """Four 3^N convolutions, each halving the grid, with LeakyReLU(0.2), He-initialised.

    Call with (batch, *grid, C); every grid size must be a multiple of 2^levels. Returns the list
    of feature maps, finest first: (batch, *(grid / 2^l), filters[l-1]) for l = 1, 2, ...

    Parameters
    ----------
    filters
        Channels of the levels.
    downsampling
        `stride`, convolutions of stride 2 (Dalca et al. 2018, and the paper); `pool`, convolutions
        at full resolution followed by max-pooling (VoxelMorph 0.2).
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (16, 32, 32, 32),
        downsampling: str = "stride",
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        if downsampling not in DOWNSAMPLINGS:
            raise ValueError(f"downsampling must be one of {DOWNSAMPLINGS}; got {downsampling!r}.")
        self.filters = tuple(filters)
        self.downsampling = downsampling

    def build(self, input_shape: tuple) -> None:
        """Create one convolution per level."""
        conv = CONVOLUTIONS[len(input_shape) - 2]
        self.convolutions = []
        for level, filters in enumerate(self.filters, start=1):
            layer = conv(
                filters,
                3,
                strides=2 if self.downsampling == "stride" else 1,
                padding="same",
                kernel_initializer="he_normal",
                name=f"level{level}",
            )
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
            self.convolutions.append(layer)

    def call(self, image: object) -> list:
        """Return the feature maps of all levels."""
        return self._run(image)[0]

    def maps(self, image: object) -> list:
        """What a decoder joins: one map for each grid from half the image's down, finest first.

        With pooling they are the maps before it, except the coarsest.
        """
        features, unpooled = self._run(image)
        return features if self.downsampling == "stride" else [*unpooled[1:], features[-1]]

    @property
    def map_filters(self) -> tuple[int, ...]:
        """Channels of `maps`."""
        if self.downsampling == "stride":
            return self.filters
        return (*self.filters[1:], self.filters[-1])

    def _run(self, image: object) -> tuple[list, list]:
        features, unpooled = [], []
        for layer in self.convolutions:
            image = ops.leaky_relu(layer(image), 0.2)
            unpooled.append(image)
            if self.downsampling == "pool":
                image = ops.max_pool(image, 2, padding="valid")
            features.append(image)
        return features, unpooled

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
        config = {"filters": list(self.filters), "downsampling": self.downsampling}
        return {**super().get_config(), **config}
