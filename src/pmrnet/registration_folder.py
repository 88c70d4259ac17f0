"""A registration as it lies in its folder, and a report written from there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib

from pmrnet.errors import InputError
from pmrnet.image_files import open_image
from pmrnet.image_record import find_image
from pmrnet.registration_labels import dice_of, move_labels, read_labels
from pmrnet.registration_report import NativeResult, report_content
from pmrnet.report import write_report
from pmrnet.result_folder import RECORD, REPORT
from pmrnet.transforms import jacobian_determinant, read, to_dense
from pmrnet.transforms.members import transform_file

_ROLES = ("moving", "fixed")


def report_from_folder(
    folder: Path,
    output: Path | None = None,
    *,
    moving: Path | None = None,
    fixed: Path | None = None,
    moving_mask: Path | None = None,
    fixed_mask: Path | None = None,
    moving_labels: Path | None = None,
    fixed_labels: Path | None = None,
) -> Path:
    """Write the report of a registration that exists; nothing is registered anew.

    Parameters
    ----------
    folder
        Of the registration, as `pmrnet.registration_files.save` wrote it. Nothing in it changes
        but the report.
    output
        The report's file; ``report.html`` in the folder if None. One that is there is replaced.
    moving, fixed, moving_mask, fixed_mask
        Where the images and their masks are now; where they were if None.
    moving_labels, fixed_labels
        Label maps on the grids of the images, for their overlap before and after.

    Returns
    -------
    pathlib.Path
        The report.

    Raises
    ------
    InputError
        If the folder is no registration or not whole, or an image is not there, cannot be used or
        is not the one that the registration was made of.
    """
    record = _read_record(folder)
    given = {"moving": (moving, moving_mask), "fixed": (fixed, fixed_mask)}
    source = {r: find_image(record["images"][r], r, folder, *given[r]) for r in _ROLES}
    brains = {role: source[role].brain for role in _ROLES}
    labels = {
        "moving": read_labels(moving_labels, "moving", brains["moving"]),
        "fixed": read_labels(fixed_labels, "fixed", brains["fixed"]),
    }
    forward, affine = (
        read(transform_file(folder, name), **brains) for name in ("forward", "affine")
    )
    maps = {
        "forward": to_dense(forward, brains["fixed"].shape, brains["fixed"].affine),
        "affine": affine,
    }
    moved = move_labels(**labels, **maps, reference=source["fixed"].image)
    uncertainty = folder / "uncertainty.nii.gz"
    determinant = jacobian_determinant(maps["forward"])
    result = NativeResult(
        **brains,
        **maps,
        jacobian=nib.Nifti1Image(determinant, brains["fixed"].affine),
        uncertainty=open_image(uncertainty) if uncertainty.is_file() else None,
        labels=moved,
        names=record["files"],
        metrics={**_numbers(record["metrics"]), **dice_of(moved)},
        provenance={
            **record["provenance"],
            "files": record["files"],
            "seconds": round(sum(record["seconds"].values()), 1),
        },
    )
    return write_report(output or folder / REPORT, report_content(result))


def _numbers(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {key: math.nan if value is None else value for key, value in metrics.items()}


def _read_record(folder: Path) -> dict[str, Any]:
    """What the folder says of itself, with all that is needed of it."""
    path = folder / RECORD
    if not path.is_file():
        raise InputError(
            f"{folder}: expected the folder of a registration, found no {RECORD} in it; name the "
            "folder that `pmrnet register` wrote."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        missing = {"metrics", "files", "provenance", "seconds"} - record.keys()
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: expected the record of a registration, found otherwise ({error}); register "
            "again."
        ) from error
    if "images" not in record:
        raise InputError(
            f"{path}: expected a record of the two images, found that of an earlier version, which "
            "has none; register again."
        )
    return record
