"""What every method gives, whichever it is: one battery for all of them.

Two synthetic brains on unlike oblique grids, a small network grid, known alignments to it, and
networks as the experiments configure them, with random weights: what a method finds does not
matter here, what it makes of that does.
"""

import json
from pathlib import Path

import keras
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from fake_brains import template_brain, template_labels
from pmrnet import network_field, registration
from pmrnet.aligned_brain import align_image
from pmrnet.config import Experiment
from pmrnet.data.template import network_grid
from pmrnet.errors import InputError
from pmrnet.network_field import FieldModel
from pmrnet.nn.build import build_network
from pmrnet.refinement_settings import Refinement

# Voxels at 1 mm around the middle of the template: 32 times what the networks need at least.
GRID = (64, 96, 64)
METHODS = ("identity", "affine", "voxelmorph", "pmrnet", "pmrnet-plus", "refined")
EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments" / "lpba40"
TILT = nib.eulerangles.euler2mat(0.15, -0.1, 0.2)
AFFINES = {
    "fixed": nib.affines.from_matvec(
        TILT @ np.array([[-3.0, 0, 0], [0, 0, 3.5], [0, -4.0, 0]]), (75, -110, 85)
    ),
    "moving": nib.affines.from_matvec(
        TILT.T @ np.array([[0, 0, 4.0], [-3.0, 0, 0], [0, 3.5, 0]]), (-80, 80, -70)
    ),
}
SHAPES = {"fixed": (52, 48, 55), "moving": (64, 50, 42)}
# From template to subject, mm.
TO_SUBJECT = {
    "fixed": nib.affines.from_matvec(np.diag([1.04, 0.97, 1.0]), (1.0, -2.0, 0.5)),
    "moving": nib.affines.from_matvec(
        nib.eulerangles.euler2mat(0.04, 0.02, -0.03) @ np.diag([0.98, 1.03, 1.01]), (-2, 1, 2)
    ),
}
LANDMARK = 4000  # a label that no atlas has


