"""PMR-Net as released: latents of the moving tower handed to the fixed one, and averaged."""

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.nn.build import build_network
from pmrnet.nn.objective import Objective
from pmrnet.nn.released import ReleasedPMRNet

GRID = (16, 24)
CONFIG = {
    "type": "pmrnet-released",
    "filters": [4, 8, 16],
    "stem_kernels": [2, 5],
    "decoder_filters": 5,
    "integration_steps": 3,
}
OBJECTIVE = Objective(feature_error="plain", level_kl_weight=0.5)
JIT = keras.backend.backend() == "jax"


def images(rng, grid=GRID, batch=1):
    return {key: rng.random((batch, *grid, 1)).astype(np.float32) for key in ("moving", "fixed")}


def make(grid=GRID, objective=None, **changes):
    """A network whose fields reach a voxel or two, unlike those of a fresh one."""
    keras.utils.set_random_seed(0)
    network = build_network(CONFIG | changes, objective)
    network.build(dict.fromkeys(("moving", "fixed"), (1, *grid, 1)))
    heads = [network.posterior_model.mean]
    for posterior in network.posteriors:
        mean = posterior[0]
        heads.append(mean.convolutions[0] if network.normalise_posterior else mean.mean)
    for head in heads:
        head.kernel.assign(2e4 * head.kernel)
    return network


def numpy(x):
    return ops.convert_to_numpy(x).astype(float)


def repeated(field, times):
    for axis in range(1, field.ndim - 1):
        field = np.repeat(field, 2**times, axis)
    return field


