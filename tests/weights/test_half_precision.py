"""Weights in half precision: as small as they should be, as near as float16 is, read by Keras."""

import numpy as np
import pytest

from pmrnet.errors import InputError
from pmrnet.nn.build import build_network
from pmrnet.weights import load_network, save_weights

CONFIG = {"type": "pmrnet", "filters": [4, 4, 4, 4], "hidden_filters": [4, 4, 4, 4]}


@pytest.fixture
def network():
    network = build_network(CONFIG)
    network.build()
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=w.shape) for w in network.get_weights()])
    return network


def test_what_is_read_back_is_float32_within_half_precision(network, tmp_path):
    path = save_weights(network, CONFIG, tmp_path / "half", 2, {}, half_precision=True)
    found, _ = load_network(path)
    changed = False
    for before, after in zip(network.get_weights(), found.get_weights(), strict=True):
        assert after.dtype == np.float32
        np.testing.assert_allclose(after, before, rtol=2**-11, atol=3e-8)
        changed = changed or (after != before).any()
    assert changed


def test_the_values_take_half_the_room(network, tmp_path):
    full = save_weights(network, CONFIG, tmp_path / "full", 2, {})
    half = save_weights(network, CONFIG, tmp_path / "half", 2, {}, half_precision=True)
    size = [path.with_suffix(".weights.h5").stat().st_size for path in (full, half)]
    assert size[0] - size[1] >= 2 * network.count_params() * 0.9
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}{ending}" for name in ("full", "half") for ending in (".json", ".weights.h5")
    }


def test_values_beyond_half_precision_are_refused_and_nothing_is_left(network, tmp_path):
    network.set_weights([w * 1e6 for w in network.get_weights()])
    with pytest.raises(InputError, match="65504"):
        save_weights(network, CONFIG, tmp_path / "half", 2, {}, half_precision=True)
    assert not list(tmp_path.iterdir())
