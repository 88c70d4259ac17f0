"""Figure 5: Dice of every region and method over the test pairs, as boxes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pmrnet.errors import InputError
from pmrnet.figures import style

# Grey in place of black, on which neither the median nor a hatch is seen.
_COLOURS = tuple("0.75" if colour == style.BLACK else colour for colour in style.COLOURS)
# For more methods than there are colours.
_HATCHES = ("", "////", "....", "xxxx")
# Boxes that fit beside each other in a page's width and can be told apart.
_BOXES_IN_A_ROW = 110


def draw_dice_boxes(
    scores: Mapping[str, pd.DataFrame], absent: Mapping[str, str], title: str = ""
) -> Figure:
    """Draw a group of boxes for every region, one box for each method.

    Parameters
    ----------
    scores
        By title of the method what `pmrnet.summary.pair_scores` gives: a row for each pair, a
        column for each region.
    absent
        Titles of methods without scores, and why: named below.
    title
        What data set it is.

    Returns
    -------
    matplotlib.figure.Figure
        Boxes from the first to the third quartile with the median; whiskers to the last pair
        within 1.5 of their height; pairs beyond as points. Many methods have the regions in rows.

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
    # Three titles are as wide as the figure.
    columns = min(len(scores), 3)
    lines = len(note) + max(0, -(-len(scores) // columns) - 4)
    rows = _rows(regions, len(scores))
    figure = style.new_figure(height=1.3 + 2.3 * len(rows) + 0.16 * lines)
    panels = figure.subplots(len(rows), sharey=True, squeeze=False)[:, 0]
    looks = [
        (_COLOURS[n % len(_COLOURS)], _HATCHES[n // len(_COLOURS) % len(_HATCHES)])
        for n in range(len(scores))
    ]
    for panel, shown in zip(panels, rows, strict=True):
        _draw_row(panel, scores, shown, looks, len(rows[0]))
    handles = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="black", label=method)
        for method, (colour, hatch) in zip(scores, looks, strict=True)
    ]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=columns,
        columnspacing=1.2,
        handlelength=1.6,
        fontsize=style.SMALL,
        frameon=False,
        title=title or None,
        title_fontsize=style.NORMAL,
    )
    if note:
        style.add_note(figure, note)
    return figure


def _rows(regions: list[str], methods: int) -> list[list[str]]:
    """Regions in as few rows of about equal length as their boxes fit into."""
    count = min(len(regions), -(-len(regions) * methods // _BOXES_IN_A_ROW))
    length = -(-len(regions) // count)
    return [regions[i : i + length] for i in range(0, len(regions), length)]


def _draw_row(
    panel: Axes,
    scores: Mapping[str, pd.DataFrame],
    regions: list[str],
    looks: list[tuple[str, str]],
    places: int,
) -> None:
    """Draw some regions, with the room of `places` of them."""
    width = 0.8 / len(scores)
    for number, (table, (colour, hatch)) in enumerate(zip(scores.values(), looks, strict=True)):
        boxes = panel.boxplot(
            [table[region].dropna() for region in regions],
            positions=[x + width * (number - (len(scores) - 1) / 2) for x in range(len(regions))],
            widths=0.85 * width,
            patch_artist=True,
            manage_ticks=False,
            flierprops={"marker": ".", "markersize": 2, "markeredgecolor": colour},
            medianprops={"color": "black", "linewidth": 1},
            whiskerprops={"linewidth": 0.6},
            capprops={"linewidth": 0.6},
        )
        for box in boxes["boxes"]:
            box.set(facecolor=colour, hatch=hatch, linewidth=0.6)
    panel.set_xlim(-0.5, places - 0.5)
    panel.set_ylabel("Dice", fontsize=style.NORMAL)
    panel.set_xticks(range(len(regions)), regions, fontsize=style.SMALL)
    panel.tick_params(axis="y", labelsize=style.SMALL)
    panel.grid(axis="y", linewidth=0.3, color="0.8")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
