"""The reliability figure: what is drawn is what was stored."""

import pandas as pd
import pytest

from pmrnet.errors import InputError
from pmrnet.figures import style
from pmrnet.figures.reliability import draw_reliability


def curves(splits=("validation", "test")):
    rows = []
    for split in splits:
        for name, factor in (("raw", 1), ("fitted", 4)):
            for x in (0.2, 0.3, 0.5):
                end = {"split": split, "temperature": name, "points": 9}
                rows.append({**end, "curve": "deviation", "x": factor * x, "y": 1.0})
                rows.append({**end, "curve": "coverage", "x": x, "y": x / 2})
    return pd.DataFrame(rows)


def test_lines_are_the_stored_ones():
    figure = draw_reliability({"here": curves(), "there": curves()})
    assert len(figure.axes) == 4
    deviation, coverage = figure.axes[:2]
    lines = {line.get_label(): line for line in deviation.lines}
    assert set(lines) == {
        "posterior as it is",
        "temperature fitted on validation pairs",
        "calibrated",
    }
    fitted = lines["temperature fitted on validation pairs"]
    assert fitted.get_xdata().tolist() == pytest.approx([0.8, 1.2, 2.0])
    assert coverage.lines[0].get_ydata().tolist() == pytest.approx([0.1, 0.15, 0.25])
    texts = style.texts_of(figure)
    assert {"here", "there", "root mean square error, mm"} <= set(texts)


def test_validation_pairs_where_there_are_no_test_pairs():
    figure = draw_reliability({"here": curves(("validation",))})
    assert len(figure.axes[0].lines[0].get_xdata()) == 3


def test_nothing():
    with pytest.raises(InputError, match="found none"):
        draw_reliability({})
