from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmrnet.data.volume import Volume
from pmrnet.errors import InputError
from pmrnet.report import DisplayGrid, display_grid, to_display_grid

SHAPE = (17, 23, 19)
ORDERS = list(product(permutations(range(3)), product((-1, 1), repeat=3)))


def rotation(degrees):
    """Turns about x, y and z, one after the other."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        turn = np.eye(3)
        a, b = (i for i in range(3) if i != axis)
        turn[[a, a, b, b], [a, b, a, b]] = (
            np.cos(angle),
            -np.sin(angle),
            np.sin(angle),
            np.cos(angle),
        )
        matrix = turn @ matrix
    return matrix


def oblique(spacing=(1.2, 3.1, 0.9), degrees=(12, -20, 31), shift=(-7.5, 20.25, 3)):
    affine = np.eye(4)
    affine[:3, :3] = rotation(degrees) * spacing
    affine[:3, 3] = shift
    return affine


def reordered(affine, shape, order, signs):
    """The same grid with its axes in another order and direction: affine and shape."""
    ornt = np.array([(axis, sign) for axis, sign in zip(order, signs, strict=True)])
    matrix = affine @ nib.orientations.inv_ornt_aff(ornt, shape)
    permuted = [0, 0, 0]
    for axis, target in enumerate(order):
        permuted[target] = shape[axis]
    return matrix, tuple(permuted)


def plane(affine, shape):
    """A linear function of the place: linear interpolation gives it exactly."""
    at = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    return at @ [0.5, -1.25, 2.0] + 300


def inside(grid, affine, shape):
    """Voxels of the grid that lie between the outermost voxels of an image."""
    at = np.moveaxis(np.indices(grid.shape), 0, -1)
    voxel = nib.affines.apply_affine(np.linalg.inv(affine) @ grid.affine, at)
    return ((voxel >= 0) & (voxel <= np.array(shape) - 1)).all(axis=-1)


@settings(deadline=None, max_examples=20)
@given(
    order=st.sampled_from(ORDERS),
    degrees=st.tuples(*[st.floats(-40, 40)] * 3),
    spacing=st.tuples(*[st.floats(1.0, 3.5)] * 3),
)
def test_every_value_stays_at_its_place(order, degrees, spacing):
    affine, shape = reordered(oblique(spacing, degrees), (7, 8, 9), *order)
    volume = Volume(plane(affine, shape), affine)
    grid = display_grid(volume, voxel=1.0, margin=2)
    here = inside(grid, affine, shape)
    assert here.any()
    expected = plane(grid.affine, grid.shape)[here]
    np.testing.assert_allclose(to_display_grid(volume, grid)[here], expected, rtol=1e-4)


def test_grid_is_ras_cubic_and_around_the_brain():
    affine = oblique()
    data = np.zeros(SHAPE, np.float32)
    data[4:12, 6:20, 5:9] = 1
    grid = display_grid(nib.Nifti1Image(data, affine), margin=7)
    side = grid.affine[0, 0]
    np.testing.assert_array_equal(grid.affine[:3, :3], np.eye(3) * side)
    assert side == 1.0  # the image's shortest is 0.9 mm
    voxels = nib.affines.apply_affine(np.linalg.inv(grid.affine) @ affine, np.argwhere(data))
    # At least 7 mm and half a voxel of the image from the middles of its outermost voxels.
    assert (voxels.min(axis=0) >= 7).all()
    assert (voxels.max(axis=0) <= np.array(grid.shape) - 8).all()
    # No larger than needed, and as much on one side as on the other.
    assert (voxels.min(axis=0) <= 10).all()
    np.testing.assert_allclose(voxels.min(axis=0), np.array(grid.shape) - 1 - voxels.max(axis=0))


@pytest.mark.parametrize(("spacing", "expected"), [(0.5, 1.0), (1.4, 1.4), (4.0, 2.0)])
def test_voxel_side(spacing, expected):
    image = Volume(np.ones((20, 21, 22)), np.diag([spacing, 5, 5, 1]))
    assert display_grid(image).affine[0, 0] == pytest.approx(expected)


def test_at_most_224_voxels_an_axis():
    image = Volume(np.ones((10, 11, 12)), np.diag([30, 50, 20, 1]))
    grid = display_grid(image)
    assert max(grid.shape) == 224
    assert grid.affine[0, 0] == pytest.approx((11 * 50 + 20) / 224)
    assert max(display_grid(image, limit=50).shape) == 50


def test_labels_keep_values_and_type():
    affine = oblique()
    labels = np.random.default_rng(0).choice([0, 7, 1035, 2035], SHAPE).astype(np.int32)
    grid = display_grid(Volume(labels, affine))
    result = to_display_grid(Volume(labels, affine), grid, order=0)
    assert result.dtype == np.int32
    at = np.moveaxis(np.indices(grid.shape), 0, -1)
    voxel = nib.affines.apply_affine(np.linalg.inv(affine) @ grid.affine, at)
    nearest = np.rint(voxel).astype(int)
    here = inside(grid, affine, SHAPE) & (np.abs(voxel - nearest).max(axis=-1) < 0.49)
    np.testing.assert_array_equal(result[here], labels[tuple(nearest[here].T)])
    assert not result[0, 0, 0]


def test_outside_and_vectors():
    affine = oblique()
    vectors = np.stack([np.full(SHAPE, v, np.float32) for v in (1.5, -2.0, 0.25)], axis=-1)
    scalar = Volume(vectors[..., 0], affine)
    grid = display_grid(scalar)
    # Nearest inside: a constant field is constant everywhere, its components are not turned.
    field = to_display_grid(Volume(vectors, affine), grid, fill=None)
    np.testing.assert_allclose(field, np.broadcast_to([1.5, -2, 0.25], (*grid.shape, 3)))
    for fill in (0.0, 1.0):
        corner = to_display_grid(scalar, grid, fill=fill)[0, 0, 0]
        assert corner == fill
    # Without a grid, the image's own.
    np.testing.assert_array_equal(to_display_grid(scalar), to_display_grid(scalar, grid))


def test_coarser_grids_are_smoothed():
    stripes = np.zeros((40, 40, 40), np.float32)
    stripes[::2] = 1
    image = Volume(stripes, np.diag([0.5, 0.5, 0.5, 1]))
    middle = to_display_grid(image, display_grid(image, voxel=2.0))[8:-8, 8:-8, 8:-8]
    assert middle.size
    np.testing.assert_allclose(middle, 0.5, atol=0.02)


def test_trailing_axis_of_one():
    data = np.ones((*SHAPE, 1), np.float32)
    image = nib.Nifti1Image(data, oblique())
    assert to_display_grid(image).ndim == 3


@pytest.mark.parametrize(
    ("data", "affine", "message"),
    [
        (np.zeros(SHAPE), np.eye(4), "only zeros"),
        (np.ones((3, 4)), np.eye(4), r"found the shape \(3, 4\)"),
        (np.ones(SHAPE), np.zeros((4, 4)), "invertible"),
    ],
)
def test_refused_images(data, affine, message):
    with pytest.raises(InputError, match=message):
        display_grid(Volume(data, affine))


def test_refused_options():
    image = Volume(np.ones(SHAPE), np.eye(4))
    with pytest.raises(InputError, match="order 0 or 1, found 3"):
        to_display_grid(image, order=3)
    with pytest.raises(InputError, match=r"found \(2, 2, 2, 1, 3\)"):
        to_display_grid(Volume(np.ones((2, 2, 2, 1, 3)), np.eye(4)), display_grid(image))


@pytest.mark.parametrize("order", ORDERS[::5])
@pytest.mark.parametrize("fill", [0.0, None])
def test_voxels_of_cubic_images_are_taken_as_they_are(rng, order, fill):
    """Against the same through interpolation, of a grid that is a hair beside."""
    axes, signs = order
    affine = np.eye(4)
    affine[:3, :3] = 1.5 * np.eye(3)[:, list(axes)] * signs
    affine[:3, 3] = -7.3, 20.2, 3.1
    data = np.zeros((12, 9, 10, 3), np.float32)
    data[1:, 2:8, 2:9] = rng.normal(size=(11, 6, 7, 3))
    image = nib.Nifti1Image(data, affine)
    grid = display_grid(nib.Nifti1Image(data[..., 0], affine))
    found = to_display_grid(image, grid, fill=fill)
    assert set(np.unique(found)) <= {0, *np.unique(data)}
    beside = DisplayGrid(grid.affine + 1e-5 * np.diag([1, 1, 1, 0]), grid.shape)
    np.testing.assert_allclose(found, to_display_grid(image, beside, fill=fill), atol=1e-2)
    labels = nib.Nifti1Image((100 * data[..., 0]).astype(np.int16), affine)
    np.testing.assert_array_equal(
        to_display_grid(labels, grid, order=0), to_display_grid(labels, beside, order=0)
    )
