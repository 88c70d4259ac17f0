import gzip

import nibabel as nib
import numpy as np
import pytest

from pmrnet.data.volume import (
    Volume,
    canonical,
    check_affine,
    load_array,
    load_image,
    load_labels,
    save_array,
    save_image,
)
from pmrnet.errors import InputError

SHAPE = (7, 8, 9)
OBLIQUE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([1.5, 0.8, 2.0]), (-10, 20, 5)
)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def write(path, data, affine=OBLIQUE, kind=nib.Nifti1Image):
    nib.save(kind(data, affine), path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img", "a.hdr"])
def test_image_as_nibabel_reads_it(tmp_path, values, name):
    kind = nib.Nifti1Image if ".nii" in name else nib.Nifti1Pair
    volume = load_image(write(tmp_path / name, values, kind=kind))
    oracle = nib.load(tmp_path / name)
    np.testing.assert_array_equal(volume.data, oracle.get_fdata(dtype=np.float32))
    np.testing.assert_array_equal(volume.affine, oracle.affine)
    assert volume.data.dtype == np.float32
    assert volume.affine.dtype == np.float64
    np.testing.assert_allclose(volume.spacing, (1.5, 0.8, 2.0), rtol=1e-5)
    assert volume.shape == SHAPE


def test_analyze_with_trailing_axis(tmp_path):
    labels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(*SHAPE, 1)
    write(tmp_path / "a.hdr", labels, np.eye(4), nib.AnalyzeImage)
    assert nib.load(tmp_path / "a.hdr").shape == (*SHAPE, 1)
    np.testing.assert_array_equal(load_labels(tmp_path / "a.hdr").data, labels[..., 0])
    with gzip.open(tmp_path / "a.img.gz", "wb") as stream:  # the form LONI distributes
        stream.write((tmp_path / "a.img").read_bytes())
    (tmp_path / "a.img").unlink()
    np.testing.assert_array_equal(load_labels(tmp_path / "a.hdr").data, labels[..., 0])


def test_scaling_of_the_header_is_applied(tmp_path):
    image = nib.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_array_equal(load_image(tmp_path / "a.nii").data.ravel(), 3 + np.arange(8) / 2)


def test_labels_stored_as_float(tmp_path, values):
    volume = load_labels(write(tmp_path / "a.nii", np.rint(values * 10)))
    assert volume.data.dtype == np.int32
    np.testing.assert_array_equal(volume.data, np.rint(values * 10))


def test_unusable_shapes(tmp_path, values):
    two = np.stack([values, values], -1)
    with pytest.raises(InputError, match=r"one 3-D image.*\(7, 8, 9, 2\)"):
        load_image(write(tmp_path / "a.nii", two))
    with pytest.raises(InputError, match="one 3-D image"):  # NIfTI's own vector layout
        load_image(write(tmp_path / "v.nii", two[..., None, :]))
    with pytest.raises(InputError, match="one 3-D image"):
        load_image(write(tmp_path / "f.nii", values[..., 0]))
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match="one real number per voxel"):
        load_image(write(tmp_path / "c.nii", rgb))
    with pytest.raises(InputError, match="one real number per voxel"):
        load_image(write(tmp_path / "z.nii", values.astype(np.complex64)))


