"""The network as a whole. Small: two levels, so that every shape compiles quickly."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.nn.objective import Objective
from pmrnet.nn.pmrnet import PMRNet

SMALL = {
    "filters": (4, 6),
    "hidden_filters": (4, 5),
    "hidden_kernels": (1, 3),
    "integration_steps": 3,
}
GRID = (16, 24)
JIT = keras.backend.backend() == "jax"


def images(rng, grid=GRID, batch=1):
    return {key: rng.random((batch, *grid, 1)).astype(np.float32) for key in ("moving", "fixed")}


def make(grid=GRID, seed=0, objective=None, **changes):
    """A network whose fields reach a voxel or two, unlike those of a fresh one."""
    keras.utils.set_random_seed(seed)
    network = PMRNet(objective=objective, **(SMALL | {"seed": seed} | changes))
    network.build(dict.fromkeys(("moving", "fixed"), (1, *grid, 1)))
    for posterior in network.posteriors:
        kernel = posterior.mean.kernel
        kernel.assign(2e4 * kernel)
    return network


def trainable(objective, **kwargs):
    network = make(objective=objective, **kwargs)
    network.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=JIT)
    return network


def as_numpy(outputs):
    return {key: ops.convert_to_numpy(value) for key, value in outputs.items()}


@pytest.mark.parametrize("log_variance", [-200.0, 90.0, 1e4])
def test_immense_and_vanishing_variances_are_finite_when_fused(rng, log_variance):
    network = make()
    for posterior in network.posteriors:
        posterior.log_variance.bias.assign(np.full(2, log_variance))
    inference = network.draw(*(images(rng)[key] for key in ("moving", "fixed")))
    fused = ops.convert_to_numpy(inference.log_variance)
    assert np.isfinite(fused).all()
    assert (np.sign(fused) == np.sign(log_variance)).all()


@pytest.mark.parametrize(("grid", "batch"), [(GRID, 1), (GRID, 2), ((16, 8, 12), 1)])
def test_outputs(rng, oracle, grid, batch):
    inputs = images(rng, grid, batch)
    outputs = as_numpy(make(grid)(inputs))
    assert set(outputs) == {"moved", "velocity", "displacement"}
    half = tuple(n // 2 for n in grid)
    assert outputs["moved"].shape == (batch, *grid, 1)
    assert outputs["velocity"].shape == (batch, *half, len(grid))
    assert outputs["displacement"].shape == (batch, *grid, len(grid))
    u = 2 * oracle.upsample(oracle.integrate(outputs["velocity"], 3), 1)
    assert 0.5 < np.abs(u).max() < 50
    np.testing.assert_allclose(outputs["displacement"], u, rtol=1e-4, atol=1e-4)
    warped = oracle.warp(inputs["moving"], outputs["displacement"])
    np.testing.assert_allclose(outputs["moved"], warped, rtol=1e-5, atol=2e-5)


def test_default_network_on_brain_like_shapes(rng):
    network = PMRNet()
    outputs = as_numpy(network(images(rng, (32, 16, 48))))
    assert outputs["displacement"].shape == (1, 32, 16, 48, 3)
    assert network.level_count == 4
    # Near the identity before training.
    assert 0 < np.abs(outputs["displacement"]).max() < 0.1


def test_a_batch_is_its_images_one_by_one(rng):
    network, inputs = make(), images(rng, batch=2)
    together = as_numpy(network(inputs))
    for i in range(2):
        alone = as_numpy(network({key: value[i : i + 1] for key, value in inputs.items()}))
        for key, value in alone.items():
            np.testing.assert_allclose(together[key][i], value[0], rtol=1e-4, atol=1e-4)


def test_training_returns_the_levels(rng, oracle):
    network, inputs = make(), images(rng)
    outputs = network(inputs, training=True)
    inference = outputs["inference"]
    assert len(inference["levels"]) == network.level_count == 2
    assert outputs["velocity"] is inference["sample"]
    features = network.fixed_encoder(inputs["fixed"])
    for number, (level, fixed) in enumerate(zip(inference["levels"], features, strict=True), 1):
        shape = (1, *(n // 2**number for n in GRID))
        assert level["mean"].shape == level["log_variance"].shape == (*shape, 2)
        assert level["moved_features"].shape == level["fixed_features"].shape
        np.testing.assert_allclose(
            ops.convert_to_numpy(level["fixed_features"]), ops.convert_to_numpy(fixed), atol=1e-5
        )
    means = [ops.convert_to_numpy(level["mean"]) for level in inference["levels"]]
    fused = means[0] + 2 * oracle.upsample(means[1], 1)
    np.testing.assert_allclose(ops.convert_to_numpy(inference["mean"]), fused, atol=1e-4)
    variances = [np.exp(ops.convert_to_numpy(x["log_variance"])) for x in inference["levels"]]
    fused = np.log(variances[0] + 4 * oracle.upsample(variances[1], 1))
    np.testing.assert_allclose(ops.convert_to_numpy(inference["log_variance"]), fused, atol=1e-4)


def test_moved_features_are_warped_by_their_own_levels_sample(rng, oracle):
    network, inputs = make(), images(rng)
    for posterior in network.posteriors:  # no noise to speak of: the sample is the mean
        posterior.log_variance.bias.assign(np.full(2, -60.0))
    levels = network(inputs, training=True)["inference"]["levels"]
    for level, moving in zip(levels, network.moving_encoder(inputs["moving"]), strict=True):
        u = oracle.integrate(ops.convert_to_numpy(level["mean"]), 3)
        expected = oracle.warp(ops.convert_to_numpy(moving), u)
        moved = ops.convert_to_numpy(level["moved_features"])
        np.testing.assert_allclose(moved, expected, rtol=1e-3, atol=1e-3)


def test_configuration_round_trip(rng):
    network, inputs = make(name="mine", seed=4), images(rng)
    copy = PMRNet.from_config(network.get_config())
    copy.build({key: value.shape for key, value in inputs.items()})
    copy.set_weights(network.get_weights())
    assert copy.get_config() == network.get_config()
    assert copy.name == "mine"
    expected = as_numpy(network(inputs))
    for key, value in as_numpy(copy(inputs)).items():
        np.testing.assert_array_equal(value, expected[key])


def test_weights_file_round_trip(rng, tmp_path):
    network, inputs = make(), images(rng)
    network.save_weights(tmp_path / "network.weights.h5")
    other = make(seed=1)
    before = as_numpy(other(inputs))["displacement"]
    other.load_weights(tmp_path / "network.weights.h5")
    after = as_numpy(other(inputs))["displacement"]
    np.testing.assert_array_equal(after, as_numpy(network(inputs))["displacement"])
    assert not np.allclose(before, after)


def test_whole_model_file_round_trip(rng, tmp_path):
    network, inputs = make(), images(rng)
    network(inputs)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    expected = as_numpy(network(inputs))
    for key, value in as_numpy(loaded(inputs)).items():
        np.testing.assert_array_equal(value, expected[key])


def test_encoders_are_separate(rng):
    network, inputs = make(), images(rng)
    moving = {id(w) for w in network.moving_encoder.weights}
    assert moving.isdisjoint(id(w) for w in network.fixed_encoder.weights)
    paths = [w.path for w in network.trainable_weights]
    assert len(set(paths)) == len(paths)
    before = ops.convert_to_numpy(network.fixed_encoder(inputs["fixed"])[1])
    for weight in network.moving_encoder.trainable_weights:
        weight.assign(weight * 2)
    after = ops.convert_to_numpy(network.fixed_encoder(inputs["fixed"])[1])
    np.testing.assert_array_equal(before, after)


@pytest.fixture(scope="module", params=[1.0, 0.0], ids=["levels", "no levels"])
def trained(request):
    """A network before and after one step, and its losses over 60 steps on one pair."""
    rng = np.random.default_rng(0)
    network, pair = trainable(Objective(level_weight=request.param)), images(rng)
    # Copies, since what a backend hands out may be a view of the variable.
    before = [np.array(w) for w in network.get_weights()]
    first = network.train_on_batch(pair, return_dict=True)
    after = [np.array(w) for w in network.get_weights()]
    following = [network.train_on_batch(pair, return_dict=True)["loss"] for _ in range(59)]
    return SimpleNamespace(
        levels=bool(request.param),
        paths=[w.path for w in network.weights],
        trainable=[w.path for w in network.trainable_weights],
        before=before,
        after=after,
        first=first,
        losses=[float(first["loss"]), *map(float, following)],
    )


def test_every_weight_learns(trained):
    stayed = {
        path
        for path, before, after in zip(trained.paths, trained.before, trained.after, strict=True)
        if np.array_equal(before, after)
    }
    assert stayed.isdisjoint(trained.trainable)


def test_logged_terms_add_up_to_the_loss(trained):
    expected = Objective(level_weight=float(trained.levels)).term_names(2)
    assert any("level" in name for name in expected) == trained.levels
    assert set(trained.first) == {"loss", *expected}
    total = sum(trained.first[name] for name in expected)
    assert total == pytest.approx(trained.first["loss"], rel=1e-5)


def test_loss_falls(trained):
    assert np.isfinite(trained.losses).all()
    assert np.mean(trained.losses[-5:]) < 0.9 * np.mean(trained.losses[:5])


def weights_after(steps, seed):
    network = trainable(Objective(), seed=seed, integration_steps=1)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        network.train_on_batch(images(rng))
    return network.get_weights()


def test_same_seed_gives_the_same_training():
    first, again, other = weights_after(3, 1), weights_after(3, 1), weights_after(3, 2)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_samples_differ_from_step_to_step_and_with_the_seed(rng):
    network, inputs = make(), images(rng)
    draws = [as_numpy({"v": network(inputs, training=True)["velocity"]})["v"] for _ in range(2)]
    assert not np.array_equal(*draws)
    other = make(seed=0, name="other")
    other.sampler.generator.state.assign([9, 0])
    assert not np.array_equal(
        as_numpy({"v": other(inputs, training=True)["velocity"]})["v"], draws[0]
    )


def test_in_use_it_takes_the_mean(rng):
    network, inputs = make(), images(rng)
    first, second = as_numpy(network(inputs)), as_numpy(network(inputs))
    np.testing.assert_array_equal(first["velocity"], second["velocity"])
    drawn = network.draw(inputs["moving"], inputs["fixed"])
    np.testing.assert_allclose(ops.convert_to_numpy(drawn.mean), first["velocity"], atol=1e-5)
    assert drawn.log_variance.shape == drawn.mean.shape
    u = ops.convert_to_numpy(network.displacement_of(first["velocity"]))
    np.testing.assert_allclose(u, first["displacement"], atol=1e-5)


def test_images_of_another_size_in_turn(rng):
    network = make()
    network.compile(jit_compile=JIT)
    for grid, batch in ((GRID, 1), ((24, 16), 1), (GRID, 2)):
        outputs = network.predict_on_batch(images(rng, grid, batch))
        assert outputs["displacement"].shape == (batch, *grid, 2)


@pytest.mark.parametrize("grid", [(16, 26), (18, 24)])
def test_a_size_that_does_not_divide_is_named(rng, grid):
    with pytest.raises(ValueError, match="multiple of 4") as caught:
        make()(images(rng, grid))
    assert str((1, *grid, 1)) in str(caught.value)


def test_default_multiple_is_16(rng):
    with pytest.raises(ValueError, match="multiple of 16"):
        PMRNet()(images(rng, (32, 32, 40)))


def test_images_of_unequal_shape_are_named(rng):
    inputs = {"moving": images(rng)["moving"], "fixed": images(rng, (24, 16))["fixed"]}
    with pytest.raises(ValueError, match="one shape"):
        make()(inputs)


def test_training_needs_an_objective(rng):
    network = make()
    network.compile(optimizer="adam", jit_compile=JIT)
    with pytest.raises(ValueError, match="objective"):
        network.train_on_batch(images(rng))


def test_unequal_numbers_of_levels_are_named():
    with pytest.raises(ValueError, match="one entry per level; got 3, 2, 2, 3"):
        PMRNet(**(SMALL | {"filters": (4, 4, 4)}))


def without_noise(network):
    """The sample is then the mean."""
    for posterior in network.posteriors:
        posterior.log_variance.bias.assign(np.full(2, -60.0))
    return network


def test_one_encoder_for_both_images(rng):
    network = make(shared_encoder=True)
    assert network.fixed_encoder is network.moving_encoder
    own = make()
    fewer = sum(np.prod(w.shape) for w in own.fixed_encoder.weights)
    assert network.count_params() == own.count_params() - fewer
    copy = PMRNet.from_config(network.get_config())
    assert copy.fixed_encoder is copy.moving_encoder


def test_last_level_alone(rng, oracle):
    """Baseline-2 of the paper."""
    network, inputs = make(levels=(2,)), images(rng)
    assert network.level_count == len(network.posteriors) == 1
    features = [
        encoder(inputs[key])[1]
        for encoder, key in ((network.moving_encoder, "moving"), (network.fixed_encoder, "fixed"))
    ]
    mean = ops.convert_to_numpy(network.posteriors[0](ops.concatenate(features, axis=-1))[0])
    velocity = as_numpy(network(inputs))["velocity"]
    np.testing.assert_allclose(velocity, 2 * oracle.upsample(mean, 1), rtol=1e-4, atol=1e-4)
    inference = network(inputs, training=True)["inference"]
    assert len(inference["levels"]) == 1
    assert inference["log_variance"].shape == inference["mean"].shape == velocity.shape


@pytest.mark.parametrize("levels", [(), (2, 1), (0, 1), (3,), (1, 1)])
def test_levels_that_do_not_exist_are_named(levels):
    with pytest.raises(ValueError, match="some of 1 to 2, in ascending order"):
        PMRNet(**(SMALL | {"levels": levels}))
