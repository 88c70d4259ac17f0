"""What the figures have in common: size and type for print, colours that all can tell apart."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from numpy.typing import NDArray

#: Okabe and Ito (2008), told apart with any colour vision; black last
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#000000",
)
BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK = COLOURS

#: of even steps of lightness: one of zero to much, one about zero
AMOUNT, SPREAD, SIGNED = "viridis", "cividis", "PuOr"

#: inches between the margins of a page
WIDTH = 7.0
SMALL, NORMAL = 6.5, 8.0

TIMES = "\N{MULTIPLICATION SIGN}"

#: the drawn slice is the axial one, which shows both hemispheres
AXIS = 2


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Figure of a page's width, in inches, with a canvas of its own: no screen, no shared state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def middle(values: NDArray) -> NDArray:
    """The middle axial slice of a volume (X, Y, Z, ...)."""
    return np.take(np.asarray(values), values.shape[AXIS] // 2, axis=AXIS)


def show(
    panel: Axes,
    values: NDArray,
    voxel_mm: float,
    title: str = "",
    sides: bool = False,
    **settings: object,
) -> AxesImage:
    """Show a slice (X, Y) with its axes in mm, x to the right and y up, without ticks.

    `sides` marks the subject's left and right, on the dark ground of an image.
    """
    columns, rows = values.shape
    # Voxel centres at whole multiples of the voxel size, so that grids of all levels agree.
    low, right, top = -voxel_mm / 2, (columns - 0.5) * voxel_mm, (rows - 0.5) * voxel_mm
    shown = panel.imshow(
        values.T,
        origin="lower",
        extent=(low, right, low, top),
        interpolation="nearest",
        **settings,
    )
    bare(panel)
    if title:
        panel.set_title(title, fontsize=SMALL)
    if sides:
        for place, side in ((0.03, "L"), (0.97, "R")):
            panel.text(
                place,
                0.5,
                side,
                transform=panel.transAxes,
                ha="left" if side == "L" else "right",
                va="center",
                fontsize=SMALL,
                color="white",
            )
    return shown


def bare(panel: Axes) -> None:
    """Take ticks and frame from a panel."""
    panel.set(xticks=[], yticks=[])
    for spine in panel.spines.values():
        spine.set_visible(False)


def colour_bar(
    figure: Figure,
    shown: AxesImage,
    panels: Sequence[Axes] | Axes,
    text: str,
    where: str = "bottom",
) -> None:
    """Put a colour bar beside panels; `text` names quantity and unit."""
    bar = figure.colorbar(shown, ax=panels, location=where, shrink=0.8, pad=0.03, aspect=20)
    bar.set_label(text, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)


def absent_lines(absent: Mapping[str, str]) -> list[str]:
    """Say which methods are absent, by the reason, in lines of the page's width."""
    by_reason: dict[str, list[str]] = {}
    for method, reason in absent.items():
        by_reason.setdefault(reason, []).append(method)
    lines = [f"Absent ({reason}): {'; '.join(names)}." for reason, names in by_reason.items()]
    return [part for line in lines for part in textwrap.wrap(line, 125)]


def add_note(figure: Figure, lines: Sequence[str]) -> None:
    """Write lines below everything else."""
    wrapped = [part for line in lines for part in textwrap.wrap(line, 125)]
    figure.supxlabel("\n".join(wrapped), fontsize=SMALL, x=0.02, ha="left")


def texts_of(figure: Figure) -> list[str]:
    """All that is written in a figure, for looking something up in it."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]