def test_zero_size(tmp_path, values):
    path = write(tmp_path / "a.nii", values)
    content = bytearray(path.read_bytes())
    content[42:44] = b"\0\0"  # dim[1]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.nii: expected"):
        load_image(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(tmp_path, values, bad):
    values[1, 2, 3] = bad
    path = write(tmp_path / "a.nii", values)
    for load in (load_image, load_labels):
        with pytest.raises(InputError, match="finite values, found 1 NaN"):
            load(path)


def test_constant_and_fractional(tmp_path, values):
    zeros = write(tmp_path / "z.nii", np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match="found 0 in every voxel"):
        load_image(zeros)
    with pytest.raises(InputError, match="no label other than 0"):
        load_labels(zeros)
    with pytest.raises(InputError, match="integer labels, found the value"):
        load_labels(write(tmp_path / "a.nii", values))


def test_missing_truncated_foreign(tmp_path, values):
    with pytest.raises(InputError, match="found none there"):
        load_image(tmp_path / "no.nii")
    with pytest.raises(InputError, match="found none there"):
        load_image(tmp_path)
    for name in ("a.nii", "a.nii.gz"):
        path = write(tmp_path / name, values)
        path.write_bytes(path.read_bytes()[:-300])
        with pytest.raises(InputError, match="damaged, truncated or foreign"):
            load_image(path)
    (tmp_path / "text.nii").write_text("not an image")
    with pytest.raises(InputError, match="damaged, truncated or foreign"):
        load_image(tmp_path / "text.nii")


@pytest.mark.parametrize("what", ["zero", "flat", "nan"])
def test_bad_affine_in_a_header(tmp_path, values, what):
    image = nib.Nifti1Image(values, np.eye(4))
    rows = {"zero": np.zeros((3, 4)), "flat": np.eye(4)[:3], "nan": np.full((3, 4), np.nan)}[what]
    if what == "flat":
        rows[2] = rows[1]
    header = image.header
    header["sform_code"], header["qform_code"] = 2, 0
    header["srow_x"], header["srow_y"], header["srow_z"] = rows
    with (tmp_path / "a.nii").open("wb") as stream:
        header["magic"], header["vox_offset"] = b"n+1", 352
        stream.write(header.binaryblock + bytes(4) + values.tobytes(order="F"))
    with pytest.raises(InputError, match="invertible 4x4"):
        load_image(tmp_path / "a.nii")


def test_check_affine():
    tiny = np.diag([1e-4, 1e-4, 1e-4, 1])  # a tenth of a micrometre is small, not singular
    np.testing.assert_array_equal(check_affine(tiny.tolist(), "x"), tiny)
    for bad in (np.eye(3), np.zeros((4, 4)), np.diag([1, 1, 1, 2])):
        with pytest.raises(InputError, match="x: expected an invertible"):
            check_affine(bad, "x")


def test_canonical_keeps_every_voxel_in_place(values):
    swapped = nib.affines.from_matvec(np.array([[0, -2.0, 0], [0, 0, 1], [-1.5, 0, 0]]), (5, 6, 7))
    result = canonical(Volume(values, swapped))
    assert nib.aff2axcodes(result.affine) == ("R", "A", "S")
    for index in [(0, 0, 0), (6, 1, 2), (3, 7, 8)]:
        point = swapped @ (*index, 1)
        there = np.rint(np.linalg.solve(result.affine, point)[:3]).astype(int)
        assert result.data[tuple(there)] == values[index]


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64, np.uint8, bool])
def test_save_image_round_trip(tmp_path, values, dtype):
    data = (values * 3).astype(dtype)
    save_image(tmp_path / "sub" / "a.nii.gz", data, OBLIQUE)
    image = nib.load(tmp_path / "sub" / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), data)
    np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-5)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["a.nii.gz"]


def test_save_image_refuses(tmp_path, values):
    with pytest.raises(InputError, match=r"ending in \.nii"):
        save_image(tmp_path / "a.mgz", values, OBLIQUE)
    with pytest.raises(InputError, match="invertible"):
        save_image(tmp_path / "a.nii", values, np.zeros((4, 4)))
    assert not list(tmp_path.iterdir())


def test_arrays(tmp_path, values):
    path = save_array(tmp_path / "a.npy", values)
    assert isinstance(load_array(path), np.memmap)
    assert not isinstance(load_array(path, mmap=False), np.memmap)
    np.testing.assert_array_equal(load_array(path), values)
    with pytest.raises(ValueError, match="Object arrays"):
        save_array(tmp_path / "o.npy", np.array([{}], dtype=object))
    assert not (tmp_path / "o.npy").exists()


def test_arrays_refused(tmp_path, values):
    with pytest.raises(InputError, match="NumPy array file"):
        load_array(tmp_path / "no.npy")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    path = save_array(tmp_path / "a.npy", values)
    path.write_bytes(path.read_bytes()[:-8])
    for name in ("o.npy", "a.npy"):
        for mmap in (True, False):
            with pytest.raises(InputError, match="NumPy array file"):
                load_array(tmp_path / name, mmap)
