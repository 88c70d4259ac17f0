"""Which method a name stands for, and what is refused."""

import numpy as np
import pytest

from pmrnet.errors import InputError
from pmrnet.nn.build import build_network
from pmrnet.refinement_settings import Refinement
from pmrnet.registration_method import AlignmentOnly, load_method
from pmrnet.weights.store import save_weights


@pytest.mark.parametrize("name", ["identity", "affine"])
def test_alignments_need_no_network(name):
    method = load_method(name)
    assert isinstance(method, AlignmentOnly)
    found = method.field(np.zeros((7, 8, 9)), None)
    assert found.displacement is found.inverse_displacement is found.refinement is None
    assert method.description["network"] == {"type": name}


@pytest.mark.parametrize("name", ["identity", "affine"])
def test_alignments_cannot_be_refined(name):
    with pytest.raises(InputError, match=f"a network's weights to start from, found {name};"):
        load_method(name, Refinement())


@pytest.mark.parametrize("name", ["identity", "affine"])
def test_alignments_cannot_look_again(name):
    with pytest.raises(InputError, match=f"Passes: expected a network's weights, found {name}"):
        load_method(name, passes=2)


@pytest.mark.parametrize("name", ["identity", "affine"])
def test_alignments_are_not_uncertain(name):
    with pytest.raises(InputError, match=f"Temperature: expected a network's .* found {name}"):
        load_method(name, temperature=3.0)


def test_of_a_wrong_name_all_that_would_do_are_told():
    message = (
        r"wrong: .*lpba40-pmrnet.*\), affine or identity, which need none, or the path .* of these"
    )
    with pytest.raises(InputError, match=message):
        load_method("wrong")


def test_networks_are_loaded():
    method = load_method("lpba40-pmrnet", passes=2)
    assert (method.factor, method.network.passes) == (2, 2)
    assert load_method("lpba40-general").network.passes == 3  # as its weights advise


def test_a_network_without_velocity_is_refused(tmp_path):
    config = {"type": "faim", "filters": 4}
    network = build_network(config)
    network.build()
    path = save_weights(network, config, tmp_path / "faim", 2, {})
    with pytest.raises(InputError, match=r"expected a network that finds a velocity.*'faim'"):
        load_method(path)
