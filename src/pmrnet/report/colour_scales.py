"""Colour scales of the maps: from values to a palette's entries, and what the colour bars say."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np
from numpy.typing import ArrayLike, NDArray

_STEPS = 63
# Index 0 of a palette is nothing at all.
_FIRST = 1

JACOBIAN_LIMIT = 4.0
"""Ends of the Jacobian's scale: this factor of expansion, and one over it."""

FOLDING_INDEX = _FIRST + _STEPS
# Opposite to the blue of strong compression, which always surrounds it.
_FOLDING_COLOUR = (255, 230, 0, 255)
FOLDING_CSS = "rgb({},{},{})".format(*_FOLDING_COLOUR[:3])


@dataclass(frozen=True)
class ColourScale:
    """An even scale of colours.

    Parameters
    ----------
    name
        matplotlib's name of the colour map.
    low, high
        Ends of the scale, after the logarithm if there is one.
    ticks
        What the bar says, and where: 0 at its low and 1 at its high end.
    """

    name: str
    low: float
    high: float
    ticks: tuple[tuple[str, float], ...]

    def index(self, values: ArrayLike) -> NDArray:
        """Palette index of values, uint8 of the same shape; beyond the ends they are cut."""
        place = (np.asarray(values, np.float32) - self.low) / (self.high - self.low)
        return (_FIRST + np.rint(np.clip(place, 0, 1) * (_STEPS - 1))).astype(np.uint8)

    def palette(self) -> NDArray:
        """Colours, uint8 (n, 4): nothing, the scale, and the mark of folding."""
        colours = matplotlib.colormaps[self.name](np.linspace(0, 1, _STEPS), bytes=True)
        return np.concatenate([np.zeros((1, 4)), colours, [_FOLDING_COLOUR]]).astype(np.uint8)

    def gradient(self) -> str:
        """CSS gradient of the bar, low values left."""
        colours = matplotlib.colormaps[self.name](np.linspace(0, 1, 17), bytes=True)
        return (
            f"linear-gradient(to right,{','.join(f'rgb({r},{g},{b})' for r, g, b, _ in colours)})"
        )


def jacobian_scale() -> ColourScale:
    """Scale of the logarithm to base 2 of a determinant, diverging about 1."""
    end = float(np.log2(JACOBIAN_LIMIT))
    values = (1 / JACOBIAN_LIMIT, JACOBIAN_LIMIT**-0.5, 1.0, JACOBIAN_LIMIT**0.5, JACOBIAN_LIMIT)
    signs = ("≤ ", "", "", "", "≥ ")  # beyond the ends, values are cut
    ticks = tuple(
        (f"{sign}{v:g}", (float(np.log2(v)) + end) / (2 * end))
        for sign, v in zip(signs, values, strict=True)
    )
    return ColourScale("RdBu_r", -end, end, ticks)


def uncertainty_scale(values: NDArray) -> ColourScale:
    """Scale from 0 to a round number of mm that 99 percent of the values, at least, stay below."""
    top = float(np.percentile(values, 99)) if np.size(values) else 0.0
    high = _round_up(top) if top > 0 else 1.0
    beyond = "≥ " if np.size(values) and np.max(values) > high else ""
    ticks = (("0", 0.0), (f"{high / 2:g}", 0.5), (f"{beyond}{high:g}", 1.0))
    return ColourScale("viridis", 0.0, high, ticks)


def _round_up(value: float) -> float:
    """The next number of the form 1, 2, 4 or 6 times a power of ten, whose half is short, too."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(m * power for m in (1, 2, 4, 6, 10) if value <= m * power * (1 + 1e-9)))
