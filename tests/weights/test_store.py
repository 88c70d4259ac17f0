"""Weights: round trip, and one clear sentence for every way a file can be wrong."""

import json

import numpy as np
import pytest

from pmrnet.errors import InputError
from pmrnet.nn.build import build_network
from pmrnet.weights import available, load_network, save_weights

CONFIG = {
    "type": "pmrnet",
    "filters": [4, 4],
    "hidden_filters": [0, 4],
    "hidden_kernels": [1, 3],
    "integration_steps": 3,
}


@pytest.fixture
def saved(tmp_path):
    network = build_network(CONFIG)
    network.build()
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=w.shape) for w in network.get_weights()])
    path = save_weights(network, CONFIG, tmp_path / "net", spacing=2, training={"steps": 7})
    return network, path


def test_round_trip_gives_the_same_registration(saved):
    network, path = saved
    loaded, description = load_network(path)
    rng = np.random.default_rng(1)
    images = {k: rng.random((1, 8, 12, 4, 1), dtype=np.float32) for k in ("moving", "fixed")}
    expected = network.predict_on_batch(images)
    found = loaded.predict_on_batch(images)
    assert np.abs(expected["displacement"]).max() > 0
    np.testing.assert_allclose(found["displacement"], expected["displacement"], atol=1e-6)
    assert description["spacing"] == 2
    assert description["training"] == {"steps": 7}


def test_no_file_is_left_over(saved):
    _, path = saved
    assert sorted(p.name for p in path.parent.iterdir()) == ["net.json", "net.weights.h5"]


def test_changed_weights_are_refused(saved):
    _, path = saved
    weights = path.with_name("net.weights.h5")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(InputError, match="SHA-256"):
        load_network(path)


def test_missing_weights_are_named(saved):
    _, path = saved
    path.with_name("net.weights.h5").unlink()
    with pytest.raises(InputError, match=r"net\.weights\.h5 beside it"):
        load_network(path)


def test_weights_of_another_network_are_refused(saved):
    _, path = saved
    description = json.loads(path.read_text())
    description["network"]["filters"] = [4, 8]
    path.write_text(json.dumps(description))
    with pytest.raises(InputError, match="another network"):
        load_network(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 99, "network": {}, "spacing": 1, "weights": "x"}']
)
def test_json_that_describes_no_weights(tmp_path, content):
    path = tmp_path / "net.json"
    path.write_text(content)
    with pytest.raises(InputError, match="expected a description of weights"):
        load_network(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": [1]},
        {"network": "pmrnet"},
        {"spacing": "abc"},
        {"spacing": 3},
        {"spacing": 0},
        {"weights": 5},
        {"sha256": None},
        {"passes": 0},
        {"passes": "two"},
    ],
    ids=str,
)
def test_a_description_with_a_wrong_value_is_one_sentence(saved, changes):
    _, path = saved
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    (key,) = changes
    with pytest.raises(InputError, match=f"expected a description of weights.*'{key}'") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no-such-weights", "missing.json"])
def test_unknown_name(name):
    with pytest.raises(InputError, match="found none of these"):
        load_network(name)


@pytest.mark.parametrize("name", available())
def test_shipped_weights_load_with_one_call_and_are_small(name):
    network, description = load_network(name)
    assert network.count_params() > 0
    assert {"config", "seed", "steps", "git"} <= set(description["training"])


def test_equal_weights_have_equal_checksums_however_often_they_are_loaded(saved, tmp_path):
    path = saved[1]
    expected = json.loads(path.read_text())["sha256"]
    for number in range(2):
        again, _ = load_network(path)
        copy = save_weights(again, CONFIG, tmp_path / f"copy{number}", spacing=2, training={})
        assert json.loads(copy.read_text())["sha256"] == expected
