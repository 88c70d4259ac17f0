"""Parts of the brain that only one of the two images has, such as the cerebellum."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

MISSING = 0.03
"""Share of a brain that lies deeper than `DEPTH_MM` outside the other one."""

DEPTH_MM = 8.0
"""How far brains may stick out of each other after the affine alignment, mm."""

# Distances are measured on voxels of about this side, mm: exact enough, and soon done.
_COARSE_MM = 2.0
# How far from the middle of the brain, in half its extent, a part is said to lie on one side.
_ASIDE = 0.25
_SIDES = (("left", "right"), ("back", "front"), ("bottom", "top"))


def different_coverage(fixed: NDArray, moving: NDArray, spacing: ArrayLike = 1.0) -> str | None:
    """Warn if more than `MISSING` of a brain lies deeper than `DEPTH_MM` outside the other one.

    Parameters
    ----------
    fixed
        Fixed image, 0 outside the brain, on a grid with RAS+ axes.
    moving
        Moving image after the affine alignment, likewise.
    spacing
        Voxel size in mm, one number or three.
    """
    sides = np.broadcast_to(np.asarray(spacing, float), (3,))
    every = np.maximum(1, np.rint(_COARSE_MM / sides)).astype(int)
    thin = tuple(slice(None, None, n) for n in every.tolist())
    brains = {"fixed": np.asarray(fixed)[thin] != 0, "moving": np.asarray(moving)[thin] != 0}
    if not all(brain.any() for brain in brains.values()):
        return None
    voxel = sides * every
    for name, other in (("fixed", "moving"), ("moving", "fixed")):
        away = ndimage.distance_transform_edt(~brains[other], sampling=voxel)
        part = brains[name] & (away > DEPTH_MM)
        share = np.count_nonzero(part) / np.count_nonzero(brains[name])
        if share > MISSING:
            place, guess = _where(part, brains[name])
            return (
                f"The images do not cover the same parts of the brain: at its {place}, "
                f"{share:.0%} of the {name} brain lies where the {other} image has none{guess}. "
                "Check the affine alignment, mask both images alike, and do not use the "
                "deformation near there."
            )
    return None


def _where(part: NDArray, brain: NDArray) -> tuple[str, str]:
    """Where a part lies in a brain, and what it may be."""
    at = np.argwhere(brain)
    half = (np.ptp(at, axis=0) + 1) / 2
    offset = (np.argwhere(part).mean(axis=0) - at.mean(axis=0)) / half
    words = [
        side[int(value > 0)]
        for side, value in zip(_SIDES, offset, strict=True)
        if abs(value) > _ASIDE
    ]
    below_and_behind = {"bottom", "back"} <= set(words)
    guess = " (perhaps the cerebellum or the brain stem)" if below_and_behind else ""
    return " ".join(reversed(words)) or "edge", guess
