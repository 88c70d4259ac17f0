from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from spaces import smooth

from pmrnet.data.volume import Volume, load_labels
from pmrnet.errors import InputError
from pmrnet.transforms import AffineTransform, apply_to_image, check_labels, looks_like_labels

SHAPE = (23, 26, 21)


def image(values):
    return nib.Nifti1Image(values, np.eye(4), dtype=values.dtype)


def regions(rng, count=12):
    """Voronoi regions of some seeds, zero outside of a ball: a label map."""
    at = np.moveaxis(np.indices(SHAPE), 0, -1)[..., None, :]
    seeds = rng.uniform(0, SHAPE, (count, 3))
    labels = 1 + np.linalg.norm(at - seeds, axis=-1).argmin(axis=-1)
    ball = np.linalg.norm(at[..., 0, :] - np.array(SHAPE) / 2, axis=-1) < 10
    return (labels * ball).astype(np.int16)


def brain(rng):
    """Smooth intensities with noise in a ball, 8 bit, zero outside."""
    ball = regions(rng) > 0
    values = 128 + 80 * smooth(rng, SHAPE) + 8 * rng.normal(size=SHAPE)
    return (np.clip(values, 1, 255) * ball).astype(np.uint8)


def test_label_maps(rng):
    labels = regions(rng)
    for values in (labels, labels.astype(np.float32), labels > 3, labels.astype(np.int64) * 10**10):
        assert looks_like_labels(Volume(values, np.eye(4)))
    assert looks_like_labels(image(labels))
    ribbon = labels * (ndimage.binary_erosion(labels > 0) ^ (labels > 0))  # one voxel thick
    assert looks_like_labels(image(ribbon))
    landmarks = np.zeros(SHAPE, np.uint8)
    landmarks[3::8, 3::8, 3::8] = 7
    assert looks_like_labels(image(landmarks))
    assert looks_like_labels(image(np.stack([labels, labels], -1)))


def test_images(rng):
    values = brain(rng)
    assert not looks_like_labels(image(values))
    assert not looks_like_labels(image(values.astype(np.float32)))
    assert not looks_like_labels(image(values / np.float32(3)))
    assert not looks_like_labels(image(values.astype(np.int16) - 1024))  # background is not 0
    assert not looks_like_labels(image(regions(rng) + np.float32(0.5)))
    assert not looks_like_labels(SimpleNamespace(data=values.astype(complex)))


def test_the_header_may_say_so(rng):
    told = image(brain(rng))
    told.header.set_intent("label")
    assert looks_like_labels(told)


@pytest.mark.data
def test_real_brains(data_path):
    subject = data_path / "lpba40" / "S01"
    labels = nib.load(subject / "S01.delineation.structure.label.nii.gz")
    brain = nib.load(subject / "S01.delineation.skullstripped.nii.gz")
    assert looks_like_labels(labels)
    assert not looks_like_labels(brain)
    subject = data_path / "mindboggle" / "OASIS-TRT-20_volumes" / "OASIS-TRT-20-1"
    assert looks_like_labels(nib.load(subject / "labels.DKT31.manual.nii.gz"))
    assert not looks_like_labels(nib.load(subject / "t1weighted_brain.nii.gz"))


def test_check_labels(rng, tmp_path):
    labels = regions(rng)
    for values in (labels, labels.astype(np.float64), -labels, labels > 0):
        check_labels(Volume(values, np.eye(4)))
    for bad in (0.5, np.nan, np.inf):
        values = labels.astype(np.float32)
        values[1, 2, 3] = bad
        with pytest.raises(InputError, match=f"Label map: .* whole numbers, found {bad}"):
            check_labels(image(values))
    nib.save(image(values), tmp_path / "a.nii")
    with pytest.raises(InputError, match=r"a\.nii: expected labels"):
        check_labels(nib.load(tmp_path / "a.nii"))


def test_a_scale_in_the_header_leaves_labels_whole(rng, tmp_path):
    """The file holds 0.1 in single precision, so that 410 of it are 41.0000006."""
    stored = nib.Nifti1Image(regions(rng) * 10, np.eye(4))
    stored.header.set_slope_inter(0.1, 0)
    nib.save(stored, tmp_path / "labels.nii")
    scaled = nib.load(tmp_path / "labels.nii")
    assert (np.asarray(scaled.dataobj) % 1).any()
    check_labels(scaled)
    assert looks_like_labels(scaled)
    np.testing.assert_array_equal(load_labels(tmp_path / "labels.nii").data, regions_of(stored))
    moved = apply_to_image(AffineTransform(np.eye(4)), scaled, scaled, order=0)
    np.testing.assert_array_equal(np.asarray(moved.dataobj), regions_of(stored))


def regions_of(stored):
    return np.asarray(stored.dataobj) // 10
