"""Resampling through an affine map: nearest against SimpleITK, linear against SciPy."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from oblique_grid import OBLIQUE
from scipy import ndimage

from pmrnet.data.itk_images import to_sitk
from pmrnet.data.resampling import resample
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

CENTRE = (OBLIQUE @ (3, 3.5, 4, 1))[:3]  # middle of a grid of (7, 8, 9), in mm


DATA = np.random.default_rng(0).integers(1, 9, size=(7, 8, 9)).astype(np.float32)
TURNED = nib.eulerangles.euler2mat(0.1, 0, 0.2) * 0.9
MAPPING = nib.affines.from_matvec(TURNED, CENTRE - TURNED @ CENTRE + (0.3, 0.2, -0.4))
GRID = nib.affines.from_matvec(np.diag([1.1, 0.9, 1.3]), CENTRE - (4, 4, 4))


def test_nearest_is_simpleitks():
    result = resample(Volume(DATA, OBLIQUE), GRID, (8, 9, 7), MAPPING, 0)
    flip = np.diag([-1, -1, 1])
    transform = sitk.AffineTransform(3)
    transform.SetMatrix((flip @ MAPPING[:3, :3] @ flip).ravel().tolist())
    transform.SetTranslation((flip @ MAPPING[:3, 3]).tolist())
    reference = to_sitk(Volume(np.zeros((8, 9, 7), np.float32), GRID))
    image = to_sitk(Volume(DATA, OBLIQUE))
    oracle = sitk.Resample(image, reference, transform, sitk.sitkNearestNeighbor)
    # Not compared in the outer half voxel, which ITK fills too.
    matrix = np.linalg.inv(OBLIQUE) @ MAPPING @ GRID
    index = nib.affines.apply_affine(matrix, np.moveaxis(np.indices((8, 9, 7)), 0, -1))
    inside = ((index > 0) & (index < np.array(DATA.shape) - 1)).all(-1)
    assert inside.sum() > 50
    np.testing.assert_array_equal(result.data[inside], sitk.GetArrayFromImage(oracle).T[inside])
    assert not result.data[((index < -1) | (index > np.array(DATA.shape))).any(-1)].any()


@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_linear_is_scipys(kind):
    sheared = OBLIQUE @ (np.eye(4) + 0.2 * np.eye(4, k=1) * (1, 1, 1, 0))
    for affine in (OBLIQUE, sheared):
        result = resample(Volume(DATA.astype(kind), affine), GRID, (8, 9, 7), MAPPING, 1).data
        matrix = np.linalg.inv(affine) @ MAPPING @ GRID
        # Beyond the border an image fades to 0 within a voxel.
        oracle = ndimage.affine_transform(
            DATA, matrix, output_shape=(8, 9, 7), order=1, mode="grid-constant"
        )
        assert ((oracle > 0) & (oracle < 1)).any()
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, oracle, atol=1e-5)


def test_resample_keeps_label_type_and_identity():
    labels = np.random.default_rng(0).integers(0, 200, size=(7, 8, 9)).astype(np.int32)
    result = resample(Volume(labels, OBLIQUE), OBLIQUE, (7, 8, 9), np.eye(4), 0)
    assert result.data.dtype == np.int32
    np.testing.assert_array_equal(result.data, labels)
    with pytest.raises(InputError, match="order 0 or 1, found 3"):
        resample(Volume(labels, OBLIQUE), OBLIQUE, (7, 8, 9), np.eye(4), 3)
