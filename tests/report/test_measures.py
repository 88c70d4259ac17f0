import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrnet.report.measures import correlation, measure, overlaps


def test_correlation_against_numpy(rng):
    a, b = rng.normal(size=(2, 7, 8, 9))
    mask = rng.random((7, 8, 9)) > 0.3
    expected = np.corrcoef(a[mask], b[mask])[0, 1]
    assert correlation(a, b, mask) == pytest.approx(expected, abs=1e-12)


@given(scale=st.floats(0.01, 100), offset=st.floats(-1000, 1000))
def test_correlation_ignores_linear_scaling(scale, offset):
    a, b = np.random.default_rng(0).normal(size=(2, 300))
    mask = np.ones(300, bool)
    value = correlation(a, b, mask)
    assert correlation(a, scale * b + offset, mask) == pytest.approx(value, abs=1e-6)
    assert correlation(a, -scale * b + offset, mask) == pytest.approx(-value, abs=1e-6)
    assert correlation(a, a, mask) == pytest.approx(1)


def test_correlation_is_undefined_without_variation(brain):
    everywhere = np.ones(brain.shape, bool)
    assert np.isnan(correlation(brain, np.ones_like(brain), everywhere))
    assert np.isnan(correlation(brain, brain, np.zeros_like(everywhere)))


def test_measure(make_content, brain):
    displacement = np.zeros((*brain.shape, 3), np.float32)
    displacement[..., 0] = 3
    displacement[..., 2] = np.where(np.indices(brain.shape)[0] < 15, 0, 4)
    displacement[0, 0, 0] = 1000  # outside the brain: must not count
    jacobian = np.where(brain > np.median(brain[brain > 0]), 2.0, 0.5)
    jacobian[0, 0, 0] = -1
    jacobian[15, 18, 14] = 0
    content = make_content(
        displacement=displacement, jacobian=jacobian, uncertainty=np.full(brain.shape, 0.7)
    )
    found = measure(content)
    inside = brain > 0
    five = np.mean(np.indices(brain.shape)[0][inside] >= 15)
    assert found["displacement_mean_mm"] == pytest.approx(3 + 2 * five)
    assert found["displacement_max_mm"] == pytest.approx(5)
    assert found["displacement_p95_mm"] == pytest.approx(5)
    assert found["folding_fraction"] == pytest.approx(1 / inside.sum())
    assert (found["jacobian_min"], found["jacobian_max"]) == (0, 2)
    assert found["uncertainty_mean_mm"] == pytest.approx(0.7)
    assert found["correlation_after"] == pytest.approx(
        np.corrcoef(brain[inside], content.moved[inside])[0, 1]
    )
    assert found["correlation_before"] < found["correlation_after"]
    assert found["dice_before"] < found["dice_after"] < 1


def test_measure_leaves_out_what_is_not_there(make_content):
    found = measure(make_content(uncertainty=None, fixed_labels=None))
    assert not any(name.startswith(("uncertainty", "dice")) for name in found)
    found = measure(make_content(moving_labels=None))
    assert "dice_before" not in found
    assert "dice_after" in found


def test_overlaps(make_content):
    content = make_content()
    fixed, moved = content.fixed_labels, content.moved_labels
    expected = 2 * ((fixed == 2) & (moved == 2)).sum() / ((fixed == 2).sum() + (moved == 2).sum())
    found = overlaps(content)
    assert list(found) == ["before", "after"]
    assert list(found["after"]) == [1, 2]
    assert found["after"][2] == pytest.approx(expected)
    assert overlaps(make_content(fixed_labels=np.zeros_like(fixed))) == {}
    # A label that was lost counts 0.
    lost = overlaps(make_content(moved_labels=np.where(moved == 2, 0, moved)))
    assert lost["after"][2] == 0
