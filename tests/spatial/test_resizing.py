"""Doubling of fields against SciPy, VoxelMorph 0.2 and finite differences."""

import numpy as np
import pytest
from keras import ops

from pmrnet.spatial import upsample, upsample_field

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def run(function, *args, **kwargs):
    return ops.convert_to_numpy(function(*args, **kwargs))


@pytest.mark.parametrize("times", [0, 1, 2])
@pytest.mark.parametrize("batch", [1, 2])
def test_is_scipys_linear_interpolation(rng, oracle, grid, times, batch):
    field = rng.normal(size=(batch, *grid, 2)).astype(np.float32)
    result = run(upsample, field, times)
    assert result.shape == (batch, *(n * 2**times for n in grid), 2)
    np.testing.assert_allclose(result, oracle.upsample(field, times), **TOLERANCE)


def test_keeps_the_coarse_points(rng, grid):
    field = rng.normal(size=(1, *grid, 3)).astype(np.float32)
    every = (slice(None), *[slice(None, None, 4)] * len(grid))
    np.testing.assert_array_equal(run(upsample, field, 2)[every], field)


@pytest.mark.parametrize("times", [1, 2])
def test_a_field_in_voxels_grows_with_its_grid(rng, grid, times):
    field = rng.normal(size=(1, *grid, len(grid))).astype(np.float32)
    expected = 2**times * run(upsample, field, times)
    np.testing.assert_allclose(run(upsample_field, field, times), expected, rtol=1e-6)


def test_voxelmorphs_interpolation_at_our_points(smooth_field, voxelmorph, grid):
    """The sampler of voxelmorph's own resizing, at output point x / 2 as in its 2018 release."""
    import neurite
    import tensorflow as tf

    field = smooth_field(grid, 2.0)
    points = tf.meshgrid(*[tf.range(2 * n, dtype=tf.float32) / 2 for n in grid], indexing="ij")
    expected = 2 * neurite.utils.interpn(tf.constant(field[0]), points).numpy()
    np.testing.assert_allclose(run(upsample_field, field, 1)[0], expected, **TOLERANCE)


def test_voxelmorphs_rescale_transform(voxelmorph, grid):
    """The known difference: neurite 0.2 stretches the grid so that both ends meet.

    It reads x (n - 1) / (2n - 1) where this package, as VoxelMorph in 2018, reads x / 2. On a
    linear field both are known exactly.
    """
    layer = voxelmorph.layers.RescaleTransform(2.0)
    field = np.stack(np.indices(grid), axis=-1)[None].astype(np.float32)
    theirs, ours = layer(field).numpy()[0], run(upsample_field, field, 1)[0]
    fine = np.stack(np.indices([2 * n for n in grid]), axis=-1)
    n = np.array(grid)
    np.testing.assert_allclose(theirs, 2 * fine * (n - 1) / (2 * n - 1), **TOLERANCE)
    np.testing.assert_allclose(ours, np.minimum(fine, 2 * n - 2), **TOLERANCE)
    constant = np.ones_like(field)
    np.testing.assert_allclose(
        run(upsample_field, constant, 1), layer(constant).numpy(), **TOLERANCE
    )


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("batch", [1, 2])
def test_gradient(rng, oracle, gradients, grid, times, batch):
    """Since the operation is linear, a difference quotient of any step is its exact derivative."""
    field = rng.normal(size=(batch, *grid, 2)).astype(np.float32)
    weights = rng.normal(size=(batch, *(n * 2**times for n in grid), 2)).astype(np.float32)
    (gradient,) = gradients(lambda f: ops.sum(upsample_field(f, times) * weights), field)
    for _ in range(5):
        direction = rng.normal(size=field.shape)
        expected = np.sum(2**times * oracle.upsample(direction, times) * weights)
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, atol=1e-6 * scale)
