"""Figure 2: the feature-level posteriors, mean and standard deviation of every level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from keras import ops
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pmrnet.errors import InputError
from pmrnet.figures import style

if TYPE_CHECKING:
    from pmrnet.nn.network import RegistrationNetwork

_NOTE = (
    "Middle axial slices; L and R are the subject's. |mean|: length of the velocity's mean; SD: "
    "its standard deviation, all three components together. Every panel has a scale of its own, "
    "which ends at the 99th percentile."
)


@dataclass(frozen=True, eq=False)
class LevelPosterior:
    """Posterior of the velocity of one level, on the level's own grid.

    Attributes
    ----------
    level
        1 is the finest.
    voxel_mm
        Size of its voxels.
    mean, deviation
        Mean and standard deviation, (X, Y, Z, 3), mm.
    """

    level: int
    voxel_mm: float
    mean: NDArray
    deviation: NDArray

    @property
    def mean_size(self) -> NDArray:
        """Length of the mean, (X, Y, Z), mm."""
        return np.linalg.norm(self.mean, axis=-1)

    @property
    def spread(self) -> NDArray:
        """Square root of the sum of the three components' variances, (X, Y, Z), mm."""
        return np.linalg.norm(self.deviation, axis=-1)


def level_posteriors(
    network: RegistrationNetwork, moving: NDArray, fixed: NDArray, spacing: float
) -> list[LevelPosterior]:
    """Infer the posteriors of all levels for a pair.

    Parameters
    ----------
    network
        With weights and feature-level models.
    moving, fixed
        Images (X, Y, Z) in [0, 1] on the grid of the network.
    spacing
        Voxel size of the images, mm.

    Returns
    -------
    list of LevelPosterior
        Finest first. Of a cascade, where a level adds to the coarser ones, they depend on the
        samples drawn there.

    Raises
    ------
    InputError
        If the network has no feature-level models.
    """
    moving, fixed = (
        ops.convert_to_tensor(np.asarray(x, np.float32)[None, ..., None]) for x in (moving, fixed)
    )
    levels = network.draw(moving, fixed).levels
    if not levels:
        raise InputError(
            f"Feature-level posteriors: expected a network that has them, found "
            f"{type(network).__name__}; take the weights of pmrnet."
        )
    posteriors = []
    for number, level in zip(network.levels, levels, strict=True):
        voxel = spacing * 2**number
        mean = voxel * ops.convert_to_numpy(level.mean)[0]
        deviation = voxel * np.exp(0.5 * ops.convert_to_numpy(level.log_variance)[0])
        posteriors.append(LevelPosterior(number, voxel, mean, deviation))
    return posteriors


def draw_posteriors(
    levels: Sequence[LevelPosterior],
    moving: NDArray,
    fixed: NDArray,
    spacing: float,
    title: str = "",
) -> Figure:
    """Draw an axial slice of every level's posterior.

    Parameters
    ----------
    levels
        What `level_posteriors` gives.
    moving, fixed
        The images (X, Y, Z) in [0, 1].
    spacing
        Their voxel size, mm.
    title
        What pair it is.

    Returns
    -------
    matplotlib.figure.Figure
        Above the images, below a column for each level: length of the mean, and standard
        deviation; each with a scale of its own, in mm, from 0 to the 99th percentile of the volume.
    """
    columns = max(len(levels), 2)
    tall = fixed.shape[1] / fixed.shape[0]
    wide = style.WIDTH / columns
    figure = style.new_figure(height=min(3 * (0.9 * wide * tall + 0.6), 9.5))
    axes = figure.subplots(3, columns, squeeze=False)
    for panel in axes.flat:
        style.bare(panel)
    for panel, image, name in zip(axes[0], (moving, fixed), ("moving", "fixed"), strict=False):
        style.show(
            panel, style.middle(image), spacing, name, sides=True, cmap="gray", vmin=0, vmax=1
        )
    reach = [[-spacing / 2, (n - 0.5) * spacing] for n in fixed.shape[:2]]
    for column, level in enumerate(levels):
        rows = (("|mean|", level.mean_size, style.AMOUNT), ("SD", level.spread, style.SPREAD))
        for panel, (name, values, colours) in zip(axes[1:, column], rows, strict=True):
            grid = style.TIMES.join(map(str, values.shape))
            text = f"level {level.level}: {name}\n{grid} voxels of {level.voxel_mm:g} mm"
            high = max(float(np.percentile(values, 99)), 1e-6)
            shown = style.show(
                panel,
                style.middle(values),
                level.voxel_mm,
                text,
                cmap=colours,
                vmin=0,
                vmax=high,
            )
            panel.set(xlim=reach[0], ylim=reach[1])  # a coarse grid reaches beyond the image
            style.colour_bar(figure, shown, panel, f"{name}, mm")
    if title:
        figure.suptitle(title, fontsize=style.NORMAL)
    style.add_note(figure, [_NOTE])
    return figure
