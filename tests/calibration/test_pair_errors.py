"""From subjects and a network to errors and predictions; the network is replaced."""

from types import SimpleNamespace

import numpy as np
import pytest

from pmrnet.calibration.pairs import BOUNDARIES, TRUTH, PairErrors, reference_of
from pmrnet.data import phantom
from pmrnet.errors import InputError

SHAPE = (24, 20, 22)


class Shift:
    """Stands for a predictor: moves by whole voxels along x, and is sure by the temperature."""

    seed = 0

    def __init__(self, voxels):
        self.voxels = voxels

    def displacement(self, moving, fixed):
        u = np.zeros((*SHAPE, 3), np.float32)
        u[..., 0] = self.voxels
        return u

    def deviation(self, moving, fixed, temperature):
        return np.full((*SHAPE, 3), 0.5 * temperature**0.5, np.float32)


def subject(name, start, folder=None):
    labels = np.zeros(SHAPE, np.uint8)
    labels[start : start + 8, 5:15, 5:15] = 1
    return SimpleNamespace(
        name=name,
        grid_to_native=np.eye(4),
        native_affine=np.eye(4),
        native_shape=SHAPE,
        labels=lambda: SimpleNamespace(data=labels),
        image=labels.astype(np.float32),
        image_path=folder,
        spacing=1,
    )


def dataset(source="files", labels=(1,)):
    protocol = SimpleNamespace(labels=dict.fromkeys(labels, "block"))
    return SimpleNamespace(source=source, protocol=protocol, given="mine.yaml")


def test_boundaries_are_as_far_apart_as_the_field_leaves_them():
    subjects = {"a": subject("a", 9), "b": subject("b", 6)}
    for voxels, left in ((0, 3), (3, 0), (1, 2)):
        errors = PairErrors(dataset(), subjects, Shift(voxels))
        (points,) = errors.points([("a", "b")], 4.0, "here")
        assert errors.reference == BOUNDARIES
        assert points.error.max() == pytest.approx(left)
        np.testing.assert_allclose(points.deviation, 1.0, rtol=1e-6)


def test_places_do_not_depend_on_the_temperature_or_on_other_pairs():
    subjects = {"a": subject("a", 9), "b": subject("b", 6), "c": subject("c", 7)}
    errors = PairErrors(dataset(), subjects, Shift(1), points_per_pair=50)
    cold, warm = (errors.points([("a", "b")], t, "here")[0] for t in (1.0, 9.0))
    np.testing.assert_array_equal(cold.error, warm.error)
    np.testing.assert_allclose(warm.deviation, 3 * cold.deviation)
    again = PairErrors(dataset(), subjects, Shift(1), points_per_pair=50)
    both = again.points([("c", "b"), ("a", "b")], 1.0, "here")
    np.testing.assert_array_equal(both[1].error, cold.error)
    assert len(cold.error) == 50


def test_known_deformation(tmp_path):
    """The truth moves by 2 along x and 1 along y, the network by 3 along x."""
    field = np.zeros((2, *SHAPE, 3), np.float16)
    field[0, ..., 0], field[1, ..., 1] = 2, 1
    subjects = {}
    for name, inverse, forward in (("a", field[0], field[1]), ("b", field[0], field[1])):
        folder = tmp_path / name
        folder.mkdir()
        np.savez(folder / phantom.TRUTH, inverse=inverse, forward=forward)
        subjects[name] = subject(name, 8, folder / "image.nii.gz")
    errors = PairErrors(dataset("demo"), subjects, Shift(3))
    (points,) = errors.points([("a", "b")], 1.0, "here")
    assert errors.reference == TRUTH
    assert len(points.error) == 800  # the brain of the fixed subject
    np.testing.assert_allclose(points.error, [[1, -1, 0]] * 800, atol=1e-3)
    np.testing.assert_allclose(points.deviation, 0.5, rtol=1e-6)


def test_nothing_to_measure_against():
    with pytest.raises(InputError, match=r"mine\.yaml: expected labels"):
        reference_of(dataset(labels=()))
