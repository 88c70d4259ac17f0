"""Oddities of intensities: contrasts that do not match, cut histograms, images of one value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pmrnet.report.measures import correlation

UNLIKE = 0.4
"""Correlation where both have a brain, after the registration; T1 images reach 0.75 and more."""

SATURATED = 0.05
"""Share of the brain's voxels that have the largest value."""

CONSTANT = 0.5
"""Share of the brain's voxels that have one value, or one so close that nobody could tell."""

HOT = 20.0
"""How far above the median the largest value may be, in units of the 99.5th percentile's distance
from it; it is 1.2 to 2.0 in LPBA40, OASIS-TRT-20 and the built-in subjects."""

# Of the brain's range: values closer than this count as one.
_SAME = 1e-3


def unlike_contrast(fixed: NDArray, moved: NDArray) -> str | None:
    """Warn if the images correlate negatively, or by less than `UNLIKE`, where both have a brain.

    Parameters
    ----------
    fixed, moved
        Fixed image, and moving image after the registration, 0 outside the brain.
    """
    both = (np.asarray(fixed) != 0) & (np.asarray(moved) != 0)
    value = correlation(fixed, moved, both)
    if not value < UNLIKE:  # nor if it is undefined: the check for constant images speaks then
        return None
    if value < 0:
        return (
            "The contrasts of the two images look inverted: inside the brain the correlation is "
            f"{value:.2f}. The network compares T1 images; register T1 images, or invert one of "
            "them."
        )
    return (
        f"The two images have little in common: inside the brain the correlation is {value:.2f} "
        f"after the registration, below {UNLIKE:g}. Check that both are T1 images of a brain and "
        "are rightly oriented."
    )


def saturated(image: NDArray, name: str) -> str | None:
    """Warn if more than `SATURATED` of the brain's voxels have its largest value.

    Parameters
    ----------
    image
        Image, 0 outside the brain.
    name
        What to call it: ``fixed`` or ``moving``.
    """
    values = _brain_values(image)
    if values.size == 0:
        return None
    share = float(np.mean(values >= values.max() - _SAME * np.ptp(values)))
    if share <= SATURATED:
        return None
    return (
        f"The {name} image's histogram looks cut: {share:.0%} of its brain have the largest value. "
        "Bright tissue can no longer be told apart; use the image as it was before it was scaled "
        "or stored with fewer bits."
    )


def constant_brain(image: NDArray, name: str) -> str | None:
    """Warn if more than `CONSTANT` of the brain's voxels have one value.

    Parameters
    ----------
    image, name
        As in `saturated`.
    """
    values = _brain_values(image)
    if values.size == 0:
        return None
    # Percentiles, because one hot voxel would make a whole brain look even.
    low, high = np.percentile(values, [0.5, 99.5])
    width = _SAME * max(high - low, _SAME * abs(high))
    counts = np.unique(np.rint((values - low) / width), return_counts=True)[1]
    share = float(counts.max() / values.size)
    if share <= CONSTANT:
        return None
    return (
        f"The {name} image has one single value in {share:.0%} of its brain, as a mask or a label "
        "map has. Give the T1 image itself."
    )


def hot_voxels(image: NDArray, name: str) -> str | None:
    """Warn if the largest values of a brain are more than `HOT` times as high as bright tissue.

    Parameters
    ----------
    image, name
        As in `saturated`.
    """
    values = _brain_values(image)
    if values.size == 0:
        return None
    middle, bright = np.percentile(values, [50, 99.5])
    above = values.max() - middle
    if bright <= middle or above <= HOT * (bright - middle):
        return None
    return (
        f"The {name} image has hot voxels: the brightest is {above / (bright - middle):.0f} times "
        "as far above the brain's median as the 99.5th percentile, so that all else looks dark to "
        "the network. Cut the image's values at that percentile and register it again."
    )


def _brain_values(image: NDArray) -> NDArray:
    values = np.asarray(image)
    return values[values != 0].astype(np.float64)
