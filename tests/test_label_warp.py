import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fake_subjects import blocks, oblique, subject
from pmrnet.errors import InputError
from pmrnet.label_warp import (
    compact_labels,
    header_moved_labels,
    labels_on_grid,
    moved_labels,
)

FIXED, MOVING, GRID = (7, 8, 9), (9, 7, 10), (8, 10, 7)


def indices(shape):
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).astype(float)


def apply(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def smooth_field(rng, shape, size):
    field = ndimage.gaussian_filter(rng.standard_normal((*shape, 3)), (2, 2, 2, 0))
    return (size * field / np.abs(field).max()).astype(np.float32)


def case(seed, size=2.0):
    """A fixed and a moving subject of unequal oblique grids, and a field between them."""
    rng = np.random.default_rng(seed)
    fixed = subject("f", blocks(rng, FIXED), oblique(rng), oblique(rng))
    moving = subject("m", blocks(rng, MOVING), oblique(rng), oblique(rng))
    return fixed, moving, smooth_field(rng, GRID, size)


def plain_moved_labels(fixed, moving, displacement):
    """The definition, voxel by voxel in double precision."""
    data = moving.labels().data
    moved = np.zeros(fixed.native_shape, data.dtype)
    top = np.array(displacement.shape[:3]) - 1
    for p in np.ndindex(*fixed.native_shape):
        q = apply(np.linalg.inv(fixed.grid_to_native), np.array(p, float))
        at = np.clip(q, 0, top)
        low = np.minimum(np.floor(at).astype(int), top - 1)
        u = np.zeros(3)
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, at - low, 1 - (at - low)))
            u += weight * displacement[tuple(low + corner)]
        r = np.floor(apply(moving.grid_to_native, q + u) + 0.5).astype(int)
        if (r >= 0).all() and (r < data.shape).all():
            moved[p] = data[tuple(r)]
    return moved


def itk_transform(matrix):
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


@pytest.mark.parametrize("seed", range(5))
def test_the_definition(seed):
    fixed, moving, field = case(seed)
    moved = moved_labels(fixed, moving, field)
    expected = plain_moved_labels(fixed, moving, field)
    assert moved.shape == FIXED
    assert moved.dtype == np.uint8
    assert (expected > 0).mean() > 0.2
    # Single precision may send a voxel that lies on the border of two to the other one.
    assert (moved != expected).mean() <= 0.002


@pytest.mark.parametrize("seed", range(5))
def test_simpleitk_with_one_composite_transform(seed):
    rng = np.random.default_rng(100 + seed)
    shape_f, shape_m, shape_g = (24, 27, 22), (26, 23, 28), (30, 32, 28)
    centre = np.array(shape_g) / 2

    def centred(shape):  # the network grid's centre to the native grid's centre
        matrix = oblique(rng, scale=0.1)
        matrix[:3, 3] += np.array(shape) / 2 - matrix[:3, :3] @ centre
        return matrix

    fixed = subject("f", blocks(rng, shape_f), centred(shape_f))
    moving = subject("m", blocks(rng, shape_m), centred(shape_m))
    field = smooth_field(rng, shape_g, 3.0)

    # Images without geometry, so that ITK's points are voxel indices (its arrays are z, y, x).
    image = sitk.GetImageFromArray(moving.labels().data.T)
    vectors = sitk.GetImageFromArray(field.transpose(2, 1, 0, 3).astype(float), isVector=True)
    composite = sitk.CompositeTransform(3)  # the transform added last is applied first
    composite.AddTransform(itk_transform(moving.grid_to_native))
    composite.AddTransform(sitk.DisplacementFieldTransform(vectors))
    composite.AddTransform(itk_transform(fixed.grid_to_native).GetInverse())
    reference = sitk.Image([int(n) for n in shape_f], sitk.sitkUInt8)
    itk = sitk.Resample(image, reference, composite, sitk.sitkNearestNeighbor, 0)

    q = apply(np.linalg.inv(fixed.grid_to_native), indices(shape_f))
    inside = ((q >= 0) & (q <= np.array(shape_g) - 1)).all(-1)  # beyond, ITK's field is zero
    assert inside.mean() > 0.5
    different = moved_labels(fixed, moving, field) != sitk.GetArrayFromImage(itk).T
    assert different[inside].mean() < 5e-4


