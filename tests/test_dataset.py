"""A data set by its name or its file: where its things are."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pmrnet.dataset import Dataset
from pmrnet.errors import InputError


@pytest.mark.parametrize(
    ("name", "source", "prepared"),
    [
        ("lpba40", "lpba40", "data/prepared/lpba40"),
        ("demo", "demo", "data/prepared/demo"),
        ("mindboggle", "mindboggle", "data/prepared/mindboggle"),
        ("oasis-trt", "mindboggle", "data/prepared/mindboggle"),
    ],
)
def test_shipped_protocols(name, source, prepared):
    dataset = Dataset.load(name)
    assert (dataset.name, dataset.source) == (name, source)
    assert dataset.prepared == Path(prepared)
    assert dataset.results == Path("experiments") / name / "results"
    assert dataset.run("pmrnet") == Path("runs") / name / "pmrnet"


def own(folder, name="mine"):
    subjects = "".join(f"    {s}: {{image: {s}.nii.gz}}\n" for s in "abcd")
    path = folder / "file.yaml"
    path.write_text(
        f"name: {name}\ntrain: [a, b]\nvalidation: [c, d]\ndata:\n  subjects:\n{subjects}"
    )
    return path


def test_a_file_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = Dataset.load(own(tmp_path))
    assert dataset.source == "mine"
    assert dataset.prepared == Path("data/prepared/mine")
    with pytest.raises(InputError, match=r"make data DATASET=.*file\.yaml"):
        dataset.subjects(("a",))
    dataset.prepared.mkdir(parents=True)
    with pytest.raises(InputError, match="expected 2 subjects of mine, found no a, b"):
        dataset.subjects(("a", "b"))


def test_volumes_of_another_protocols_grid_are_refused(tmp_path, monkeypatch):
    """Protocols of one source share their volumes, whose grid may be another one's."""
    monkeypatch.chdir(tmp_path)
    path = own(tmp_path)
    path.write_text(path.read_text().split("data:")[0] + "data: {source: lpba40}\n")
    dataset = Dataset.load(path)
    (dataset.prepared / "a").mkdir(parents=True)
    (dataset.prepared / "a" / "subject.json").touch()
    found = SimpleNamespace(folder="a", spacing=2, image=np.zeros((80, 96, 80), np.uint8))
    monkeypatch.setattr("pmrnet.dataset.PreparedSubject.load", lambda *_, **__: found)
    assert dataset.subjects(("a",)) == {"a": found}
    found.image = np.zeros((80, 96, 64), np.uint8)
    with pytest.raises(InputError, match="protocol's 80 x 96 x 80 voxels, found 80 x 96 x 64, as"):
        dataset.subjects(("a",))


def test_experiments_are_ones_own_or_the_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = Dataset.load(own(tmp_path))
    with pytest.raises(InputError, match="expected the project's folder"):
        dataset.experiment("pmrnet")
    (tmp_path / "experiments").mkdir()
    with pytest.raises(InputError, match=r"found none there nor in .*lpba40"):
        dataset.experiment("pmrnet")
    recipe = tmp_path / "experiments" / "lpba40" / "pmrnet.yaml"
    mine = tmp_path / "experiments" / "mine" / "pmrnet.yaml"
    for path in (recipe, mine):
        path.parent.mkdir(parents=True)
        path.touch()
        assert dataset.experiment("pmrnet") == path.relative_to(tmp_path)


def test_a_space_has_a_folder_of_its_own(tmp_path):
    text = Path("data_splits/oasis-trt.yaml").read_text()
    path = tmp_path / "twins.yaml"
    path.write_text(
        text.replace("name: oasis-trt", "name: twins").replace(
            "source: mindboggle", "source: mindboggle\n  space: mni152"
        )
    )
    assert Dataset.load(path).prepared == Path("data/prepared/mindboggle-mni152")
