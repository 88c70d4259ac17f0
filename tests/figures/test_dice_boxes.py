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


def medians(panel):
    """Positions of the boxes' medians and where they are."""
    drawn = [line for line in panel.lines if line.get_linestyle() != "None"]
    lines = [line for line in drawn if line.get_linewidth() == 1]
    return sorted((np.mean(line.get_ydata()), line.get_xdata()[0]) for line in lines)


def test_boxes_stand_by_region_then_method(rng):
    scores = {"one": table(rng, 0.3), "two": table(rng, 0.6)}
    figure = draw_dice_boxes(scores, {"three": "no result stored"}, "Dice")
    figure.canvas.draw()
    for panel, region in zip(figure.axes, REGIONS, strict=True):
        assert panel.get_title() == region
        expected = list(enumerate(scores[method][region].median() for method in scores))
        np.testing.assert_allclose(medians(panel), expected)
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == list(scores)
    assert first.get_ylim()[0] > first.get_ylim()[1], "the first method is on top"
    texts = texts_of(figure)
    assert {"one", "two", "Dice", *REGIONS} <= set(texts)
    assert "Absent (no result stored): three." in " ".join(texts)


def test_pairs_without_a_score_are_left_out(rng):
    scores = {"one": table(rng, 0.3)}
    scores["one"].loc[3:, "Hippocampus"] = np.nan
    ((_, found),) = medians(draw_dice_boxes(scores, {}).axes[1])
    assert found == pytest.approx(scores["one"]["Hippocampus"][:3].median())


def test_variants_of_a_method_have_its_colour(rng):
    titles = ["One", "One, refined", "Two", "Two plus", "Two plus, then 1 mm"]
    figure = draw_dice_boxes({title: table(rng, 0.4) for title in titles}, {})
    colours = [to_hex(box.get_facecolor()) for box in figure.axes[0].patches]
    assert len(colours) == 5
    assert colours[0] == colours[1]
    assert colours[3] == colours[4]
    assert len(set(colours)) == 3
    titles = [method.title for method in METHODS.values()]
    many = draw_dice_boxes({title: table(rng, 0.4) for title in titles}, {})
    colours = [to_hex(box.get_facecolor()) for box in many.axes[0].patches]
    by_title = dict(zip(titles, colours, strict=True))
    # On black the median is not seen.
    assert "#000000" not in colours
    assert by_title["No registration"] == by_title["Affine"]
    assert by_title["PMR-Net as the authors released it"] == by_title["PMR-Net"]
    # No colour stands for two families.
    assert len(set(colours)) == 8


def test_many_regions_stand_in_rows(rng):
    regions = [f"region {n}" for n in range(7)]
    scores = {
        f"m{n}": pd.DataFrame(rng.random((5, 7)), columns=regions, dtype=float) for n in range(25)
    }
    figure = draw_dice_boxes(scores, {})
    figure.canvas.draw()
    assert [panel.get_title() for panel in figure.axes] == [*regions, ""]
    assert not figure.axes[-1].axison
    tops = [round(panel.get_position().y1, 3) for panel in figure.axes[:7]]
    assert tops[:4] == [tops[0]] * 4
    assert tops[4:] == [tops[4]] * 3
    limits = {panel.get_ylim() for panel in figure.axes[:7]}
    assert len(limits) == 1, "the methods stand at the same heights"
    # Each row of panels names the methods at its left, and only there.
    named = [
        any(label.get_visible() and label.get_text() for label in panel.get_yticklabels())
        for panel in figure.axes[:7]
    ]
    assert named == [True, False, False, False, True, False, False]


def test_a_region_has_a_scale_of_its_own_that_what_is_far_off_does_not_stretch(rng):
    near = {"one": table(rng, 0.6), "two": table(rng, 0.65)}
    near["one"]["Hippocampus"] -= 0.2
    far = {"far": table(rng, 0.1)}
    figure = draw_dice_boxes(far | near, {}, beyond=["far", "not here"])
    for panel, region in zip(figure.axes, REGIONS, strict=True):
        low, high = panel.get_xlim()
        least = min(of[region].min() for of in near.values())
        greatest = max(of[region].max() for of in near.values())
        assert least - 0.02 < low < least
        assert greatest < high < greatest + 0.02
    note = "Beyond the panels' edge in part: far."
    assert note in " ".join(texts_of(figure))
    assert note not in " ".join(texts_of(draw_dice_boxes(far | near, {})))
    assert draw_dice_boxes(far | near, {}).axes[0].get_xlim()[0] < 0.2
    # Where there is nothing else, it is what is shown.
    alone = draw_dice_boxes(far, {}, beyond=["far"])
    assert alone.axes[0].get_xlim()[0] < far["far"]["Frontal"].min()
    assert note not in " ".join(texts_of(alone))


def test_a_region_without_scores_has_an_empty_panel(rng):
    scores = {"one": table(rng, 0.3)}
    scores["one"]["Hippocampus"] = np.nan
    assert draw_dice_boxes(scores, {}).axes[1].get_xlim() == (0, 1)


def test_titles_of_all_methods_are_not_cut_off(rng):
    titles = [method.title for method in METHODS.values()]
    figure = draw_dice_boxes({title: table(rng, 0.4) for title in titles}, {})
    figure.canvas.draw()
    labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert min(label.x0 for label in labels) >= 0
    # Nor do they lie on each other.
    tops = sorted(label.y0 for label in labels)
    assert min(np.diff(tops)) > 0.9 * labels[0].height
    assert figure.axes[0].get_position().width > 0.1


def test_no_scores_at_all():
    with pytest.raises(InputError, match="make evaluate"):
        draw_dice_boxes({}, {"one": "no result stored"})
