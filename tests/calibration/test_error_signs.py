"""Maps that may say where a registration is wrong, against closed forms."""

import numpy as np
import pytest

from pmrnet.calibration import error_signs

SHAPE = (14, 15, 16)
INSIDE = (slice(5, -5),) * 3


def constant(vector):
    return np.broadcast_to(np.array(vector, np.float32), (*SHAPE, 3)).copy()


def linear(matrix):
    return (np.moveaxis(np.indices(SHAPE), 0, -1) @ np.array(matrix).T).astype(np.float32)


def test_round_trip_is_what_two_shifts_leave():
    missed = error_signs.round_trip(constant((1, -2, 0)), constant((-1, 2, 0)))
    np.testing.assert_allclose(missed, 0, atol=1e-6)
    missed = error_signs.round_trip(constant((1, -2, 0)), constant((2, 2, 4)))
    np.testing.assert_allclose(missed, 5, atol=1e-5)


def test_round_trip_looks_up_the_way_back_where_the_way_there_ends():
    back = linear(np.diag((0.5, 0, 0)))
    missed = error_signs.round_trip(constant((2, 0, 0)), back)
    expected = 2 + 0.5 * (np.arange(SHAPE[0]) + 2)
    np.testing.assert_allclose(missed[5:-8, 7, 7], expected[5:-8], rtol=1e-3)


def test_volume_change_and_strain_of_linear_maps():
    matrix = np.array([[0.1, 0.2, 0], [0, -0.3, 0.1], [0, 0, 0.2]])
    u = linear(matrix)
    change = abs(np.log(1.1 * 0.7 * 1.2))
    np.testing.assert_allclose(error_signs.volume_change(u)[INSIDE], change, rtol=1e-4)
    np.testing.assert_allclose(error_signs.strain(u)[INSIDE], np.linalg.norm(matrix), rtol=1e-4)


def test_folds_have_a_finite_volume_change():
    assert np.isfinite(error_signs.volume_change(linear(-2 * np.eye(3)))).all()


def test_dissimilarity_is_blind_to_scale_and_sees_the_opposite(rng):
    image = rng.random(SHAPE)
    same = error_signs.local_dissimilarity(0.2 + 0.5 * image, image)
    np.testing.assert_allclose(same, 0, atol=1e-3)
    np.testing.assert_allclose(error_signs.local_dissimilarity(1 - image, image), 2, atol=1e-3)
    assert error_signs.local_dissimilarity(np.zeros(SHAPE), image) == pytest.approx(1)


def test_dissimilarity_is_that_of_the_window(rng):
    a, b = rng.random((2, *SHAPE))
    found = error_signs.local_dissimilarity(a, b, window=5)
    cube = (slice(4, 9), slice(5, 10), slice(6, 11))
    expected = 1 - np.corrcoef(a[cube].ravel(), b[cube].ravel())[0, 1]
    assert found[6, 7, 8] == pytest.approx(expected, abs=1e-5)
