"""Building blocks of the comparators, against convolutions by SciPy."""

import numpy as np
import pytest
from keras import ops
from scipy import signal

from pmrnet.nn.blocks import ConvBlock, InceptionStem, nearest


def convolved(images, layer, stride=1):
    """A "same" convolution of (batch, *grid, C) in float64."""
    kernel, *bias = (ops.convert_to_numpy(w).astype(float) for w in layer.weights)
    size, grid = np.array(kernel.shape[:-2]), np.array(images.shape[1:-1])
    total = np.maximum((-(-grid // stride) - 1) * stride + size - grid, 0)
    padded = np.pad(images.astype(float), [(0, 0), *((t // 2, t - t // 2) for t in total), (0, 0)])
    result = [
        sum(
            signal.correlate(image[..., i], kernel[..., i, c], mode="valid")
            for i in range(kernel.shape[-2])
        )
        for image in padded
        for c in range(kernel.shape[-1])
    ]
    result = np.reshape(result, (len(images), -1, *result[0].shape))
    every = tuple([slice(None)] + [slice(None, None, stride)] * len(grid))
    result = np.moveaxis(result, 1, -1)[every]
    return result + bias[0] if bias else result


@pytest.mark.parametrize("strides", [1, 2])
def test_stem(rng, grid, strides):
    image = rng.normal(size=(2, *grid, 2)).astype(np.float32)
    stem = InceptionStem(3, (2, 5), strides=strides)
    stem.build(image.shape)
    for layer in stem.convolutions:
        layer.bias.assign(rng.normal(size=3))
    slopes = stem.activation.alpha
    assert slopes.shape == (*[1] * len(grid), 6)  # one per channel
    slopes.assign(rng.random(slopes.shape))
    linear = np.concatenate([convolved(image, x, strides) for x in stem.convolutions], axis=-1)
    expected = np.where(linear > 0, linear, ops.convert_to_numpy(slopes) * linear)
    found = ops.convert_to_numpy(stem(image))
    assert found.shape == stem.compute_output_shape(image.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalise", [True, False])
def test_block_in_use(rng, grid, normalise):
    x = rng.normal(size=(1, *grid, 2)).astype(np.float32)
    block = ConvBlock((3, 4), normalise)
    block.build(x.shape)
    for norm in block.norms:  # as training would leave them
        for weight in norm.weights:
            weight.assign(0.5 + rng.random(weight.shape))
    found = ops.convert_to_numpy(block(x))
    assert found.shape == block.compute_output_shape(x.shape)
    for number, layer in enumerate(block.convolutions):
        x = convolved(x, layer)
        if normalise:
            norm = block.norms[number]
            gamma, beta, mean, variance = (
                ops.convert_to_numpy(w)
                for w in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
            )
            x = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
        x = np.where(x > 0, x, 0.2 * x)
    np.testing.assert_allclose(found, x, rtol=1e-3, atol=1e-3)
    assert len(block.norms) == 2 * normalise


def test_block_normalises_by_the_batch_in_a_training_call_alone(rng, grid):
    x = rng.normal(3, 2, (1, *grid, 2)).astype(np.float32)
    block = ConvBlock((3,))
    block.build(x.shape)

    def statistics():
        norm = block.norms[0]
        found = (norm.moving_mean, norm.moving_variance)
        return np.concatenate([ops.convert_to_numpy(weight) for weight in found])

    fresh = statistics()
    in_use = ops.convert_to_numpy(block(x))
    np.testing.assert_array_equal(statistics(), fresh)
    in_training = ops.convert_to_numpy(block(x, training=True))
    assert not np.allclose(in_training, in_use, atol=1e-2)
    linear = np.where(in_training > 0, in_training, in_training / 0.2)
    np.testing.assert_allclose(linear.mean((*range(linear.ndim - 1),)), 0, atol=1e-3)
    assert not np.allclose(statistics(), fresh)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_nearest_repeats_every_voxel(rng, grid, gradients, times):
    x = rng.normal(size=(2, *grid, 3)).astype(np.float32)
    expected = x
    for axis in range(1, x.ndim - 1):
        expected = np.repeat(expected, 2**times, axis)
    np.testing.assert_array_equal(ops.convert_to_numpy(nearest(x, times)), expected)
    weights = rng.normal(size=expected.shape).astype(np.float32)
    (gradient,) = gradients(lambda x: ops.sum(nearest(x, times) * weights), x)
    shape = [2]
    for n in grid:
        shape += [n, 2**times]
    summed = weights.reshape(*shape, 3).sum(axis=tuple(range(2, 2 * len(grid) + 1, 2)))
    np.testing.assert_allclose(gradient, summed, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        InceptionStem(2, (2, 3), strides=2, name="stem"),
        ConvBlock((3, 4), False, 1e-2, name="block"),
    ],
    ids=lambda layer: layer.name,
)
def test_configuration_round_trip(rng, layer):
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    x = rng.normal(size=(1, 8, 10, 2)).astype(np.float32)
    before = ops.convert_to_numpy(layer(x))
    copy.build(x.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(ops.convert_to_numpy(copy(x)), before)


def test_initial_spread_of_kernels(rng):
    block = ConvBlock((30,), stddev=1e-5)
    block.build((1, 8, 8, 30))
    kernel = ops.convert_to_numpy(block.convolutions[0].kernel)
    assert kernel.std() == pytest.approx(1e-5, rel=0.05)
