"""The kernel against direct sums and an FFT, and the laws of a metric."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy import signal

from pmrnet.shooting.kernel import apply_kernel, gaussian_matrix, kernel_matrices

SIGMAS, WEIGHTS = (0.8, 2.5), (0.3, 0.7)


def applied(field, sigmas=SIGMAS, weights=WEIGHTS):
    """The kernel on an array (*grid, N)."""
    matrices = kernel_matrices(field.shape[:-1], sigmas, weights)
    tensors = tuple(ops.convert_to_tensor(m) for m in matrices)
    return ops.convert_to_numpy(apply_kernel(ops.convert_to_tensor(field[None]), tensors))[0]


def samples(squares, axes):
    """K at offsets of these squared lengths, for a grid of so many axes."""
    totals = [np.exp(-0.5 * (np.arange(-99, 100) / s) ** 2).sum() ** axes for s in SIGMAS]
    return sum(
        w * np.exp(-0.5 * squares / s**2) / total
        for s, w, total in zip(SIGMAS, WEIGHTS, totals, strict=True)
    )


def test_equals_the_direct_sum(rng):
    field = rng.normal(size=(5, 6, 2)).astype(np.float32)
    points = list(itertools.product(range(5), range(6)))
    squares = np.array([[(a - c) ** 2 + (b - d) ** 2 for c, d in points] for a, b in points])
    expected = (samples(squares, 2) @ field.reshape(30, 2)).reshape(5, 6, 2)
    np.testing.assert_allclose(applied(field), expected, rtol=1e-5, atol=1e-6)


def test_equals_convolution_by_fft(rng):
    field = rng.normal(size=(7, 8, 9, 3)).astype(np.float32)
    offsets = np.meshgrid(*(np.arange(1 - n, n) for n in (7, 8, 9)), indexing="ij")
    kernel = samples(sum(o**2 for o in offsets), 3)
    for component in range(3):
        expected = signal.fftconvolve(field[..., component].astype(float), kernel, mode="full")
        window = expected[6:13, 7:15, 8:17]
        np.testing.assert_allclose(applied(field)[..., component], window, atol=1e-6)


@given(st.integers(2, 12), st.floats(0.4, 1.5))
@settings(max_examples=30, deadline=None)
def test_matrix_is_symmetric_and_positive_definite(size, sigma):
    matrix = gaussian_matrix(size, sigma)
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > 0


@pytest.mark.parametrize("grid", [(9, 11), (7, 8, 9)])
def test_is_symmetric_and_positive_on_fields(rng, grid):
    f, g = rng.normal(size=(2, *grid, len(grid))).astype(np.float32)
    assert np.vdot(f, applied(g)) == pytest.approx(np.vdot(applied(f), g), rel=1e-4, abs=1e-4)
    assert np.vdot(f, applied(f)) > 0


def test_keeps_a_constant_away_from_the_border():
    kept = applied(np.ones((21, 23, 2), np.float32), sigmas=(1.0, 1.5))[8:-8, 8:-8]
    np.testing.assert_allclose(kept, 1.0, rtol=1e-5)
