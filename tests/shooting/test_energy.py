"""The energy and its gradient against float64 and finite differences."""

import numpy as np
import pytest
from keras import ops
from shooting_oracle import energy as energy_in_float64

from pmrnet.shooting.energy import energy_and_gradient
from pmrnet.shooting.kernel import kernel_matrices

SIGMAS, WEIGHTS, SPACING, NORM_WEIGHT, STEPS = (0.9, 2.0), (0.5, 0.5), 2.0, 0.01, 3


@pytest.fixture
def problem(grid, smooth_field):
    """Momentum, moving and fixed image, (*grid): a motion of up to a voxel or two."""
    images = (smooth_field(grid, 1.0, components=1)[0, ..., 0] for _ in range(2))
    return smooth_field(grid, 60.0, components=1)[0, ..., 0], *images


def evaluate(momentum, moving, fixed):
    tensors = (ops.convert_to_tensor(a[None, ..., None]) for a in (momentum, moving, fixed))
    matrices = kernel_matrices(moving.shape, SIGMAS, WEIGHTS)
    compiled = energy_and_gradient(SPACING, NORM_WEIGHT, STEPS)
    value, gradient = compiled(*tensors, tuple(ops.convert_to_tensor(m) for m in matrices))
    return float(value), ops.convert_to_numpy(gradient)[0, ..., 0]


def test_value_and_gradient(problem, assert_gradient):
    momentum, moving, fixed = problem

    images = moving.astype(float), fixed.astype(float)
    settings = SIGMAS, WEIGHTS, SPACING, NORM_WEIGHT, STEPS

    def reference(p):
        return energy_in_float64(p, *images, *settings)

    value, gradient = evaluate(*problem)
    assert value == pytest.approx(reference(momentum.astype(float)), rel=1e-4)
    size = np.abs(gradient).max()
    assert_gradient(gradient / size, lambda p: reference(p) / size, momentum, 1e-2, 2e-3, count=60)


def test_no_momentum_leaves_half_the_squared_difference(problem):
    _, moving, fixed = problem
    value, _ = evaluate(np.zeros_like(moving), moving, fixed)
    assert value == pytest.approx(0.5 * ((moving - fixed) ** 2).mean(), rel=1e-5)
