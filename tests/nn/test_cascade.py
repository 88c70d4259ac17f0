"""Passes of the networks that may look again at what they have moved, on small images."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.ndimage import gaussian_filter

from pmrnet import spatial
from pmrnet.errors import InputError
from pmrnet.nn.build import build_network, network_with_weights
from pmrnet.nn.cascade import with_passes
from pmrnet.nn.objective import Objective
from random_weights import draw_weights

GRID = (16, 24)
LEVELS = {"filters": [4, 6], "hidden_filters": [4, 5], "hidden_kernels": [1, 3]}
KINDS = {
    "pmrnet": LEVELS,
    "pmrnet-plus": LEVELS
    | {"repeats": [1, 2], "top_down": True, "cost_radius": 1, "shared_encoder": True},
    "concatenation": LEVELS,
    "voxelmorph": {"filters": [4, 6], "decoder_filters": [4, 4, 4]},
}


def make(kind, passes, grid=GRID, coarse_passes=0, **training):
    """A network without noise whose fields reach a voxel or two, unlike those of a fresh one."""
    keras.utils.set_random_seed(0)
    counts = {"passes": passes, "coarse_passes": coarse_passes}
    config = {"type": kind, "integration_steps": 3, **counts, **KINDS[kind]}
    network = build_network(config, **training)
    network.build(dict.fromkeys(("moving", "fixed"), (1, *grid, 1)))
    posteriors = getattr(network, "posteriors", None) or [network.posterior_model]
    for posterior in posteriors:
        posterior.mean.kernel.assign(2e4 * posterior.mean.kernel)
        posterior.log_variance.bias.assign(np.full(len(grid), -60.0))
    return network


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def inputs(rng):
    return images(rng)


def images(rng, grid=GRID):
    return {key: rng.random((1, *grid, 1)).astype(np.float32) for key in ("moving", "fixed")}


def numpy_of(x):
    return ops.convert_to_numpy(x)


def close(found, expected):
    np.testing.assert_allclose(numpy_of(found), expected, rtol=1e-3, atol=1e-3)


def velocity_after(network, inputs, passes, coarse_passes=0):
    """By hand: every look is at the moving image resampled once, by all that was found before."""
    seen, velocity = inputs, 0.0
    if coarse_passes:
        velocity = coarse_velocity(network, inputs, coarse_passes)
        u = network.displacement_of(ops.convert_to_tensor(velocity))
        moved = network.transformer([ops.convert_to_tensor(inputs["moving"]), u])
        seen = inputs | {"moving": numpy_of(moved)}
    for _ in range(passes):
        velocity = velocity + numpy_of(network(seen)["velocity"])
        u = network.displacement_of(ops.convert_to_tensor(velocity))
        moved = network.transformer([ops.convert_to_tensor(inputs["moving"]), u])
        seen = inputs | {"moving": numpy_of(moved)}
    return velocity


def coarse_velocity(network, inputs, passes):
    """By hand: that of images of half the size, with margins, on the grid of the fine velocity."""
    sizes = inputs["moving"].shape[1:-1]
    margins = [(0, 0), *((0, -n % (2 * network.multiple)) for n in sizes), (0, 0)]
    halves = {key: downsampled(np.pad(x, margins)) for key, x in inputs.items()}
    found = numpy_of(spatial.upsample_field(velocity_after(network, halves, passes), 1))
    return found[(slice(None), *(slice(0, n // 2) for n in sizes))]


def downsampled(x):
    """Half the size: what `spatial.halve` is for has tests of its own."""
    return numpy_of(spatial.halve(ops.convert_to_tensor(x)))


@pytest.mark.parametrize("coarse_passes", [1, 2])
@pytest.mark.parametrize("grid", [GRID, (12, 20)])
def test_coarse_passes_come_first_and_see_half_the_resolution(kind, coarse_passes, grid, rng):
    inputs = images(rng, grid)
    once = make(kind, 1, grid)
    expected = velocity_after(once, inputs, 2, coarse_passes)
    network = make(kind, 2, grid, coarse_passes)
    assert expected.shape == (1, *(n // 2 for n in grid), 2)
    close(network(inputs)["velocity"], expected)
    close(network.predict_on_batch(inputs)["velocity"], expected)
    close(network(inputs, training=True)["velocity"], expected)
    shared = network.shared_by_draws(inputs["moving"], inputs["fixed"])
    for found in (network.mean_from(shared), network.sample_from(shared)):
        close(found, expected)
    assert not np.allclose(velocity_after(once, inputs, 2), expected, atol=1e-2)


def test_coarse_passes_in_space_where_margins_are_wanted(rng):
    grid = (12, 20, 16)
    inputs = images(rng, grid)
    expected = velocity_after(make("pmrnet", 1, grid), inputs, 1, coarse_passes=1)
    assert expected.shape == (1, 6, 10, 8, 3)
    network = make("pmrnet", 1, grid, coarse_passes=1)
    close(network.predict_on_batch(inputs)["velocity"], expected)
    close(network(inputs, training=True)["velocity"], expected)


def test_coarse_passes_move_what_lies_beyond_the_reach_of_the_others(rng):
    """A pass that knows shifts of one voxel alone knows those of two at half the resolution."""
    network = make("concatenation", 1, coarse_passes=1)
    one_voxel = numpy_of(network.posterior_model.mean.bias) * 0 + np.array([0.5, 0], np.float32)
    for weight in network.trainable_weights:
        weight.assign(0 * weight)
    network.posterior_model.mean.bias.assign(one_voxel)  # of the half grid: a voxel of the images
    found = numpy_of(network(images(rng))["velocity"])
    np.testing.assert_allclose(found[..., 0], 0.5 + 1, atol=1e-5)


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_pass_sees_the_moving_image_as_the_ones_before_moved_it(kind, passes, inputs):
    expected = velocity_after(make(kind, 1), inputs, passes)
    network = make(kind, passes)
    close(network(inputs)["velocity"], expected)
    close(network.predict_on_batch(inputs)["velocity"], expected)
    close(network(inputs, training=True)["velocity"], expected)
    drawn = network.draw(inputs["moving"], inputs["fixed"])
    shared = network.shared_by_draws(inputs["moving"], inputs["fixed"])
    for found in (
        drawn.mean,
        drawn.sample,  # without noise
        network.mean_from(shared),
        network.sample_from(shared),
    ):
        close(found, expected)
    if passes > 1:
        once = velocity_after(make(kind, 1), inputs, 1)
        assert not np.allclose(once, expected, atol=1e-2)


def test_in_space(rng):
    grid = (8, 12, 16)
    inputs = images(rng, grid)
    expected = velocity_after(make("pmrnet", 1, grid), inputs, 2)
    assert expected.shape == (1, 4, 6, 8, 3)
    close(make("pmrnet", 2, grid)(inputs)["velocity"], expected)


def test_what_the_loss_sees_is_of_the_last_pass(inputs):
    once = make("pmrnet", 1)
    moved = inputs | {"moving": numpy_of(once(inputs)["moved"])}
    expected = once(moved, training=True)["inference"]
    found = make("pmrnet", 2)(inputs, training=True)["inference"]
    close(found["log_variance"], numpy_of(expected["log_variance"]))
    for level, last in zip(found["levels"], expected["levels"], strict=True):
        for name, value in last.items():
            close(level[name], numpy_of(value))


def test_gradients_go_through_all_passes(rng):
    """By differences, on smooth images, where kinks of the interpolation do not matter."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken by TensorFlow's tape here")
    import tensorflow as tf

    network = make("concatenation", 2, coarse_passes=1)
    inputs = {key: gaussian_filter(x, (0, 3, 3, 0)) for key, x in images(rng).items()}
    weight = network.posterior_model.mean.bias
    target = ops.convert_to_tensor(inputs["fixed"])

    def loss():
        return ops.mean(ops.square(network(inputs)["moved"] - target))

    with tf.GradientTape() as tape:
        value = loss()
    gradient = numpy_of(tape.gradient(value, weight.value))
    start, step = numpy_of(weight), 3e-3
    differences = []
    for axis in range(2):
        ends = []
        for sign in (1, -1):
            weight.assign(start + sign * step * np.eye(2, dtype=np.float32)[axis])
            ends.append(float(loss()))
        differences.append((ends[0] - ends[1]) / (2 * step))
    np.testing.assert_allclose(gradient, differences, rtol=0.05)
    network.training_passes = network.passes = 1
    network.coarse_passes = 0
    with tf.GradientTape() as tape:
        value = loss()
    assert not np.allclose(numpy_of(tape.gradient(value, weight.value)), differences, rtol=0.2)


