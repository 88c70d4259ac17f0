"""More passes than a network was trained with: the same weights, what is stored and shown."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pmrnet.bench import passes
from pmrnet.bench.passes import main, markdown
from pmrnet.dataset import Dataset
from pmrnet.nn.build import network_with_weights
from pmrnet.summary import ALL
from random_weights import draw_weights

ROOT = Path(__file__).resolve().parents[1]
GRID = (8, 12, 16)
REGIONS = ["Frontal", "Parietal", "Occipital", "Temporal", "Cingulate", "Putamen", "Hippocampus"]
NETWORKS = {
    "pmrnet": {
        "type": "pmrnet",
        "filters": [4, 4],
        "hidden_filters": [0, 4],
        "hidden_kernels": [1, 3],
        "integration_steps": 2,
    },
    "faim": {"type": "faim", "filters": 4},
}


def network_of(name):
    network = network_with_weights(NETWORKS[name])
    draw_weights(network, np.random.default_rng(1))
    return network


@pytest.fixture
def instead(monkeypatch):
    """LPBA40's own split, small random images, small random networks."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(
        "pmrnet.trained_weights.weights_of", lambda dataset, method: f"{dataset} {method}"
    )
    monkeypatch.setattr("pmrnet.workflow.data_identity", lambda data, _: {"dataset": data.name})

    def load_network(weights):
        name = weights.removeprefix("lpba40 ")
        return network_of(name), {"sha256": name[:1] * 4, "spacing": 1}

    monkeypatch.setattr("pmrnet.weights.load_network", load_network)

    def subjects(self, names):
        return {
            name: SimpleNamespace(
                spacing=1,
                image_at=lambda _, n=name: np.random.default_rng(int(n[1:])).random(GRID),
            )
            for name in names
        }

    monkeypatch.setattr(Dataset, "subjects", subjects)

    def dice_of(_, groups):
        return lambda m, f, u: {ALL: float(np.abs(u).mean()), **dict.fromkeys(groups, 0.5)}

    monkeypatch.setattr(passes, "dice_of", dice_of)


def test_each_number_of_passes_is_scored(instead, tmp_path, capsys):
    arguments = ["--methods", "pmrnet", "--pairs", "2", "--most", "2", "--output", str(tmp_path)]
    assert main(arguments) == 0
    stored = json.loads((tmp_path / "passes.json").read_text())
    once, twice = stored["dice"]["pmrnet"]
    assert len(once) == len(twice) == 2
    assert all(a > 0 for a in once)
    assert once != twice
    for measured in ("folding", "sdlogj"):
        assert [len(of) for of in stored[measured]["pmrnet"]] == [2, 2]
    assert all(of > 0 for of in stored["sdlogj"]["pmrnet"][0])
    assert [list(pair) for pair in stored["regions"]["pmrnet"][1]] == [REGIONS] * 2
    config = stored["provenance"]["config"]
    assert config["weights"] == {"pmrnet": "pppp"}
    assert all(set(pair) <= {"S26", "S27", "S28", "S29", "S30"} for pair in config["pairs"])
    assert (tmp_path / "passes.md").read_text() in capsys.readouterr().out


def test_coarse_passes_come_before(instead, tmp_path):
    found = {}
    for coarse in ("0", "1"):
        arguments = ["--methods", "pmrnet", "--pairs", "1", "--most", "1", "--coarse", coarse]
        assert main([*arguments, "--output", str(tmp_path / coarse)]) == 0
        found[coarse] = json.loads((tmp_path / coarse / "passes.json").read_text())["dice"]
    assert found["0"] != found["1"]
    assert "after 1 at half the resolution" in (tmp_path / "1" / "passes.md").read_text()
    assert "at half" not in (tmp_path / "0" / "passes.md").read_text()


def test_both_directions(instead, tmp_path):
    found = {}
    for kind in ([], ["--symmetric"]):
        output = tmp_path / f"out{len(kind)}"
        arguments = ["--methods", "pmrnet", "--pairs", "2", "--most", "2", *kind]
        assert main([*arguments, "--output", str(output)]) == 0
        stored = json.loads((output / "passes.json").read_text())
        assert stored["provenance"]["config"]["symmetric"] == bool(kind)
        assert ("in both directions" in (output / "passes.md").read_text()) == bool(kind)
        found[len(kind)] = np.array(stored["dice"]["pmrnet"])
    assert np.abs(found[0] - found[1]).min() > 1e-4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--methods", "pmrnet", "faim"], "faim: expected a network that may look again"),
        (["--methods", "pmrnet", "--most", "0"], "--most: expected 1 pass or more, found 0"),
        (["--methods", "pmrnet", "--coarse", "-1"], "coarse passes: expected 0 or more, found -1"),
        (["--methods", "pmrnet", "--pairs", "21"], "expected 1 to 20 validation pairs"),
    ],
)
def test_what_cannot_be_measured_is_said(instead, tmp_path, capsys, arguments, sentence):
    assert main([*arguments, "--output", str(tmp_path)]) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_table():
    record = {
        "created": "2026-01-02T03:04:05",
        "git": {"commit": "0123456789ab"},
        "config": {"protocol": "lpba40", "most": 2, "pairs": [["a", "b"], ["b", "a"]]},
        "data": {"dataset": "the images"},
    }
    dice = {"pmrnet": [[0.5, 0.6], [0.7, 0.5]]}
    more = {"folding": {"pmrnet": [[0.0, 0.001], [0.0, 0.0]]}, "sdlogj": {"pmrnet": [[0.25], [1]]}}
    results = {"provenance": record, "trained_with": {"pmrnet": 1}, "dice": dice, **more}
    text = markdown(results)
    assert "| method | trained with | 1 | 2 |\n|---|---:|---:|---:|\n" in text
    assert "| PMR-Net | 1 | 0.5500 | 0.6000 |" in text
    assert "voxels:\n\n| method | trained" in text
    assert "| PMR-Net | 1 | 0.0500 | 0.0000 |" in text
    assert "| PMR-Net | 1 | 0.250 | 1.000 |" in text
    assert "2 validation pairs of lpba40" in text
    assert "by region" not in text
    pairs = [[{"a": 0.5, "b": 0.1}, {"a": 0.7, "b": 0.2}], [{"a": 0.8, "b": 0.3}]]
    text = markdown(results | {"regions": {"pmrnet": pairs}})
    assert text.endswith(
        "by region:\n\n| method | passes | a | b |\n|---|---:|---:|---:|\n"
        "| PMR-Net | 1 | 0.6000 | 0.1500 |\n| PMR-Net | 2 | 0.8000 | 0.3000 |\n"
    )
