"""The coarse-to-fine network. Small: two levels, so that every shape compiles quickly."""

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.nn.build import build_network
from pmrnet.nn.cost_volume import cost_volume
from pmrnet.nn.objective import Objective
from pmrnet.nn.pmrnet import PMRNet
from pmrnet.nn.pmrnet_plus import PMRNetPlus

SMALL = {
    "filters": (4, 6),
    "hidden_filters": (4, 5),
    "hidden_kernels": (1, 3),
    "integration_steps": 3,
}
EVERYTHING = {
    "repeats": (1, 2),
    "top_down": True,
    "passes": 2,
    "cost_radius": 1,
    "shared_encoder": True,
}
GRID = (16, 24)


def images(rng, grid=GRID):
    return {key: rng.random((1, *grid, 1)).astype(np.float32) for key in ("moving", "fixed")}


def make(grid=GRID, kind=PMRNetPlus, **changes):
    """A network without noise whose fields reach a voxel or two, unlike those of a fresh one."""
    keras.utils.set_random_seed(0)
    network = kind(**(SMALL | changes))
    network.build(dict.fromkeys(("moving", "fixed"), (1, *grid, 1)))
    for posterior in network.posteriors:
        posterior.mean.kernel.assign(2e4 * posterior.mean.kernel)
        posterior.log_variance.bias.assign(np.full(len(grid), -60.0))
    return network


def numpy_of(x):
    return ops.convert_to_numpy(x)


def velocity_of(network, inputs):
    return numpy_of(network(inputs)["velocity"])


def mean_of(posterior, *features):
    return numpy_of(posterior(ops.concatenate(features, axis=-1))[0])


def test_each_level_sees_what_the_coarser_ones_found(rng, oracle):
    network, inputs = make(), images(rng)
    moving = [numpy_of(f) for f in network.moving_encoder(inputs["moving"])]
    fixed = network.fixed_encoder(inputs["fixed"])
    above = 2 * oracle.upsample(mean_of(network.posteriors[1], moving[1], fixed[1]), 1)
    seen = oracle.warp(moving[0], oracle.integrate(above, 3)).astype(np.float32)
    expected = mean_of(network.posteriors[0], seen, fixed[0]) + above
    velocity = velocity_of(network, inputs)
    np.testing.assert_allclose(velocity, expected, rtol=1e-3, atol=1e-3)

    outputs = network(inputs, training=True)
    np.testing.assert_allclose(numpy_of(outputs["velocity"]), velocity, rtol=1e-3, atol=1e-3)
    moved = [numpy_of(x["moved_features"]) for x in outputs["inference"]["levels"]]
    both = oracle.warp(moving[0], oracle.integrate(expected, 3))
    np.testing.assert_allclose(moved[0], both, rtol=1e-2, atol=1e-2)
    paper = make(kind=PMRNet)
    assert not np.allclose(velocity_of(paper, inputs), velocity, atol=1e-2)


def test_a_level_looks_again_at_what_it_has_moved(rng, oracle):
    network, inputs = make(repeats=(1, 2)), images(rng)
    moving = [numpy_of(f) for f in network.moving_encoder(inputs["moving"])]
    fixed = network.fixed_encoder(inputs["fixed"])
    once = mean_of(network.posteriors[1], moving[1], fixed[1])
    seen = oracle.warp(moving[1], oracle.integrate(once, 3)).astype(np.float32)
    twice = once + mean_of(network.posteriors[1], seen, fixed[1])
    levels = network(inputs, training=True)["inference"]["levels"]
    np.testing.assert_allclose(numpy_of(levels[1]["mean"]), twice, rtol=1e-3, atol=1e-3)
    assert not np.allclose(once, twice, atol=1e-2)


