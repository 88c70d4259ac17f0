"""Each layer on its own, in 2D and 3D, in a functional model and through its configuration."""

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.nn import layers
from pmrnet.nn.losses import LARGEST_LOG_VARIANCE


def run(layer, *args, **kwargs):
    return ops.convert_to_numpy(layer(*args, **kwargs))


def restored(layer):
    """The layer after a trip through plain configuration."""
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))


@pytest.mark.parametrize("batch", [1, 2])
def test_spatial_transformer(rng, smooth_field, oracle, grid, batch):
    values = rng.normal(size=(batch, *grid, 2)).astype(np.float32)
    u = smooth_field(grid, 2.0, batch=batch)
    layer = layers.SpatialTransformer()
    result = run(layer, [values, u])
    np.testing.assert_allclose(result, oracle.warp(values, u), rtol=1e-5, atol=2e-5)
    assert layer.compute_output_shape([values.shape, u.shape]) == result.shape
    np.testing.assert_array_equal(run(restored(layer), [values, u]), result)


def test_spatial_transformer_may_hold_its_values_constant(rng, smooth_field, gradients, grid):
    values = rng.normal(size=(1, *grid, 2)).astype(np.float32)
    u = smooth_field(grid, 2.0)
    for constant in (True, False):
        layer = restored(layers.SpatialTransformer(differentiate_values=not constant))
        of_values, of_u = gradients(lambda v, d, warp=layer: ops.sum(warp([v, d])), values, u)
        assert np.any(of_u)
        assert np.any(of_values) == (not constant)


@pytest.mark.parametrize("batch", [1, 2])
def test_velocity_integration(smooth_field, oracle, grid, batch):
    v = smooth_field(grid, 3.0, batch=batch)
    layer = layers.VelocityIntegration(steps=7)
    result = run(layer, v)
    np.testing.assert_allclose(result, oracle.integrate(v, 7), rtol=1e-5, atol=2e-5)
    assert layer.compute_output_shape(v.shape) == result.shape
    np.testing.assert_array_equal(run(restored(layers.VelocityIntegration(0)), v), v)


@pytest.mark.parametrize("batch", [1, 2])
def test_field_upsampling(smooth_field, oracle, grid, batch):
    u = smooth_field(grid, 3.0, batch=batch)
    layer = layers.FieldUpsampling(2)
    result = run(layer, u)
    np.testing.assert_allclose(result, 4 * oracle.upsample(u, 2), rtol=1e-5, atol=2e-5)
    assert layer.compute_output_shape(u.shape) == result.shape
    assert layer.compute_output_shape((None, None, 5, 2)) == (None, None, 20, 2)
    np.testing.assert_array_equal(run(restored(layer), u), result)


class TestGaussianPosterior:
    @pytest.mark.parametrize("hidden", [0, 4])
    def test_starts_near_the_identity_and_certain(self, rng, grid, hidden):
        layer = layers.GaussianPosterior(hidden)
        features = rng.normal(size=(2, *grid, 6)).astype(np.float32)
        mean, log_variance = (ops.convert_to_numpy(t) for t in layer(features))
        assert mean.shape == log_variance.shape == (2, *grid, len(grid))
        assert 0 < np.abs(mean).max() < 1e-2
        np.testing.assert_allclose(log_variance, -10, atol=1e-5)
        shapes = layer.compute_output_shape(features.shape)
        assert shapes == (mean.shape, log_variance.shape)

    def test_mean_alone(self, rng, grid):
        layer = layers.GaussianPosterior(4)
        features = rng.normal(size=(1, *grid, 6)).astype(np.float32)
        mean, nothing = layer(features, mean_only=True)
        assert nothing is None
        both = layer(features)
        np.testing.assert_array_equal(ops.convert_to_numpy(mean), ops.convert_to_numpy(both[0]))

    def test_configuration_round_trip(self, rng, grid):
        layer = layers.GaussianPosterior(4, hidden_kernel=1, name="posterior1")
        features = rng.normal(size=(1, *grid, 6)).astype(np.float32)
        expected = layer(features)
        copy = restored(layer)
        copy(features)
        copy.set_weights(layer.get_weights())
        assert copy.name == "posterior1"
        assert copy.hidden.kernel_size == (1,) * len(grid)
        for a, b in zip(copy(features), expected, strict=True):
            np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))

    def test_further_hidden_convolutions_see_further_and_are_kept(self, rng):
        features = np.zeros((1, 15, 15, 2), np.float32)
        changed = features.copy()
        changed[0, 7, 7] = 1
        for count in (1, 2, 4):
            layer = layers.GaussianPosterior(8, hidden_layers=count)

            def mean(values, layer=layer):
                return ops.convert_to_numpy(layer(values, mean_only=True)[0])

            rows, columns = np.nonzero((mean(changed) != mean(features)).any(axis=(0, -1)))
            assert {rows.min(), columns.min()} == {7 - count - 1}
            assert {rows.max(), columns.max()} == {7 + count + 1}
            copy = restored(layer)
            copy(features)
            assert len(copy.get_weights()) == len(layer.get_weights()) == 2 * count + 4

    def test_no_hidden_layers_is_said(self):
        with pytest.raises(ValueError, match="1 or more; got 0"):
            layers.GaussianPosterior(4, hidden_layers=0)

    def test_hidden_convolution_lets_it_compare_the_images(self, rng):
        """Without it the mean of a pair is a sum of a function of each image."""
        a, b, c, d = rng.normal(size=(4, 1, 9, 11, 3)).astype(np.float32)
        for hidden, additive in ((0, True), (8, False)):
            layer = layers.GaussianPosterior(hidden)

            def mean(moving, fixed, layer=layer):
                pair = np.concatenate([moving, fixed], axis=-1)
                return ops.convert_to_numpy(layer(pair, mean_only=True)[0])

            mixed = mean(a, b) + mean(c, d) - mean(a, d) - mean(c, b)
            scale = np.abs(mean(a, b)).max()
            assert (np.abs(mixed).max() < 1e-4 * scale) == additive


