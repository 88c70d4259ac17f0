import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from spaces import (
    AXIS_ORDERS,
    FIXED,
    MOVING,
    centres,
    matrix_near_identity,
    oblique,
    pair,
    smooth,
    smooth_field,
)

from pmrnet.data.itk_images import to_sitk
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError
from pmrnet.transforms import (
    AffineTransform,
    Chain,
    DenseTransform,
    apply_to_image,
    invert,
    to_dense,
    write,
)

IDENTITY = AffineTransform(np.eye(4))


def blob(points, centre, width=4.0):
    return np.exp(-(np.linalg.norm(points - centre, axis=-1) ** 2) / (2 * width**2))


def centre_of(image):
    index = ndimage.center_of_mass(np.asarray(image.dataobj, float))
    return nib.affines.apply_affine(image.affine, index)


@pytest.mark.parametrize("order", range(0, 48, 5))
def test_an_analytic_image_on_every_axis_order(rng, order):
    """Cubic interpolation of moving(T(p)), known in closed form on any grid."""
    shape, moving_shape = (25, 27, 23), (28, 26, 30)
    fixed = oblique(rng, (1.1, 1, 1.2), shape, AXIS_ORDERS[order], centre=1)
    moving = oblique(rng, (1, 1.2, 1.1), moving_shape, AXIS_ORDERS[(7 * order + 3) % 48], centre=1)
    matrix = matrix_near_identity(rng, 0.1, 2)
    centre = np.array([1.5, -2, 1])
    image = Volume(blob(centres(moving_shape, moving), centre), moving)
    found = apply_to_image(AffineTransform(matrix), image, Volume(np.zeros(shape), fixed), order=3)
    expected = blob(nib.affines.apply_affine(matrix, centres(shape, fixed)), centre)
    inside = np.asarray(found.dataobj) != 0
    assert inside.mean() > 0.5
    np.testing.assert_allclose(np.asarray(found.dataobj)[inside], expected[inside], atol=0.01)
    assert expected.max() > 0.9


def test_points_go_the_other_way(rng):
    """The centre of a blob in the moving image, moved by the inverse, is the moved blob's."""
    shape = (40, 42, 38)
    fixed, moving = oblique(rng, (1, 1.2, 0.9), shape), oblique(rng, (1.1, 1, 1), shape)
    field = smooth_field(rng, shape, fixed, peak_mm=3, sigma=9)
    transform = Chain([field, AffineTransform(matrix_near_identity(rng, 0.05, 2))])
    centre = np.array([2.0, -3, 1])
    image = Volume(blob(centres(shape, moving), centre, 2.5), moving)
    moved = centre_of(apply_to_image(transform, image, Volume(np.zeros(shape), fixed)))
    inverse = invert(transform, shape, moving)
    np.testing.assert_allclose(inverse.map_points([centre])[0], moved, atol=0.25)
    assert np.linalg.norm(moved - centre) > 1
    wrong = transform.map_points([centre])[0]
    assert np.linalg.norm(wrong - moved) > 1


@pytest.mark.parametrize("seed", range(4))
def test_labels_as_simpleitk(tmp_path, seed):
    rng, fixed, moving = pair(seed)
    labels = Volume((moving.data // 20).astype(np.int16) * 100, moving.affine)
    field = smooth_field(rng, FIXED, fixed.affine, peak_mm=4)
    found = apply_to_image(field, labels, fixed, order=0, fill=-5)
    assert found.get_data_dtype() == np.int16
    vectors = sitk.ReadImage(str(write(field, tmp_path / "a.nii.gz")), sitk.sitkVectorFloat64)
    theirs = sitk.Resample(
        to_sitk(labels),
        to_sitk(fixed),
        sitk.DisplacementFieldTransform(vectors),
        sitk.sitkNearestNeighbor,
        -5,
    )
    theirs = sitk.GetArrayFromImage(theirs).T
    assert len(np.unique(theirs)) > 5
    # Single precision of the file may send a voxel on the border of two to the other one.
    assert (np.asarray(found.dataobj) != theirs).mean() < 0.001


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.uint64, np.float32])
def test_labels_keep_type_and_values(rng, tmp_path, dtype):
    top = 2**24 if dtype is np.float32 else np.iinfo(dtype).max
    values = rng.choice(np.array([0, 3, top - 1, top], dtype), MOVING)
    affine = oblique(rng, (1.2, 1.8, 1), MOVING)
    image = nib.Nifti1Image(values, affine, dtype=dtype)
    field = smooth_field(rng, MOVING, affine)
    found = apply_to_image(field, image, image, order=0)
    index = np.indices(MOVING) + np.moveaxis(
        field.displacement @ np.linalg.inv(affine[:3, :3]).T, -1, 0
    )
    nearest = np.floor(index + 0.5).astype(int)
    inside = np.all([(n >= 0) & (n < s) for n, s in zip(nearest, MOVING, strict=True)], axis=0)
    expected = np.where(inside, values[tuple(np.clip(nearest.T, 0, np.array(MOVING) - 1).T)], 0)
    nib.save(found, tmp_path / "a.nii.gz")
    again = nib.load(tmp_path / "a.nii.gz")
    assert again.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asarray(again.dataobj), expected.astype(dtype))


