"""Coarse versions of an image: same places, less detail, one copy for every caller."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from oblique_grid import OBLIQUE

from pmrnet.data.image_pyramid import ImagePyramid
from pmrnet.data.volume import Volume


@pytest.fixture
def slope():
    """An image whose value is a linear function of the place in mm: (volume, function)."""

    def value(ras):
        return 100 + ras @ (1.0, -0.5, 0.25)

    points = nib.affines.apply_affine(OBLIQUE, np.moveaxis(np.indices((28, 40, 24)), 0, -1))
    return Volume(value(points).astype(np.float32), OBLIQUE), value


def places_of(image):
    """RAS mm of the voxels of an image of SimpleITK, (x, y, z, 3)."""
    indices = np.moveaxis(np.indices(image.GetSize()), 0, -1).reshape(-1, 3)
    lps = [image.TransformIndexToPhysicalPoint(index.tolist()) for index in indices]
    return (np.array(lps) * (-1, -1, 1)).reshape(*image.GetSize(), 3)


@pytest.mark.parametrize(
    ("finest", "size"), [(f, s) for f in (None, 3.0) for s in (None, 3.0, 6.0)]
)
def test_values_stay_where_they_were(slope, finest, size):
    volume, value = slope
    pyramid = ImagePyramid(volume, finest)
    image = pyramid.whole() if size is None else pyramid.level(size)
    # ITK's shrinking takes one of the two middle voxels of an even number: half a voxel beside.
    voxel = volume.affine[:3, :3] * [
        1 if finest is None else max(1, round(finest / s)) for s in volume.spacing
    ]
    shrunk = size is not None and size != finest
    beside = np.abs(value(voxel.T / 2) - value(np.zeros(3))).sum() if shrunk else 0
    if size or finest:
        spacing = np.array(image.GetSpacing())
        # Whole numbers of voxels of 1.5, 0.8 and 2 mm, or of 3, 3.2 and 4.
        assert (np.abs(spacing / (size or finest) - 1) < 0.34).all()
    inside = tuple(slice(2, -2) for _ in range(3))  # the smoothing bends a slope at its ends
    expected = value(places_of(image))[inside]
    assert expected.size > 4
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(image).T[inside], expected, atol=beside + 1e-3
    )


def test_detail_is_smoothed_away(rng):
    noise = Volume(rng.normal(size=(32, 36, 40)).astype(np.float32), np.eye(4))
    for finest in (None, 2.0):
        deviations = [
            np.std(sitk.GetArrayFromImage(ImagePyramid(noise, finest).level(size)))
            for size in (2.0, 4.0)
        ]
        # Independent voxels: n of them in the mean leave 1 / sqrt(n).
        assert 0.1 < deviations[0] < 0.45
        assert deviations[1] < deviations[0] / 2


def test_every_caller_has_an_image_of_its_own(slope):
    pyramid = ImagePyramid(slope[0])
    for make in (pyramid.whole, lambda: pyramid.level(6.0)):
        before = sitk.GetArrayFromImage(make())
        changed = make()
        changed[0, 0, 0] = -1.0
        np.testing.assert_array_equal(sitk.GetArrayFromImage(make()), before)
