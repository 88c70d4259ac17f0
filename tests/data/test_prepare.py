import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console
from scipy import ndimage

from pmrnet.data import prepare, prepared
from pmrnet.data.affine import AffineSettings, resample
from pmrnet.data.intensity import normalise
from pmrnet.data.lpba40 import find_subjects, label_orientation
from pmrnet.data.prepare import PrepareSettings, prepare_dataset, prepare_subject
from pmrnet.data.prepared import PreparedSubject
from pmrnet.data.template import icbm152_volume, network_grid
from pmrnet.data.volume import save_image
from pmrnet.errors import InputError

DATA_ROOT = Path(__file__).parents[3] / "shared" / "data"
DATA = Path(os.environ.get("PMRNET_DATA", DATA_ROOT)) / "lpba40"

SHAPE = (32, 40, 36)
SETTINGS = PrepareSettings(
    shape=SHAPE, affine=AffineSettings(levels=(16.0,), iterations=2, dilation=0)
)
# A subject's grid: oblique, unequal spacing, x and y swapped and x flipped.
TURN = nib.eulerangles.euler2mat(0.1, -0.05, 0.08) @ np.array(
    [[0, -5.0, 0], [4.5, 0, 0], [0, 0, 5.5]]
)
NATIVE_SHAPE = (41, 32, 30)
NATIVE = nib.affines.from_matvec(
    TURN, np.array([0, -17, 5]) - TURN @ ((np.array(NATIVE_SHAPE) - 1) / 2)
)
STUB = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.05, 0, -0.03) * 1.02, (1, -2, 3))


@pytest.fixture(scope="module")
def brain():
    return resample(icbm152_volume(), NATIVE, NATIVE_SHAPE, np.eye(4), 1).data


def write_subject(folder, brain, name="S01", ending=".nii.gz", labels=None):
    labels = (brain > 0.5).astype(np.uint8) if labels is None else labels
    stem = folder / name / f"{name}.delineation"
    image = save_image(f"{stem}.skullstripped{ending}", brain, NATIVE)
    return image, save_image(f"{stem}.structure.label{ending}", labels, NATIVE)


@pytest.fixture
def files(tmp_path, brain):
    return write_subject(tmp_path / "raw", brain)


@pytest.fixture
def calls(monkeypatch):
    """Replace the alignment by a known one; the list counts how often it ran."""
    ran = []

    def stub(moving, fixed, settings):
        ran.append(settings)
        return STUB

    monkeypatch.setattr(prepare, "estimate_affine", stub)
    return ran


def test_image_and_matrix_agree(tmp_path, files, brain, calls):
    subject = prepare_subject("S01", *files, tmp_path / "out", SETTINGS)
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
    oracle = ndimage.map_coordinates(brain, native.T, order=1, mode="grid-constant")
    image = subject.image
    assert isinstance(image, np.memmap)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, normalise(oracle.reshape(SHAPE)), atol=2e-4)
    labels = subject.labels()
    np.testing.assert_array_equal(labels.data, brain > 0.5)
    np.testing.assert_array_equal(labels.affine, subject.native_affine)


def test_what_is_written(tmp_path, files, calls):
    prepare_subject("S01", *files, tmp_path / "out", SETTINGS)
    folder = tmp_path / "out" / "S01"
    assert sorted(p.name for p in folder.iterdir()) == ["image.npy", "subject.json"]
    record = json.loads((folder / "subject.json").read_text())
    assert record["settings_hash"] == SETTINGS.hash()
    assert record["inputs"]["image"]["path"] == str(files[0].resolve())
    sums = subprocess.check_output(["sha256sum", files[0]], text=True)
    assert record["inputs"]["image"]["sha256"] == sums.split()[0]
    assert 0 < record["overlap"] <= 1
    assert record["settings"]["affine"]["levels"] == [16.0]


def test_resume(tmp_path, files, calls):
    def run(settings=SETTINGS):
        return prepare_subject("S01", *files, tmp_path / "out", settings)

    first = np.array(run().image)
    run()
    assert len(calls) == 1
    run(PrepareSettings(shape=SHAPE, clip=2, affine=SETTINGS.affine))
    assert len(calls) == 2, "another setting must redo the subject"
    again = np.array(run().image)
    assert len(calls) == 3
    np.testing.assert_array_equal(again, first)
    (tmp_path / "out" / "S01" / "image.npy").write_bytes(b"broken")
    run()
    assert len(calls) == 4
    (tmp_path / "out" / "S01" / "subject.json").write_text('{"name": "S01"')
    run()
    assert len(calls) == 5


def test_changed_input_is_noticed(tmp_path, files, brain, calls):
    prepare_subject("S01", *files, tmp_path / "out", SETTINGS)
    save_image(files[0], brain * 2 + (brain > 0), NATIVE)
    prepare_subject("S01", *files, tmp_path / "out", SETTINGS)
    assert len(calls) == 2


def test_moved_inputs_are_found_without_new_work(tmp_path, files, calls):
    prepare_subject("S01", *files, tmp_path / "out", SETTINGS)
    shutil.move(tmp_path / "raw", tmp_path / "elsewhere")
    moved = find_subjects(tmp_path / "elsewhere")["S01"]
    subject = prepare_subject("S01", *moved, tmp_path / "out", SETTINGS)
    assert len(calls) == 1
    assert subject.labels().shape == NATIVE_SHAPE


