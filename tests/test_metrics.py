import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pmrnet.errors import InputError
from pmrnet.metrics import (
    dice_per_label,
    endpoint_error,
    folding_fraction,
    jacobian_determinant,
    sdlogj,
)

SHAPE = (7, 8, 9)


def grid(shape=SHAPE):
    """Voxel indices, shape (X, Y, Z, 3)."""
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).astype(float)


# -- Dice


def plain_dice(a, b, label):
    in_a, in_b = a == label, b == label
    total = in_a.sum() + in_b.sum()
    return 2 * (in_a & in_b).sum() / total if total else np.nan


volumes = hnp.arrays(np.int16, (3, 4, 5), elements=st.sampled_from([-3, 0, 1, 2, 7, 300, 301]))


@given(volumes, volumes, st.permutations([0, 1, 2, 7, 300, 9]))
def test_dice_is_the_definition_for_every_label(a, b, labels):
    dice = dice_per_label(a, b, labels)
    assert list(dice) == labels
    for label in labels:
        assert dice[label] == pytest.approx(plain_dice(a, b, label), nan_ok=True)


@given(volumes, volumes)
def test_dice_is_symmetric_and_one_for_equal_volumes(a, b):
    labels = [0, 1, 2, 7, 300]
    forward, backward = dice_per_label(a, b, labels), dice_per_label(b, a, labels)
    assert np.array_equal([*forward.values()], [*backward.values()], equal_nan=True)
    own = dice_per_label(a, a, labels)
    assert own == {k: pytest.approx(1 if (a == k).any() else np.nan, nan_ok=True) for k in labels}


def test_dice_of_absent_labels():
    a = np.zeros(SHAPE, np.uint8)
    b = a.copy()
    a[0] = 5
    dice = dice_per_label(a, b, [5, 6])
    assert dice[5] == 0
    assert np.isnan(dice[6])


def test_dice_by_hand():
    a = np.array([1, 1, 1, 2, 0, 0], np.uint8)
    b = np.array([1, 1, 2, 2, 2, 0], np.uint8)
    assert dice_per_label(a, b, [1, 2]) == {1: pytest.approx(4 / 5), 2: pytest.approx(2 / 4)}


def test_negative_values_are_not_taken_for_labels_counted_from_the_end():
    a = np.array([1, 2, 3, 4, -1, -2, -3, -4, -5])
    b = np.array([-3, 2, -1, 4, 1, 1, 3, 0, 0])
    expected = {label: plain_dice(a, b, label) for label in (1, 2, 3, 4)}
    assert dice_per_label(a, b, [1, 2, 3, 4]) == pytest.approx(expected)


def test_dice_of_more_labels_than_a_byte_holds():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 400, (2, 30, 30, 30))
    labels = list(range(1, 400))
    expected = [plain_dice(a, b, label) for label in labels]
    assert list(dice_per_label(a, b, labels).values()) == pytest.approx(expected)


def test_dice_of_labels_numbered_by_the_hundred_million():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-1, 5, (2, 7, 8, 9))
    small, large = [3, 1, 4], [614_454_277, 997, 312_782_546]
    numbers = np.array([0, large[1], 2, large[0], large[2], -1])  # of 0, 1, 2, 3, 4 and -1
    expected = list(dice_per_label(a, b, small).values())
    found = dice_per_label(numbers[a], numbers[b], large)
    assert list(found) == large
    assert list(found.values()) == expected
    assert np.isfinite(expected).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64])
def test_dice_does_not_depend_on_the_integer_type(dtype):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 200, (2, *SHAPE))
    labels = [*range(1, 100), 254]
    reference = dice_per_label(a, b, labels)
    other = dice_per_label(a.astype(dtype), b.astype(np.uint8), labels)
    assert other == pytest.approx(reference, nan_ok=True)


@pytest.mark.parametrize(
    ("a", "b", "labels"),
    [
        (np.zeros((2, 3, 4), int), np.zeros((2, 4, 3), int), [1]),
        (np.zeros(SHAPE), np.zeros(SHAPE, int), [1]),
        (np.zeros(SHAPE, int), np.zeros(SHAPE, int), []),
        (np.zeros(SHAPE, int), np.zeros(SHAPE, int), [1, 1]),
        (np.zeros(SHAPE, int), np.zeros(SHAPE, int), [-1]),
    ],
)
def test_dice_refuses(a, b, labels):
    with pytest.raises(InputError):
        dice_per_label(a, b, labels)


