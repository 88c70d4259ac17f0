"""FAIM: a displacement at full resolution, by addition of skips."""

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.nn.build import build_network
from pmrnet.nn.displacement_objective import DisplacementObjective
from pmrnet.nn.faim import FAIM
from pmrnet.nn.objective import Objective

GRID = (12, 16)
CONFIG = {"type": "faim", "filters": 8, "kernels": [2, 3, 4, 5]}
JIT = keras.backend.backend() == "jax"


def images(rng, grid=GRID, batch=1):
    return {key: rng.random((batch, *grid, 1)).astype(np.float32) for key in ("moving", "fixed")}


def make(grid=GRID, **changes):
    keras.utils.set_random_seed(0)
    network = build_network(CONFIG | changes, DisplacementObjective(window=3))
    network.build(dict.fromkeys(("moving", "fixed"), (1, *grid, 1)))
    return network


@pytest.mark.parametrize(("grid", "batch"), [(GRID, 2), ((8, 12, 4), 1)])
def test_outputs(rng, oracle, grid, batch):
    network, inputs = make(grid), images(rng, grid, batch)
    network.head.kernel.assign(network.head.kernel * 50)
    outputs = {key: ops.convert_to_numpy(value) for key, value in network(inputs).items()}
    assert set(outputs) == {"moved", "displacement"}
    assert outputs["displacement"].shape == (batch, *grid, len(grid))
    assert 0.2 < np.abs(outputs["displacement"]).max() < 50
    expected = oracle.warp(inputs["moving"], outputs["displacement"])
    np.testing.assert_allclose(outputs["moved"], expected, rtol=1e-4, atol=1e-4)
    training = network(inputs, training=True)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(training["displacement"]), outputs["displacement"]
    )


def test_default_size_is_the_authors():
    """Their layers' weights, counted by hand for 3D."""
    network = FAIM()
    network.build()
    stem = sum(2 * k**3 * 8 + 8 for k in (2, 5, 7, 11)) + 32
    inner = 27 * 32 * 32 + 32
    rest = 7 * inner + (8 * 32 * 32 + 32) + 4 * 32 + 27 * 32 * 3 + 3
    assert network.count_params() == stem + rest
    assert not any("posterior" in w.path for w in network.weights)


def test_skips_are_added(rng):
    """With nothing coming from below, the head sees the stem's features as they are."""
    network, inputs = make(), images(rng)
    network.after_up2.set_weights([0 * w for w in network.after_up2.get_weights()])
    both = np.concatenate([inputs["moving"], inputs["fixed"]], axis=-1)
    expected = network.head(network.stem(both))
    np.testing.assert_allclose(
        ops.convert_to_numpy(network(inputs)["displacement"]),
        ops.convert_to_numpy(expected),
        rtol=1e-5,
        atol=1e-6,
    )


def test_trains(rng):
    network, pair = make(), images(rng)
    network.compile(keras.optimizers.Adam(3e-3), jit_compile=JIT)
    before = [np.copy(w) for w in network.get_weights()]
    first = network.train_on_batch(pair, return_dict=True)
    assert set(first) == {"loss", "image_correlation", "gradient", "folding"}
    assert sum(v for k, v in first.items() if k != "loss") == pytest.approx(first["loss"], rel=1e-5)
    after = [np.copy(w) for w in network.get_weights()]
    stayed = [
        w.path
        for w, a, b in zip(network.weights, before, after, strict=True)
        if np.array_equal(a, b)
    ]
    assert set(stayed).isdisjoint(w.path for w in network.trainable_weights)
    losses = [float(network.train_on_batch(pair, return_dict=True)["loss"]) for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.9 * float(first["loss"])


def test_configuration_and_weights_round_trip(rng, tmp_path):
    network, inputs = make(name="mine"), images(rng)
    config = network.get_config()
    assert "integration_steps" not in config
    copy = FAIM.from_config(config)
    assert copy.get_config() == config
    copy.build({key: value.shape for key, value in inputs.items()})
    network.save_weights(tmp_path / "faim.weights.h5")
    copy.load_weights(tmp_path / "faim.weights.h5")
    for key, value in network.predict_on_batch(inputs).items():
        np.testing.assert_array_equal(copy.predict_on_batch(inputs)[key], value)


def test_an_objective_of_posteriors_is_refused():
    with pytest.raises(ValueError, match="objective of type displacement; got Objective"):
        FAIM(objective=Objective())


@pytest.mark.parametrize(("grid", "fits"), [((12, 16), True), ((14, 16), False)])
def test_multiples_of_four(rng, grid, fits):
    if fits:
        assert make(grid)(images(rng, grid))["moved"].shape == (1, *grid, 1)
    else:
        with pytest.raises(ValueError, match="multiple of 4"):
            make()(images(rng, grid))


def test_filters_that_the_stem_cannot_share():
    with pytest.raises(ValueError, match="multiple of the number of kernels; got 10"):
        FAIM(filters=10)
    with pytest.raises(ValueError, match=r"multiple of the number of kernels; got 8 and \(\)"):
        FAIM(filters=8, kernels=())


def test_has_no_velocity(rng):
    network, inputs = make(), images(rng)
    assert not network.has_velocity
    with pytest.raises(NotImplementedError):
        network.draw(inputs["moving"], inputs["fixed"])
