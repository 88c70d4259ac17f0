"""Figure 3: the shallow, the deep and the fused latents, and what each does to the image."""

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
from pmrnet.image_warp import warp_image

if TYPE_CHECKING:
    from pmrnet.figures.posteriors import LevelPosterior
    from pmrnet.nn.network import RegistrationNetwork

# Voxels of the image between two lines of a drawn grid.
_GRID_STEP = 4
_BRAIN = 0.02


@dataclass(frozen=True, eq=False)
class Latent:
    """The velocity of some levels alone, and its integral.

    Attributes
    ----------
    name
        What a row of the figure calls it.
    velocity
        (X / 2, Y / 2, Z / 2, 3), in mm.
    displacement
        u, (X, Y, Z, 3), in voxels of the image: the moved image at p is the moving one at p + u(p).
    """

    name: str
    velocity: NDArray
    displacement: NDArray


def split_latents(
    network: RegistrationNetwork, levels: Sequence[LevelPosterior], spacing: float
) -> list[Latent]:
    """Integrate the mean of every level, and of all together.

    Parameters
    ----------
    network
        That the levels are of.
    levels
        What `pmrnet.figures.posteriors.level_posteriors` gives.
    spacing
        Voxel size of the images, mm.

    Returns
    -------
    list of Latent
        From the shallowest level to the deepest, then fused; with a single level, that one.

    Raises
    ------
    InputError
        If there is no level.
    """
    if not levels:
        raise InputError(
            "Latents: expected the posteriors of one level or more, found none; take the weights "
            "of pmrnet."
        )
    chosen = {}
    if len(levels) > 1:
        depths = {levels[0].level: "shallow: ", levels[-1].level: "deep: "}
        chosen = {f"{depths.get(own.level, '')}level {own.level}": [own] for own in levels}
    chosen["fused"] = list(levels)
    return [_latent(network, name, some, spacing) for name, some in chosen.items()]


def _latent(
    network: RegistrationNetwork, name: str, levels: Sequence[LevelPosterior], spacing: float
) -> Latent:
    fields: list = [None] * levels[-1].level
    for level in levels:
        voxels = np.asarray(level.mean / level.voxel_mm, np.float32)
        fields[level.level - 1] = ops.convert_to_tensor(voxels[None])
    velocity = network.fusion(fields)
    displacement = ops.convert_to_numpy(network.displacement_of(velocity))[0]
    return Latent(name, 2 * spacing * ops.convert_to_numpy(velocity)[0], displacement)


def draw_latents(
    latents: Sequence[Latent], moving: NDArray, fixed: NDArray, spacing: float, title: str = ""
) -> Figure:
    """Draw velocity, displacement and effect of each latent, a row for each.

    Parameters
    ----------
    latents
        What `split_latents` gives.
    moving, fixed
        Images (X, Y, Z) in [0, 1].
    spacing
        Their voxel size, mm.
    title
        What pair it is.

    Returns
    -------
    matplotlib.figure.Figure
        A row with the images and their difference, then a row for each latent: length of the
        velocity and of the displacement, on one scale, the latter with lines that are straight and
        8 mm apart at 2 mm in the moving image; the moved image; its difference to the fixed one,
        with the mean of its absolute value in the fixed brain.
    """
    tall = fixed.shape[1] / fixed.shape[0]
    height = (len(latents) + 1) * (style.WIDTH / 4.2 * tall + 0.15) + 0.3
    figure = style.new_figure(height=height)
    axes = figure.subplots(len(latents) + 1, 4)
    brain = fixed > _BRAIN
    grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
    signed = {"cmap": style.SIGNED, "vmin": -0.5, "vmax": 0.5}

    def difference(image: NDArray) -> tuple[NDArray, str]:
        error = np.asarray(fixed) - image
        return error, f"fixed - it: mean |·| {np.abs(error[brain]).mean():.3f}"

    style.bare(axes[0, 0])
    style.show(axes[0, 1], style.middle(moving), spacing, "moving", sides=True, **grey)
    style.show(axes[0, 2], style.middle(fixed), spacing, "fixed", sides=True, **grey)
    error, text = difference(np.asarray(moving))
    style.show(axes[0, 3], style.middle(error), spacing, text.replace("it", "moving"), **signed)
    sizes = [
        np.linalg.norm(field, axis=-1)
        for latent in latents
        for field in (latent.velocity, latent.displacement * spacing)
    ]
    high = max(float(np.percentile(size, 99.5)) for size in sizes) or 1.0
    scale = {"cmap": style.AMOUNT, "vmin": 0, "vmax": high}
    for row, latent, velocity, displacement in zip(
        axes[1:], latents, sizes[::2], sizes[1::2], strict=True
    ):
        moved = warp_image(moving, latent.displacement)
        style.show(row[0], style.middle(velocity), 2 * spacing, "|velocity|", **scale)
        shown = style.show(row[1], style.middle(displacement), spacing, "|displacement|", **scale)
        _draw_lines(row[1], style.middle(latent.displacement), spacing)
        style.show(row[2], style.middle(moved), spacing, "moved", sides=True, **grey)
        error, text = difference(moved)
        signs = style.show(
            row[3], style.middle(error), spacing, text.replace("it", "moved"), **signed
        )
        row[0].set_ylabel(latent.name, fontsize=style.NORMAL)
    style.colour_bar(figure, shown, list(axes[-1, :2]), "length, mm")
    style.colour_bar(figure, signs, list(axes[-1, 2:]), "difference of intensities, of 0 to 1")
    if title:
        figure.suptitle(title, fontsize=style.NORMAL)
    apart = _GRID_STEP * spacing
    style.add_note(
        figure,
        [
            f"Middle axial slices; L and R are the subject's. Lines are {apart:g} mm apart and "
            "straight in the moving image; mean |·| is over the whole fixed brain; lengths end at "
            "the 99.5th percentile of the largest."
        ],
    )
    return figure


def _draw_lines(panel: object, displacement: NDArray, spacing: float) -> None:
    """Lines along which a coordinate in the moving image is constant."""
    places = [np.arange(n) * spacing for n in displacement.shape[:2]]
    for axis in range(2):
        coordinate = np.indices(displacement.shape[:2])[axis] + displacement[..., axis]
        levels = np.arange(-9.5 * _GRID_STEP, coordinate.max() + _GRID_STEP, _GRID_STEP)
        panel.contour(*places, coordinate.T, levels=levels, colors="white", linewidths=0.35)
