import re

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrnet.report.colour_scales import (
    FOLDING_CSS,
    FOLDING_INDEX,
    jacobian_scale,
    uncertainty_scale,
)


def test_jacobian_diverges_about_one():
    scale = jacobian_scale()
    palette = scale.palette().astype(int)
    middle = palette[scale.index(np.log2(1.0))]
    assert middle[:3].min() > 240
    for factor in (1.2, 2.0, 4.0):
        above, below = (palette[scale.index(s * np.log2(factor))] for s in (1, -1))
        assert above[0] > above[2], "red above 1"
        assert below[2] > below[0], "blue below 1"
        up, down = (int(scale.index(s * np.log2(factor))) - int(scale.index(0.0)) for s in (1, -1))
        assert up == -down
    assert scale.index(50.0) == scale.index(2.0) < FOLDING_INDEX
    assert scale.index(-50.0) == 1


def test_ticks_say_where_values_are():
    scale = jacobian_scale()
    for text, place in scale.ticks:
        value = np.log2(float(text.lstrip("≤≥ ")))
        assert place == pytest.approx((value - scale.low) / (scale.high - scale.low))
    assert [text for text, _ in scale.ticks] == ["≤ 0.25", "0.5", "1", "2", "≥ 4"]


def test_palette():
    palette = jacobian_scale().palette()
    assert palette[0, 3] == 0
    assert (palette[1:, 3] == 255).all()
    assert len(palette) - 1 == FOLDING_INDEX
    assert "rgb({},{},{})".format(*palette[FOLDING_INDEX, :3]) == FOLDING_CSS
    ends = matplotlib.colormaps["RdBu_r"]([0.0, 1.0], bytes=True)
    np.testing.assert_array_equal(palette[[1, -2]], ends)


def test_gradient_has_the_colours_of_the_map():
    found = re.findall(r"rgb\((\d+),(\d+),(\d+)\)", jacobian_scale().gradient())
    expected = matplotlib.colormaps["RdBu_r"](np.linspace(0, 1, len(found)), bytes=True)
    np.testing.assert_array_equal(np.array(found, int), expected[:, :3])


@given(top=st.floats(1e-6, 1e6))
def test_uncertainty_ends_at_a_round_number(top):
    scale = uncertainty_scale(np.full(10, top))
    assert scale.low == 0
    assert top <= scale.high * (1 + 1e-6)
    assert scale.high <= 2.5 * top
    assert float(scale.ticks[-1][0].removeprefix("≥ ")) == pytest.approx(scale.high)
    assert float(scale.ticks[1][0]) == pytest.approx(scale.high / 2)


def test_uncertainty_ignores_the_last_percent():
    values = np.full(1000, 0.8)
    values[:5] = 900
    assert uncertainty_scale(values).high == 1.0
    assert uncertainty_scale(values).ticks[-1] == ("≥ 1", 1.0)
    assert uncertainty_scale(np.zeros(4)).high == 1.0
    assert uncertainty_scale(np.zeros(4)).ticks[-1] == ("1", 1.0)


@given(a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_index_never_falls(a, b):
    scale = jacobian_scale()
    low, high = sorted((a, b))
    assert 1 <= scale.index(low) <= scale.index(high) < FOLDING_INDEX
