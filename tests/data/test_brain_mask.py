import numpy as np
import pytest

from pmrnet.data.brain_mask import cut_out, inside_mask
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

SHAPE = (7, 8, 9)
INSIDE = np.zeros(SHAPE, bool)
INSIDE[2:5, 1:6, 3:8] = True


def volume(values):
    return Volume(np.asarray(values, np.float32), np.eye(4))


@pytest.fixture
def noise():
    return np.random.default_rng(0).uniform(0, 1, SHAPE)


@pytest.mark.parametrize(
    ("outside", "inside"),
    [(0, 1), (0, 255), (0, 0.99999), (0, 0.4), (1e-4, 1), (-2, 0.01), (0.2, 0.7)],
)
def test_two_values(outside, inside):
    found = inside_mask(volume(np.where(INSIDE, inside, outside)), "m")
    np.testing.assert_array_equal(found, INSIDE)


@pytest.mark.parametrize("scale", [1, 1 - 1e-7])
def test_label_maps_count_above_0(noise, scale):
    labels = np.where(INSIDE, 1 + np.rint(2034 * noise), 0)
    labels[0] = -1
    np.testing.assert_array_equal(inside_mask(volume(labels * scale), "m"), INSIDE)


def test_a_scale_that_makes_fractions_of_a_few_labels():
    labels = np.where(INSIDE, 0.99999, 0)
    labels[3] *= 3
    np.testing.assert_array_equal(inside_mask(volume(labels), "m"), INSIDE)


@pytest.mark.parametrize("beyond", [0, 0.15])
def test_probabilities_count_from_one_half(noise, beyond):
    values = np.where(INSIDE, 0.5 + noise * (0.5 + beyond), 0.5 - noise * (0.4999 + beyond) - 1e-4)
    values[2, 1, 3] = 0.5
    np.testing.assert_array_equal(inside_mask(volume(values), "m"), INSIDE)


@pytest.mark.parametrize(("low", "high"), [(0, 100), (-3, 3), (-1, 0.9), (0, 2)])
def test_images_are_refused(noise, low, high):
    message = r"^mask\.nii: expected a brain mask, of whole .* found values from .* as in an image"
    with pytest.raises(InputError, match=message):
        inside_mask(volume(low + noise * (high - low)), "mask.nii")


@pytest.mark.parametrize("scale", [1, 200.0])
def test_the_image_is_not_its_own_mask(noise, scale):
    image = volume(np.rint(noise * 100) if scale == 1 else noise / scale)
    with pytest.raises(InputError, match=r"^b: expected a brain mask, found the values of .*a "):
        cut_out(image, image, "a", "b")


def test_the_image_is_0_outside(noise):
    cut = cut_out(volume(noise + 1), volume(INSIDE), "a", "b")
    np.testing.assert_array_equal(cut.data != 0, INSIDE)
    np.testing.assert_allclose(cut.data[INSIDE], noise[INSIDE] + 1, rtol=1e-6)


def test_a_mask_of_the_head_is_refused():
    large = Volume(np.ones((7, 8, 9), np.float32), np.diag([20.0, 20, 20, 1]))
    mask = Volume(np.ones((7, 8, 9), np.float32), large.affine)
    mask.data[0, 0, 0] = 0
    message = r"^m\.nii: expected the mask of a brain, found one that keeps 4\.0 litres of i\.nii"
    with pytest.raises(InputError, match=message):
        cut_out(large, mask, "i.nii", "m.nii")
