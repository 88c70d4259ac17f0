import h5py
import nitransforms
import numpy as np
import pytest
from nitransforms.io import x5
from spaces import FIXED, centres, matrix_near_identity, oblique, smooth_field

from pmrnet.errors import InputError
from pmrnet.transforms import AffineTransform, read, write


@pytest.fixture
def field(rng):
    return smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))


def test_field_as_nitransforms_reads_it(field, tmp_path):
    path = write(field, tmp_path / "a.x5", "x5")
    theirs = nitransforms.DenseFieldTransform.from_filename(path, fmt="X5")
    at = centres(FIXED, field.affine)[2:15:3, 3:18:4, 1:14:4].reshape(-1, 3)
    np.testing.assert_allclose(theirs.map(at), field.map_points(at), atol=1e-4)
    np.testing.assert_allclose(theirs.reference.affine, field.affine)
    assert tuple(theirs.reference.shape) == FIXED
    assert x5.from_filename(path)[0].metadata["WrittenBy"].startswith("pmrnet ")


def test_field_as_nitransforms_writes_it(field, tmp_path):
    grid = nitransforms.base.ImageGrid(
        nitransforms.nonlinear.nb.Nifti1Image(np.zeros(FIXED), field.affine)
    )
    for deltas, name in ((True, "deltas.x5"), (False, "points.x5")):
        values = field.displacement.astype(float)
        if not deltas:
            values = values + centres(FIXED, field.affine)
        theirs = nitransforms.DenseFieldTransform(values, is_deltas=deltas, reference=grid)
        x5.to_filename(tmp_path / name, [theirs.to_x5()])
        back = read(tmp_path / name)
        np.testing.assert_allclose(back.displacement, field.displacement, atol=1e-5)
        np.testing.assert_allclose(back.affine, field.affine)


def test_affine_both_ways(rng, tmp_path):
    transform = AffineTransform(matrix_near_identity(rng, 0.2, 20))
    path = write(transform, tmp_path / "a.x5", "x5")
    theirs = nitransforms.linear.Affine.from_filename(path, fmt="X5")
    at = rng.uniform(-50, 50, (20, 3))
    np.testing.assert_allclose(theirs.map(at), transform.map_points(at), atol=1e-5)
    np.testing.assert_array_equal(read(path).matrix, transform.matrix)
    nitransforms.linear.Affine(transform.matrix).to_filename(tmp_path / "b.x5", fmt="X5")
    np.testing.assert_array_equal(read(tmp_path / "b.x5").matrix, transform.matrix)


def test_round_trip_of_a_field(field, tmp_path):
    back = read(write(field, tmp_path / "a.x5", "x5"))
    np.testing.assert_array_equal(back.displacement, field.displacement)
    np.testing.assert_array_equal(back.affine, field.affine)


def test_unusable(field, rng, tmp_path):
    path = write(field, tmp_path / "a.x5", "x5")
    node = x5.from_filename(path)[0]
    x5.to_filename(tmp_path / "two.x5", [node, node])
    with pytest.raises(InputError, match="expected one transform, found a file of 2"):
        read(tmp_path / "two.x5")
    node.representation = "coefficients"
    x5.to_filename(tmp_path / "spline.x5", [node])
    with pytest.raises(InputError, match="found nonlinear coefficients"):
        read(tmp_path / "spline.x5")
    with h5py.File(path, "r+") as content:
        content["TransformGroup/0/Transform"][1, 2, 3] = np.nan
    with pytest.raises(InputError, match=r"a\.x5: .*NaN or infinity in 1 voxels"):
        read(path)
    whole = write(field, tmp_path / "b.x5", "x5").read_bytes()
    for kept in (0, 50, len(whole) // 2):
        (tmp_path / "cut.x5").write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"cut\.x5: expected a transform in X5") as error:
            read(tmp_path / "cut.x5")
        assert "\n" not in str(error.value)
