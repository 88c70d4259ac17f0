"""`warp` against SciPy, VoxelMorph 0.2 and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from pmrnet.spatial import warp

GRID = (9, 11)

# float32 arithmetic on values of order 1; displacements are of order 10 voxels at most
TOLERANCE = {"rtol": 1e-5, "atol": 2e-5}
# one or two units in the last place: a + 1 * (b - a) is not always b in float32
ROUNDING = 5e-7


def run(function, *args, **kwargs):
    return ops.convert_to_numpy(function(*args, **kwargs))


@pytest.mark.parametrize("peak", [0.6, 3.0, 40.0], ids=["below 1 voxel", "above", "mostly outside"])
@pytest.mark.parametrize(("batch", "channels"), [(1, 1), (2, 3)])
def test_is_scipys_linear_interpolation(rng, smooth_field, oracle, grid, peak, batch, channels):
    values = rng.normal(size=(batch, *grid, channels)).astype(np.float32)
    u = smooth_field(grid, peak, batch=batch)
    np.testing.assert_allclose(run(warp, values, u), oracle.warp(values, u), **TOLERANCE)


@pytest.mark.parametrize("batch", [1, 2])
def test_is_voxelmorphs_transformer(rng, smooth_field, voxelmorph, grid, batch):
    import tensorflow as tf

    values = rng.normal(size=(batch, *grid, 2)).astype(np.float32)
    u = smooth_field(grid, 3.0, batch=batch)
    layer = voxelmorph.layers.SpatialTransformer(interp_method="linear", indexing="ij")
    np.testing.assert_allclose(run(warp, values, u), layer([values, u]).numpy(), **TOLERANCE)
    if batch == 1:
        tensors = [tf.constant(a[0]) for a in (values, u)]
        alone = voxelmorph.utils.transform(*tensors).numpy()
        np.testing.assert_allclose(run(warp, values, u)[0], alone, **TOLERANCE)


def test_samples_one_grid_on_another(rng, oracle):
    values = rng.normal(size=(2, 5, 6, 4, 2)).astype(np.float32)
    u = rng.uniform(-4, 4, size=(2, 7, 3, 8, 3)).astype(np.float32)
    result = run(warp, values, u)
    assert result.shape == (2, 7, 3, 8, 2)
    np.testing.assert_allclose(result, oracle.warp(values, u), **TOLERANCE)


def test_axis_of_one_voxel(rng, oracle):
    values = rng.normal(size=(1, 1, 7, 5, 2)).astype(np.float32)
    u = rng.uniform(-2, 2, size=(1, 1, 7, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(run(warp, values, u), oracle.warp(values, u), **TOLERANCE)


def test_zero_displacement_changes_nothing(rng, grid):
    values = rng.normal(size=(1, *grid, 2)).astype(np.float32)
    zero = np.zeros((1, *grid, len(grid)), np.float32)
    np.testing.assert_allclose(run(warp, values, zero), values, rtol=0, atol=ROUNDING)


def test_shift_by_whole_voxels_is_exact(rng, grid):
    values = rng.normal(size=(1, *grid, 2)).astype(np.float32)
    shift = np.array([2, -3, 1][: len(grid)])
    u = np.broadcast_to(shift.astype(np.float32), (1, *grid, len(grid)))
    index = np.ix_(*[np.clip(np.arange(n) + s, 0, n - 1) for n, s in zip(grid, shift, strict=True)])
    result = run(warp, values, np.array(u))[0]
    np.testing.assert_allclose(result, values[0][index], rtol=0, atol=ROUNDING)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), a=st.floats(-5, 5), b=st.floats(-5, 5))
def test_is_linear_in_its_values(seed, a, b):
    rng = np.random.default_rng(seed)
    f, g = rng.normal(size=(2, 1, *GRID, 2)).astype(np.float32)
    u = rng.uniform(-6, 6, size=(1, *GRID, 2)).astype(np.float32)
    combined = run(warp, np.float32(a) * f + np.float32(b) * g, u)
    np.testing.assert_allclose(combined, a * run(warp, f, u) + b * run(warp, g, u), atol=2e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), peak=st.floats(0, 30))
def test_stays_within_the_range_of_its_values(seed, peak):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1, *GRID, 1)).astype(np.float32)
    result = run(warp, values, rng.uniform(-peak, peak, (1, *GRID, 2)).astype(np.float32))
    assert values.min() - 1e-5 <= result.min()
    assert result.max() <= values.max() + 1e-5


@pytest.mark.parametrize("peak", [0.6, 2.5], ids=["below 1 voxel", "above 1 voxel"])
@pytest.mark.parametrize(
    ("grid", "batch"),
    [(GRID, 1), (GRID, 2), ((7, 8, 9), 1), pytest.param((7, 8, 9), 2, marks=pytest.mark.slow)],
)
def test_gradients(rng, oracle, gradients, assert_gradient, grid, peak, batch):
    values = rng.normal(size=(batch, *grid, 2)).astype(np.float32)
    # Uniform, not smooth: some points of every grid leave it and are clipped.
    u = rng.uniform(-peak, peak, (batch, *grid, len(grid))).astype(np.float32)
    weights = rng.normal(size=values.shape).astype(np.float32)
    of_values, of_u = gradients(lambda v, d: ops.sum(warp(v, d) * weights), values, u)
    assert_gradient(of_values, lambda v: np.sum(oracle.warp(v, u) * weights), values)
    assert_gradient(of_u, lambda d: np.sum(oracle.warp(values, d) * weights), u)


@pytest.mark.parametrize(
    ("grid", "batch"),
    [
        ((190, 180), 1),
        pytest.param((190, 180), 2, marks=pytest.mark.slow),
        pytest.param((34, 31, 32), 1, marks=pytest.mark.slow),
        pytest.param((34, 31, 32), 2, marks=pytest.mark.slow),
    ],
)
def test_gradients_on_a_large_grid(rng, oracle, gradients, assert_gradient, grid, batch):
    """Where one voxel is the largest displacement, another formula takes over; it is exact too."""
    values = rng.normal(size=(batch, *grid, 2)).astype(np.float32)
    weights = rng.normal(size=values.shape).astype(np.float32)
    u = rng.uniform(-1, 1, (batch, *grid, len(grid))).astype(np.float32)
    whole = rng.random(u.shape) < 0.1
    for peak in (1.0, 1.5):
        # Displacements of exactly one voxel end on the edge between two cells, where there is no
        # derivative with respect to them: values alone.
        at = np.where(whole, np.sign(u), peak * u)
        (of_values,) = gradients(lambda v, d=at: ops.sum(warp(v, d) * weights), values)
        assert_gradient(
            of_values, lambda v, d=at: np.sum(oracle.warp(v, d) * weights), values, count=50
        )
    (of_u,) = gradients(lambda d: ops.sum(warp(values, d) * weights), u)
    assert_gradient(
        of_u, lambda d: np.sum(oracle.warp(values, d) * weights), u, atol=1e-4, count=50
    )


def test_gradients_on_another_grid(rng, oracle, gradients, assert_gradient):
    values = rng.normal(size=(2, 4, 3, 2)).astype(np.float32)
    u = rng.uniform(-2.5, 2.5, (2, 5, 6, 2)).astype(np.float32)
    weights = rng.normal(size=(2, 5, 6, 2)).astype(np.float32)
    of_values, of_u = gradients(lambda v, d: ops.sum(warp(v, d) * weights), values, u)
    assert_gradient(of_values, lambda v: np.sum(oracle.warp(v, u) * weights), values)
    assert_gradient(of_u, lambda d: np.sum(oracle.warp(values, d) * weights), u)


def test_no_gradient_along_an_axis_where_the_point_was_clipped(rng, gradients):
    values = rng.normal(size=(1, *GRID, 1)).astype(np.float32)
    u = np.full((1, *GRID, 2), 0.25, np.float32)
    u[..., 0] = 100.0
    (of_u,) = gradients(lambda d: ops.sum(warp(values, d)), u)
    assert not of_u[..., 0].any()
    assert of_u[..., 1].any()


def test_values_can_be_held_constant(rng, smooth_field, gradients, grid):
    values = rng.normal(size=(1, *grid, 2)).astype(np.float32)
    u = smooth_field(grid, 2.0)
    free = gradients(lambda v, d: ops.sum(ops.square(warp(v, d))), values, u)
    held = gradients(
        lambda v, d: ops.sum(ops.square(warp(v, d, differentiate_values=False))), values, u
    )
    assert not np.any(held[0])
    np.testing.assert_allclose(held[1], free[1], **TOLERANCE)


@pytest.mark.parametrize(
    ("values", "displacement"),
    [((1, 5, 6, 1), (1, 5, 6, 3)), ((1, 5, 6, 4, 1), (1, 5, 6, 4, 2)), ((1, 5, 6, 1), (5, 6, 2))],
)
def test_wrong_ranks_are_named(values, displacement):
    with pytest.raises(ValueError, match="one component per grid axis") as caught:
        warp(np.zeros(values, np.float32), np.zeros(displacement, np.float32))
    assert str(values) in str(caught.value)
