"""Resampling through an affine map: against SimpleITK."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from oblique_grid import OBLIQUE

from pmrnet.data.itk_images import to_sitk
from pmrnet.data.resampling import resample
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

CENTRE = (OBLIQUE @ (3, 3.5, 4, 1))[:3]  # middle of a grid of (7, 8, 9), in mm


@pytest.mark.parametrize("order", [0, 1])
def test_resample_as_simpleitk(order):
    data = np.random.default_rng(0).integers(1, 9, size=(7, 8, 9)).astype(np.float32)
    volume = Volume(data, OBLIQUE)
    turned = nib.eulerangles.euler2mat(0.1, 0, 0.2) * 0.9
    mapping = nib.affines.from_matvec(turned, CENTRE - turned @ CENTRE + (0.3, 0.2, -0.4))
    grid = nib.affines.from_matvec(np.diag([1.1, 0.9, 1.3]), CENTRE - (4, 4, 4))
    result = resample(volume, grid, (8, 9, 7), mapping, order)

    flip = np.diag([-1, -1, 1])
    transform = sitk.AffineTransform(3)
    transform.SetMatrix((flip @ mapping[:3, :3] @ flip).ravel().tolist())
    transform.SetTranslation((flip @ mapping[:3, 3]).tolist())
    reference = to_sitk(Volume(np.zeros((8, 9, 7), np.float32), grid))
    kind = (sitk.sitkNearestNeighbor, sitk.sitkLinear)[order]
    oracle = sitk.GetArrayFromImage(sitk.Resample(to_sitk(volume), reference, transform, kind)).T
    # ITK also extrapolates the outer half voxel; compare where all of the support is inside.
    matrix = np.linalg.inv(OBLIQUE) @ mapping @ grid
    index = nib.affines.apply_affine(matrix, np.moveaxis(np.indices((8, 9, 7)), 0, -1))
    inside = ((index > 0) & (index < np.array(data.shape) - 1)).all(-1)
    assert inside.sum() > 50
    np.testing.assert_allclose(result.data[inside], oracle[inside], atol=1e-4)
    assert not result.data[((index < -1) | (index > np.array(data.shape))).any(-1)].any()


def test_resample_keeps_label_type_and_identity():
    labels = np.random.default_rng(0).integers(0, 200, size=(7, 8, 9)).astype(np.int32)
    result = resample(Volume(labels, OBLIQUE), OBLIQUE, (7, 8, 9), np.eye(4), 0)
    assert result.data.dtype == np.int32
    np.testing.assert_array_equal(result.data, labels)
    with pytest.raises(InputError, match="order 0 or 1, found 3"):
        resample(Volume(labels, OBLIQUE), OBLIQUE, (7, 8, 9), np.eye(4), 3)
