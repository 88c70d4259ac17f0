"""Figure 5: Dice of every region and method over the test pairs, as boxes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import AutoMinorLocator, MaxNLocator

from pmrnet.errors import InputError
from pmrnet.figures import style

# Black, on which the median is not seen, left out.
_COLOURS = [colour for colour in style.COLOURS if colour != style.BLACK]
# By the beginnings of titles: families that their titles do not tell.
_FAMILIES = ("Baseline", "PMR-Net plus", "PMR-Net")
# What does not deform anything.
_UNCOLOURED = ("No registration", "Affine")
_PANELS_IN_A_ROW = 4
_NOTE = (
    "Box: quartiles and median; whiskers: up to 1.5 lengths of the box; points: pairs beyond. "
    "Every region has a scale of its own."
)


def draw_dice_boxes(
    scores: Mapping[str, pd.DataFrame],
    absent: Mapping[str, str],
    title: str = "",
    beyond: Collection[str] = (),
) -> Figure:
    """Draw a panel for every region, with a box for each method.

    Parameters
    ----------
    scores
        By title of the method what `pmrnet.summary.pair_scores` gives: a row for each pair, a
        column for each region. Titles that are alike up to the first comma, such as those of one
        network trained in several ways, have one colour; no registration and affine have none.
    absent
        Titles of methods without scores, and why: named below.
    title
        What data set it is.
    beyond
        Titles of methods for which no panel is made wider: so far from the others that these could
        not be told apart. What does not fit is cut off, which is said below.

    Returns
    -------
    matplotlib.figure.Figure
        Methods from top to bottom, named at the left; every region has a scale of its own. Boxes
        from the first to the third quartile with the median; whiskers to the last pair within 1.5
        of their length; pairs beyond as points.

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
    limits = {region: _limits(scores, region, beyond) for region in regions}
    cut = [
        method
        for method in beyond
        if method in scores and any(scores[method][r].min() < limits[r][0] for r in regions)
    ]
    note = [_NOTE, *style.absent_lines(absent)]
    note += [f"Beyond the panels' edge in part: {'; '.join(cut)}."] if cut else []
    columns = min(len(regions), _PANELS_IN_A_ROW)
    rows = -(-len(regions) // columns)
    height = 0.5 + rows * (0.5 + 0.15 * len(scores)) + 0.16 * len(note)
    figure = style.new_figure(height=height)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for panel, region in zip(panels, regions, strict=False):
        _draw_region(panel, scores, region)
        panel.set_xlim(limits[region])
    for panel in panels[len(regions) :]:
        panel.set_axis_off()
    panels[0].set_yticks(range(len(scores)), list(scores), fontsize=style.SMALL)
    panels[0].set_ylim(len(scores) - 0.4, -0.6)  # the first method on top
    if title:
        figure.suptitle(title, fontsize=style.NORMAL)
    style.add_note(figure, note)
    return figure


def _draw_region(panel: Axes, scores: Mapping[str, pd.DataFrame], region: str) -> None:
    coloured = (family for family in map(_family, scores) if family not in _UNCOLOURED)
    families = list(dict.fromkeys(coloured))
    colours = [
        "0.8" if family in _UNCOLOURED else _COLOURS[families.index(family) % len(_COLOURS)]
        for family in map(_family, scores)
    ]
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
    panel.set_xlabel("Dice", fontsize=style.SMALL)
    panel.tick_params(labelsize=style.SMALL)
    panel.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    panel.xaxis.set_minor_locator(AutoMinorLocator(2))
    panel.grid(axis="x", which="both", linewidth=0.3, color="0.8")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _limits(
    scores: Mapping[str, pd.DataFrame], region: str, beyond: Collection[str]
) -> tuple[float, float]:
    """Least and greatest Dice that a region's panel shows."""
    shown = [table for method, table in scores.items() if method not in beyond]
    values = pd.concat([table[region] for table in shown or scores.values()])
    if not values.notna().any():
        return 0.0, 1.0
    margin = 0.04 * max(values.max() - values.min(), 0.05)
    return values.min() - margin, values.max() + margin


def _family(title: str) -> str:
    """What the variants of a method have in common: the words before a comma, or less."""
    family = title.split(",")[0]
    return next((start for start in _FAMILIES if family.startswith(start)), family)
