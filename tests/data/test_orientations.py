"""One brain in all 48 orders and directions of the voxel axes: the same image, the same places."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from small_brains import CHEAP

from pmrnet.data import alignment
from pmrnet.data.prepare import PrepareSettings, prepare_subject
from pmrnet.data.resampling import resample
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.template import network_grid
from pmrnet.data.volume import Volume, canonical, save_image

NATIVE_SHAPE = (19, 16, 23)
TURN = nib.eulerangles.euler2mat(0.15, -0.1, 0.2) @ np.diag([1.0, 1.3, 0.8])
GRID = network_grid(1, (8, 6, 7))
# From the template's millimetres to the subject's, and the subject's grid around that place.
MAPPING = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.05, -0.2) * 1.05, (30, -7, 12))
MIDDLE = nib.affines.apply_affine(MAPPING @ GRID.affine, (np.array(GRID.shape) - 1) / 2)
NATIVE = nib.affines.from_matvec(TURN, MIDDLE - TURN @ ((np.array(NATIVE_SHAPE) - 1) / 2))
ORIENTATIONS = [
    np.column_stack([order, flips])
    for order in permutations(range(3))
    for flips in product((1, -1), repeat=3)
]


def anatomy(points):
    """Something smooth of RAS mm (..., 3), above 0, and different everywhere and in each axis."""
    x, y, z = np.moveaxis(points - MIDDLE, -1, 0)
    return 3 + np.sin(x / 7) + 0.5 * np.cos(y / 9 + 1) + 0.4 * np.sin(z / 6) + 0.02 * x * y / 9


def turned(data, affine, orientation):
    """The same voxels at the same places, stored in another order."""
    stored = nib.orientations.apply_orientation(data, orientation)
    back = nib.orientations.inv_ornt_aff(orientation, data.shape)
    return Volume(np.ascontiguousarray(stored), affine @ back)


@pytest.fixture(scope="module")
def native():
    points = nib.affines.apply_affine(NATIVE, np.moveaxis(np.indices(NATIVE_SHAPE), 0, -1))
    return Volume(anatomy(points).astype(np.float32), NATIVE)


@pytest.fixture(scope="module")
def truth():
    """The anatomy where the network grid's voxels are in the subject."""
    voxels = np.moveaxis(np.indices(GRID.shape), 0, -1)
    return anatomy(nib.affines.apply_affine(MAPPING @ GRID.affine, voxels))


def test_there_are_48_and_they_differ(native):
    seen = {nib.aff2axcodes(turned(native.data, NATIVE, o).affine) for o in ORIENTATIONS}
    assert len(seen) == 48


def test_the_anatomy_tells_orientations_apart(native, truth):
    """A wrong axis or direction moves the image by far more than the limits below."""
    for orientation in ORIENTATIONS:
        if not np.array_equal(orientation, [[0, 1], [1, 1], [2, 1]]):
            wrong = nib.affines.from_matvec(np.eye(3)[orientation[:, 0]] * orientation[:, 1:])
            around = nib.affines.from_matvec(np.eye(3), MIDDLE)
            mapping = around @ wrong @ np.linalg.inv(around) @ MAPPING
            image = resample(native, GRID.affine, GRID.shape, mapping, 1).data
            assert np.abs(image - truth).max() > 0.1


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda o: "".join(map(str, o.ravel())))
def test_same_image_and_same_places(native, truth, orientation):
    volume = turned(native.data, NATIVE, orientation)
    image = resample(volume, GRID.affine, GRID.shape, MAPPING, 1).data
    np.testing.assert_allclose(image, truth, atol=0.02)  # linear between voxels of up to 1.3 mm
    reference = resample(native, GRID.affine, GRID.shape, MAPPING, 1).data
    np.testing.assert_allclose(image, reference, atol=2e-6)
    # What the alignment sees does not depend on the order either.
    straight, expected = canonical(volume), canonical(native)
    np.testing.assert_array_equal(straight.data, expected.data)
    np.testing.assert_allclose(straight.affine, expected.affine, atol=1e-10)


def test_prepared_from_every_orientation(tmp_path, native, truth, monkeypatch):
    """Through files, settings and records: the network image, and where its voxels come from."""
    asked = []

    def known(moving, fixed, settings, quick):
        asked.append(moving)
        return MAPPING

    monkeypatch.setattr(alignment, "estimate_affine", known)
    settings = PrepareSettings(shape=GRID.shape, affine=CHEAP)
    # A brain with an edge, so that it is not taken for a whole head.
    edge = np.zeros(NATIVE_SHAPE, np.float32)
    edge[2:-2, 2:-2, 3:-3] = native.data[2:-2, 2:-2, 3:-3]
    voxels = np.indices(GRID.shape).reshape(3, -1).T
    points = nib.affines.apply_affine(MAPPING @ GRID.affine, voxels)
    images = []
    for number, orientation in enumerate(ORIENTATIONS):
        volume = turned(edge, NATIVE, orientation)
        path = save_image(tmp_path / f"{number}.nii", volume.data, volume.affine)
        subject = prepare_subject(f"s{number}", SubjectFiles(path), tmp_path / "out", settings)
        np.testing.assert_allclose(
            nib.affines.apply_affine(subject.native_affine @ subject.grid_to_native, voxels),
            points,
            atol=1e-4,
        )
        images.append(np.array(subject.image))
        np.testing.assert_allclose(asked[-1].affine, asked[0].affine, atol=1e-4)
        np.testing.assert_array_equal(asked[-1].data, asked[0].data)
    # Whitening is linear: the anatomy itself up to scale and offset.
    slope, offset = np.polyfit(truth.ravel(), images[0].ravel(), 1)
    np.testing.assert_allclose(images[0], slope * truth + offset, atol=0.02)
    assert slope > 0.1
    for image in images[1:]:
        np.testing.assert_allclose(image, images[0], atol=2e-4)
