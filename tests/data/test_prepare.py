import json
import shutil
import subprocess
from collections import namedtuple
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console
from scipy import ndimage
from small_brains import (
    CHEAP,
    NATIVE,
    NATIVE_SHAPE,
    SETTINGS,
    SHAPE,
    small_brain,
    write_subject,
)

from pmrnet.data import alignment, prepare, prepared
from pmrnet.data.affine import AffineSettings
from pmrnet.data.intensity import normalise
from pmrnet.data.lpba40 import find_subjects, label_orientation
from pmrnet.data.prepare import PrepareSettings, prepare_dataset, prepare_subject
from pmrnet.data.prepared import PreparedSubject
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.template import network_grid
from pmrnet.data.volume import save_image
from pmrnet.errors import InputError
from pmrnet.folder_lock import folder_lock

STUB = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.05, 0, -0.03) * 1.02, (1, -2, 3))
FILES = ["affine.json", "image.npy", "subject.json"]


@pytest.fixture
def files(tmp_path):
    return write_subject(tmp_path / "raw")


@pytest.fixture
def calls(monkeypatch):
    """Replace the alignment by a known one; the list counts how often it ran."""
    ran = []

    def stub(moving, fixed, settings, quick):
        assert not quick  # the tables' alignments are settled
        ran.append(settings)
        return STUB

    monkeypatch.setattr(alignment, "estimate_affine", stub)
    return ran


def console(path):
    return Console(file=path.open("w"), width=1000)


def flip(path, labels):
    """Another orientation than the header's."""
    return labels.affine @ nib.affines.from_matvec(np.diag([-1, 1, 1]), (NATIVE_SHAPE[0] - 1, 0, 0))


def test_image_and_matrix_agree(tmp_path, files, calls):
    subject = prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    assert subject.native_shape == NATIVE_SHAPE
    np.testing.assert_allclose(subject.native_affine, NATIVE, atol=1e-4)
    voxels = np.indices(SHAPE).reshape(3, -1).T
    native = nib.affines.apply_affine(subject.grid_to_native, voxels)
    # The same point in space, by the definition of the alignment.
    np.testing.assert_allclose(
        nib.affines.apply_affine(subject.native_affine, native),
        nib.affines.apply_affine(STUB @ network_grid(1, SHAPE).affine, voxels),
        atol=1e-8,
    )
    oracle = ndimage.map_coordinates(small_brain(), native.T, order=1, mode="grid-constant")
    image = subject.image
    assert isinstance(image, np.memmap)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, normalise(oracle.reshape(SHAPE)), atol=2e-4)
    labels = subject.labels()
    np.testing.assert_array_equal(labels.data, small_brain() > 0.5)
    np.testing.assert_array_equal(labels.affine, subject.native_affine)


def test_what_is_written(tmp_path, files, calls):
    prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    folder = tmp_path / "out" / "S01"
    assert sorted(p.name for p in folder.iterdir()) == FILES
    record = json.loads((folder / "subject.json").read_text())
    assert record["settings_hash"] == SETTINGS.hash()
    assert record["inputs"]["image"]["path"] == str(files.image)
    sums = subprocess.check_output(["sha256sum", files.image, folder / "image.npy"], text=True)
    assert record["inputs"]["image"]["sha256"] == sums.split()[0]
    assert record["outputs"] == {"image.npy": sums.split()[2]}
    assert 0 < record["overlap"] <= 1
    assert record["settings"]["affine"]["levels"] == [16.0]
    np.testing.assert_array_equal(record["affine"]["template_to_subject"], STUB)


def test_resume(tmp_path, files, calls):
    def run():
        return prepare_subject("S01", files, tmp_path / "out", SETTINGS)

    first = np.array(run().image)
    folder = tmp_path / "out" / "S01"
    written = {name: (folder / name).stat().st_mtime_ns for name in FILES}
    run()
    assert {name: (folder / name).stat().st_mtime_ns for name in FILES} == written
    (folder / "image.npy").write_bytes(b"broken")
    np.testing.assert_array_equal(run().image, first)
    (folder / "subject.json").write_text('{"name": "S01"')
    run()
    assert len(calls) == 1, "the alignment was whole all the time"
    (folder / "affine.json").unlink()
    run()
    assert len(calls) == 1, "nothing is missing that is needed"
    shutil.rmtree(folder)
    np.testing.assert_array_equal(run().image, first)
    assert len(calls) == 2


