"""Sampling through an affine map, against SciPy, in 2D and 3D."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from pmrnet import spatial


@pytest.mark.parametrize(("grid", "shape"), [((7, 8), (9, 5)), ((7, 8, 9), (6, 11, 5))])
def test_each_component_as_scipy(rng, grid, shape):
    axes = len(grid)
    values = rng.normal(size=(*grid, 2)).astype(np.float32)
    matrix = np.eye(axes + 1)
    matrix[:axes, :axes] += rng.normal(scale=0.4, size=(axes, axes))
    matrix[:axes, axes] = rng.normal(size=axes)
    found = spatial.sample_affine(
        ops.convert_to_tensor(values), ops.convert_to_tensor(matrix, "float32"), shape=shape
    )
    assert tuple(found.shape) == (2, *shape)
    for component in range(2):
        expected = ndimage.affine_transform(
            values[..., component].astype(float),
            matrix[:axes, :axes],
            matrix[:axes, axes],
            output_shape=shape,
            order=1,
            mode="nearest",
        )
        np.testing.assert_allclose(found[component], expected, atol=2e-5)


def test_linear_fields_are_exact_inside(rng):
    """Of f(x) = g . x the sampled values are g . A p: a closed form."""
    slope = rng.normal(size=3)
    values = np.tensordot(slope, np.indices((7, 8, 9)), 1)[..., None]
    matrix = np.array([[0.5, 0.1, 0.0, 1], [0.0, 0.4, 0.2, 1.5], [0.1, 0, 0.6, 0.5], [0, 0, 0, 1]])
    found = spatial.sample_affine(
        ops.convert_to_tensor(values, "float32"),
        ops.convert_to_tensor(matrix, "float32"),
        shape=(5, 6, 7),
    )
    points = (
        np.tensordot(matrix[:3, :3], np.indices((5, 6, 7)), 1) + matrix[:3, 3, None, None, None]
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(found)[0], np.tensordot(slope, points, 1), atol=1e-5
    )
