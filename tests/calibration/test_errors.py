"""Errors against known deformations and at labels' boundaries, of cases done by hand."""

import numpy as np
import pytest

from pmrnet.calibration.known_deformation import errors_against_truth
from pmrnet.calibration.label_boundaries import errors_at_boundaries
from pmrnet.calibration.located_errors import LocatedErrors
from pmrnet.errors import InputError

SHAPE = (7, 8, 9)


class TestKnownDeformation:
    def test_all_components_at_every_voxel_of_the_brain(self, rng):
        found, truth = rng.normal(size=(2, *SHAPE, 3))
        brain = rng.random(SHAPE) > 0.5
        errors = errors_against_truth(found, truth, brain, 2.0, 10_000, rng)
        index = tuple(errors.at.astype(int).T)
        assert len(errors.at) == brain.sum()
        assert brain[index].all()
        np.testing.assert_allclose(errors.error, 2 * (found - truth)[index])
        assert errors.direction is None

    def test_limit_draws_different_voxels(self, rng):
        field = np.zeros((*SHAPE, 3))
        errors = errors_against_truth(field, field, np.ones(SHAPE, bool), 1.0, 50, rng)
        assert len(np.unique(errors.at, axis=0)) == 50


class TestDeviation:
    def test_components_are_looked_up_by_the_variance(self):
        deviation = np.zeros((*SHAPE, 3))
        deviation[3], deviation[4] = (1, 2, 3), (3, 2, 1)
        errors = LocatedErrors(np.array([[3.0, 2, 2], [3.5, 2, 2]]), np.ones((2, 3)))
        points = errors.with_deviation(deviation)
        np.testing.assert_allclose(points.deviation, [[1, 2, 3], [5**0.5, 2, 5**0.5]])

    def test_along_a_direction(self):
        deviation = np.broadcast_to(np.array([1.0, 2.0, 4.0]), (*SHAPE, 3))
        directions = np.array([[0, 0, -1.0], [0.6, 0.8, 0]])
        errors = LocatedErrors(np.full((2, 3), 3.0), np.ones((2, 1)), directions)
        points = errors.with_deviation(deviation)
        np.testing.assert_allclose(points.deviation[:, 0], [4, (0.36 + 0.64 * 4) ** 0.5])


def slabs(at, shape=(30, 20, 24)):
    """Label 1 below a plane across x, label 2 above it."""
    labels = np.ones(shape, np.uint8)
    labels[at:] = 2
    return labels


def inner(errors, shape=(30, 20, 24), margin=6):
    """Boundary voxels far from the volume's border, which is a boundary too."""
    return ((errors.at >= margin) & (errors.at < np.array(shape) - margin)).all(axis=1)


class TestBoundaries:
    def test_shift_of_a_plane(self, rng):
        errors = errors_at_boundaries(slabs(14), slabs(17), (1, 2), np.eye(4), 1.0, 100_000, rng)
        kept = inner(errors)
        assert kept.sum() > 100
        np.testing.assert_allclose(errors.error[kept], 3)
        np.testing.assert_allclose(np.abs(errors.direction[kept]), [[1, 0, 0]] * kept.sum())

    def test_equal_labels_have_no_error(self, rng):
        labels = slabs(14)
        errors = errors_at_boundaries(labels, labels, (1, 2), np.eye(4), 1.0, 500, rng)
        assert len(errors.at) == 500
        assert errors.error.max() == 0

    def test_in_millimetres_of_the_network_grid(self, rng):
        """A native voxel of 1.5, 1, 0.5 network voxels of 2 mm, turned about z, and moved."""
        turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
        to_grid = np.eye(4)
        to_grid[:3, :3] = turn @ np.diag([1.5, 1.0, 0.5])
        to_grid[:3, 3] = 5, -3, 2
        errors = errors_at_boundaries(slabs(14), slabs(17), (1, 2), to_grid, 2.0, 100_000, rng)
        native = (errors.at - to_grid[:3, 3]) @ np.linalg.inv(to_grid[:3, :3]).T
        margin = np.array((6, 6, 10))  # of the volume's border, which is a boundary too
        kept = ((native >= margin) & (native < np.array((30, 20, 24)) - margin)).all(axis=1)
        assert kept.sum() > 50
        np.testing.assert_allclose(errors.error[kept], 3 * 1.5 * 2)
        along = errors.direction[kept]
        np.testing.assert_allclose(np.abs(along @ turn[:, 0]), 1, atol=1e-6)

    def test_normal_of_a_ball(self, rng):
        centre = np.array([15.0, 14, 16])
        at = np.indices((30, 28, 33)).reshape(3, -1).T - centre
        ball = (np.linalg.norm(at, axis=1) < 9).reshape(30, 28, 33).astype(np.uint8)
        errors = errors_at_boundaries(ball, ball, (1,), np.eye(4), 1.0, 10_000, rng)
        outward = errors.at - centre
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        assert np.abs((outward * errors.direction).sum(axis=1)).min() > 0.97
        np.testing.assert_allclose(np.linalg.norm(errors.direction, axis=1), 1)

    def test_labels_of_one_subject_only_are_left_out(self, rng):
        moved = np.where(slabs(17) == 2, 0, 1)
        errors = errors_at_boundaries(slabs(14), moved, (1, 2), np.eye(4), 1.0, 100_000, rng)
        assert errors.at[:, 0].max() == 13
        with pytest.raises(InputError, match="none in common"):
            errors_at_boundaries(slabs(14), moved, (2,), np.eye(4), 1.0, 10, rng)

    def test_a_thin_label_has_some_direction(self, rng):
        labels = np.zeros(SHAPE, np.uint8)
        labels[3, 4, 4] = 1
        errors = errors_at_boundaries(labels, labels, (1,), np.eye(4), 1.0, 10, rng)
        np.testing.assert_allclose(np.linalg.norm(errors.direction, axis=1), 1)

    def test_other_shapes(self, rng):
        with pytest.raises(InputError, match="one shape"):
            errors_at_boundaries(slabs(14), slabs(14)[1:], (1,), np.eye(4), 1.0, 10, rng)
