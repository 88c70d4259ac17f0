"""One transform between native spaces, against the composition point by point."""

import numpy as np
from scipy import ndimage

from fake_subjects import oblique
from pmrnet.composition import Placement, native_displacement

GRID = (12, 10, 14)


def place(rng, shape):
    spacing = np.diag([1.3, 0.8, 1.1, 1.0])
    return Placement(
        oblique(rng, shift=30) @ spacing, shape, oblique(rng) @ np.diag([0.7, 0.9, 0.6, 1.0])
    )


def points_of(shape):
    return np.indices(shape).reshape(3, -1)


def apply(matrix, points):
    return matrix[:3, :3] @ points + matrix[:3, 3:]


def test_is_the_composition_of_the_three_maps(rng, smooth_field):
    fixed, moving = place(rng, (7, 8, 9)), place(rng, (9, 6, 8))
    u = smooth_field(GRID, 2.0, 3)[0]
    voxels = points_of(fixed.shape)
    on_grid = apply(np.linalg.inv(fixed.grid_to_native), voxels)
    moved = on_grid + [
        ndimage.map_coordinates(u[..., i].astype(float), on_grid, order=1, mode="nearest")
        for i in range(3)
    ]
    expected = apply(moving.affine @ moving.grid_to_native, moved) - apply(fixed.affine, voxels)
    found = native_displacement(fixed, moving, u)
    assert found.shape == (7, 8, 9, 3)
    assert found.dtype == np.float32
    assert np.ptp(expected) > 5
    np.testing.assert_allclose(found.reshape(-1, 3).T, expected, atol=1e-4)


def test_without_a_deformation_it_is_the_affine_map(rng):
    fixed, moving = place(rng, (7, 8, 9)), place(rng, (9, 6, 8))
    zero = native_displacement(fixed, moving, np.zeros((*GRID, 3)))
    np.testing.assert_allclose(native_displacement(fixed, moving), zero, atol=1e-5)
    # There and back is where one was.
    voxels = points_of(fixed.shape)
    there = apply(fixed.affine, voxels) + zero.reshape(-1, 3).T
    to_fixed = (
        fixed.affine @ fixed.grid_to_native @ np.linalg.inv(moving.affine @ moving.grid_to_native)
    )
    np.testing.assert_allclose(apply(to_fixed, there), apply(fixed.affine, voxels), atol=1e-3)
