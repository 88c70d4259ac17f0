import numpy as np
import pytest
from small_brains import NATIVE, NATIVE_SHAPE, small_brain, write_subject

from pmrnet.data.native import load_native
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import save_image
from pmrnet.errors import InputError


@pytest.fixture
def files(tmp_path):
    return write_subject(tmp_path / "raw")


def test_without_a_mask(files):
    brain, notices = load_native(files)
    np.testing.assert_array_equal(brain.data, small_brain())
    np.testing.assert_allclose(brain.affine, NATIVE, atol=1e-4)
    assert notices == []


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_mask_cuts_the_brain_out(tmp_path, files, kind):
    rng = np.random.default_rng(0)
    head = small_brain() + rng.uniform(1, 2, NATIVE_SHAPE).astype(np.float32)
    image = save_image(tmp_path / "head.nii", head, NATIVE)
    inside = small_brain() > 0
    values = np.where(inside, 0.01 if kind is np.float32 else 3, -2 if kind is np.float32 else 0)
    mask = save_image(tmp_path / "mask.nii", values.astype(kind), NATIVE)
    with pytest.raises(InputError, match=r"head\.nii: expected a skull-stripped brain.*`mask:`"):
        load_native(SubjectFiles(image))
    brain, notices = load_native(SubjectFiles(image, files.labels, mask))
    np.testing.assert_array_equal(brain.data, np.where(inside, head, 0))
    assert notices == []


def test_masks_that_do_not_fit(tmp_path, files):
    ones = np.ones(NATIVE_SHAPE, np.uint8)
    ones[0] = 0
    moved = NATIVE + np.pad([[5.0]], ((0, 3), (3, 0)))
    for name, data, affine in (("a.nii", ones[:-1], NATIVE), ("b.nii", ones, moved)):
        mask = save_image(tmp_path / name, data, affine)
        with pytest.raises(InputError, match=rf"{name}: expected the grid of the image .*skullstr"):
            load_native(files._replace(mask=mask))
    corner = np.zeros(NATIVE_SHAPE, np.uint8)
    corner[0, 0, 0] = 1
    mask = save_image(tmp_path / "corner.nii", corner, NATIVE)
    message = r"expected a brain with contrast inside the mask .*corner\.nii, found only zeros"
    with pytest.raises(InputError, match=message):
        load_native(files._replace(mask=mask))
    with pytest.raises(InputError, match=r"no\.nii: expected an image file, found none"):
        load_native(files._replace(mask=tmp_path / "no.nii"))


def test_mask_given_for_the_image(tmp_path):
    image = save_image(tmp_path / "a.nii", (small_brain() > 0).astype(np.uint8), NATIVE)
    with pytest.raises(InputError, match="brain with contrast inside it, found only the value 1;"):
        load_native(SubjectFiles(image))


def test_labels_on_another_grid(tmp_path, files):
    small = save_image(tmp_path / "small.nii", np.ones((7, 8, 9), np.uint8), NATIVE)
    with pytest.raises(InputError, match=r"expected the grid of the image .* found \(7, 8, 9\)"):
        load_native(files._replace(labels=small))


def test_orientation_by_the_labels(files):
    flipped = NATIVE @ np.diag([-1, 1, 1, 1])
    flipped[:3, 3] = (NATIVE @ (NATIVE_SHAPE[0] - 1, 0, 0, 1))[:3]
    asked = []

    def by_labels(path, labels):
        asked.append((path, labels.shape))
        return flipped

    brain, notices = load_native(files, by_labels)
    assert asked == [(files.labels, NATIVE_SHAPE)]
    np.testing.assert_array_equal(brain.affine, flipped)
    np.testing.assert_array_equal(brain.data, small_brain())
    (notice,) = notices
    assert str(files.labels) in notice
    assert "labels show voxel axes that point to PLS, where the header says" in notice
    assert "ALS" in notice
    assert load_native(files, lambda _, labels: labels.affine)[1] == []
    with pytest.raises(InputError, match="orientation by its labels: expected an invertible"):
        load_native(files, lambda *_: np.zeros((4, 4)))


def test_what_a_file_leaves_open_is_noticed(tmp_path, files):
    np.savez(tmp_path / "a.npz", vol=small_brain()[::2, ::2, ::2])
    brain, (notice,) = load_native(SubjectFiles(tmp_path / "a.npz"))
    np.testing.assert_array_equal(brain.affine, np.eye(4))
    assert "a.npz: it has no affine, so its voxels are taken for 1 mm" in notice
    np.savez(tmp_path / "l.npz", seg=(brain.data > 0.5).astype(np.uint8))
    both = SubjectFiles(tmp_path / "a.npz", tmp_path / "l.npz")
    # Not where the labels have told it.
    assert load_native(both, lambda *_: np.eye(4))[1] == []
