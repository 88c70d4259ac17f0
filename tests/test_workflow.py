"""The commands of the tables from end to end, on six tiny subjects."""

import json
import re
import shutil
import sys
from pathlib import Path

import nibabel as nib
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
from pmrnet.methods import ALIGNMENTS
from pmrnet.results import load_result
from pmrnet.syn.package import INSTALL

EVALUATE = workflow.evaluate
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
    assert list(pairs.columns) == ["moving", "fixed", "label", "dice", "hd95"]
    assert set(pairs["moving"]) == {"s4", "s5"}
    result = json.loads((results / "pmrnet" / "result.json").read_text())
    assert result["provenance"]["weights_sha256"] == description["sha256"]
    assert str(project) not in json.dumps(result)
    cost = result["provenance"]["cost"]
    assert cost["parameters"] > 0
    assert cost["peak_memory_gib"] > 0

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

    # All of it once more, in processes of their own: nothing is left to do.
    capsys.readouterr()
    assert main(["tables", "--dataset", "tiny"]) == 0
    captured = capsys.readouterr()
    assert "tiny pmrnet: scored already" in captured.err
    assert captured.out.startswith("# Dice on tiny")

    out = project / "l2r"
    export = ["export-learn2reg", "--dataset", "tiny", "--out", str(out), "--images"]
    assert main(export) == 0
    assert f"2 displacement fields: {out}" in capsys.readouterr().out
    assert nib.load(out / "disp_0004_0005.nii.gz").shape == (*SHAPE, 3)
    assert nib.load(out / "labels" / "tiny_0005_0000.nii.gz").shape == SHAPE

    # The weights on another data set, of the same grid.
    again = yaml.safe_load((project / "data_splits/tiny.yaml").read_text()) | {"name": "again"}
    (project / "data_splits/again.yaml").write_text(yaml.safe_dump(again))
    (project / "data/prepared/again").symlink_to(project / "data/prepared/tiny")
    assert main(["evaluate", "--dataset", "again", "--method", "pmrnet@tiny"]) == 0
    elsewhere = load_result(project / "experiments/again/results/pmrnet@tiny")
    assert elsewhere.provenance["weights_sha256"] == description["sha256"]
    assert elsewhere.provenance["trained_on"] == "tiny"
    pd.testing.assert_frame_equal(elsewhere.pairs, pairs)
    capsys.readouterr()
    assert main(["table", "--dataset", "again"]) == 0
    assert "| PMR-Net, trained on tiny | measured" in capsys.readouterr().out

    # A finished training is not repeated, and another experiment is not trained on top of it.
    assert workflow.train("tiny", "pmrnet") == Dataset.load("tiny").run("pmrnet") / "weights.json"
    path = project / "experiments" / "tiny" / "pmrnet.yaml"
    path.write_text(path.read_text().replace("seed: 3", "seed: 4"))
    with pytest.raises(InputError, match="found one of other settings"):
        workflow.train("tiny", "pmrnet")


@pytest.mark.slow
def test_a_method_without_weights_is_evaluated_by_its_settings(project, monkeypatch, capsys):
    settings = {"scales": [8.0, 4.0], "spacings": [2], "iterations": [8], "time_steps": 1}
    path = project / "experiments/tiny/utilzreg.yaml"
    path.write_text(yaml.safe_dump({"shooting": settings}))
    for method in ("affine", "utilzreg"):
        assert main(["evaluate", "--dataset", "tiny", "--method", method]) == 0
    results = Dataset.load("tiny").results
    result, start = load_result(results / "utilzreg"), load_result(results / "affine")
    assert result.pairs["dice"].mean() > start.pairs["dice"].mean() + 0.05
    assert (result.registrations["seconds"] > 0).all()
    record = result.provenance
    assert record["config"]["shooting"]["scales"] == [8.0, 4.0]
    assert record["config"]["shooting"]["memory"] == 5
    assert (record["weights_sha256"], record["steps"]) == (None, None)
    assert record["cost"]["peak_memory_gib"] > 0

    # Its result stays with its settings, and is not taken for one of others.
    monkeypatch.setattr("pmrnet.workflow.to_make", lambda data: ["utilzreg"])
    capsys.readouterr()
    workflow.tables(["tiny"])
    said = capsys.readouterr().err
    assert "tiny utilzreg: scored already" in said
    path.write_text(yaml.safe_dump({"shooting": settings | {"memory": 6}}))
    workflow.tables(["tiny"])
    said = capsys.readouterr().err
    assert "tiny utilzreg: skipped" in said
    assert "to be of the settings in experiments/tiny/utilzreg.yaml" in said


def test_what_has_no_training_is_not_trained(project):
    path = project / "experiments/tiny/mine.yaml"
    path.write_text("ants: {}\n")
    for method in ("mine", "affine", "pmrnet@lpba40"):
        command = f"make evaluate DATASET=tiny METHOD={method}"
        with pytest.raises(InputError, match=f"expected a network to train on tiny.*{command}"):
            workflow.train("tiny", method)


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


# -- whole tables


