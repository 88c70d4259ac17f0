"""Squared local correlation against SciPy, and its gradient."""

import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from pmrnet.nn.correlation import local_correlation, window_sum


def by_scipy(fixed, moved, window):
    """In float64; windows that reach beyond the grid are filled with zeros."""

    def mean(x):
        return ndimage.uniform_filter(x.astype(float), window, mode="constant")

    covariance = mean(fixed * moved) - mean(fixed) * mean(moved)
    variances = (mean(fixed**2) - mean(fixed) ** 2) * (mean(moved**2) - mean(moved) ** 2)
    return np.mean(covariance**2 / (variances + 1e-8))


@pytest.mark.parametrize("window", [3, 5, 9])
def test_agrees_with_scipy(rng, grid, window):
    fixed, moved = rng.random((2, *grid)).astype(np.float32)
    moved = 0.5 * fixed + 0.5 * moved
    value = float(local_correlation(fixed[None, ..., None], moved[None, ..., None], window))
    assert value == pytest.approx(by_scipy(fixed, moved, window), rel=1e-3)
    assert 0.1 < value < 0.9


def test_of_an_image_with_itself_up_to_contrast(rng, grid):
    image = rng.random((1, *grid, 1)).astype(np.float32)
    # No offset, since beyond the border there are zeros.
    assert float(local_correlation(image, -0.5 * image, 5)) == pytest.approx(1, abs=2e-3)


def test_flat_images_are_uncorrelated(grid):
    flat = np.full((1, *grid, 1), 0.4, np.float32)
    assert float(local_correlation(flat, flat[:, ::-1], 3)) <= 1


def test_window_sum_is_its_own_adjoint(rng, grid):
    x, y = rng.normal(size=(2, 1, *grid, 2)).astype(np.float32)
    there = float(ops.sum(window_sum(ops.convert_to_tensor(x), 5) * y))
    back = float(ops.sum(window_sum(ops.convert_to_tensor(y), 5) * x))
    assert there == pytest.approx(back, rel=1e-4)


def test_gradient(rng, gradients, assert_gradient, grid):
    fixed, moved = rng.random((2, 1, *grid, 1)).astype(np.float32)
    (gradient,) = gradients(lambda m: local_correlation(fixed, m, 3), moved)

    def reference(m):
        return by_scipy(fixed[0, ..., 0].astype(float), m[0, ..., 0], 3)

    assert_gradient(gradient, reference, moved, rtol=2e-2, atol=2e-5)


def test_an_even_window_has_no_middle(grid):
    image = np.zeros((1, *grid, 1), np.float32)
    with pytest.raises(ValueError, match="odd number"):
        local_correlation(image, image, 4)
