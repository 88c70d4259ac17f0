"""Building blocks of the comparators: an inception stem and normalised convolutions."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet.spatial.backend import island

#: the layer of a convolution, by the number of grid axes
CONVOLUTIONS = {2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
TRANSPOSED = {2: keras.layers.Conv2DTranspose, 3: keras.layers.Conv3DTranspose}


def spatially_shared_prelu(axes: int, name: str | None = None) -> keras.layers.PReLU:
    """PReLU with one slope per channel, for images of `axes` grid axes."""
    return keras.layers.PReLU(shared_axes=list(range(1, axes + 1)), name=name)


@keras.saving.register_keras_serializable(package="pmrnet")
class InceptionStem(keras.layers.Layer):
    """Parallel convolutions of several kernel sizes, concatenated, then PReLU.

    Call with (batch, *grid, C); returns (batch, *(grid / strides), len(kernels) * filters).

    Parameters
    ----------
    filters
        Channels of each convolution.
    kernels
        Their kernel sizes in voxels.
    strides
        Of all of them.
    """

    def __init__(
        self,
        filters: int,
        kernels: tuple[int, ...] = (2, 5, 7, 11),
        strides: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernels = tuple(kernels)
        self.strides = strides

    def build(self, input_shape: tuple) -> None:
        """Create one convolution per kernel size."""
        axes = len(input_shape) - 2
        self.convolutions = [
            CONVOLUTIONS[axes](
                self.filters, kernel, strides=self.strides, padding="same", name=f"kernel{kernel}"
            )
            for kernel in self.kernels
        ]
        for layer in self.convolutions:
            layer.build(input_shape)
        self.activation = spatially_shared_prelu(axes, name="activation")
        self.activation.build(self.compute_output_shape(input_shape))

    def call(self, image: object) -> object:
        """Convolve with every kernel."""
        return self.activation(
            ops.concatenate([layer(image) for layer in self.convolutions], axis=-1)
        )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """(batch, *(grid / strides), channels)."""
        batch, *grid, _ = input_shape
        grid = [None if n is None else -(-n // self.strides) for n in grid]
        return (batch, *grid, len(self.kernels) * self.filters)

    def get_config(self) -> dict:
        """Constructor arguments."""
        config = {"filters": self.filters, "kernels": list(self.kernels), "strides": self.strides}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="pmrnet")
class ConvBlock(keras.layers.Layer):
    """Convolutions of 3^N voxels, each followed by BatchNorm and LeakyReLU(0.2).

    With `training=True` the normalisation is by the batch, and its running means are updated. That
    is to be said in every call: Keras tells layers within layers by itself on TensorFlow only.

    Parameters
    ----------
    filters
        Channels of the convolutions, one after the other.
    normalise
        False leaves out the BatchNorm.
    stddev
        Standard deviation of the kernels' initial values; None for Keras' default.
    """

    def __init__(
        self,
        filters: tuple[int, ...],
        normalise: bool = True,
        stddev: float | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        self.normalise = normalise
        self.stddev = stddev

    def build(self, input_shape: tuple) -> None:
        """Create the convolutions for the number of grid axes of the input."""
        conv = CONVOLUTIONS[len(input_shape) - 2]
        self.convolutions, self.norms = [], []
        for number, filters in enumerate(self.filters, start=1):
            initializer = "glorot_uniform"
            if self.stddev is not None:
                initializer = keras.initializers.RandomNormal(stddev=self.stddev)
            layer = conv(
                filters,
                3,
                padding="same",
                use_bias=not self.normalise,  # BatchNorm would cancel it
                kernel_initializer=initializer,
                name=f"convolution{number}",
            )
            layer.build(input_shape)
            self.convolutions.append(layer)
            input_shape = (*input_shape[:-1], filters)
            if self.normalise:
                norm = keras.layers.BatchNormalization(name=f"norm{number}")
                norm.build(input_shape)
                self.norms.append(norm)

    def call(self, x: object, training: bool = False) -> object:
        """Apply them in turn."""
        for number, layer in enumerate(self.convolutions):
            x = layer(x)
            if self.normalise:
                x = self.norms[number](x, training=training)
            x = ops.leaky_relu(x, 0.2)
        return x

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's grid with the last convolution's channels."""
        return (*input_shape[:-1], self.filters[-1])

    def get_config(self) -> dict:
        """Constructor arguments."""
        config = {
            "filters": list(self.filters),
            "normalise": self.normalise,
            "stddev": self.stddev,
        }
        return {**super().get_config(), **config}


@island
def _repeat(x: object, factor: int) -> object:
    shape = list(x.shape)
    for axis in range(1, len(shape) - 1):
        x = ops.stack([x] * factor, axis=axis + 1)
        shape[axis] *= factor
        x = ops.reshape(x, [-1, *shape[1:]])
    return x


def nearest(x: object, times: int = 1) -> object:
    """Double a grid `times` times, every voxel repeated; (batch, *grid, C), values unchanged."""
    return _repeat(x, factor=2**times) if times else x
