import numpy as np
import pytest
import SimpleITK as sitk
from spaces import AXIS_ORDERS, FIXED, centres, matrix_near_identity, oblique, smooth_field

from pmrnet.transforms import AffineTransform, DenseTransform, jacobian_determinant, to_dense


@pytest.mark.parametrize("order", [0, 7, 18, 29, 46])
def test_of_an_affine_transform(rng, order):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[order])
    matrix = matrix_near_identity(rng, 0.3)
    field = to_dense(AffineTransform(matrix), FIXED, affine)
    determinant = np.linalg.det(matrix[:3, :3])
    assert abs(determinant - 1) > 0.02
    np.testing.assert_allclose(jacobian_determinant(field), determinant, rtol=1e-3)


def test_of_a_sheared_grid(rng):
    sheared = np.array([[1.5, 0.4, 0, 3], [0, 1, 0.3, 4], [0.2, 0, 2, 5], [0, 0, 0, 1]])
    matrix = matrix_near_identity(rng, 0.3)
    field = to_dense(AffineTransform(matrix), FIXED, sheared)
    expected = np.linalg.det(matrix[:3, :3])
    np.testing.assert_allclose(jacobian_determinant(field), expected, rtol=1e-3)


def test_of_an_analytic_field(rng):
    """T(x) = x + a sin(k x), one term per component in another coordinate, on a fine grid."""
    shape = (40, 50, 45)
    affine = oblique(rng, (0.25, 0.2, 0.3), shape)
    x, y, z = np.moveaxis(centres(shape, affine), -1, 0)
    displacement = np.stack([0.5 * np.sin(x) * y, 0.4 * np.cos(z), 0.3 * np.sin(x + z)], -1)
    rows = [
        [1 + 0.5 * np.cos(x) * y, 0.5 * np.sin(x), 0 * x],
        [0 * x, 1 + 0 * x, -0.4 * np.sin(z)],
        [0.3 * np.cos(x + z), 0 * x, 1 + 0.3 * np.cos(x + z)],
    ]
    expected = np.linalg.det(np.moveaxis(np.array(rows), (0, 1), (-2, -1)))
    found = jacobian_determinant(DenseTransform(displacement, affine))
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(found[inner], expected[inner], atol=0.08)
    assert np.ptp(expected) > 1


def test_as_simpleitk_inside_of_an_oblique_anisotropic_grid(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    field = smooth_field(rng, FIXED, affine, peak_mm=4, sigma=2)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    # ITK differentiates along the axes of the grid and leaves their direction out, so the vectors
    # are given to it along these axes: the determinant is that of the turned field.
    along_axes = field.displacement @ (affine[:3, :3] / sizes)
    image = sitk.GetImageFromArray(np.ascontiguousarray(along_axes.transpose(2, 1, 0, 3)), True)
    image.SetSpacing(sizes.tolist())
    oracle = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(image)).T
    inner = (slice(1, -1),) * 3  # at the edges ITK takes half of the one-sided difference
    found = jacobian_determinant(field)
    np.testing.assert_allclose(found[inner], oracle[inner], atol=1e-4)
    assert np.ptp(oracle) > 0.5


def test_folding_is_negative(rng):
    x = np.arange(9.0)
    displacement = np.zeros((9, 8, 7, 3))
    displacement[..., 0] = (-2 * x)[:, None, None]  # T(x) = -x
    np.testing.assert_allclose(jacobian_determinant(DenseTransform(displacement, np.eye(4))), -1)


def test_slabs_join_without_a_seam(rng, monkeypatch):
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED), sigma=1)
    whole = jacobian_determinant(field)
    monkeypatch.setattr("pmrnet.transforms.chain._BLOCK", 1)  # one plane at a time
    np.testing.assert_array_equal(jacobian_determinant(field), whole)


def test_an_axis_of_one_voxel(rng):
    displacement = np.zeros((7, 8, 1, 3))
    displacement[..., 0] = 0.5 * np.arange(7)[:, None, None]
    found = jacobian_determinant(DenseTransform(displacement, np.diag([2, 1, 3, 1.0])))
    np.testing.assert_allclose(found, 1.25)
