"""Baseline-1: one posterior from the concatenated features of all levels."""

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.errors import InputError
from pmrnet.nn.build import build_network
from pmrnet.nn.objective import Objective

GRID = (16, 24)
CONFIG = {
    "type": "concatenation",
    "filters": [4, 6],
    "hidden_filters": [3, 5],
    "hidden_kernels": [1, 3],
    "integration_steps": 3,
}


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    network = build_network(CONFIG, Objective())
    network.build(dict.fromkeys(("moving", "fixed"), (1, *GRID, 1)))
    kernel = network.posterior_model.mean.kernel
    kernel.assign(2e4 * kernel)
    return network


@pytest.fixture
def pair(rng):
    return {key: rng.random((1, *GRID, 1)).astype(np.float32) for key in ("moving", "fixed")}


def test_every_level_of_both_images_reaches_the_posterior(network, pair):
    before = ops.convert_to_numpy(network(pair)["velocity"])
    assert before.shape == (1, 8, 12, 2)
    for encoder in (network.moving_encoder, network.fixed_encoder):
        for layer in encoder.convolutions:
            kept = layer.get_weights()
            layer.set_weights([2 * w + 0.1 for w in kept])
            assert not np.allclose(ops.convert_to_numpy(network(pair)["velocity"]), before)
            layer.set_weights(kept)


def test_coarse_levels_are_upsampled_linearly(network, pair, oracle):
    seen = []
    posterior = network.posterior_model
    for layer, encoders in zip(
        network.combinations,
        zip(
            network.moving_encoder(pair["moving"]),
            network.fixed_encoder(pair["fixed"]),
            strict=True,
        ),
        strict=True,
    ):
        seen.append(ops.convert_to_numpy(layer(ops.concatenate(encoders, axis=-1))))
    relu = [np.where(x > 0, x, 0.2 * x) for x in seen]
    joined = np.concatenate([relu[0], oracle.upsample(relu[1], 1)], axis=-1).astype(np.float32)
    mean = ops.convert_to_numpy(posterior(joined)[0])
    velocity = ops.convert_to_numpy(network(pair)["velocity"])
    np.testing.assert_allclose(velocity, mean, rtol=1e-3, atol=1e-3)


def test_has_no_terms_of_levels_and_learns(network, pair):
    network.compile(keras.optimizers.Adam(1e-3), jit_compile=keras.backend.backend() == "jax")
    first = network.train_on_batch(pair, return_dict=True)
    assert set(first) == {"loss", "image_reconstruction", "image_kl"}
    losses = [network.train_on_batch(pair, return_dict=True)["loss"] for _ in range(40)]
    assert np.mean(losses[-5:]) < first["loss"]


def test_configuration_round_trip(network):
    config = network.get_config()
    assert type(network).from_config(config).get_config() == config


def test_further_convolutions_are_named_and_saved(tmp_path):
    network = build_network(CONFIG | {"hidden_layers": [3, 2]}, Objective())
    network.build()
    assert [layer.name for layer in network.further_combinations] == [
        "combination1_2",
        "combination1_3",
        "combination2_2",
    ]
    network.save_weights(tmp_path / "kept.weights.h5")
    other = build_network(CONFIG | {"hidden_layers": [3, 2]}, Objective())
    other.build()
    other.load_weights(tmp_path / "kept.weights.h5")
    for mine, its in zip(other.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_every_further_convolution_counts(pair):
    network = build_network(CONFIG | {"hidden_layers": [3, 2]}, Objective())
    network.build(dict.fromkeys(("moving", "fixed"), (1, *GRID, 1)))
    kernel = network.posterior_model.mean.kernel
    kernel.assign(2e4 * kernel)
    before = ops.convert_to_numpy(network(pair)["velocity"])
    for layer in network.further_combinations:
        kept = layer.get_weights()
        layer.set_weights([2 * w + 0.1 for w in kept])
        assert not np.allclose(ops.convert_to_numpy(network(pair)["velocity"]), before)
        layer.set_weights(kept)


def test_too_few_layers_are_said():
    with pytest.raises(InputError, match="1 or more"):
        build_network(CONFIG | {"hidden_layers": [0, 2]})


@pytest.mark.parametrize("name", ["hidden_filters", "hidden_kernels", "hidden_layers"])
def test_unequal_numbers_of_levels_are_said(name):
    with pytest.raises(InputError, match=r"one entry per level; got 2, .*3"):
        build_network(CONFIG | {name: [1, 1, 1]})
