import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pmrnet.data.lpba40 import SUBJECTS, find_subjects, label_orientation
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import Volume, save_image
from pmrnet.errors import InputError

BRAIN = np.random.default_rng(0).uniform(0, 1, (7, 8, 9)).astype(np.float32)


def write_subject(folder, name="S01", ending=".nii.gz"):
    stem = folder / name / f"{name}.delineation"
    save_image(f"{stem}.skullstripped{ending}", BRAIN, np.eye(4))
    return save_image(f"{stem}.structure.label{ending}", (BRAIN > 0.5).astype(np.uint8), np.eye(4))


def test_find_nifti_and_analyze(tmp_path):
    write_subject(tmp_path / "a")
    write_subject(tmp_path / "a", "S03", ".nii")
    found = find_subjects(tmp_path / "a")
    assert list(found) == ["S01", "S03"]
    stem = tmp_path / "a" / "S01" / "S01.delineation"
    assert found["S01"] == SubjectFiles(
        Path(f"{stem}.skullstripped.nii.gz"), Path(f"{stem}.structure.label.nii.gz"), mask=None
    )
    deep = tmp_path / "b" / "LPBA40subjects.delineation_space" / "LPBA40" / "delineation_space"
    for ending in ("skullstripped", "structure.label"):
        path = deep / "S02" / f"S02.delineation.{ending}.hdr"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.AnalyzeImage((BRAIN > 0.5).astype(np.uint8)[..., None], np.eye(4)), path)
        packed = path.with_suffix(".img")
        with gzip.open(f"{packed}.gz", "wb") as stream:
            stream.write(packed.read_bytes())
        packed.unlink()
    ((name, files),) = find_subjects(tmp_path / "b").items()
    assert name == "S02"
    assert files.image == deep / "S02" / "S02.delineation.skullstripped.hdr"


def test_find_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="expected the folder with the LPBA40 subjects"):
        find_subjects(tmp_path / "no")
    (tmp_path / "raw").mkdir()
    with pytest.raises(InputError, match=r"expected folders S01 \.\.\. S40"):
        find_subjects(tmp_path / "raw")
    labels = write_subject(tmp_path / "raw")
    with pytest.raises(
        InputError, match=r"expected the subjects S01 \.\.\. S40, found no S02, S03"
    ):
        find_subjects(tmp_path / "raw", required=SUBJECTS)
    labels.unlink()
    with pytest.raises(InputError, match=r"found no .*S01\.delineation\.structure\.label "):
        find_subjects(tmp_path / "raw")
    labels.with_name("S01.delineation.structure.label.hdr").write_bytes(b"")  # no .img beside it
    with pytest.raises(InputError, match=r"S01\.delineation\.structure\.label "):
        find_subjects(tmp_path / "raw")


# Label blocks in RAS positions (x, y, z) of a (12, 14, 10) grid.
BLOCKS = {21: (2, 11, 5), 22: (9, 11, 5), 61: (2, 2, 5), 62: (9, 2, 5)}
BLOCKS |= {43: (3, 6, 8), 44: (8, 6, 8), 85: (1, 6, 1), 86: (10, 6, 1)}


def toy_labels():
    data = np.zeros((12, 14, 10), np.int32)
    for label, at in BLOCKS.items():
        data[tuple(slice(i - 1, i + 2) for i in at)] = label
    return data


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2)])
def test_orientation_of_analyze_is_read_from_the_labels(order, flips):
    data = np.flip(toy_labels().transpose(order), flips)
    volume = Volume(data, np.diag([-1.0, 1, 1, 1]))
    affine = label_orientation(Path("S01.structure.label.hdr"), volume)
    ras = nib.as_closest_canonical(nib.Nifti1Image(data, affine))
    np.testing.assert_array_equal(np.asarray(ras.dataobj), toy_labels())
    assert nib.aff2axcodes(ras.affine) == ("R", "A", "S")
    assert label_orientation(Path("a.nii.gz"), volume) is volume.affine


def test_orientation_needs_the_labels():
    few = np.where(toy_labels() == 61, 61, 0)
    with pytest.raises(InputError, match="expected LPBA40's labels"):
        label_orientation(Path("a.hdr"), Volume(few, np.eye(4)))
