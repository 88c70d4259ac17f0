"""Which rows a table has, and the commands that make them."""

import shutil
from pathlib import Path

import pytest

from pmrnet.dataset import Dataset
from pmrnet.methods import METHODS, in_order
from pmrnet.rows import is_trained_here, listed, row_of, to_make

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = [method for method, shown in METHODS.items() if shown.trained]
#: what data sets other than LPBA40 can have of their own
ANYWHERE = [method for method, shown in METHODS.items() if shown.home is None]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with all protocols and two experiments of LPBA40, and shipped weights of one."""
    (tmp_path / "data_splits").symlink_to(ROOT / "data_splits")
    folder = tmp_path / "experiments/lpba40"
    folder.mkdir(parents=True)
    for name in ("pmrnet", "syn"):
        shutil.copy(ROOT / f"experiments/lpba40/{name}.yaml", folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pmrnet.weights.available", lambda: ["lpba40-pmrnet"])
    return tmp_path


def test_the_papers_tables_list_all_methods_and_networks_of_lpba40_elsewhere(project):
    assert listed(Dataset.load("lpba40")) == list(METHODS)
    elsewhere = [f"{m}@lpba40" for m, shown in METHODS.items() if shown.trained or shown.uses]
    for name in ("mindboggle", "oasis-trt"):
        found = listed(Dataset.load(name))
        assert [method for method in found if "@" not in method] == ANYWHERE
        assert [method for method in found if "@" in method] == elsewhere
        assert found.index("pmrnet@lpba40") == found.index("pmrnet") + 1


def test_other_tables_list_what_there_is(project):
    result = project / "experiments/mindboggle-dkt31/results/pmrnet@lpba40/result.json"
    result.parent.mkdir(parents=True)
    result.touch()
    (project / "experiments/mindboggle-dkt31/mine.yaml").touch()
    found = listed(Dataset.load("mindboggle-dkt31"))
    assert found == ["none", "affine", "pmrnet@lpba40", "mine"]


def test_what_can_be_made(project):
    untrained = [method for method in METHODS if method not in NETWORKS]
    assert to_make(Dataset.load("lpba40")) == in_order([*untrained, "pmrnet"])
    found = to_make(Dataset.load("mindboggle-dkt31"))
    anywhere = {*untrained, "pmrnet"} & {*ANYWHERE}
    assert set(found) - anywhere == {"pmrnet@lpba40", "pmrnet-refined@lpba40"}
    # Stored at 2 mm.
    assert set(to_make(Dataset.load("demo"))) == anywhere
    run = project / "runs/lpba40/faim"
    run.mkdir(parents=True)
    (run / "weights.json").touch()
    assert "faim@lpba40" in to_make(Dataset.load("oasis-trt"))


def test_commands(project):
    data = Dataset.load("mindboggle")
    (project / "experiments/mindboggle").mkdir()
    (project / "experiments/mindboggle/mine.yaml").write_text("shooting: {}\n")
    commands = {
        "pmrnet": "make train evaluate DATASET=mindboggle METHOD=pmrnet",
        "faim": "make train evaluate DATASET=mindboggle METHOD=faim",
        "syn": "make evaluate DATASET=mindboggle METHOD=syn",
        "mine": "make evaluate DATASET=mindboggle METHOD=mine",
        "none": "make evaluate DATASET=mindboggle METHOD=none",
        "pmrnet@lpba40": "make evaluate DATASET=mindboggle METHOD=pmrnet@lpba40",
    }
    assert {method: row_of(data, method).command for method in commands} == commands
    assert row_of(data, "pmrnet").paper == "Our Method"
    row = row_of(data, "pmrnet@lpba40")
    assert (row.title, row.paper) == ("PMR-Net, trained on LPBA40", None)
    assert [m for m in commands if is_trained_here(data, m)] == ["pmrnet", "faim"]
