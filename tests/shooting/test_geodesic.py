"""The geodesic against an independent solver, and the laws of Hamiltonian motion."""

import numpy as np
import pytest
from keras import ops
from scipy import ndimage
from shooting_oracle import blob, sample, velocity
from shooting_oracle import shoot as shoot_in_float64

from pmrnet.shooting.geodesic import momentum_field, shoot, squared_norm, transport
from pmrnet.shooting.kernel import kernel_matrices

GRID, SPACING = (40, 36), 2.0
SIGMAS, WEIGHTS = (2.0, 4.0), (0.4, 0.6)


def motion(grid, scale=1):
    """Image and momentum on a grid of voxels smaller by a factor, (*grid) each.

    The blob is pushed to greater x and y by about two voxels, and widened.
    """

    def at(centre, width):
        return blob(grid, [scale * c for c in centre], scale * width)

    return at((19, 17), 4.0), 160 * at((22, 19), 4.0) + 60 * at((15, 15), 3.0)


IMAGE, MOMENTUM = motion(GRID)


def tensor(array):
    return ops.convert_to_tensor(np.asarray(array, np.float32)[None, ..., None])


def plain(image):
    return ops.convert_to_numpy(image)[0, ..., 0].astype(float)


@pytest.fixture(scope="module")
def matrices():
    return tuple(ops.convert_to_tensor(m) for m in kernel_matrices(GRID, SIGMAS, WEIGHTS))


@pytest.fixture(scope="module")
def states(matrices):
    """Images and momenta (image, momentum) at all times of a geodesic, by number of steps."""
    kept = {}

    def of(steps):
        if steps not in kept:
            image, momentum = tensor(IMAGE), tensor(MOMENTUM)
            flow = shoot(image, momentum, matrices, SPACING, steps)
            kept[steps] = flow, [(image, momentum), *(transport(image, momentum, u) for u in flow)]
        return kept[steps]

    return of


def test_equals_the_equations_in_float64(states):
    found = ops.convert_to_numpy(states(5)[0][-1])[0]
    expected = shoot_in_float64(IMAGE, MOMENTUM, SIGMAS, WEIGHTS, SPACING, 5)
    assert np.abs(expected).max() > 1.5  # voxels: not a trivial motion
    np.testing.assert_allclose(np.moveaxis(found, -1, 0), expected, atol=1e-4)


def test_returns_the_flow_after_every_step(states):
    assert [tuple(u.shape) for u in states(5)[0]] == [(1, *GRID, 2)] * 5


def test_displacement_warps_the_image_to_the_end_of_its_advection(states):
    # The advection equation solved on the image itself, interpolated by cubic splines.
    steps, image = 20, IMAGE.astype(float)
    for carried, p in states(steps)[1][:-1]:
        v = velocity(plain(carried), plain(p), SIGMAS, WEIGHTS, SPACING)
        back = np.indices(GRID) - v / (steps * SPACING)
        image = ndimage.map_coordinates(image, back, order=3, mode="nearest")
    displacement = np.moveaxis(ops.convert_to_numpy(states(steps)[0][-1])[0], -1, 0)
    assert np.abs(image - IMAGE).max() > 0.25
    np.testing.assert_allclose(sample(IMAGE.astype(float), displacement), image, atol=0.02)


def test_scalar_momentum_keeps_its_integral(states):
    totals = [plain(momentum).sum() for _, momentum in states(20)[1]]
    np.testing.assert_allclose(totals, totals[0], rtol=0.01)


def test_total_momentum_is_kept(states):
    """Translations move nothing in the equations, so the sum of -P grad I is constant."""
    totals = np.array(
        [ops.convert_to_numpy(momentum_field(*s, SPACING)).sum((0, 1, 2)) for s in states(20)[1]]
    )
    size = np.linalg.norm(totals[0])
    assert size > 1
    assert np.abs(totals - totals[0]).max() < 0.02 * size


def test_speed_is_constant_up_to_an_error_that_falls_with_the_steps(states, matrices):
    def drift(steps):
        speeds = [float(squared_norm(*s, matrices, SPACING)) for s in states(steps)[1]]
        return np.abs(np.array(speeds) / speeds[0] - 1).max()

    coarse, fine = drift(5), drift(20)
    assert fine < 0.03
    assert fine < 0.6 * coarse


def test_backward_shooting_returns_the_image(states, matrices):
    image, momentum = states(20)[1][-1]
    back = shoot(image, -momentum, matrices, SPACING, 20)[-1]
    returned = plain(transport(image, momentum, back)[0])
    assert np.abs(plain(image) - IMAGE).max() > 0.25
    assert np.abs(returned - IMAGE).max() < 0.04


def test_a_momentum_means_the_same_on_a_finer_grid(states):
    """Voxels of half the size: the displacement is twice as many of them."""
    fine = tuple(2 * n for n in GRID)
    image, momentum = motion(fine, 2)
    u = shoot_in_float64(image, momentum, [2 * s for s in SIGMAS], WEIGHTS, SPACING / 2, 5)
    coarse = np.moveaxis(ops.convert_to_numpy(states(5)[0][-1])[0], -1, 0)
    assert np.abs(u[:, ::2, ::2] / 2 - coarse).max() < 0.1 * np.abs(coarse).max()
