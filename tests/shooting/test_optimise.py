"""Registrations whose answer is known."""

import numpy as np
import pytest
from keras import ops
from shooting_oracle import blob, sample

from pmrnet.metrics import jacobian_determinant
from pmrnet.shooting.optimise import apparent_weights, register
from pmrnet.shooting.settings import ShootingSettings

GRID, CENTRE = (40, 36), (19, 17)
SETTINGS = ShootingSettings(
    scales=(8.0, 4.0),
    norm_weight=1e-5,
    time_steps=5,
    spacings=(1,),
    iterations=(40,),
    tolerance=1e-4,
)


def test_recovers_a_translation():
    moving, fixed = blob(GRID, CENTRE, 4.0), blob(GRID, (21.0, 16.0), 4.0)
    u, record = register([moving], [fixed], SETTINGS)
    # The fixed blob's centre must be taken from the moving blob's.
    np.testing.assert_allclose(u[21, 16], [-2.0, 1.0], atol=0.3)
    moved = sample(moving.astype(float), np.moveaxis(u, -1, 0))
    assert ((moved - fixed) ** 2).mean() < 0.02 * ((moving - fixed) ** 2).mean()
    (level,) = record["levels"]
    assert level["energy"] < 0.05 * level["first_energy"]
    assert record["momentum"].shape == GRID


def test_recovers_an_expansion():
    moving, fixed = blob(GRID, CENTRE, 3.5), blob(GRID, CENTRE, 4.5)
    u, _ = register([moving], [fixed], SETTINGS)
    # p + u(p) = centre + (p - centre) * 3.5 / 4.5 where there is an edge to see.
    for offset in ((4, 0), (-4, 0), (0, 4), (0, -4)):
        at = tuple(np.add(CENTRE, offset))
        expected = np.array(offset) * (3.5 / 4.5 - 1)
        np.testing.assert_allclose(u[at], expected, atol=0.25)
    assert jacobian_determinant(np.pad(u[..., None, :], [(0, 0)] * 2 + [(0, 1), (0, 1)])).min() > 0


def test_equal_images_stay():
    image = blob(GRID, CENTRE, 4.0)
    u, record = register([image], [image], SETTINGS)
    assert not u.any()
    assert record["levels"][0]["iterations"] == 0


def test_a_larger_weight_of_the_norm_moves_less():
    moving, fixed = blob(GRID, CENTRE, 4.0), blob(GRID, (21.0, 16.0), 4.0)
    stiff = ShootingSettings(**{**SETTINGS.as_dict(), "norm_weight": 1e-1})
    far, near = (np.abs(register([moving], [fixed], s)[0]).max() for s in (SETTINGS, stiff))
    assert near < 0.5 * far


def test_coarse_level_is_where_the_fine_one_starts():
    moving, fixed = blob(GRID, CENTRE, 4.0), blob(GRID, (22.0, 17.0), 4.0)
    pairs = [[image[::2, ::2], image] for image in (moving, fixed)]
    levels = {"spacings": (2, 1), "iterations": (30, 1)}
    two = ShootingSettings(**{**SETTINGS.as_dict(), **levels})
    u, record = register(*pairs, two)
    coarse, fine = record["levels"]
    assert (coarse["spacing"], fine["spacing"]) == (2, 1)
    # The momentum is upsampled, so the fine level begins where the coarse one ended.
    assert fine["first_energy"] < 0.2 * coarse["first_energy"]
    np.testing.assert_allclose(u[22, 17], [-3.0, 0.0], atol=0.4)


def test_refuses_images_that_do_not_match_the_levels():
    image = blob(GRID, CENTRE, 4.0)
    with pytest.raises(ValueError, match="for each of the spacings"):
        register([image, image], [image, image], SETTINGS)
    with pytest.raises(ValueError, match="equal shape"):
        register([image], [image[:-1]], SETTINGS)


def test_apparent_weights_make_all_scales_move_equally_far():
    moving, fixed = (blob(GRID, c, 4.0) for c in (CENTRE, (21, 16)))
    tensors = [ops.convert_to_tensor(a[None, ..., None]) for a in (moving, fixed)]
    narrow, wide = apparent_weights(*tensors, [1.0, 6.0])
    assert narrow + wide == pytest.approx(1.0)
    # A wide Gaussian averages the force's opposite signs away and needs the larger weight.
    assert wide > 2 * narrow
    np.testing.assert_allclose(apparent_weights(tensors[0], tensors[0], [1.0, 6.0]), 0.5)
