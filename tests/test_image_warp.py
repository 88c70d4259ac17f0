import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from pmrnet.image_warp import warp_image

SHAPE = (7, 8, 9)


@pytest.fixture
def image(rng):
    return rng.random(SHAPE, np.float32)


def shift(voxels, axis):
    field = np.zeros((*SHAPE, 3), np.float32)
    field[..., axis] = voxels
    return field


def test_moves_by_whole_and_half_voxels(image):
    np.testing.assert_allclose(warp_image(image, shift(2, 1))[:, :-2], image[:, 2:], atol=1e-6)
    half = (image[:-1] + image[1:]) / 2
    np.testing.assert_allclose(warp_image(image, shift(0.5, 0))[:-1], half, atol=1e-6)
    np.testing.assert_array_equal(warp_image(image, np.zeros((*SHAPE, 3))), image)


def test_interpolates_linearly_and_repeats_the_edge(image, rng):
    u = rng.uniform(-3, 3, (*SHAPE, 3)).astype(np.float32)
    points = np.clip(np.moveaxis(np.indices(SHAPE), 0, -1) + u, 0, np.array(SHAPE) - 1)
    expected = RegularGridInterpolator([np.arange(n) for n in SHAPE], image)(points)
    np.testing.assert_allclose(warp_image(image, u, beyond="nearest"), expected, atol=1e-5)


def test_is_zero_beyond_the_grid_by_default(image):
    assert not warp_image(image, shift(100, 2)).any()
