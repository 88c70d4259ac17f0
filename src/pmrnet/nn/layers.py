"""Keras layers of the field's standard operations, usable on their own in 2D and 3D.

All of them are channels-last, work on the TensorFlow and the JAX backend and survive
`get_config` / `from_config`. Fields are in voxels of their own grid, components in axis order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from pmrnet import spatial
from pmrnet.nn.blocks import CONVOLUTIONS
from pmrnet.nn.losses import LARGEST_LOG_VARIANCE


class _WithoutWeights(keras.layers.Layer):
    """A layer with nothing to build, and built from the start.

    With a layer that is not, Keras' `fit` takes a batch on JAX before training begins, and with it
    what threads read ahead of an epoch that is not to come.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.built = True


@keras.saving.register_keras_serializable(package="pmrnet")
class SpatialTransformer(_WithoutWeights):
    """Warp values by a displacement (the STN of the paper, Jaderberg et al. 2015).

    Call with `[values, displacement]` of shapes (batch, *grid, C) and (batch, *grid, N), voxels;
    returns values(p + u(p)), linearly interpolated, edge-replicated outside the grid.

    Parameters
    ----------
    differentiate_values
        False treats the values as constant, as for input images: no scatter in training.
    """

    def __init__(self, differentiate_values: bool = True, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.differentiate_values = differentiate_values

    def call(self, inputs: list) -> object:
        """Warp `inputs[0]` by `inputs[1]`."""
        values, displacement = inputs
        return spatial.warp(values, displacement, differentiate_values=self.differentiate_values)

    def compute_output_shape(self, input_shape: list) -> tuple:
        """(batch, *output grid, channels)."""
        values, displacement = input_shape
        return (*displacement[:-1], values[-1])

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {**super().get_config(), "differentiate_values": self.differentiate_values}


@keras.saving.register_keras_serializable(package="pmrnet")
class VelocityIntegration(_WithoutWeights):
    """Integrate a stationary velocity field to a displacement by scaling and squaring.

    Call with a velocity (batch, *grid, N), voxels; returns a displacement of the same shape.

    Parameters
    ----------
    steps
        Number of squarings, 7 in the paper's reference [4].
    """

    def __init__(self, steps: int = 7, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.steps = steps

    def call(self, velocity: object) -> object:
        """Return the displacement of exp(velocity)."""
        return spatial.integrate(velocity, self.steps)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {**super().get_config(), "steps": self.steps}


@keras.saving.register_keras_serializable(package="pmrnet")
class FieldUpsampling(_WithoutWeights):
    """Bring a velocity or displacement to a grid finer by 2^times, values scaled with it.

    Call with (batch, *grid, N); returns (batch, *(2^times grid), N).
    """

    def __init__(self, times: int = 1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.times = times

    def call(self, field: object) -> object:
        """Resize and rescale the field."""
        return spatial.upsample_field(field, self.times)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """(batch, *(2^times grid), N)."""
        batch, *grid, channels = input_shape
        return (batch, *(None if n is None else n * 2**self.times for n in grid), channels)

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {**super().get_config(), "times": self.times}


@keras.saving.register_keras_serializable(package="pmrnet")
class GaussianPosterior(keras.layers.Layer):
    """Diagonal Gaussian posterior of a velocity field from features (equation 2 of the paper).

    Two linear convolutions give mean and log-VARIANCE, initialised as in VoxelMorph: the mean's
    kernel from N(0, 1e-5), the log-variance's from N(0, 1e-10) with bias -10, so that training
    starts near the identity.

    Call with features (batch, *grid, C); returns `(mean, log_variance)`, each (batch, *grid, N),
    in voxels of the grid; `log_variance` is None with `mean_only=True`.

    Parameters
    ----------
    hidden_filters
        Filters of a convolution with LeakyReLU(0.2) before the two heads; 0 for none. Without it
        the mean is a sum of a function of the moving and one of the fixed features and cannot
        compare them.
    hidden_kernel
        Kernel size of that convolution.
    hidden_layers
        How many such convolutions there are, one after the other: each sees further.
    """

    def __init__(
        self,
        hidden_filters: int = 32,
        hidden_kernel: int = 3,
        hidden_layers: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        if hidden_layers < 1:
            raise ValueError(f"hidden_layers must be 1 or more; got {hidden_layers}.")
        self.hidden_filters = hidden_filters
        self.hidden_kernel = hidden_kernel
        self.hidden_layers = hidden_layers

    def build(self, input_shape: tuple) -> None:
        """Create the convolutions for the number of grid axes of the features."""
        axes = len(input_shape) - 2
        conv = CONVOLUTIONS[axes]
        normal = keras.initializers.RandomNormal
        channels = input_shape[-1]
        self.hidden, self.further = None, []
        if self.hidden_filters:
            self.hidden, *self.further = hidden_convolutions(
                input_shape,
                self.hidden_filters,
                self.hidden_kernel,
                ["hidden", *(f"hidden{number}" for number in range(2, self.hidden_layers + 1))],
            )
            channels = self.hidden_filters
        self.mean = conv(
            axes, 3, padding="same", kernel_initializer=normal(stddev=1e-5), name="mean"
        )
        self.log_variance = conv(
            axes,
            3,
            padding="same",
            kernel_initializer=normal(stddev=1e-10),
            bias_initializer=keras.initializers.Constant(-10.0),
            name="log_variance",
        )
        for head in (self.mean, self.log_variance):
            head.build((*input_shape[:-1], channels))

    def call(self, features: object, mean_only: bool = False) -> tuple:
        """Return mean and log-variance."""
        if self.hidden is not None:
            for layer in (self.hidden, *self.further):
                features = ops.leaky_relu(layer(features), 0.2)
        if mean_only:
            return self.mean(features), None
        # One convolution for both heads: on a CPU it costs as much as either of them.
        kernels = [ops.convert_to_tensor(head.kernel) for head in (self.mean, self.log_variance)]
        biases = [ops.convert_to_tensor(head.bias) for head in (self.mean, self.log_variance)]
        both = ops.conv(features, ops.concatenate(kernels, axis=-1), padding="same")
        return tuple(ops.split(both + ops.concatenate(biases), 2, axis=-1))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Shapes of mean and log-variance."""
        shape = (*input_shape[:-1], len(input_shape) - 2)
        return shape, shape

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "hidden_filters": self.hidden_filters,
            "hidden_kernel": self.hidden_kernel,
            "hidden_layers": self.hidden_layers,
        }


def hidden_layers_per_level(
    filters: Sequence[int],
    hidden_filters: Sequence[int],
    hidden_kernels: Sequence[int],
    hidden_layers: Sequence[int] | None,
) -> tuple[int, ...]:
    """Numbers of hidden convolutions, finest level first: those given, or one for each level.

    Raises
    ------
    ValueError
        If the four have not one entry for each level.
    """
    numbers = (1,) * len(filters) if hidden_layers is None else tuple(hidden_layers)
    by_level = (filters, hidden_filters, hidden_kernels, numbers)
    if len({len(entries) for entries in by_level}) != 1:
        raise ValueError(
            "filters, hidden_filters, hidden_kernels and hidden_layers need one entry per "
            f"level; got {', '.join(str(len(entries)) for entries in by_level)}."
        )
    return numbers


def hidden_convolutions(
    input_shape: tuple, filters: int, kernel: int, names: list[str]
) -> list[keras.layers.Layer]:
    """Build convolutions that follow one another, He-initialised, for LeakyReLU after each.

    Parameters
    ----------
    input_shape
        (batch, *grid, C) of what the first one sees.
    filters, kernel
        Channels and kernel size of each.
    names
        Theirs.
    """
    conv = CONVOLUTIONS[len(input_shape) - 2]
    built = []
    for name in names:
        layer = conv(filters, kernel, padding="same", kernel_initializer="he_normal", name=name)
        layer.build(input_shape)
        input_shape = (*input_shape[:-1], filters)
        built.append(layer)
    return built


def variance_of(log_variance: object) -> object:
    """Variance of a log-variance, as large and as small as float32 holds when levels are fused.

    Beyond exp(±80) it stays at that: an overflow in one voxel would make the loss NaN.
    """
    return ops.exp(ops.clip(log_variance, -80.0, 80.0))


@keras.saving.register_keras_serializable(package="pmrnet")
class GaussianSample(_WithoutWeights):
    """Reparameterised sample z = mean + exp(log_variance / 2) * eps, eps ~ N(0, I).

    Log-variances above `pmrnet.nn.losses.LARGEST_LOG_VARIANCE` count as that.

    Call with `[mean, log_variance]`. Within `scaled(s)` the noise is s times as large, which is a
    posterior of s^2 times the variance.

    Parameters
    ----------
    seed
        Seed of the layer's own generator; None for a random one.
    """

    def __init__(self, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self._scale = None

    def reset(self, *entropy: int) -> None:
        """Restart the generator from some numbers, such as a seed and an epoch."""
        self.generator.state.assign(self.state_from(*entropy))

    def state_from(self, *entropy: int) -> object:
        """State of a generator that `reset` starts from these numbers."""
        seed = np.random.SeedSequence(entropy).generate_state(1)[0]
        return ops.convert_to_tensor([seed, 0], self.generator.state.dtype)

    @contextmanager
    def scaled(self, scale: object) -> Iterator[None]:
        """Multiply the noise by a number, or by a scalar tensor, in what is drawn inside."""
        self._scale = scale
        try:
            yield
        finally:
            self._scale = None

    def call(self, inputs: list) -> object:
        """Draw one sample."""
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.generator)
        if self._scale is not None:
            noise = self._scale * noise
        log_variance = ops.minimum(log_variance, LARGEST_LOG_VARIANCE)
        return mean + ops.exp(0.5 * log_variance) * noise

    def compute_output_shape(self, input_shape: list) -> tuple:
        """Same as the mean's."""
        return input_shape[0]

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="pmrnet")
class LatentFusion(_WithoutWeights):
    """Bring the latents of all levels to the first level's grid and add them (section 2.3).

    Call with a list of fields, level 1 (finest) first, each grid half the one before; returns
    (batch, *finest grid, C). Since a level's values are voxels of its own grid, level l is scaled
    by 2^(l-1); as a variance (`variance=True`) by 4^(l-1). The coarsest is added into the next
    finer one and so on, which equals resizing each by itself, with less work. A finer level may be
    None, which counts as zero.

    Variances are interpolated as values are. The variance of an interpolated sample is less between
    the voxels of the coarse grid (weights squared), and neighbours there are correlated; the loss
    takes the voxels of the fused posterior for independent, of these variances.
    """

    def __init__(self, variance: bool = False, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.variance = variance

    def call(self, fields: list) -> object:
        """Add all levels on the finest grid."""
        scale = 4.0 if self.variance else 2.0
        *finer, total = fields
        for field in reversed(finer):
            total = scale * spatial.upsample(total, 1)
            total = total if field is None else field + total
        return total

    def compute_output_shape(self, input_shape: list) -> tuple:
        """Shape of the finest level."""
        *_, (batch, *grid, channels) = input_shape
        finer = 2 ** (len(input_shape) - 1)
        return (batch, *(None if n is None else finer * n for n in grid), channels)

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {**super().get_config(), "variance": self.variance}
