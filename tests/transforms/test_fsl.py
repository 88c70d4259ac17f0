import nibabel as nib
import numpy as np
import pytest
from nitransforms.io.fsl import FSLDisplacementsField, FSLLinearTransform
from spaces import AXIS_ORDERS, FIXED, MOVING, matrix_near_identity, oblique, smooth_field

from pmrnet.data.volume import Volume, save_image
from pmrnet.errors import InputError
from pmrnet.transforms import AffineTransform, Chain, DenseTransform, read, to_dense, write
from pmrnet.transforms.field_image import VOXELS

ORDERS = [(0, 0), (0, 7), (18, 29), (46, 1), (33, 12)]  # with and without mirroring


def spaces(rng, orders=(0, 7)):
    fixed = nib.Nifti1Image(
        np.zeros(FIXED), oblique(rng, (1.5, 1, 2), FIXED, AXIS_ORDERS[orders[0]])
    )
    moving = nib.Nifti1Image(
        np.zeros(MOVING), oblique(rng, (1.2, 1.8, 1), MOVING, AXIS_ORDERS[orders[1]])
    )
    return fixed, moving


@pytest.mark.parametrize("orders", ORDERS)
def test_flirt_matrix_as_nitransforms_has_it(rng, tmp_path, orders):
    fixed, moving = spaces(rng, orders)
    transform = AffineTransform(matrix_near_identity(rng, 0.2, 20))
    path = write(transform, tmp_path / "a.mat", "fsl", fixed=fixed, moving=moving)
    oracle = FSLLinearTransform.from_ras(transform.matrix, reference=fixed, moving=moving)
    np.testing.assert_allclose(np.loadtxt(path), oracle.structarr["parameters"], atol=1e-7)
    back = read(path, fixed=fixed, moving=moving)
    np.testing.assert_allclose(back.matrix, transform.matrix, atol=1e-6)


@pytest.mark.parametrize("orders", ORDERS)
def test_warp_of_an_affine_transform_is_its_flirt_matrix(rng, tmp_path, orders):
    """FLIRT's matrix is nitransforms' and takes FSL's moving to fixed coordinates."""
    fixed, moving = spaces(rng, orders)
    transform = AffineTransform(matrix_near_identity(rng, 0.2, 20))
    path = write(transform, tmp_path / "a.nii.gz", "fsl", fixed=fixed, moving=moving)
    oracle = FSLLinearTransform.from_ras(transform.matrix, reference=fixed, moving=moving)
    index = np.moveaxis(np.indices(FIXED), 0, -1).astype(float)
    if np.linalg.det(fixed.affine) > 0:
        index[..., 0] = FIXED[0] - 1 - index[..., 0]
    here = index * nib.affines.voxel_sizes(fixed.affine)
    matrix = np.linalg.inv(oracle.structarr["parameters"])
    expected = nib.affines.apply_affine(matrix, here) - here
    warp = nib.load(path)
    assert warp.shape == (*FIXED, 3)
    assert int(warp.header["intent_code"]) == 2006
    np.testing.assert_allclose(np.asarray(warp.dataobj), expected, atol=1e-4)


def test_warp_as_nitransforms_where_header_and_axes_are_plain(rng, tmp_path):
    """nitransforms leaves the headers out: right on one grid along RAS, as here."""
    affine = nib.affines.from_matvec(np.diag([1.5, 1, 2]), (-10, 5, 3))
    grid = Volume(np.zeros(FIXED), affine)
    field = smooth_field(rng, FIXED, affine)
    path = write(field, tmp_path / "a.nii.gz", "fsl", fixed=grid, moving=grid)
    theirs = FSLDisplacementsField.from_filename(path)
    np.testing.assert_allclose(np.asarray(theirs.dataobj), field.displacement, atol=1e-5)


@pytest.mark.parametrize("orders", ORDERS)
def test_round_trip_of_a_field(rng, tmp_path, orders):
    fixed, moving = spaces(rng, orders)
    field = smooth_field(rng, FIXED, fixed.affine)
    path = write(field, tmp_path / "a.nii.gz", "fsl", fixed=fixed, moving=moving)
    back = read(path, fixed=fixed, moving=moving)
    np.testing.assert_allclose(back.displacement, field.displacement, atol=2e-5)
    np.testing.assert_allclose(back.affine, fixed.affine, atol=1e-5)


def test_a_sheared_grid(rng, tmp_path):
    fixed, moving = spaces(rng)
    affine = fixed.affine.copy()
    affine[:3, 1] += 0.2 * affine[:3, 0]
    fixed = Volume(np.zeros(FIXED), affine)
    field = smooth_field(rng, FIXED, affine)
    path = write(field, tmp_path / "a.nii.gz", "fsl", fixed=fixed, moving=moving)
    back = read(path, fixed=fixed, moving=moving)
    np.testing.assert_allclose(back.displacement, field.displacement, atol=2e-5)


def test_both_images_are_needed(rng, tmp_path):
    fixed, moving = spaces(rng)
    field = smooth_field(rng, FIXED, fixed.affine)
    cases = [({}, "no fixed and no moving image"), ({"fixed": fixed}, "no moving image; give")]
    # Written on its own grid, a field tells of the fixed image no less than of the moving one.
    for given, found in (*cases, ({"moving": moving}, "no fixed image; give")):
        message = f"the fixed and the moving image, .* found {found}"
        with pytest.raises(InputError, match=message):
            write(field, tmp_path / "a.nii.gz", "fsl", **given)
    path = write(field, tmp_path / "a.nii.gz", "fsl", fixed=fixed, moving=moving)
    flirt = write(AffineTransform(np.eye(4)), tmp_path / "a.mat", "fsl", fixed=fixed, moving=moving)
    for file in (path, flirt):
        with pytest.raises(InputError, match="the fixed and the moving image"):
            read(file, fixed=fixed)