class TestGaussianSample:
    def test_an_immense_variance_is_bounded(self):
        zero = np.zeros((1, 8, 8, 8, 3), np.float32)
        widest = run(layers.GaussianSample(seed=3), [zero, zero + LARGEST_LOG_VARIANCE])
        found = run(layers.GaussianSample(seed=3), [zero, zero + 60])
        np.testing.assert_array_equal(found, widest)
        assert 19 < found.std() < 21  # voxels

    def test_mean_and_log_variance(self, rng):
        mean = np.broadcast_to(rng.normal(size=(4,)).astype(np.float32), (1, 100, 200, 4))
        log_variance = np.broadcast_to(np.float32([-10, -2, 0, 1]), mean.shape)
        sample = run(layers.GaussianSample(seed=3), [np.array(mean), np.array(log_variance)])
        deviation = np.exp(log_variance[0, 0, 0] / 2)
        standard_error = deviation / np.sqrt(20000)
        error = sample.mean(axis=(0, 1, 2)) - mean[0, 0, 0]
        assert np.all(np.abs(error) < 4 * standard_error)
        np.testing.assert_allclose(sample.std(axis=(0, 1, 2)), deviation, rtol=0.03)

    def test_same_seed_same_samples(self, grid):
        zero = np.zeros((1, *grid, len(grid)), np.float32)
        first, second = layers.GaussianSample(seed=3), restored(layers.GaussianSample(seed=3))
        draws = [run(first, [zero, zero]) for _ in range(2)]
        assert not np.array_equal(*draws)
        for draw in draws:
            np.testing.assert_array_equal(run(second, [zero, zero]), draw)
        assert not np.array_equal(run(layers.GaussianSample(seed=4), [zero, zero]), draws[0])

    def test_scaled_noise(self, rng, grid):
        mean, log_variance = rng.normal(size=(2, 1, *grid, len(grid))).astype(np.float32)
        layer = layers.GaussianSample(seed=3)
        plain = run(layer, [mean, log_variance])
        layer.reset(1)
        once = run(layer, [mean, log_variance])
        layer.reset(1)
        with layer.scaled(3.0):
            scaled = run(layer, [mean, log_variance])
        np.testing.assert_allclose(scaled - mean, 3 * (once - mean), rtol=1e-4, atol=1e-5)
        layer.reset(1)
        np.testing.assert_array_equal(run(layer, [mean, log_variance]), once)
        assert not np.array_equal(plain, once)

    def test_gradient_is_that_of_the_reparameterisation(self, rng, gradients, grid):
        mean, log_variance = rng.normal(size=(2, 1, *grid, len(grid))).astype(np.float32)
        of_mean, of_log_variance = gradients(
            lambda m, s: ops.sum(layers.GaussianSample(seed=3)([m, s])), mean, log_variance
        )
        np.testing.assert_array_equal(of_mean, np.ones_like(mean))
        sample = run(layers.GaussianSample(seed=3), [mean, log_variance])
        np.testing.assert_allclose(of_log_variance, 0.5 * (sample - mean), rtol=1e-3, atol=1e-5)