def test_halves_go_up_as_in_itk():
    image = Volume(np.arange(5.0)[:, None, None] * np.ones((5, 3, 2)), np.eye(4))
    shift = AffineTransform(nib.affines.from_matvec(np.eye(3), (0.5, 0, 0)))
    found = apply_to_image(shift, image, image, order=0, fill=9)
    np.testing.assert_array_equal(np.asarray(found.dataobj)[:, 0, 0], [1, 2, 3, 4, 9])


def test_half_a_voxel_beyond_is_inside():
    image = Volume(10 + np.arange(4.0)[:, None, None] * np.ones((4, 3, 2)), np.eye(4))
    shift = AffineTransform(nib.affines.from_matvec(np.eye(3), (-0.4, 0, 0)))
    found = apply_to_image(shift, image, image, fill=-7)
    np.testing.assert_allclose(np.asarray(found.dataobj)[:, 0, 0], [10, 10.6, 11.6, 12.6])
    shift = AffineTransform(nib.affines.from_matvec(np.eye(3), (-0.6, 0, 0)))
    found = apply_to_image(shift, image, image, fill=-7)
    np.testing.assert_allclose(np.asarray(found.dataobj)[:, 0, 0], [-7, 10.4, 11.4, 12.4])


def test_integers_are_rounded_and_clipped(rng):
    values = np.zeros((7, 8, 9), np.uint8)
    values[:4] = 255
    image = Volume(values, np.eye(4))
    shift = AffineTransform(nib.affines.from_matvec(np.eye(3), (0.25, 0, 0)))
    found = np.asarray(apply_to_image(shift, image, image).dataobj)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[:, 2, 2], [255, 255, 255, 191, 0, 0, 0])
    # A cubic spline overshoots on both sides of a step.
    found = np.asarray(apply_to_image(shift, image, image, order=3).dataobj)
    assert found.dtype == np.uint8
    assert found[2, 2, 2] == 255
    assert found[4, 2, 2] == 0


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_largest_integers_are_not_wrapped(dtype):
    image = nib.Nifti1Image(np.full((3, 4, 5), np.iinfo(dtype).max, dtype), np.eye(4), dtype=dtype)
    found = np.asarray(apply_to_image(IDENTITY, image, image).dataobj)
    assert (found > np.iinfo(dtype).max // 2).all()


@pytest.mark.parametrize(("dtype", "kept"), [(np.int16, np.float32), (np.int32, np.float64)])
def test_scaled_integers_become_what_they_stand_for(rng, tmp_path, dtype, kept):
    raw = rng.integers(-3000, 3000, MOVING).astype(dtype)
    affine = oblique(rng, (1.2, 1.8, 1), MOVING)
    image = nib.Nifti1Image(raw, affine)
    image.header.set_slope_inter(0.25, 7)  # nibabel writes the numbers as they are with it
    nib.save(image, tmp_path / "a.nii")
    image = nib.load(tmp_path / "a.nii")
    shift = AffineTransform(nib.affines.from_matvec(np.eye(3), affine[:3, 0]))  # one voxel along x
    for order in (0, 1):
        nib.save(apply_to_image(shift, image, image, order=order), tmp_path / "b.nii")
        again = nib.load(tmp_path / "b.nii")
        assert again.get_data_dtype() == kept
        found = np.asarray(again.dataobj)
        np.testing.assert_allclose(found[:-1], raw[1:] * 0.25 + 7, atol=2e-3)
        np.testing.assert_array_equal(found[-1], 0)


@pytest.mark.parametrize("codes", [(1, 2), (0, 4), (3, 0), (0, 0)])
def test_header_of_the_reference(rng, tmp_path, codes):
    affine = oblique(rng, (1.5, 1, 2), FIXED)
    reference = nib.Nifti1Image(np.zeros((*FIXED, 2), np.float32), affine)
    reference.set_qform(affine, codes[0])
    reference.set_sform(affine, codes[1])
    reference.header.set_xyzt_units("mm", "sec")
    nib.save(reference, tmp_path / "ref.nii")
    reference = nib.load(tmp_path / "ref.nii")
    rng, _, moving = pair(1)
    nib.save(apply_to_image(IDENTITY, moving, reference), tmp_path / "a.nii.gz")
    found = nib.load(tmp_path / "a.nii.gz")
    assert found.shape == FIXED
    np.testing.assert_array_equal(found.affine, reference.affine)
    for name in ("qform_code", "sform_code", "srow_x", "quatern_b", "qoffset_y"):
        np.testing.assert_array_equal(found.header[name], reference.header[name])
    assert found.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_array_equal(found.header["pixdim"][:4], reference.header["pixdim"][:4])
    assert found.get_data_dtype() == np.float32


def test_reference_without_a_nifti_header(rng, tmp_path):
    _, fixed, moving = pair(1)
    mirrored = Volume(fixed.data, fixed.affine @ np.diag([-1, 1, 1, 1]))
    for given in (fixed, mirrored):
        sizes = nib.affines.voxel_sizes(given.affine)
        for reference in (given, nib.MGHImage(np.zeros(FIXED, np.float32), given.affine)):
            found = apply_to_image(IDENTITY, moving, reference)
            np.testing.assert_allclose(found.affine, given.affine, atol=1e-5)
            assert found.header.get_xyzt_units()[0] == "mm"
            np.testing.assert_allclose(found.header.get_zooms(), sizes, rtol=1e-5)
            nib.save(found, tmp_path / "a.nii")
            theirs = sitk.ReadImage(str(tmp_path / "a.nii"))
            np.testing.assert_allclose(theirs.GetSpacing(), sizes, rtol=1e-5)
            np.testing.assert_allclose(
                theirs.GetOrigin(), given.affine[:3, 3] * (-1, -1, 1), atol=1e-4
            )


def test_units_that_have_no_name(rng):
    _, fixed, moving = pair(1)
    reference = nib.Nifti1Image(fixed.data, fixed.affine)
    reference.header["xyzt_units"] = 7
    image = nib.Nifti1Image(np.stack([moving.data] * 2, -1), moving.affine)
    image.header["xyzt_units"] = 2 + 56
    found = apply_to_image(IDENTITY, image, reference)
    assert int(found.header["xyzt_units"]) == 7 + 56


def test_four_dimensions(rng):
    affine = oblique(rng, (1.2, 1.8, 1), MOVING)
    series = np.stack([smooth(rng, MOVING) for _ in range(3)], -1).astype(np.float32)
    image = nib.Nifti1Image(series, affine)
    image.header.set_zooms((1.2, 1.8, 1, 2.5))
    image.header.set_xyzt_units("mm", "sec")
    reference = Volume(np.zeros(FIXED), oblique(rng, (1.5, 1, 2), FIXED))
    field = smooth_field(rng, FIXED, reference.affine)
    found = apply_to_image(field, image, reference)
    assert found.shape == (*FIXED, 3)
    assert found.header.get_zooms()[3] == 2.5
    assert found.header.get_xyzt_units() == ("mm", "sec")
    for number in range(3):
        one = apply_to_image(field, Volume(series[..., number], affine), reference)
        np.testing.assert_array_equal(
            np.asarray(found.dataobj)[..., number], np.asarray(one.dataobj)
        )


def test_big_endian_file(rng, tmp_path):
    _, fixed, moving = pair(2)
    swapped = nib.Nifti1Image(moving.data, moving.affine, nib.Nifti1Header(endianness=">"))
    nib.save(swapped, tmp_path / "a.nii")
    assert nib.load(tmp_path / "a.nii").get_data_dtype().byteorder == ">"
    found = apply_to_image(IDENTITY, nib.load(tmp_path / "a.nii"), fixed)
    expected = apply_to_image(IDENTITY, moving, fixed)
    np.testing.assert_allclose(np.asarray(found.dataobj), np.asarray(expected.dataobj), atol=0.01)


def test_one_interpolation_by_a_chain_is_that_of_its_field(rng):
    _, fixed, moving = pair(3)
    first = smooth_field(rng, FIXED, fixed.affine)
    chain = Chain([first, AffineTransform(matrix_near_identity(rng))])
    by_chain = apply_to_image(chain, moving, fixed)
    by_field = apply_to_image(to_dense(chain, FIXED, fixed.affine), moving, fixed)
    np.testing.assert_allclose(
        np.asarray(by_chain.dataobj), np.asarray(by_field.dataobj), atol=0.01
    )


@pytest.mark.parametrize("order", [0, 1, 3])
def test_slabs_join_without_a_seam(rng, monkeypatch, order):
    _, fixed, moving = pair(3)
    field = smooth_field(rng, FIXED, fixed.affine)
    whole = apply_to_image(field, moving, fixed, order=order)
    monkeypatch.setattr("pmrnet.transforms.chain._BLOCK", 1)
    parts = apply_to_image(field, moving, fixed, order=order)
    np.testing.assert_array_equal(np.asarray(parts.dataobj), np.asarray(whole.dataobj))


@pytest.mark.parametrize("share", [1.0, 0.05], ids=["solid", "sparse"])
@pytest.mark.parametrize("order", [0, 1])
def test_air_around_the_content_changes_nothing(order, share):
    """Points that no content reaches are passed over: against SciPy, which looks at all of them."""
    rng, fixed, moving = pair(3)
    data = np.zeros(MOVING, np.float32)
    data[4:9, 8:14, 7:11] = rng.normal(size=(5, 6, 4))
    if share < 1:  # with air within, and at a corner of the image
        data = (rng.random(MOVING) < share) * rng.normal(size=MOVING).astype(np.float32)
        data[-1, -1, -1] = 5
    field = smooth_field(rng, fixed.shape, fixed.affine)
    image = Volume(data, moving.affine)
    found = np.asarray(apply_to_image(field, image, fixed, order=order).dataobj)
    points = field.map_points(centres(fixed.shape, fixed.affine).reshape(-1, 3))
    at = nib.affines.apply_affine(np.linalg.inv(moving.affine), points).T
    at = np.floor(at + 0.5) if order == 0 else at
    expected = ndimage.map_coordinates(data, at, order=order, mode="grid-constant")
    compared = slice(None)
    if share < 1:  # beyond its outer voxels SciPy lets an image fade; here they reach to the border
        compared = ((at >= 0) & (at <= np.array(MOVING)[:, None] - 1)).all(axis=0)
    assert np.count_nonzero(expected[compared]) > 20
    np.testing.assert_allclose(found.ravel()[compared], expected[compared], atol=1e-4)


def test_nothing_but_air():
    empty = Volume(np.zeros((4, 5, 6), np.float32), np.eye(4))
    assert not np.asarray(apply_to_image(IDENTITY, empty, empty).dataobj).any()


def test_masks_and_half_floats(rng):
    _, fixed, moving = pair(3)
    mask = apply_to_image(IDENTITY, Volume(moving.data > 500, moving.affine), fixed, order=0)
    assert mask.get_data_dtype() == np.uint8
    assert set(np.unique(np.asarray(mask.dataobj))) == {0, 1}
    half = apply_to_image(IDENTITY, Volume(moving.data.astype(np.float16), moving.affine), fixed)
    assert half.get_data_dtype() == np.float32


def test_refused(rng):
    _, fixed, moving = pair(0)
    with pytest.raises(InputError, match="the order 0, 1 or 3, found 2"):
        apply_to_image(IDENTITY, moving, fixed, order=2)
    with pytest.raises(InputError, match="one real number per voxel, found complex"):
        apply_to_image(IDENTITY, Volume(moving.data.astype(complex), moving.affine), fixed)
    with pytest.raises(InputError, match="Reference image: expected three axes"):
        apply_to_image(IDENTITY, moving, Volume(np.zeros((7, 8)), np.eye(4)))
    with pytest.raises(InputError, match="Moving image: expected three axes"):
        apply_to_image(IDENTITY, Volume(np.zeros((7, 8)), np.eye(4)), fixed)
    small = Volume(np.zeros((7, 8, 9), np.uint8), np.eye(4))
    for bad in (-1, 256, 0.5, np.nan):
        with pytest.raises(InputError, match="fill value that its type uint8 can hold"):
            apply_to_image(IDENTITY, small, fixed, fill=bad)


@pytest.mark.data
@pytest.mark.slow
def test_real_brains_as_simpleitk(data_path, rng, tmp_path):
    """The whole of two brains at 1 mm, one of them turned, by a strong made-up field."""
    fixed, moving = (
        nib.load(data_path / "lpba40" / s / f"{s}.delineation.skullstripped.nii.gz")
        for s in ("S01", "S02")
    )
    turned = moving.slicer[2:, :, 3:].as_reoriented(np.array([[2, -1], [0, 1], [1, 1]]))
    coarse = smooth_field(rng, (20, 24, 20), fixed.affine @ np.diag([8, 8, 8, 1]), 8, sigma=2)
    field = to_dense(coarse, fixed.shape, fixed.affine)
    assert isinstance(field, DenseTransform)
    path = write(field, tmp_path / "field.nii.gz")
    nib.save(turned, tmp_path / "moving.nii.gz")
    ours = apply_to_image(field, nib.load(tmp_path / "moving.nii.gz"), fixed)
    theirs = sitk.Resample(
        sitk.ReadImage(str(tmp_path / "moving.nii.gz")),
        sitk.ReadImage(fixed.get_filename()),
        sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64)),
        sitk.sitkLinear,
    )
    ours = np.asarray(ours.dataobj).astype(int)
    assert ours.max() > 100
    # Rounding of a value near a half may differ by one.
    assert np.abs(ours - sitk.GetArrayFromImage(theirs).T).max() <= 1
