"""Figure 5: Dice of every region and method over the test pairs, as boxes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from pmrnet.errors import InputError
from pmrnet.figures import style

# Black, on which the median is not seen, left out.
_COLOURS = [colour for colour in style.COLOURS if colour != style.BLACK]
_PANELS_IN_A_ROW = 4


def draw_dice_boxes(
    scores: Mapping[str, pd.DataFrame], absent: Mapping[str, str], title: str = ""
) -> Figure:
    """Draw a panel for every region, with a box for each method.

    Parameters
    ----------
    scores
        By title of the method what `pmrnet.summary.pair_scores` gives: a row for each pair, a
        column for each region. Titles that are alike up to the first comma, such as those of one
        network trained in several ways, have one colour.
    absent
        Titles of methods without scores, and why: named below.
    title
        What data set it is.

    Returns
    -------
    matplotlib.figure.Figure
        Methods from top to bottom, named at the left. Boxes from the first to the third quartile
        with the median; whiskers to the last pair within 1.5 of their length; pairs beyond as
        points.

    Raises
    ------
    InputError
        If there are no scores.
    """
    if not scores:
        raise InputError(
            "Box plots of Dice: expected the stored result of one method or more, found none; run "
            "`make evaluate` for a method."
        )
    regions = list(next(iter(scores.values())).columns)
    note = style.absent_lines(absent)
    columns = min(len(regions), _PANELS_IN_A_ROW)
    rows = -(-len(regions) // columns)
    height = 0.5 + rows * (0.5 + 0.15 * len(scores)) + 0.16 * len(note)
    figure = style.new_figure(height=height)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, region in zip(panels, regions, strict=False):
        _draw_region(panel, scores, region)
    for panel in panels[len(regions) :]:
        panel.set_axis_off()
    panels[0].set_yticks(range(len(scores)), list(scores), fontsize=style.SMALL)
    panels[0].set_ylim(len(scores) - 0.4, -0.6)  # the first method on top
    if title:
        figure.suptitle(title, fontsize=style.NORMAL)
    if note:
        style.add_note(figure, note)
    return figure


def _draw_region(panel: Axes, scores: Mapping[str, pd.DataFrame], region: str) -> None:
    families = list(dict.fromkeys(_family(method) for method in scores))
    colours = [_COLOURS[families.index(_family(method)) % len(_COLOURS)] for method in scores]
    boxes = panel.boxplot(
        [table[region].dropna() for table in scores.values()],
        positions=range(len(scores)),
        orientation="horizontal",
        widths=0.7,
        patch_artist=True,
        manage_ticks=False,
        flierprops={"marker": ".", "markersize": 2, "markeredgecolor": "0.5"},
        medianprops={"color": "black", "linewidth": 1},
        whiskerprops={"linewidth": 0.6},
        capprops={"linewidth": 0.6},
    )
    for box, colour in zip(boxes["boxes"], colours, strict=True):
        box.set(facecolor=colour, linewidth=0.6)
    panel.set_title(region, fontsize=style.SMALL)
    panel.tick_params(labelsize=style.SMALL, labelbottom=True)
    panel.xaxis.set_major_locator(MultipleLocator(0.2))
    panel.xaxis.set_minor_locator(MultipleLocator(0.1))
    panel.grid(axis="x", which="both", linewidth=0.3, color="0.8")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _family(title: str) -> str:
    """What the variants of a method have in common."""
    return title.split(",")[0]
