from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrnet.data.anatomy import anatomical_affine, is_misoriented

SHAPE = (14, 17, 11)
SPACING = np.array([0.7, 1.5, 2.0])
# Blocks by their middle voxels in RAS order. None of the three pairs is parallel to its axis.
BLOCKS = {1: (2, 8, 5), 2: (11, 7, 6), 3: (6, 2, 4), 4: (7, 14, 6), 5: (6, 8, 1), 6: (7, 10, 9)}
ENDS = (((1,), (2,)), ((3, 30), (4,)), ((5,), (6,)))
ORDERS = list(product(permutations(range(3)), product((1, -1), repeat=3)))


@pytest.fixture(scope="module")
def labels():
    data = np.zeros(SHAPE, np.int32)
    for label, at in BLOCKS.items():
        data[tuple(slice(i - 1, i + 2) for i in at)] = label
    data[0, 0, 0] = 9  # no one's business
    return data


def scramble(data, order, flips):
    return np.transpose(data, order)[tuple(slice(None, None, flip) for flip in flips)]


@pytest.mark.parametrize(("order", "flips"), ORDERS)
def test_all_48_orders_are_told(labels, order, flips):
    data = scramble(labels, order, flips)
    affine = anatomical_affine(data, SPACING[list(order)], ENDS)
    back = nib.as_closest_canonical(nib.Nifti1Image(data, affine))
    np.testing.assert_array_equal(np.asarray(back.dataobj), labels)
    np.testing.assert_allclose(nib.affines.voxel_sizes(back.affine), SPACING)
    np.testing.assert_allclose(affine @ [*(np.array(data.shape) - 1) / 2, 1], (0, 0, 0, 1))


@given(
    first=st.sampled_from(ORDERS),
    second=st.sampled_from(ORDERS),
    shift=st.tuples(*[st.floats(-200, 200)] * 3),
)
def test_two_grids_of_one_brain_agree_in_space(first, second, shift):
    """Voxels of a label lie at the same millimetres, whatever order they are stored in."""
    data = np.zeros(SHAPE, np.int32)
    for label, at in BLOCKS.items():
        data[at] = label
    where = []
    for order, flips in (first, second):
        turned = scramble(data, order, flips)
        affine = anatomical_affine(turned, SPACING[list(order)], ENDS)
        voxels = [np.argwhere(turned == label)[0] for label in BLOCKS]
        where.append(nib.affines.apply_affine(affine, voxels))
        # A header that agrees is not misoriented, wherever it puts the origin.
        header = affine.copy()
        header[:3, 3] += shift
        assert not is_misoriented(header, affine)
    np.testing.assert_allclose(where[0], where[1], atol=1e-9)


def test_voxel_sizes_count(labels):
    """In voxels the step from 5 to 6 is longest along y; in millimetres it is along z."""
    data = np.where(labels >= 5, 0, labels)
    data[6, 1, 4], data[6, 16, 9] = 5, 6
    assert anatomical_affine(data, (1, 1, 1), ENDS) is None
    affine = anatomical_affine(data, (1, 1, 4), ENDS)
    np.testing.assert_allclose(affine[:3, :3], np.diag([1, 1, 4]))


def test_labels_that_tell_nothing(labels):
    for label in BLOCKS:
        assert anatomical_affine(np.where(labels == label, 0, labels), SPACING, ENDS) is None
    same = (ENDS[0], ENDS[0], ENDS[2])
    assert anatomical_affine(labels, SPACING, same) is None
    nowhere = (((1,), (1,)), *ENDS[1:])
    assert anatomical_affine(labels, SPACING, nowhere) is None
    assert anatomical_affine(np.zeros(SHAPE, int), SPACING, ENDS) is None


def test_misoriented_is_another_direction_not_a_tilt(labels):
    anatomical = anatomical_affine(labels, SPACING, ENDS)
    tilt = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, -0.3, 0.2), (3, -50, 20))
    assert not is_misoriented(tilt @ anatomical, anatomical)
    for order, flips in ORDERS[1:]:
        turn = np.eye(4)
        turn[:3, :3] = np.diag(flips)[list(order)]
        assert is_misoriented(turn @ anatomical, anatomical)
