"""The deformed grid: lines that are straight in the moving image, where they come to lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Width of a line in pixels of the drawing.
_WIDTH = 1.5
# Pixels per voxel along each side: at one, lines look like stairs.
_FINER = 2


def draw_grid(coordinates: NDArray, step: float) -> NDArray:
    """Draw lines along which a coordinate in the moving image is a multiple of `step`.

    Parameters
    ----------
    coordinates
        Array (slices, rows, columns, n): n coordinates of the point of the moving image that each
        pixel shows, mm.
    step
        Distance of the lines in the moving image, mm.

    Returns
    -------
    ndarray
        Opacity of the lines in [0, 1], float32 (slices, 2 rows, 2 columns): pixels are halved along
        both sides.
    """
    lines = [_lines(coordinates[..., n], step) for n in range(coordinates.shape[3])]
    return np.maximum.reduce(lines)


def _lines(coordinate: NDArray, step: float) -> NDArray:
    zoom = (1, _FINER, _FINER)
    fine = ndimage.zoom(
        np.asarray(coordinate, np.float32), zoom, order=1, mode="nearest", grid_mode=True
    )
    # How many pixels away the nearest line is: its distance in mm over mm per pixel here.
    slope = np.hypot(*np.gradient(fine, axis=(1, 2)))
    away = np.abs(fine - step * np.rint(fine / step)) / np.maximum(slope, 1e-6)
    return np.clip(_WIDTH / 2 + 0.5 - away, 0, 1)
