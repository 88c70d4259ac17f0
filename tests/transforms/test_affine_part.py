import nibabel as nib
import numpy as np
from spaces import FIXED, centres, matrix_near_identity, oblique, smooth_field

from pmrnet.transforms import AffineTransform, Chain, extended, to_dense
from pmrnet.transforms.affine_part import affine_part, closest_affine, split_field

TURN = nib.affines.from_matvec(nib.eulerangles.euler2mat(np.pi / 2, 0.1, 0), (200, -50, 30))


def test_closest_affine_of_affine_and_field(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    matrix = matrix_near_identity(rng, 0.2, 50)
    found = closest_affine(AffineTransform(matrix), FIXED, affine)
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-8)
    field = smooth_field(rng, FIXED, affine, peak_mm=1, sigma=2)
    near = closest_affine(Chain([field, AffineTransform(matrix)]), FIXED, affine)
    at = centres(FIXED, affine).reshape(-1, 3)
    apart = near.map_points(at) - AffineTransform(matrix).map_points(at)
    assert 0 < np.linalg.norm(apart, axis=1).max() < 2


def test_a_split_field_is_the_field_on_its_grid_and_keeps_to_itself(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    small = smooth_field(rng, FIXED, affine, peak_mm=1)
    field = turned(small)
    rest, part = split_field(field)
    assert np.abs(rest.displacement).max() < 2
    inside = nib.affines.apply_affine(affine, rng.uniform(0, np.array(FIXED) - 1, (300, 3)))
    expected = field.map_points(inside)
    np.testing.assert_allclose(part.map_points(rest.map_points(inside)), expected, atol=1e-3)
    np.testing.assert_allclose(extended(field).map_points(inside), expected, atol=1e-3)


def test_beyond_its_grid_an_extended_field_goes_on_as_its_affine_part(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    field, shear = turned(smooth_field(rng, FIXED, affine)), matrix_near_identity(rng)
    outside = nib.affines.apply_affine(affine, rng.uniform(100, 200, (50, 3)))
    part = affine_part(field)
    near = np.linalg.norm(part.map_points(outside) - extended(field).map_points(outside), axis=1)
    far = np.linalg.norm(part.map_points(outside) - field.map_points(outside), axis=1)
    assert near.max() < 4 < 100 < far.min()
    chain = Chain([AffineTransform(shear), field])
    np.testing.assert_allclose(affine_part(chain).matrix, part.matrix @ shear, atol=1e-9)
    start = AffineTransform(shear).inverse().map_points(outside)
    np.testing.assert_allclose(
        extended(chain).map_points(start), extended(field).map_points(outside), atol=1e-6
    )


def turned(field):
    """Field of a small deformation and then a quarter turn into a space far off."""
    return to_dense(Chain([field, AffineTransform(TURN)]), field.shape, field.affine)