def test_only_what_depends_on_a_setting_is_redone(tmp_path, files, calls, monkeypatch):
    out = tmp_path / "out"
    first = prepare_subject("S01", files, out, SETTINGS)
    image, kept = np.array(first.image), (out / "S01" / "affine.json").read_bytes()

    def fail(*_, **__):
        raise AssertionError("aligned again")

    with monkeypatch.context() as patch:
        patch.setattr(alignment, "estimate_affine", fail)
        softer = PrepareSettings(shape=SHAPE, clip=2, affine=CHEAP)
        clipped = prepare_subject("S01", files, out, softer)
        assert not np.array_equal(clipped.image, image)
        np.testing.assert_array_equal(clipped.grid_to_native, first.grid_to_native)
        smaller = PrepareSettings(shape=(28, 40, 36), affine=CHEAP)
        assert prepare_subject("S01", files, out, smaller).image.shape == (28, 40, 36)
        # Other labels are no reason either.
        save_image(files.labels, (small_brain() > 0.6).astype(np.uint8), NATIVE)
        prepare_subject("S01", files, out, SETTINGS)
        again = prepare_subject("S01", files._replace(labels=None), out, SETTINGS)
        np.testing.assert_array_equal(again.image, image)
        assert (out / "S01" / "affine.json").read_bytes() == kept
        # But these are.
        mask = save_image(tmp_path / "m.nii", (small_brain() > 0.3).astype(np.uint8), NATIVE)
        finer = PrepareSettings(
            shape=SHAPE, affine=AffineSettings(levels=(16.0,), iterations=3, dilation=0)
        )
        for arguments in (
            (files, out, finer),
            (files, out, SETTINGS, flip),
            (files._replace(mask=mask), out, SETTINGS),
        ):
            with pytest.raises(AssertionError, match="aligned again"):
                prepare_subject("S01", *arguments)
    shutil.rmtree(out)
    np.testing.assert_array_equal(prepare_subject("S01", files, out, SETTINGS).image, image)
    assert (out / "S01" / "affine.json").read_bytes() == kept


def test_changed_input_is_noticed(tmp_path, files, calls):
    prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    save_image(files.image, small_brain() * 2 + (small_brain() > 0), NATIVE)
    prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    assert len(calls) == 2


def test_moved_inputs_are_found_without_new_work(tmp_path, files, calls):
    prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    shutil.move(tmp_path / "raw", tmp_path / "elsewhere")
    moved = find_subjects(tmp_path / "elsewhere")["S01"]
    subject = prepare_subject("S01", moved, tmp_path / "out", SETTINGS)
    assert len(calls) == 1
    assert subject.labels().shape == NATIVE_SHAPE


def test_interrupted_subject_is_redone(tmp_path, files, calls, monkeypatch):
    out = tmp_path / "out"
    prepare_subject("S01", files, out, SETTINGS)
    other = PrepareSettings(shape=SHAPE, clip=2, affine=SETTINGS.affine)
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_subject("S01", files, out, other)
    # The new image is there; the description of the old one must not be.
    assert sorted(p.name for p in (out / "S01").iterdir()) == FILES[:2]
    with pytest.raises(InputError, match="expected a prepared subject"):
        PreparedSubject.load(out / "S01")
    prepare_subject("S01", files, out, SETTINGS)
    assert len(calls) == 1


