"""Fine features told what coarse ones see."""

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.nn.top_down import TopDown

FILTERS = (3, 5, 4)


def maps(rng, grid):
    return [
        rng.normal(size=(2, *(n // 2**level for n in grid), filters)).astype(np.float32)
        for level, filters in enumerate(FILTERS)
    ]


@pytest.mark.parametrize("grid", [(8, 12), (4, 8, 12)])
def test_each_level_is_a_convolution_of_itself_and_the_next(rng, oracle, grid):
    features = maps(rng, grid)
    layer = TopDown(FILTERS)
    found = [ops.convert_to_numpy(x) for x in layer(features)]
    assert [x.shape for x in found] == [x.shape for x in features]
    np.testing.assert_array_equal(found[2], features[2])
    for level in (1, 0):
        both = np.concatenate([features[level], oracle.upsample(found[level + 1], 1)], axis=-1)
        kernel, bias = (ops.convert_to_numpy(w) for w in layer.convolutions[level].weights)
        x = both @ kernel.reshape(kernel.shape[-2:]) + bias
        np.testing.assert_allclose(found[level], np.where(x > 0, x, 0.2 * x), rtol=1e-4, atol=1e-4)


def test_what_a_coarse_voxel_sees_reaches_the_finest_level(rng):
    features = maps(rng, (8, 12))
    layer = TopDown(FILTERS)
    before = ops.convert_to_numpy(layer(features)[0])
    features[2][0, 0, 0] += 1
    after = ops.convert_to_numpy(layer(features)[0])
    assert not np.allclose(before[0, :4, :4], after[0, :4, :4])
    np.testing.assert_array_equal(before[1], after[1])
    np.testing.assert_allclose(before[0, 4:], after[0, 4:], atol=1e-6)


def test_configuration_round_trip():
    layer = TopDown(FILTERS, name="mine")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    assert copy.filters == FILTERS
