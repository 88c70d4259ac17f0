"""Two brains in, native results out; the network's field is replaced by one that is known."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from fake_brains import template_brain, template_labels
from pmrnet import network_field, registration
from pmrnet.batch_table import BatchTable
from pmrnet.cli import main
from pmrnet.data.volume import load_image
from pmrnet.errors import InputError
from pmrnet.registration_labels import read_labels

# Oblique, anisotropic, other axis orders: LIA-like and PSR-like.
TILT = nib.eulerangles.euler2mat(0.15, -0.1, 0.2)
FIXED = nib.affines.from_matvec(
    TILT @ np.array([[-3.0, 0, 0], [0, 0, 3.5], [0, -4.0, 0]]), (75, -110, 85)
)
MOVING = nib.affines.from_matvec(
    TILT.T @ np.array([[0, 0, 4.0], [-3.0, 0, 0], [0, 3.5, 0]]), (-80, 80, -70)
)
SHAPES = (52, 48, 55), (64, 50, 42)


class KnownField:
    """Stands in for a network: the integral of a constant velocity, and its inverse."""

    def __init__(self):
        self.description = {
            "network": {"type": "pmrnet"},
            "spacing": 2,
            "weights": "x.weights.h5",
            "sha256": "0" * 64,
        }

    shift = np.array([3.0, -2.0, 4.0], np.float32)  # voxels of 1 mm

    def compile(self, shape):
        pass

    def field(self, moving, fixed, **_):
        u = np.broadcast_to(self.shift, (*moving.shape, 3)).copy()
        return SimpleNamespace(
            displacement=u,
            inverse_displacement=-u,
            standard_deviation=lambda temperature, to_mm: np.full(moving.shape, 0.5, np.float32),
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("brains")
    images = {
        "fixed": template_brain(FIXED, SHAPES[0]),
        "moving": template_brain(MOVING, SHAPES[1]),
        "fixed_labels": template_labels(FIXED, SHAPES[0]),
        "moving_labels": template_labels(MOVING, SHAPES[1]),
    }
    for name, image in images.items():
        nib.save(image, folder / f"{name}.nii.gz")
    return folder


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(network_field, "load_field_model", lambda *_: KnownField())


@pytest.fixture(scope="module")
def registered(files):
    patch = pytest.MonkeyPatch()
    patch.setattr(network_field, "load_field_model", lambda *_: KnownField())
    yield registration.register(files / "moving.nii.gz", files / "fixed.nii.gz")
    patch.undo()


def brain_points(image, count=200):
    inside = np.argwhere(np.asarray(image.dataobj) > 300)
    chosen = inside[np.random.default_rng(0).choice(len(inside), count, replace=False)]
    return nib.affines.apply_affine(image.affine, chosen)


def test_transform_is_alignment_and_field_together(registered, files):
    """Both brains are the same one, so that without the field points stay where they are."""
    points = brain_points(nib.load(files / "fixed.nii.gz"))
    stayed = registered.affine.map_points(points)
    assert np.abs(stayed - points).max() < 3  # two affine alignments at 4 mm voxels
    assert np.linalg.norm(stayed - points, axis=1).mean() < 1.2
    moved = registered.forward.map_points(points)
    # The field moves by its shift in template space, whose axes are RAS and 1 mm.
    matrix = registered.moving.placement.affine @ registered.moving.placement.grid_to_native
    np.testing.assert_allclose(
        moved - stayed, (matrix[:3, :3] @ KnownField.shift)[None] + 0 * moved, atol=1e-2
    )


def test_inverse_undoes_it(registered):
    error = registered.round_trip_error
    assert set(error) == {"mean_mm", "p99_mm", "max_mm"}
    assert all(0 <= value <= error["max_mm"] < 0.02 for value in error.values())


def test_images_are_native_and_keep_their_type(registered, files):
    fixed, moving = (nib.load(files / f"{name}.nii.gz") for name in ("fixed", "moving"))
    assert registered.moved.shape == fixed.shape
    np.testing.assert_allclose(registered.moved.affine, fixed.affine, atol=1e-4)
    assert registered.moved.get_data_dtype() == np.int16
    assert registered.moved_back.shape == moving.shape
    np.testing.assert_allclose(registered.moved_back.affine, moving.affine, atol=1e-4)
    np.testing.assert_allclose(registered.jacobian.get_fdata(), 1, atol=0.1)
    np.testing.assert_allclose(registered.uncertainty.get_fdata(), 0.5, atol=1e-5)


def test_itk_gives_our_moved_image(registered, files, tmp_path):
    out = registered.save(tmp_path / "out", report=False)
    field = sitk.ReadImage(str(out / "forward.nii.gz"), sitk.sitkVectorFloat64)
    fixed, moving = (
        sitk.ReadImage(str(files / f"{name}.nii.gz"), sitk.sitkFloat32)
        for name in ("fixed", "moving")
    )
    transform = sitk.DisplacementFieldTransform(field)
    theirs = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear)).T
    ours = nib.load(out / "moved.nii.gz").get_fdata()
    inside = theirs > 0
    assert inside.mean() > 0.1
    assert np.abs(theirs - ours)[inside].max() < 2  # of 1000, with rounding to integers
    affine = sitk.ReadTransform(str(out / "affine.mat"))
    point = brain_points(nib.load(files / "fixed.nii.gz"), 1)[0]
    lps = np.array([-1, -1, 1])
    np.testing.assert_allclose(
        lps * affine.TransformPoint((lps * point).tolist()),
        registered.affine.map_points(point[None])[0],
        atol=1e-3,
    )


def test_command(files, known, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["register", str(files / "moving.nii.gz"), str(files / "fixed.nii.gz")]
    arguments += ["-o", str(out)]
    for role in ("moving", "fixed"):
        arguments += [f"--{role}-labels", str(files / f"{role}_labels.nii.gz")]
    assert main(arguments) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {
        "moved.nii.gz",
        "moved_back.nii.gz",
        "moved_labels.nii.gz",
        "forward.nii.gz",
        "inverse.nii.gz",
        "affine.mat",
        "jacobian.nii.gz",
        "uncertainty.nii.gz",
        "metrics.json",
        "report.html",
    }
    record = json.loads((out / "metrics.json").read_text())
    # The one brain twice: the affine part fits, and the made-up field takes it away again.
    assert record["metrics"]["dice_before"] > 0.7
    assert record["metrics"]["dice_after"] < record["metrics"]["dice_before"] - 0.2
    assert record["files"] == {"moving": "moving.nii.gz", "fixed": "fixed.nii.gz"}
    described = record["images"]["moving"]
    assert described["file"] == str(files / "moving.nii.gz")
    assert described["shape"] == list(SHAPES[1])
    # Who publishes the provenance does not publish folders.
    assert str(files) not in json.dumps(record["provenance"])
    assert (out / "report.html").stat().st_size > 10_000

    # Nothing is overwritten without being told to.
    before = (out / "metrics.json").read_bytes()
    assert main(arguments) == 2
    assert "say --overwrite" in capsys.readouterr().err
    assert (out / "metrics.json").read_bytes() == before

    # What works on the results.
    moved = tmp_path / "labels.nii.gz"
    apply = ["apply", str(files / "moving_labels.nii.gz"), "--transform", str(out)]
    apply += ["--reference", str(files / "fixed.nii.gz"), "-o", str(moved)]
    assert main(apply) == 2
    assert "say --labels" in capsys.readouterr().err
    assert main([*apply, "--labels"]) == 0
    again, saved = nib.load(moved), nib.load(out / "moved_labels.nii.gz")
    assert again.get_data_dtype() == np.int16
    assert (np.asarray(again.dataobj) == np.asarray(saved.dataobj)).mean() > 0.999

    points = tmp_path / "points.csv"
    points.write_text("x,y,z,what\n10,-20,30,spot\n")
    there, back = tmp_path / "there.csv", tmp_path / "back.csv"
    assert main(["points", str(points), "--transform", f"inverse:{out}", "-o", str(there)]) == 0
    assert main(["points", str(there), "--transform", str(out), "-o", str(back)]) == 0
    name, x = back.read_text().splitlines()[1].rsplit(",", 1)[1], back.read_text().split("\n")[1]
    assert name == "spot"
    np.testing.assert_allclose([float(v) for v in x.split(",")[:3]], (10, -20, 30), atol=0.05)

    inverse = tmp_path / "inverse.nii.gz"
    command = ["inverse", "--transform", str(out), "--reference", str(files / "moving.nii.gz")]
    assert main([*command, "-o", str(inverse)]) == 0
    one, other = (np.asarray(nib.load(path).dataobj) for path in (inverse, out / "inverse.nii.gz"))
    np.testing.assert_array_equal(one, other)  # the one on the disk, not one computed
    assert "mm in the mean" in capsys.readouterr().out

    chain = tmp_path / "identity.nii.gz"
    compose = ["compose", "--transform", str(out), f"inverse:{out}", "-o", str(chain)]
    assert main([*compose, "--reference", str(files / "fixed.nii.gz")]) == 0
    determinant = tmp_path / "jacobian.nii.gz"
    jacobian = ["jacobian", "--transform", str(chain), "-o", str(determinant)]
    assert main([*jacobian, "--reference", str(files / "fixed.nii.gz")]) == 0
    values = np.asarray(nib.load(determinant).dataobj)
    np.testing.assert_allclose(np.median(values), 1, atol=0.02)


def test_images_and_arrays_are_taken_as_files_are(registered, files, known):
    moving, fixed = (nib.load(files / f"{name}.nii.gz") for name in ("moving", "fixed"))
    other = registration.register(moving, (np.asarray(fixed.dataobj), fixed.affine))
    np.testing.assert_allclose(
        other.forward.displacement, registered.forward.displacement, atol=1e-4
    )
    assert other.moved.get_data_dtype() == np.int16


@pytest.mark.slow
def test_a_head_needs_a_mask(files, known):
    image = nib.load(files / "fixed.nii.gz")
    data = np.asarray(image.dataobj)
    brain = data > 0
    skull = (200 + np.arange(data.size).reshape(data.shape) % 7).astype(np.int16)
    head = nib.Nifti1Image(np.where(brain, data, skull), image.affine)
    with pytest.raises(InputError, match="SynthStrip"):
        registration.register(files / "moving.nii.gz", head)
    mask = nib.Nifti1Image(brain.astype(np.uint8), image.affine)
    masked = registration.register(files / "moving.nii.gz", head, fixed_mask=mask)
    np.testing.assert_array_equal(masked.fixed.brain.data != 0, brain)
    wrong = nib.Nifti1Image(brain[1:].astype(np.uint8), image.affine)
    with pytest.raises(InputError, match="mask of the fixed image"):
        registration.register(files / "moving.nii.gz", head, fixed_mask=wrong)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (3.5, "a path, a nibabel image or a pair"),
        ((np.zeros((4, 4, 4)), np.eye(4)), "one value everywhere"),
        ((np.full((4, 4, 4), np.nan), np.eye(4)), "NaN or infinity"),
        ((np.ones((4, 4, 4, 2)), np.eye(4)), "expected a 3-D image"),
        ((np.random.default_rng(0).random((4, 4, 4)), np.zeros((4, 4))), "invertible"),
    ],
)
def test_what_is_no_image(files, known, given, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        registration.register(files / "moving.nii.gz", given)
    assert "fixed image" in str(caught.value)


def test_the_folder_is_looked_at_before_the_work(files, tmp_path, capsys, monkeypatch):
    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(registration, "read_brain", never)
    (tmp_path / "mine.txt").write_text("precious")
    arguments = ["register", str(files / "moving.nii.gz"), str(files / "fixed.nii.gz")]
    assert main([*arguments, "-o", str(tmp_path)]) == 2
    assert "found other files" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_labels_are_looked_at_before_the_work(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(registration, "read_brain", lambda *_, **__: 1 / 0)
    arguments = ["register", str(files / "moving.nii.gz"), str(files / "fixed.nii.gz")]
    arguments += ["-o", str(tmp_path / "out"), "--fixed-labels", str(tmp_path / "mistyped.nii.gz")]
    assert main(arguments) == 2
    assert "mistyped.nii.gz: expected an image file, found none" in capsys.readouterr().err


def test_labels_on_another_grid_are_refused_before_the_work(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(registration, "read_brain", lambda *_, **__: 1 / 0)
    arguments = ["register", str(files / "moving.nii.gz"), str(files / "fixed.nii.gz")]
    arguments += [
        "-o",
        str(tmp_path / "out"),
        "--fixed-labels",
        str(files / "moving_labels.nii.gz"),
    ]
    assert main(arguments) == 2
    assert "expected labels on the grid of the fixed image" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_labels_in_memory_are_read_as_those_of_a_file(files, tmp_path):
    image, brain = nib.load(files / "moving_labels.nii.gz"), load_image(files / "moving.nii.gz")
    stored = read_labels(files / "moving_labels.nii.gz", "moving", brain)
    again = read_labels(stored, "moving", brain)
    np.testing.assert_array_equal(again.dataobj, np.asarray(image.dataobj))
    assert again.get_data_dtype() == stored.get_data_dtype() == image.get_data_dtype()
    halves = nib.Nifti1Image(np.asarray(image.dataobj) / np.float32(2), image.affine)
    with pytest.raises(InputError, match="labels of the moving image: expected integer labels"):
        read_labels(halves, "moving", brain)
    pair = nib.Nifti1Image(np.stack([np.asarray(image.dataobj)] * 2, axis=-1), image.affine)
    with pytest.raises(InputError, match="expected a 3-D label map"):
        read_labels(pair, "moving", brain)


def test_an_image_is_no_label_map(files, tmp_path):
    image = nib.load(files / "moving.nii.gz")
    noise = np.random.default_rng(0).integers(1, 255, image.shape, np.uint8)
    noise[np.asarray(image.dataobj) == 0] = 0
    nib.save(nib.Nifti1Image(noise, image.affine), tmp_path / "t1.nii.gz")
    message = r"t1\.nii\.gz: expected the label map of the moving image, found what looks like an"
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / "t1.nii.gz", "moving", image)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint16, np.int32])
def test_large_labels_keep_their_numbers(files, tmp_path, kind):
    image = nib.load(files / "moving_labels.nii.gz")
    largest = 65535 if kind is np.uint16 else 614_454_272
    labels = np.where(np.asarray(image.dataobj) > 0, largest, 0).astype(kind)
    labels[0, 0, 0] = 7
    nib.save(nib.Nifti1Image(labels, image.affine, dtype=kind), tmp_path / "labels.nii.gz")
    found = read_labels(tmp_path / "labels.nii.gz", "moving", load_image(files / "moving.nii.gz"))
    np.testing.assert_array_equal(np.asarray(found.dataobj), labels)
    assert found.get_data_dtype() == (np.uint16 if kind is np.uint16 else np.int32)


def test_an_orientation_that_is_assumed_is_said(files, known, tmp_path, capsys):
    image = nib.load(files / "moving.nii.gz")
    image.header.set_qform(None, code=0)
    image.header.set_sform(None, code=0)
    nib.save(nib.Nifti1Image(image.dataobj, None, image.header), tmp_path / "unset.nii.gz")
    arguments = ["register", str(tmp_path / "unset.nii.gz"), str(files / "fixed.nii.gz")]
    assert main([*arguments, "--weights", "identity", "-o", str(tmp_path / "out")]) == 0
    sentence = "The moving image: its header has no orientation"
    assert f"warning: {sentence}" in capsys.readouterr().err
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert record["warnings"][0].startswith(sentence)


def test_warnings_are_printed_and_an_input_stays(files, known, tmp_path, capsys):
    image = nib.load(files / "moving.nii.gz")
    data = np.asarray(image.dataobj).copy()
    data[data.shape[0] // 2 :] = 0  # half a brain
    nib.save(nib.Nifti1Image(data, image.affine), tmp_path / "half.nii.gz")
    moving, fixed = str(tmp_path / "half.nii.gz"), str(files / "fixed.nii.gz")
    out = tmp_path / "out"
    given = ["-o", str(out), "--weights", "identity", "--no-report"]
    assert main(["register", moving, fixed, *given]) == 0
    warnings = json.loads((out / "metrics.json").read_text())["warnings"]
    printed = capsys.readouterr().err
    assert warnings
    assert all(f"warning: {sentence}" in printed for sentence in warnings)
    before = (out / "moved.nii.gz").read_bytes()
    assert main(["register", str(out / "moved.nii.gz"), fixed, *given, "--overwrite"]) == 2
    assert "expected an input that the new results do not replace" in capsys.readouterr().err
    assert (out / "moved.nii.gz").read_bytes() == before
    found = registration.register(out / "moved.nii.gz", fixed, weights="identity")
    with pytest.raises(InputError, match="expected an input that the new results do not replace"):
        found.save(out, overwrite=True)


def test_brains_that_do_not_meet_leave_a_record_that_is_json(files, tmp_path, capsys):
    image = nib.load(files / "moving.nii.gz")
    affine = image.affine.copy()
    affine[:3, 3] += 500
    far = nib.Nifti1Image(np.asarray(image.dataobj), affine)
    nib.save(far, tmp_path / "far.nii.gz")
    out = tmp_path / "out"
    command = ["register", str(tmp_path / "far.nii.gz"), str(files / "fixed.nii.gz"), "-o"]
    assert main([*command, str(out), "--weights", "identity"]) == 0
    text = (out / "metrics.json").read_text()
    record = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert record["metrics"]["correlation_after"] is None
    assert main(["report", str(out)]) == 0
    table = BatchTable(tmp_path / "results.csv", ["far"])
    table.done("far", out)
    assert "correlation_after" not in table.rows["far"]
    assert float(table.rows["far"]["displacement_max_mm"]) < 1e-6


def test_an_image_that_cannot_be_aligned_is_named(files, known, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise InputError("Affine alignment: expected two overlapping brains.")

    monkeypatch.setattr("pmrnet.aligned_brain.estimate_affine", refuse)
    with pytest.raises(InputError, match=r"(fixed|moving)\.nii\.gz: Affine alignment: expected"):
        registration.register(files / "moving.nii.gz", files / "fixed.nii.gz")


def test_passes_and_symmetry_are_handed_on(files, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(network_field, "load_field_model", lambda *given: asked.append(given))
    given = [str(files / f"{role}.nii.gz") for role in ("moving", "fixed")]
    with pytest.raises(AttributeError):  # there is no network to go on with
        main(["register", *given, "-o", str(tmp_path / "out"), "--weights", "w", "--passes", "3"])
    with pytest.raises(AttributeError):
        main(["register", *given, "-o", str(tmp_path / "out"), "--weights", "w", "--symmetric"])
    assert asked == [("w", False, 3, False), ("w", False, None, True)]


def test_public_name():
    import pmrnet

    assert pmrnet.register is registration.register
    with pytest.raises(AttributeError, match="no attribute 'regsiter'"):
        _ = pmrnet.regsiter
