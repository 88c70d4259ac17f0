"""Numbers of a registration in words and with units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Row(NamedTuple):
    """A number for a table: what it is called, its value with the unit, and what it means."""

    name: str
    value: str
    meaning: str


class _Known(NamedTuple):
    name: str
    style: str
    meaning: str


_KNOWN = {
    "correlation_before": _Known(
        "Correlation before", "{:.3f}", "of the intensities in the fixed brain; 1 is the best"
    ),
    "correlation_after": _Known("Correlation after", "{:.3f}", "the same with the moved image"),
    "dice_before": _Known("Mean Dice before", "{:.3f}", "overlap of the labels; 1 is the best"),
    "dice_after": _Known("Mean Dice after", "{:.3f}", "the same with the moved labels"),
    "displacement_mean_mm": _Known(
        "Mean displacement", "{:.2f} mm", "over the fixed brain, beyond the affine alignment"
    ),
    "displacement_p95_mm": _Known(
        "95th percentile of the displacement", "{:.2f} mm", "95% of the points move less"
    ),
    "displacement_max_mm": _Known("Largest displacement", "{:.2f} mm", "anywhere in the brain"),
    "folding_fraction": _Known(
        "Folded share", "{:.4%}", "voxels at which the deformation cannot be undone"
    ),
    "jacobian_min": _Known(
        "Smallest Jacobian",
        "{:.3f}",
        "volume in the moving image over that in the fixed one, beyond the affine alignment",
    ),
    "jacobian_max": _Known("Largest Jacobian", "{:.3f}", "the same; 1 is no change"),
    "sdlogj": _Known(
        "SD of log Jacobian", "{:.3f}", "how unevenly volumes change; 0 is an even deformation"
    ),
    "affine_volume_ratio": _Known(
        "Volume ratio of the affine alignment",
        "{:.3f}",
        "moving over fixed, everywhere; the file of the Jacobian has the product of both",
    ),
    "uncertainty_mean_mm": _Known(
        "Mean uncertainty", "{:.2f} mm", "standard deviation of the point in the moving image"
    ),
    "uncertainty_p95_mm": _Known(
        "95th percentile of the uncertainty", "{:.2f} mm", "it is smaller in 95% of the brain"
    ),
    "uncertainty_temperature": _Known(
        "Temperature of the uncertainty",
        "{:.6g}",
        "factor of the posterior's variance; 1 is what the network says",
    ),
    "round_trip_mean_mm": _Known(
        "Mean round trip error", "{:.3f} mm", "how far from itself a point is after both transforms"
    ),
    "round_trip_p99_mm": _Known(
        "99th percentile of the round trip error", "{:.3f} mm", "99% of the points come closer"
    ),
    "round_trip_max_mm": _Known("Largest round trip error", "{:.3f} mm", "anywhere in the brain"),
    "template_overlap_fixed": _Known(
        "Fixed brain in the template", "{:.1%}", "after its affine alignment; about 90% is usual"
    ),
    "template_overlap_moving": _Known(
        "Moving brain in the template", "{:.1%}", "after its affine alignment; about 90% is usual"
    ),
}


def rows(metrics: Mapping[str, Any]) -> list[Row]:
    """Name, value and meaning of every number; those not known here go by their own names.

    Parameters
    ----------
    metrics
        Values by name, as `pmrnet.report.measure` gives them, and any others.
    """
    known = [
        Row(entry.name, _styled(entry.style, metrics[key]), entry.meaning)
        for key, entry in _KNOWN.items()
        if key in metrics
    ]
    others = [
        Row(str(key), plain(value), "") for key, value in metrics.items() if key not in _KNOWN
    ]
    return known + others


def sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Say the most important numbers in words.

    Parameters
    ----------
    metrics
        As in `rows`; what is absent or not a number is left out.
    """
    m = {k: float(v) for k, v in metrics.items() if k in _KNOWN and _is_number(v)}
    told = []
    if {"correlation_before", "correlation_after"} <= m.keys():
        before, after = m["correlation_before"], m["correlation_after"]
        told.append(
            f"Inside the fixed brain, the correlation of the two images {_course(before, after)}."
        )
    if {"dice_before", "dice_after"} <= m.keys():
        told.append(
            "The mean overlap (Dice) of the labels "
            f"{_course(m['dice_before'], m['dice_after'])}; 1 is perfect."
        )
    elif "dice_after" in m:
        told.append(
            f"After the registration, the labels overlap by a mean Dice of {m['dice_after']:.3f}; "
            "1 is perfect."
        )
    if {"displacement_mean_mm", "displacement_max_mm"} <= m.keys():
        told.append(
            "Beyond the affine alignment, points of the brain are moved by "
            f"{m['displacement_mean_mm']:.1f} mm on average and by "
            f"{m['displacement_max_mm']:.1f} mm at most."
        )
    if {"jacobian_min", "jacobian_max"} <= m.keys() and m["jacobian_min"] > 0:
        told.append(
            "Beyond the affine alignment, a small part of the fixed brain corresponds to between "
            f"{m['jacobian_min']:.2f} and {m['jacobian_max']:.2f} times its volume in the moving "
            "one."
        )
    if "folding_fraction" in m:
        share = m["folding_fraction"]
        told.append(
            f"The deformation folds at {100 * share:.2g}% of the brain's voxels."
            if share > 0
            else "The deformation folds nowhere in the brain: it can be undone."
        )
    if "round_trip_p99_mm" in m:
        told.append(
            "There and back by both transforms, 99% of the brain's points return to within "
            f"{m['round_trip_p99_mm']:.2f} mm."
        )
    if {"uncertainty_mean_mm", "uncertainty_p95_mm"} <= m.keys():
        told.append(
            "The displacement is uncertain by "
            f"{m['uncertainty_mean_mm']:.2f} mm on average (standard deviation), and by less than "
            f"{m['uncertainty_p95_mm']:.2f} mm in 95% of the brain."
        )
        temperature = m.get("uncertainty_temperature", 1)
        told.append(
            "This uncertainty is the network's own times "
            f"{math.sqrt(temperature):.3g}, the root of its temperature."
            if temperature != 1
            else "This uncertainty is the network's own, fitted to no errors: real ones are many "
            "times larger."
        )
    return told


def plain(value: Any) -> str:
    """Write any value as text: numbers rounded to six digits, None and NaN as a dash."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _course(before: float, after: float) -> str:
    if abs(after - before) < 5e-4:
        return f"stayed the same, {after:.3f}"
    return f"{'rose' if after > before else 'fell'} from {before:.3f} to {after:.3f}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not math.isnan(value)


def _styled(style: str, value: Any) -> str:
    return style.format(float(value)) if _is_number(value) else plain(value)