def test_other_warps_are_refused(rng, tmp_path):
    fixed, moving = spaces(rng)
    transform = AffineTransform(matrix_near_identity(rng, 0.1))
    path = write(transform, tmp_path / "a.nii.gz", "fsl", fixed=fixed, moving=moving)
    with pytest.raises(InputError, match="grid of the fixed image"):
        read(path, fixed=moving, moving=moving)
    warp = nib.load(path)
    values = np.asarray(warp.dataobj).copy()
    index = np.moveaxis(np.indices(FIXED), 0, -1).astype(float)
    index[..., 0] = FIXED[0] - 1 - index[..., 0]
    absolute = values + index * nib.affines.voxel_sizes(fixed.affine)
    nib.save(nib.Nifti1Image(absolute.astype("f4"), fixed.affine), tmp_path / "abs.nii.gz")
    with pytest.raises(InputError, match="found an absolute one"):
        read(tmp_path / "abs.nii.gz", fixed=fixed, moving=moving)
    voxels = save_image(tmp_path / "disp_0001_0002.nii.gz", values, fixed.affine, VOXELS)
    with pytest.raises(InputError, match="found one in voxels, written for Learn2Reg"):
        read(voxels, fixed=fixed, moving=moving)
    warp.header["intent_code"] = 2007
    nib.save(nib.Nifti1Image(values, None, warp.header), tmp_path / "spline.nii.gz")
    with pytest.raises(InputError, match="spline coefficients"):
        read(tmp_path / "spline.nii.gz", fixed=fixed, moving=moving)
    values[1, 2, 3] = np.nan
    nib.save(nib.Nifti1Image(values, fixed.affine), tmp_path / "nan.nii.gz")
    with pytest.raises(InputError, match=r"nan\.nii\.gz: .*NaN or infinity in 1 voxels"):
        read(tmp_path / "nan.nii.gz", fixed=fixed, moving=moving)
    nib.save(nib.Nifti1Image(values[..., 0], fixed.affine), tmp_path / "image.nii.gz")
    with pytest.raises(InputError, match=r"shape \(X, Y, Z, 3\) if .*, found \(17, 20, 15\)"):
        read(tmp_path / "image.nii.gz", fixed=fixed, moving=moving)


@pytest.mark.parametrize("orders", ORDERS)
@pytest.mark.parametrize("degrees", [0, 30, 60, 90, 120, 150, 180])
def test_either_kind_of_a_warp_is_known_at_any_rotation(rng, tmp_path, orders, degrees):
    fixed, moving = spaces(rng, orders)
    axis = rng.normal(size=3)
    turn = nib.quaternions.angle_axis2mat(np.radians(degrees), axis)
    affine = AffineTransform(nib.affines.from_matvec(turn) @ matrix_near_identity(rng, 0.1))
    field = smooth_field(rng, FIXED, fixed.affine, peak_mm=4)
    transform = to_dense(Chain([field, affine]), FIXED, fixed.affine)
    path = write(transform, tmp_path / "a.nii.gz", "fsl", fixed=fixed, moving=moving)
    relative = np.asarray(nib.load(path).dataobj)
    index = np.moveaxis(np.indices(FIXED), 0, -1).astype(float)
    if np.linalg.det(fixed.affine) > 0:
        index[..., 0] = FIXED[0] - 1 - index[..., 0]
    absolute = relative + index * nib.affines.voxel_sizes(fixed.affine)
    for name, values in (("rel", relative), ("abs", absolute)):
        # Without what our own header says.
        nib.save(nib.Nifti1Image(values.astype("f4"), fixed.affine), tmp_path / f"{name}.nii.gz")
    for name in ("a", "rel"):
        back = read(tmp_path / f"{name}.nii.gz", fixed=fixed, moving=moving)
        np.testing.assert_allclose(back.displacement, transform.displacement, atol=1e-4)
    with pytest.raises(InputError, match="found an absolute one"):
        read(tmp_path / "abs.nii.gz", fixed=fixed, moving=moving)


def test_our_own_warps_say_that_they_are_relative(rng, tmp_path):
    """Between a phantom and one of more than twice its size the values alone say otherwise."""
    fixed, moving = spaces(rng, (0, 0))
    large = AffineTransform(np.diag([2.5, 2.5, 2.5, 1]))
    path = write(large, tmp_path / "a.nii.gz", "fsl", fixed=fixed, moving=moving)
    back = read(path, fixed=fixed, moving=moving)
    expected = to_dense(large, FIXED, fixed.affine)
    np.testing.assert_allclose(back.displacement, expected.displacement, atol=1e-4)


def test_singular_flirt_matrix(rng, tmp_path):
    fixed, moving = spaces(rng)
    (tmp_path / "a.mat").write_text("1 0 0 0\n0 1 0 0\n0 0 0 0\n0 0 0 1\n")
    with pytest.raises(InputError, match=r"a\.mat: .*invertible 4x4"):
        read(tmp_path / "a.mat", fixed=fixed, moving=moving)


def test_a_field_is_written_on_the_grid_of_the_fixed_image(rng, tmp_path):
    fixed, moving = spaces(rng)
    field = smooth_field(rng, (9, 8, 11), oblique(rng, (3, 3, 3), (9, 8, 11)))
    path = write(field, tmp_path / "a.nii.gz", "fsl", fixed=fixed, moving=moving)
    back = read(path, fixed=fixed, moving=moving)
    expected = to_dense(field, FIXED, fixed.affine)
    assert isinstance(back, DenseTransform)
    np.testing.assert_allclose(back.displacement, expected.displacement, atol=2e-5)