# -- Jacobian determinant


@pytest.mark.parametrize("shape", [SHAPE, (2, 2, 2), (8, 3, 2), (9, 4, 5), (17, 3, 4)])
def test_determinant_of_a_linear_map_is_exact_everywhere(shape):
    rng = np.random.default_rng(2)
    matrix = np.eye(3) + 0.3 * rng.standard_normal((3, 3))
    displacement = grid(shape) @ (matrix - np.eye(3)).T + [1, -2, 3]
    determinant = jacobian_determinant(displacement)
    assert determinant.shape == shape
    assert determinant == pytest.approx(np.full(shape, np.linalg.det(matrix)))


@settings(max_examples=30)
@given(hnp.arrays(float, (3, 3), elements=st.floats(-2, 2)))
def test_determinant_of_any_linear_map(matrix):
    determinant = jacobian_determinant(grid((3, 4, 2)) @ (matrix - np.eye(3)).T)
    assert determinant == pytest.approx(np.full((3, 4, 2), np.linalg.det(matrix)), abs=1e-9)


def test_determinant_of_a_smooth_field_against_the_closed_form():
    p = grid((40, 36, 32))
    x, y, z = np.moveaxis(p, -1, 0)
    displacement = np.stack(
        [3 * np.sin(x / 9 + y / 11), 2 * np.cos(y / 8), np.sin(z / 7 + x / 6)], -1
    )
    inner = 1 + np.cos(x / 9 + y / 11) / 3
    expected = inner * (1 - np.sin(y / 8) / 4) * (1 + np.cos(z / 7 + x / 6) / 7)
    found = jacobian_determinant(displacement)
    # Central differences are second order inside, one-sided ones first order at the border.
    inside = (slice(1, -1),) * 3
    assert np.abs(found - expected)[inside].max() < 3e-3
    assert 3e-3 < np.abs(found - expected).max() < 5e-2


def test_determinant_uses_central_differences_inside_and_one_sided_at_the_border():
    displacement = np.zeros((4, 2, 2, 3))
    displacement[..., 0] = np.array([0, 1, 4, 9])[:, None, None]
    expected = 1 + np.array([1, 2, 4, 5])
    assert jacobian_determinant(displacement)[:, 0, 0] == pytest.approx(expected)


def test_determinant_does_not_depend_on_how_the_volume_is_cut_into_slabs():
    field = np.random.default_rng(3).standard_normal((19, 4, 5, 3))
    rows = [np.gradient(field[..., i]) for i in range(3)]
    jacobian = np.moveaxis(np.array(rows), (0, 1), (-2, -1)) + np.eye(3)
    assert jacobian_determinant(field) == pytest.approx(np.linalg.det(jacobian))


def test_determinant_in_millimetres_equals_that_in_voxels():
    voxel = np.array([1.0, 0.5, 2.0])
    field = np.random.default_rng(4).standard_normal((*SHAPE, 3))
    in_mm = jacobian_determinant(field * voxel, spacing=voxel)
    assert in_mm == pytest.approx(jacobian_determinant(field))


def test_determinant_keeps_single_precision_and_lifts_half():
    assert jacobian_determinant(np.zeros((*SHAPE, 3), np.float32)).dtype == np.float32
    assert jacobian_determinant(np.zeros((*SHAPE, 3), np.float16)).dtype == np.float32


@pytest.mark.parametrize("shape", [(7, 8, 9), (7, 8, 9, 2), (1, 8, 9, 3), (7, 8, 1, 3)])
def test_determinant_refuses(shape):
    with pytest.raises(InputError):
        jacobian_determinant(np.zeros(shape))


# -- folding and SDlogJ


