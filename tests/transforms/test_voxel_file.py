import numpy as np
import pytest
from scipy import ndimage
from spaces import AXIS_ORDERS, FIXED, oblique, smooth, smooth_field

from pmrnet.data.volume import Volume
from pmrnet.errors import InputError
from pmrnet.transforms import apply_to_image, read, write


@pytest.mark.parametrize("order", [0, 7, 18, 29, 46])
def test_a_moving_image_on_the_fixed_grid_is_read_at_p_plus_u(rng, tmp_path, order):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[order])
    field = smooth_field(rng, FIXED, affine)
    with np.load(write(field, tmp_path / "a.npz", "voxel")) as content:
        assert set(content.files) == {"displacement", "affine", "shape"}
        u = content["displacement"]
        np.testing.assert_array_equal(content["affine"], affine)
        np.testing.assert_array_equal(content["shape"], FIXED)
    assert u.dtype == np.float32
    moving = smooth(rng, FIXED).astype(np.float32)
    expected = ndimage.map_coordinates(
        moving, np.indices(FIXED) + np.moveaxis(u, -1, 0), order=1, cval=np.nan
    )
    image = apply_to_image(field, Volume(moving, affine), Volume(moving, affine))
    inside = np.isfinite(expected)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(np.asarray(image.dataobj)[inside], expected[inside], atol=1e-5)


@pytest.mark.parametrize("order", [0, 29])
def test_round_trip(rng, tmp_path, order):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED, AXIS_ORDERS[order])
    field = smooth_field(rng, FIXED, affine)
    back = read(write(field, tmp_path / "a.npz", "voxel"))
    np.testing.assert_allclose(back.displacement, field.displacement, atol=1e-5)
    np.testing.assert_array_equal(back.affine, affine)


def test_unusable(rng, tmp_path):
    good = {
        "displacement": np.zeros((7, 8, 9, 3), np.float32),
        "affine": np.eye(4),
        "shape": np.array([7, 8, 9]),
    }

    def saved(**changes):
        content = {k: v for k, v in (good | changes).items() if v is not None}
        np.savez(tmp_path / "a.npz", **content)
        return tmp_path / "a.npz"

    np.testing.assert_array_equal(read(saved()).displacement, 0)
    with pytest.raises(InputError, match="found no affine"):
        read(saved(affine=None))
    with pytest.raises(InputError, match=r"of shape \(7, 9, 8, 3\)"):
        read(saved(shape=np.array([7, 9, 8])))
    with pytest.raises(InputError, match="of type int64"):
        read(saved(displacement=np.zeros((7, 8, 9, 3), int)))
    with pytest.raises(InputError, match=r"a\.npz: .*invertible 4x4"):
        read(saved(affine=np.zeros((4, 4))))
    with pytest.raises(InputError, match="NaN or infinity"):
        read(saved(displacement=np.full((7, 8, 9, 3), np.nan, np.float32)))
    with pytest.raises(InputError, match=r"a\.npz: expected"):
        read(saved(displacement=np.array([{}], object)))
    path = saved()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged, truncated or foreign"):
        read(path)
