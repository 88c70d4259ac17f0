"""Random changes of training images."""

import numpy as np
import pytest
from scipy import ndimage

from pmrnet.data.augmentation import Augmentation
from pmrnet.errors import InputError

SHAPE = (13, 16, 11)


def brain(rng, shape=SHAPE):
    """Random intensities in an off-centre box, 0 around it."""
    image = np.zeros(shape, np.float32)
    image[3:9, 2:12, 3:8] = rng.uniform(0.1, 1, (6, 10, 5))
    return image


def test_nothing_is_changed_by_default(rng):
    images = brain(rng), brain(rng)
    for before, after in zip(images, Augmentation().pair(images, rng)[0], strict=True):
        np.testing.assert_array_equal(before, after)


def test_both_images_are_mirrored_together(rng):
    images = brain(rng), brain(rng)
    for before, after in zip(images, Augmentation(mirror=1.0).pair(images, rng)[0], strict=True):
        np.testing.assert_array_equal(before[::-1], after)
    often = Augmentation(mirror=0.5)
    mirrored = [
        [not np.array_equal(a, b) for a, b in zip(images, often.pair(images, rng)[0], strict=True)]
        for _ in range(40)
    ]
    assert [False, False] in mirrored
    assert [True, True] in mirrored
    assert [True, False] not in mirrored


def test_affine_maps_stay_within_their_limits(rng):
    limits = Augmentation(rotation_degrees=10, scaling=0.1, shear=0.05, translation_voxels=2)
    drawn = [limits.affine(rng) for _ in range(200)]
    volumes = np.array([np.linalg.det(matrix) for matrix, _ in drawn])
    assert 0.9**3 <= volumes.min() < 0.9 < 1.1 < volumes.max() <= 1.1**3
    shifts = np.array([shift for _, shift in drawn])
    assert 1.8 < np.abs(shifts).max() <= 2
    turns = Augmentation(rotation_degrees=10)
    for matrix, shift in (turns.affine(rng) for _ in range(50)):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) > 0
        assert not shift.any()
        angle = np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))
        assert angle <= np.deg2rad(10 * np.sqrt(3)) + 1e-6


def test_a_shift_moves_the_centre_of_mass(rng):
    image = brain(rng)
    shifted, _ = Augmentation(translation_voxels=1.5).pair(
        (image, image), np.random.default_rng(3)
    )[0]
    shift = np.random.default_rng(3)
    shift.random()  # the mirror's
    wanted = Augmentation(translation_voxels=1.5).affine(shift)[1]
    before, after = ((np.indices(SHAPE) * x).sum((1, 2, 3)) / x.sum() for x in (image, shifted))
    # Resampling at p + shift moves what is seen the other way; the mass at edges is blurred alike.
    np.testing.assert_allclose(after - before, -wanted, atol=0.1)


def test_intensities_change_smoothly_and_within_range(rng):
    image = brain(rng)
    changed, other = Augmentation(contrast=0.3, bias=0.2).pair((image, image), rng)[0]
    inside = image > 0
    assert changed.dtype == np.float32
    assert not changed[~inside].any()
    assert 0 <= changed.min() < changed.max() <= 1
    assert np.abs(changed - image)[inside].max() > 0.02
    assert not np.array_equal(changed, other), "each image has changes of its own"
    curve, _ = Augmentation(contrast=0.3).pair((image, image), rng)[0]
    order = np.argsort(image[inside])
    assert (np.diff(curve[inside][order]) >= 0).all(), "a curve keeps the order of intensities"


def test_same_generator_same_images(rng):
    images = brain(rng), brain(rng)
    every = Augmentation(0.5, 5, 0.1, 0.02, 2, 0.2, 0.1)
    first, second = (every.pair(images, np.random.default_rng(7))[0] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], every.pair(images, np.random.default_rng(8))[0][0])


@pytest.mark.parametrize("value", [-0.1, "much", True, None])
def test_wrong_values_are_said(value):
    with pytest.raises(InputError, match=r"my\.yaml: augment\.shear: expected a number of 0"):
        Augmentation.from_mapping({"shear": value}, "my.yaml")


def test_unknown_keys_are_said():
    with pytest.raises(InputError, match=r"expected only the keys mirror.*found zoom"):
        Augmentation.from_mapping({"zoom": 1.0}, "my.yaml")


def test_rotations_and_scalings_are_about_the_centre():
    image = np.zeros((21, 25, 19), np.float32)
    image[8:13, 10:15, 7:12] = 1
    for seed in range(5):
        changes = Augmentation(rotation_degrees=10, scaling=0.05)
        turned, _ = changes.pair((image, image), np.random.default_rng(seed))[0]
        np.testing.assert_allclose(ndimage.center_of_mass(turned), (10, 12, 9), atol=0.1)


EVERY = Augmentation(1.0, 8, 0.1, 0.02, 2, 0.3, 0.2)


def test_labels_move_as_their_images_do(rng):
    """A blob's label, changed with it, covers what is left of the blob."""
    image = np.zeros((21, 25, 19), np.float32)
    image[3:10, 5:15, 4:12] = 0.8
    labels = np.where(image > 0, 7, 0).astype(np.uint8)
    for seed in range(5):
        images, maps = EVERY.pair((image, image), np.random.default_rng(seed), (labels, labels))
        for changed, moved in zip(images, maps, strict=True):
            assert moved.dtype == np.uint8
            assert set(np.unique(moved)) == {0, 7}
            bright = changed > changed.max() / 2
            common = (bright & (moved == 7)).sum()
            assert 2 * common / (bright.sum() + (moved == 7).sum()) > 0.9
            assert (moved != labels).any()


def test_labels_do_not_change_what_happens_to_images(rng):
    images = brain(rng), brain(rng)
    maps = tuple((image > 0).astype(np.uint8) for image in images)
    with_labels, _ = EVERY.pair(images, np.random.default_rng(2), maps)
    without, none = EVERY.pair(images, np.random.default_rng(2))
    assert none is None
    for a, b in zip(with_labels, without, strict=True):
        np.testing.assert_array_equal(a, b)
