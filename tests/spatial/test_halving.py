import numpy as np
import pytest
from keras import ops
from scipy.ndimage import gaussian_filter

from pmrnet import spatial
from pmrnet.data.downsampling import downsample


@pytest.mark.parametrize("shape", [(14, 16, 18), (15, 17, 14), (16, 19)])
def test_is_the_downsampling_of_the_data_but_for_the_edges(rng, shape):
    image = rng.random(shape, np.float32)
    found = ops.convert_to_numpy(spatial.halve(image[None, ..., None]))[0, ..., 0]
    if len(shape) == 3:
        expected = downsample(image, 2)
    else:
        expected = gaussian_filter(image, 0.7, truncate=4)[::2, ::2]
    assert found.shape == expected.shape
    inside = (slice(2, -2),) * len(shape)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)


def test_keeps_a_constant_up_to_the_edges():
    image = np.full((2, 8, 9, 10, 1), 0.25, np.float32)
    np.testing.assert_allclose(ops.convert_to_numpy(spatial.halve(image)), 0.25, atol=1e-6)


def test_a_ramp_stays_where_it_was(rng):
    image = np.broadcast_to(np.arange(20, dtype=np.float32)[:, None, None], (20, 9, 8))
    found = ops.convert_to_numpy(spatial.halve(image[None, ..., None].copy()))[0, ..., 0]
    np.testing.assert_allclose(found[2:-2, 0, 0], np.arange(0, 20, 2)[2:-2], atol=1e-4)
