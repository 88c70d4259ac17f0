import gzip

import nibabel as nib
import numpy as np
import pytest
from oblique_grid import OBLIQUE

from pmrnet.data.volume import (
    Volume,
    canonical,
    load_array,
    load_image,
    load_labels,
    save_array,
    save_image,
)
from pmrnet.errors import InputError

SHAPE = (7, 8, 9)


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
    labels = np.rint(np.abs(values) * 1000)
    volume = load_labels(write(tmp_path / "a.nii", labels))
    assert volume.data.dtype == np.int32
    np.testing.assert_array_equal(volume.data, labels)


@pytest.mark.parametrize("name", ["a.mgz", "a.mgh"])
def test_freesurfer(tmp_path, values, name):
    volume = load_image(write(tmp_path / name, values, kind=nib.MGHImage))
    np.testing.assert_array_equal(volume.data, values)
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-5)
    assert volume.assumed is None
    labels = (np.abs(values) * 1000).astype(np.int32)
    read = load_labels(write(tmp_path / f"l{name}", labels, kind=nib.MGHImage))
    np.testing.assert_array_equal(read.data, labels)
    frames = np.stack([values, values], -1)
    with pytest.raises(InputError, match=r"one 3-D image.*\(7, 8, 9, 2\)"):
        load_image(write(tmp_path / f"f{name}", frames, kind=nib.MGHImage))


def test_npz_as_voxelmorph_has_it(tmp_path, values):
    labels = (np.abs(values) * 1000).astype(np.int16)
    np.savez_compressed(tmp_path / "a.npz", vol=values, seg=labels, affine=OBLIQUE)
    np.testing.assert_array_equal(load_image(tmp_path / "a.npz").data, values)
    np.testing.assert_array_equal(load_labels(tmp_path / "a.npz").data, labels)
    np.testing.assert_array_equal(load_image(tmp_path / "a.npz").affine, OBLIQUE)
    assert load_image(tmp_path / "a.npz").assumed is None
    np.savez(tmp_path / "b.npz", anything=values[..., None])
    volume = load_image(tmp_path / "b.npz")
    np.testing.assert_array_equal(volume.data, values)
    np.testing.assert_array_equal(volume.affine, np.eye(4))
    assert volume.assumed == (
        "it has no affine, so its voxels are taken for 1 mm and its axes to point to RAS"
    )
    np.testing.assert_array_equal(canonical(volume).data, values)
    assert canonical(volume).assumed == volume.assumed


