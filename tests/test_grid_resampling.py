"""Resampling with replicated edges, against SciPy's."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from pmrnet.grid_resampling import resample_replicated

SHAPE, OTHER = (7, 8, 9), (12, 9, 10)


def oblique(scale, shift):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix() * scale
    matrix[:3, 3] = shift
    return matrix


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(4),
        oblique([0.9, 1.1, 0.5], [1.3, 2.1, -4.2]),  # most points outside
        oblique([-0.3, 0.2, 0.4], [3.1, 4.2, 2.5]),  # mirrored, most inside
        oblique([1, 1, 1], [90, -70, 80]),  # all outside
    ],
)
def test_same_as_scipy(rng, matrix):
    values = rng.normal(size=SHAPE)
    found = resample_replicated(values[..., None], matrix, OTHER)[0]
    expected = ndimage.affine_transform(
        values, matrix[:3, :3], matrix[:3, 3], output_shape=OTHER, order=1, mode="nearest"
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_same_grid_same_values(rng):
    values = rng.normal(size=SHAPE).astype(np.float32)
    found = resample_replicated(values[..., None], np.eye(4), SHAPE)[0]
    np.testing.assert_allclose(found, values, atol=1e-6)


def test_one_voxel_thin(rng):
    values = rng.normal(size=(1, 5, 1)).astype(np.float32)
    found = resample_replicated(values[..., None], np.eye(4), (3, 5, 2))[0]
    np.testing.assert_array_equal(found, np.broadcast_to(values, (3, 5, 2)))