def test_training_may_take_fewer_passes(kind, inputs):
    network = make(kind, 2)
    whole, once = (velocity_after(make(kind, 1), inputs, passes) for passes in (2, 1))
    for passes, expected in ((2, whole), (1, once)):
        network.training_passes = passes
        close(network(inputs, training=True)["velocity"], expected)
        drawn = network.draw(inputs["moving"], inputs["fixed"]).mean
        for found in (drawn, network(inputs)["velocity"]):
            close(found, whole)


def test_every_weight_is_trained(kind, inputs):
    network = make(kind, 2, coarse_passes=1, objective=Objective(level_weight=0.0))
    jit = keras.backend.backend() == "jax"
    network.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=jit)
    before = [numpy_of(w).copy() for w in network.trainable_weights]
    for _ in range(3):
        network.train_on_batch(inputs)
    for old, new in zip(before, network.trainable_weights, strict=True):
        assert not np.array_equal(old, numpy_of(new)), new.path


def test_configuration_round_trip(kind):
    network = make(kind, 3, coarse_passes=2)
    copy = type(network).from_config(network.get_config())
    assert copy.passes == copy.training_passes == 3
    assert copy.coarse_passes == 2
    assert copy.get_config() == network.get_config()


def test_wrong_number_is_named(kind):
    with pytest.raises(ValueError, match="passes must be 1 or more; got 0"):
        make(kind, 0)
    for wrong in (-1, 1.5, True):
        with pytest.raises(ValueError, match=f"coarse_passes must be 0 or more; got {wrong}"):
            make(kind, 1, coarse_passes=wrong)


