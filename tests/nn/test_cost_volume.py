"""Matching costs, against a loop over offsets."""

import itertools

import numpy as np
import pytest
from keras import ops

from pmrnet.nn.cost_volume import cost_volume


def expected(fixed, moving, radius):
    """Per voxel and offset, by hand."""
    grid = fixed.shape[1:-1]
    variance = fixed.var(axis=tuple(range(1, fixed.ndim - 1)), keepdims=True)
    costs = []
    for offset in itertools.product(range(-radius, radius + 1), repeat=len(grid)):
        shifted = np.zeros_like(moving)
        to = tuple(slice(max(0, -o), n - max(0, o)) for o, n in zip(offset, grid, strict=True))
        at = tuple(slice(max(0, o), n - max(0, -o)) for o, n in zip(offset, grid, strict=True))
        shifted[(slice(None), *to)] = moving[(slice(None), *at)]
        costs.append(((fixed - shifted) ** 2 / (variance + 1e-6)).mean(axis=-1))
    return np.stack(costs, axis=-1)


@pytest.mark.parametrize(("grid", "radius"), [((7, 9), 1), ((7, 9), 2), ((4, 5, 6), 1)])
def test_costs(rng, grid, radius):
    fixed, moving = rng.normal(size=(2, 2, *grid, 3)).astype(np.float32)
    found = ops.convert_to_numpy(cost_volume(fixed, moving, radius))
    assert found.shape == (2, *grid, (2 * radius + 1) ** len(grid))
    np.testing.assert_allclose(found, expected(fixed, moving, radius), rtol=1e-4, atol=1e-5)


def test_the_cheapest_offset_is_the_shift(rng):
    fixed = rng.normal(size=(1, 9, 10, 4)).astype(np.float32)
    moving = np.roll(fixed, (1, -1), axis=(1, 2))
    costs = ops.convert_to_numpy(cost_volume(fixed, moving, 1))[0, 2:-2, 2:-2]
    offsets = list(itertools.product((-1, 0, 1), repeat=2))
    assert (costs.argmin(axis=-1) == offsets.index((1, -1))).all()


def test_scale_of_the_features_does_not_matter(rng):
    fixed, moving = rng.normal(size=(2, 1, 6, 7, 3)).astype(np.float32)
    one, other = (ops.convert_to_numpy(cost_volume(k * fixed, k * moving)) for k in (1.0, 50.0))
    np.testing.assert_allclose(one, other, rtol=1e-3)
