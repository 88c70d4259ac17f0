import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pmrnet.errors import InputError
from pmrnet.transforms import AffineTransform, Chain

entries = st.floats(-0.25, 0.25, allow_subnormal=False)
matrices = st.builds(
    lambda part, shift: np.vstack([np.hstack([np.eye(3) + part, shift[:, None]]), [0, 0, 0, 1]]),
    arrays(float, (3, 3), elements=entries),
    arrays(float, 3, elements=st.floats(-100, 100)),
)
points = arrays(float, (4, 3), elements=st.floats(-200, 200))


def test_what_it_does_to_a_point():
    turn = np.array([[0, -2.0, 0, 5], [1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
    np.testing.assert_allclose(AffineTransform(turn).map_points([[1, 2, 3]]), [[1, 7, 16]])


@given(matrices, points)
def test_inverse(matrix, at):
    transform = AffineTransform(matrix)
    back = transform.inverse().map_points(transform.map_points(at))
    np.testing.assert_allclose(back, at, atol=1e-8)


@given(matrices, matrices, points)
def test_composition_is_the_product_of_matrices(first, second, at):
    chain = Chain([AffineTransform(first), AffineTransform(second)])
    product = AffineTransform(second @ first)
    np.testing.assert_allclose(chain.map_points(at), product.map_points(at), atol=1e-8)


@given(matrices, matrices, points)
def test_inverse_of_a_composition(first, second, at):
    t1, t2 = AffineTransform(first), AffineTransform(second)
    back = Chain([t2.inverse(), t1.inverse()])
    np.testing.assert_allclose(back.map_points(Chain([t1, t2]).map_points(at)), at, atol=1e-8)


@pytest.mark.parametrize(
    "bad",
    [np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1, 1, 1, 2]), np.ones((4, 4))],
)
def test_unusable_matrix(bad):
    with pytest.raises(InputError, match="invertible 4x4 matrix"):
        AffineTransform(bad)


def test_a_small_scale_is_not_singular():
    AffineTransform(np.diag([1e-4, 1e-4, 1e-4, 1]))


@pytest.mark.parametrize("bad", [[1, 2, 3], [[1, 2]], np.zeros((2, 3, 1))])
def test_points_of_another_shape(bad):
    with pytest.raises(InputError, match=r"shape \(n, 3\)"):
        AffineTransform(np.eye(4)).map_points(bad)


def test_points_that_are_not_finite():
    with pytest.raises(InputError, match="at point 2"):
        AffineTransform(np.eye(4)).map_points([[1, 2, 3], [1, np.nan, 3]])


def test_the_matrix_is_a_copy():
    matrix = np.eye(4)
    transform = AffineTransform(matrix)
    matrix[0, 3] = 5
    np.testing.assert_array_equal(transform.map_points([[0, 0, 0]]), [[0, 0, 0]])
