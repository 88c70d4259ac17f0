"""The mean of moved brains, and one displacement after another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmrnet.template_average import BrainMean, compose


def test_composition_against_scipy(oracle, smooth_field):
    first, second = (smooth_field((7, 8, 9), peak) for peak in (1.5, 2.0))
    expected = second + oracle.warp(first, second)
    np.testing.assert_allclose(compose(first[0], second[0]), expected[0], atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(0, 1000),
)
def test_mean_of_equal_brains_is_the_brain(count, seed):
    """Whatever the number of brains, one brain many times over is its own mean, without spread."""
    rng = np.random.default_rng(seed)
    image = np.zeros((7, 8, 9), np.float32)
    image[1:6, 2:7, 1:8] = rng.uniform(0.2, 1, (5, 5, 7))
    mean, single = BrainMean(), BrainMean()
    single.add(image)
    for _ in range(count):
        mean.add(image)
    np.testing.assert_allclose(mean.image(), single.image(), atol=1e-5)
    assert mean.spread() == pytest.approx(0, abs=1e-6)
    # An affine function of the intensities is all that the normalisation changes.
    inside = image > 0
    assert np.corrcoef(mean.image()[inside], image[inside])[0, 1] > 0.9999
    assert not mean.image()[~inside].any()


def test_a_voxel_that_few_brains_reach_is_no_brain():
    mean = BrainMean()
    rng = np.random.default_rng(0)
    image = rng.uniform(0.5, 1, (7, 8, 9)).astype(np.float32)
    for reach in (3, 5, 5, 7):
        mean.add(np.where(np.arange(8)[:, None] < reach, image, 0))
    filled = (mean.image() > 0).any(axis=(0, 2))
    np.testing.assert_array_equal(filled, np.arange(8) < 5)
    # Where one of four brains ends, the mean of the others does not get darker.
    rows = mean.image()[:, 3:5], mean.image()[:, :3]
    assert abs(rows[0].mean() - rows[1].mean()) < 0.1


def test_a_moved_brain_is_read_where_its_displacement_points():
    image = np.zeros((7, 8, 9), np.float32)
    image[2:5, 3:6, 4:7] = np.random.default_rng(0).uniform(0.5, 1, (3, 3, 3))
    u = np.broadcast_to(np.array([1, -1, 2], np.float32), (*image.shape, 3))
    mean, expected = BrainMean(), BrainMean()
    mean.add(image, u)
    expected.add(np.roll(image, (-1, 1, -2), (0, 1, 2)))
    np.testing.assert_allclose(mean.image(), expected.image(), atol=1e-6)