def test_bad_subjects(tmp_path, files, calls, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="found none there"):
        prepare_subject("S01", SubjectFiles(tmp_path / "no.nii"), out)
    for name in ("", "a/b", "../S01", "..", "a\\b"):
        with pytest.raises(InputError, match="names that can be those of folders, found"):
            prepare_subject(name, files, out)
    shifted = NATIVE + np.pad([[5.0]], ((0, 3), (3, 0)))
    other = save_image(tmp_path / "other.nii", np.ones(NATIVE_SHAPE, np.uint8), shifted)
    with pytest.raises(InputError, match="another affine, which puts"):
        prepare_subject("S01", files._replace(labels=other), out, SETTINGS)
    assert not out.exists()
    far = nib.affines.from_matvec(np.eye(3), (500, 0, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "estimate_affine", lambda *_, **__: far)
        with pytest.raises(InputError, match="found nothing there"):
            prepare_subject("S01", files, tmp_path / "far", SETTINGS)
    subject = prepare_subject("S01", files._replace(labels=None), out, SETTINGS)
    with pytest.raises(InputError, match="prepared without"):
        subject.labels()


def test_places_that_cannot_be_written_to(tmp_path, files, calls, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"S01: expected a folder to write to"):
        prepare_subject("S01", files, tmp_path / "file", SETTINGS)
    usage = namedtuple("Usage", "total used free")(9, 9, 180_000)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(InputError, match=r"out/S01: expected room for 0\.3 MB, found 0\.2 MB"):
            prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    assert calls == [], "told before the long work"
    assert not (tmp_path / "out").exists()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pmrnet.data.volume.np.save", full)
        with pytest.raises(InputError, match=r"out/S01: expected room for 0\.2 MB, found a full"):
            prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    assert [p.name for p in (tmp_path / "out" / "S01").iterdir()] == ["affine.json"]
    prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    assert len(calls) == 1


def test_mask(tmp_path, files, calls):
    """A whole head with a mask gives what the brain alone gives."""
    out = tmp_path / "out"
    rng = np.random.default_rng(0)
    inside = small_brain() > 0
    head = np.where(inside, small_brain(), rng.uniform(0.5, 1, NATIVE_SHAPE)).astype(np.float32)
    whole = SubjectFiles(
        save_image(tmp_path / "head.nii", head, NATIVE),
        mask=save_image(tmp_path / "mask.nii", inside, NATIVE),
    )
    with pytest.raises(InputError, match=r"head\.nii: expected a skull-stripped brain"):
        prepare_subject("S01", whole._replace(mask=None), out, SETTINGS)
    masked = prepare_subject("S01", whole, out, SETTINGS)
    alone = prepare_subject("S02", files, out, SETTINGS)
    np.testing.assert_array_equal(masked.image, alone.image)
    record = json.loads((out / "S01" / "subject.json").read_text())
    assert record["inputs"]["mask"]["path"] == str(whole.mask)
    save_image(whole.mask, small_brain() > 0.3, NATIVE)
    assert not np.array_equal(prepare_subject("S01", whole, out, SETTINGS).image, alone.image)


def test_notices_are_shown_and_kept(tmp_path, files, calls):
    out = tmp_path / "out"
    np.savez(tmp_path / "b.npz", vol=small_brain()[::2, ::2, ::2])
    subjects = {
        "S01": files,
        # Anything with the three attributes will do.
        "S02": SimpleNamespace(image=tmp_path / "b.npz", labels=None, mask=None),
    }
    for run in range(2):  # in the second, what was prepared before is told again
        log = tmp_path / f"log{run}"
        prepare_dataset(subjects, out, SETTINGS, flip, 1, console(log))
        text = log.read_text()
        assert "Warning: S01: " in text
        assert "the labels show voxel axes that point to PLS, where the header says" in text
        assert "b.npz: it has no affine" in text
    first, second = (PreparedSubject.load(out / name) for name in subjects)
    assert "point to PLS" in first.notices[0]
    assert np.linalg.det(first.native_affine) * np.linalg.det(NATIVE) < 0
    assert "has no affine" in second.notices[0]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["subjects"]["S01"]["notices"] == list(first.notices)
    assert manifest["subjects"]["S01"]["orientation"] == f"{__name__}.flip"
    assert manifest["subjects"]["S02"]["orientation"] is None


def test_poor_overlap_is_a_notice(tmp_path, files, monkeypatch):
    aside = nib.affines.from_matvec(np.eye(3), (60, 0, 0))
    monkeypatch.setattr(alignment, "estimate_affine", lambda *_, **__: aside)
    wide = PrepareSettings(shape=(192, 192, 160), affine=CHEAP)
    subject = prepare_subject("S01", files, tmp_path / "out", wide)
    assert subject.overlap < prepare.POOR_OVERLAP
    assert f"only {subject.overlap:.0%} of the brain lies inside the template" in subject.notices[0]


@pytest.mark.parametrize(("height", "said"), [(160, False), (64, True)])
def test_a_grid_that_cuts_off_the_brain_is_told_of(tmp_path, files, height, said):
    settings = PrepareSettings(shape=(160, 192, height), affine=CHEAP)
    subject = prepare_subject("S01", files, tmp_path, settings)
    cut = [notice for notice in subject.notices if "cuts off" in notice]
    assert bool(cut) == said
    if said:
        share = float(cut[0].split("cuts off ")[1].split("%")[0])
        at = np.argwhere(np.asarray(nib.load(files.image).dataobj))
        grid = np.linalg.inv(subject.grid_to_native)
        z = nib.affines.apply_affine(grid, at)[:, 2]
        assert share == pytest.approx(100 * ((z < -0.5) | (z > height - 0.5)).mean(), abs=0.06)


def test_one_preparation_at_a_time_in_a_folder(files, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_LONGEST_WAIT_S", 0.05)
    out = tmp_path / "out"
    with (
        folder_lock(out, "preparation"),
        pytest.raises(InputError, match="expected no other preparation in this folder"),
    ):
        prepare_dataset({"S01": files}, out, SETTINGS, console=console(tmp_path / "log"))
    assert not out.exists()


@pytest.mark.slow
def test_dataset_by_several_processes(tmp_path):
    for name in ("S01", "S02"):
        write_subject(tmp_path / "raw", name, small_brain() * (1 if name == "S01" else 1.1))
    found = find_subjects(tmp_path / "raw")
    log = console(tmp_path / "log")
    result = prepare_dataset(found, tmp_path / "out", SETTINGS, processes=2, console=log)
    assert [s.name for s in result] == ["S01", "S02"]
    manifest = (tmp_path / "out" / "manifest.json").read_bytes()
    content = json.loads(manifest)
    assert content["settings_hash"] == SETTINGS.hash()
    assert list(content["subjects"]) == ["S01", "S02"]
    assert content["failed"] == {}
    # In this process and in the others: the same bits.
    alone = prepare_dataset(found, tmp_path / "alone", SETTINGS, processes=1, console=log)
    np.testing.assert_array_equal(alone[0].image, result[0].image)
    np.testing.assert_array_equal(alone[0].grid_to_native, result[0].grid_to_native)
    assert (tmp_path / "alone" / "manifest.json").read_bytes() == manifest
    # Another protocol's subjects in the same folder stay in it.
    some = {"S02": found["S02"]}
    prepare_dataset(some, tmp_path / "alone", SETTINGS, processes=1, console=log)
    assert (tmp_path / "alone" / "manifest.json").read_bytes() == manifest


def test_dataset_with_a_subject_that_fails(tmp_path, files, calls):
    bad = SubjectFiles(save_image(tmp_path / "bad.nii", np.zeros((3, 3, 3), np.uint8), np.eye(4)))
    subjects = {"S00": bad, "S01": files}
    out = tmp_path / "out"
    message = (
        r"Preparing: expected all 2 subjects to work, found 1 that failed, while 1 are done: "
        r"S00 \(.*bad\.nii: expected an image with content"
    )
    with pytest.raises(InputError, match=message):
        prepare_dataset(subjects, out, SETTINGS, processes=1, console=console(tmp_path / "log"))
    assert sorted(p.name for p in out.iterdir()) == ["S01", "manifest.json"]
    assert PreparedSubject.load(out / "S01").image.shape == SHAPE
    manifest = json.loads((out / "manifest.json").read_text())
    assert list(manifest["subjects"]) == ["S01"]
    assert "bad.nii" in manifest["failed"]["S00"]
    with pytest.raises(InputError, match=r"^\S*bad\.nii: expected an image with content"):
        prepare_dataset({"S00": bad}, out, SETTINGS, console=console(tmp_path / "log"))


@pytest.mark.slow
@pytest.mark.data
def test_real_subject_in_both_forms(tmp_path, data_path):
    """The NIfTI conversion and the same voxels as unoriented Analyze give the same brain."""
    files = find_subjects(data_path / "lpba40")["S01"]
    nifti = prepare_subject("S01", files, tmp_path / "nifti", orientation=label_orientation)
    assert nifti.overlap > prepare.POOR_OVERLAP
    assert nifti.notices == ()
    assert nifti.image.shape == (160, 192, 160)
    folder = tmp_path / "raw" / "S01"
    folder.mkdir(parents=True)
    for path in files[:2]:
        data = np.asarray(nib.load(path).dataobj)[::-1].transpose(0, 2, 1)  # radiological, coronal
        name = path.name.replace(".nii.gz", ".hdr")
        nib.save(nib.AnalyzeImage(data[..., None], np.eye(4)), folder / name)
    files = find_subjects(tmp_path / "raw")["S01"]
    analyze = prepare_subject("S01", files, tmp_path / "analyze", orientation=label_orientation)
    assert "point to LSA, where the header says" in analyze.notices[0]
    difference = np.abs(analyze.image - nifti.image)
    assert difference.mean() < 0.005
