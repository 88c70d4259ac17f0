"""Between the network's grid and a brain's own."""

import nibabel as nib
import numpy as np
from scipy import ndimage

from fake_subjects import oblique
from pmrnet.aligned_brain import AlignedBrain
from pmrnet.composition import Placement


def test_values_of_the_network_grid_on_the_native_one(rng):
    to_native = oblique(rng) @ np.diag([0.7, 0.9, 0.6, 1.0])
    aligned = AlignedBrain(None, Placement(np.eye(4), (7, 8, 9), to_native), None, None)
    values = ndimage.gaussian_filter(rng.normal(size=(12, 10, 14)), 1.5).astype(np.float32)
    voxels = np.indices((7, 8, 9)).reshape(3, -1).T
    at = nib.affines.apply_affine(np.linalg.inv(to_native), voxels).T
    expected = ndimage.map_coordinates(values, at, order=1, mode="nearest").reshape(7, 8, 9)
    np.testing.assert_allclose(aligned.on_native_grid(values), expected, atol=1e-5)
