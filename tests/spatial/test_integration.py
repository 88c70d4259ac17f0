"""Scaling and squaring against VoxelMorph 0.2, an ODE solver, its inverse and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy.integrate import solve_ivp

from pmrnet.spatial import compose, integrate, upsample_field

TOLERANCE = {"rtol": 1e-5, "atol": 2e-5}

# Grids for analytic fields with displacements up to 2.7 voxels, and the largest error in voxels
# allowed on them: v is known between voxels only by linear interpolation, an error of second order
# in the voxel size (measured: 0.021 and 0.086 against the solver, less for the inverse).
ANALYTIC = pytest.mark.parametrize(
    ("grid", "largest"), [((40, 48), 0.03), ((24, 28, 26), 0.1)], ids=["2D", "3D"]
)


def run(function, *args, **kwargs):
    return ops.convert_to_numpy(function(*args, **kwargs))


def bump(grid, location):
    """A smooth velocity field at any location (N, points), zero at the border, up to 2 voxels."""
    inside = np.prod([np.sin(np.pi * x / (n - 1)) for x, n in zip(location, grid, strict=True)], 0)
    waves = [
        np.cos(2 * np.pi * location[(i + 1) % len(grid)] / (grid[(i + 1) % len(grid)] - 1) + i)
        for i in range(len(grid))
    ]
    return 2.0 * inside**2 * np.stack(waves)


def bump_field(grid):
    velocity = bump(grid, np.indices(grid, dtype=float).reshape(len(grid), -1))
    return np.moveaxis(velocity.reshape(-1, *grid), 0, -1)[None].astype(np.float32)


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_is_scaling_and_squaring(smooth_field, oracle, grid, steps):
    v = smooth_field(grid, 3.0)
    np.testing.assert_allclose(run(integrate, v, steps), oracle.integrate(v, steps), **TOLERANCE)


@pytest.mark.parametrize("batch", [1, 2])
def test_is_voxelmorphs_vecint(smooth_field, voxelmorph, grid, batch):
    v = smooth_field(grid, 3.0, batch=batch)
    layer = voxelmorph.layers.VecInt(method="ss", int_steps=7)
    np.testing.assert_allclose(run(integrate, v, 7), layer(v).numpy(), **TOLERANCE)


@ANALYTIC
def test_solves_the_flow_equation(grid, largest):
    """dx/dt = v(x) from t = 0 to 1."""
    v = bump_field(grid)
    start = np.indices(grid, dtype=float).reshape(len(grid), -1)
    flow = solve_ivp(
        lambda _, x: bump(grid, x.reshape(len(grid), -1)).ravel(),
        (0, 1),
        start.ravel(),
        rtol=1e-8,
        atol=1e-8,
    )
    expected = np.moveaxis((flow.y[:, -1] - start.ravel()).reshape(-1, *grid), 0, -1)
    error = np.linalg.norm(run(integrate, v, 7)[0] - expected, axis=-1)
    assert np.linalg.norm(expected, axis=-1).max() > 2
    assert error.max() < largest
    assert error.mean() < 0.005


@ANALYTIC
def test_negative_velocity_gives_the_inverse(grid, largest):
    v = bump_field(grid)
    forward, backward = run(integrate, v, 7), run(integrate, -v, 7)
    assert np.linalg.norm(forward, axis=-1).max() > 2
    for first, second in ((forward, backward), (backward, forward)):
        rest = np.linalg.norm(run(compose, first, second), axis=-1)
        assert rest.max() < largest
        assert rest.mean() < 0.005


def test_constant_velocity_is_a_translation(grid):
    v = np.broadcast_to(np.float32([1.25, -2.5, 0.5][: len(grid)]), (1, *grid, len(grid)))
    np.testing.assert_allclose(run(integrate, np.array(v), 7), v, **TOLERANCE)


def test_zero_velocity_is_the_identity(grid):
    zero = np.zeros((1, *grid, len(grid)), np.float32)
    np.testing.assert_array_equal(run(integrate, zero, 7), zero)


def test_integrating_and_upsampling_commute_on_smooth_fields():
    """So a velocity means the same on every grid: voxels of its own grid, times 2 on the next."""
    v = bump_field((40, 48))
    fine = run(integrate, run(upsample_field, v, 1), 7)
    coarse = run(upsample_field, run(integrate, v, 7), 1)
    error = np.linalg.norm(fine - coarse, axis=-1)
    assert np.linalg.norm(fine, axis=-1).max() > 4
    assert error.max() < 0.06  # voxels of the finer grid; measured 0.041
    assert error.mean() < 0.005


@pytest.mark.parametrize("peak", [0.8, 6.0], ids=["below 1 voxel", "above 1 voxel"])
@pytest.mark.parametrize(
    ("grid", "batch"),
    [
        ((9, 11), 1),
        ((9, 11), 2),
        ((7, 8, 9), 1),
        pytest.param((7, 8, 9), 2, marks=pytest.mark.slow),
    ],
)
def test_gradient(rng, oracle, gradients, assert_gradient, smooth_field, grid, peak, batch):
    v = smooth_field(grid, peak, batch=batch)
    weights = rng.normal(size=v.shape).astype(np.float32)
    (gradient,) = gradients(lambda x: ops.sum(integrate(x, 4) * weights), v)
    # Errors of four float32 steps, each of which multiplies gradients by up to four, add up.
    assert_gradient(
        gradient, lambda x: np.sum(oracle.integrate(x, 4) * weights), v, rtol=2e-4, atol=2e-4
    )


def test_gradient_of_one_squaring_with_points_clipped(
    rng, oracle, gradients, assert_gradient, grid
):
    v = rng.uniform(-5, 5, (1, *grid, len(grid))).astype(np.float32)
    weights = rng.normal(size=v.shape).astype(np.float32)
    (gradient,) = gradients(lambda x: ops.sum(integrate(x, 1) * weights), v)
    assert_gradient(gradient, lambda x: np.sum(oracle.integrate(x, 1) * weights), v)


@pytest.mark.parametrize("batch", [1, 2])
def test_compose_is_one_after_the_other(smooth_field, oracle, grid, batch):
    first, second = smooth_field(grid, 2.0, batch=batch), smooth_field(grid, 1.5, batch=batch)
    expected = second + oracle.warp(first, second)
    np.testing.assert_allclose(run(compose, first, second), expected, **TOLERANCE)


def test_compose_as_voxelmorph(smooth_field, voxelmorph, grid):
    first, second = smooth_field(grid, 2.0), smooth_field(grid, 1.5)
    expected = voxelmorph.layers.ComposeTransform()([first, second]).numpy()
    np.testing.assert_allclose(run(compose, first, second), expected, **TOLERANCE)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), peak=st.floats(1e-3, 5.0))
def test_compose_with_the_identity(seed, peak):
    u = np.random.default_rng(seed).uniform(-peak, peak, (1, 9, 11, 2)).astype(np.float32)
    zero = np.zeros_like(u)
    np.testing.assert_array_equal(run(compose, zero, u), u)
    np.testing.assert_allclose(run(compose, u, zero), u, rtol=1e-6, atol=1e-6)


def test_a_negative_number_of_steps_is_named():
    with pytest.raises(ValueError, match="0 or more; got -1"):
        integrate(np.zeros((1, 5, 6, 2), np.float32), -1)


def test_a_field_of_the_wrong_rank_is_named():
    with pytest.raises(ValueError, match=r"one component per grid axis.*\(1, 5, 6, 3\)"):
        integrate(np.zeros((1, 5, 6, 3), np.float32))
