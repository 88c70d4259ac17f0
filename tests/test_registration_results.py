"""What a registration hands on, and what its record says: the right one of two, each time."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from pmrnet import registration_report
from pmrnet.registration import register_aligned
from pmrnet.report.measures import overlaps
from pmrnet.transforms import apply_to_image
from test_registration import KnownField, files, registered  # noqa: F401 (fixtures)

SHAPE = (4, 5, 6)


def aligned(value, zooms):
    return SimpleNamespace(
        network_image=np.full(SHAPE, value, np.float32),
        brain=nib.Nifti1Image(np.ones(SHAPE, np.float32), np.eye(4)),
        placement=SimpleNamespace(affine=np.eye(4), grid_to_native=np.diag([*zooms, 1.0])),
        on_native_grid=lambda values: values,
    )


def test_the_network_gets_moving_then_fixed_and_uncertainty_is_in_the_moving_images_mm():
    seen = []

    def deviation(temperature, to_mm):
        seen.append(to_mm[0, 0])
        return np.ones(SHAPE)

    def field(*images):
        seen.extend(float(image.flat[0]) for image in images)
        return SimpleNamespace(displacement=0, standard_deviation=deviation)

    model = SimpleNamespace(description={"weights": "x"}, field=field)
    found = register_aligned(aligned(0.25, (3, 1, 1)), aligned(0.75, (7, 1, 1)), model)
    assert found.uncertainty is not None
    assert seen == [0.25, 0.75, 3.0]


def test_way_back_and_jacobian_are_those_of_their_transforms(registered):  # noqa: F811
    r = registered
    back = apply_to_image(r.inverse, r.fixed.image, r.moving.image)
    np.testing.assert_array_equal(r.moved_back.dataobj, back.dataobj)
    assert r.jacobian.shape == r.fixed.brain.shape != r.moving.brain.shape
    ours, theirs = (np.asarray(image.dataobj).ravel() for image in (r.moved_back, r.moving.image))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.6  # brain lies on brain


def test_folds_are_counted_on_the_images_own_voxels(
    registered,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    """The report's voxels are larger, and interpolation would smooth a single fold away."""
    image = registered.jacobian
    size = np.linalg.det(registered.affine.matrix[:3, :3])
    values = np.full(image.shape, size, np.float32)
    inside = np.argwhere(registered.fixed.brain.data != 0)
    values[tuple(inside[len(inside) // 2])] = -0.25 * size
    folded = nib.Nifti1Image(values, image.affine)
    monkeypatch.setitem(registered.__dict__, "jacobian", folded)
    out = registered.save(tmp_path / "out", report=False, uncertainty=False)
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["folding_fraction"] == pytest.approx(1 / len(inside), abs=1e-9)
    assert found["jacobian_min"] == pytest.approx(-0.25, abs=1e-5)
    assert found["jacobian_max"] == pytest.approx(1, abs=1e-5)


def test_the_record_tells_before_from_after_and_leaves_the_affine_part_out(
    registered,  # noqa: F811
    files,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    contents, make = [], registration_report.report_content

    def watched(result):
        contents.append(make(result))
        return contents[-1]

    monkeypatch.setattr("pmrnet.registration_files.report_content", watched)
    labels = {f"{role}_labels": files / f"{role}_labels.nii.gz" for role in ("moving", "fixed")}
    out = registered.save(tmp_path / "out", report=False, uncertainty=False, **labels)
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    placed = registered.fixed.placement
    to_mm = (placed.affine @ placed.grid_to_native)[:3, :3]
    length = np.linalg.norm(to_mm @ KnownField.shift)
    assert found["displacement_mean_mm"] == pytest.approx(length, abs=0.02)
    assert found["displacement_max_mm"] == pytest.approx(length, abs=0.1)
    assert found["jacobian_min"] == pytest.approx(1, abs=2e-3)
    assert found["jacobian_max"] == pytest.approx(1, abs=2e-3)
    size = np.linalg.det(registered.affine.matrix[:3, :3])
    assert found["affine_volume_ratio"] == pytest.approx(size, abs=1e-5)
    # The one brain twice, which the made-up field takes apart.
    assert found["correlation_after"] < found["correlation_before"] - 0.1
    dice = {when: np.nanmean(list(each.values())) for when, each in overlaps(contents[0]).items()}
    assert dice["after"] < dice["before"] - 0.2
