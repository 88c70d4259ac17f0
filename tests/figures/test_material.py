from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.figures import material
from pmrnet.methods import SHOWN
from pmrnet.results import write_result

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project with the protocols alone."""
    (tmp_path / "data_splits").symlink_to(ROOT / "data_splits")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store(folder, method, protocol, dice, protocol_hash=None):
    records = [
        {
            "moving": moving,
            "fixed": fixed,
            "seconds": 1.0,
            "folding": 0.0,
            "folding_brain": 0.0,
            "sdlogj": 0.0,
            "dice": [[label, dice] for label in protocol.labels],
        }
        for moving, fixed in protocol.pairs("test")
    ]
    named = {"name": protocol.name, "hash": protocol_hash or protocol.hash}
    write_result(folder / method, method, named, {}, {}, records)


def test_scores_and_reasons(project):
    data = Dataset.load("lpba40")
    store(data.results, "affine", data.protocol, 0.25)
    store(data.results, "mine", data.protocol, 0.5)
    store(data.results, "pmrnet", data.protocol, 0.75, protocol_hash="0" * 12)
    scores, absent = material.scores_of(data)
    assert list(scores) == ["Affine", "mine"]
    assert scores["mine"].shape == (90, 8)
    np.testing.assert_allclose(scores["Affine"], 0.25)
    assert absent["PMR-Net"] == "its stored result is of another protocol"
    assert absent["VoxelMorph"] == "no result stored"
    assert not set(scores) & set(absent)


def test_only_the_methods_that_are_named(project):
    data = Dataset.load("lpba40")
    for method in ("affine", "mine", "pmrnet"):
        store(data.results, method, data.protocol, 0.5)
    scores, absent = material.scores_of(data, ["syn", "pmrnet", "affine"])
    assert list(scores) == ["Affine", "PMR-Net"]
    assert list(absent) == ["ANTs SyN"]
    with pytest.raises(InputError, match=r"expected some of .* mine, found pmr-net; name those"):
        material.scores_of(data, ["pmr-net", "affine"])
    with pytest.raises(InputError, match="found none"):
        material.shown_methods(data, [])


def test_methods_that_are_shown_where_none_is_named(project):
    """The paper's and the like, and one's own; of other data sets those that are trained there."""
    data = Dataset.load("lpba40")
    store(data.results, "mine", data.protocol, 0.5)
    shown = material.shown_methods(data)
    assert shown == [*SHOWN, "mine"]
    everything = material.shown_methods(data, ["all"])
    assert set(shown) < set(everything)
    assert "general-1mm" in everything
    elsewhere = material.shown_methods(Dataset.load("oasis-trt"))
    assert "pmrnet" in elsewhere
    assert "pmrnet@lpba40" not in elsewhere
    assert "general-three-passes@lpba40" in elsewhere


def test_views_of_the_methods_that_are_named(project, monkeypatch):
    data = Dataset.load("demo")
    subject = SimpleNamespace(
        image=np.zeros((4, 5, 6), np.float32),
        labels_path=None,
        name="sub",
        native_affine=np.eye(4),
        grid_to_native=np.eye(4),
    )
    pair = material.Pair(data, data.protocol, subject, subject)
    for method in ("mine", "other"):
        store(data.results, method, data.protocol, 0.5)
    registered = []

    def displacement(_, method, scored):
        registered.append(method)
        return np.zeros((4, 5, 6, 3), np.float32)

    monkeypatch.setattr(material, "_displacement", displacement)
    _, views, absent = material.views_of(pair, ["mine", "affine"])
    assert [view.title for view in views] == ["Affine", "mine"]
    assert registered == ["mine"]
    assert absent == {}


def test_the_demo_leaves_its_results_elsewhere(project):
    data = Dataset.load("demo")
    store(Path("runs/demo-report/results"), "pmrnet", data.protocol, 0.5)
    store(Path("runs/demo-report/results"), "none", data.protocol, 0.25)
    store(data.results, "none", data.protocol, 0.125)
    scores, _ = material.scores_of(data)
    assert {name: table.iloc[0, 0] for name, table in scores.items()} == {
        "No registration": 0.125,
        "PMR-Net": 0.5,
    }


def test_built_in_subjects_borrow_weights_and_others_do_not(project):
    _, description, source = material.load_method("demo")
    assert source == material.SUBSTITUTE
    assert description["spacing"] == 2
    for dataset, method in (("demo", "pmrnet-plus"), ("mindboggle", "pmrnet")):
        with pytest.raises(InputError, match="make train"):
            material.load_method(dataset, method)


def test_a_pair_that_is_not_there(project):
    with pytest.raises(InputError, match="make data DATASET=lpba40"):
        material.load_pair("lpba40", make=True)
    with pytest.raises(InputError, match="make data DATASET=demo"):
        material.load_pair("demo")
    assert not (project / "data").exists()


def test_methods_that_optimise_every_pair_are_shown_where_they_are_scored(monkeypatch):
    monkeypatch.chdir(ROOT)
    pair = material.Pair(Dataset.load("lpba40"), None, "S01", "S02")
    register = SimpleNamespace(displacement_function=lambda: lambda *pair: pair)
    monkeypatch.setattr(material.Optimised, "load", lambda _: register)
    with pytest.raises(InputError, match=r"^not scored$"):
        material._displacement(pair, "utilzreg", False)
    assert material._displacement(pair, "utilzreg", True) == ("S01", "S02")

    def missing():
        raise InputError("ANTs: expected the package antspyx, found none")

    register.displacement_function = missing
    with pytest.raises(InputError, match=r"^its package is not installed$"):
        material._displacement(pair, "syn", True)
    with pytest.raises(InputError, match=r"^no weights$"):
        material._displacement(pair, "no-such-method", True)