def pyramid(rng, finest, levels, components, batch=1):
    """Random fields, each grid half the one before."""
    return [
        rng.normal(size=(batch, *(n // 2**i for n in finest), components)).astype(np.float32)
        for i in range(levels)
    ]


@pytest.mark.parametrize("finest", [(8, 12), (8, 12, 16)], ids=["2D", "3D"])
class TestLatentFusion:
    @pytest.mark.parametrize("batch", [1, 2])
    @pytest.mark.parametrize("variance", [False, True])
    def test_is_the_sum_of_each_level_brought_to_the_finest(
        self, rng, oracle, finest, batch, variance
    ):
        fields = pyramid(rng, finest, 3, len(finest), batch)
        factor = 4 if variance else 2
        expected = sum(factor**i * oracle.upsample(f, i) for i, f in enumerate(fields))
        layer = layers.LatentFusion(variance=variance)
        result = run(layer, fields)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-4)
        assert layer.compute_output_shape([f.shape for f in fields]) == result.shape
        np.testing.assert_array_equal(run(restored(layer), fields), result)

    def test_one_level_stays_as_it_is(self, rng, finest):
        (field,) = pyramid(rng, finest, 1, len(finest))
        np.testing.assert_array_equal(run(layers.LatentFusion(), [field]), field)

    def test_variance_is_that_of_fused_samples(self, rng, finest):
        """At the points that the grids share; between them interpolation averages independent
        voxels, and the true variance is lower than the fused one."""
        deviations = [np.abs(f) for f in pyramid(rng, finest, 2, 1)]
        draws = 4000
        samples = [d * rng.normal(size=(draws, *d.shape[1:])).astype("f4") for d in deviations]
        measured = run(layers.LatentFusion(), samples).var(axis=0)
        fused = run(layers.LatentFusion(variance=True), [d**2 for d in deviations])[0]
        shared = tuple(slice(None, None, 2) for _ in finest)
        np.testing.assert_allclose(measured[shared], fused[shared], rtol=0.15)
        assert np.mean(measured) < np.mean(fused)


@pytest.mark.parametrize("grid", [(8, 12), (8, 12, 16)], ids=["2D", "3D"])
class TestInAFunctionalModel:
    def test_sampling_and_warping(self, rng, smooth_field, oracle, grid):
        image = keras.Input((*(2 * n for n in grid), 1))
        posterior = [keras.Input((*grid, len(grid))) for _ in range(2)]
        sample = layers.GaussianSample(seed=1)(posterior)
        fused = layers.LatentFusion()([sample])
        displacement = layers.FieldUpsampling()(layers.VelocityIntegration(3)(fused))
        moved = layers.SpatialTransformer()([image, displacement])
        assert moved.shape == image.shape
        model = keras.Model([image, *posterior], [moved, displacement])
        model.compile(jit_compile=keras.backend.backend() == "jax")
        values = rng.random((2, *image.shape[1:])).astype(np.float32)
        mean = smooth_field(grid, 2.0, batch=2)
        moved, u = model.predict_on_batch([values, mean, np.full_like(mean, -6)])
        np.testing.assert_allclose(moved, oracle.warp(values, u), rtol=1e-5, atol=2e-5)

    def test_posterior(self, rng, grid):
        inputs = keras.Input((*grid, 3))
        layer = layers.GaussianPosterior(4)
        model = keras.Model(inputs, layer(inputs))
        features = rng.normal(size=(2, *grid, 3)).astype(np.float32)
        for a, b in zip(model(features), layer(features), strict=True):
            np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


def test_hidden_convolution_of_the_posterior_by_hand(rng):
    layer = layers.GaussianPosterior(4, hidden_kernel=1)
    x = rng.normal(size=(1, 7, 8, 9, 6)).astype(np.float32)
    found = layer(x)[0]
    hidden = x @ np.asarray(layer.hidden.kernel)[0, 0, 0] + np.asarray(layer.hidden.bias)
    activated = np.where(hidden > 0, hidden, 0.2 * hidden).astype(np.float32)
    np.testing.assert_allclose(found, layer.mean(activated), rtol=1e-3, atol=1e-8)
