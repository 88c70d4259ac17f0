"""Differences and volumes of maps whose derivative is known."""

import numpy as np
import pytest
from keras import ops

from pmrnet.shooting.differences import central_difference, gradient, volume_change


def interior(array):
    return array[tuple([slice(1, -1)] * (array.ndim - 1))]


def test_gradient_of_a_linear_image_is_its_slope(grid):
    slopes = np.arange(1.0, len(grid) + 1)
    image = np.tensordot(slopes, np.indices(grid), 1).astype(np.float32)[None, ..., None]
    found = ops.convert_to_numpy(gradient(ops.convert_to_tensor(image)))[0]
    np.testing.assert_allclose(interior(found), np.broadcast_to(slopes, interior(found).shape))


def test_border_takes_the_edge_for_what_is_beyond():
    values = ops.convert_to_tensor(np.array([[[1.0], [3.0], [7.0]]], np.float32))
    found = ops.convert_to_numpy(central_difference(values, 1))
    np.testing.assert_allclose(found[0, :, 0], [1.0, 3.0, 2.0])


def test_volume_of_a_linear_map_is_its_determinant(grid, rng):
    matrix = np.eye(len(grid)) + 0.3 * rng.normal(size=(len(grid), len(grid)))
    moved = np.tensordot(matrix - np.eye(len(grid)), np.indices(grid), 1)
    field = np.moveaxis(moved, 0, -1).astype(np.float32)[None]
    found = ops.convert_to_numpy(volume_change(ops.convert_to_tensor(field)))[0]
    assert interior(found) == pytest.approx(np.linalg.det(matrix), rel=1e-4)
