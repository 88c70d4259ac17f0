"""`make data`: where the files come from, and what is said of them."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from rich.console import Console

from pmrnet import preparation
from pmrnet.data.mindboggle import SITES
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project folder; volumes are neither looked for elsewhere nor worked on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PMRNET_DATA", raising=False)
    calls = SimpleNamespace(prepared=None, label_ids=(1002, 1033))

    def prepare_dataset(files, out, settings, orientation, processes, console):
        calls.prepared = (files, out, settings, orientation)
        return [SimpleNamespace(name=name, label_ids=calls.label_ids) for name in files]

    monkeypatch.setattr(preparation, "prepare_dataset", prepare_dataset)
    return calls


def oasis(folder, subjects=SITES["OASIS-TRT-20"]):
    for name in subjects:
        subject = folder / "OASIS-TRT-20_volumes" / name
        subject.mkdir(parents=True)
        for stem in ("t1weighted_brain", "labels.DKT31.manual"):
            (subject / f"{stem}.nii.gz").touch()
    return folder


def prepare(name, raw=None):
    console = Console(record=True, width=1000)
    preparation.prepare(Dataset.load(name), raw, console=console)
    return console.export_text()


def test_subjects_of_the_protocol_in_a_folder(project, tmp_path):
    text = prepare("oasis-trt", oasis(tmp_path / "raw"))
    files, out, settings, orientation = project.prepared
    assert set(files) == set(SITES["OASIS-TRT-20"])
    assert str(out) == "data/prepared/mindboggle"
    assert settings.shape == (160, 192, 160)
    assert orientation.__name__ == "label_orientation"
    assert "does not know the labels 1033, which 20 subjects carry; they are ignored" in text


def test_absent_sites_are_said(project, tmp_path):
    text = prepare("mindboggle", oasis(tmp_path / "raw"))
    assert len(project.prepared[0]) == 20
    assert "38 train subjects of mindboggle are not in" in text
    assert "4 validation subjects" in text


def test_places_that_are_looked_at(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PMRNET_DATA", str(tmp_path / "elsewhere"))
    oasis(tmp_path / "elsewhere" / "mindboggle", SITES["OASIS-TRT-20"][:2])
    prepare("mindboggle")
    assert len(project.prepared[0]) == 2
    oasis(tmp_path / "data" / "raw" / "mindboggle", SITES["OASIS-TRT-20"][:3])
    prepare("mindboggle")
    assert len(project.prepared[0]) == 3


def test_the_folder_given_last_is_remembered(project, tmp_path, monkeypatch):
    given = oasis(tmp_path / "given", SITES["OASIS-TRT-20"][:4])
    prepare("mindboggle", Path("given"))
    oasis(tmp_path / "data" / "raw" / "mindboggle", SITES["OASIS-TRT-20"][:3])
    prepare("oasis-trt")  # of the same source
    assert len(project.prepared[0]) == 4
    assert all(files.image.is_relative_to(given) for files in project.prepared[0].values())
    shutil.rmtree(given)
    prepare("mindboggle")
    assert len(project.prepared[0]) == 3


def test_lpba40_says_what_to_download(project):
    with pytest.raises(InputError, match="LONI") as caught:
        prepare("lpba40")
    assert "RAW=" in str(caught.value)


def test_mindboggle_is_downloaded(project, tmp_path, monkeypatch):
    from pmrnet.data import fetch_mindboggle

    asked = []

    def fetch(folder, sites, console):
        asked.append(sites)
        return oasis(tmp_path / folder)

    monkeypatch.setattr(fetch_mindboggle, "fetch_mindboggle", fetch)
    prepare("mindboggle")
    assert len(project.prepared[0]) == 20
    prepare("mindboggle")  # is there now
    assert asked == [("OASIS-TRT-20", "NKI-RS-22", "NKI-TRT-20")]


def test_only_the_sites_of_the_protocol_are_downloaded(project, tmp_path, monkeypatch):
    from pmrnet.data import fetch_mindboggle

    def fetch(folder, sites, console):
        assert sites == ("OASIS-TRT-20",)
        return oasis(tmp_path / folder)

    monkeypatch.setattr(fetch_mindboggle, "fetch_mindboggle", fetch)
    prepare("oasis-trt")
    assert len(project.prepared[0]) == 20


def test_a_download_that_was_stopped_goes_on(project, tmp_path, monkeypatch):
    from pmrnet.data import fetch_mindboggle

    oasis(tmp_path / "data" / "raw" / "mindboggle", SITES["OASIS-TRT-20"][:2])
    monkeypatch.setattr(fetch_mindboggle, "is_download", lambda _: True)
    calls = []

    def fetch(folder, sites, console):
        calls.append(sites)
        return oasis(tmp_path / folder, SITES["OASIS-TRT-20"][2:])

    monkeypatch.setattr(fetch_mindboggle, "fetch_mindboggle", fetch)
    prepare("oasis-trt")
    assert len(project.prepared[0]) == 20
    # Another site's is no reason to go on with it, once all that is wanted is there.
    prepare("oasis-trt")
    assert len(calls) == 1


def test_further_sites_are_downloaded_when_they_are_wanted(project, tmp_path, monkeypatch):
    from pmrnet.data import fetch_mindboggle

    oasis(tmp_path / "data" / "raw" / "mindboggle")
    asked = []

    def fetch(folder, sites, console):
        asked.append(sites)
        return tmp_path / folder

    monkeypatch.setattr(fetch_mindboggle, "fetch_mindboggle", fetch)
    prepare("mindboggle")  # somebody's own folder: what is not there is said
    assert asked == []
    (tmp_path / "data" / "raw" / "mindboggle" / "download.json").write_text(
        '{"sites": ["OASIS-TRT-20"]}'
    )
    prepare("oasis-trt")
    assert asked == []
    prepare("mindboggle")
    assert asked == [("OASIS-TRT-20", "NKI-RS-22", "NKI-TRT-20")]


def test_half_a_subject_that_nobody_asks_for(project, tmp_path):
    folder = oasis(tmp_path / "mindboggle")
    half = folder / "NKI-RS-22_volumes" / "NKI-RS-22-1"
    half.mkdir(parents=True)
    (half / "t1weighted_brain.nii.gz").write_bytes(b"x")
    prepare("oasis-trt", folder)
    assert len(project.prepared[0]) == 20
    with pytest.raises(InputError, match="NKI-RS-22-1/labels"):
        prepare("mindboggle", folder)


def test_missing_folder(project, tmp_path):
    with pytest.raises(InputError, match="folder or an archive at nowhere"):
        prepare("mindboggle", tmp_path.__class__("nowhere"))


def own(tmp_path, **changes):
    names = ["a", "b", "c", "d"]
    content = {
        "name": "mine",
        "train": names[:2],
        "validation": names[2:],
        "data": {"subjects": {n: {"image": f"{n}.nii.gz"} for n in names}, "shape": [96, 96, 64]},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return str(path)


def test_own_files(project, tmp_path):
    prepare(own(tmp_path))
    files, out, settings, orientation = project.prepared
    assert files["b"] == SubjectFiles(tmp_path / "b.nii.gz")
    assert str(out) == "data/prepared/mine"
    assert settings.shape == (96, 96, 64)
    assert orientation is None
    with pytest.raises(InputError, match="names every file itself"):
        prepare(own(tmp_path), tmp_path)


def test_own_files_need_a_name_of_their_own(project, tmp_path):
    shipped = tmp_path / "data_splits" / "mine.yaml"
    shipped.parent.mkdir()
    shipped.write_text("name: mine")
    with pytest.raises(InputError, match="expected a name of its own"):
        prepare(own(tmp_path))


def test_a_file_without_subjects(project, tmp_path):
    path = tmp_path / "bare.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "train": ["a", "b"], "validation": ["c", "d"]}))
    with pytest.raises(InputError, match="pmrnet draft"):
        prepare(str(path))