@pytest.mark.parametrize("seed", range(3))
def test_header_alignment_is_simpleitks_resampling_between_headers(seed):
    rng = np.random.default_rng(200 + seed)

    def rigid():
        matrix = np.eye(4)
        rotation, _ = np.linalg.qr(np.eye(3) + 0.2 * rng.standard_normal((3, 3)))
        matrix[:3, :3] = rotation * np.sign(np.diag(rotation)) * [1.0, 1.2, 0.9]
        matrix[:3, 3] = rng.uniform(-2, 2, 3)
        return matrix

    def image_of(data, affine):
        image = sitk.GetImageFromArray(data.T)
        to_lps = np.diag([-1, -1, 1]) @ affine[:3]
        spacing = np.linalg.norm(to_lps[:, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((to_lps[:, :3] / spacing).ravel().tolist())
        image.SetOrigin(to_lps[:, 3].tolist())
        return image

    fixed = subject("f", blocks(rng, (17, 18, 19)), oblique(rng), rigid())
    moving = subject("m", blocks(rng, (19, 17, 20)), oblique(rng), rigid())
    itk = sitk.Resample(
        image_of(moving.labels().data, moving.native_affine),
        image_of(fixed.labels().data, fixed.native_affine),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        0,
    )
    moved = header_moved_labels(fixed, moving)
    assert (moved > 0).mean() > 0.3
    assert (moved != sitk.GetArrayFromImage(itk).T).mean() < 1e-3


def test_a_subject_moved_onto_itself_is_itself():
    fixed, _, _ = case(7)
    own = fixed.labels().data
    assert np.array_equal(moved_labels(fixed, fixed), own)
    assert np.array_equal(moved_labels(fixed, fixed, np.zeros((*GRID, 3))), own)
    assert np.array_equal(header_moved_labels(fixed, fixed), own)


def test_no_displacement_is_a_zero_displacement():
    fixed, moving, field = case(8)
    assert np.array_equal(moved_labels(fixed, moving), moved_labels(fixed, moving, 0 * field))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("steps", [-3, 0, 2, 20])
def test_a_whole_shift_moves_labels_the_way_a_displacement_is_defined(axis, steps):
    data = np.arange(1, 505, dtype=np.int16).reshape(FIXED)
    field = np.zeros((*FIXED, 3))
    field[..., axis] = steps
    moved = moved_labels(subject("f", data), subject("m", data), field)
    # moved(p) = moving(p + u): content comes from further along the axis, 0 from outside
    expected = np.zeros_like(data)
    for p in range(FIXED[axis]):
        if 0 <= p + steps < FIXED[axis]:
            expected.swapaxes(0, axis)[p] = data.swapaxes(0, axis)[p + steps]
    assert np.array_equal(moved, expected)


def test_halves_are_rounded_up_so_that_no_voxel_is_dropped():
    data = np.arange(1, 505, dtype=np.int16).reshape(FIXED)
    field = np.full((*FIXED, 3), (0.5, 0, 0))
    moved = moved_labels(subject("f", data), subject("m", data), field)
    assert np.array_equal(moved[:-1], data[1:])
    assert not moved[-1].any()


def test_a_large_field_brings_labels_from_far_away():
    # The search for the voxels worth computing must take the whole range of the field in.
    data = np.zeros((30, 8, 9), np.uint8)
    data[27, 4, 4] = 3
    field = np.zeros((30, 8, 9, 3))
    field[2, 3, 5] = (25, 1, -1)
    field[20, 2, 2] = (-9, 4, 5)
    moved = moved_labels(subject("f", data), subject("m", data), field)
    assert moved[2, 3, 5] == 3
    assert moved[27, 4, 4] == 3
    assert (moved > 0).sum() == 2


def test_a_coarse_moving_voxel_covers_all_the_fine_fixed_ones_within_it():
    rng = np.random.default_rng(12)
    data = rng.integers(1, 200, (3, 4, 5)).astype(np.uint8)
    fine = np.zeros((32, 40, 48), np.uint8)
    to_fine = np.diag([8.0, 8.0, 8.0, 1.0])
    to_fine[:3, 3] = 7.5  # the moving voxel i covers the fixed voxels 4 + 8 i ... 11 + 8 i
    moved = moved_labels(subject("f", fine, to_fine), subject("m", data))
    expected = fine.copy()
    expected[4:28, 4:36, 4:44] = data.repeat(8, 0).repeat(8, 1).repeat(8, 2)
    assert np.array_equal(moved, expected)


@pytest.mark.parametrize("step", [1, 2])
def test_labels_on_the_grid_are_those_of_the_nearest_voxel(rng, step):
    """Against SciPy, through an oblique affine, on grids of whole and of doubled voxels."""
    one = subject("m", blocks(rng, MOVING), oblique(rng))
    shape = tuple(-(-n // step) for n in GRID)
    expected = ndimage.affine_transform(
        one.labels().data,
        one.grid_to_native[:3, :3] * step,
        one.grid_to_native[:3, 3],
        output_shape=shape,
        order=0,
        mode="grid-constant",
    )
    found = labels_on_grid(one, shape, step)
    np.testing.assert_array_equal(found, expected)
    assert found.shape == shape
    assert (found == 0).any()
    assert (found > 0).any()


def test_empty_and_unreachable_labels_give_zeros():
    empty = subject("m", np.zeros(MOVING, np.uint8))
    fixed, moving, field = case(9)
    assert not moved_labels(fixed, empty, field).any()
    moving.grid_to_native[:3, 3] += 100
    assert not moved_labels(fixed, moving, field).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_field_that_is_not_finite_is_refused(bad):
    fixed, moving, field = case(10)
    field[3, 4, 5, 1] = bad
    with pytest.raises(InputError, match="finite"):
        moved_labels(fixed, moving, field)


def test_a_field_of_another_form_is_refused():
    fixed, moving, field = case(11)
    with pytest.raises(InputError, match="X, Y, Z, 3"):
        moved_labels(fixed, moving, np.moveaxis(field, -1, 0))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0.0, 255.0], np.uint8),
        ([-1, 5], np.int16),
        ([0, 2035], np.int16),
        ([0, 70000], np.int64),
        ([True, False], np.uint8),
    ],
)
def test_labels_are_compacted_without_a_change_of_value(values, dtype):
    compact = compact_labels(np.array(values))
    assert compact.dtype == dtype
    assert compact.tolist() == values


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_labels_that_are_no_whole_numbers_are_refused(value):
    with pytest.raises(InputError, match="whole numbers"):
        compact_labels(np.array([0.0, value]))