@pytest.mark.parametrize(("grid", "batch"), [(GRID, 2), ((8, 16, 24), 1)])
def test_outputs(rng, oracle, grid, batch):
    network, inputs = make(grid), images(rng, grid, batch)
    outputs = {key: numpy(value) for key, value in network(inputs).items()}
    assert set(outputs) == {"moved", "velocity", "displacement"}
    assert outputs["velocity"].shape == (batch, *(n // 2 for n in grid), len(grid))
    u = 2 * oracle.upsample(oracle.integrate(outputs["velocity"], 3), 1)
    assert 0.05 < np.abs(u).max() < 50
    np.testing.assert_allclose(outputs["displacement"], u, rtol=1e-3, atol=1e-3)
    moved = oracle.warp(inputs["moving"], outputs["displacement"])
    np.testing.assert_allclose(outputs["moved"], moved, rtol=1e-4, atol=1e-4)
    again = numpy(network(inputs)["velocity"])
    np.testing.assert_array_equal(again, outputs["velocity"])  # the mean, not a sample


@pytest.mark.parametrize("fusion", ["average", "sum"])
def test_fusion(rng, oracle, fusion):
    network, inputs = make(fusion=fusion), images(rng)
    inference = network(inputs, training=True)["inference"]
    levels, last = inference["levels"], inference["penalised"]
    assert len(levels) == network.level_count == 2  # the coarsest of three has no part
    means = [numpy(x["mean"]) for x in levels]
    variances = [np.exp(numpy(x["log_variance"])) for x in levels]
    if fusion == "average":
        mean = (numpy(last["mean"]) + means[0] + repeated(means[1], 1)) / 3
        variance = np.exp(numpy(last["log_variance"])) + variances[0] + repeated(variances[1], 1)
        variance /= 9
    else:
        mean = numpy(last["mean"]) + means[0] + 2 * oracle.upsample(means[1], 1)
        variance = np.exp(numpy(last["log_variance"])) + variances[0]
        variance += 4 * oracle.upsample(variances[1], 1)
    np.testing.assert_allclose(numpy(inference["mean"]), mean, atol=1e-4)
    np.testing.assert_allclose(numpy(inference["log_variance"]), np.log(variance), atol=1e-4)


def test_samples_have_the_variance_that_is_stated(rng):
    network, inputs = make(), images(rng)
    ratios = []
    for _ in range(40):
        inference = network.draw(*inputs.values())
        # Of each draw, since what the levels draw changes the decoder's posterior.
        square = np.square(numpy(inference.sample) - numpy(inference.mean))
        ratios.append(np.mean(square / np.exp(numpy(inference.log_variance))))
    assert np.mean(ratios) == pytest.approx(1, rel=0.1)


def test_default_levels_are_the_released_ones(rng):
    network = ReleasedPMRNet()
    shape = dict.fromkeys(("moving", "fixed"), (1, 16, 32, 1))
    network.build(shape)
    levels = network(images(rng, (16, 32)), training=True)["inference"]["levels"]
    assert [x["fixed_features"].shape for x in levels] == [
        (1, 8, 16, 16),
        (1, 4, 8, 32),
        (1, 2, 4, 64),
    ]
    assert [x["mean"].shape for x in levels] == [(1, 8, 16, 2), (1, 4, 8, 2), (1, 2, 4, 2)]
    widths = [block.filters for block in network.fixed_levels]
    assert widths == [(16, 32), (32, 64), (64, 128), (128, 256)]
    assert [block.filters for block in network.decoder] == [(256,), (64, 64), (32, 32), (16, 16)]
    assert [c.filters for c in network.moving_stem.convolutions] == [4, 4, 4, 4]
    assert network.multiple == 16


def test_features_of_a_level(rng):
    """The fixed tower's input there, and what is mapped back from z."""
    network, inputs = make(), images(rng)
    levels = network.draw(*inputs.values()).levels
    stem = network.fixed_stem(inputs["fixed"])
    np.testing.assert_allclose(numpy(levels[0].fixed_features), numpy(stem), atol=1e-5)
    for level in levels:
        assert level.moved_features.shape == level.fixed_features.shape
    for head in network.posteriors[0][1].convolutions:  # without noise to speak of, z is the mean
        head.kernel.assign(0 * head.kernel)
    network.posteriors[0][1].norms[0].beta.assign([-300.0, -300.0])
    level = network.draw(*inputs.values()).levels[0]
    mapped = network.mappings[0](level.mean)
    np.testing.assert_allclose(numpy(level.moved_features), numpy(mapped), atol=1e-4)


@pytest.mark.parametrize("combined", [False, True])
def test_what_the_levels_posteriors_see(rng, combined):
    network, inputs = make(combined=combined), images(rng)
    before = network.draw(*inputs.values()).levels
    other = images(rng)["fixed"]
    after = network.draw(inputs["moving"], other).levels
    changed = [
        not np.allclose(numpy(a.mean), numpy(b.mean), atol=1e-6)
        for a, b in zip(before, after, strict=True)
    ]
    assert changed == [combined, combined]


@pytest.mark.parametrize("released", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_every_weight_learns(rng, released):
    options = {"normalise": released, "normalise_posterior": released, "combined": not released}
    network = make(objective=OBJECTIVE, integration_steps=1, **options)
    network.compile(keras.optimizers.Adam(1e-3), jit_compile=JIT)
    pair = images(rng)
    before = [np.copy(w) for w in network.get_weights()]
    first = network.train_on_batch(pair, return_dict=True)
    terms = OBJECTIVE.term_names(2)
    assert set(first) == {"loss", *terms}
    assert sum(first[k] for k in terms) == pytest.approx(first["loss"], rel=1e-5)
    stayed = {
        w.path
        for w, a, b in zip(network.weights, before, network.get_weights(), strict=True)
        if np.array_equal(a, b)
    }
    assert stayed.isdisjoint(w.path for w in network.trainable_weights)
    losses = [float(network.train_on_batch(pair, return_dict=True)["loss"]) for _ in range(20)]
    assert np.isfinite(losses).all()
    if not released:  # the noise of a fresh normalised posterior, a voxel, hides it in few steps
        assert np.mean(losses[-5:]) < 0.9 * float(first["loss"])


def test_asking_for_the_posterior_changes_nothing(rng):
    network, inputs = make(), images(rng)
    before = [
        np.copy(w) for w in network.get_weights() if not np.issubdtype(w.dtype, np.unsignedinteger)
    ]
    network.draw(inputs["moving"], inputs["fixed"])
    after = [w for w in network.get_weights() if not np.issubdtype(w.dtype, np.unsignedinteger)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    network(inputs, training=True)
    after = [w for w in network.get_weights() if not np.issubdtype(w.dtype, np.unsignedinteger)]
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_configuration_and_weights_round_trip(rng, tmp_path):
    network, inputs = make(name="mine", combined=True, normalise_posterior=False), images(rng)
    copy = ReleasedPMRNet.from_config(network.get_config())
    assert copy.get_config() == network.get_config()
    copy.build({key: value.shape for key, value in inputs.items()})
    network.save_weights(tmp_path / "released.weights.h5")
    copy.load_weights(tmp_path / "released.weights.h5")
    for key, value in network.predict_on_batch(inputs).items():
        np.testing.assert_array_equal(copy.predict_on_batch(inputs)[key], value)
    paths = [w.path for w in network.weights]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filters": (4, 8, 12)}, "filters must double"),
        ({"filters": (4,)}, "filters must double"),
        ({"stem_kernels": (2, 3, 5)}, "multiple of the number of stem_kernels"),
        ({"fusion": "median"}, "fusion must be one of"),
    ],
)
def test_arguments_that_do_not_fit_are_named(changes, message):
    arguments = {key: value for key, value in CONFIG.items() if key != "type"} | changes
    with pytest.raises(ValueError, match=message):
        ReleasedPMRNet(**arguments)
