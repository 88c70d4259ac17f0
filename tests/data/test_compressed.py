"""NIfTI files by the faster compressor: what any reader finds in them."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pmrnet.data.compressed import save_nifti

OBLIQUE = np.array(
    [[1.9, -0.2, 0.1, -30.0], [0.3, 0.9, -0.2, 12.0], [0.1, 0.1, 1.4, 7.0], [0, 0, 0, 1.0]]
)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_same_as_nibabels(tmp_path, rng, ending, dtype):
    image = nib.Nifti1Image((100 * rng.random((7, 8, 9))).astype(dtype), OBLIQUE)
    image.header["descrip"] = b"kept"
    ours, theirs = tmp_path / f"ours{ending}", tmp_path / f"theirs{ending}"
    save_nifti(image, ours)
    nib.save(image, theirs)
    contents = [p.read_bytes() for p in (ours, theirs)]
    if ending == ".nii.gz":
        contents = [gzip.decompress(content) for content in contents]
    assert contents[0] == contents[1]


def test_itk_reads_it(tmp_path, rng):
    data = rng.normal(size=(7, 8, 9)).astype(np.float32)
    save_nifti(nib.Nifti1Image(data, np.diag([1, 2, 3, 1])), tmp_path / "image.nii.gz")
    image = sitk.ReadImage(str(tmp_path / "image.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, data)
    np.testing.assert_allclose(image.GetSpacing(), [1, 2, 3])


def test_bytes_depend_on_the_image_alone(tmp_path, rng):
    image = nib.Nifti1Image(rng.normal(size=(20, 30, 40)).astype(np.float32), OBLIQUE)
    save_nifti(image, tmp_path / "one.nii.gz")
    save_nifti(image, tmp_path / "other.nii.gz")
    first, second = ((tmp_path / f"{name}.nii.gz").read_bytes() for name in ("one", "other"))
    assert first == second
    assert first[4:8] == bytes(4)  # the time
