import numpy as np
import pytest
from scipy import ndimage

from pmrnet.data.deformation import compose, exponential, points, random_velocity, smooth_noise
from pmrnet.metrics import jacobian_determinant

SHAPE = (20, 24, 16)


@pytest.fixture(scope="module")
def velocity():
    return random_velocity(np.random.default_rng(3), SHAPE, (5.0, 2.5), (1.5, 0.5))


def test_noise_is_standard_smooth_and_periodic():
    noise = smooth_noise(np.random.default_rng(0), (64, 64), 4.0)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 1e-6
    assert abs(noise.std() - 1) < 1e-5
    # White noise smoothed by a Gaussian of s correlates as exp(-d^2 / 4 s^2), the border included.
    for axis in (0, 1):
        neighbours = (noise * np.roll(noise, 1, axis)).mean()
        assert abs(neighbours - np.exp(-1 / 64)) < 0.01
        across = (noise.take(0, axis) * noise.take(-1, axis)).mean()
        assert across > 0.5 * (noise.take(0, axis) ** 2).mean()


def test_noise_is_smoothed_as_scipy_does():
    shape, sigma = (12, 14, 9), 1.3
    white = np.random.default_rng(5).standard_normal(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(white, sigma, mode="wrap", truncate=8)
    expected = (smooth - smooth.mean()) / smooth.std()
    found = smooth_noise(np.random.default_rng(5), shape, sigma)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_velocity_adds_the_scales():
    rng = np.random.default_rng(1)
    first = random_velocity(np.random.default_rng(1), SHAPE, (5.0, 2.5), (1.5, 0.5))
    assert first.shape == (*SHAPE, 3)
    by_hand = [
        1.5 * smooth_noise(rng, SHAPE, 5.0) + 0.5 * smooth_noise(rng, SHAPE, 2.5) for _ in range(3)
    ]
    np.testing.assert_allclose(first, np.stack(by_hand, axis=-1), atol=1e-5)


def test_exponential_of_a_flow_with_a_closed_form():
    """dx/dt = a sin(k x) has tan(k x(t) / 2) = exp(a k t) tan(k x(0) / 2)."""
    size, a = 64, 4.0
    x, k = np.arange(size), 2 * np.pi / size
    velocity = np.zeros((size, 3, 3, 3), np.float32)
    velocity[..., 0] = (a * np.sin(k * x))[:, None, None]
    flow = 2 / k * np.arctan2(np.exp(a * k) * np.sin(k * x / 2), np.cos(k * x / 2))
    displacement = exponential(velocity, 7)
    np.testing.assert_allclose(displacement[:, 1, 1, 0], flow - x, atol=0.02)
    assert not displacement[..., 1:].any()
    assert np.abs(displacement - velocity).max() > 0.3, "the flow must differ from its velocity"


def test_exponential_of_the_negative_is_the_inverse(velocity):
    forward, inverse = exponential(velocity), exponential(-velocity)
    assert np.abs(forward).max() > 3
    # The rest is the error of linear interpolation between voxels.
    for rest in (compose(forward, inverse), compose(inverse, forward)):
        assert np.abs(rest).mean() < 0.04
        assert np.abs(rest).max() < 0.3
    assert jacobian_determinant(forward)[1:-1, 1:-1, 1:-1].min() > 0


def test_compose_against_a_padded_interpolation(velocity):
    first, second = velocity, np.roll(velocity, 5, axis=1)
    pad = 8
    assert np.abs(first).max() < pad
    at = np.indices(SHAPE) + np.moveaxis(first, -1, 0)  # `first` is the inner one
    for axis in range(3):
        wrapped = np.pad(second[..., axis], pad, mode="wrap")
        expected = first[..., axis] + ndimage.map_coordinates(wrapped, at + pad, order=1)
        np.testing.assert_allclose(compose(second, first)[..., axis], expected, atol=1e-4)


def test_points():
    displacement = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype(np.float32)
    expected = np.indices((4, 5, 6)) + np.moveaxis(displacement, -1, 0)
    np.testing.assert_allclose(points(displacement), expected, atol=1e-6)
