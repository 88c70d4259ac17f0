"""A network's posterior in programs: compiled or not, the same; nothing of the network changes."""

import numpy as np
import pytest
from keras import ops

from pmrnet.nn.build import build_network
from pmrnet.nn.pmrnet_plus import PMRNetPlus
from pmrnet.posterior_programs import PosteriorPrograms
from random_weights import draw_weights

GRID = (8, 12, 16)
KINDS = {
    "pmrnet": {"filters": [4, 4], "hidden_filters": [0, 4], "hidden_kernels": [1, 3]},
    "pmrnet-plus": {
        "filters": [4, 4],
        "hidden_filters": [0, 4],
        "hidden_kernels": [1, 3],
        "passes": 2,
        "top_down": True,
        "cost_radius": 1,
    },
    "voxelmorph": {"filters": [4, 4], "decoder_filters": [4, 4, 4]},
}


@pytest.fixture(params=KINDS)
def network(request):
    network = build_network({"type": request.param, **KINDS[request.param], "integration_steps": 2})
    network.build()
    new_weights(network, np.random.default_rng(1))
    return network


def new_weights(network, rng):
    draw_weights(network, rng)
    if isinstance(network, PMRNetPlus):  # else each level enlarges what rounds in the last one
        for posterior in network.posteriors:
            for head in (posterior.mean, posterior.log_variance):
                head.kernel.assign(0.05 * head.kernel)
            posterior.log_variance.bias.assign(posterior.log_variance.bias - 6.0)


@pytest.fixture
def images(rng):
    return rng.random((2, 1, *GRID, 1), dtype=np.float32)


def found_by(programs, images):
    shared = programs.share(*images)
    draw, state = programs.draw(shared, programs.state(3), 1.0)
    following, _ = programs.draw(shared, state, 1.0)
    return [ops.convert_to_numpy(found) for found in (programs.mean(shared), draw, following)]


def test_compiled_or_not_is_the_same(network, images):
    as_is, compiled = (found_by(PosteriorPrograms(network, c), images) for c in (False, True))
    for one, other in zip(as_is, compiled, strict=True):
        assert np.abs(one).max() > 0.01
        np.testing.assert_allclose(one, other, atol=1e-4)
    mean, draw, following = as_is
    assert mean.shape == (1, *(size // 2 for size in GRID), 3)
    assert draw.shape == (1, *GRID, 3)
    assert np.abs(draw - following).max() > 0.01


@pytest.mark.parametrize("compiled", [False, True])
def test_the_mean_is_the_networks_own(network, images, compiled):
    programs = PosteriorPrograms(network, compiled)
    found = programs.mean(programs.share(*images))
    np.testing.assert_allclose(
        found, network({"moving": images[0], "fixed": images[1]})["velocity"], atol=1e-5
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_new_weights_count_and_the_generator_stays(network, images, compiled, rng):
    programs = PosteriorPrograms(network, compiled)
    state = ops.convert_to_numpy(network.sampler.generator.state)
    before = found_by(programs, images)
    new_weights(network, rng)
    after = found_by(programs, images)
    assert all(np.abs(b - a).max() > 0.01 for b, a in zip(before, after, strict=True))
    np.testing.assert_array_equal(network.sampler.generator.state, state)


def test_the_sample_alone_is_that_of_a_whole_draw(network, images):
    shared = network.shared_by_draws(*images)
    state = network.sampler.state_from(7)
    found = []
    for draw in (network.sample_from, lambda shared: network.draw_from(shared).sample):
        network.sampler.generator.state.assign(state)
        found.append(ops.convert_to_numpy(draw(shared)))
    assert np.abs(found[0]).max() > 0.01
    np.testing.assert_allclose(*found, atol=1e-6)
