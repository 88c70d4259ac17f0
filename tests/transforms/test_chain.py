import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from spaces import FIXED, MOVING, centres, matrix_near_identity, oblique, smooth_field

from pmrnet.errors import InputError
from pmrnet.transforms import AffineTransform, Chain, DenseTransform, joined, to_dense
from pmrnet.transforms.chain import map_slab, slabs


@pytest.fixture
def members(rng):
    first = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED), sigma=1)
    second = AffineTransform(matrix_near_identity(rng, 0.2))
    third = smooth_field(rng, MOVING, oblique(rng, (1, 2, 1.4), MOVING), sigma=1)
    return [first, second, third]


def test_the_first_is_nearest_to_the_fixed_image():
    double = AffineTransform(np.diag([2, 2, 2, 1.0]))
    shift = AffineTransform(nib.affines.from_matvec(np.eye(3), (1, 0, 0)))
    np.testing.assert_allclose(Chain([double, shift]).map_points([[1, 1, 1]]), [[3, 2, 2]])
    np.testing.assert_allclose(Chain([shift, double]).map_points([[1, 1, 1]]), [[4, 2, 2]])


def test_one_after_the_other(members, rng):
    at = rng.uniform(-10, 10, (200, 3))
    expected = at
    for member in members:
        expected = member.map_points(expected)
    np.testing.assert_array_equal(Chain(members).map_points(at), expected)
    nested = Chain([Chain(members[:2]), members[2]])
    np.testing.assert_array_equal(nested.map_points(at), expected)
    assert nested.transforms == tuple(members)


def test_itk_applies_a_composite_in_the_opposite_order_of_adding(rng):
    matrices = [matrix_near_identity(rng, 0.3) for _ in range(2)]
    flip = np.diag([-1, -1, 1, 1.0])
    composite = sitk.CompositeTransform(3)
    for matrix in reversed(matrices):
        lps = flip @ matrix @ flip
        part = sitk.AffineTransform(3)
        part.SetMatrix(lps[:3, :3].ravel().tolist())
        part.SetTranslation(lps[:3, 3].tolist())
        composite.AddTransform(part)
    found = Chain([AffineTransform(m) for m in matrices]).map_points([[1, 2, 3]])[0]
    expected = np.array(composite.TransformPoint((-1, -2, 3))) * (-1, -1, 1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_one_field_in_place_of_a_chain(members, rng):
    affine = oblique(rng, (2, 1, 1.3), (9, 8, 11))
    chain = Chain(members)
    field = to_dense(chain, (9, 8, 11, 5), affine)
    assert field.shape == (9, 8, 11)
    at = centres((9, 8, 11), affine)
    mapped = chain.map_points(at.reshape(-1, 3)).reshape(at.shape)
    np.testing.assert_allclose(at + field.displacement, mapped, atol=1e-5)


def test_a_field_on_its_own_grid_is_not_interpolated(members):
    field = members[0]
    same = to_dense(field, FIXED, field.affine)
    np.testing.assert_allclose(same.displacement, field.displacement, atol=2e-6)


def test_a_shifted_grid_of_the_same_shape_is_interpolated(members):
    field = members[0]
    half = field.affine @ nib.affines.from_matvec(np.eye(3), (0.5, 0, 0))
    moved = to_dense(field, FIXED, half).displacement
    between = (field.displacement[:-1] + field.displacement[1:]) / 2
    np.testing.assert_allclose(moved[:-1], between, atol=1e-5)


def test_slabs_cover_the_grid_once(members, rng, monkeypatch):
    affine = oblique(rng, (2, 1, 1.3), FIXED)
    whole = to_dense(Chain(members), FIXED, affine)
    monkeypatch.setattr("pmrnet.transforms.chain._BLOCK", 17 * 20 * 4)
    parts = list(slabs(FIXED))
    assert [n for part in parts for n in range(part.start, part.stop)] == list(range(15))
    assert len(parts) == 4
    np.testing.assert_array_equal(
        to_dense(Chain(members), FIXED, affine).displacement, whole.displacement
    )


def test_slab_of_a_chain_that_starts_on_the_grid(members):
    chain = Chain(members)
    at = centres(FIXED, members[0].affine)[:, :, 3:6]
    found = map_slab(chain, FIXED, members[0].affine, slice(3, 6))
    expected = chain.map_points(at.reshape(-1, 3)).reshape(at.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_refused():
    with pytest.raises(InputError, match="one transform or more"):
        Chain([])
    field = DenseTransform(np.zeros((7, 8, 9, 3)), np.eye(4))
    with pytest.raises(InputError, match="three axes"):
        to_dense(field, (7, 8), np.eye(4))
    with pytest.raises(InputError, match="invertible"):
        to_dense(field, (7, 8, 9), np.zeros((4, 4)))


def test_joined_transforms(rng):
    first, then = (AffineTransform(matrix_near_identity(rng, 0.2, 30)) for _ in range(2))
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))
    both = joined([first, Chain([then])])
    assert isinstance(both, AffineTransform)
    at = rng.uniform(-20, 20, (30, 3))
    expected = then.map_points(first.map_points(at))
    np.testing.assert_allclose(both.map_points(at), expected, atol=1e-9)
    assert joined([field]) is field
    assert joined([field, first]).transforms == (field, first)
    with pytest.raises(InputError, match="one transform or more"):
        joined([])
