import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from spaces import FIXED, MOVING, matrix_near_identity, oblique, smooth_field

from pmrnet.data.volume import Volume
from pmrnet.errors import InputError
from pmrnet.transforms import (
    AffineTransform,
    Chain,
    Member,
    jacobian_determinant,
    load_chain,
    load_member,
    load_written_inverse,
    named_inverse,
    parse_member,
    read,
    write,
)


def test_parsing():
    assert parse_member("a/b.nii.gz") == Member(Path("a/b.nii.gz"))
    assert parse_member("inverse:out/") == Member(Path("out"), inverse=True)
    assert parse_member("./inverse:x") == Member(Path("inverse:x"))
    for bad in ("", "inverse:", "inverse:inverse:a.mat"):
        with pytest.raises(InputError, match="expected a file or folder"):
            parse_member(bad)


@pytest.fixture
def field(rng):
    return smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED), sigma=4)


def test_folder_of_a_registration(rng, tmp_path, field):
    other = smooth_field(rng, FIXED, field.affine)
    write(field, tmp_path / "forward.nii.gz")
    write(other, tmp_path / "inverse.nii.gz")
    forward, inverse = (load_chain([f"{prefix}{tmp_path}/"]) for prefix in ("", "inverse:"))
    np.testing.assert_array_equal(forward.displacement, field.displacement)
    np.testing.assert_array_equal(inverse.displacement, other.displacement)
    (tmp_path / "inverse.nii.gz").unlink()
    with pytest.raises(InputError, match="found no inverse transform in it"):
        load_chain([f"inverse:{tmp_path}"])


def test_folder_of_a_registration_in_fsls_format_knows_its_images(rng, tmp_path):
    fixed, moving = (
        Volume(np.zeros(shape), oblique(rng, zooms, shape))
        for shape, zooms in ((FIXED, (1.5, 0.8, 2.0)), (MOVING, (1.0, 1.2, 0.9)))
    )
    fields = {
        "forward": smooth_field(rng, FIXED, fixed.affine),
        "inverse": smooth_field(rng, MOVING, moving.affine),
    }
    for name, images in (("forward", (fixed, moving)), ("inverse", (moving, fixed))):
        spaces = dict(zip(("fixed", "moving"), images, strict=True))
        write(fields[name], tmp_path / f"{name}.nii.gz", "fsl", **spaces)
    with pytest.raises(
        InputError, match=r"no fixed and no moving image; give --fixed .* and --moving"
    ):
        load_chain([str(tmp_path)])
    images = {
        role: {"shape": list(image.shape), "affine": image.affine.tolist()}
        for role, image in (("fixed", fixed), ("moving", moving))
    }
    (tmp_path / "metrics.json").write_text(json.dumps({"images": images}))
    # Another image, of which the transform knows nothing: it is what is moved.
    crop = Volume(np.zeros((4, 5, 6)), oblique(rng, (2, 2, 2), (4, 5, 6)))
    points = nib.affines.apply_affine(fixed.affine, rng.uniform(1, 4, (20, 3)))
    for text, field in (("", fields["forward"]), ("inverse:", fields["inverse"])):
        found = load_chain([f"{text}{tmp_path}"], fixed=crop, moving=crop)
        np.testing.assert_allclose(found.displacement, field.displacement, atol=1e-3)
    both = load_chain([str(tmp_path), f"inverse:{tmp_path}"])
    expected = fields["inverse"].map_points(fields["forward"].map_points(points))
    np.testing.assert_allclose(both.map_points(points), expected, atol=1e-2)


