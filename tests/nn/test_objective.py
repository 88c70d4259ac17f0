"""Equation 5, and what it is for: finding a deformation that is known."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from pmrnet.nn import losses
from pmrnet.nn.objective import SIMILARITIES, Objective
from pmrnet.spatial import integrate, upsample_field, warp


def posterior(rng, grid):
    mean, log_variance = rng.normal(size=(2, 1, *grid, len(grid))).astype(np.float32)
    return {"mean": mean, "log_variance": log_variance}


@pytest.fixture
def outputs(rng):
    """As a network with two levels gives them in training."""
    levels = []
    for grid, channels in (((8, 6), 3), ((4, 3), 5)):
        fixed, moved = rng.normal(size=(2, 1, *grid, channels)).astype(np.float32)
        levels.append(posterior(rng, grid) | {"fixed_features": fixed, "moved_features": moved})
    moved = rng.random((1, 16, 12, 1)).astype(np.float32)
    return {"moved": moved, "inference": posterior(rng, (8, 6)) | {"levels": levels}}


@pytest.mark.parametrize("weighting", losses.WEIGHTINGS)
def test_terms_of_equation_5(rng, outputs, weighting):
    fixed = rng.random((1, 16, 12, 1)).astype(np.float32)
    objective = Objective(0.1, 3.0, feature_sigma=0.5, level_weight=0.7, weighting=weighting)
    terms = {k: float(v) for k, v in objective(fixed, outputs).items()}
    assert list(terms) == objective.term_names(2)

    def kl(p):
        return float(losses.kl_to_prior(p["mean"], p["log_variance"], 3.0, weighting))

    inference = outputs["inference"]
    expected = {
        # 16 x 12 voxels of the image, 8 x 6 of the velocity.
        "image_reconstruction": (1 if weighting == "voxelmorph" else 4)
        * float(losses.reconstruction(fixed, outputs["moved"], 0.1, weighting)),
        "image_kl": kl(inference),
    }
    half = 1.0 if weighting == "voxelmorph" else 0.5
    for number, level in enumerate(inference["levels"], start=1):
        error = losses.relative_mean_square(level["fixed_features"], level["moved_features"])
        expected[f"level{number}_reconstruction"] = 0.7 * half * float(error) / 0.5**2
        expected[f"level{number}_kl"] = 0.7 * kl(level)
    assert terms == pytest.approx(expected, rel=1e-5)


def test_every_similarity_is_one_of_its_own_and_is_least_for_equal_images(rng, outputs):
    fixed = ndimage.gaussian_filter(rng.random((1, 16, 12, 1)), (0, 1, 1, 0)).astype(np.float32)
    values = {}
    for name in SIMILARITIES:
        objective = Objective(0.1, similarity=name, window=5)
        values[name], perfect = (
            float(objective(fixed, outputs | {"moved": moved})["image_reconstruction"])
            for moved in (outputs["moved"], fixed)
        )
        assert 0 <= perfect < 0.5 * values[name]
    assert len({round(value, 4) for value in values.values()}) == len(SIMILARITIES)


def test_levels_as_sums_over_voxels(rng, outputs):
    """A level of a quarter of the finest one's voxels counts a quarter."""
    fixed = rng.random((1, 16, 12, 1)).astype(np.float32)
    mean, total = (
        {k: float(v) for k, v in Objective(level_reduction=kind)(fixed, outputs).items()}
        for kind in ("mean", "sum")
    )
    for name, value in mean.items():
        share = 0.25 if name.startswith("level2") else 1.0
        np.testing.assert_allclose(total[name], share * value, rtol=1e-5)


def test_exact_image_terms_are_the_elbo_per_voxel_of_the_velocity(rng, outputs):
    """Against the sums of equation 6 as they are written, with a dense matrix."""
    fixed = rng.random((1, 16, 12, 1)).astype(np.float32)
    given = Objective(0.1, 3.0, level_weight=0.0, weighting="exact")
    terms = {k: float(v) for k, v in given(fixed, outputs).items()}
    mean, log_variance = (outputs["inference"][k][0] for k in ("mean", "log_variance"))
    chains = [np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1) for n in (8, 6)]
    adjacency = np.kron(chains[0], np.eye(6)) + np.kron(np.eye(8), chains[1])
    precision = 3.0 * (np.diag(adjacency.sum(axis=1)) - adjacency)
    kl = 0.0
    for axis in range(2):
        m, s = (x[..., axis].ravel().astype(float) for x in (mean, log_variance))
        kl += 0.5 * (np.diag(precision) @ np.exp(s) - s.sum() + m @ precision @ m)
    error = ((fixed - outputs["moved"]).astype(float) ** 2).sum() / (2 * 0.1**2)
    assert terms["image_kl"] * 48 == pytest.approx(kl, rel=1e-4)
    assert terms["image_reconstruction"] * 48 == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"image_sigma": 0.0}, "image_sigma must be above 0"),
        ({"feature_sigma": -1.0}, "feature_sigma must be above 0"),
        ({"prior_lambda": -50.0}, "prior_lambda must be 0 or more"),
        ({"level_weight": float("nan")}, "level_weight must be 0 or more"),
        ({"window": 4}, "an odd number of voxels; got 4"),
        ({"window": 9.0}, "an odd number of voxels; got 9.0"),
        ({"weighting": "other"}, "weighting must be one of"),
    ],
)
def test_values_out_of_range_are_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        Objective(**settings)


