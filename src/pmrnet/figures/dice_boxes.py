"""Figure 5: Dice of every region and method over the test pairs, as boxes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pmrnet.errors import InputError
from pmrnet.figures import style

# Grey in place of black, on which neither the median nor a hatch is seen.
_COLOURS = tuple("0.75" if colour == style.BLACK else colour for colour in style.COLOURS)
# For more methods than there are colours.
_HATCHES = ("", "////", "....")


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
        within 1.5 of their height; pairs beyond as points.

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
    figure = style.new_figure(height=3.6 + 0.13 * lines)
    panel = figure.subplots()
    width = 0.8 / len(scores)
    handles = []
    for number, (method, table) in enumerate(scores.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        hatch = _HATCHES[number // len(_COLOURS) % len(_HATCHES)]
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
        handles.append(Patch(facecolor=colour, hatch=hatch, edgecolor="black", label=method))
    panel.set_xlim(-0.5, len(regions) - 0.5)
    panel.set_ylabel("Dice", fontsize=style.NORMAL)
    panel.set_xticks(range(len(regions)), regions, fontsize=style.SMALL)
    panel.tick_params(axis="y", labelsize=style.SMALL)
    panel.grid(axis="y", linewidth=0.3, color="0.8")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=columns,
        fontsize=style.SMALL,
        frameon=False,
        title=title or None,
        title_fontsize=style.NORMAL,
    )
    if note:
        style.add_note(figure, note)
    return figure
