"""Experiment files of methods without weights."""

from importlib import metadata
from pathlib import Path

import pytest

from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.methods import METHODS
from pmrnet.optimised import Optimised, recipe_of, section_of
from pmrnet.shooting import ShootingRegistrar, ShootingSettings
from pmrnet.syn import SynSettings

ROOT = Path(__file__).resolve().parents[1]
LPBA40 = ROOT / "experiments" / "lpba40"


@pytest.fixture
def file(tmp_path):
    def file(text):
        (tmp_path / "ours.yaml").write_text(text)
        return tmp_path / "ours.yaml"

    return file


def test_content(file):
    ours = Optimised.load(file("shooting: {scales: [8.0, 4.0], memory: 7}"))
    assert ours.settings == ShootingSettings(scales=(8.0, 4.0), memory=7)
    plain = ours.as_dict()
    assert list(plain) == ["name", "shooting"]
    assert (plain["name"], plain["shooting"]["memory"]) == ("ours", 7)
    assert ours.seed is None
    assert ours.versions() == {"scipy": metadata.version("scipy")}
    registrar = ours.displacement_function().__self__
    assert isinstance(registrar, ShootingRegistrar)
    assert registrar.settings is ours.settings

    ours = Optimised.load(file("ants: {random_seed: 3}"))
    assert ours.settings == SynSettings(random_seed=3)
    assert ours.seed == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shooting: {memory: 7}\nseed: 1", "expected no other key beside shooting, found seed"),
        ("ants: {}\nshooting: {}", "expected no other key beside shooting, found ants"),
        ("shooting: {memory: x}", "shooting.memory"),
        ("ants:", "ants: expected a mapping"),
        ("network: {}", "expected one of the keys shooting, ants"),
        ("- ants", "expected a mapping"),
    ],
)
def test_a_mistake_names_the_file(file, text, message):
    with pytest.raises(InputError, match=message) as caught:
        Optimised.load(file(text))
    assert "ours.yaml" in str(caught.value)


def test_stored_experiments():
    kinds = {path.stem: section_of(path) for path in LPBA40.glob("*.yaml")}
    found = {name for name, kind in kinds.items() if kind}
    assert found == {"utilzreg", "syn", "syn-cc"}
    assert all(not METHODS[name].trained for name in found)
    assert Optimised.load(LPBA40 / "utilzreg.yaml").settings == ShootingSettings()
    assert Optimised.load(LPBA40 / "syn.yaml").settings == SynSettings()
    settings = Optimised.load(LPBA40 / "syn-cc.yaml").settings
    assert (settings.type_of_transform, settings.syn_metric) == ("SyNOnly", "CC")


def test_which_methods_have_no_weights(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    data = Dataset.load("mindboggle")  # has LPBA40's experiments
    assert recipe_of(data, "syn") == Path("experiments/lpba40/syn.yaml")
    for method in ("pmrnet", "none", "affine", "pmrnet@lpba40", "without-experiment"):
        assert recipe_of(data, method) is None
    monkeypatch.chdir(tmp_path)
    assert recipe_of(data, "none") is None
    (tmp_path / "experiments").mkdir()
    with pytest.raises(InputError, match="expected an experiment file"):
        recipe_of(data, "syn")
