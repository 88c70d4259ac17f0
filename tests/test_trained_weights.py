"""Which weights a method has."""

from dataclasses import replace
from pathlib import Path

import pytest

from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.trained_weights import (
    methods_with_weights,
    misfit,
    training_cost,
    training_machines,
    weights_of,
    weights_sha256,
)
from pmrnet.weights import load_network

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the protocols and experiments, and shipped weights of pmrnet on LPBA40."""
    for name in ("data_splits", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pmrnet.weights.available", lambda: ["lpba40-pmrnet", "demo-faim"])
    return tmp_path


def trained(dataset, method):
    path = Dataset.load(dataset).run(method) / "weights.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return str(path)


def test_the_trained_ones_come_before_the_shipped_ones(project):
    assert weights_of("lpba40", "pmrnet") == "lpba40-pmrnet"
    path = trained("lpba40", "pmrnet")
    assert weights_of("lpba40", "pmrnet") == path
    assert weights_of("lpba40", "pmrnet", "mine.json") == "mine.json"
    with pytest.raises(InputError, match="make train DATASET=lpba40 METHOD=other"):
        weights_of("lpba40", "other")


def test_those_of_another_data_set(project):
    assert weights_of("mindboggle", "pmrnet@lpba40") == "lpba40-pmrnet"
    with pytest.raises(InputError, match="make train DATASET=lpba40 METHOD=faim"):
        weights_of("mindboggle", "faim@lpba40")
    trained("mindboggle", "faim")  # not LPBA40's
    with pytest.raises(InputError, match="make train DATASET=lpba40 METHOD=faim"):
        weights_of("mindboggle", "faim@lpba40")
    path = trained("lpba40", "faim")
    assert weights_of("oasis-trt", "faim@lpba40") == path
    with pytest.raises(InputError, match="weights of another data set, found its own"):
        weights_of("lpba40", "pmrnet@lpba40")
    with pytest.raises(InputError, match=r"demo: expected the network grid of lpba40 .160x192x160"):
        weights_of("demo", "pmrnet@lpba40")
    assert weights_of("demo", "pmrnet@lpba40", "mine.json") == "mine.json"


def test_what_needs_none_is_evaluated_without(project):
    for method in ("syn", "utilzreg@lpba40"):
        with pytest.raises(InputError, match=r"without weights.*make evaluate DATASET=mindboggle"):
            weights_of("mindboggle", method)


def test_whoever_was_trained_on_is_not_tested_on(project):
    oasis, mindboggle, lpba40 = map(Dataset.load, ("oasis-trt", "mindboggle", "lpba40"))
    assert "found OASIS-TRT-20-1, OASIS-TRT-20-10" in misfit(oasis, mindboggle)
    assert misfit(mindboggle, oasis) is None
    assert misfit(lpba40, mindboggle) is None
    # Subjects of two data sets may be called alike.
    namesake = replace(lpba40.protocol, name="mine", data=mindboggle.protocol.data)
    assert misfit(lpba40, Dataset("mine", replace(namesake, test=("S01", "S02")))) is None
    named = {"name": "mine", "test": ("S01", "S31")}
    assert "found S01;" in misfit(lpba40, Dataset("mine", replace(lpba40.protocol, **named)))
    # Nor are weights tested on those who chose them.
    chose = lpba40.protocol.validation[0]
    named = {"name": "mine", "test": ("S31", chose)}
    assert f"found {chose};" in misfit(lpba40, Dataset("mine", replace(lpba40.protocol, **named)))
    shaped = replace(lpba40.protocol.data, shape=(192, 192, 160))
    other = Dataset("mine", replace(namesake, data=shaped))
    assert "found 192x192x160 voxels" in misfit(lpba40, other)


def test_methods_with_weights(project):
    trained("lpba40", "faim")
    (project / "runs/lpba40/begun").mkdir()
    assert methods_with_weights(Dataset.load("lpba40")) == ["faim", "pmrnet"]
    assert methods_with_weights(Dataset.load("mindboggle")) == []


def test_checksum_without_loading():
    assert weights_sha256("lpba40-pmrnet") == load_network("lpba40-pmrnet")[1]["sha256"]


def test_cost_of_a_training_and_of_what_it_started_from():
    training = {"steps": 2500, "seconds": 30, "init": {"steps": 10_000, "seconds": 90}}
    assert training_cost(training) == {"steps": 12_500, "seconds": 120}
    assert training_cost({"steps": 5, "seconds": 7, "init": None}) == {"steps": 5, "seconds": 7}
    assert training_cost({"steps": 5}) == {"steps": 5, "seconds": None}


def test_machines_of_a_training():
    gpu = {"machine": {"cpu": "Xeon", "cores": 16, "accelerator": "H100"}}
    cpu = {"machine": {"cpu": "EPYC", "cores": 2, "accelerator": None}}
    assert training_machines(cpu) == ["EPYC, cores: 2"]
    assert training_machines({**cpu, "starts": [gpu, gpu, cpu]}) == [
        "H100, cores: 16",
        "EPYC, cores: 2",
    ]
    assert training_machines({}) == []
