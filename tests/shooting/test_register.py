"""Displacements between prepared subjects: grids, units, grey levels."""

from types import SimpleNamespace

import numpy as np
from shooting_oracle import blob

from pmrnet.data.downsampling import downsample
from pmrnet.shooting import ShootingRegistrar, ShootingSettings
from pmrnet.shooting.grey_levels import align_grey_levels

GRID = (24, 20, 22)


def subject(name, centre):
    image = blob(GRID, centre, 4.0)
    return SimpleNamespace(name=name, spacing=1, image_at=lambda s: downsample(image, s))


def test_displacement_is_in_voxels_of_the_stored_grid():
    settings = ShootingSettings(
        scales=(8.0,), norm_weight=1e-5, time_steps=3, spacings=(2,), iterations=(8,)
    )
    registrar = ShootingRegistrar(settings)
    moving, fixed = subject("a", (11, 10, 10)), subject("b", (13, 10, 10))
    u = registrar.displacement(moving, fixed)
    assert u.shape == (*GRID, 3)
    assert u.dtype == np.float32
    np.testing.assert_allclose(u[12, 10, 10], [-2.0, 0.0, 0.0], atol=0.5)
    assert registrar.record["levels"][0]["spacing"] == 2
    assert registrar.record["momentum"].shape == (12, 10, 11)


def test_grey_levels_take_the_other_brains_mean_and_spread(rng):
    image, reference = np.zeros((7, 8, 9)), np.zeros((6, 5, 4))
    image[1:5], reference[2:4] = rng.uniform(0.2, 0.4, (4, 8, 9)), rng.uniform(0.4, 0.9, (2, 5, 4))
    aligned = align_grey_levels(image, reference)
    brain, other = aligned[1:5], reference[2:4]
    np.testing.assert_allclose([brain.mean(), brain.std()], [other.mean(), other.std()], rtol=1e-5)
    assert not aligned[0].any()
    assert not aligned[5:].any()


def test_grey_levels_of_an_empty_image_stay():
    image = np.linspace(0, 1, 24).reshape(2, 3, 4)
    np.testing.assert_allclose(align_grey_levels(image, np.zeros((2, 3, 4))), image, rtol=1e-6)
