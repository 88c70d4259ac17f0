"""The terms of equation 6 against VoxelMorph 0.2, dense matrices, Monte-Carlo and differences."""

import numpy as np
import pytest
from keras import ops

from pmrnet.nn import losses

LAMBDA = 3.0


def run(function, *args, **kwargs):
    return float(ops.convert_to_numpy(function(*args, **kwargs)))


def laplacian(grid):
    """Degree minus adjacency of the grid graph, built edge by edge: (voxels, voxels)."""
    number = np.arange(np.prod(grid)).reshape(grid)
    matrix = np.zeros((number.size, number.size))
    for axis in range(len(grid)):
        first = np.take(number, range(grid[axis] - 1), axis).ravel()
        second = np.take(number, range(1, grid[axis]), axis).ravel()
        for i, j in zip(first, second, strict=True):
            matrix[[i, j], [i, j]] += 1
            matrix[[i, j], [j, i]] -= 1
    return matrix


def precision(grid):
    """Lambda of all components, ordered as a flattened (*grid, N) array."""
    return LAMBDA * np.kron(laplacian(grid), np.eye(len(grid)))


@pytest.fixture(params=[(4, 5), (3, 4, 2)], ids=["2D", "3D"])
def tiny(request):
    return request.param


@pytest.fixture
def posterior(rng):
    def make(grid, batch=1):
        mean = rng.normal(size=(batch, *grid, len(grid))).astype(np.float32)
        log_variance = rng.normal(-1, 1, size=mean.shape).astype(np.float32)
        return mean, log_variance

    return make


def numpy_kl(mean, log_variance, weighting):
    """The formula of the module's text in float64, with the Laplacian as a matrix."""
    batch, *grid, axes = mean.shape
    matrix = precision(tuple(grid))
    degree = np.diag(matrix).reshape(1, *grid, axes)
    variance = np.mean(degree * np.exp(log_variance) - log_variance)
    if weighting == "exact":
        flat = mean.reshape(batch, -1)
        smoothness = np.mean(np.einsum("bi,ij,bj->b", flat, matrix, flat)) / np.prod(grid) / axes
    else:
        squares = [np.mean(np.diff(mean, axis=a + 1) ** 2) for a in range(axes)]
        smoothness = LAMBDA * 0.5 * np.mean(squares)
    return 0.5 * axes * (variance + smoothness)


@pytest.mark.parametrize("batch", [1, 2])
def test_kl_is_voxelmorphs(posterior, voxelmorph, grid, batch):
    mean, log_variance = posterior(grid, batch)
    parameters = np.concatenate([mean, log_variance], axis=-1)
    import tensorflow as tf

    theirs = voxelmorph.losses.KL(LAMBDA, grid).loss(None, tf.constant(parameters))
    ours = run(losses.kl_to_prior, mean, log_variance, LAMBDA, "voxelmorph")
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5)


@pytest.mark.parametrize("weighting", losses.WEIGHTINGS)
@pytest.mark.parametrize("batch", [1, 2])
def test_kl_is_its_formula_with_a_dense_matrix(posterior, tiny, weighting, batch):
    mean, log_variance = posterior(tiny, batch)
    expected = numpy_kl(mean.astype(float), log_variance.astype(float), weighting)
    ours = run(losses.kl_to_prior, mean, log_variance, LAMBDA, weighting)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_exact_kl_is_that_of_two_gaussians(posterior, tiny):
    """Constant included; a Laplacian has no inverse, so a trace of the identity is added to it."""
    matrix = precision(tiny) + 1e-7 * np.eye(np.prod(tiny) * len(tiny))
    sign, log_determinant = np.linalg.slogdet(matrix)
    assert sign == 1
    for _ in range(3):
        mean, log_variance = posterior(tiny)
        mu, s = mean.ravel().astype(float), log_variance.ravel().astype(float)
        gaussian = 0.5 * (
            np.trace(matrix @ np.diag(np.exp(s)))
            + mu @ matrix @ mu
            - mu.size
            - log_determinant
            - np.sum(s)
        )
        constant = 0.5 * (-mu.size - log_determinant)
        ours = np.prod(tiny) * run(losses.kl_to_prior, mean, log_variance, LAMBDA, "exact")
        np.testing.assert_allclose(ours + constant, gaussian, rtol=1e-5, atol=1e-4)


