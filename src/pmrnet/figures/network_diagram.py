"""Figure 1: the network, drawn from its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from pmrnet.errors import InputError
from pmrnet.figures import style

if TYPE_CHECKING:
    from pmrnet.figures.network_parts import Part, Parts
    from pmrnet.nn.network import RegistrationNetwork

# Edge and fill; the fills differ in lightness, so that they do without colour too.
_KINDS = {
    "image": (style.BLACK, "#ffffff"),
    "features": (style.BLUE, "#d6e9f5"),
    "posterior": (style.ORANGE, "#fbe6bf"),
    "fusion": (style.RED, "#f6cdb0"),
    "field": (style.GREEN, "#e2f4ee"),
}
_WIDE, _HIGH = 0.98, 0.6
_LINE = 0.155
_TRAINING = (
    "Dashed: in training, where every z is sampled; the losses are the KL of each to its prior, "
    "warped against fixed\nfeatures at every level, and the moved against the fixed image."
)


def draw_network(
    network: RegistrationNetwork, shape: tuple[int, ...] = (160, 192, 160), title: str = ""
) -> Figure:
    """Draw a built network with the grids and channels that its layers have.

    Parameters
    ----------
    network
        Of any type that `pmrnet.nn.build.build_network` makes, built.
    shape
        Voxels of the images.
    title
        What it is.

    Returns
    -------
    matplotlib.figure.Figure
        Boxes say what, voxels x channels, and the operation; dashed arrows are of training only.

    Raises
    ------
    InputError
        If a number of voxels is no multiple of what the network can halve.
    """
    from pmrnet.figures.network_parts import network_parts

    if any(n % network.multiple for n in shape):
        raise InputError(
            f"Network diagram: expected voxels in multiples of {network.multiple}, found {shape}; "
            "choose other ones."
        )
    parts = network_parts(network, tuple(shape))
    boxes = parts.boxes.values()
    right = max(part.column for part in boxes) + 0.6
    bottom = max(part.row for part in boxes) + 0.5
    figure = style.new_figure(height=1.05 * style.WIDTH * (bottom + 0.5) / (right + 0.6) * 0.98)
    panel = figure.subplots()
    style.bare(panel)
    panel.set(xlim=(-0.6, right), ylim=(bottom, -0.5))
    for source, target, training in parts.arrows:
        _arrow(panel, parts, source, target, training)
    for part in boxes:
        _box(panel, part)
    note = _TRAINING if any(arrow[2] for arrow in parts.arrows) else parts.note
    panel.text(-0.55, bottom - 0.05, note, fontsize=style.SMALL, va="bottom")
    if title:
        figure.suptitle(title, fontsize=style.NORMAL)
    return figure


def _box(panel: Axes, part: Part) -> None:
    edge, fill = _KINDS[part.kind]
    high = _HIGH if part.row == int(part.row) else 0.36
    panel.add_patch(
        FancyBboxPatch(
            (part.column - _WIDE / 2, part.row - high / 2),
            _WIDE,
            high,
            boxstyle="round,pad=0,rounding_size=0.05",
            edgecolor=edge,
            facecolor=fill,
            linewidth=0.9,
            zorder=2,
        )
    )
    grid = style.TIMES.join(map(str, part.grid))
    lines = [part.text, f"{grid}, {part.channels} ch." if grid else f"{part.channels} ch."]
    lines += [part.operation] if part.operation else []
    step = min(_LINE, 0.9 * high / len(lines))
    for number, line in enumerate(lines):
        panel.text(
            part.column,
            part.row + step * (number - (len(lines) - 1) / 2),
            line,
            ha="center",
            va="center",
            fontsize=5.6,
            weight="bold" if number == 0 else "normal",
            zorder=3,
        )


def _arrow(panel: Axes, parts: Parts, source: str, target: str, training: bool) -> None:
    start, end = parts.boxes[source], parts.boxes[target]
    across, down = end.column - start.column, end.row - start.row
    if abs(across) < 0.6:
        sign = 1 if down > 0 else -1
        points = [
            (start.column, start.row + sign * _HIGH / 2),
            (end.column, end.row - sign * _HIGH / 2),
        ]
    else:
        right, left = start.column + _WIDE / 2, end.column - _WIDE / 2
        points = [(right, start.row), (left, end.row)]
        if end.kind == "fusion" and down < 0:
            # Levels join one line, past the boxes between.
            points[1:1] = [(left - 0.1, start.row), (left - 0.1, end.row)]
        elif down == 0 and _anything_between(parts, start, end):
            # Out of the box, past the ones between below them, and in again.
            gap, low = 0.09, start.row + _HIGH / 2 + 0.07
            turns = [(right + gap, start.row + 0.2), (right + gap, low), (left - gap, low)]
            points = [
                (right, start.row + 0.2),
                *turns,
                (left - gap, end.row + 0.2),
                (left, end.row + 0.2),
            ]
    panel.add_patch(
        FancyArrowPatch(
            path=Path(points),
            arrowstyle="-|>",
            mutation_scale=6,
            linewidth=0.7,
            linestyle="--" if training else "-",
            color="#404040",
            zorder=1,
        )
    )


def _anything_between(parts: Parts, start: Part, end: Part) -> bool:
    return any(
        box.row == start.row and start.column < box.column < end.column
        for box in parts.boxes.values()
    )