@pytest.mark.parametrize("coarse_passes", [0, 1])
def test_the_same_weights_look_as_often_as_wanted(coarse_passes, rng):
    counts = {"passes": 2, "coarse_passes": coarse_passes}
    config = {"type": "pmrnet", "integration_steps": 2, **counts, **LEVELS}
    trained = network_with_weights(config)
    draw_weights(trained, rng)
    inputs = images(rng, (8, 12, 16))
    before = numpy_of(trained(inputs)["velocity"])
    plain = network_with_weights({**config, "passes": 1, "coarse_passes": 0})
    plain.set_weights(trained.get_weights())
    once = with_passes(trained, 1)
    for passes in (1, 2, 3):
        found = with_passes(trained, passes)
        assert (found.passes, found.training_passes) == (passes, passes)
        assert found.coarse_passes == coarse_passes
        close(found(inputs)["velocity"], velocity_after(plain, inputs, passes, coarse_passes))
    other = with_passes(trained, 2, 1 - coarse_passes)
    close(other(inputs)["velocity"], velocity_after(plain, inputs, 2, 1 - coarse_passes))
    assert with_passes(trained, 2, coarse_passes) is trained
    assert not np.allclose(once(inputs)["velocity"], before, atol=1e-2)
    assert trained.passes == 2
    np.testing.assert_array_equal(numpy_of(trained(inputs)["velocity"]), before)


def test_what_cannot_look_so_often_is_said():
    one_look = network_with_weights({"type": "faim", "filters": 4})
    with pytest.raises(InputError, match="found FAIM; leave the passes out"):
        with_passes(one_look, 2)
    network = network_with_weights({"type": "pmrnet", "integration_steps": 2, **LEVELS})
    for wrong in (0, -1, 2.5, "4", True):
        with pytest.raises(InputError, match=f"passes: expected 1 or more, found {wrong}"):
            with_passes(network, wrong)
    with pytest.raises(InputError, match="coarse passes: expected 0 or more, found -1"):
        with_passes(network, 1, -1)