def test_exact_kl_is_the_mean_log_ratio_of_densities(posterior, tiny, rng):
    """E_q[log q(z) - log p(z)] by 40000 samples, within four standard errors."""
    mean, log_variance = posterior(tiny)
    mu, s = mean.ravel().astype(float), log_variance.ravel().astype(float)
    noise = rng.normal(size=(40000, mu.size))
    z = mu + np.exp(s / 2) * noise
    log_q = -0.5 * np.sum(noise**2 + s + np.log(2 * np.pi), axis=1)
    log_p = -0.5 * np.einsum("ki,ij,kj->k", z, precision(tiny), z)  # up to its constant
    ratios = log_q - log_p + 0.5 * mu.size * (1 + np.log(2 * np.pi))
    ours = np.prod(tiny) * run(losses.kl_to_prior, mean, log_variance, LAMBDA, "exact")
    standard_error = ratios.std() / np.sqrt(len(ratios))
    assert abs(ours - ratios.mean()) < 4 * standard_error
    assert standard_error < 0.02 * abs(ours)


def test_weightings_differ_by_the_factors_that_are_documented(rng, smooth_field):
    grid = (40, 44, 48)
    mean = smooth_field(grid, 2.0)
    zero = np.zeros_like(mean)
    variance = run(losses.kl_to_prior, zero, zero, LAMBDA, "exact")
    assert run(losses.kl_to_prior, zero, zero, LAMBDA, "voxelmorph") == pytest.approx(variance)
    exact, voxelmorph = (
        run(losses.kl_to_prior, mean, zero, LAMBDA, w) - variance for w in ("exact", "voxelmorph")
    )
    assert 5.8 < exact / voxelmorph < 6  # 6 but for the border
    exact, voxelmorph = (
        run(losses.reconstruction, mean, zero, 0.1, w) for w in ("exact", "voxelmorph")
    )
    assert voxelmorph == pytest.approx(2 * exact)


@pytest.mark.parametrize("weighting", losses.WEIGHTINGS)
def test_an_axis_of_one_voxel_has_no_differences(posterior, weighting):
    mean, log_variance = posterior((1, 4, 3))
    flat = run(losses.kl_to_prior, mean, log_variance, LAMBDA, weighting)
    repeated = run(losses.kl_to_prior, 0 * mean, log_variance, LAMBDA, weighting)
    squares = [np.mean(np.diff(mean, axis=a) ** 2) for a in (2, 3)]
    if weighting == "voxelmorph":
        smoothness = LAMBDA * 0.5 * np.sum(squares) / 3
    else:
        smoothness = LAMBDA * (squares[0] * 3 / 4 + squares[1] * 2 / 3)
    assert flat - repeated == pytest.approx(0.5 * 3 * smoothness, rel=1e-4)


def test_a_voxel_of_immense_variance_leaves_the_others_their_say(gradients, tiny):
    """Up to the bound it is exp, above it its tangent: the way back is as steep everywhere."""
    zero = np.zeros((1, *tiny, len(tiny)), np.float32)
    bound = losses.LARGEST_LOG_VARIANCE
    slopes = []
    for largest in (bound - 1e-3, bound + 1e-3, 45.0, 90.0):
        log_variance = zero.copy()
        log_variance[(0, *(1,) * len(tiny), 0)] = largest
        _, gradient = gradients(
            lambda m, s: losses.kl_to_prior(m, s, LAMBDA, "exact"), zero, log_variance
        )
        slopes.append(gradient.max())
    np.testing.assert_allclose(slopes, slopes[0], rtol=2e-3)


