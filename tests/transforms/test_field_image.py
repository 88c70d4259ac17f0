import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from spaces import AXIS_ORDERS, FIXED, MOVING, oblique, pair, smooth, smooth_field

from pmrnet.data.itk_images import to_sitk
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError
from pmrnet.transforms import apply_to_image, read, write
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.field_image import read_itk_image


def itk_header(field, path):
    """Header of the same field written by ITK itself."""
    flip = np.diag([-1.0, -1, 1])
    vectors = np.ascontiguousarray((field.displacement @ flip).transpose(2, 1, 0, 3))
    image = sitk.GetImageFromArray(vectors.astype(np.float32), isVector=True)
    sizes = np.linalg.norm(field.affine[:3, :3], axis=0)
    image.SetSpacing(sizes.tolist())
    image.SetOrigin((flip @ field.affine[:3, 3]).tolist())
    image.SetDirection((flip @ field.affine[:3, :3] / sizes).ravel().tolist())
    sitk.WriteImage(image, str(path))
    return raw_header(path), np.asarray(nib.load(path).dataobj)


def raw_header(path):
    with gzip.open(path) as stream:
        return nib.Nifti1Header(stream.read(348), check=False)


@pytest.mark.parametrize("order", [0, 7, 18, 29, 46])
def test_header_and_values_as_itk_writes_them(rng, tmp_path, order):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[order])
    field = smooth_field(rng, FIXED, affine)
    write(field, tmp_path / "ours.nii.gz")
    theirs, values = itk_header(field, tmp_path / "itk.nii.gz")
    ours = raw_header(tmp_path / "ours.nii.gz")
    for name in theirs:
        if theirs[name].dtype.kind == "f":
            # A half turn's quaternion is that of the opposite half turn.
            np.testing.assert_allclose(ours[name], theirs[name], atol=2e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    image = nib.load(tmp_path / "ours.nii.gz")
    assert image.shape == (*FIXED, 1, 3)
    np.testing.assert_array_equal(np.asarray(image.dataobj), values)


@pytest.mark.parametrize("order", [0, 7, 18, 29, 46])
def test_round_trip(rng, tmp_path, order):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[order])
    field = smooth_field(rng, FIXED, affine)
    back = read(write(field, tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(back.displacement, field.displacement)
    np.testing.assert_allclose(back.affine, affine, atol=1e-5)


def resampled(field_path, moving, fixed, interpolator=sitk.sitkLinear):
    """By SimpleITK from the file alone."""
    image = sitk.ReadImage(str(field_path), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(image)
    result = sitk.Resample(to_sitk(moving), to_sitk(fixed), transform, interpolator, -1.0)
    return sitk.GetArrayFromImage(result).T


@pytest.mark.parametrize("seed", range(4))
def test_simpleitk_resamples_by_the_file_as_we_do(tmp_path, seed):
    rng, fixed, moving = pair(seed)
    field = smooth_field(rng, FIXED, fixed.affine, peak_mm=4, sigma=2)
    path = write(field, tmp_path / "field.nii.gz")
    theirs = resampled(path, moving, fixed)
    ours = np.asarray(apply_to_image(field, moving, fixed, fill=-1).dataobj)
    assert (theirs != -1).mean() > 0.5
    assert (theirs == -1).any()
    np.testing.assert_allclose(ours, theirs, atol=0.05)  # of values from 0 to 1000
    header_only = resampled(
        write(smooth_field(rng, FIXED, fixed.affine, 0), tmp_path / "0.nii.gz"), moving, fixed
    )
    assert np.abs(ours - header_only).max() > 20


@pytest.mark.parametrize("order", [3, 12, 25, 38])
def test_simpleitk_agrees_on_every_axis_order(rng, tmp_path, order):
    fixed = Volume(
        np.zeros(FIXED, np.float32), oblique(rng, (1.5, 1, 2), FIXED, AXIS_ORDERS[order])
    )
    affine = oblique(rng, (1.2, 1.8, 1), MOVING, AXIS_ORDERS[47 - order])
    moving = Volume((500 * smooth(rng, MOVING)).astype(np.float32), affine)
    field = smooth_field(rng, FIXED, fixed.affine)
    path = write(field, tmp_path / "field.nii.gz")
    ours = np.asarray(apply_to_image(field, moving, fixed, fill=-1).dataobj)
    np.testing.assert_allclose(ours, resampled(path, moving, fixed), atol=0.05)


def test_nitransforms_reads_the_same(rng, tmp_path):
    from nitransforms.io.itk import ITKDisplacementsField

    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))
    theirs = ITKDisplacementsField.from_filename(write(field, tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(np.asarray(theirs.dataobj), field.displacement)


def test_displacement_vectors_are_in_ras_as_itk_takes_them(rng, tmp_path):
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))
    image = nib.load(write(field, tmp_path / "a.nii.gz"))
    image.header["intent_code"] = 1006
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), tmp_path / "b.nii.gz")
    found = read(tmp_path / "b.nii.gz").displacement
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "b.nii.gz"))).transpose(
        2, 1, 0, 3
    )
    np.testing.assert_allclose(found, theirs * (-1, -1, 1), atol=1e-6)
    np.testing.assert_allclose(found, field.displacement * (-1, -1, 1), atol=1e-6)


