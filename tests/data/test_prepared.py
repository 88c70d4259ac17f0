import json

import numpy as np
import pytest
from scipy import ndimage

from pmrnet.data.downsampling import downsample
from pmrnet.data.prepared import (
    PreparedSubject,
    describe_inputs,
    is_prepared,
    without_paths,
    write_prepared,
)
from pmrnet.data.volume import load_labels, save_image
from pmrnet.errors import InputError

SHAPE = (6, 8, 10)


def write(tmp_path, spacing=None, labels=True):
    """A prepared subject with files of its own; without a spacing as folders had it at first."""
    rng = np.random.default_rng(0)
    paths = {"image": save_image(tmp_path / "raw" / "i.nii", rng.random(SHAPE), np.eye(4))}
    if labels:
        data = rng.integers(0, 3, SHAPE, np.uint8)
        paths["labels"] = save_image(tmp_path / "raw" / "l.nii", data, np.eye(4))
    record = {
        "name": "a",
        "grid_to_native": np.eye(4).tolist(),
        "native_affine": np.diag([2.0, 2, 2, 1]).tolist(),
        "native_shape": list(SHAPE),
        "overlap": 1.0,
        "inputs": describe_inputs(paths),
        "settings_hash": "h",
    } | ({} if spacing is None else {"spacing": spacing})
    return write_prepared(tmp_path / "a", rng.random(SHAPE, np.float32), record), paths


def test_image_at_coarser_spacings_of_an_image_at_1_mm(tmp_path):
    subject, _ = write(tmp_path)
    assert subject.spacing == 1
    assert isinstance(subject.image_at(1), np.memmap)
    smooth = ndimage.gaussian_filter(subject.image, 0.7, mode="nearest")
    np.testing.assert_array_equal(subject.image_at(2), smooth[::2, ::2, ::2])


def test_image_at_counts_from_the_stored_spacing(tmp_path):
    subject, _ = write(tmp_path, spacing=2)
    assert subject.spacing == 2
    np.testing.assert_array_equal(subject.image_at(2), subject.image)
    np.testing.assert_array_equal(subject.image_at(4), downsample(subject.image, 2))
    for finer in (1, 3):
        with pytest.raises(InputError, match=rf"multiples of the stored image's 2 mm.*{finer} mm"):
            subject.image_at(finer)


def test_labels_keep_the_affine_of_the_preparation(tmp_path):
    subject, paths = write(tmp_path)
    labels = subject.labels()
    np.testing.assert_array_equal(labels.data, load_labels(paths["labels"]).data)
    np.testing.assert_array_equal(labels.affine, np.diag([2, 2, 2, 1]))


def test_merged_labels(tmp_path):
    subject, paths = write(tmp_path)
    plain = subject.labels().data
    merged = PreparedSubject.load(subject.folder, merge={1: 2, 2: 7}).labels()
    np.testing.assert_array_equal(merged.data, np.array([0, 2, 7])[plain])
    np.testing.assert_array_equal(merged.affine, subject.native_affine)
    assert set(np.unique(plain)) == {0, 1, 2}
    np.testing.assert_array_equal(load_labels(paths["labels"]).data, plain)


def test_missing_labels(tmp_path):
    subject, _ = write(tmp_path, labels=False)
    with pytest.raises(InputError, match="prepared without"):
        subject.labels()


def test_relocated_inputs(tmp_path):
    subject, paths = write(tmp_path)
    (tmp_path / "raw").rename(tmp_path / "new")
    with pytest.raises(InputError, match=r"a: expected its labels at .*raw/l\.nii.*run the prep"):
        subject.labels()
    moved = describe_inputs({k: tmp_path / "new" / p.name for k, p in paths.items()})
    assert is_prepared(tmp_path / "a", "h", SHAPE, moved)
    assert PreparedSubject.load(tmp_path / "a").labels().shape == SHAPE


def test_what_counts_as_prepared(tmp_path):
    subject, paths = write(tmp_path)
    inputs = describe_inputs(paths)
    assert is_prepared(subject.folder, "h", SHAPE, inputs)
    assert not is_prepared(subject.folder, "other settings", SHAPE, inputs)
    assert not is_prepared(subject.folder, "h", (6, 8, 11), inputs)
    assert not is_prepared(tmp_path / "b", "h", SHAPE, inputs)
    save_image(paths["image"], np.ones(SHAPE), np.eye(4))
    assert not is_prepared(subject.folder, "h", SHAPE, describe_inputs(paths))
    record = json.loads((subject.folder / "subject.json").read_text())
    assert record["versions"].keys() == {"pmrnet", "numpy", "scipy", "nibabel", "SimpleITK"}
    del record["overlap"]
    (subject.folder / "subject.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"found none that is complete .'overlap'"):
        PreparedSubject.load(subject.folder)
    with pytest.raises(InputError, match="found none there"):
        describe_inputs({"image": tmp_path / "no.nii"})


def test_notices(tmp_path):
    subject, _ = write(tmp_path)
    assert subject.notices == ()
    record = json.loads((subject.folder / "subject.json").read_text())
    write_prepared(subject.folder, subject.image, record | {"notices": ["a", "b"]})
    assert PreparedSubject.load(subject.folder).notices == ("a", "b")


def test_image_of_other_content_is_not_prepared(tmp_path):
    """As after a crash between two settings, or by hand: of the right shape, but not the one."""
    subject, paths = write(tmp_path)
    inputs = describe_inputs(paths)
    image = np.array(subject.image)
    image[0, 0, 0] += 1
    np.save(subject.folder / "image.npy", image)
    assert not is_prepared(subject.folder, "h", SHAPE, inputs)


def test_orientation_counts(tmp_path):
    subject, paths = write(tmp_path)
    inputs = describe_inputs(paths)
    assert not is_prepared(subject.folder, "h", SHAPE, inputs, orientation="by.labels")
    record = json.loads((subject.folder / "subject.json").read_text())
    write_prepared(subject.folder, subject.image, record | {"orientation": "by.labels"})
    assert is_prepared(subject.folder, "h", SHAPE, inputs, orientation="by.labels")
    assert not is_prepared(subject.folder, "h", SHAPE, inputs)


def test_pairs_count_with_both_files(tmp_path):
    (tmp_path / "a.hdr").write_bytes(b"header")
    (tmp_path / "a.img").write_bytes(b"voxels")
    sums = {}
    for name in ("a.hdr", "a.img"):
        before = without_paths(describe_inputs({"image": tmp_path / name}))
        for part in ("a.hdr", "a.img"):
            (tmp_path / part).write_bytes((tmp_path / part).read_bytes() + b"!")
            after = without_paths(describe_inputs({"image": tmp_path / name}))
            assert after != before
            before = after
        sums[name] = after
        (tmp_path / "a.mat").write_bytes(b"SPM's matrix")
        assert without_paths(describe_inputs({"image": tmp_path / name})) != after
        (tmp_path / "a.mat").unlink()
    assert sums["a.hdr"] != sums["a.img"]


def test_links_are_not_followed(tmp_path):
    """Stores keep files under names without an ending, and link to them."""
    (tmp_path / "store").mkdir()
    data = np.arange(24.0).reshape(2, 3, 4)
    save_image(tmp_path / "a.nii", data, np.eye(4)).rename(tmp_path / "store" / "0f3a")
    (tmp_path / "a.nii").symlink_to(tmp_path / "store" / "0f3a")
    assert describe_inputs({"image": tmp_path / "a.nii"})["image"]["path"] == str(
        tmp_path / "a.nii"
    )