@pytest.mark.parametrize("weighting", losses.WEIGHTINGS)
@pytest.mark.parametrize("batch", [1, 2])
def test_kl_gradients(posterior, gradients, assert_gradient, tiny, weighting, batch):
    mean, log_variance = posterior(tiny, batch)
    of_mean, of_log_variance = gradients(
        lambda m, s: losses.kl_to_prior(m, s, LAMBDA, weighting), mean, log_variance
    )
    assert_gradient(of_mean, lambda m: numpy_kl(m, log_variance.astype(float), weighting), mean)
    assert_gradient(
        of_log_variance, lambda s: numpy_kl(mean.astype(float), s, weighting), log_variance
    )


def test_neighbour_count_is_the_degree(grid):
    ours = ops.convert_to_numpy(losses.neighbour_count(grid))
    np.testing.assert_array_equal(ours.reshape(grid), np.diag(laplacian(grid)).reshape(grid))


@pytest.mark.parametrize("batch", [1, 2])
def test_reconstruction(rng, voxelmorph, grid, batch):
    import tensorflow as tf

    fixed, moved = rng.random((2, batch, *grid, 1)).astype(np.float32)
    expected = np.mean((fixed - moved) ** 2) / 0.02**2
    ours = run(losses.reconstruction, fixed, moved, 0.02)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    theirs = voxelmorph.losses.MSE(0.02).loss(tf.constant(fixed), tf.constant(moved)).numpy()
    np.testing.assert_allclose(ours, np.mean(theirs), rtol=1e-5)


def test_reconstruction_gradient(rng, gradients, assert_gradient, tiny):
    fixed, moved = rng.random((2, 2, *tiny, 1)).astype(np.float32)
    (gradient,) = gradients(lambda m: losses.reconstruction(fixed, m, 0.5), moved)
    assert_gradient(gradient, lambda m: np.mean((fixed - m) ** 2) / 0.25, moved)


def numpy_relative(fixed, moved):
    axes = tuple(range(fixed.ndim - 1))
    return np.mean(np.mean((fixed - moved) ** 2, axis=axes) / (fixed.var(axis=axes) + 1e-6))


@pytest.mark.parametrize("batch", [1, 2])
def test_relative_mean_square(rng, gradients, assert_gradient, tiny, batch):
    fixed, moved = rng.normal(3, 2, (2, batch, *tiny, 3)).astype(np.float32)
    ours = run(losses.relative_mean_square, fixed, moved)
    np.testing.assert_allclose(ours, numpy_relative(fixed, moved), rtol=1e-5)
    of_fixed, of_moved = gradients(losses.relative_mean_square, fixed, moved)
    assert_gradient(of_fixed, lambda f: numpy_relative(f, moved.astype(float)), fixed)
    assert_gradient(of_moved, lambda m: numpy_relative(fixed.astype(float), m), moved)


def test_relative_mean_square_cannot_be_lowered_by_shrinking_features(rng, grid):
    fixed, moved = rng.normal(size=(2, 1, *grid, 3)).astype(np.float32)
    whole = run(losses.relative_mean_square, fixed, moved)
    for scale in (0.1, 10.0):
        shrunk = run(losses.relative_mean_square, scale * fixed, scale * moved)
        np.testing.assert_allclose(shrunk, whole, rtol=1e-3)


def test_unknown_weighting_is_named(posterior, tiny):
    mean, log_variance = posterior(tiny)
    with pytest.raises(ValueError, match="'exakt'"):
        losses.kl_to_prior(mean, log_variance, LAMBDA, "exakt")
    with pytest.raises(ValueError, match="'exakt'"):
        losses.reconstruction(mean, mean, 1.0, "exakt")


@pytest.mark.parametrize("batch", [1, 2])
def test_mean_square_gradient(rng, grid, batch):
    field = rng.normal(size=(batch, *grid, 2)).astype(np.float32)
    squares = [np.mean(np.diff(field.astype(float), axis=a + 1) ** 2) for a in range(len(grid))]
    assert run(losses.mean_square_gradient, field) == pytest.approx(np.mean(squares), rel=1e-5)
