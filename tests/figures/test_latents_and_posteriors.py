import numpy as np
import pytest
from keras import ops

from pmrnet.errors import InputError
from pmrnet.figures.latents import draw_latents, split_latents
from pmrnet.figures.posteriors import draw_posteriors, level_posteriors
from pmrnet.figures.style import texts_of
from pmrnet.nn.build import build_network

SHAPE = (16, 8, 12)
SPACING = 2
SIZES = {"filters": (5, 6), "hidden_filters": (3, 7), "hidden_kernels": (1, 3)}


@pytest.fixture
def images(rng):
    return [rng.random(SHAPE, np.float32) for _ in range(2)]


def network_of(**config):
    network = build_network({"type": "pmrnet", **SIZES, **config})
    network.build()
    for number, posterior in enumerate(network.posteriors):
        # New networks give zero velocities, of which nothing can be told apart.
        values = np.random.default_rng(number).normal(size=posterior.mean.kernel.shape)
        posterior.mean.kernel.assign(0.1 * values)
        posterior.log_variance.bias.assign(np.log([0.01, 0.04, 0.09]))
    return network


def test_posteriors_in_mm(images):
    network = network_of()
    levels = level_posteriors(network, *images, SPACING)
    assert [(x.level, x.voxel_mm, x.mean.shape) for x in levels] == [
        (1, 4, (8, 4, 6, 3)),
        (2, 8, (4, 2, 3, 3)),
    ]
    for level in levels:
        # Standard deviations of 0.1, 0.2 and 0.3 voxels of the level.
        np.testing.assert_allclose(
            level.deviation,
            np.broadcast_to([0.1, 0.2, 0.3], level.mean.shape) * level.voxel_mm,
            rtol=1e-4,
        )
        np.testing.assert_allclose(level.spread, np.sqrt(0.14) * level.voxel_mm, rtol=1e-4)


def test_the_fused_latent_is_what_the_network_finds(images):
    network = network_of()
    latents = split_latents(network, level_posteriors(network, *images, SPACING), SPACING)
    assert [x.name for x in latents] == ["shallow: level 1", "deep: level 2", "fused"]
    shallow, deep, fused = latents
    three = network_of(filters=(4, 4, 4), hidden_filters=(4, 4, 4), hidden_kernels=(1, 1, 1))
    whole = [np.pad(image, [(0, -n % 8) for n in image.shape]) for image in images]
    names = [x.name for x in split_latents(three, level_posteriors(three, *whole, 2), 2)]
    assert names == ["shallow: level 1", "level 2", "deep: level 3", "fused"]
    inputs = dict(zip(("moving", "fixed"), (x[None, ..., None] for x in images), strict=True))
    found = {k: ops.convert_to_numpy(v)[0] for k, v in network(inputs).items()}
    # A voxel of the velocity's grid is two of the image's.
    np.testing.assert_allclose(fused.velocity, found["velocity"] * 2 * SPACING, atol=1e-5)
    np.testing.assert_allclose(fused.displacement, found["displacement"], atol=1e-5)
    np.testing.assert_allclose(shallow.velocity + deep.velocity, fused.velocity, atol=1e-5)
    assert np.abs(deep.velocity).max() > 0.1
    assert np.abs(shallow.displacement).max() > 0.1


def test_a_network_with_one_level_has_one_latent(images):
    network = network_of(levels=(2,))
    levels = level_posteriors(network, *images, SPACING)
    assert [x.level for x in levels] == [2]
    assert [x.name for x in split_latents(network, levels, SPACING)] == ["fused"]


def test_networks_without_levels(images):
    network = build_network({"type": "concatenation", **SIZES})
    network.build()
    with pytest.raises(InputError, match="ConcatenationNet"):
        level_posteriors(network, *images, SPACING)
    with pytest.raises(InputError, match="found none"):
        split_latents(network, [], SPACING)


def test_what_the_figures_say(images):
    network = network_of()
    levels = level_posteriors(network, *images, SPACING)
    figure = draw_posteriors(levels, *images, SPACING, "a pair")
    texts = " ".join(texts_of(figure))
    assert "a pair" in texts
    assert "level 2: SD\n4×2×3 voxels of 8 mm" in texts  # noqa: RUF001
    figure.canvas.draw()
    moving, fixed = images
    figure = draw_latents(split_latents(network, levels, SPACING), moving, fixed, SPACING, "two")
    texts = texts_of(figure)
    error = np.abs(fixed - moving)[fixed > 0.02].mean()
    assert f"fixed - moving: mean |·| {error:.3f}" in texts
    assert {"two", "shallow: level 1", "deep: level 2", "fused"} <= set(texts)
    figure.canvas.draw()


def test_an_image_registered_to_itself_without_velocity_has_no_difference(images):
    network = network_of()
    for posterior in network.posteriors:
        posterior.mean.kernel.assign(ops.zeros_like(posterior.mean.kernel))
    levels = level_posteriors(network, images[0], images[0], SPACING)
    latents = split_latents(network, levels, SPACING)
    texts = texts_of(draw_latents(latents, images[0], images[0], SPACING))
    assert texts.count("fixed - moved: mean |·| 0.000") == 3
