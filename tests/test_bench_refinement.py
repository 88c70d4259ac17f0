"""The comparison of the refinement's settings: what is read, measured, kept and shown."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pmrnet.bench import refinement
from pmrnet.bench.refinement import main, markdown
from pmrnet.bench.refinement_trial import EXAMPLE, measure, read_list
from pmrnet.dataset import Dataset
from pmrnet.refinement_settings import Refinement

ROOT = Path(__file__).resolve().parents[1]
GRID = (4, 5, 6)


class Model:
    """Finds a field that folds where it is told to refine, and counts what it is asked."""

    def __init__(self):
        self.asked = []
        self.description = {"sha256": "0123", "weights": "some", "network": {}}

    def field(self, moving, fixed, refine):
        self.asked.append((moving.mean(), fixed.mean(), refine))
        displacement = np.zeros((*GRID, 3), np.float32)
        if not any(refine.steps):
            return SimpleNamespace(displacement=displacement, refinement=None)
        displacement[..., 0] = -2.0 * np.arange(GRID[0])[:, None, None]
        levels = [{"steps": number} for number in refine.steps]
        return SimpleNamespace(displacement=displacement, refinement={"levels": levels})


def subject(value):
    return SimpleNamespace(image_at=lambda spacing: np.full(GRID, value * spacing))


def test_every_pair_is_refined_and_scored():
    model = Model()
    pairs = [(subject(1.0), subject(2.0)), (subject(3.0), subject(1.0))]
    settings = Refinement(steps=(3, 1, 2))
    scores = iter((0.61234, 0.7))
    found = measure(model, settings, pairs, lambda *_: next(scores))
    assert model.asked == [(1.0, 2.0, settings), (3.0, 1.0, settings)]
    assert found["dice"] == [0.6123, 0.7]
    assert found["steps"] == [[3, 1, 2], [3, 1, 2]]
    assert found["folding"] == [1.0, 1.0]  # of x - 2 x everywhere
    assert found["settings"]["steps"] == (3, 1, 2)
    assert len(found["wall"]) == len(found["cpu"]) == 2


def test_without_steps_there_are_no_levels():
    found = measure(Model(), Refinement(steps=0), [(subject(1.0), subject(1.0))], lambda *_: 0.5)
    assert found["steps"] == [[]]
    assert found["folding"] == [0.0]


def test_the_projects_own_list_is_read():
    settings = read_list(ROOT / EXAMPLE)
    assert settings["default"] == Refinement()
    assert not any(settings["network alone"].steps)
    assert len(set(settings.values())) == len(settings) > 5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: {stepps: 3}", "a: expected only the keys levels, .*found stepps"),
        ("a: {steps: -1}", "steps must be a whole number of 0 or more.*; correct the file"),
        ("a: 3", "a: expected a mapping of settings, found 3"),
        ("[]", "a mapping that is not empty"),
    ],
)
def test_mistakes_in_the_list_are_said(tmp_path, capsys, text, sentence):
    path = tmp_path / "list.yaml"
    path.write_text(text)
    assert main(["--settings", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert re.search(sentence, error)


def test_a_list_that_is_not_there_is_said(tmp_path, capsys):
    assert main(["--settings", str(tmp_path / "none.yaml")]) == 2
    assert "expected a YAML file of settings, found none" in capsys.readouterr().err


def test_number_of_pairs_is_checked(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["--pairs", "21"]) == 2
    assert "expected 1 to 20 validation pairs of lpba40, found 21" in capsys.readouterr().err


@pytest.fixture
def run_it(monkeypatch, tmp_path):
    """Run the command on two settings with a model that only counts."""
    model = Model()
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Dataset, "subjects", lambda self, names: {n: subject(1.0) for n in names})
    monkeypatch.setattr("pmrnet.workflow.data_identity", lambda *_: {"dataset": "lpba40"})
    monkeypatch.setattr("pmrnet.network_field.load_field_model", lambda *_: model)
    monkeypatch.setattr(refinement, "mean_dice", lambda labels: lambda *_: 0.5)
    path = tmp_path / "list.yaml"

    def run(text, *options):
        path.write_text(text)
        status = main(
            ["--settings", str(path), "--output", str(tmp_path), "--pairs", "2", *options]
        )
        assert status == 0
        asked = len(model.asked)
        model.asked.clear()
        return asked, json.loads((tmp_path / "refinement.json").read_text())

    return run


def test_results_are_stored_and_what_is_there_can_be_kept(run_it):
    two = "one: {steps: 0}\ntwo: {}\n"
    asked, results = run_it(two)
    assert asked == 4
    assert list(results["measured"]) == ["one", "two"]
    assert results["provenance"]["config"]["pairs"] == [["S26", "S27"], ["S30", "S29"]]
    # As if it had been stopped, and one of the settings were another one by now.
    asked, results = run_it("one: {steps: 2}\ntwo: {}\nthree: {window: 5}\n", "--resume")
    assert asked == 4
    assert sorted(results["measured"]) == ["one", "three", "two"]
    assert results["measured"]["one"]["settings"]["steps"] == [2, 2, 2]
    assert run_it(two)[0] == 4  # unless it is said, all is measured


@pytest.mark.parametrize("content", ["{", "[]", '{"provenance": {}}'])
def test_damaged_results_are_not_gone_on_from(run_it, tmp_path, capsys, content):
    (tmp_path / "refinement.json").write_text(content)
    (tmp_path / "one.yaml").write_text("one: {}\n")
    settings = ["--settings", str(tmp_path / "one.yaml"), "--pairs", "2"]
    assert main([*settings, "--output", str(tmp_path), "--resume"]) == 2
    assert "refinement.json: expected the results of an earlier run" in capsys.readouterr().err
    assert (tmp_path / "refinement.json").read_text() == content


def test_table():
    record = {
        "machine": {"cores": 2, "cpu": "A CPU"},
        "created": "2026-01-02T03:04:05",
        "git": {"commit": "0123456789ab"},
        "config": {
            "protocol": "lpba40",
            "weights": "w",
            "passes": 1,
            "pairs": [["a", "b"], ["b", "a"], ["a", "c"]],
        },
        "data": {"dataset": "the images"},
    }
    of = {
        "wall": [90.0, 2.0, 4.0],
        "cpu": [99.0, 3.0, 5.0],
        "steps": [[3, 1]] * 3,
        "dice": [0.6, 0.7, 0.8],
        "folding": [0.0, 0.001, 0.002],
    }
    text = markdown({"provenance": record, "load": 0.1, "measured": {"this": of}})
    assert "| this | 3 + 1 | 0.7000 | 0.1000 | 4.0 |" in text
    assert "`w` on 3 validation pairs of lpba40 (a → b, b → a, a → c)" in text
    record["config"]["passes"] = 4
    text = markdown({"provenance": record, "load": 0.1, "measured": {}})
    assert "`w`, which looks 4 times, on 3" in text
