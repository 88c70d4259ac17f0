"""The pictures of a report: each volume as a sheet of slices for each plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pmrnet.report.colour_scales import FOLDING_INDEX, ColourScale, jacobian_scale
from pmrnet.report.content import ReportContent
from pmrnet.report.deformed_grid import draw_grid
from pmrnet.report.planes import Plane
from pmrnet.report.sheets import grey_sheet, palette_sheet

GRID_STEP = 8.0
"""Distance of the deformed grid's lines in the moving image, mm."""

# Shades of a line's edge; the colour is a light orange, which stands out from grey and black.
_SHADES = 8
_LINE_COLOUR = (255, 176, 64)


def draw_layers(
    content: ReportContent, planes: Sequence[Plane], uncertainty: ColourScale | None
) -> dict[tuple[str, str], str]:
    """Draw every volume in every plane.

    Parameters
    ----------
    content
        The registration.
    planes
        Which slices.
    uncertainty
        Scale of the uncertainty, None if there is none.

    Returns
    -------
    dict
        Data URI of the sheet by the plane's name and the layer's: ``fixed``, ``moving``, ``moved``,
        ``before``, ``after``, ``grid``, ``jacobian``, and ``uncertainty`` if there is one.
    """
    grey = {name: window(getattr(content, name)) for name in ("fixed", "moving", "moved")}
    before, after = differences(content, **grey)
    limit = difference_limit(before, after, content.brain)
    grey |= {"before": 0.5 + before / (2 * limit), "after": 0.5 + after / (2 * limit)}
    sheets = {}
    for plane in planes:
        for name, volume in grey.items():
            sheets[plane.name, name] = grey_sheet(plane.slices(volume))
        sheets[plane.name, "grid"] = _grid(content, plane)
        sheets[plane.name, "jacobian"] = _jacobian(content, plane)
        if uncertainty is not None:
            index = uncertainty.index(plane.slices(content.uncertainty))
            index[~plane.slices(content.brain)] = 0
            sheets[plane.name, "uncertainty"] = palette_sheet(index, uncertainty.palette())
    return sheets


def window(image: NDArray) -> NDArray:
    """Scale grey values so that an image's range becomes [0, 1], float32.

    The range begins at 0, or at the 0.5th percentile where that is negative, and ends at the 99.5th
    percentile, both over the voxels that are not 0.
    """
    values = np.asarray(image, np.float32)
    inside = values[values != 0]
    low, high = np.percentile(inside, [0.5, 99.5]) if inside.size else (0.0, 1.0)
    low = min(0.0, float(low))
    scale = float(high) - low
    return (values - low) / (scale if scale > 0 else 1.0)


def differences(
    content: ReportContent, fixed: NDArray, moving: NDArray, moved: NDArray
) -> tuple[NDArray, NDArray]:
    """Fixed minus moving and fixed minus moved: those given, else those of the scaled images."""
    if content.difference_before is not None:
        return np.asarray(content.difference_before), np.asarray(content.difference_after)
    return fixed - moving, fixed - moved


def difference_limit(before: NDArray, after: NDArray, brain: NDArray) -> float:
    """Difference that is white, and its negative black, in both pictures.

    Parameters
    ----------
    before, after
        Differences (X, Y, Z).
    brain
        Where to look, bool (X, Y, Z): 99.5 percent of the values there are smaller.
    """
    limit = max(float(np.percentile(np.abs(d[brain]), 99.5)) for d in (before, after))
    return limit if limit > 0 else 1.0


def _grid(content: ReportContent, plane: Plane) -> str:
    """Lines in mm: what is up or right in the picture does not matter to where they lie."""
    across, up = plane.axes
    at = [
        plane.slices(np.broadcast_to(_coordinate(content, axis), content.brain.shape))
        for axis in (up, across)
    ]
    moved = plane.slices(content.displacement)[..., [up, across]] + np.stack(at, axis=-1)
    palette = np.zeros((_SHADES, 4), np.uint8)
    palette[:, :3] = _LINE_COLOUR
    palette[:, 3] = np.linspace(0, 255, _SHADES)
    return palette_sheet(np.rint(draw_grid(moved, GRID_STEP) * (_SHADES - 1)), palette)


def _coordinate(content: ReportContent, axis: int) -> NDArray:
    """RAS coordinate along an axis in mm, of length 1 along the others."""
    size = content.brain.shape[axis]
    values = content.affine[axis][3] + content.affine[axis][axis] * np.arange(size)
    return values.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])


def _jacobian(content: ReportContent, plane: Plane) -> str:
    scale = jacobian_scale()
    determinant = plane.slices(content.jacobian)
    index = scale.index(np.log2(np.maximum(determinant, 2.0**scale.low)))
    index[~plane.slices(content.brain)] = 0
    folded = plane.anywhere((np.asarray(content.jacobian) <= 0) & content.brain)
    # A single voxel would be lost on a phone: each is drawn with its eight neighbours.
    folded = ndimage.binary_dilation(folded, np.ones((1, 3, 3), bool))
    return palette_sheet(np.where(folded, FOLDING_INDEX, index), scale.palette())
