"""A network for twice the resolution begins with the answer of the one it grows from."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from pmrnet import spatial
from pmrnet.nn.build import build_network
from pmrnet.nn.growing import coarser_settings, grow
from random_weights import draw_weights

COARSE = {
    "filters": [3, 4],
    "hidden_filters": [5, 4],
    "hidden_kernels": [3, 1],
    "hidden_layers": [2, 1],
}
FINE = {
    "filters": [2, 3, 4],
    "hidden_filters": [3, 5, 4],
    "hidden_kernels": [3, 3, 1],
    "hidden_layers": [2, 2, 1],
}


def networks(kind, rng, options=None):
    """A network, and the one without its finest level, with weights as after a training."""
    settings = {"type": kind, "integration_steps": 2, **FINE, **(options or {})}
    network, coarser = build_network(settings), build_network(coarser_settings(settings))
    for each in (network, coarser):
        each.build()
    draw_weights(coarser, rng)
    return network, coarser


def halved(image):
    """The image weighted over three voxels along each axis, at every other voxel; zeros beyond."""
    taps = np.exp(-0.5 * (np.arange(3) / 0.7) ** 2)
    for axis, size in enumerate(image.shape):
        ends = [(0, 1) if other == axis else (0, 0) for other in range(image.ndim)]
        padded = np.pad(image, ends)
        places = np.arange(0, size, 2)
        image = sum(w * padded.take(places + k, axis) for k, w in enumerate(taps)) / taps.sum()
    return image.astype(np.float32)


def pictures(rng, shape=(16, 24, 32)):
    """Two fine images, and both as the finest level passes them on."""
    fine = [ndimage.gaussian_filter(rng.random(shape), 1.5).astype(np.float32) for _ in range(2)]
    return tuple([image[None, ..., None] for image in two] for two in (fine, map(halved, fine)))


def mean_velocity(network, images):
    return keras.ops.convert_to_numpy(network.infer(*images, training=False).mean)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("pmrnet", {}),
        ("pmrnet", {"shared_encoder": True}),
        ("pmrnet", {"levels": [2, 3]}),
        ("pmrnet-plus", {"top_down": True, "cost_radius": 1, "repeats": [2, 1, 2]}),
        ("pmrnet-plus", {"top_down": True, "shared_encoder": True}),
    ],
)
def test_a_grown_pmrnet_answers_as_the_one_it_grew_from(rng, kind, options):
    network, coarser = networks(kind, rng, options)
    grow(network, coarser)
    fine, coarse = pictures(rng)
    # Half the voxels' size, so twice as many of them.
    expected = 2 * spatial.upsample(mean_velocity(coarser, coarse))
    assert np.abs(expected).max() > 0.01
    # Its own posterior begins near zero.
    limit = 1e-3 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(mean_velocity(network, fine), expected, atol=limit)


def test_a_grown_concatenation_net_does_where_its_last_kernel_has_one_tap(rng):
    network, coarser = networks("concatenation", rng)
    kernel, bias = coarser.posterior_model.mean.get_weights()
    centre = np.zeros((3, 3, 3, 1, 1))
    centre[1, 1, 1] = 1
    coarser.posterior_model.mean.set_weights([kernel * centre, bias])
    grow(network, coarser)
    fine, coarse = pictures(rng)
    expected = 2 * spatial.upsample(mean_velocity(coarser, coarse))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(mean_velocity(network, fine), expected, atol=1e-5)


def test_a_grown_concatenation_net_does_where_features_are_linear(rng):
    network, coarser = networks("concatenation", rng)
    grow(network, coarser)
    ours, theirs = network.posterior_model, coarser.posterior_model
    slopes = rng.normal(size=(3, 9))
    coarse, fine = (np.moveaxis(np.indices((9, 9, 9)), 0, -1) * step for step in (1, 0.5))
    features = [(grid @ slopes)[None].astype(np.float32) for grid in (coarse, fine)]
    padding = np.zeros((1, 9, 9, 9, 3), np.float32)  # what the new level's features add is nothing
    expected = theirs(features[0])
    found = ours(np.concatenate([padding + 7, features[1]], -1))
    inner = slice(1, 4)
    for scale, shift, old, new in zip((2, 1), (0, 2 * np.log(2)), expected, found, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(new)[0, 2:8:2, 2:8:2, 2:8:2],
            scale * keras.ops.convert_to_numpy(old)[0, inner, inner, inner] + shift,
            atol=1e-4,
        )


def test_the_settings_of_the_coarser_network_lack_the_finest_level():
    settings = {"type": "pmrnet", "integration_steps": 2, **FINE, "levels": [1, 3]}
    assert coarser_settings(settings) == {
        "type": "pmrnet",
        "integration_steps": 2,
        **COARSE,
        "levels": [2],
    }


def test_other_networks_do_not_grow():
    network = build_network({"type": "voxelmorph"})
    with pytest.raises(TypeError, match="ConcatenationNet itself, found VoxelMorph"):
        grow(network, network)
