"""A small synthetic brain and the report of its registration."""

import numpy as np
import pytest
from scipy import ndimage
from synthetic_brain import SHAPE, ellipsoid, texture

from pmrnet.metrics import jacobian_determinant
from pmrnet.report import ReportContent

VOXEL = 2.0


@pytest.fixture(scope="session")
def brain():
    """An image (30, 36, 28) that is 0 outside an ellipsoid, and is not symmetric."""
    return np.where(ellipsoid(), texture(1), 0).astype(np.float32)


@pytest.fixture(scope="session")
def make_content(brain):
    """Make a report's content; arguments replace its parts."""

    def make(**parts):
        rng = np.random.default_rng(5)
        noise = ndimage.gaussian_filter(rng.normal(size=(*SHAPE, 3)), (4, 4, 4, 0))
        displacement = (3 * noise / np.abs(noise).max()).astype(np.float32)
        affine = np.diag([VOXEL, VOXEL, VOXEL, 1])
        affine[:3, 3] = -30, -40, -20
        labels = np.where(brain > 0, 1 + (np.indices(SHAPE)[0] >= 15), 0)
        content = {
            "fixed": brain,
            "moving": np.roll(brain, 2, axis=1),
            "moved": np.roll(brain, 1, axis=1),
            "displacement": displacement,
            "jacobian": jacobian_determinant(displacement, VOXEL),
            "affine": affine,
            "fixed_name": "fixed.nii.gz",
            "moving_name": "moving.nii.gz",
            "uncertainty": np.linalg.norm(displacement, axis=-1),
            "fixed_labels": labels,
            "moving_labels": np.roll(labels, 2, axis=1),
            "moved_labels": np.roll(labels, 1, axis=1),
            "label_names": {1: "left half", 2: "right half"},
            "warnings": ["Something is odd. Look at it."],
            "provenance": {"package": "pmrnet 0", "seconds": 1.5, "machine": {"cores": 2}},
        }
        return ReportContent(**{**content, **parts})

    return make
