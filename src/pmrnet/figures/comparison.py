"""Figure 4: what all methods make of one pair, side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from pmrnet.figures import style
from pmrnet.image_warp import warp_image
from pmrnet.label_warp import header_moved_labels, moved_labels

if TYPE_CHECKING:
    from pmrnet.data.prepared import PreparedSubject

_COLUMNS = 5


@dataclass(frozen=True, eq=False)
class View:
    """An image and the groups of its labels on the fixed subject's network grid.

    Attributes
    ----------
    title
        Name of the method.
    image
        (X, Y, Z) in [0, 1].
    regions
        (X, Y, Z), 1, 2, ... for the groups of labels and 0 elsewhere; None without labels.
    dice
        Mean Dice of the pair as it was scored; None where it was not.
    """

    title: str
    image: NDArray
    regions: NDArray | None = None
    dice: float | None = None


@dataclass(frozen=True, eq=False)
class _OnGrid:
    """The fixed subject as if its native grid were the network's."""

    name: str
    native_affine: NDArray
    native_shape: tuple[int, int, int]
    grid_to_native: NDArray


def view_of(
    title: str,
    moving: PreparedSubject,
    fixed: PreparedSubject,
    displacement: NDArray | None,
    groups: Mapping[str, Sequence[int]],
    *,
    header: bool = False,
    dice: float | None = None,
) -> View:
    """Move a subject's image and labels onto the network grid of another.

    Parameters
    ----------
    title, dice
        See `View`.
    moving, fixed
        Prepared subjects; those without labels give a view without.
    displacement
        u, (X, Y, Z, 3), in voxels of the grid; None for the affine alignment alone.
    groups
        Labels of each group; a group is drawn as one region.
    header
        Leave out the affine alignment too: images where their headers put them.
    """
    shape = tuple(fixed.image.shape)
    to_world = fixed.native_affine @ fixed.grid_to_native
    grid = _OnGrid(fixed.name, to_world, shape, np.eye(4))
    if header:
        # From the fixed grid through the world to the moving subject's grid.
        matrix = np.linalg.solve(moving.native_affine @ moving.grid_to_native, to_world)
        image = ndimage.affine_transform(
            np.asarray(moving.image), matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=1
        )
    elif displacement is None:
        image = np.asarray(moving.image)
    else:
        image = warp_image(moving.image, displacement)
    regions = None
    if moving.labels_path is not None and groups:
        labels = (
            header_moved_labels(grid, moving)
            if header
            else moved_labels(grid, moving, displacement)
        )
        regions = _regions(labels, groups)
    return View(title, image, regions, dice)


def _regions(labels: NDArray, groups: Mapping[str, Sequence[int]]) -> NDArray:
    known = {label: number for number, g in enumerate(groups.values(), 1) for label in g}
    table = np.zeros(max(int(labels.max()), *known) + 1, np.uint8)
    for label, number in known.items():
        table[label] = number
    return table[labels]


def draw_comparison(
    fixed: View, methods: Sequence[View], absent: Mapping[str, str], title: str = ""
) -> Figure:
    """Draw the fixed image, then each method's moved image, contours and difference.

    Parameters
    ----------
    fixed
        The fixed image with its own regions.
    methods
        One for each method that can be shown.
    absent
        Titles of methods that cannot, and why: named below.
    title
        What pair it is.

    Returns
    -------
    matplotlib.figure.Figure
        Axial slices. The difference is fixed minus moved; contours are those of the regions, thick
        of the fixed subject and thin of the moved one.
    """
    # As even as can be, each with the fixed image in front.
    count = max(-(-len(methods) // (_COLUMNS - 1)), 1)
    columns = 1 + -(-len(methods) // count)
    blocks = [
        (fixed, *methods[i : i + columns - 1])
        for i in range(0, max(len(methods), 1), max(columns - 1, 1))
    ]
    missing = style.absent_lines(absent)
    at = _slice_of(fixed)
    tall = fixed.image.shape[1] / fixed.image.shape[0]
    height = 3 * len(blocks) * (style.WIDTH / columns * tall * 0.9 + 0.02) + 0.3 * len(blocks)
    figure = style.new_figure(height=height + 0.4 + 0.13 * (2 + len(missing)))
    axes = figure.subplots(3 * len(blocks), columns, squeeze=False)
    for panel in axes.flat:
        style.bare(panel)
    difference = None
    for number, block in enumerate(blocks):
        for column, view in enumerate(block):
            rows = axes[3 * number : 3 * number + 3, column]
            score = "" if view.dice is None else f"\nDice {view.dice:.3f}"
            grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
            name = textwrap.fill(view.title, 22)
            style.show(rows[0], view.image[..., at], 1, f"{name}{score}", sides=True, **grey)
            style.show(rows[1], view.image[..., at], 1, **{**grey, "vmax": 1.6})
            _contours(rows[1], fixed, at, 0.9, style.ORANGE)
            if view is fixed:
                continue
            _contours(rows[1], view, at, 0.5, style.SKY)
            error = np.asarray(fixed.image)[..., at] - view.image[..., at]
            difference = style.show(rows[2], error, 1, cmap=style.SIGNED, vmin=-0.5, vmax=0.5)
    if difference is not None:
        style.colour_bar(figure, difference, list(axes[-1]), "fixed - moved", "right")
    if title:
        figure.suptitle(title, fontsize=style.NORMAL)
    note = (
        "Contours: orange and thick, the fixed regions; blue and thin, the moved ones. The slice "
        "is the axial one of most regions; Dice is of the whole pair, over all labels."
    )
    if fixed.regions is None:
        note = "The middle axial slice. Without labels there are no contours."
    style.add_note(figure, [f"{note} L and R are the subject's.", *missing])
    return figure


def _slice_of(fixed: View) -> int:
    """The slice with most regions, next to the middle."""
    shape = fixed.image.shape
    if fixed.regions is None:
        return shape[2] // 2
    kinds = [len(np.unique(fixed.regions[..., z])) for z in range(shape[2])]
    best = np.flatnonzero(np.equal(kinds, max(kinds)))
    return int(best[np.argmin(np.abs(best - shape[2] // 2))])


def _contours(panel: Axes, view: View, at: int, width: float, colour: str) -> None:
    if view.regions is None:
        return
    regions = view.regions[..., at]
    for number in np.unique(regions[regions > 0]):
        inside = (regions == number).T
        panel.contour(inside, levels=[0.5], colors=colour, linewidths=width)
