"""The commands of the tables from end to end, on six tiny subjects."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import ndimage

from pmrnet import workflow
from pmrnet.cli import main
from pmrnet.data.prepared import describe_inputs, write_prepared
from pmrnet.data.volume import save_image
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (16, 24, 16)
SUBJECTS = [f"s{number}" for number in range(6)]


def make_subject(root, name, number):
    """A box in a box, in another place for every subject; native grid = network grid at 2 mm."""
    rng = np.random.default_rng(number)
    labels = np.zeros(SHAPE, np.uint8)
    corner = rng.integers(2, 5, size=3)
    labels[tuple(slice(c, c + 9) for c in corner)] = 1
    labels[tuple(slice(c + 3, c + 7) for c in corner)] = 2
    image = ndimage.gaussian_filter(labels.astype(np.float32) / 2, 0.7)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    raw = root / "raw" / name
    raw.mkdir(parents=True)
    save_image(raw / "image.nii.gz", image, affine)
    save_image(raw / "labels.nii.gz", labels, affine)
    write_prepared(
        root / "data" / "prepared" / "tiny" / name,
        image,
        {
            "name": name,
            "grid_to_native": np.eye(4).tolist(),
            "spacing": 2,
            "native_affine": affine.tolist(),
            "native_shape": list(SHAPE),
            "overlap": 1.0,
            "inputs": describe_inputs(
                {"image": raw / "image.nii.gz", "labels": raw / "labels.nii.gz"}
            ),
            "settings": {},
            "settings_hash": "0",
        },
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder with the data set `tiny` and an experiment of six steps."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(SUBJECTS):
        make_subject(tmp_path, name, number)
    lpba40 = yaml.safe_load((ROOT / "data_splits" / "lpba40.yaml").read_text())
    protocol = {
        "name": "tiny",
        "train": SUBJECTS[:2],
        "validation": SUBJECTS[2:4],
        "test": SUBJECTS[4:],
        "scoring": {**lpba40["scoring"], "spacing_mm": 2.0},
        "labels": {1: "outer", 2: "inner"},
        "groups": {"Outer": [1], "Inner": [2]},
    }
    (tmp_path / "data_splits").mkdir()
    (tmp_path / "data_splits" / "tiny.yaml").write_text(yaml.safe_dump(protocol))
    experiment = {
        "network": {
            "type": "pmrnet",
            "filters": [4, 4],
            "hidden_filters": [4, 4],
            "hidden_kernels": [1, 3],
        },
        "objective": {"image_sigma": 0.02},
        "stages": [
            {"spacing": 2, "steps": 4, "learning_rate": 1.0e-3, "validate_every": 2},
            {"spacing": 2, "steps": 2, "learning_rate": 1.0e-4, "validate_every": 2},
        ],
        "seed": 3,
    }
    (tmp_path / "experiments" / "tiny").mkdir(parents=True)
    (tmp_path / "experiments" / "tiny" / "pmrnet.yaml").write_text(yaml.safe_dump(experiment))
    return tmp_path


@pytest.mark.slow
def test_train_evaluate_table_and_reproduce(project, capsys):
    assert main(["table", "--dataset", "tiny"]) == 0
    assert "not yet run" in capsys.readouterr().out

    for method in ("none", "affine"):
        assert main(["evaluate", "--dataset", "tiny", "--method", method]) == 0
    assert main(["train", "--dataset", "tiny", "--method", "pmrnet"]) == 0
    run = project / "runs" / "tiny" / "pmrnet"
    logged = pd.concat(pd.read_csv(run / stage / "log.csv") for stage in ("stage1", "stage2"))
    assert len(logged) == 3
    assert np.isfinite(logged.to_numpy()).all()
    assert list((run / "tensorboard").rglob("events*"))
    description = json.loads((run / "weights.json").read_text())
    best = logged["val_dice"].max()
    assert description["training"]["best"]["val_dice"] == pytest.approx(best)
    assert description["training"]["steps"] == 6
    assert description["spacing"] == 2

    assert main(["evaluate", "--dataset", "tiny", "--method", "pmrnet"]) == 0
    results = project / "experiments" / "tiny" / "results"
    pairs = pd.read_csv(results / "pmrnet" / "pairs.csv")
    assert list(pairs.columns) == ["moving", "fixed", "label", "dice"]
    assert set(pairs["moving"]) == {"s4", "s5"}
    result = json.loads((results / "pmrnet" / "result.json").read_text())
    assert result["provenance"]["weights_sha256"] == description["sha256"]
    assert str(project) not in json.dumps(result)

    capsys.readouterr()
    assert main(["table", "--dataset", "tiny"]) == 0
    text = capsys.readouterr().out
    assert "PMR-Net" in text
    assert "not yet run" not in text

    # Evaluating again does not touch what is stored, and says how far it is reproduced.
    before = (results / "pmrnet" / "pairs.csv").read_bytes()
    assert main(["evaluate", "--dataset", "tiny", "--method", "pmrnet"]) == 0
    assert "largest difference of a label's Dice in a pair is 0.0000" in capsys.readouterr().out
    assert (results / "pmrnet" / "pairs.csv").read_bytes() == before

    # A finished training is not repeated, and another experiment is not trained on top of it.
    assert (
        workflow.train("tiny", "pmrnet") == Dataset.load("tiny").run("pmrnet") / "weights.json"
    )
    path = project / "experiments" / "tiny" / "pmrnet.yaml"
    path.write_text(path.read_text().replace("seed: 3", "seed: 4"))
    with pytest.raises(InputError, match="found one of other settings"):
        workflow.train("tiny", "pmrnet")


def test_weights_are_the_trained_ones_before_the_shipped_ones(project, monkeypatch):
    monkeypatch.setattr("pmrnet.weights.available", lambda: ["tiny-pmrnet"])
    assert workflow.weights_of("tiny", "pmrnet") == "tiny-pmrnet"
    trained = Dataset.load("tiny").run("pmrnet") / "weights.json"
    trained.parent.mkdir(parents=True)
    trained.write_text("{}")
    assert workflow.weights_of("tiny", "pmrnet") == str(trained)
    assert workflow.weights_of("tiny", "pmrnet", "mine.json") == "mine.json"
    with pytest.raises(InputError, match="make train DATASET=tiny METHOD=other"):
        workflow.weights_of("tiny", "other")


def test_data_identity_changes_with_the_data_and_not_with_their_place(project):
    tiny = Dataset.load("tiny")
    subjects = tiny.subjects(("s0", "s1"))
    identity = workflow.data_identity(tiny, subjects)
    description = subjects["s0"].folder / "subject.json"
    record = json.loads(description.read_text())
    record["inputs"]["image"]["path"] = "/elsewhere/image.nii.gz"
    description.write_text(json.dumps(record))
    assert workflow.data_identity(tiny, subjects) == identity
    record["inputs"]["image"]["sha256"] = "0" * 64
    description.write_text(json.dumps(record))
    assert workflow.data_identity(tiny, subjects) != identity
