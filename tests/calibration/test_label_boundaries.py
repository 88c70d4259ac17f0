"""Where boundaries of labels are, and which way they face."""

import numpy as np

from pmrnet.calibration.label_boundaries import errors_at_boundaries


def test_normal_of_a_slanted_plane_between_anisotropic_voxels(rng):
    """x / 2 + y is constant on it: a covector, which no vector's matrix turns aright."""
    to_grid = np.diag([2.0, 1.0, 0.5, 1.0])
    i, j, _ = np.indices((30, 28, 24))
    labels = (i + j < 28).astype(np.uint8) + 1
    errors = errors_at_boundaries(labels, labels, (1, 2), to_grid, 1.0, 100_000, rng)
    native = errors.at / np.diag(to_grid)[:3]
    inner = ((native >= 7) & (native < np.array((30, 28, 24)) - 7)).all(axis=1)
    normal = np.array([0.5, 1, 0]) / np.hypot(0.5, 1)
    assert inner.sum() > 20
    np.testing.assert_allclose(np.abs(errors.direction[inner] @ normal), 1, atol=1e-3)
