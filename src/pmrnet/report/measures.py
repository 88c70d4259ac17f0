"""What the arrays of a report say in numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pmrnet.metrics import dice_per_label, folding_fraction, sdlogj
from pmrnet.report.content import ReportContent


def correlation(first: NDArray, second: NDArray, mask: NDArray) -> float:
    """Pearson correlation of two images over a mask.

    Parameters
    ----------
    first, second
        Images of one shape.
    mask
        Where to look, bool of the same shape.

    Returns
    -------
    float
        In [-1, 1]; NaN if fewer than two voxels are looked at, or if one of the images is constant
        there.
    """
    a, b = (np.asarray(image)[mask].astype(np.float64) for image in (first, second))
    if a.size < 2:
        return float("nan")
    a -= a.mean()
    b -= b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / scale, -1, 1)) if scale > 0 else float("nan")


def measure(content: ReportContent) -> dict[str, float]:
    """Measure a registration on the grid of its report, over the fixed brain.

    Parameters
    ----------
    content
        The registration.

    Returns
    -------
    dict of str to float
        ``correlation_before`` and ``correlation_after`` of the intensities;
        ``displacement_mean_mm``, ``displacement_p95_mm`` and ``displacement_max_mm``, lengths;
        ``folding_fraction``, ``jacobian_min``, ``jacobian_max`` and ``sdlogj``;
        ``uncertainty_mean_mm`` and ``uncertainty_p95_mm`` if there is an uncertainty;
        ``dice_before`` and ``dice_after``, means over the fixed map's labels, if there are labels.
    """
    brain = content.brain
    length = np.linalg.norm(np.asarray(content.displacement)[brain], axis=-1)
    result = {
        "correlation_before": correlation(content.fixed, content.moving, brain),
        "correlation_after": correlation(content.fixed, content.moved, brain),
        "displacement_mean_mm": float(length.mean(dtype=np.float64)),
        "displacement_p95_mm": float(np.percentile(length, 95)),
        "displacement_max_mm": float(length.max()),
        **volume_changes(np.asarray(content.jacobian)[brain]),
    }
    if content.uncertainty is not None:
        inside = np.asarray(content.uncertainty)[brain]
        result["uncertainty_mean_mm"] = float(inside.mean(dtype=np.float64))
        result["uncertainty_p95_mm"] = float(np.percentile(inside, 95))
    for when, dice in overlaps(content).items():
        result[f"dice_{when}"] = float(np.mean(list(dice.values())))
    return result


def volume_changes(determinant: NDArray) -> dict[str, float]:
    """``folding_fraction``, ``jacobian_min``, ``jacobian_max`` and ``sdlogj`` of determinants."""
    return {
        "folding_fraction": folding_fraction(determinant),
        "jacobian_min": float(determinant.min()),
        "jacobian_max": float(determinant.max()),
        "sdlogj": sdlogj(determinant),
    }


def overlaps(content: ReportContent) -> dict[str, dict[int, float]]:
    """Dice of every label of the fixed map, ``before`` and ``after``, where there are maps.

    Parameters
    ----------
    content
        The registration.
    """
    if content.fixed_labels is None:
        return {}
    fixed = np.asarray(content.fixed_labels)
    labels = [label for label in np.unique(fixed).tolist() if label > 0]
    maps = {"before": content.moving_labels, "after": content.moved_labels}
    if not labels:
        return {}
    return {
        when: dice_per_label(fixed, moved, labels)
        for when, moved in maps.items()
        if moved is not None
    }
