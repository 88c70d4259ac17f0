"""Stored results are of the settings and weights that there are; others are noticed."""

import dataclasses
from pathlib import Path

import pytest

from pmrnet import workflow
from pmrnet.config import Experiment
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.methods import METHODS, method_of, split_name
from pmrnet.provenance import collect, sha256_of
from pmrnet.refinement_settings import Refinement
from pmrnet.results import load_result
from pmrnet.trained_weights import weights_sha256
from pmrnet.weights import available
from pmrnet.workflow import _other_than, _settings_of

ROOT = Path(__file__).resolve().parents[1]
STORED = sorted(path.parent for path in ROOT.glob("experiments/*/results/*/result.json"))


@pytest.fixture(autouse=True)
def root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("folder", STORED, ids=lambda f: f"{f.parents[1].name}-{f.name}")
def test_no_stored_result_is_stale(folder):
    data, method = Dataset.load(folder.parents[1].name), folder.name
    result = load_result(folder)
    assert result.protocol_hash == data.protocol.hash
    network, trained_on = split_name(method)
    weights = f"{trained_on or data.name}-{method_of(network).uses or network}"
    weights = weights if weights in available() else None
    assert (weights is None) == (result.provenance["weights_sha256"] is None)
    assert _other_than(result.provenance, method, weights, _settings_of(data, method)) is None


def test_other_settings_are_noticed(monkeypatch):
    data = Dataset.load("lpba40")
    shipped = "lpba40-pmrnet"
    stored = dict(load_result(data.results / "pmrnet").provenance)
    other = stored | {"weights_sha256": "0"}
    assert _other_than(other, "pmrnet", shipped, None) == f"weights {shipped}"
    load = Experiment.load
    monkeypatch.setattr(Experiment, "load", lambda path: dataclasses.replace(load(path), seed=7))
    settings = _settings_of(data, "pmrnet")
    sentence = "settings in experiments/lpba40/pmrnet.yaml"
    assert _other_than(stored, "pmrnet", shipped, settings) == sentence
    assert weights_sha256(shipped) == stored["weights_sha256"]


def test_a_refined_row_depends_on_the_settings_of_the_refinement(monkeypatch):
    data = Dataset.load("lpba40")
    plain, refined = (_settings_of(data, name)[1] for name in ("pmrnet", "pmrnet-refined"))
    assert plain == sha256_of(Experiment.load(data.experiment("pmrnet")).as_dict())
    changed = dataclasses.replace(Refinement(), steps=99)
    monkeypatch.setattr("pmrnet.refinement_settings.Refinement", lambda: changed)
    assert len({plain, refined, _settings_of(data, "pmrnet-refined")[1]}) == 3


def test_a_row_of_more_passes_depends_on_their_number(monkeypatch):
    data, method = Dataset.load("lpba40"), "general-three-passes"
    stored = load_result(data.results / method).provenance
    settings = _settings_of(data, method)
    assert settings[1] != _settings_of(data, "general")[1]
    assert _other_than(stored, method, None, settings) is None
    row = dataclasses.replace(METHODS[method], passes=2)
    monkeypatch.setitem(METHODS, method, row)
    assert _other_than(stored, method, None, None) == "settings of the passes"
    assert _settings_of(data, method)[1] != settings[1]


def test_a_refined_row_of_other_data_depends_on_them_too(monkeypatch):
    data, method = Dataset.load("oasis-trt"), "general-refined@lpba40"
    stored = load_result(data.results / method).provenance
    assert _other_than(stored, method, None, None) is None
    changed = dataclasses.replace(Refinement(), steps=99)
    monkeypatch.setattr("pmrnet.refinement_settings.Refinement", lambda: changed)
    assert _other_than(stored, method, None, None) == "settings of the refinement"


def test_the_folder_of_initial_weights_makes_nothing_stale(monkeypatch):
    plain = Experiment.load(Path("experiments/lpba40/pmrnet.yaml"))
    config = dataclasses.replace(plain, init="/a/weights.json")
    monkeypatch.setattr(Experiment, "load", lambda path: config)
    recorded = collect(config.as_dict(), {}, 1, 2, None)["config_sha256"]
    assert _settings_of(Dataset.load("lpba40"), "pmrnet")[1] == recorded


@pytest.mark.parametrize("method", ["none", "affine", "pmrnet@lpba40", "no-such-method"])
def test_what_has_no_settings_here(method):
    assert _settings_of(Dataset.load("mindboggle"), method) is None


def test_the_built_in_data_have_the_objective_of_the_table():
    """As the file says, so that `make demo` shows the network of the tables."""
    paths = [f"experiments/{name}/pmrnet.yaml" for name in ("demo", "lpba40")]
    demo, table = map(Experiment.load, paths)
    assert demo.network == table.network
    assert demo.objective == table.objective


@pytest.mark.parametrize("method", ["pmrnet-refined", "general-three-passes"])
def test_rows_that_use_a_networks_weights_notice_others(method, monkeypatch):
    monkeypatch.setattr("pmrnet.workflow.weights_sha256", lambda weights: "0" * 64)
    monkeypatch.setattr("pmrnet.own_process.in_own_process", lambda *_: pytest.fail("it ran"))
    with pytest.raises(InputError, match="to be of the weights"):
        workflow._complete(Dataset.load("lpba40"), "lpba40", method)
