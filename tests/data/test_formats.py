import gzip

import nibabel as nib
import numpy as np
import pytest

from pmrnet.data.formats import ENDINGS, check_file, file_pair, image_stem, is_volume_file
from pmrnet.errors import InputError

DATA = np.arange(7 * 8 * 9, dtype=np.float32).reshape(7, 8, 9)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(900)


def nifti(path):
    nib.save(nib.Nifti1Image(DATA, np.eye(4)), path)
    return path.read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_stem_of_every_ending(ending):
    assert image_stem(f"/a.b/S01.t1w{ending}") == "S01.t1w"
    assert image_stem(f"S01{ending.upper()}") == "S01"
    assert is_volume_file(f"x/S01{ending}")


def test_other_names():
    assert image_stem("a/b.tar.gz") == "b.tar.gz"
    for name in ("image.png", "nii", "labels.npy", "image.nii.bz2", "notes.gz"):
        assert not is_volume_file(name)


@pytest.mark.parametrize("endings", [(".hdr", ".img.gz"), (".hdr.gz", ".img"), (".HDR", ".IMG")])
def test_pair(tmp_path, endings):
    header, voxels = (tmp_path / f"a.b{ending}" for ending in endings)
    header.touch()
    assert file_pair(header) == (header, header)
    voxels.touch()
    assert file_pair(header) == file_pair(voxels) == (header, voxels)
    single = tmp_path / "a.b.nii"
    assert file_pair(single) == (single, single)


def test_what_nibabel_writes_passes(tmp_path):
    for name in ("a.nii", "a.nii.gz", "big.nii"):
        kind = nib.Nifti2Image if name == "big.nii" else nib.Nifti1Image
        nib.save(kind(DATA, np.eye(4)), tmp_path / name)
        check_file(tmp_path / name)
    for name in ("a.mgh", "a.mgz"):
        nib.save(nib.MGHImage(DATA, np.eye(4)), tmp_path / name)
        check_file(tmp_path / name)
    for name, kind in (
        ("n.hdr", nib.Nifti1Pair),
        ("n2.img", nib.Nifti2Pair),
        ("a.hdr", nib.AnalyzeImage),
        ("s.img", nib.Spm99AnalyzeImage),
    ):
        nib.save(kind(DATA, np.eye(4)), tmp_path / name)
        check_file(tmp_path / name)
    swapped = nib.AnalyzeImage(DATA, np.eye(4), nib.AnalyzeHeader(endianness=">"))
    nib.save(swapped, tmp_path / "swapped.hdr")
    check_file(tmp_path / "swapped.hdr")
    np.savez_compressed(tmp_path / "a.npz", vol=DATA)
    check_file(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.nii", b"", r"a\.nii: expected an image, found an empty file; fetch it again\.$"),
        ("a.png", PNG, r"a\.png: expected a name ending in \.nii\.gz, .*, found \.png; convert"),
        ("a", PNG, r"expected a name ending in .*, found none; convert"),
        ("a.nii", PNG, r"expected a NIfTI file, as the ending \.nii says, found a PNG picture; fe"),
        ("a.nii.gz", PNG, r"as the ending \.nii\.gz says, found a PNG picture that is not compr"),
        ("a.mgh", PNG, r"expected an MGH file, as the ending \.mgh says, found a PNG picture"),
        ("a.npz", PNG, r"expected a zip archive, as the ending \.npz says, found a PNG picture"),
        (
            "a.nii.gz",
            gzip.compress(PNG, mtime=0),
            r"expected a NIfTI file, .* found a PNG picture; fetch",
        ),
        (
            "a.mgz",
            gzip.compress(PNG, mtime=0),
            r"expected an MGH file, .* found a PNG picture; fetch",
        ),
        ("a.nii", b"<!DOCTYPE html>" + bytes(600), r"found a web page or XML document"),
        ("a.nii", b"version https://git-lfs.github.com/spec/v1\n", r"found a Git LFS pointer"),
        ("a.nii", bytes(128) + b"DICM" + bytes(600), r"found a DICOM file"),
        ("a.nii", b"words, words", r"found content of another kind"),
    ],
)
def test_foreign_content(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_file(tmp_path / name)


def test_compression_other_than_the_name_says(tmp_path):
    plain = nifti(tmp_path / "a.nii")
    (tmp_path / "b.nii.gz").write_bytes(plain)
    with pytest.raises(
        InputError,
        match=r"b\.nii\.gz: expected gzip-compressed content, .* found a NIfTI file that is not "
        r"compressed; rename it to b\.nii, or compress",
    ):
        check_file(tmp_path / "b.nii.gz")
    (tmp_path / "c.nii").write_bytes(gzip.compress(plain))
    with pytest.raises(InputError, match=r"found gzip-compressed content; rename it to c\.nii\.gz"):
        check_file(tmp_path / "c.nii")
    nib.save(nib.MGHImage(DATA, np.eye(4)), tmp_path / "d.mgz")
    (tmp_path / "d.mgh").write_bytes((tmp_path / "d.mgz").read_bytes())
    with pytest.raises(InputError, match=r"found gzip-compressed content; rename it to d\.mgz"):
        check_file(tmp_path / "d.mgh")
    (tmp_path / "e.mgz").write_bytes(gzip.decompress((tmp_path / "d.mgz").read_bytes()))
    with pytest.raises(
        InputError, match=r"an MGH file that is not compressed; rename it to e\.mgh"
    ):
        check_file(tmp_path / "e.mgz")


def test_half_a_pair(tmp_path):
    nib.save(nib.Nifti1Pair(DATA, np.eye(4)), tmp_path / "a.img")
    (tmp_path / "a.img").rename(tmp_path / "b.img")
    with pytest.raises(InputError, match=r"a\.hdr: expected header and voxels .* found no a\.img "):
        check_file(tmp_path / "a.hdr")
    with pytest.raises(InputError, match=r"b\.img: expected .* found no b\.hdr or b?\.hdr\.gz;"):
        check_file(tmp_path / "b.img")


def test_missing(tmp_path):
    for path in (tmp_path / "no.nii", tmp_path):
        with pytest.raises(InputError, match="found none there"):
            check_file(path)
