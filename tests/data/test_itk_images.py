"""Volumes and affine maps as SimpleITK has them."""

import numpy as np
import SimpleITK as sitk
from oblique_grid import OBLIQUE

from pmrnet.data.itk_images import as_ras, to_sitk
from pmrnet.data.volume import Volume


def test_to_sitk_keeps_points():
    data = np.random.default_rng(0).normal(size=(7, 8, 9)).astype(np.float32)
    image = to_sitk(Volume(data, OBLIQUE))
    for index in [(0, 0, 0), (6, 1, 8)]:
        assert image[index] == data[index]
        ras = (OBLIQUE @ (*index, 1))[:3]
        lps = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(lps, ras * (-1, -1, 1), atol=1e-6)


def test_as_ras_maps_points_as_simpleitk_does(rng):
    transform = sitk.AffineTransform(3)
    transform.SetMatrix((np.eye(3) + rng.normal(0, 0.2, (3, 3))).ravel().tolist())
    transform.SetTranslation((4.0, -7.0, 11.0))
    transform.SetCenter((20.0, 30.0, -10.0))
    matrix = as_ras(transform)
    for ras in rng.normal(0, 50, (5, 3)):
        lps = transform.TransformPoint((ras * (-1, -1, 1)).tolist())
        expected = np.array(lps) * (-1, -1, 1)
        np.testing.assert_allclose((matrix @ (*ras, 1))[:3], expected, atol=1e-9)
