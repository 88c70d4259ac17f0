import numpy as np
import pytest

from pmrnet.report.coverage_warning import different_coverage

# A brain of 100 x 140 x 100 mm in the middle of its grid.
SHAPE = (60, 80, 60)


def head(cerebellum=True):
    """A box of a brain, with another box below and behind it."""
    image = np.zeros(SHAPE)
    image[5:55, 5:75, 20:55] = 1
    if cerebellum:
        image[15:45, 5:30, 4:20] = 1
    return image


def test_a_missing_cerebellum_is_found_and_named():
    whole, cut = head(), head(cerebellum=False)
    share = (whole - cut).sum() / whole.sum()
    assert 0.08 < share < 0.12
    sentence = different_coverage(whole, cut, 2.0)
    assert "at its bottom back" in sentence
    assert "of the fixed brain lies where the moving image has none" in sentence
    assert "cerebellum" in sentence
    sentence = different_coverage(cut, whole, 2.0)
    assert "of the moving brain lies where the fixed image has none" in sentence


def test_a_finer_grid_says_the_same():
    whole, cut = head(), head(cerebellum=False)
    fine = [image.repeat(2, 0).repeat(2, 1).repeat(2, 2) for image in (whole, cut)]
    assert different_coverage(*fine, 1.0) == different_coverage(whole, cut, 2.0)


def test_equal_or_slightly_different_brains_are_fine():
    assert different_coverage(head(), head(), 2.0) is None
    # 8 mm to the side: everything lies within the tolerance.
    assert different_coverage(head(), np.roll(head(), 4, axis=0), 2.0) is None
    assert different_coverage(head(), np.zeros(SHAPE), 2.0) is None


@pytest.mark.parametrize(
    ("index", "place"),
    [
        (np.s_[:, :, 44:], "top"),
        (np.s_[:, 60:], "front"),
        (np.s_[40:], "right"),
        (np.s_[:20], "left"),
    ],
)
def test_other_parts_are_not_called_cerebellum(index, place):
    image = head()
    image[index] = 0
    sentence = different_coverage(head(), image, 2.0)
    assert f"at its {place}," in sentence
    assert "cerebellum" not in sentence


def test_depth_is_in_millimetres():
    image = head()
    image[:, 67:] = 0  # eight voxels from the front
    assert different_coverage(head(), image, 1.0) is None  # 8 mm, all within the tolerance
    assert different_coverage(head(), image, 2.0) is not None
    # Anisotropic voxels: only the side along y counts.
    assert different_coverage(head(), image, (2.0, 1.0, 2.0)) is None
    assert different_coverage(head(), image, (1.0, 2.0, 1.0)) is not None
