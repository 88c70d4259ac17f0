"""Spread of the displacement: against plain samples, closed forms and itself."""

import functools

import numpy as np
import pytest
from keras import ops

from pmrnet.errors import InputError
from pmrnet.nn.build import build_network
from pmrnet.posterior_programs import PosteriorPrograms
from pmrnet.posterior_spread import PosteriorSpread
from random_weights import draw_weights

GRID = (8, 12, 16)
PMRNET = {
    "type": "pmrnet",
    "filters": [4, 4],
    "hidden_filters": [0, 4],
    "hidden_kernels": [1, 3],
    "integration_steps": 2,
}
KINDS = {
    "pmrnet": PMRNET,
    "cascade": {**PMRNET, "type": "pmrnet-plus"},
    "voxelmorph": {
        "type": "voxelmorph",
        "filters": [4, 4],
        "decoder_filters": [4, 4, 4],
        "integration_steps": 2,
    },
}


@functools.cache
def compiled(kind):
    """One network and program per kind for all tests: compiling takes seconds."""
    network = build_network(KINDS[kind])
    network.build()
    return network, PosteriorSpread(PosteriorPrograms(network))


def spread_of(kind, log_variance):
    """A network of fixed random weights; every posterior has about this log-variance."""
    network, spread = compiled(kind)
    draw_weights(network, np.random.default_rng(1))
    for weight in network.trainable_weights:
        if "log_variance/bias" in weight.path:
            weight.assign(np.full(weight.shape, log_variance))
    return network, spread


def variance(spread, images, **options):
    return spread.variance(spread.posterior.share(*images), **options)


@pytest.fixture
def images(rng):
    return rng.random((2, 1, *GRID, 1), dtype=np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_is_the_variance_of_the_networks_own_samples(kind, images):
    network, spread = spread_of(kind, -4.0)
    found = variance(spread, images, samples=200)
    network.sampler.reset(5)
    samples = [network.infer(*images, training=True).sample for _ in range(100)]
    displacements = [ops.convert_to_numpy(network.displacement_of(s))[0] for s in samples]
    expected = np.var(displacements, axis=0, ddof=1)
    assert found.shape == (*GRID, 3)
    # The relative standard error of the ratio of two such variances is 0.17.
    assert np.std(np.log(found / expected)) < 0.25
    assert np.log(found / expected).mean() == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("kind", ["pmrnet", "voxelmorph"])
def test_closed_form(kind, images):
    """Noise so small that the integral is linear: the variance of the fused velocity.

    It is the posterior's where a point of the image grid is one of the coarsest level's, 4 voxels
    apart; between them the noise of neighbours, being averaged, is less. Times 4, since voxels of
    the velocity's grid are twice as large.
    """
    network, spread = spread_of(kind, -14.0)
    for weight in network.trainable_weights:
        if "mean" in weight.path:  # none to be integrated along
            weight.assign(np.zeros(weight.shape))
    log_variance = network.draw(*images).log_variance
    apart = 4
    found = variance(spread, images, samples=300)[::apart, ::apart, ::apart]
    expected = 4 * np.exp(ops.convert_to_numpy(log_variance))[0]
    ratio = found / expected[:: apart // 2, :: apart // 2, :: apart // 2]
    # The relative standard error of a variance of 300 draws is 0.08.
    np.testing.assert_allclose(ratio, 1, atol=0.35)
    assert ratio.mean() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize(
    "kind", ["pmrnet", "voxelmorph", pytest.param("cascade", marks=pytest.mark.slow)]
)
def test_mean_is_the_networks(kind, images):
    network, spread = spread_of(kind, -4.0)
    posterior = spread.posterior
    found = ops.convert_to_numpy(posterior.mean(posterior.share(*images)))
    expected = network({"moving": images[0], "fixed": images[1]})["velocity"]
    np.testing.assert_allclose(found, ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-5)
    assert np.abs(found).max() > 1e-3


def test_same_seed_same_spread(images):
    _, spread = spread_of("pmrnet", -4.0)
    first, again = (variance(spread, images, samples=6, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, variance(spread, images, samples=6, seed=4))


def test_any_number_of_samples(images):
    _, spread = spread_of("pmrnet", -4.0)
    few, more = (variance(spread, images, samples=n) for n in (2, 3))
    assert (few > 0).all()
    assert not np.allclose(few, more)


def test_nothing_in_the_network_changes(images):
    network, spread = spread_of("pmrnet", -4.0)
    before = [np.array(ops.convert_to_numpy(v.value)) for v in network.variables]
    variance(spread, images, samples=4)
    for old, variable in zip(before, network.variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable.value))


def test_new_weights_count(images):
    """The compiled program has not swallowed the weights."""
    _, spread = spread_of("pmrnet", -14.0)
    before = variance(spread, images, samples=4)
    _, spread = spread_of("pmrnet", -14.0 + np.log(4.0))
    np.testing.assert_allclose(variance(spread, images, samples=4), 4 * before, rtol=0.1)


@pytest.mark.parametrize("kind", ["pmrnet", pytest.param("cascade", marks=pytest.mark.slow)])
class TestTemperature:
    def test_small_noise_scales_the_variance(self, kind, images):
        _, spread = spread_of(kind, -14.0)
        cold, warm = (variance(spread, images, samples=8, temperature=t) for t in (1.0, 9.0))
        assert warm.mean() == pytest.approx(9 * cold.mean(), rel=0.02)
        np.testing.assert_allclose(warm, 9 * cold, rtol=0.2)

    def test_more_temperature_more_spread(self, kind, images):
        _, spread = spread_of(kind, -4.0)
        means = [
            variance(spread, images, samples=8, temperature=t).mean() for t in (0.25, 1.0, 4.0, 16)
        ]
        assert (np.diff(means) > 0).all()


def test_other_image_sizes(rng):
    _, spread = spread_of("pmrnet", -4.0)
    for grid in (GRID, (4, 8, 4), GRID):
        pair = rng.random((2, 1, *grid, 1), dtype=np.float32)
        assert variance(spread, pair, samples=2).shape == (*grid, 3)


def test_unusable_settings(images):
    _, spread = spread_of("pmrnet", -4.0)
    with pytest.raises(InputError, match="2 or more draws"):
        variance(spread, images, samples=1)
    for temperature in (0, -1, np.nan, np.inf):
        with pytest.raises(InputError, match="a number above 0"):
            variance(spread, images, temperature=temperature)


def test_two_draws_by_hand(rng):
    """Their variance is half their difference squared: one degree of freedom, not two."""
    _, spread = spread_of("pmrnet", -4.0)
    images = [ops.convert_to_tensor(rng.random((1, *GRID, 1), np.float32)) for _ in range(2)]
    posterior, one = spread.posterior, ops.convert_to_tensor(1.0, "float32")
    shared = posterior.share(*images)
    first, state = posterior.draw(shared, posterior.state(3), one)
    second, _ = posterior.draw(shared, state, one)
    expected = ops.convert_to_numpy(second - first)[0] ** 2 / 2
    found = spread.variance(shared, 2, 3, 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-9)