def test_unknown_reduction_is_named():
    with pytest.raises(ValueError, match="level_reduction must be one of"):
        Objective(level_reduction="median")


def test_without_level_terms(rng, outputs):
    objective = Objective(level_weight=0.0)
    assert objective.term_names(4) == ["image_reconstruction", "image_kl"]
    terms = objective(rng.random((1, 16, 12, 1)).astype(np.float32), outputs)
    assert list(terms) == objective.term_names(4)


def test_levels_as_the_authors_released_them(rng, outputs):
    """A plain mean square of weight 1, half the KL, and the image's KL that of the decoder."""
    fixed = rng.random((1, 16, 12, 1)).astype(np.float32)
    given = Objective(0.1, 3.0, feature_error="plain", level_kl_weight=0.5)
    penalised = posterior(rng, (8, 6))
    outputs["inference"]["penalised"] = penalised
    terms = {k: float(v) for k, v in given(fixed, outputs).items()}
    assert list(terms) == given.term_names(2)

    def kl(p):
        return float(losses.kl_to_prior(p["mean"], p["log_variance"], 3.0))

    for number, level in enumerate(outputs["inference"]["levels"], start=1):
        error = np.mean((level["fixed_features"] - level["moved_features"]) ** 2)
        assert terms[f"level{number}_reconstruction"] == pytest.approx(error, rel=1e-5)
        assert terms[f"level{number}_kl"] == pytest.approx(0.5 * kl(level), rel=1e-5)
    assert terms["image_kl"] == pytest.approx(kl(penalised), rel=1e-5)
    assert terms["image_kl"] != pytest.approx(kl(outputs["inference"]), rel=1e-3)


def test_unknown_feature_error_is_named():
    with pytest.raises(ValueError, match=r"feature_error must be one of .*'relative', 'plain'"):
        Objective(feature_error="absolute")


def test_recovers_a_known_deformation(rng, smooth_field):
    """A velocity, optimised for equation 6 alone, finds the one that made the image."""
    half, grid = (24, 20), (48, 40)
    texture = ndimage.gaussian_filter(rng.normal(size=grid), 1.5)
    texture = (texture - texture.min()) / np.ptp(texture)
    moving = texture[None, ..., None].astype(np.float32)
    # Still at the border: what comes from outside the image cannot be found in it.
    window = np.prod(np.meshgrid(*[np.hanning(n) for n in half], indexing="ij"), axis=0)
    true_velocity = smooth_field(half, 1.0, sigma=4) * window[None, ..., None]
    true_velocity = (1.5 * true_velocity / np.abs(true_velocity).max()).astype(np.float32)
    true = ops.convert_to_numpy(upsample_field(integrate(true_velocity, 5), 1))
    fixed = ops.convert_to_numpy(warp(moving, true))

    objective = Objective(image_sigma=0.02, prior_lambda=5.0, level_weight=0.0)
    log_variance = ops.full(true_velocity.shape, -10.0)

    def loss_of(velocity):
        u = upsample_field(integrate(velocity, 5), 1)
        inference = {"mean": velocity, "log_variance": log_variance, "levels": []}
        moved = warp(moving, u, differentiate_values=False)
        return sum(objective(fixed, {"moved": moved, "inference": inference}).values())

    step = step_function(loss_of)
    velocity = keras.Variable(np.zeros_like(true_velocity))
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build([velocity])
    for _ in range(200):
        optimizer.apply([step(velocity.value)], [velocity])
    found = ops.convert_to_numpy(upsample_field(integrate(velocity.value, 5), 1))
    inner = (0, slice(6, -6), slice(6, -6))
    size = np.linalg.norm(true[inner], axis=-1)
    error = np.linalg.norm((found - true)[inner], axis=-1)
    assert size.max() > 2.5
    assert error.mean() < 0.1 * size.mean()
    assert error.max() < 0.5  # voxels


def step_function(loss_of):
    """Compiled gradient of a loss with respect to its one argument."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(loss_of))
    import tensorflow as tf

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = loss_of(x)
        return tape.gradient(loss, x)

    return gradient