def random_network(name):
    """The network of an experiment, whose velocity is up to half a voxel: 2 mm."""
    config = Experiment.load(EXPERIMENTS / f"{name}.yaml").network
    keras.utils.set_random_seed(0)
    network = build_network(config)
    network.build()
    rng = np.random.default_rng(3)
    size = tuple(n // 2 for n in GRID)
    images = {role: rng.random((1, *size, 1), np.float32) for role in ("moving", "fixed")}
    # The heads begin at almost 0, all else as it is.
    heads = [w for w in network.weights if "kernel" in w.path and 0 < w.numpy().std() < 1e-3]
    for _ in range(3):  # a cascade is not linear in its heads
        largest = np.abs(network.predict_on_batch(images)["velocity"]).max()
        for head in heads:
            head.assign(head.numpy() * (0.5 / largest))
    return FieldModel(network, {"network": config, "spacing": 2, "weights": name, "sha256": name})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("brains")
    for role, affine in AFFINES.items():
        image = template_brain(affine, SHAPES[role])
        image.header.set_xyzt_units("mm", "sec")
        image.set_sform(affine, code=3)
        nib.save(image, folder / f"{role}.nii.gz")
        labels = np.asarray(template_labels(affine, SHAPES[role]).dataobj).astype(np.uint16)
        if role == "moving":
            at = np.indices(labels.shape).reshape(3, -1).T
            away = np.linalg.norm(nib.affines.apply_affine(affine, at) - landmark(), axis=1)
            labels[(away < 9).reshape(labels.shape)] = LANDMARK
        nib.save(nib.Nifti1Image(labels, affine), folder / f"{role}_labels.nii.gz")
    return folder


def landmark():
    """A point of the moving anatomy, RAS mm."""
    return np.array([14.0, -9.0, 18.0])


@pytest.fixture(scope="module", params=METHODS)
def register(request, files):
    """Registers two of the files by the method; alignments are known instead of estimated."""

    def known(source):
        role = Path(source.name).name.removesuffix(".nii.gz")
        return align_image(source, GRID, TO_SUBJECT[role])

    name = request.param
    patch = pytest.MonkeyPatch()
    patch.setattr(registration, "align_image", known)
    options = {"weights": name}
    if name not in ("identity", "affine"):
        model = random_network("pmrnet" if name == "refined" else name)
        patch.setattr(network_field, "load_field_model", lambda *_: model)
    if name == "refined":
        # Small steps: three of the usual size take a random field too far to be inverted well.
        options["refine"] = Refinement(steps=3, learning_rate=0.1)
    yield lambda moving, fixed: registration.register(
        files / f"{moving}.nii.gz", files / f"{fixed}.nii.gz", **options
    )
    patch.undo()


@pytest.fixture(scope="module")
def found(register):
    return register("moving", "fixed")


@pytest.fixture(scope="module")
def out(found, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "out"
    return found.save(folder, moving_labels=files / "moving_labels.nii.gz", report=False)


def values(image):
    return np.asarray(image.dataobj)


def assert_native(image, like):
    assert image.shape == like.shape
    np.testing.assert_allclose(image.affine, like.affine, atol=1e-4)
    assert image.header.get_xyzt_units()[0] == "mm"
    for code in ("qform_code", "sform_code"):
        assert int(image.header[code]) == int(like.header[code])
    assert np.isfinite(values(image)).all()


def brain_points(image, count=300):
    """Points of the brain, RAS mm, well inside the small network grid, beyond which all is flat."""
    inside = nib.affines.apply_affine(image.affine, np.argwhere(values(image) > 300))
    grid = network_grid(1, GRID)
    index = nib.affines.apply_affine(np.linalg.inv(grid.affine), inside)
    inside = inside[((index > 12) & (index < np.array(GRID) - 13)).all(axis=1)]
    return inside[np.random.default_rng(0).choice(len(inside), count, replace=False)]


# Displacements are multiples of 1/4096 mm; besides, what single precision leaves.
_ROUNDED = 0.5 / 4096 + 3e-5


def test_the_method_does_what_it_is_called(found, files, request):
    name = request.node.callspec.params["register"]
    points = brain_points(nib.load(files / "fixed.nii.gz"))
    beyond = found.forward.map_points(points) - found.affine.map_points(points)
    if name == "identity":
        np.testing.assert_allclose(found.forward.map_points(points), points, atol=_ROUNDED)
    if name in ("identity", "affine"):
        np.testing.assert_allclose(beyond, 0, atol=_ROUNDED)
        assert found.uncertainty is None
    else:
        assert 0.3 < np.linalg.norm(beyond, axis=1).max() < 10
        assert values(found.uncertainty).max() > 0
    if name != "identity":
        expected = TO_SUBJECT["moving"] @ np.linalg.inv(TO_SUBJECT["fixed"])
        np.testing.assert_allclose(found.affine.matrix, expected, atol=1e-5)


def test_images_are_native(out, files):
    fixed, moving = (nib.load(files / f"{role}.nii.gz") for role in ("fixed", "moving"))
    moved, back = (nib.load(out / f"{name}.nii.gz") for name in ("moved", "moved_back"))
    assert_native(moved, fixed)
    assert_native(back, moving)
    assert moved.get_data_dtype() == moving.get_data_dtype() == np.int16
    # The brain is there, about where the fixed one is.
    both = (values(moved) > 200) & (values(fixed) > 200)
    assert 2 * both.sum() > 0.75 * ((values(moved) > 200).sum() + (values(fixed) > 200).sum())


def assert_undone(result, image):
    """Forward and inverse together move points by far less than the deformation does."""
    points = brain_points(image)
    there = result.forward.map_points(points)
    error = np.linalg.norm(result.inverse.map_points(there) - points, axis=1).mean()
    beyond = np.linalg.norm(there - result.affine.map_points(points), axis=1).mean()
    assert error < 0.2 * beyond + 1e-3


def test_there_and_back(found, files):
    assert_undone(found, nib.load(files / "fixed.nii.gz"))
    assert 0 <= found.round_trip_error["mean_mm"] < 0.3


def test_itk_gives_the_moved_image(out, files):
    fixed, moving = (
        sitk.ReadImage(str(files / f"{role}.nii.gz"), sitk.sitkFloat32)
        for role in ("fixed", "moving")
    )
    field = sitk.ReadImage(str(out / "forward.nii.gz"), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    theirs = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear)).T
    ours = values(nib.load(out / "moved.nii.gz"))
    assert (theirs > 0).mean() > 0.1
    assert np.abs(theirs - ours)[theirs > 0].max() < 2  # of 1000, with rounding to integers


def test_labels_are_those_of_the_nearest_voxel(found, out, files):
    labels = nib.load(files / "moving_labels.nii.gz")
    moved = nib.load(out / "moved_labels.nii.gz")
    assert moved.get_data_dtype() == labels.get_data_dtype() == np.uint16
    assert_native(moved, nib.load(files / "fixed.nii.gz"))
    at = np.argwhere(np.ones(moved.shape, bool))
    points = found.forward.map_points(nib.affines.apply_affine(moved.affine, at))
    index = nib.affines.apply_affine(np.linalg.inv(labels.affine), points)
    # Away from halves, where rounding decides.
    clear = (np.abs(index - np.floor(index) - 0.5) > 1e-3).all(axis=1)
    nearest = np.rint(index).astype(int)
    inside = ((nearest >= 0) & (nearest < labels.shape)).all(axis=1)
    expected = np.zeros(len(at), np.uint16)
    expected[inside] = values(labels)[tuple(nearest[inside].T)]
    np.testing.assert_array_equal(values(moved).ravel()[clear], expected[clear])
    assert len(np.unique(expected)) > 20


def test_a_landmark_of_the_moving_anatomy_lands_where_its_label_does(found, out):
    moved = nib.load(out / "moved_labels.nii.gz")
    seen = nib.affines.apply_affine(moved.affine, np.argwhere(values(moved) == LANDMARK)).mean(0)
    mapped = found.inverse.map_points(landmark()[None])[0]
    assert np.linalg.norm(mapped - seen) < 1.0
    wrong = found.forward.map_points(landmark()[None])[0]
    if np.linalg.norm(wrong - landmark()) > 1:  # but for the identity
        assert np.linalg.norm(wrong - seen) > 2


def test_nothing_folds(found):
    determinant = values(found.jacobian)
    assert determinant.min() > 0
    assert 0.7 < np.median(determinant) < 1.4


def test_results_are_not_overwritten(found, out):
    before = (out / "metrics.json").read_bytes()
    with pytest.raises(InputError, match="say --overwrite"):
        found.save(out)
    assert (out / "metrics.json").read_bytes() == before


def test_swapped(register, files):
    swapped = register("fixed", "moving")
    moving = nib.load(files / "moving.nii.gz")
    assert_native(swapped.moved, moving)
    assert_undone(swapped, moving)
    # Affine parts are each other's inverses, whatever is beyond.
    expected = np.linalg.inv(register("moving", "fixed").affine.matrix)
    np.testing.assert_allclose(swapped.affine.matrix, expected, atol=1e-5)


def test_the_same_again(register, found):
    again = register("moving", "fixed")
    for name in ("forward", "inverse"):
        one, other = (getattr(result, name).displacement for result in (found, again))
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(values(again.moved), values(found.moved))
    if found.uncertainty is not None:
        np.testing.assert_array_equal(values(again.uncertainty), values(found.uncertainty))


def test_the_record_is_of_what_is_beyond_the_affine_part(out, request):
    if request.node.callspec.params["register"] not in ("identity", "affine"):
        pytest.skip("a network's deformation is something beyond it")
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["displacement_max_mm"] < 0.01
    assert found["jacobian_min"] == pytest.approx(1, abs=2e-3)
    assert found["jacobian_max"] == pytest.approx(1, abs=2e-3)
