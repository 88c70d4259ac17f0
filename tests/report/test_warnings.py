import numpy as np
import pytest
from synthetic_brain import SHAPE, ellipsoid, texture, unrelated

from pmrnet.report import quality_warnings
from pmrnet.report.warnings import (
    folding,
    large_displacement,
    little_change,
    poor_overlap,
    suspected_flip,
)


def mixed(brain, share, seed=2):
    """A brain of the same shape, whose correlation with the first falls with its share."""
    return np.where(ellipsoid(), share * brain + (1 - share) * texture(seed), 0)


@pytest.fixture
def good(brain):
    """A registration that worked, as arguments of quality_warnings."""
    return {
        "fixed": brain,
        "moving": mixed(brain, 0.4),
        "moved": mixed(brain, 0.7),
        "displacement": np.full((*SHAPE, 3), 5.0),
        "jacobian": np.ones(SHAPE),
        "spacing": 2.0,
    }


def test_nothing_to_say_of_a_good_registration(good):
    assert quality_warnings(**good) == []


def broken(name, good):
    brain = good["fixed"]
    folded = np.where(ellipsoid(radius=0.3), -1.0, 1.0)
    lower = np.indices(SHAPE)[2] < 11
    changes = {
        "poor overlap": {"moving": np.roll(good["moving"], 9, axis=1)},
        "same parts": {"moving": np.where(lower, 0, good["moving"])},
        "flipped": {"moving": brain[::-1], "moved": mixed(brain[::-1], 0.9)},
        "inverted": {"moved": np.where(brain > 0, 1.3 - brain, 0)},
        "little in common": {"moved": unrelated(brain)},
        "fixed image's histogram": {"fixed": np.minimum(brain, np.percentile(brain, 90))},
        "moving image has one single value": {"moving": (brain > 0) * 7.0},
        "folds": {"jacobian": folded},
        "displaced by up to 52 mm": {"displacement": np.full((*SHAPE, 3), 30.0)},
        "did not make": {"moved": good["moving"]},
    }
    return {**good, **changes[name]}


@pytest.mark.parametrize(
    "name",
    [
        "poor overlap",
        "same parts",
        "flipped",
        "inverted",
        "little in common",
        "fixed image's histogram",
        "moving image has one single value",
        "folds",
        "displaced by up to 52 mm",
        "did not make",
    ],
)
def test_each_fault_is_said(name, good):
    found = quality_warnings(**broken(name, good))
    words = "looks poor" if name == "poor overlap" else name
    assert any(words in sentence for sentence in found), found
    # Every sentence ends, and each finding also says what to do.
    assert all(sentence.endswith(".") for sentence in found)
    assert all(sentence.count(". ") + sentence.count(": ") >= 1 for sentence in found)


def test_a_failed_alignment_is_not_called_missing_parts(good):
    found = quality_warnings(**broken("poor overlap", good))
    assert not any("same parts" in sentence for sentence in found)


def box(low, high):
    image = np.zeros((40, 10, 10))
    image[low:high] = 1
    return image


def test_overlap_threshold():
    # Dice of two boxes of 20 that share n: n / 20.
    assert poor_overlap(box(0, 20), box(4, 24)) is None
    assert "0.750, below 0.8" in poor_overlap(box(0, 20), box(5, 25))
    assert "0.000" in poor_overlap(box(0, 20), box(20, 40))
    assert poor_overlap(box(0, 20), box(0, 0)) is not None


def test_folding_threshold():
    brain = np.ones((10, 10, 20), bool)
    jacobian = np.ones(brain.shape)
    jacobian.flat[:2] = 0  # 0.1 percent exactly
    assert folding(jacobian, brain) is None
    jacobian.flat[2] = -3
    assert "0.15%" in folding(jacobian, brain)
    brain.flat[:3] = False  # folds outside the brain do not count
    assert folding(jacobian, brain) is None
    assert folding(jacobian, np.zeros_like(brain)) is None


def test_an_alignment_alone_is_not_said_to_change_little(brain):
    """What its transforms are rounded to makes it up to 1e-4 mm."""
    other = unrelated(brain)
    jacobian = np.ones(brain.shape)
    for size, said in ((0, False), (1e-4, False), (1, True)):
        displacement = np.full((*brain.shape, 3), size, np.float32)
        found = quality_warnings(brain, other, other, displacement, jacobian)
        assert any("more alike" in sentence for sentence in found) == said


def test_displacement_threshold():
    brain = np.ones((3, 4, 5), bool)
    displacement = np.zeros((3, 4, 5, 3))
    displacement[1, 2, 3] = 10, 20, 20
    assert large_displacement(displacement, brain) is None
    displacement[1, 2, 3, 0] = 10.2
    assert "30 mm" in large_displacement(displacement, brain)
    brain[1, 2, 3] = False
    assert large_displacement(displacement, brain) is None


@pytest.mark.parametrize("shift", [0, 3, -4])
def test_flip_is_found_wherever_the_brain_lies(brain, shift):
    flipped = np.roll(brain[::-1], shift, axis=0)
    placed = np.roll(brain, shift, axis=0)
    assert "flipped left to right" in suspected_flip(placed, flipped, flipped)
    assert suspected_flip(placed, placed, placed) is None


def test_flip_is_found_before_or_after(brain):
    unlike = unrelated(brain)
    assert suspected_flip(brain, unlike, brain[::-1]) is not None
    assert suspected_flip(brain, brain[::-1], unlike) is not None


def test_a_flip_front_to_back_is_none_left_to_right(brain):
    symmetric = brain + brain[::-1]
    assert suspected_flip(symmetric, symmetric[:, ::-1], symmetric[:, ::-1]) is None
    empty = np.zeros_like(brain)
    assert suspected_flip(brain, empty, empty) is None


def test_change_thresholds(brain):
    noise = np.random.default_rng(0).normal(size=brain.shape)

    def with_correlation(value):
        """An image that correlates with the brain so, inside it."""
        inside = brain > 0
        a = (brain - brain[inside].mean()) / brain[inside].std()
        b = noise - noise[inside].mean()
        b -= a * (a[inside] @ b[inside]) / (a[inside] @ a[inside])
        b /= b[inside].std()
        return np.where(inside, 10 + value * a + np.sqrt(1 - value**2) * b, 0)

    def said(before, after):
        return little_change(brain, with_correlation(before), with_correlation(after))

    assert said(0.5, 0.52) is None
    assert "was 0.50 before and is 0.51 after" in said(0.5, 0.507)
    assert said(0.5, 0.4) is not None
    # Alike already: no improvement is needed, but they must stay alike.
    assert said(0.99, 0.96) is None
    assert said(0.96, 0.96) is None
    assert said(0.96, 0.955) is None
    assert said(0.96, 0.9) is not None
    assert said(0.9, 0.9) is not None
