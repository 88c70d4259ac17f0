import nibabel as nib
import numpy as np
import pytest
from spaces import FIXED, MOVING, centres, oblique, smooth_field

from pmrnet.errors import InputError
from pmrnet.transforms import (
    AffineTransform,
    DenseTransform,
    invert,
    jacobian_determinant,
    round_trip_error,
)


def test_there_and_back(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    field = smooth_field(rng, FIXED, affine)
    assert 0.1 < jacobian_determinant(field).min() < 0.5
    target = oblique(rng, (1, 2, 1.5), MOVING)
    inverse = invert(field, MOVING, target)
    assert inverse.shape == MOVING
    at = centres(MOVING, target).reshape(-1, 3)
    np.testing.assert_allclose(field.map_points(inverse.map_points(at)), at, atol=0.02)
    assert np.abs(inverse.displacement).max() > 1


def test_the_other_way_round_between_voxels(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    field = smooth_field(rng, FIXED, affine, sigma=4)
    inverse = invert(field, FIXED, affine, tolerance_mm=1e-4)
    index = rng.uniform(4, np.array(FIXED) - 5, (200, 3))
    at = nib.affines.apply_affine(affine, index)
    np.testing.assert_allclose(inverse.map_points(field.map_points(at)), at, atol=0.1)


def test_of_an_affine_transform_exactly(rng):
    """A turn of 70 degrees and a scaling by 2, for which plain fixed-point iteration diverges."""
    matrix = nib.affines.from_matvec(2 * nib.eulerangles.euler2mat(1.2, 0.3, 0), (40, -60, 10))
    inverse = invert(AffineTransform(matrix), FIXED, oblique(rng, (1, 2, 3), FIXED))
    at = centres(FIXED, inverse.affine)
    expected = nib.affines.apply_affine(np.linalg.inv(matrix), at)
    np.testing.assert_allclose(at + inverse.displacement, expected, atol=1e-4)


def test_strong_expansion_without_folding():
    """The derivative reaches 3.7, where plain fixed-point iteration does not converge."""
    x = np.arange(33.0) - 16
    displacement = np.zeros((33, 6, 7, 3))
    displacement[..., 0] = (6 * np.tanh(x / 2.2))[:, None, None]
    affine = nib.affines.from_matvec(np.eye(3), (-16, 0, 0))
    field = DenseTransform(displacement, affine)
    assert jacobian_determinant(field).max() > 3
    inverse = invert(field, field.shape, affine, tolerance_mm=1e-3)
    assert round_trip_error(field, inverse).max() <= 1e-3


def test_round_trip_error_is_the_distance(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    identity = DenseTransform(np.zeros((*FIXED, 3)), affine)
    shift = DenseTransform(np.broadcast_to([1.0, 2, -2], (*FIXED, 3)), affine)
    np.testing.assert_allclose(round_trip_error(shift, identity), 3, rtol=1e-5)
    np.testing.assert_allclose(round_trip_error(identity, shift), 3, rtol=1e-5)


def test_folding_is_refused():
    x = np.arange(20.0)
    displacement = np.zeros((20, 6, 7, 3))
    # Beyond the middle T runs back, so that what lies further on is reached from the edge alone.
    displacement[..., 0] = np.where(x > 10, -2.5 * (x - 10), 0)[:, None, None]
    field = DenseTransform(displacement, np.eye(4))
    with pytest.raises(InputError, match=r"mm left after 30 steps.*folds"):
        invert(field, field.shape, np.eye(4), iterations=30)


def test_too_few_steps_are_told(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    field = smooth_field(rng, FIXED, affine, peak_mm=3)
    with pytest.raises(InputError, match="1 steps"):
        invert(field, FIXED, affine, iterations=1, tolerance_mm=1e-4)


def test_a_grid_of_one_plane(rng):
    affine = oblique(rng, (1.5, 0.8, 2), (9, 8, 1))
    field = DenseTransform(np.full((9, 8, 1, 3), 1.5), affine)
    inverse = invert(field, (9, 8, 1), affine)
    np.testing.assert_allclose(inverse.displacement, -1.5, atol=1e-4)
