import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.interpolate import RegularGridInterpolator
from spaces import AXIS_ORDERS, FIXED, centres, oblique, smooth_field

from pmrnet.errors import InputError
from pmrnet.transforms import DenseTransform


@pytest.fixture
def field(rng):
    return smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED), sigma=1)


def test_voxel_centres_take_their_displacement(field):
    at = centres(FIXED, field.affine)
    mapped = field.map_points(at.reshape(-1, 3)).reshape(at.shape)
    np.testing.assert_allclose(mapped, at + field.displacement, atol=1e-5)


def test_between_voxels_as_scipys_interpolator(field, rng):
    index = rng.uniform(0, np.array(FIXED) - 1, (500, 3))
    oracle = RegularGridInterpolator([np.arange(n) for n in FIXED], field.displacement)
    at = nib.affines.apply_affine(field.affine, index)
    np.testing.assert_allclose(field.map_points(at), at + oracle(index), atol=1e-5)


def test_beyond_the_grid_the_nearest_edge(field, rng):
    index = rng.uniform(-20, np.array(FIXED) + 20, (500, 3))
    edge = np.clip(index, 0, np.array(FIXED) - 1)
    at, on_edge = (nib.affines.apply_affine(field.affine, i) for i in (index, edge))
    expected = at + field.map_points(on_edge) - on_edge
    np.testing.assert_allclose(field.map_points(at), expected, atol=1e-9)
    assert (index != edge).any(axis=1).mean() > 0.5


@pytest.mark.parametrize("order", [0, 5, 13, 22, 30, 47])
def test_points_as_simpleitk_moves_them(rng, order):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[order])
    field = smooth_field(rng, FIXED, affine, sigma=1)
    flip = np.array([-1, -1, 1])
    vectors = np.ascontiguousarray((field.displacement * flip).transpose(2, 1, 0, 3), float)
    image = sitk.GetImageFromArray(vectors, isVector=True)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(sizes.tolist())
    image.SetOrigin((affine[:3, 3] * flip).tolist())
    image.SetDirection((np.diag(flip) @ affine[:3, :3] / sizes).ravel().tolist())
    itk = sitk.DisplacementFieldTransform(image)
    at = nib.affines.apply_affine(affine, rng.uniform(0.1, np.array(FIXED) - 1.1, (50, 3)))
    expected = [np.array(itk.TransformPoint((p * flip).tolist())) * flip for p in at]
    np.testing.assert_allclose(field.map_points(at), expected, atol=1e-5)


def test_no_points(field):
    assert field.map_points(np.zeros((0, 3))).shape == (0, 3)


def test_one_voxel_is_a_translation():
    field = DenseTransform(np.full((1, 1, 1, 3), 2.5), np.diag([2, 3, 4, 1.0]))
    np.testing.assert_allclose(field.map_points([[9, -9, 0]]), [[11.5, -6.5, 2.5]])


@pytest.mark.parametrize("shape", [(7, 8, 9), (7, 8, 9, 2), (7, 8, 9, 1, 3), (0, 8, 9, 3)])
def test_unusable_shape(shape):
    with pytest.raises(InputError, match="Displacement field: expected"):
        DenseTransform(np.zeros(shape), np.eye(4))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
def test_not_finite(bad):
    displacement = np.zeros((7, 8, 9, 3))
    displacement[1, 2, 3, 1] = bad
    with pytest.raises(InputError, match="NaN or infinity in 1 voxels"):
        DenseTransform(displacement, np.eye(4))


def test_unusable_affine():
    with pytest.raises(InputError, match="invertible 4x4"):
        DenseTransform(np.zeros((7, 8, 9, 3)), np.diag([1, 1, 0, 1]))


def test_no_copy_shared_with_the_caller_is_changed(rng):
    values = rng.normal(size=(7, 8, 9, 3))
    before = values.copy()
    field = DenseTransform(values, np.eye(4))
    assert field.displacement.dtype == np.float32
    assert field.shape == (7, 8, 9)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(field.displacement, before.astype(np.float32))