@pytest.fixture
def here(project, monkeypatch):
    """Trainings and evaluations in this process, the network replaced by what it leaves behind."""
    calls = []

    def train(dataset, method):
        calls.append(("train", method))
        if method == "broken":
            raise InputError("Expected an extra, found none: install it.")
        path = Dataset.load(dataset).run(method) / "weights.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"sha256": "w" * 64}))
        return path

    def evaluated(dataset, method):
        calls.append(("evaluate", method))
        if method in ALIGNMENTS:
            return EVALUATE(dataset, method)
        workflow.weights_of(dataset, method)
        out = Dataset.load(dataset).results / method
        other = EVALUATE(dataset, "affine")
        result = json.loads((other / "result.json").read_text())
        _, config = workflow._settings_of(Dataset.load(dataset), method) or (None, None)
        result["provenance"] |= {"weights_sha256": "w" * 64, "config_sha256": config}
        out.mkdir(parents=True)
        for name in ("pairs.csv", "registrations.csv"):
            (out / name).write_bytes((other / name).read_bytes())
        (out / "result.json").write_text(json.dumps(result))
        return out

    monkeypatch.setattr(workflow, "train", train)
    monkeypatch.setattr(workflow, "evaluate", evaluated)
    monkeypatch.setattr("pmrnet.own_process.in_own_process", lambda f, *a: f(*a))
    return calls


def test_tables_make_what_is_missing_and_skip_what_cannot_be_made(project, here, capsys):
    folder = project / "experiments" / "tiny"
    (folder / "broken.yaml").write_text((folder / "pmrnet.yaml").read_text())
    made = workflow.tables(["tiny"])
    said = capsys.readouterr().err
    assert ("train", "pmrnet") in here
    assert ("evaluate", "pmrnet") in here
    assert here.index(("evaluate", "none")) < here.index(("train", "pmrnet"))
    assert ("evaluate", "broken") not in here
    assert "tiny broken: skipped: Expected an extra, found none: install it." in said
    assert "tiny pmrnet: training\n" in said
    assert re.search(r"\| broken +\| not yet run \|", made["tiny"])
    assert (folder / "table.md").read_text() == made["tiny"]
    assert (folder / "significance.md").is_file()

    # The second time there is nothing to do but what could not be done.
    here.clear()
    (folder / "broken.yaml").unlink()
    (folder / "table.tex").unlink()
    workflow.tables(["tiny"])
    assert [step for step in here if step[1] in ("none", "affine", "pmrnet")] == []
    assert "tiny pmrnet: scored already" in capsys.readouterr().err
    assert (folder / "table.tex").is_file()


def test_tables_score_the_weights_of_another_data_set_if_they_are_there(
    project, here, monkeypatch, capsys
):
    monkeypatch.setattr("pmrnet.workflow.to_make", lambda data: ["pmrnet@lpba40", "faim@lpba40"])
    monkeypatch.setattr("pmrnet.trained_weights.misfit", lambda trained_on, data: None)
    monkeypatch.setattr("pmrnet.weights.available", lambda: ["lpba40-pmrnet"])
    monkeypatch.setattr("pmrnet.workflow.weights_sha256", lambda weights: "w" * 64)
    made = workflow.tables(["tiny"])
    assert here == [("evaluate", "pmrnet@lpba40")]
    assert "| PMR-Net, trained on LPBA40 | measured" in made["tiny"]
    said = capsys.readouterr().err
    assert "tiny faim@lpba40: skipped" in said
    assert "make train DATASET=lpba40 METHOD=faim" in said

    # Others have taken their place since.
    monkeypatch.setattr("pmrnet.workflow.weights_sha256", lambda weights: "x" * 64)
    workflow.tables(["tiny"])
    said = capsys.readouterr().err
    assert "tiny pmrnet@lpba40: skipped" in said
    assert "to be of the weights lpba40-pmrnet" in said


def test_tables_say_how_to_install_what_a_row_needs(project, here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ants", None)
    (project / "experiments/tiny/syn.yaml").write_text("ants: {}\n")
    monkeypatch.setattr("pmrnet.workflow.to_make", lambda data: ["syn"])
    monkeypatch.setattr(workflow, "evaluate", EVALUATE)
    workflow.tables(["tiny"])
    said = capsys.readouterr().err
    assert "tiny syn: skipped: ANTs: expected the package antspyx" in said
    assert f"`{INSTALL}`" in said


def test_tables_go_on_with_a_training_that_was_stopped(project, here, capsys):
    run = Dataset.load("tiny").run("pmrnet")
    run.mkdir(parents=True)
    (run / "experiment.sha256").write_text("0\n")
    workflow.tables(["tiny"])
    assert ("train", "pmrnet") in here
    assert "tiny pmrnet: training goes on" in capsys.readouterr().err


def test_tables_keep_a_result_of_other_weights_and_say_so(project, here, capsys):
    workflow.tables(["tiny"])
    before = (project / "experiments/tiny/results/pmrnet/pairs.csv").read_bytes()
    trained = Dataset.load("tiny").run("pmrnet") / "weights.json"
    trained.write_text(json.dumps({"sha256": "x" * 64}))
    capsys.readouterr()
    workflow.tables(["tiny"])
    said = capsys.readouterr().err
    assert "tiny pmrnet: skipped" in said
    assert "--method pmrnet --overwrite" in said
    assert (project / "experiments/tiny/results/pmrnet/pairs.csv").read_bytes() == before


def test_tables_use_a_stored_result_without_its_weights_and_data(project, here, capsys):
    workflow.tables(["tiny"])
    (Dataset.load("tiny").run("pmrnet") / "weights.json").unlink()
    shutil.rmtree(project / "data")
    here.clear()
    made = workflow.tables(["tiny"])
    assert [step for step in here if step[1] in ("none", "affine", "pmrnet")] == []
    assert "not yet run" not in made["tiny"].split("95 %")[0]
