import numpy as np
import pytest
from synthetic_brain import ellipsoid, texture, unrelated

from pmrnet.report.intensity_warnings import (
    constant_brain,
    hot_voxels,
    saturated,
    unlike_contrast,
)


def test_contrast(brain):
    inside = brain > 0
    assert unlike_contrast(brain, brain) is None
    assert unlike_contrast(brain, np.where(inside, 5 + 3 * brain, 0)) is None
    assert "inverted" in unlike_contrast(brain, np.where(inside, 2 - brain, 0))
    other = unrelated(brain)
    assert 0.1 < np.corrcoef(brain[inside], other[inside])[0, 1] < 0.3
    assert "little in common" in unlike_contrast(brain, other)


def test_contrast_counts_where_both_have_a_brain(brain):
    # A brain of which half is missing: only the rest is compared, and that is equal.
    half = np.where(np.indices(brain.shape)[0] < 15, brain, 0)
    assert unlike_contrast(brain, half) is None
    # Bright brains on black ground correlate whatever is in them, unless the ground is left out.
    assert unlike_contrast(brain, np.where(brain > 0, 2 - brain, 0)) is not None
    assert unlike_contrast(brain, np.zeros_like(brain)) is None


def with_share(value, share, seed=0):
    """A brain in which a share of the voxels has one value."""
    image = np.where(ellipsoid(), 10 + texture(1), 0)
    where = np.flatnonzero(image)
    chosen = np.random.default_rng(seed).permutation(where)[: int(share * where.size)]
    image.flat[chosen] = value
    return image


@pytest.mark.parametrize(("share", "said"), [(0.04, False), (0.06, True)])
def test_saturation(share, said):
    sentence = saturated(with_share(12.0, share), "fixed")
    assert (sentence is not None) == said
    if said:
        assert "fixed image's histogram looks cut: 6%" in sentence
    # Many voxels of a middle or of the lowest value are not cut.
    assert saturated(with_share(10.6, 0.3), "fixed") is None
    assert saturated(with_share(9.0, 0.3), "fixed") is None


@pytest.mark.parametrize(("share", "said"), [(0.48, False), (0.52, True)])
@pytest.mark.parametrize("value", [12.0, 10.6, 9.0, -3.0])
def test_constant(value, share, said):
    sentence = constant_brain(with_share(value, share), "moving")
    assert (sentence is not None) == said
    if said:
        assert "moving image has one single value in 52%" in sentence


@pytest.mark.parametrize("scale", [1, 1000])
def test_hot_voxels(scale):
    image = scale * np.where(ellipsoid(), 10 + texture(1), 0)
    inside = np.flatnonzero(image)
    middle, bright = np.percentile(image.flat[inside], [50, 99.5])
    for factor, said in ((1, False), (15, False), (25, True), (40_000, True)):
        image.flat[inside[7]] = middle + factor * (bright - middle)
        sentence = hot_voxels(image, "moving")
        assert (sentence is not None) == said
        if said:
            assert "moving image has hot voxels: the brightest is " in sentence
    assert hot_voxels(np.zeros((3, 4, 5)), "fixed") is None
    assert hot_voxels(np.where(ellipsoid(), 3.0, 0), "fixed") is None


def test_constant_throughout():
    for value in (1, 255, -4.5, 1e-3, 1e6):
        assert "100%" in constant_brain(np.where(ellipsoid(), value, 0), "fixed")


def test_one_hot_voxel_makes_no_brain_constant(brain):
    hot = brain.copy()
    hot[15, 18, 14] = 1e6
    assert constant_brain(hot, "fixed") is None
    assert saturated(hot, "fixed") is None


def test_empty_images_are_for_others_to_notice():
    empty = np.zeros((3, 4, 5))
    assert saturated(empty, "fixed") is None
    assert constant_brain(empty, "fixed") is None
