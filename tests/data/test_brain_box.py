"""Volumes cut to their brains: every voxel stays where it was."""

import numpy as np
import pytest
from nibabel.affines import apply_affine

from pmrnet.data.brain_box import cut_to_brain
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

OBLIQUE = np.array(
    [[1.9, -0.2, 0.1, -30.0], [0.3, 0.9, -0.2, 12.0], [0.1, 0.1, 1.4, 7.0], [0, 0, 0, 1.0]]
)


def places(volume):
    """Values of all voxels that are not 0, and where they are in mm, to a hundredth."""
    at = np.argwhere(volume.data)
    points = np.rint(100 * apply_affine(volume.affine, at)).astype(int)
    return {tuple(p): v for p, v in zip(points, volume.data[tuple(at.T)], strict=True)}


def test_voxels_stay_where_they_are(rng):
    data = np.zeros((17, 18, 19))
    data[6:9, 5:11, 7:15] = rng.random((3, 6, 8))
    whole = Volume(data, OBLIQUE, "axes")
    part = cut_to_brain(whole, margin=2.5)
    # Voxels of 1.9, 0.9 and 1.4 mm: 2.5 mm are 2, 3 and 2 of them.
    assert part.shape == (3 + 4, 6 + 6, 8 + 4)
    assert places(part) == places(whole)
    assert part.assumed == "axes"


def test_margin_ends_with_the_grid(rng):
    data = np.zeros((5, 6, 7))
    data[0, 5, 3] = 1
    part = cut_to_brain(Volume(data, np.eye(4)), margin=2)
    assert part.shape == (3, 3, 5)
    assert places(part) == {(0, 500, 300): 1}


def test_the_affine_given_is_left_alone():
    affine = np.eye(4)
    data = np.zeros((9, 9, 9))
    data[4, 4, 4] = 1
    cut_to_brain(Volume(data, affine), margin=1)
    np.testing.assert_array_equal(affine, np.eye(4))


def test_only_zeros():
    with pytest.raises(InputError, match="found only zeros"):
        cut_to_brain(Volume(np.zeros((3, 4, 5)), np.eye(4)))
