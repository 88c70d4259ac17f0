"""Networks from their configuration; a wrong one is the user's to mend."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.errors import InputError
from pmrnet.nn.build import (
    NETWORKS,
    build_network,
    build_objective,
    network_with_weights,
)
from pmrnet.nn.displacement_objective import DisplacementObjective
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.nn.objective import Objective
from pmrnet.nn.pmrnet import PMRNet


def test_pmrnet_with_its_defaults():
    network = build_network({"type": "pmrnet"})
    assert isinstance(network, PMRNet)
    assert network.filters == (16, 32, 32, 32)
    assert network.integration_steps == 7
    assert network.objective is None


def test_arguments_and_objective_are_passed_on():
    config = {"type": "pmrnet", "filters": [4, 6], "hidden_filters": [3, 3], "seed": 5}
    config |= {"hidden_kernels": [1, 3], "integration_steps": 4}
    objective = Objective(prior_lambda=3.0)
    network = build_network(config, objective)
    assert network.filters == (4, 6)
    assert (network.seed, network.integration_steps) == (5, 4)
    assert network.objective is objective
    assert config["type"] == "pmrnet"  # the caller's mapping is left alone


@pytest.mark.parametrize("config", [{"type": "unet"}, {}, {"type": None}])
def test_unknown_type_is_named(config):
    with pytest.raises(InputError, match=r"expected one of.*pmrnet.*found") as caught:
        build_network(config)
    assert repr(config.get("type")) in str(caught.value)


def test_unknown_argument_is_named():
    with pytest.raises(InputError, match="fliters"):
        build_network({"type": "pmrnet", "fliters": [16]})


def test_arguments_that_do_not_fit_each_other():
    with pytest.raises(InputError, match="one entry per level"):
        build_network({"type": "pmrnet", "filters": [16, 32]})


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_every_type_builds_and_keeps_its_configuration(kind):
    network = build_network({"type": kind, "seed": 3})
    assert type(network) is NETWORKS[kind]
    assert type(network).from_config(network.get_config()).get_config() == network.get_config()
    assert network.seed == 3


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_every_argument_is_in_the_configuration(kind):
    """What is left out is lost where a network is made anew, as for another number of passes."""
    known = {"self", "objective", "label_weight", "args", "kwargs"}
    if not NETWORKS[kind].has_velocity:
        known |= {"integration_steps"}  # there is nothing to integrate
    expected = set()
    for parent in NETWORKS[kind].__mro__:
        if issubclass(parent, RegistrationNetwork):
            expected |= inspect.signature(parent.__init__).parameters.keys() - known
    assert expected <= build_network({"type": kind}).get_config().keys()


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_every_type_registers_and_takes_a_step(kind, rng):
    grid = (16, 32, 16)
    objective = Objective() if NETWORKS[kind].has_velocity else DisplacementObjective()
    network = network_with_weights({"type": kind, "seed": 3}, objective)
    images = {name: rng.random((1, *grid, 1), np.float32) for name in ("moving", "fixed")}
    found = {name: ops.convert_to_numpy(value) for name, value in network(images).items()}
    assert found["moved"].shape == (1, *grid, 1)
    assert found["displacement"].shape == (1, *grid, 3)
    assert all(np.isfinite(value).all() for value in found.values())
    before = network.get_weights()
    network.compile(optimizer=keras.optimizers.Adam(1e-3), run_eagerly=True)
    losses = network.train_on_batch(images, return_dict=True)
    assert np.isfinite(list(losses.values())).all()
    changed = [
        np.abs(new - old).max() > 0
        for new, old in zip(network.get_weights(), before, strict=True)
        if new.ndim > 1  # kernels
    ]
    assert all(changed)


def test_objectives():
    assert build_objective({"image_sigma": 0.1}) == Objective(image_sigma=0.1)
    assert build_objective({"type": "elbo"}) == Objective()
    config = {"type": "displacement", "window": 5}
    assert build_objective(config) == DisplacementObjective(window=5)
    assert config["type"] == "displacement"  # the caller's mapping is left alone


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "dice"}, "expected one of.*displacement.*elbo.*found 'dice'"),
        ({"type": "displacement", "image_sigma": 0.1}, "objective displacement.*image_sigma"),
        ({"prior": 0.1}, "objective elbo.*'prior'"),
        ({"similarity": "ssd"}, "objective elbo.*similarity must be one of"),
    ],
)
def test_a_wrong_objective_is_the_users_mistake(config, message):
    with pytest.raises(InputError, match=message):
        build_objective(config)


def test_network_and_objective_have_to_fit():
    with pytest.raises(InputError, match="objective of type displacement"):
        build_network({"type": "faim"}, Objective())


def test_networks_of_a_process_are_called_alike():
    """Keras would count them, and the name is written into the weights' file."""
    assert build_network({"type": "faim"}).name == build_network({"type": "faim"}).name == "faim"


@pytest.mark.parametrize(
    "wrong",
    [
        {"filters": [0, 2, 2, 2]},
        {"filters": [16.5, 2, 2, 2]},
        {"hidden_kernels": ["x", 3, 3, 3]},
        {"cost_radius": 1.5},
        {"integration_steps": -1},
        {"integration_steps": "seven"},
    ],
    ids=str,
)
def test_what_only_the_weights_show_to_be_wrong_is_named(wrong):
    with pytest.raises(InputError, match="network pmrnet: expected arguments that its constructor"):
        network_with_weights({"type": "pmrnet", **wrong})


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_all_layers_are_built_before_training(kind):
    """Else Keras' `fit` takes a batch before the first epoch on JAX."""
    network = network_with_weights({"type": kind})
    assert [layer.name for layer in network._flatten_layers() if not layer.built] == []
