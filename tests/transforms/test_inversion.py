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


def swirl(points, angle, width=5):
    """A turn about z that wears off with the distance from the origin; of -angle it is undone."""
    turn = angle * np.exp(-np.square(points).sum(axis=-1) / (2 * width**2))
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack(
        [np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y, z], axis=-1
    )


def sampled(function, shape):
    """Field of a function of points on a grid of 1 mm about the origin."""
    affine = nib.affines.from_matvec(np.eye(3), -(np.array(shape) - 1) / 2)
    at = centres(shape, affine)
    return DenseTransform(function(at) - at, affine)


@pytest.mark.parametrize("angle", [2.0, 4.0])
def test_a_swirl_is_undone(angle):
    """Points turn by more than a right angle, where no correction by the affine part helps."""
    shape = (41, 43, 39)
    field = sampled(lambda p: swirl(p, angle), shape)
    assert jacobian_determinant(field).min() > 0.7
    inverse = invert(field, shape, field.affine)
    assert round_trip_error(field, inverse).max() <= 0.0101
    at = centres(shape, field.affine)
    # As far off as linear interpolation of the field is, squeezed by the shear of the swirl.
    np.testing.assert_allclose(at + inverse.displacement, swirl(at, -angle), atol=0.3 * angle)
    assert np.abs(at + inverse.displacement - swirl(at, -angle)).mean() < 0.01


def flow(points, time, steps=24):
    """Exponential of `time` times a velocity that winds and squeezes, by Runge and Kutta."""

    def velocity(p):
        x, y, z = np.moveaxis(p, -1, 0) / 5
        winding = [np.sin(z) + np.cos(y), np.sin(x) + np.cos(z), np.sin(y) + np.cos(2 * x)]
        return np.stack(winding, -1) * np.exp(-np.square(p).sum(-1) / 200)[..., None]

    step = time / steps
    for _ in range(steps):
        a = velocity(points)
        b = velocity(points + step / 2 * a)
        c = velocity(points + step / 2 * b)
        points = points + step / 6 * (a + 2 * b + 2 * c + velocity(points + step * c))
    return points


def test_the_exponential_of_a_velocity_is_undone_by_that_of_the_negated_one():
    shape = (47, 49, 45)
    field = sampled(lambda p: flow(p, 6), shape)
    assert 0.05 < jacobian_determinant(field).min() < 0.5
    inverse = invert(field, shape, field.affine)
    assert round_trip_error(field, inverse).max() <= 0.0101
    part = (slice(None), slice(20, 25))
    at = centres(shape, field.affine)[part]
    error = np.linalg.norm(at + inverse.displacement[part] - flow(at, -6), axis=-1)
    assert np.abs(inverse.displacement[part]).max() > 5
    assert error.mean() < 0.03
    assert np.percentile(error, 99) < 0.3


def test_a_larger_tolerance_does_not_end_the_search_sooner(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    field = smooth_field(rng, FIXED, affine)
    inverse = invert(field, FIXED, affine, tolerance_mm=5)
    assert round_trip_error(field, inverse).max() <= 0.0101


@pytest.mark.parametrize("tolerance", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_tolerance_that_cannot_be_meant(rng, tolerance):
    field = smooth_field(rng, FIXED, np.eye(4))
    with pytest.raises(InputError, match=r"finite number of mm above 0, found (nan|inf|0|-1)"):
        invert(field, FIXED, np.eye(4), tolerance_mm=tolerance)


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
    # Accepted by who asks for it, with what is left of the error.
    inverse = invert(field, field.shape, np.eye(4), tolerance_mm=50)
    assert 1 < round_trip_error(field, inverse).max() <= 50


def test_too_few_steps_are_told(rng):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    field = smooth_field(rng, FIXED, affine, peak_mm=3)
    with pytest.raises(InputError, match=r"1 steps .*does not fold there, but the search"):
        invert(field, FIXED, affine, iterations=1, tolerance_mm=1e-4)


def test_a_grid_of_one_plane(rng):
    affine = oblique(rng, (1.5, 0.8, 2), (9, 8, 1))
    field = DenseTransform(np.full((9, 8, 1, 3), 1.5), affine)
    inverse = invert(field, (9, 8, 1), affine)
    np.testing.assert_allclose(inverse.displacement, -1.5, atol=1e-4)
