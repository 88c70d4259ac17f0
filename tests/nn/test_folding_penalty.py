"""Jacobian determinants as tensors, against the metric's in NumPy."""

import numpy as np
import pytest
from keras import ops

from pmrnet.metrics import jacobian_determinant as metric
from pmrnet.nn.jacobian import folding, jacobian_determinant


def reference(displacement):
    """By the metric, on cubes of two voxels: at a cube's first corner it too looks forward."""
    u = np.asarray(displacement, float)
    if u.shape[-1] == 2:  # the same plane twice: nothing moves along the third axis
        u = np.stack([np.pad(u, [(0, 0)] * 3 + [(0, 1)])] * 2, axis=3)
    found = np.empty([n - 1 if i else n for i, n in enumerate(u.shape[:-1])])
    for b, *corner in np.ndindex(found.shape):
        cube = u[(b, *(slice(i, i + 2) for i in corner))]
        found[(b, *corner)] = metric(cube)[0, 0, 0]
    return found if displacement.shape[-1] == 3 else found[..., 0]


@pytest.mark.parametrize("batch", [1, 2])
def test_agrees_with_the_metric(rng, grid, batch):
    u = rng.normal(0, 0.6, (batch, *grid, len(grid))).astype(np.float32)
    found = ops.convert_to_numpy(jacobian_determinant(u))
    assert found.shape == (batch, *(n - 1 for n in grid))
    expected = reference(u)
    assert (expected < 0).any()
    assert (expected > 1).any()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    value = np.maximum(-expected, 0).sum() / batch
    assert float(folding(u)) == pytest.approx(value, rel=1e-4)


def test_affine_map_has_its_matrix_determinant(rng, grid):
    matrix = np.eye(len(grid)) + rng.normal(0, 0.3, (len(grid), len(grid)))
    points = np.moveaxis(np.indices(grid), 0, -1).astype(float)
    u = (points @ matrix.T - points)[None].astype(np.float32)
    found = ops.convert_to_numpy(jacobian_determinant(u))
    np.testing.assert_allclose(found, np.linalg.det(matrix), rtol=1e-4)


def test_nothing_folds_without_a_reflection(smooth_field, grid):
    assert float(folding(smooth_field(grid, 0.1))) == 0.0
    mirrored = -2.0 * np.moveaxis(np.indices(grid), 0, -1)[None].astype(np.float32)
    mirrored[..., 1:] = 0
    voxels = np.prod([n - 1 for n in grid])
    assert float(folding(mirrored)) == pytest.approx(voxels)


def test_gradient(rng, gradients, assert_gradient, grid):
    u = rng.normal(0, 0.8, (1, *grid, len(grid))).astype(np.float32)
    (gradient,) = gradients(folding, u)

    def value(u):
        return np.maximum(-reference(u), 0).sum()

    assert_gradient(gradient, value, u, rtol=1e-3, atol=1e-3, count=6)


@pytest.mark.parametrize("shape", [(1, 7, 8, 9, 2), (1, 7, 8, 3), (1, 7, 1)])
def test_a_component_per_axis_is_needed(shape):
    for function in (jacobian_determinant, folding):
        with pytest.raises(ValueError, match="one component per grid axis") as caught:
            function(np.zeros(shape, np.float32))
        assert str(shape) in str(caught.value)
