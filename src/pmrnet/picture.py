"""A picture of one registration: what went in, what came out, and how space was deformed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pmrnet.files import atomic_path
from pmrnet.image_warp import warp_image

_TITLES = (
    "moving",
    "fixed",
    "moved",
    "difference before",
    "difference after",
    "deformed grid",
)
_PLANES = ("sagittal", "coronal", "axial")
# Voxels between two lines of the drawn grid.
_GRID_STEP = 4


def draw_registration(
    path: str | Path,
    moving: np.ndarray,
    fixed: np.ndarray,
    displacement: np.ndarray,
    title: str,
) -> Path:
    """Draw three planes of a registration as a PNG file.

    Parameters
    ----------
    path
        File to write.
    moving, fixed
        Images (X, Y, Z) on one grid with RAS+ axes, in [0, 1].
    displacement
        u, (X, Y, Z, 3), in voxels, such that the moved image at p is the moving one at p + u(p).
    title
        What the picture shows.

    Returns
    -------
    pathlib.Path
        The file.

    Notes
    -----
    Differences are fixed minus moving and fixed minus moved, on one scale. The grid's lines are
    straight and evenly spaced in the moving image; the picture has them where they come to lie in
    the moved one. Left is on the left.
    """
    moved = warp_image(moving, displacement)
    figure = Figure(figsize=(15, 8.2), layout="constrained")
    FigureCanvasAgg(figure)  # draws in memory: no screen and no state shared with a notebook
    figure.suptitle(title)
    # The vertical axis of a plane is the last one that it has: z, z and y.
    heights = [moving.shape[2], moving.shape[2], moving.shape[1]]
    axes = figure.subplots(len(_PLANES), len(_TITLES), height_ratios=heights)
    for axis, row in enumerate(axes):
        # Next to the midline, where the sagittal plane would show little but the gap.
        at = moving.shape[axis] // 2 - (moving.shape[axis] // 10 if axis == 0 else 0)
        cut = [slice(None)] * 3
        cut[axis] = at
        m, f, w = (np.asarray(image)[tuple(cut)].T for image in (moving, fixed, moved))
        for panel, image in zip(row, (m, f, w), strict=False):
            panel.imshow(image, cmap="gray", vmin=0, vmax=1, origin="lower")
        for panel, image in zip(row[3:], (f - m, f - w), strict=False):
            panel.imshow(image, cmap="RdBu_r", vmin=-0.5, vmax=0.5, origin="lower")
        row[5].imshow(w, cmap="gray", vmin=0, vmax=2, origin="lower")
        _draw_grid(row[5], displacement[tuple(cut)], [a for a in range(3) if a != axis])
        row[0].set_ylabel(f"{_PLANES[axis]} {at}")
    for panel, name in zip(axes[0], _TITLES, strict=True):
        panel.set_title(name)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    return Path(path)


def _draw_grid(panel: Axes, displacement: np.ndarray, plane: list[int]) -> None:
    """Lines along which a coordinate in the moving image is constant."""
    for direction, axis in enumerate(plane):
        size = displacement.shape[direction]
        shape = [1, 1]
        shape[direction] = size
        coordinate = np.arange(size).reshape(shape) + displacement[..., axis]
        panel.contour(
            coordinate.T,
            levels=np.arange(-size, 2 * size, _GRID_STEP),
            colors="tab:orange",
            linewidths=0.6,
        )
