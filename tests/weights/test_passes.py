"""How often a network looks, by its training, its weights' advice and what is asked."""

import numpy as np
import pytest

from pmrnet.errors import InputError
from pmrnet.network_field import load_field_model
from pmrnet.nn.build import network_with_weights
from pmrnet.weights import save_weights
from pmrnet.weights.passes import (
    counts_of,
    is_passes,
    looking,
    parse_passes,
    passes_of,
    told_passes,
)


@pytest.mark.parametrize(
    ("advised", "wanted", "passes", "coarse"),
    [
        (None, None, 2, 0),
        (4, None, 4, 0),
        (4, 1, 1, 0),
        (None, 3, 3, 0),
        (None, "1+3", 3, 1),
        ("2+4", None, 4, 2),
        ("2+4", "3", 3, 0),
    ],
)
def test_how_often_a_network_looks(tmp_path, advised, wanted, passes, coarse):
    config = {"type": "pmrnet", "filters": [4], "hidden_filters": [0], "hidden_kernels": [1]}
    config |= {"integration_steps": 2, "passes": 2}
    network = network_with_weights(config)
    path = save_weights(network, config, tmp_path / "w", 2, {}, passes=advised)
    model = load_field_model(path, passes=wanted)
    assert (model.network.passes, model.network.coarse_passes) == (passes, coarse)
    shown = {"passes": passes} | ({"coarse_passes": coarse} if coarse else {})
    assert model.description["network"] == config | shown
    assert passes_of(model.description) == (f"{coarse}+{passes}" if coarse else passes)
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


def test_a_number_alone_leaves_the_coarse_passes_as_they_were_trained():
    config = {"type": "pmrnet", "filters": [4], "hidden_filters": [0], "hidden_kernels": [1]}
    config |= {"integration_steps": 2, "passes": 2, "coarse_passes": 1}
    network = network_with_weights(config)
    for wanted, passes, coarse in ((3, 3, 1), ("0+3", 3, 0), ("2+1", 1, 2)):
        other, description = looking(network, {"network": config}, wanted)
        assert (other.passes, other.coarse_passes) == (passes, coarse)
        assert description["network"] == config | {"passes": passes, "coarse_passes": coarse}
        assert passes_of(description) == f"{coarse}+{passes}"
        again, _ = looking(network, {"network": config}, passes_of(description))
        assert (again.passes, again.coarse_passes) == (passes, coarse)


@pytest.mark.parametrize(("written", "counts"), [(3, (3, None)), ("3", (3, None)), ("1+3", (3, 1))])
def test_how_passes_are_written(written, counts):
    assert counts_of(written) == counts
    assert is_passes(written)
    assert parse_passes(str(written)) == (written if "+" in str(written) else int(written))


@pytest.mark.parametrize(
    "written",
    [0, -1, True, 1.5, "", "many", "1+0", "+3", "1+", "1+2+3", "1 + 3", "٣", None, [1, 3]],
)
def test_what_is_no_number_of_passes_is_refused_in_one_sentence(written):
    assert not is_passes(written)
    with pytest.raises(InputError, match=r"passes: expected a number of 1 or more \(3\).*found"):
        counts_of(written)


def test_nothing_said_is_nothing_wanted():
    assert parse_passes(None) is None


def test_records_tell_passes_of_networks_that_have_some():
    assert told_passes({"network": {"type": "affine"}}) == {}
    assert told_passes({"network": {"passes": 2}}) == {"passes": 2}
    assert told_passes({"network": {"passes": 2, "coarse_passes": 1}}) == {"passes": "1+2"}
