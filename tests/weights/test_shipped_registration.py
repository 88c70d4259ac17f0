"""What the weights that ship find: a deformation that is known."""

import nibabel as nib
import numpy as np
import pytest

import pmrnet
from fake_brains import template_brain

SHAPE = (80, 96, 84)
FIXED = nib.affines.from_matvec(np.diag([2.0, 2.0, 2.0]), (-79, -115, -72))
MOVING = nib.affines.from_matvec(np.diag([-2.0, 2.0, 2.0]), (79, -113, -74))


def distort(points):
    """RAS mm of the moving brain to those of the fixed one: waves of some millimetres."""
    x, y, z = np.asarray(points).T
    waves = (
        3.0 * np.sin(y / 14) * np.cos(z / 20),
        2.5 * np.sin(z / 13 + x / 30),
        3.0 * np.cos(x / 15) * np.sin(y / 22),
    )
    return points + np.stack(waves, axis=-1)


@pytest.mark.slow
@pytest.mark.parametrize(
    # Of the error of the affine alignment; 0.44, 0.45 and 0.76 when this was written.
    ("weights", "left"),
    [("lpba40-general", 0.55), ("lpba40-general-1mm", 0.55), ("lpba40-pmrnet", 0.85)],
)
def test_a_known_deformation_is_found(weights, left):
    fixed, moving = template_brain(FIXED, SHAPE), template_brain(MOVING, SHAPE, distort)
    found = pmrnet.register(moving, fixed, weights=weights)
    points = nib.affines.apply_affine(FIXED, np.argwhere(np.asarray(fixed.dataobj) > 300)[::50])

    def error(transform):
        return np.linalg.norm(distort(transform.map_points(points)) - points, axis=1).mean()

    before = error(found.affine)
    assert before > 1.5
    assert error(found.forward) < left * before
    images = (np.asarray(i.dataobj, float).ravel() for i in (found.moved, fixed))
    assert np.corrcoef(*images)[0, 1] > 0.98
