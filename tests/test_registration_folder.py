"""A report from the folder of a registration: the same as with it, or one sentence why not."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from fake_brains import template_brain
from pmrnet import network_field, registration
from pmrnet.cli import main
from pmrnet.image_record import find_image
from pmrnet.registration_folder import report_from_folder
from test_registration import KnownField

TILT = nib.eulerangles.euler2mat(0.1, -0.05, 0.15)
FIXED = nib.affines.from_matvec(
    TILT @ np.array([[-5.0, 0, 0], [0, 0, 5.5], [0, -6.0, 0]]), (75, -110, 85)
)
MOVING = nib.affines.from_matvec(
    TILT @ np.array([[0, 0, 6.0], [-5.0, 0, 0], [0, 5.5, 0]]), (-80, 80, -70)
)


class SlopingField(KnownField):
    """With an uncertainty that differs from place to place."""

    def field(self, moving, fixed, **_):
        found = super().field(moving, fixed)
        x, y, z = np.indices(moving.shape, dtype=np.float32)
        found.standard_deviation = lambda temperature, to_mm: 0.2 + 0.01 * x + 0.004 * y + 0.002 * z
        return found


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Two brains, labels and a registration in all formats, without a report."""
    folder = tmp_path_factory.mktemp("brains")
    for name, affine, shape in (("fixed", FIXED, (31, 32, 36)), ("moving", MOVING, (34, 36, 28))):
        image = template_brain(affine, shape)
        nib.save(image, folder / f"{name}.nii.gz")
        labels = (np.asarray(image.dataobj) // 300).astype(np.uint8)
        nib.save(nib.Nifti1Image(labels, affine), folder / f"{name}_labels.nii.gz")
    images = folder / "moving.nii.gz", folder / "fixed.nii.gz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_field, "load_field_model", lambda *_: SlopingField())
        found = registration.register(*images)
    for format in ("itk", "fsl", "x5", "voxel"):
        found.save(folder / format, report=False, format=format)
    labels = {f"{role}_labels": folder / f"{role}_labels.nii.gz" for role in ("moving", "fixed")}
    found.save(folder / "with-labels", **labels)
    return folder


@pytest.fixture
def folder(originals, tmp_path):
    """A copy whose records name the copies."""
    copy = shutil.copytree(originals, tmp_path / "data")
    for record in copy.glob("*/metrics.json"):
        record.write_text(record.read_text().replace(str(originals), str(copy)))
    return copy


def without_provenance(path):
    text = path.read_text(encoding="utf-8")
    return text[: text.index('id="provenance"')]


def labels(folder):
    return [f"--{role}-labels={folder / f'{role}_labels.nii.gz'}" for role in ("moving", "fixed")]


def test_report_is_the_one_of_the_registration(folder):
    before = {p.name: p.read_bytes() for p in (folder / "itk").iterdir()}
    assert main(["report", str(folder / "itk"), *labels(folder)]) == 0
    expected = without_provenance(folder / "with-labels" / "report.html")
    # Numbers that are rounded in the record may differ in their last digits, pictures may not.
    found = without_provenance(folder / "itk" / "report.html")
    assert found == expected
    assert "Overlap of the labels" in found
    # Nothing but the report has changed.
    after = {p.name: p.read_bytes() for p in (folder / "itk").iterdir()}
    assert after.pop("report.html")
    assert after == before


@pytest.mark.parametrize("format", ["fsl", "x5", "voxel"])
def test_any_format(folder, format):
    one, other = (report_from_folder(folder / name) for name in (format, "itk"))
    # Pictures are the same but for rounding: sizes tell a transform of another direction.
    sizes = [path.stat().st_size for path in (one, other)]
    assert abs(sizes[0] - sizes[1]) < 0.02 * sizes[1]


def test_output_elsewhere(folder, tmp_path, capsys):
    output = tmp_path / "mine.html"
    assert main(["report", str(folder / "itk"), "-o", str(output)]) == 0
    assert not (folder / "itk" / "report.html").exists()
    written = output.read_bytes()
    assert main(["report", str(folder / "itk"), "-o", str(output)]) == 2
    assert "say --overwrite" in capsys.readouterr().err
    assert output.read_bytes() == written
    assert main(["report", str(folder / "itk"), "-o", str(output), "--overwrite"]) == 0
    output = tmp_path / "folder"
    output.mkdir()
    assert main(["report", str(folder / "itk"), "-o", str(output), "--overwrite"]) == 2
    assert "expected the name of a file to write, found a folder" in capsys.readouterr().err


def test_images_that_were_moved(folder, tmp_path, capsys):
    elsewhere = tmp_path / "elsewhere.nii.gz"
    (folder / "moving.nii.gz").rename(elsewhere)
    arguments = ["report", str(folder / "itk")]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert f"expected the moving image at {folder / 'moving.nii.gz'}, found none there" in error
    assert "--moving" in error
    assert main([*arguments, "--moving", str(elsewhere)]) == 0


def test_other_images(folder, capsys):
    arguments = ["report", str(folder / "itk"), "--fixed", str(folder / "moving.nii.gz")]
    assert main(arguments) == 2
    assert "with (31, 32, 36), found the shape (34, 36, 28)" in capsys.readouterr().err
    image = nib.load(folder / "fixed.nii.gz")
    data = np.asarray(image.dataobj).copy()
    shifted = image.affine.copy()
    shifted[0, 3] += 1
    nib.save(nib.Nifti1Image(data, shifted), folder / "fixed.nii.gz")
    assert main(["report", str(folder / "itk")]) == 2
    assert "found the affine" in capsys.readouterr().err
    data[np.unravel_index(data.argmax(), data.shape)] += 1
    nib.save(nib.Nifti1Image(data, image.affine), folder / "fixed.nii.gz")
    assert main(["report", str(folder / "itk")]) == 2
    assert "found other values in the brain" in capsys.readouterr().err
    assert not (folder / "itk" / "report.html").exists()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda out: shutil.rmtree(out), "found no metrics.json in it"),
        (lambda out: (out / "metrics.json").write_text("{"), "expected the record of a regis"),
        (lambda out: (out / "metrics.json").write_text("{}"), "it lacks files, metrics"),
        (lambda out: (out / "forward.nii.gz").unlink(), "found no forward transform in it"),
    ],
)
def test_what_is_no_registration(folder, capsys, damage, sentence):
    damage(folder / "itk")
    assert main(["report", str(folder / "itk")]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_a_record_of_an_earlier_version(folder, capsys):
    path = folder / "itk" / "metrics.json"
    record = json.loads(path.read_text())
    del record["images"]
    path.write_text(json.dumps(record))
    assert main(["report", str(folder / "itk")]) == 2
    assert "that of an earlier version" in capsys.readouterr().err


def test_labels_on_another_grid(folder, capsys):
    wrong = f"--moving-labels={folder / 'fixed_labels.nii.gz'}"
    assert main(["report", str(folder / "itk"), wrong]) == 2
    assert "expected labels on the grid of the moving image" in capsys.readouterr().err


def test_images_given_as_arrays_and_masks(folder, tmp_path, capsys):
    image = nib.load(folder / "fixed.nii.gz")
    brain = np.asarray(image.dataobj)
    mask = nib.Nifti1Image((brain > 400).astype(np.uint8), image.affine)
    nib.save(mask, tmp_path / "mask.nii.gz")
    found = registration.register(
        (brain, image.affine),
        folder / "fixed.nii.gz",
        fixed_mask=tmp_path / "mask.nii.gz",
        weights="identity",
    )
    out = found.save(tmp_path / "out", report=False)
    assert main(["report", str(out)]) == 2
    assert "found that it was made of an array" in capsys.readouterr().err
    assert main(["report", str(out), "--moving", str(folder / "fixed.nii.gz")]) == 0
    record = json.loads((out / "metrics.json").read_text())["images"]["fixed"]
    again = find_image(record, "fixed", out)
    np.testing.assert_array_equal(again.brain.data != 0, brain > 400)
    assert again.mask_name == str(tmp_path / "mask.nii.gz")
