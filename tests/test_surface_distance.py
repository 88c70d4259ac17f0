import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from fake_subjects import blocks, oblique
from pmrnet.errors import InputError
from pmrnet.surface_distance import hd95_per_label

LABELS = [3, 1, 2, 4]
SHAPE = (17, 12, 14)


def surface(mask):
    return mask & ~ndimage.binary_erosion(mask)


def by_distance_transform(a, b, label, spacing):
    """The definition, by SciPy's distance transform of the whole volume."""
    first, second = surface(a == label), surface(b == label)
    if not (first.any() and second.any()):
        return np.nan
    return max(
        np.percentile(ndimage.distance_transform_edt(~to, sampling=spacing)[of], 95)
        for of, to in ((first, second), (second, first))
    )


def two_volumes(seed):
    rng = np.random.default_rng(seed)
    return blocks(rng, SHAPE), blocks(rng, SHAPE)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.5, 3, 1.2)])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_definition_whatever_the_voxel_size(seed, spacing):
    a, b = two_volumes(seed)
    found = hd95_per_label(a, b, LABELS, np.diag([*spacing, 1]))
    assert list(found) == LABELS
    for label in LABELS:
        assert found[label] == pytest.approx(by_distance_transform(a, b, label, spacing))


def test_it_agrees_with_simpleitk_on_two_ellipsoids():
    x, y, z = np.ogrid[:30, :34, :26]
    a = (((x - 14) / 9) ** 2 + ((y - 15) / 12) ** 2 + ((z - 12) / 7) ** 2 < 1).astype(np.uint8)
    b = (((x - 16) / 8) ** 2 + ((y - 16) / 9) ** 2 + ((z - 13) / 9) ** 2 < 1).astype(np.uint8)
    spacing = (1.5, 0.8, 2.0)
    images = []
    for volume in (a, b):
        image = sitk.GetImageFromArray(volume.transpose())
        image.SetSpacing(spacing)
        images.append(image)
    contours = [sitk.LabelContour(image, fullyConnected=False) for image in images]
    directed = []
    for of, to in (contours, contours[::-1]):
        distance = sitk.SignedMaurerDistanceMap(to, squaredDistance=False, useImageSpacing=True)
        values = np.abs(sitk.GetArrayFromImage(distance))[sitk.GetArrayFromImage(of) > 0]
        directed.append(np.percentile(values, 95))
    found = hd95_per_label(a, b, [1], np.diag([*spacing, 1]))[1]
    assert found == pytest.approx(max(directed), rel=1e-5)


def test_distances_are_those_of_an_oblique_and_sheared_grid():
    affine = oblique(np.random.default_rng(3), scale=0.4, shift=50) @ np.diag([1, 2, 0.7, 1])
    a, b = two_volumes(4)
    found = hd95_per_label(a, b, LABELS, affine)
    for label in LABELS:
        points = [np.argwhere(surface(v == label)) @ affine[:3, :3].T for v in (a, b)]
        table = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1)
        expected = max(np.percentile(table.min(axis), 95) for axis in (0, 1))
        assert found[label] == pytest.approx(expected)


def test_a_few_stray_voxels_do_not_count_and_many_do():
    a = np.zeros((40, 21, 19), np.uint8)
    a[5:15, 3:18, 2:17] = 7
    b = a.copy()
    b[38, 10, 9] = 7
    assert hd95_per_label(a, b, [7], np.eye(4)) == {7: 0}
    b[35:, 2:18, 2:18] = 7
    assert hd95_per_label(a, b, [7], np.eye(4))[7] > 20


def test_a_shift_by_hand():
    a = np.zeros((9, 8, 7), np.int16)
    a[2, 3, 4] = 300
    b = np.roll(a, 2, axis=0)
    assert hd95_per_label(a, b, [300], np.diag([1.5, 1, 1, 1])) == {300: 3.0}


def test_a_label_at_the_edge_of_the_volume_has_a_surface_there():
    a = np.full((5, 6, 7), 2, np.uint8)
    b = a.copy()
    b[:2] = 0  # its surface is two voxels away from that of a
    found = hd95_per_label(a, b, [2], np.eye(4))[2]
    assert found == by_distance_transform(a, b, 2, 1.0) == 2


def test_a_label_that_one_volume_lacks_has_no_distance():
    a = np.zeros((7, 8, 9), np.uint8)
    b = a.copy()
    a[2:4] = 5
    found = hd95_per_label(a, b, [5, 6, 0], np.eye(4))
    assert np.isnan([found[5], found[6]]).all()
    assert np.isfinite(found[0])


volumes = hnp.arrays(np.int16, (4, 5, 6), elements=st.sampled_from([-1, 0, 1, 2, 2035]))


@settings(max_examples=40)
@given(volumes, volumes, st.floats(0.1, 10))
def test_laws(a, b, scale):
    labels = [1, 2035, 2]
    forward = hd95_per_label(a, b, labels, np.eye(4))
    assert hd95_per_label(b, a, labels, np.eye(4)) == pytest.approx(forward, nan_ok=True)
    larger = hd95_per_label(a, b, labels, scale * np.eye(3))
    assert larger == pytest.approx({k: scale * v for k, v in forward.items()}, nan_ok=True)
    for label, value in hd95_per_label(a, a, labels, np.eye(4)).items():
        assert value == 0 if (a == label).any() else np.isnan(value)


@pytest.mark.parametrize("shape", [(7, 9, 8), (7, 8)])
def test_volumes_that_do_not_fit_are_refused(shape):
    with pytest.raises(InputError, match="shape"):
        hd95_per_label(np.zeros((7, 8, 9), int), np.zeros(shape, int), [1], np.eye(4))