def test_a_level_sees_the_costs(rng):
    network, inputs = make(cost_radius=1), images(rng)
    moving = network.moving_encoder(inputs["moving"])[1]
    fixed = network.fixed_encoder(inputs["fixed"])[1]
    expected = mean_of(network.posteriors[1], moving, fixed, cost_volume(fixed, moving, 1))
    level = network(inputs, training=True)["inference"]["levels"][1]
    np.testing.assert_allclose(numpy_of(level["mean"]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("grid", [GRID, (16, 8, 12)])
def test_sample_is_the_mean_without_noise_and_fields_have_their_grids(rng, grid):
    network, inputs = make(grid, **EVERYTHING), images(rng, grid)
    inference = network(inputs, training=True)["inference"]
    np.testing.assert_allclose(
        numpy_of(inference["sample"]), numpy_of(inference["mean"]), rtol=1e-3, atol=1e-3
    )
    for number, level in enumerate(inference["levels"], 1):
        assert level["mean"].shape == (1, *(n // 2**number for n in grid), len(grid))
    assert velocity_of(network, inputs).shape == (1, *(n // 2 for n in grid), len(grid))


def test_noise_is_that_of_the_last_look(rng):
    network, inputs = make(repeats=(1, 2)), images(rng)
    coarse = network.posteriors[1]
    coarse.log_variance.bias.assign(np.log([0.04, 0.04]))
    samples = []
    for seed in range(300):
        network.sampler.reset(seed)
        inference = network.infer(inputs["moving"], inputs["fixed"], training=True)
        samples.append(numpy_of(inference.sample)[0, ::2, ::2])
    # Even points of level 1's grid are level 2's, scaled by two; level 1 follows the noise a bit.
    spread = np.std(samples, axis=0)
    assert 0.3 < np.median(spread) < 0.5
    expected = np.exp(0.5 * numpy_of(inference.log_variance)[0, ::2, ::2])
    np.testing.assert_allclose(expected, 0.4, atol=0.02)


class Steps(keras.utils.PyDataset):
    """Three steps with the same images, of a batch size not known ahead, as in a training."""

    def __init__(self, inputs):
        super().__init__()
        self.inputs = inputs

    def __len__(self):
        return 3

    def __getitem__(self, step):
        return (self.inputs,)


def test_every_weight_is_trained(rng):
    keras.utils.set_random_seed(0)
    network = PMRNetPlus(objective=Objective(level_weight=0.0), **SMALL, **EVERYTHING)
    inputs = images(rng)
    network.build({key: value.shape for key, value in inputs.items()})
    jit = keras.backend.backend() == "jax"
    network.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=jit)
    before = [numpy_of(w).copy() for w in network.trainable_weights]
    network.fit(Steps(inputs), verbose=0)
    changed = [
        not np.array_equal(a, numpy_of(w))
        for a, w in zip(before, network.trainable_weights, strict=True)
    ]
    assert all(changed)


def test_weights_and_configuration_round_trip(rng, tmp_path):
    network, inputs = make(**EVERYTHING), images(rng)
    copy = PMRNetPlus.from_config(network.get_config())
    copy.build({key: value.shape for key, value in inputs.items()})
    assert copy.get_config() == network.get_config()
    assert len(copy.weights) == len(network.weights)
    network.save_weights(tmp_path / "network.weights.h5")
    copy.load_weights(tmp_path / "network.weights.h5")
    np.testing.assert_array_equal(velocity_of(copy, inputs), velocity_of(network, inputs))


def test_built_by_name():
    network = build_network({"type": "pmrnet-plus", "repeats": [1, 1, 2, 2], "top_down": True})
    assert isinstance(network, PMRNetPlus)
    assert network.repeats == (1, 1, 2, 2)
    assert network.moving_top_down is not network.fixed_top_down


@pytest.mark.parametrize("repeats", [(1,), (1, 0)])
def test_wrong_repeats_are_named(repeats):
    with pytest.raises(ValueError, match="1 or more for each of the 2 levels"):
        PMRNetPlus(**SMALL, repeats=repeats)


def test_wrong_radius_is_named():
    with pytest.raises(ValueError, match="cost_radius must be 0 or more"):
        PMRNetPlus(**SMALL, cost_radius=-1)