def test_npz_refused(tmp_path, values):
    np.savez(tmp_path / "a.npz", seg=values, other=values)
    with pytest.raises(InputError, match=r"an array named vol, or a single one, found seg, other;"):
        load_image(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", affine=OBLIQUE)
    with pytest.raises(InputError, match="named vol, or a single one, found none"):
        load_image(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", vol=values, affine=np.zeros((4, 4)))
    with pytest.raises(InputError, match=r"c\.npz: expected an invertible"):
        load_image(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", vol=np.array([{}], dtype=object))  # a pickle
    with pytest.raises(InputError, match=r"d\.npz: .*allow_pickle=False"):
        load_image(tmp_path / "d.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "e.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged, truncated or foreign"):
        load_image(tmp_path / "e.npz")


def test_what_a_header_leaves_open_is_said(tmp_path, values):
    assert load_image(write(tmp_path / "a.nii", values)).assumed is None
    image = nib.Nifti1Image(values, None)
    image.header.set_zooms((1.5, 0.8, 2))
    nib.save(image, tmp_path / "b.nii")
    assert nib.load(tmp_path / "b.nii").header["sform_code"] == 0
    said = "its header has no orientation, so its voxel axes are taken to point to LAS"
    assert load_image(tmp_path / "b.nii").assumed == said
    write(tmp_path / "c.hdr", values, np.eye(4), nib.AnalyzeImage)
    assert load_image(tmp_path / "c.hdr").assumed == said
    path = write(tmp_path / "d.mgh", values, kind=nib.MGHImage)
    content = bytearray(path.read_bytes())
    content[28:30] = b"\0\0"  # goodRASFlag
    path.write_bytes(content)
    volume = load_image(path)
    assert "taken to point to LIA" in volume.assumed
    np.testing.assert_array_equal(volume.spacing, 1)
    np.testing.assert_array_equal(volume.affine @ (3.5, 4, 4.5, 1), (0, 0, 0, 1))


def test_labels_out_of_range(tmp_path, values):
    top = 2**31 - 1
    labels = np.full(SHAPE, top, np.int64)
    assert load_labels(write_long(tmp_path / "top.nii", labels)).data.max() == top
    for kind, bad in ((np.int64, top + 1), (np.uint32, 2**31), (np.float64, 3e9)):
        labels = np.ones(SHAPE, kind)
        labels[1, 2, 3] = bad
        with pytest.raises(InputError, match=rf"labels from 0 to 2147483647, found {bad:.0f};"):
            load_labels(write_long(tmp_path / "a.nii", labels))
    labels = np.ones(SHAPE, np.int16)
    labels[1, 2, 3] = -1
    with pytest.raises(InputError, match="labels from 0 to 2147483647, found -1; renumber"):
        load_labels(write(tmp_path / "a.nii", labels))


def write_long(path, data):
    nib.save(nib.Nifti1Image(data, OBLIQUE, dtype=data.dtype), path)
    return path


def test_values_that_are_too_large(tmp_path, values):
    big = write_long(tmp_path / "a.nii", values.astype(np.float64) * 1e300)
    with pytest.raises(InputError, match=r"a\.nii: expected values of at most 3\.4e38, found"):
        load_image(big)


@pytest.mark.parametrize("size", [0.01, 20, 1000])
@pytest.mark.parametrize("name", ["a.nii", "a.mgz", "a.hdr", "a.npz"])
def test_voxels_of_no_likely_size(tmp_path, values, size, name):
    affine = np.diag([1, size, 1, 1])
    if name == "a.npz":
        np.savez(tmp_path / name, vol=values, affine=affine)
    else:
        kinds = {"a.nii": nib.Nifti1Image, "a.mgz": nib.MGHImage, "a.hdr": nib.AnalyzeImage}
        write(tmp_path / name, values, affine, kinds[name])
    with pytest.raises(InputError, match=rf"voxel sides .* found 1 x {size:g} x 1; correct"):
        load_image(tmp_path / name)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.AnalyzeImage])
def test_voxels_of_size_zero(tmp_path, values, kind):
    """nibabel takes 0 for 1 and logs it."""
    path = tmp_path / ("a.nii" if kind is nib.Nifti1Image else "a.hdr")
    image = kind(values, np.eye(4))
    if kind is nib.Nifti1Image:
        image.set_sform(None)
        image.set_qform(np.eye(4), 1)
    nib.save(image, path)
    content = bytearray(path.read_bytes())
    content[84:88] = bytes(4)  # pixdim[2]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"voxel sides .* found 1 x 0 x 1; correct"):
        load_image(path)


def test_matrices_that_contradict_each_other(tmp_path, values):
    image = nib.Nifti1Image(values, OBLIQUE)
    image.set_qform(OBLIQUE, 1)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(load_image(tmp_path / "a.nii").affine, OBLIQUE, atol=1e-5)
    image.set_qform(OBLIQUE @ np.diag([-1, 1, 1, 1]), 1)
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"qform and sform to agree, found .*-copyqform2sform"):
        load_image(tmp_path / "a.nii.gz")


def test_unusable_shapes(tmp_path, values):
    two = np.stack([values, values], -1)
    with pytest.raises(InputError, match=r"one 3-D image.*\(7, 8, 9, 2\)"):
        load_image(write(tmp_path / "a.nii", two))
    with pytest.raises(InputError, match="one 3-D image"):  # NIfTI's own vector layout
        load_image(write(tmp_path / "v.nii", two[..., None, :]))
    with pytest.raises(InputError, match="one 3-D image"):
        load_image(write(tmp_path / "f.nii", values[..., 0]))
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match="one real number per voxel, found colours or vectors"):
        load_image(write(tmp_path / "c.nii", rgb))
    with pytest.raises(InputError, match="one real number per voxel, found complex numbers"):
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
    with pytest.raises(InputError, match="found content of another kind"):
        load_image(tmp_path / "text.nii")


def test_file_that_may_not_be_read(tmp_path, values, monkeypatch):
    path = write(tmp_path / "a.nii", values)

    def refuse(*_, **__):
        raise PermissionError("Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(InputError, match="expected a file that may be read"):
        load_image(path)


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


def test_the_matrix_that_spm_keeps_beside_an_analyze_pair(tmp_path, values):
    affine = nib.affines.from_matvec(np.diag([2.0, 3, 4]), (-10, 20, 5))
    path = tmp_path / "a.img"
    nib.save(nib.Spm2AnalyzeImage(values.astype(np.int16), affine), path)
    assert (tmp_path / "a.mat").is_file()
    volume = load_image(path)
    np.testing.assert_allclose(volume.affine, affine)
    assert volume.assumed is None
    (tmp_path / "a.mat").unlink()
    assert "no orientation" in load_image(path).assumed
