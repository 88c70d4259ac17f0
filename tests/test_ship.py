"""Weights that were trained here among those that the package ships."""

import json
from pathlib import Path

import pytest

from pmrnet.cli import main
from pmrnet.nn.build import network_with_weights
from pmrnet.weights import load_network, save_weights
from pmrnet.weights.temperature import read_temperature, write_temperature

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = {
    "pmrnet": {"type": "pmrnet", "filters": [4], "hidden_filters": [0], "hidden_kernels": [1]},
    "faim": {"type": "faim", "filters": 4},
}
TRAINING = {
    "config": {"stages": [{"spacing": 2, "steps": 3, "learning_rate": 1e-3}]},
    "seed": 1,
    "steps": 3,
    "seconds": 4,
    "best": {"val_dice": 0.5},
    "machine": {"cpu": "A CPU", "cores": 2},
}


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Folder of shipped weights, empty; in the project, a training of each network."""
    for name in ("data_splits", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, config in NETWORKS.items():
        folder = tmp_path / "runs/lpba40" / name
        folder.mkdir(parents=True)
        save_weights(network_with_weights(config), config, folder / "weights", 2, TRAINING)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr("pmrnet.weights.__file__", str(folder / "__init__.py"))
    return folder


def ship(method, *options):
    return main(["ship", "--dataset", "lpba40", "--method", method, *options])


def test_weights_ship_with_their_card(shipped, capsys):
    assert ship("pmrnet") == 0
    path = shipped / "lpba40-pmrnet.json"
    assert capsys.readouterr().out == f"weights: {path}\n"
    network, description = load_network(path)
    assert network.count_params() == network_with_weights(NETWORKS["pmrnet"]).count_params()
    assert description["training"] == TRAINING
    assert "passes" not in json.loads(path.read_text())
    assert path.with_suffix(".md").read_text().startswith("# lpba40-pmrnet\n")


def test_how_often_to_look_is_stored_with_them(shipped):
    assert ship("pmrnet", "--passes", "3") == 0
    path = shipped / "lpba40-pmrnet.json"
    network, description = load_network(path)
    assert (network.passes, description["passes"]) == (1, 3)
    assert "| passes | 3 in" in path.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("method", "passes", "sentence"),
    [
        ("pmrnet", "0", "passes: expected a number of 1 or more"),
        ("faim", "2", "passes: expected a network that may look again"),
        ("baseline1", "2", "baseline1/weights.json"),
    ],
)
def test_what_cannot_be_shipped_leaves_nothing(shipped, capsys, method, passes, sentence):
    assert ship(method, "--passes", passes) == 2
    assert sentence in capsys.readouterr().err
    assert list(shipped.iterdir()) == []


def test_a_temperature_of_other_weights_goes_and_that_of_the_same_stays(shipped):
    assert ship("pmrnet") == 0
    path = shipped / "lpba40-pmrnet.json"
    sha256 = json.loads(path.read_text())["sha256"]
    write_temperature(path, sha256, 9.0, {})
    assert ship("pmrnet") == 0
    assert read_temperature(path, sha256)["temperature"] == 9.0
    assert ship("pmrnet", "--passes", "3") == 0
    assert read_temperature(path, sha256) is None
    write_temperature(path, sha256, 8.0, {}, 3)
    assert ship("pmrnet", "--passes", "3") == 0
    assert read_temperature(path, sha256)["temperature"] == 8.0
    other = network_with_weights(NETWORKS["pmrnet"])
    other.set_weights([w + 1 for w in other.get_weights()])
    save_weights(other, NETWORKS["pmrnet"], Path("runs/lpba40/pmrnet/weights"), 2, TRAINING)
    assert ship("pmrnet") == 0
    assert not path.with_name("lpba40-pmrnet.calibration.json").exists()
