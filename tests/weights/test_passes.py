"""How often a network looks, by its training, its weights' advice and what is asked."""

import numpy as np
import pytest

from pmrnet.errors import InputError
from pmrnet.network_field import load_field_model
from pmrnet.nn.build import network_with_weights
from pmrnet.weights import save_weights
from pmrnet.weights.passes import looking, passes_of


@pytest.mark.parametrize(
    ("advised", "wanted", "passes"),
    [(None, None, 2), (4, None, 4), (4, 1, 1), (None, 3, 3)],
    ids=["trained", "advised", "wanted in place of that", "wanted"],
)
def test_how_often_a_network_looks(tmp_path, advised, wanted, passes):
    config = {"type": "pmrnet", "filters": [4], "hidden_filters": [0], "hidden_kernels": [1]}
    config |= {"integration_steps": 2, "passes": 2}
    network = network_with_weights(config)
    path = save_weights(network, config, tmp_path / "w", 2, {}, passes=advised)
    model = load_field_model(path, passes=wanted)
    assert model.network.passes == passes
    assert model.description["network"] == config | {"passes": passes}
    for ours, theirs in zip(model.network.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_network_that_cannot_look_again_is_left_alone_unless_it_is_told_to():
    network, description = network_with_weights({"type": "faim", "filters": 4}), {"network": {}}
    assert looking(network, description) == (network, description)
    with pytest.raises(InputError, match="found FAIM"):
        looking(network, description, 2)


def test_a_network_that_knows_no_passes_looks_once():
    assert passes_of({"network": {"type": "faim"}}) == 1
    assert passes_of({"network": {"passes": 3}}) == 3
