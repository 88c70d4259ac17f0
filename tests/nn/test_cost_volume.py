"""Matching costs, against a loop over offsets."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.nn.cost_volume import cost_volume


def expected(fixed, moving, radius, variance=None):
    """Per voxel and offset, by hand; with the variance of `fixed` unless there is another."""
    grid = fixed.shape[1:-1]
    if variance is None:
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


def gradients_of(fixed, moving, weight, radius):
    """Of the weighted sum of the costs, by the backend."""
    fixed, moving, weight = (
        ops.convert_to_tensor(x.astype(np.float32)) for x in (fixed, moving, weight)
    )
    if keras.backend.backend() == "jax":
        import jax

        def loss(fixed, moving):
            return ops.sum(weight * cost_volume(fixed, moving, radius))

        found = jax.grad(loss, argnums=(0, 1))(fixed, moving)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch([fixed, moving])
            total = ops.sum(weight * cost_volume(fixed, moving, radius))
        found = tape.gradient(total, [fixed, moving])
    return [ops.convert_to_numpy(x) for x in found]


@pytest.mark.parametrize(("grid", "radius"), [((5, 7), 2), ((3, 4, 5), 1)])
def test_gradients_by_finite_differences(rng, grid, radius):
    """The variance counts as constant."""
    fixed, moving = rng.normal(size=(2, 1, *grid, 2))
    weight = rng.normal(size=(1, *grid, (2 * radius + 1) ** len(grid)))
    variance = fixed.var(axis=tuple(range(1, fixed.ndim - 1)), keepdims=True)
    found = gradients_of(fixed, moving, weight, radius)
    for which, array in enumerate((fixed, moving)):
        for index in [tuple(rng.integers(n) for n in array.shape) for _ in range(12)]:
            ends = []
            for step in (1e-4, -1e-4):
                pair = [fixed.copy(), moving.copy()]
                pair[which][index] += step
                ends.append((weight * expected(*pair, radius, variance)).sum())
            slope = (ends[0] - ends[1]) / 2e-4
            np.testing.assert_allclose(found[which][index], slope, rtol=1e-3, atol=1e-3)
