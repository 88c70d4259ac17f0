import nibabel as nib
import numpy as np
import pytest
from spaces import FIXED, MOVING, matrix_near_identity, oblique, smooth_field

from pmrnet.errors import InputError
from pmrnet.transforms import FORMATS, AffineTransform, Chain, read, to_dense, write


@pytest.fixture
def images(rng):
    fixed = nib.Nifti1Image(np.zeros(FIXED), oblique(rng, (1.5, 1, 2), FIXED))
    moving = nib.Nifti1Image(np.zeros((*MOVING, 2)), oblique(rng, (1.2, 1.8, 1), MOVING))
    return {"fixed": fixed, "moving": moving}


NAMES = {"itk": "a.nii.gz", "fsl": "a.nii", "x5": "a.x5", "voxel": "a.npz"}


@pytest.mark.parametrize("format", FORMATS)
def test_a_chain_is_written_as_one_field_on_the_fixed_grid(rng, tmp_path, images, format):
    own = smooth_field(rng, MOVING, oblique(rng, (1, 2, 1.5), MOVING))
    chain = Chain([AffineTransform(matrix_near_identity(rng)), own])
    path = write(chain, tmp_path / NAMES[format], format, **images)
    back = read(path, **images)
    expected = to_dense(chain, FIXED, images["fixed"].affine)
    np.testing.assert_allclose(back.displacement, expected.displacement, atol=2e-5)
    assert [p.name for p in tmp_path.iterdir()] == [NAMES[format]]


def test_an_affine_transform_as_a_field(rng, tmp_path, images):
    transform = AffineTransform(matrix_near_identity(rng))
    back = read(write(transform, tmp_path / "a.nii.gz", fixed=images["fixed"]))
    at = rng.uniform(-3, 3, (10, 3))
    np.testing.assert_allclose(back.map_points(at), transform.map_points(at), atol=1e-4)
    with pytest.raises(InputError, match="expected the fixed image"):
        write(transform, tmp_path / "b.nii.gz")


def test_folders_are_made(rng, tmp_path):
    path = write(AffineTransform(np.eye(4)), tmp_path / "new" / "sub" / "a.mat")
    assert path == tmp_path / "new" / "sub" / "a.mat"
    assert [p.name for p in path.parent.iterdir()] == ["a.mat"]


def test_nothing_is_overwritten_unless_wanted(rng, tmp_path):
    path = tmp_path / "a.mat"
    path.write_text("precious")
    with pytest.raises(InputError, match="expected a new file"):
        write(AffineTransform(np.eye(4)), path)
    assert path.read_text() == "precious"
    write(AffineTransform(np.eye(4)), path, overwrite=True)
    np.testing.assert_array_equal(read(path).matrix, np.eye(4))


def test_a_failure_leaves_nothing_behind(rng, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pmrnet.transforms.files.save_nifti", fail)
    field = smooth_field(rng, FIXED, oblique(rng, (1, 2, 1.5), FIXED))
    with pytest.raises(KeyboardInterrupt):
        write(field, tmp_path / "a.nii.gz")
    assert not list(tmp_path.iterdir())


def test_refused(rng, tmp_path, images):
    field = smooth_field(rng, FIXED, images["fixed"].affine)
    affine = AffineTransform(np.eye(4))
    with pytest.raises(InputError, match="one of the formats itk, fsl, x5, voxel, found 'spm'"):
        write(field, tmp_path / "a.nii.gz", "spm")
    with pytest.raises(InputError, match=r"ending in \.nii\.gz or \.nii for"):
        write(field, tmp_path / "a.mat")
    with pytest.raises(InputError, match=r"ending in \.nii\.gz or \.nii or \.mat or \.txt or"):
        write(affine, tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"ending in \.npz for"):
        write(affine, tmp_path / "a.mat", "voxel", **images)
    with pytest.raises(InputError, match=r"one of the endings .*, found \.nrrd"):
        read(tmp_path / "a.nrrd")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder to write to"):
        write(AffineTransform(np.eye(4)), tmp_path / "file" / "a.mat")


@pytest.mark.parametrize(
    ("name", "format"),
    [("A.MAT", "itk"), ("A.Txt", "itk"), ("A.TFM", "itk"), ("A.MAT", "fsl"), ("A.X5", "x5")],
)
def test_endings_in_capitals_of_affine_transforms(rng, tmp_path, images, name, format):
    transform = AffineTransform(matrix_near_identity(rng))
    path = write(transform, tmp_path / name, format, **images)
    np.testing.assert_allclose(read(path, **images).matrix, transform.matrix, atol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "format"), [("A.NPZ", "voxel"), ("A.NII.GZ", "itk"), ("A.NII", "fsl"), ("A.X5", "x5")]
)
def test_endings_in_capitals_of_fields(rng, tmp_path, images, name, format):
    field = smooth_field(rng, FIXED, images["fixed"].affine)
    path = write(field, tmp_path / name, format, **images)
    np.testing.assert_allclose(read(path, **images).displacement, field.displacement, atol=2e-5)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    if name == "A.NII.GZ":
        assert path.read_bytes()[:2] == b"\x1f\x8b"


def test_an_image_by_mistake_is_said_before_images_are_asked_for(tmp_path, images):
    nib.save(images["fixed"], tmp_path / "image.nii.gz")
    with pytest.raises(InputError, match=r"expected a displacement field.*not an image"):
        read(tmp_path / "image.nii.gz")
