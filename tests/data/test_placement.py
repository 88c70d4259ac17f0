import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oblique_grid import OBLIQUE

from pmrnet.data.placement import (
    axis_codes,
    check_affine,
    check_header,
    check_same_grid,
    check_voxel_size,
)
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

SHAPE = (7, 8, 9)
# From one world to another by 10 degrees and 3 mm at the origin.
TURN = nib.affines.from_matvec(nib.eulerangles.euler2mat(z=np.radians(10)), (0, 0, 3))


def header(qform, sform, codes=(1, 4)):
    result = nib.Nifti1Header()
    result.set_data_shape(SHAPE)
    result.set_qform(qform, codes[0])
    result.set_sform(sform, codes[1])
    return result


def check(qform, sform, codes=(1, 4)):
    made = header(qform, sform, codes)
    check_header(made, made.binaryblock, SHAPE, "a.nii")


def test_check_affine():
    tiny = np.diag([1e-4, 1e-4, 1e-4, 1])  # a tenth of a micrometre is small, not singular
    np.testing.assert_array_equal(check_affine(tiny.tolist(), "x"), tiny)
    for bad in (np.eye(3), np.zeros((4, 4)), np.diag([1, 1, 1, 2]), np.full((4, 4), np.nan)):
        with pytest.raises(InputError, match="x: expected an invertible"):
            check_affine(bad, "x")


@pytest.mark.parametrize("bad", [0, 0.049, 10.1, 1000, np.nan, np.inf])
def test_voxel_size(bad):
    check_voxel_size((0.05, 1, 10), "x")
    with pytest.raises(InputError, match=r"x: expected voxel sides between 0\.05 and 10 mm, found"):
        check_voxel_size((1, bad, 1), "x")


def test_axis_codes():
    assert axis_codes(np.eye(4)) == "RAS"
    assert axis_codes(np.array([[0, 0, -1, 0], [-2, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 1]])) == "PSL"


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    st.tuples(*[st.floats(0.3, 3)] * 3),
    st.tuples(*[st.floats(-150, 150)] * 3),
    st.sampled_from([(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)]),
)
def test_rounding_of_the_qform_is_no_contradiction(angles, sizes, shift, flips):
    matrix = nib.eulerangles.euler2mat(*angles) @ np.diag(np.multiply(sizes, flips))
    affine = nib.affines.from_matvec(matrix, shift)
    made = header(affine, affine)
    check_header(made, made.binaryblock, (256, 256, 256), "a.nii")


def test_contradicting_matrices():
    check(OBLIQUE, OBLIQUE)
    check(OBLIQUE, TURN @ OBLIQUE, codes=(0, 4))
    check(OBLIQUE, TURN @ OBLIQUE, codes=(1, 0))
    check(OBLIQUE, nib.affines.from_matvec(np.eye(3), (0.2, 0, 0)) @ OBLIQUE)
    with pytest.raises(InputError) as caught:
        check(OBLIQUE, TURN @ OBLIQUE)
    text = str(caught.value)
    middle = np.array([3, 3.5, 4])
    apart = nib.affines.apply_affine(TURN @ OBLIQUE, middle) - nib.affines.apply_affine(
        OBLIQUE, middle
    )
    assert f"differ by 10.0 degrees, by {np.linalg.norm(apart):.1f} mm in the middle" in text
    assert "qform (scanner)" in text
    assert "sform (mni)" in text
    assert "fslorient -copyqform2sform a.nii" in text


def test_contradictions_other_than_a_rotation():
    with pytest.raises(InputError, match=r"differ by 0\.0 degrees, by 1\.0 mm in the middle"):
        check(OBLIQUE, nib.affines.from_matvec(np.eye(3), (0, 1, 0)) @ OBLIQUE)
    with pytest.raises(InputError, match="differ by a mirroring"):
        check(OBLIQUE, np.diag([-1, 1, 1, 1]) @ OBLIQUE)
    larger = OBLIQUE @ nib.affines.from_matvec(np.eye(3) * 1.2, np.array([3, 3.5, 4]) * -0.2)
    with pytest.raises(InputError, match=r"0\.0 degrees, by 0\.0 mm in the middle .* and 1\.\d mm"):
        check(OBLIQUE, larger)


def test_quaternion_that_is_no_rotation():
    made = header(OBLIQUE, OBLIQUE)
    made["quatern_b"], made["quatern_c"], made["quatern_d"] = 0.9, 0.9, 0.9
    with pytest.raises(
        InputError, match=r"expected a rotation in the qform, found none .*copysform"
    ):
        check_header(made, made.binaryblock, SHAPE, "a.nii")


def test_size_of_zero_where_it_is_needed():
    made = header(OBLIQUE, OBLIQUE, codes=(1, 0))
    made["pixdim"][2] = 0
    repaired = nib.Nifti1Header.from_header(made, check=False)
    repaired["pixdim"][2] = 1
    with pytest.raises(InputError, match=r"voxel sides .* found 1\.5 x 0 x 2;"):
        check_header(repaired, made.binaryblock, SHAPE, "a.nii")


def test_same_grid():
    image = Volume(np.zeros(SHAPE), OBLIQUE)
    rounded = Volume(np.ones(SHAPE, int), np.round(OBLIQUE, 4))
    check_same_grid("l.nii", rounded, "i.nii", image)
    message = r"l\.nii: expected the grid of the image i\.nii, \(7, 8, 9\), found \(7, 8, 8\);"
    with pytest.raises(InputError, match=message):
        check_same_grid("l.nii", Volume(np.zeros((7, 8, 8)), OBLIQUE), "i.nii", image)
    moved = OBLIQUE.copy()
    moved[0, 3] += 2
    with pytest.raises(InputError, match="another affine, which puts voxels up to 2 mm elsewhere"):
        check_same_grid("l.nii", Volume(np.zeros(SHAPE), moved), "i.nii", image)