def test_interrupted_subject_is_redone(tmp_path, files, calls, monkeypatch):
    out = tmp_path / "out"
    prepare_subject("S01", *files, out, SETTINGS)
    other = PrepareSettings(shape=SHAPE, clip=2, affine=SETTINGS.affine)
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_subject("S01", *files, out, other)
    # The new image is there; the description of the old one must not be.
    assert [p.name for p in (out / "S01").iterdir()] == ["image.npy"]
    with pytest.raises(InputError, match="expected a prepared subject"):
        PreparedSubject.load(out / "S01")
    prepare_subject("S01", *files, out, SETTINGS)
    assert len(calls) == 3


def test_killed_while_writing(tmp_path, files, calls):
    """SIGKILL in the middle of a write leaves nothing that looks complete."""
    script = f"""
import os, signal, numpy as np
from pmrnet.data import prepare, volume
def half(stream, data, **_):
    stream.write(b"half"); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)
volume.np.save = half
prepare.estimate_affine = lambda *a: np.eye(4)
settings = prepare.PrepareSettings(shape={SHAPE})
prepare.prepare_subject("S01", {str(files[0])!r}, None, {str(tmp_path / "out")!r}, settings)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    folder = tmp_path / "out" / "S01"
    (left,) = folder.iterdir()
    assert left.name.startswith(".")
    assert left.name.endswith("image.npy")
    os.utime(left, (time.time() - 7200,) * 2)
    prepare_subject("S01", *files, tmp_path / "out", SETTINGS)
    assert sorted(p.name for p in folder.iterdir()) == ["image.npy", "subject.json"]


def test_bad_subjects(tmp_path, files, brain, calls):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="found none there"):
        prepare_subject("S01", tmp_path / "no.nii", None, out)
    small = save_image(tmp_path / "small.nii", np.ones((7, 8, 9), np.uint8), NATIVE)
    with pytest.raises(InputError, match="expected the grid of the image"):
        prepare_subject("S01", files[0], small, out, SETTINGS)
    shifted = NATIVE + np.pad([[5.0]], ((0, 3), (3, 0)))
    other = save_image(tmp_path / "other.nii", np.ones(NATIVE_SHAPE, np.uint8), shifted)
    with pytest.raises(InputError, match="or another affine"):
        prepare_subject("S01", files[0], other, out, SETTINGS)
    far = nib.affines.from_matvec(np.eye(3), (500, 0, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "estimate_affine", lambda *_: far)
        with pytest.raises(InputError, match="found nothing there"):
            prepare_subject("S01", *files, out, SETTINGS)
    subject = prepare_subject("S01", files[0], None, out, SETTINGS)
    with pytest.raises(InputError, match="prepared without"):
        subject.labels()


def test_dataset(tmp_path, brain):
    for name in ("S01", "S02"):
        write_subject(tmp_path / "raw", brain * (1 if name == "S01" else 1.1), name)
    found = find_subjects(tmp_path / "raw")
    console = Console(file=(tmp_path / "log").open("w"))
    result = prepare_dataset(found, tmp_path / "out", SETTINGS, processes=2, console=console)
    assert [s.name for s in result] == ["S01", "S02"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["settings_hash"] == SETTINGS.hash()
    assert manifest["subjects"] == ["S01", "S02"]
    # In this process and in the others: the same bits.
    alone = prepare_subject("S01", *found["S01"], tmp_path / "alone", SETTINGS)
    np.testing.assert_array_equal(alone.image, result[0].image)
    np.testing.assert_array_equal(alone.grid_to_native, result[0].grid_to_native)

    bad = save_image(tmp_path / "bad.nii", np.zeros((3, 3, 3), np.uint8), np.eye(4))
    with pytest.raises(InputError, match=r"bad\.nii: expected an image with content"):
        prepare_dataset(
            found | {"S03": (bad, None)}, tmp_path / "out", SETTINGS, 1, console=console
        )


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs LPBA40 in {DATA} (set PMRNET_DATA)")
def test_real_subject_in_both_forms(tmp_path):
    """The NIfTI conversion and the same voxels as unoriented Analyze give the same brain."""
    image, labels = find_subjects(DATA)["S01"]
    nifti = prepare_subject("S01", image, labels, tmp_path / "nifti", orientation=label_orientation)
    assert nifti.overlap > prepare.POOR_OVERLAP
    assert nifti.image.shape == (160, 192, 160)
    folder = tmp_path / "raw" / "S01"
    folder.mkdir(parents=True)
    for path in (image, labels):
        data = np.asarray(nib.load(path).dataobj)[::-1].transpose(0, 2, 1)  # radiological, coronal
        name = path.name.replace(".nii.gz", ".hdr")
        nib.save(nib.AnalyzeImage(data[..., None], np.eye(4)), folder / name)
    files = find_subjects(tmp_path / "raw")["S01"]
    analyze = prepare_subject("S01", *files, tmp_path / "analyze", orientation=label_orientation)
    difference = np.abs(analyze.image - nifti.image)
    assert difference.mean() < 0.005
