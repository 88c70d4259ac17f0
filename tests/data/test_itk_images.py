"""Volumes as SimpleITK has them."""

import nibabel as nib
import numpy as np

from pmrnet.data.itk_images import to_sitk
from pmrnet.data.volume import Volume

OBLIQUE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([1.5, 0.8, 2.0]), (-10, 20, 5)
)


def test_to_sitk_keeps_points():
    data = np.random.default_rng(0).normal(size=(7, 8, 9)).astype(np.float32)
    image = to_sitk(Volume(data, OBLIQUE))
    for index in [(0, 0, 0), (6, 1, 8)]:
        assert image[index] == data[index]
        ras = (OBLIQUE @ (*index, 1))[:3]
        lps = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(lps, ras * (-1, -1, 1), atol=1e-6)
