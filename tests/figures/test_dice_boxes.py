import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from pmrnet.errors import InputError
from pmrnet.figures.dice_boxes import draw_dice_boxes
from pmrnet.figures.style import texts_of
from pmrnet.methods import METHODS

REGIONS = ["Frontal", "Hippocampus", "All labels"]


def table(rng, low):
    return pd.DataFrame(low + 0.1 * rng.random((20, 3)), columns=REGIONS)


def medians(figure, panel=0):
    """Positions and heights of the boxes' medians."""
    drawn = [line for line in figure.axes[panel].lines if line.get_linestyle() != "None"]
    lines = [line for line in drawn if line.get_linewidth() == 1]
    return sorted((np.mean(line.get_xdata()), line.get_ydata()[0]) for line in lines)


def test_boxes_stand_by_region_then_method(rng):
    scores = {"one": table(rng, 0.3), "two": table(rng, 0.6)}
    figure = draw_dice_boxes(scores, {"three": "no result stored"}, "Dice")
    figure.canvas.draw()
    found = medians(figure)
    expected = [scores[m][region].median() for region in REGIONS for m in scores]
    np.testing.assert_allclose([height for _, height in found], expected)
    assert [round(x) for x, _ in found] == [0, 0, 1, 1, 2, 2]
    texts = texts_of(figure)
    assert {"one", "two", "Dice", *REGIONS, "Absent (no result stored): three."} <= set(texts)


def test_pairs_without_a_score_are_left_out(rng):
    scores = {"one": table(rng, 0.3)}
    scores["one"].loc[3:, "Hippocampus"] = np.nan
    found = medians(draw_dice_boxes(scores, {}))
    assert found[1][1] == pytest.approx(scores["one"]["Hippocampus"][:3].median())


def test_more_methods_than_colours_can_be_told_apart(rng):
    figure = draw_dice_boxes({name: table(rng, 0.4) for name in METHODS}, {})
    looks = {
        (patch.get_facecolor(), patch.get_hatch()) for patch in figure.legends[0].get_patches()
    }
    assert len(looks) == len(METHODS)
    # On black neither a hatch nor the median is seen.
    assert "#000000" not in {to_hex(colour) for colour, _ in looks}


def test_regions_of_many_methods_stand_in_rows(rng):
    regions = [f"region {n}" for n in range(7)]
    scores = {
        f"m{n}": pd.DataFrame(rng.random((5, 7)), columns=regions, dtype=float) for n in range(25)
    }
    figure = draw_dice_boxes(scores, {})
    figure.canvas.draw()
    assert len(figure.axes) == 2
    expected = [scores[m][region].median() for region in regions for m in scores]
    found = [height for panel in (0, 1) for _, height in medians(figure, panel)]
    np.testing.assert_allclose(found, expected)
    assert set(regions) <= set(texts_of(figure))
    first, last = (panel.get_xlim() for panel in figure.axes)
    assert first == last, "boxes of all rows are as wide"


def test_titles_of_all_methods_are_not_cut_off(rng):
    titles = [method.title for method in METHODS.values()]
    figure = draw_dice_boxes({title: table(rng, 0.4) for title in titles}, {})
    figure.canvas.draw()
    inside = figure.legends[0].get_window_extent()
    assert inside.x0 >= 0
    assert inside.x1 <= figure.bbox.x1
    assert inside.y1 <= figure.bbox.y1
    assert figure.axes[0].get_position().height > 0.4


def test_no_scores_at_all():
    with pytest.raises(InputError, match="make evaluate"):
        draw_dice_boxes({}, {"one": "no result stored"})
