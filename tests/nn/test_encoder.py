"""The encoder is VoxelMorph's: strides, slope, initialisation."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from pmrnet.nn.encoder import Encoder

SHAPES = pytest.mark.parametrize("grid", [(16, 24), (16, 8, 24)], ids=["2D", "3D"])


@SHAPES
def test_shapes(rng, grid):
    encoder = Encoder((4, 6, 5))
    features = encoder(rng.random((2, *grid, 1)).astype(np.float32))
    expected = [
        (2, *(n // 2**level for n in grid), filters)
        for level, filters in enumerate((4, 6, 5), start=1)
    ]
    assert [tuple(f.shape) for f in features] == expected
    assert encoder.compute_output_shape((2, *grid, 1)) == expected
    unknown = encoder.compute_output_shape((None, *[None] * len(grid), 1))
    assert unknown[0] == (None, *[None] * len(grid), 4)


@SHAPES
def test_first_level_is_a_strided_convolution_with_leaky_relu(rng, grid):
    encoder = Encoder((3,))
    image = rng.normal(size=(1, *grid, 1)).astype(np.float32)
    (features,) = encoder(image)
    kernel, bias = encoder.get_weights()
    # "same" padding of an even size puts the one extra voxel behind, so that output i is centred
    # on input 2i + 1.
    odd = tuple(slice(1, None, 2) for _ in grid)
    linear = np.stack(
        [
            ndimage.correlate(image[0, ..., 0], kernel[..., 0, c], mode="constant")[odd] + bias[c]
            for c in range(3)
        ],
        axis=-1,
    )
    expected = np.where(linear > 0, linear, 0.2 * linear)
    np.testing.assert_allclose(ops.convert_to_numpy(features)[0], expected, rtol=1e-4, atol=1e-5)


def test_he_initialisation_and_parameters_of_voxelmorph():
    keras.utils.set_random_seed(0)
    encoder = Encoder()
    encoder.build((1, None, None, None, 1))
    kernels = [w for w in encoder.get_weights() if w.ndim > 1]
    assert [k.shape[-1] for k in kernels] == [16, 32, 32, 32]
    assert encoder.count_params() == sum(
        27 * a * b + b for a, b in ((1, 16), (16, 32), (32, 32), (32, 32))
    )
    for kernel in kernels[1:]:
        fan_in = np.prod(kernel.shape[:-1])
        assert kernel.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.05)


@SHAPES
def test_configuration_round_trip(rng, grid):
    image = rng.random((1, *grid, 1)).astype(np.float32)
    encoder = Encoder((4, 6), name="moving_encoder")
    expected = encoder(image)
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    restored(image)
    restored.set_weights(encoder.get_weights())
    assert restored.name == "moving_encoder"
    for a, b in zip(restored(image), expected, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))