def test_a_sheared_grid_is_refused_as_itk_would(rng, tmp_path):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    affine[:3, 1] += 0.01 * affine[:3, 0]
    with pytest.raises(InputError, match=r"a\.nii\.gz: expected a grid with perpendicular axes"):
        write(smooth_field(rng, FIXED, affine), tmp_path / "a.nii.gz")
    assert not list(tmp_path.iterdir())


def altered(tmp_path, data=None, **fields):
    data = np.zeros((7, 8, 9, 1, 3), np.float32) if data is None else data
    image = nib.Nifti1Image(data, np.eye(4))
    image.header["intent_code"] = 1007
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, tmp_path / "a.nii.gz")
    return tmp_path / "a.nii.gz"


def test_other_content_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"intent 1007\), found intent 0"):
        read(altered(tmp_path, intent_code=0))
    with pytest.raises(InputError, match=r"shape \(X, Y, Z, 1, 3\), found \(7, 8, 9, 2, 3\)"):
        read(altered(tmp_path, np.zeros((7, 8, 9, 2, 3), np.float32)))
    with pytest.raises(InputError, match=r"found \(7, 8, 9, 1, 2\)"):
        read(altered(tmp_path, np.zeros((7, 8, 9, 1, 2), np.float32)))
    bad = np.zeros((7, 8, 9, 1, 3), np.float32)
    bad[1, 2, 3, 0, 1] = np.nan
    with pytest.raises(InputError, match=r"a\.nii\.gz: .*NaN or infinity in 1 voxels"):
        read(altered(tmp_path, bad))
    with pytest.raises(InputError, match=r"found \(7, 8, 9\)"):
        read_itk_image(altered(tmp_path, np.zeros((7, 8, 9), np.float32)))


def test_two_places_are_refused(rng, tmp_path):
    image = nib.Nifti1Image(np.zeros((7, 8, 9, 1, 3), np.float32), np.eye(4))
    image.header["intent_code"] = 1007
    image.set_qform(oblique(rng, (2, 2, 2), (7, 8, 9)), 1)
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="expected qform and sform to agree"):
        read(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("kept", [0, 100, 400, -200])
def test_truncated(rng, tmp_path, kept):
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))
    for name in ("a.nii", "a.nii.gz"):
        path = write(field, tmp_path / name)
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(InputError, match=rf"{name}: expected") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_missing_and_foreign(tmp_path):
    with pytest.raises(InputError, match="found no such file"):
        read(tmp_path / "no.nii.gz")
    (tmp_path / "text.nii").write_text("no image")
    with pytest.raises(InputError, match=r"text\.nii: expected"):
        read(tmp_path / "text.nii")


def test_a_grid_that_is_hardly_sheared_is_written_on_the_closest_that_is_not(rng, tmp_path):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    affine[:3, 1] += 6e-4 * affine[:3, 0] * 0.8 / 1.5
    field = smooth_field(rng, FIXED, affine)
    path = write(field, tmp_path / "a.nii.gz")
    theirs = sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64))
    at = nib.affines.apply_affine(affine, rng.uniform(1, np.array(FIXED) - 2, (100, 3)))
    found = [theirs.TransformPoint((p * (-1, -1, 1)).tolist()) for p in at]
    np.testing.assert_allclose(np.array(found) * (-1, -1, 1), field.map_points(at), atol=0.02)


@pytest.mark.parametrize("name", ["Mapping", "NREG_TRANS"])
def test_fields_of_spm_and_niftyreg_are_refused(rng, tmp_path, name):
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[0]))
    image = nib.load(write(field, tmp_path / "a.nii.gz"))
    image.header.set_intent("vector", name=name)
    nib.save(image, tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match=r"b\.nii\.gz: expected displacements .* (SPM|NiftyReg)"):
        read(tmp_path / "b.nii.gz")


@pytest.mark.parametrize("order", [0, 29])
@pytest.mark.parametrize("flip", [[1, 1, 1], [-1, -1, 1]], ids=["RAS", "LPS"])
def test_coordinates_are_no_displacements(rng, tmp_path, order, flip):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[order])
    field = smooth_field(rng, FIXED, affine)
    image = nib.load(write(field, tmp_path / "a.nii.gz"))
    centres = nib.affines.apply_affine(affine, np.moveaxis(np.indices(FIXED), 0, -1))
    coordinates = (centres + field.displacement) * flip
    absolute = nib.Nifti1Image(coordinates[:, :, :, None].astype("f4"), None, image.header)
    nib.save(absolute, tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match="found coordinates in place of displacements"):
        read(tmp_path / "b.nii.gz")


def test_a_displacement_with_a_large_rotation_is_one(rng, tmp_path):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[7])
    centres = nib.affines.apply_affine(affine, np.moveaxis(np.indices(FIXED), 0, -1))
    turned = centres @ nib.eulerangles.euler2mat(1.2, 0.4, -0.9).T * 1.1
    field = DenseTransform((turned - centres).astype(np.float32), affine)
    back = read(write(field, tmp_path / "a.nii.gz"))
    np.testing.assert_allclose(back.displacement, field.displacement, atol=1e-4)
