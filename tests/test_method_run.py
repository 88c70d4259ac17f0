"""How methods are made ready, and their records."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.method_run import method_run, settings_of_use
from pmrnet.refinement_settings import Refinement

ROOT = Path(__file__).resolve().parents[1]
SUBJECTS = {name: SimpleNamespace(name=name) for name in ("a", "b", "c")}


@pytest.fixture
def data(tmp_path, monkeypatch):
    for name in ("data_splits", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)  # without the weights that may have been trained here
    return Dataset.load("mindboggle")


def test_alignments_move_nothing(data):
    for method, alignment in (("none", "header"), ("affine", "affine")):
        run = method_run(data, method, SUBJECTS, {"dataset": "x"})
        assert (run.displacement, run.alignment) == (None, alignment)
        assert run.provenance["config"] == {"method": method}
        assert run.provenance["data"] == {"dataset": "x"}


def test_an_optimisation_has_its_settings_and_its_memory_on_record(data, monkeypatch):
    field = np.zeros((2, 3, 4, 3))
    monkeypatch.setattr(
        "pmrnet.shooting.ShootingRegistrar.displacement", lambda self, moving, fixed: field
    )
    memory = iter([1.5, 2.5])
    monkeypatch.setattr("pmrnet.method_run.peak_memory_gib", lambda: next(memory))
    run = method_run(data, "utilzreg", SUBJECTS, {})
    record = run.provenance
    assert record["cost"] == {}
    assert run.displacement(SUBJECTS["a"], SUBJECTS["b"]) is field
    assert run.displacement(SUBJECTS["b"], SUBJECTS["a"]) is field
    assert record["cost"] == {"peak_memory_gib": 1.5}
    assert record["config"]["name"] == "utilzreg"
    assert record["config"]["shooting"]["time_steps"] == 10
    assert record["packages"]["scipy"]
    assert (record["weights_sha256"], record["seed"], record["steps"]) == (None, None, None)


def test_a_network_of_another_data_set_says_so(data, monkeypatch):
    seen = []
    config = {"name": "pmrnet", "stages": [{"spacing": 2}]}
    description = {
        "spacing": 2,
        "sha256": "ab" * 32,
        "training": {"config": config, "seed": 1, "steps": 6, "seconds": 7.0},
    }

    def load_network(weights):
        seen.append(weights)
        return SimpleNamespace(count_params=lambda: 5), description

    monkeypatch.setattr("pmrnet.weights.load_network", load_network)
    monkeypatch.setattr("pmrnet.weights.available", lambda: ["lpba40-pmrnet", "mindboggle-pmrnet"])
    monkeypatch.setattr(
        "pmrnet.inference.Registrar.displacement",
        lambda self, moving, fixed: seen.append((self.spacing, moving.name, fixed.name)),
    )
    record = method_run(data, "pmrnet@lpba40", SUBJECTS, {}).provenance
    # Compiled before anything is timed.
    assert seen == ["lpba40-pmrnet", (2, "a", "b")]
    assert record["trained_on"] == "lpba40"
    assert record["weights_sha256"] == "ab" * 32
    assert record["cost"]["parameters"] == 5
    assert record["cost"]["training_seconds"] == 7.0
    assert "trained_on" not in method_run(data, "pmrnet", SUBJECTS, {}).provenance
    monkeypatch.setattr(
        "pmrnet.inference.PairRegistrar.displacement",
        lambda self, moving, fixed: seen.append((self.model.factor, moving.name, fixed.name)),
    )
    monkeypatch.setattr(
        "pmrnet.network_field.FieldModel.__init__",
        lambda self, _, d, symmetric: setattr(self, "factor", d["spacing"]),
    )
    refined = method_run(data, "pmrnet-refined@lpba40", SUBJECTS, {}).provenance
    assert seen[-2:] == ["lpba40-pmrnet", (2, "a", "b")]
    assert refined["trained_on"] == "lpba40"
    assert refined["weights_sha256"] == record["weights_sha256"]
    assert refined["config"]["name"] == "pmrnet"
    assert refined["config"]["refinement"]["steps"] == list(Refinement().steps)
    del seen[-2:]
    several = []
    monkeypatch.setattr(
        "pmrnet.inference.with_passes", lambda network, *counts: several.append(counts) or network
    )
    found = method_run(data, "general-three-passes@lpba40", SUBJECTS, {}, "mine.json").provenance
    assert several == [(3, None)]
    assert found["config"]["passes"] == 3
    assert found["config_sha256"] != record["config_sha256"]
    assert "refinement" not in found["config"]
    del seen[-2:]
    # Weights that are named are taken, whatever the method's file says.
    method_run(data, "utilzreg", SUBJECTS, {}, "mine.json")
    assert seen[2::2] == ["mindboggle-pmrnet", "mine.json"]


def test_settings_say_how_a_method_uses_its_network():
    assert settings_of_use("general") == {}
    assert settings_of_use("general-three-passes") == {"passes": 3}
    both = {"passes": 3, "symmetric": True}
    assert settings_of_use("general-three-passes-symmetric") == both
    refined = settings_of_use("general-three-passes-symmetric-refined")
    assert refined.pop("refinement")["steps"] == list(Refinement().steps)
    assert refined == both


def test_what_cannot_be_made_ready_is_said(data, monkeypatch):
    monkeypatch.setattr("pmrnet.weights.available", lambda: [])
    with pytest.raises(InputError, match="make train DATASET=mindboggle METHOD=nothing"):
        method_run(data, "nothing", SUBJECTS, {})
