"""Images with their headers: places, types and values survive, whatever the format."""

import nibabel as nib
import numpy as np
import pytest

from pmrnet.data import formats
from pmrnet.data.volume import load_image, load_labels
from pmrnet.errors import InputError
from pmrnet.image_files import is_constant, open_image, write_image
from pmrnet.transforms import check_labels

SHAPE = (7, 8, 9)
AFFINE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.2, -0.1, 0.3) @ np.diag([-1.0, 1.5, 2.0]), (9, -20, 12)
)
LARGE = 614_454_277  # no float32 has this value


@pytest.fixture
def labels(rng):
    values = rng.integers(0, 3, SHAPE) * 1000
    values[0, 0, 0] = LARGE
    return values


@pytest.mark.parametrize("good", [True, False])
def test_mgh_lies_where_it_is_aligned(tmp_path, rng, good):
    path = tmp_path / "image.mgz"
    image = nib.MGHImage(rng.random(SHAPE).astype(np.float32), AFFINE)
    if not good:
        image.header["goodRASFlag"] = 0
    nib.save(image, path)
    # nibabel sets the flag as it saves.
    if not good:
        content = bytearray(nib.openers.ImageOpener(path).read())
        content[28:30] = b"\0\0"
        with nib.openers.ImageOpener(path, "wb") as stream:
            stream.write(bytes(content))
    opened, volume = open_image(path), load_image(path)
    np.testing.assert_allclose(opened.affine, volume.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(opened.dataobj), volume.data)
    assert (volume.assumed is None) == good
    assert np.allclose(opened.affine, AFFINE, atol=1e-4) == good


@pytest.mark.parametrize("kind", [np.int32, np.int16, np.float32])
@pytest.mark.parametrize("pair", [nib.AnalyzeImage, nib.Nifti1Pair])
def test_a_pair_keeps_its_type_and_values(tmp_path, labels, kind, pair):
    values = (labels if kind is np.int32 else labels % 3000).astype(kind)
    nib.save(pair(values, np.diag([2, 2, 2, 1])), tmp_path / "labels.img")
    opened = open_image(tmp_path / "labels.hdr")
    assert opened.get_data_dtype() == kind
    np.testing.assert_array_equal(np.asarray(opened.dataobj), values)
    np.testing.assert_allclose(opened.affine, load_labels(tmp_path / "labels.hdr").affine)


@pytest.mark.parametrize(
    ("kind", "stored"),
    [(bool, np.uint8), (np.int64, np.int32), (np.uint64, np.int32), (np.float16, np.float32)],
)
def test_an_array_of_a_type_that_nifti_has_not(tmp_path, labels, kind, stored):
    values = (labels if np.dtype(kind).itemsize == 8 else labels > 0).astype(kind)
    np.savez(tmp_path / "image.npz", vol=values)
    opened = open_image(tmp_path / "image.npz")
    assert opened.get_data_dtype() == stored
    np.testing.assert_array_equal(np.asarray(opened.dataobj), values)


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.uint32, np.int32])
def test_mgh_holds_whole_numbers_exactly(tmp_path, labels, kind):
    image = nib.Nifti1Image(labels.astype(kind), AFFINE, dtype=kind)
    write_image(tmp_path / "labels.mgz", image)
    written = nib.load(tmp_path / "labels.mgz")
    assert written.get_data_dtype().newbyteorder("=") == np.int32
    np.testing.assert_array_equal(np.asarray(written.dataobj), labels)


def test_mgh_holds_other_numbers_as_float32(tmp_path, rng):
    for values in (rng.random(SHAPE), np.full(SHAPE, 1e12)):
        write_image(tmp_path / "image.mgz", nib.Nifti1Image(values, AFFINE))
        written = nib.load(tmp_path / "image.mgz")
        assert written.get_data_dtype().newbyteorder("=") == np.float32
        np.testing.assert_allclose(np.asarray(written.dataobj), values, rtol=1e-6)


def test_a_file_that_may_not_be_read(tmp_path, labels, monkeypatch):
    nib.save(nib.Nifti1Image(labels.astype(np.int32), AFFINE), tmp_path / "mine.nii.gz")

    def refused(_):
        raise PermissionError

    monkeypatch.setattr(formats, "_check_content", refused)
    with pytest.raises(InputError, match=r"mine\.nii\.gz: expected a file that may be read"):
        open_image(tmp_path / "mine.nii.gz")


def test_a_header_that_contradicts_itself_is_refused(tmp_path, rng):
    image = nib.Nifti1Image(rng.random(SHAPE).astype(np.float32), AFFINE)
    elsewhere = AFFINE.copy()
    elsewhere[0, 3] += 30
    image.set_qform(elsewhere, 1)
    nib.save(image, tmp_path / "image.nii.gz")
    with pytest.raises(InputError, match="expected qform and sform to agree"):
        open_image(tmp_path / "image.nii.gz")


def test_mgh_has_four_axes(tmp_path):
    image = nib.Nifti1Image(np.zeros((*SHAPE, 1, 2), np.float32), AFFINE)
    with pytest.raises(InputError, match=r"at most four axes.*\(7, 8, 9, 1, 2\)"):
        write_image(tmp_path / "image.mgz", image)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["A.NII.GZ", "A.NII", "A.MGZ"])
def test_endings_in_capitals(tmp_path, rng, name):
    data = rng.integers(0, 99, SHAPE).astype(np.int16)
    path = write_image(tmp_path / name, nib.Nifti1Image(data, AFFINE))
    np.testing.assert_array_equal(np.asarray(open_image(path).dataobj), data)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") is (name != "A.NII")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_either_array_of_an_npz(tmp_path, rng):
    arrays = {"vol": rng.random(SHAPE, np.float32), "seg": rng.integers(0, 9, SHAPE)}
    np.savez(tmp_path / "both.npz", **arrays)
    for array, values in arrays.items():
        found = np.asarray(open_image(tmp_path / "both.npz", array).dataobj)
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz", "a.npz", "a.img"])
def test_an_image_knows_its_file(tmp_path, rng, name):
    data = rng.random(SHAPE, np.float32)
    if name == "a.npz":
        np.savez(tmp_path / name, vol=data)
    elif name == "a.img":
        nib.save(nib.Nifti1Pair(data, AFFINE), tmp_path / name)
    else:
        write_image(tmp_path / name, nib.Nifti1Image(data, AFFINE))
    with pytest.raises(InputError, match=rf"{name}: expected labels"):
        check_labels(open_image(tmp_path / name))


def test_images_of_one_value():
    image = np.zeros(SHAPE, np.float32)
    assert is_constant(nib.Nifti1Image(image, AFFINE))
    image[0, 1, 2] = 1
    assert not is_constant(nib.Nifti1Image(image, AFFINE))
