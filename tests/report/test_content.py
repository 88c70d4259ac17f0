import numpy as np
import pytest

from pmrnet.errors import InputError


def test_what_it_derives(make_content, brain):
    content = make_content()
    np.testing.assert_array_equal(content.brain, brain != 0)
    np.testing.assert_allclose(content.spacing, 2)


def oblique():
    angle = np.deg2rad(3)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix


SHAPE = (30, 36, 28)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"fixed": np.ones((3, 4))}, r"fixed image of shape \(X, Y, Z\).*found \(3, 4\)"),
        ({"fixed": np.zeros(SHAPE)}, "found only zeros"),
        ({"moved": np.ones((30, 36, 27))}, r"moved: expected the shape \(30, 36, 28\)"),
        ({"moved": None}, "moved: expected the shape"),
        ({"displacement": np.zeros(SHAPE)}, r"displacement: expected.*\(30, 36, 28, 3\)"),
        ({"jacobian": np.full(SHAPE, np.nan)}, "jacobian: expected finite values, found 30240"),
        ({"moving": np.ones(SHAPE, complex)}, "moving: expected real numbers, found complex128"),
        ({"moved_labels": np.ones(SHAPE)}, "moved labels: expected integers, found float64"),
        ({"difference_after": np.ones(SHAPE)}, "before and after, or neither"),
        ({"affine": np.diag([-1, 1, 1, 1])}, "axes point to the right"),
        ({"affine": oblique()}, "resample with pmrnet.report.to_display_grid"),
        ({"affine": np.zeros((4, 4))}, "invertible"),
    ],
)
def test_refuses(make_content, parts, message):
    with pytest.raises(InputError, match=message):
        make_content(**parts)
