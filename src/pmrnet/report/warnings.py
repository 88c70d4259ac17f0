"""What most often goes wrong with a registration, noticed in its images and said in words.

Every check is a function of arrays that returns a sentence or None, and its threshold a constant
that says what it stands for. All arrays are indexed (x, y, z) on one grid with RAS+ axes, and a
brain is where its image is not 0. A warning asks for a look, it is no verdict: the thresholds leave
the usual differences of healthy adults' T1 images alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmrnet.metrics import folding_fraction
from pmrnet.report.coverage_warning import different_coverage
from pmrnet.report.intensity_warnings import (
    constant_brain,
    hot_voxels,
    saturated,
    unlike_contrast,
)
from pmrnet.report.measures import correlation

POOR_OVERLAP = 0.8
"""Dice of the brains after the affine alignment. Good ones are about 0.9, or 0.85 if one brain has
no cerebellum."""

FOLDING = 0.001
"""Share of the brain's voxels that are folded."""

LARGE_MM = 30.0
"""Longest displacement in the brain, mm; people's brains, once aligned, differ by less than 20."""

FLIP_GAIN = 0.03
"""Rise of the correlation with the fixed image when the other one is mirrored. That of different
people's images, rightly oriented, rises by at most 0.015."""

SMALL_GAIN = 0.01
"""Rise of the correlation with the fixed image that counts as an improvement."""

STILL = 1e-2
"""Longest displacement, mm, that is none: what rounding makes of an alignment alone is 1e-4."""

ALIKE = 0.95
"""Correlation before the registration that leaves little to improve."""


def quality_warnings(
    fixed: NDArray,
    moving: NDArray,
    moved: NDArray,
    displacement: NDArray,
    jacobian: NDArray,
    spacing: ArrayLike = 1.0,
    folded: float | None = None,
) -> list[str]:
    """Look for everything that this module and those that it names know of.

    Parameters
    ----------
    fixed
        Fixed image.
    moving
        Moving image resampled by the headers or the affine alignment alone.
    moved
        Moving image after the registration.
    displacement
        Array (X, Y, Z, 3) in mm: the deformation beyond the affine part.
    jacobian
        Determinant of its Jacobian.
    spacing
        Voxel size in mm, one number or three.
    folded
        Share of the brain's voxels that fold, if it was measured on a finer grid.

    Returns
    -------
    list of str
        For each finding one or two sentences: what was found, and what to do. Empty if there is
        none.
    """
    brain = np.asarray(fixed) != 0
    found = [
        # Where the alignment failed, what one image lacks says nothing more.
        poor_overlap(fixed, moving) or different_coverage(fixed, moving, spacing),
        suspected_flip(fixed, moving, moved),
        unlike_contrast(fixed, moved),
        *(
            constant_brain(image, name) or saturated(image, name) or hot_voxels(image, name)
            for name, image in (("fixed", fixed), ("moving", moving))
        ),
        folding(jacobian, brain, folded),
        large_displacement(displacement, brain),
        # Of an alignment alone both are the same image.
        little_change(fixed, moving, moved) if np.abs(displacement).max() > STILL else None,
    ]
    return [sentence for sentence in found if sentence is not None]


def poor_overlap(fixed: NDArray, moving: NDArray) -> str | None:
    """Warn if the brains' overlap after the affine alignment is below `POOR_OVERLAP`."""
    a, b = np.asarray(fixed) != 0, np.asarray(moving) != 0
    total = np.count_nonzero(a) + np.count_nonzero(b)
    dice = 2 * np.count_nonzero(a & b) / total if total else 0.0
    if dice >= POOR_OVERLAP:
        return None
    return (
        f"The affine alignment looks poor: the two brains overlap by a Dice of {dice:.3f}, below "
        f"{POOR_OVERLAP:g}. Check that both images are skull-stripped and their "
        "headers right, and look at the moving image before the registration."
    )


def folding(jacobian: NDArray, brain: NDArray, share: float | None = None) -> str | None:
    """Warn if more than the share `FOLDING` of the brain's voxels is folded; None: measure it."""
    if share is None:
        share = folding_fraction(jacobian, brain) if np.any(brain) else 0.0
    if share <= FOLDING:
        return None
    return (
        f"The deformation folds at {share:.2%} of the brain's voxels, more than {FOLDING:.1%}: "
        "there it cannot be undone, and volumes cannot be measured. Look at the Jacobian map, and "
        "use stronger regularization if the folds lie where you measure."
    )


def suspected_flip(fixed: NDArray, moving: NDArray, moved: NDArray) -> str | None:
    """Warn if a left-right mirrored image fits better by `FLIP_GAIN`, before or after.

    Mirrored are the moving and the moved image, each at the plane x = constant through the middle
    of its own brain. Different people's brains are too symmetric for this to find more than about
    half of the flips; in scans of one person a flip is much plainer.
    """
    gain = max(_mirror_gain(fixed, image) for image in (moving, moved))
    if not gain >= FLIP_GAIN:
        return None
    return (
        "One of the images may be flipped left to right: mirrored, the moving image fits the fixed "
        f"one clearly better (correlation higher by {gain:.2f}). Check the orientation in both "
        "headers against a mark whose side is known, before you trust anything about sides."
    )


def large_displacement(displacement: NDArray, brain: NDArray) -> str | None:
    """Warn if a point of the brain is displaced by more than `LARGE_MM`."""
    inside = np.asarray(displacement)[np.asarray(brain, bool)]
    longest = float(np.linalg.norm(inside, axis=-1).max()) if inside.size else 0.0
    if longest <= LARGE_MM:
        return None
    return (
        f"Some points are displaced by up to {longest:.0f} mm, more than {LARGE_MM:g} mm beyond "
        "the affine alignment. Brains rarely differ that much: check the affine alignment, and "
        "look for a lesion or for parts that only one image has."
    )


def little_change(fixed: NDArray, moving: NDArray, moved: NDArray) -> str | None:
    """Warn if the correlation over the fixed brain did not rise by `SMALL_GAIN`.

    Images that were alike before, by `ALIKE`, may stay as they are or differ by as little.
    """
    brain = np.asarray(fixed) != 0
    before, after = correlation(fixed, moving, brain), correlation(fixed, moved, brain)
    if after - before >= SMALL_GAIN:
        return None
    if before >= ALIKE and after >= min(ALIKE, before - SMALL_GAIN):
        return None
    numbers = f"the correlation inside the brain was {before:.2f} before and is {after:.2f} after"
    return (
        f"The registration did not make the images more alike: {numbers}. Compare the difference "
        "images before and after, and check that both images have the contrast and orientation "
        "that the network was trained on."
    )


def _mirror_gain(fixed: NDArray, image: NDArray) -> float:
    """How much better an image fits when it is mirrored at the middle of its brain."""
    fixed, image = np.asarray(fixed), np.asarray(image)
    brain = fixed != 0
    used = np.flatnonzero((image != 0).any(axis=(1, 2)))
    if used.size == 0:
        return 0.0
    # Voxel i of the mirrored image is voxel (sum of the ends) - i, or 0 if that lies outside.
    at = used[0] + used[-1] - np.arange(image.shape[0])
    inside = (at >= 0) & (at < image.shape[0])
    mirrored = np.zeros_like(image)
    mirrored[inside] = image[at[inside]]
    return correlation(fixed, mirrored, brain) - correlation(fixed, image, brain)
