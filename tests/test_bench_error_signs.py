"""Maps beside errors: what is compared, stored and shown."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage, stats

from fake_subjects import blocks
from pmrnet.bench import error_signs
from pmrnet.bench.error_signs import SIGNS, main, markdown
from pmrnet.calibration.located_errors import LocatedErrors
from pmrnet.calibration.pairs import PairErrors
from pmrnet.dataset import Dataset
from pmrnet.nn.build import network_with_weights
from random_weights import draw_weights

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (16, 24, 16)
NETWORK = {
    "type": "pmrnet",
    "filters": [4, 4],
    "hidden_filters": [0, 4],
    "hidden_kernels": [1, 3],
    "integration_steps": 2,
}


@pytest.fixture
def instead(monkeypatch, rng):
    """LPBA40's own split, small images of blocks, a small random network."""
    monkeypatch.chdir(ROOT)

    def load_network(weights):
        network = network_with_weights(NETWORK)
        draw_weights(network, np.random.default_rng(1))
        return network, {
            "sha256": "ab",
            "spacing": 1,
            "network": {},
            "calibration": {"temperature": 4.0},
        }

    monkeypatch.setattr("pmrnet.weights.load_network", load_network)
    monkeypatch.setattr("pmrnet.workflow.data_identity", lambda data, _: {"dataset": data.name})

    def subject(labels):
        image = ndimage.gaussian_filter(labels.astype(np.float32), 1) / 4
        return SimpleNamespace(
            spacing=1,
            image=image,
            grid_to_native=np.eye(4),
            native_affine=np.eye(4),
            native_shape=SHAPE,
            image_at=lambda _: image,
            labels=lambda: SimpleNamespace(data=labels),
        )

    maps = {n: 21 * (blocks(rng, SHAPE) > 0) for n in ("S26", "S27", "S28", "S29", "S30")}
    monkeypatch.setattr(
        Dataset, "subjects", lambda self, names: {n: subject(maps[n]) for n in names}
    )


def test_every_sign_is_compared_for_every_pair(instead, tmp_path, capsys):
    assert main(["--datasets", "lpba40", "--pairs", "2", "--output", str(tmp_path)]) == 0
    stored = json.loads((tmp_path / "error_signs.json").read_text())
    found = stored["spearman"]["lpba40"]
    assert set(found) == set(SIGNS)
    assert all(len(of) == 2 and np.all(np.abs(of) <= 1) for of in found.values())
    config = stored["provenance"]["config"]
    assert config["temperature"] == 4
    assert len(config["pairs"]["lpba40"]) == 2
    assert (tmp_path / "error_signs.md").read_text() in capsys.readouterr().out


def test_the_correlation_is_of_values_at_the_places_of_errors(monkeypatch, instead, tmp_path, rng):
    """With the distance itself as a map, the correlation is 1."""
    at = rng.uniform(1, 12, (50, 3))
    field = rng.random(SHAPE)
    error = ndimage.map_coordinates(field, at.T, order=1)[:, None]
    normal = np.tile([1.0, 0, 0], (50, 1))
    monkeypatch.setattr(PairErrors, "located", lambda *_: LocatedErrors(at, error, normal))
    monkeypatch.setattr(error_signs.error_signs, "strain", lambda _: field)
    monkeypatch.setattr(error_signs.error_signs, "volume_change", lambda _: -field)
    assert main(["--datasets", "lpba40", "--pairs", "1", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "error_signs.json").read_text())["spearman"]["lpba40"]
    assert found["strain"] == [1]
    assert found["volume_change"] == [-1]
    other = ndimage.map_coordinates(field, at.T[::-1], order=1)
    assert abs(stats.spearmanr(other, error[:, 0])[0]) < 0.9  # a wrong order of axes would show


def test_too_many_pairs_are_refused(instead, tmp_path, capsys):
    assert main(["--datasets", "lpba40", "--pairs", "21", "--output", str(tmp_path)]) == 2
    assert "expected 1 to 20 validation pairs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_table():
    record = {
        "created": "2026-01-02T03:04:05",
        "git": {"commit": "0123456789ab"},
        "config": {"weights": "w", "passes": 3, "pairs": {"lpba40": [["a", "b"], ["b", "a"]]}},
    }
    found = {"lpba40": {sign: [0.1, 0.3] for sign in SIGNS}}
    text = markdown({"provenance": record, "spearman": found})
    assert "| | lpba40 |\n|---|---:|\n" in text
    assert text.count("| 0.20 (0.10 to 0.30) |") == len(SIGNS)
    assert "2 of lpba40; weights w, 3 looks" in text