def test_folding_of_a_reflected_half_is_counted():
    # Along x the map goes 0, 1, ..., 5 and back: a central difference is +1, 0 at the turn, -1.
    x = np.arange(11)
    displacement = np.zeros((11, 4, 3, 3))
    displacement[..., 0] = (5 - np.abs(x - 5) - x)[:, None, None]
    determinant = jacobian_determinant(displacement)
    assert determinant[:, 0, 0] == pytest.approx([1] * 5 + [0] + [-1] * 5)
    assert folding_fraction(determinant) == pytest.approx(6 / 11)
    mask = np.zeros(determinant.shape, bool)
    mask[:6] = True
    assert folding_fraction(determinant, mask) == pytest.approx(1 / 6)


def test_identity_has_no_folding_and_no_spread():
    determinant = jacobian_determinant(np.zeros((*SHAPE, 3)))
    assert folding_fraction(determinant) == 0
    assert sdlogj(determinant) == 0


def test_what_is_no_number_counts_as_folded():
    determinant = np.array([1.0, np.nan, 2.0, -1.0])
    assert folding_fraction(determinant) == 0.5
    assert np.isnan(sdlogj(determinant))


def test_sdlogj_by_hand():
    determinant = np.exp(np.array([1.0, 3.0, -1.0, 5.0]))
    assert sdlogj(determinant) == pytest.approx(np.sqrt(5))
    assert sdlogj(determinant, np.array([1, 1, 0, 0])) == pytest.approx(1)


def test_sdlogj_takes_non_positive_determinants_as_the_floor():
    assert sdlogj(np.array([1.0, -2.0])) == pytest.approx(np.log(1e9) / 2)
    assert sdlogj(np.array([1.0, 0.0])) == pytest.approx(np.log(1e9) / 2)


@given(hnp.arrays(float, 12, elements=st.floats(1e-3, 1e3)), st.floats(1e-2, 1e2))
def test_sdlogj_ignores_a_global_scale(determinant, scale):
    assert sdlogj(scale * determinant) == pytest.approx(sdlogj(determinant), abs=1e-9)


@pytest.mark.parametrize("measure", [folding_fraction, sdlogj])
@pytest.mark.parametrize("mask", [np.zeros(SHAPE, bool), np.ones((7, 9, 8), bool)])
def test_masks_that_do_not_fit_are_refused(measure, mask):
    with pytest.raises(InputError, match="mask"):
        measure(np.ones(SHAPE), mask)


# -- error against a known field


def test_endpoint_error_by_hand():
    truth = np.random.default_rng(5).standard_normal((*SHAPE, 3))
    length = np.arange(np.prod(SHAPE)).reshape(SHAPE)  # 0 ... 503 voxels along y
    displacement = truth.copy()
    displacement[..., 1] += length
    error = endpoint_error(displacement, truth, spacing=(1, 0.5, 7))
    assert error == pytest.approx({"mean": 251.5 / 2, "median": 251.5 / 2, "p95": 0.95 * 503 / 2})
    first = endpoint_error(displacement, truth, 2.0, length < 3)
    assert first == pytest.approx({"mean": 2, "median": 2, "p95": 3.8})


@settings(max_examples=30)
@given(hnp.arrays(np.float32, (2, 3, 2, 3), elements=st.floats(-50, 50, width=32)))
def test_endpoint_error_is_symmetric_and_homogeneous(field):
    zero = np.zeros_like(field)
    forward = endpoint_error(field, zero)
    assert forward == pytest.approx(endpoint_error(zero, field))
    assert endpoint_error(field, zero, 3.0) == pytest.approx({k: 3 * v for k, v in forward.items()})
    assert endpoint_error(field, field)["mean"] == 0
    assert forward["mean"] == pytest.approx(np.linalg.norm(field.astype(float), axis=-1).mean())


@pytest.mark.parametrize("shape", [(7, 8, 9, 2), (7, 9, 8, 3), (7, 8, 9)])
def test_endpoint_error_refuses(shape):
    with pytest.raises(InputError):
        endpoint_error(np.zeros(shape), np.zeros((*SHAPE, 3)))


def test_the_learn2reg_count_that_is_not_followed_here():
    # What its evaluator does: it hides every fold, which is why the count here is not its count.
    determinant = np.array([-2.0, -0.5, 1.0])
    theirs = (np.clip(determinant + 3, 1e-9, 1e9) <= 0).mean()
    assert theirs == 0
    assert folding_fraction(determinant) == pytest.approx(2 / 3)