def test_inverse_that_registrations_have_written(rng, tmp_path, field):
    """Fields that are no inverses of each other: those on the disk are taken, none is computed."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for kind in ("forward", "inverse"):
            other = smooth_field(rng, FIXED, field.affine)
            write(other, tmp_path / name / f"{kind}.nii.gz")
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    points = rng.uniform(-5, 5, (20, 3))

    def mapped(*names):
        return Chain([read(tmp_path / name) for name in names]).map_points(points)

    found = load_written_inverse([one, f"inverse:{two}"]).map_points(points)
    np.testing.assert_array_equal(found, mapped("two/forward.nii.gz", "one/inverse.nii.gz"))
    found = load_written_inverse([one]).map_points(points)
    np.testing.assert_array_equal(found, mapped("one/inverse.nii.gz"))
    assert load_written_inverse([one, f"{two}/forward.nii.gz"]) is None


@pytest.mark.parametrize(
    ("format", "ending"), [("fsl", ".nii.gz"), ("x5", ".x5"), ("voxel", ".npz")]
)
def test_folder_in_another_format(rng, tmp_path, field, format, ending):
    moving = Volume(np.zeros(MOVING), oblique(rng, (2, 1, 1.5), MOVING))
    write(field, tmp_path / f"forward{ending}", format, fixed=field, moving=moving)
    found = load_chain([str(tmp_path)], fixed=field, moving=moving)
    np.testing.assert_allclose(found.displacement, field.displacement, atol=1e-4)


def test_inverse_of_an_affine_file_is_exact(rng, tmp_path):
    matrix = matrix_near_identity(rng, 0.3, 50)
    path = write(AffineTransform(matrix), tmp_path / "a.x5", "x5")
    found = load_member(Member(path, inverse=True))
    np.testing.assert_allclose(found.matrix, np.linalg.inv(matrix), atol=1e-12)


def test_inverse_of_a_field_file(rng, tmp_path, field):
    path = write(field, tmp_path / "a.nii.gz")
    inverse = load_member(Member(path, inverse=True))
    at = rng.uniform(-4, 4, (100, 3))
    np.testing.assert_allclose(inverse.map_points(field.map_points(at)), at, atol=0.1)
    assert np.abs(inverse.map_points(at) - at).max() > 0.3


def test_inverse_of_a_field_to_a_space_far_away(rng, tmp_path, field):
    """Scanner origins of two images may lie further apart than either grid is wide."""
    far = AffineTransform(
        np.array([[0, -1.1, 0, 300], [0.9, 0, 0, -200], [0, 0, 1, 150], [0, 0, 0, 1]])
    )
    forward = Chain([field, far])
    path = write(forward, tmp_path / "a.x5", "x5", fixed=field)
    inverse = load_member(Member(path, inverse=True))
    at = rng.uniform(-4, 4, (100, 3))
    np.testing.assert_allclose(inverse.map_points(forward.map_points(at)), at, atol=0.2)


def test_inverse_of_a_composite_file(rng, tmp_path, field):
    write(field, tmp_path / "field.nii.gz")
    write(AffineTransform(matrix_near_identity(rng, 0.2, 30)), tmp_path / "affine.mat")
    composite = sitk.CompositeTransform(3)
    composite.AddTransform(sitk.ReadTransform(str(tmp_path / "affine.mat")))
    image = sitk.ReadImage(str(tmp_path / "field.nii.gz"), sitk.sitkVectorFloat64)
    composite.AddTransform(sitk.DisplacementFieldTransform(image))
    sitk.WriteTransform(composite, str(tmp_path / "both.h5"))
    forward, inverse = (load_chain([f"{p}{tmp_path}/both.h5"]) for p in ("", "inverse:"))
    at = rng.uniform(-4, 4, (100, 3))
    np.testing.assert_allclose(inverse.map_points(forward.map_points(at)), at, atol=0.1)


def test_order_of_a_chain(rng, tmp_path, field):
    matrix = matrix_near_identity(rng, 0.2, 30)
    write(field, tmp_path / "field.nii.gz")
    write(AffineTransform(matrix), tmp_path / "affine.mat")
    names = [f"{tmp_path}/field.nii.gz", f"inverse:{tmp_path}/affine.mat"]
    at = rng.uniform(-4, 4, (100, 3))
    expected = AffineTransform(matrix).inverse().map_points(field.map_points(at))
    np.testing.assert_allclose(load_chain(names).map_points(at), expected, atol=1e-5)
    with pytest.raises(InputError, match="one transform or more"):
        load_chain([])


def test_a_field_that_folds_has_no_inverse(rng, tmp_path):
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED), peak_mm=15)
    assert (jacobian_determinant(field) < 0).mean() > 0.1
    path = write(field, tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"a\.nii\.gz: Inverse of the transform: expected"):
        load_chain([f"inverse:{path}"])


@pytest.mark.parametrize("ending", [".mat", ".nii.gz"])
def test_the_images_are_those_of_a_bare_file_of_fsl_for_its_inverse_too(rng, tmp_path, ending):
    fixed, moving = (
        Volume(np.zeros(shape), oblique(rng, zooms, shape, centre=20))
        for shape, zooms in ((FIXED, (1.5, 0.8, 2.0)), (MOVING, (1.0, 1.2, 0.9)))
    )
    images = {"fixed": fixed, "moving": moving}
    affine = AffineTransform(matrix_near_identity(rng, 0.1, 1))
    path = write(affine, tmp_path / f"a{ending}", "fsl", **images)
    at = nib.affines.apply_affine(fixed.affine, rng.uniform(2, 12, (50, 3)))
    there = affine.map_points(at)
    near = 0.02 if "nii" in ending else 1e-6
    np.testing.assert_allclose(load_chain([f"{path}"], **images).map_points(at), there, atol=near)
    back = load_chain([f"inverse:{path}"], **images)
    np.testing.assert_allclose(back.map_points(there), at, atol=near)
    with pytest.raises(InputError, match=r"found no moving image; give --moving \(FLIRT's -in\)"):
        load_chain([f"inverse:{path}"], fixed=fixed)


def test_fsl_in_a_chain_is_explained(rng, tmp_path):
    image = Volume(np.zeros(FIXED), oblique(rng, (1.5, 0.8, 2.0), FIXED))
    identity = AffineTransform(np.eye(4))
    flirt = write(identity, tmp_path / "flirt.mat", "fsl", fixed=image, moving=image)
    itk = write(identity, tmp_path / "itk.mat")
    with pytest.raises(InputError, match=r"flirt\.mat: .*members of a chain.*convert it first"):
        load_chain([str(itk), str(flirt)], fixed=image, moving=image)


def test_missing(tmp_path):
    for name in ("no.mat", "no/", "inverse:no", "no.xyz"):
        text = name.replace("no", f"{tmp_path}/no")
        with pytest.raises(InputError, match=r"/no.*: expected the file .*found no such file or"):
            load_chain([text])


def test_how_the_inverse_of_a_chain_is_named():
    named = ["a.mat", "inverse:b", "./inverse:c"]
    assert named_inverse(named) == ["inverse:./inverse:c", "b", "inverse:a.mat"]
    assert named_inverse(named_inverse(named)) == named
