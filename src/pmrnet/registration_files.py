"""What a registration leaves in its folder: images, transforms, numbers and a report."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from pmrnet.data.volume import load_labels
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.label_warp import compact_labels
from pmrnet.metrics import dice_per_label
from pmrnet.provenance import collect
from pmrnet.report import (
    ReportContent,
    display_grid,
    measure,
    quality_warnings,
    to_display_grid,
    write_report,
)
from pmrnet.transforms import DenseTransform, apply_to_image, jacobian_determinant, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pmrnet.registration import Registration

#: the ending of each transform format's dense and affine files
_ENDINGS = {
    "itk": (".nii.gz", ".mat"),
    "fsl": (".nii.gz", ".mat"),
    "x5": (".x5", ".x5"),
    "voxel": (".npz", ".mat"),
}


def save(
    registration: Registration,
    folder: Path,
    *,
    format: str = "itk",
    moving_labels: Path | None = None,
    fixed_labels: Path | None = None,
    uncertainty: bool = True,
    report: bool = True,
    overwrite: bool = False,
    inputs: Mapping[str, Any] | None = None,
) -> Path:
    """Write all results of a registration.

    Parameters
    ----------
    registration
        From `pmrnet.register`.
    folder
        Made if it is not there. It holds `moved.nii.gz`, `moved_back.nii.gz`, `forward` and
        `inverse` transforms, `affine`, `jacobian.nii.gz`, `uncertainty.nii.gz`, `metrics.json`,
        `report.html` and, if moving labels are given, `moved_labels.nii.gz`.
    format
        Of the transforms: see `pmrnet.transforms.FORMATS`. ITK's is read by ANTs and 3D Slicer.
    moving_labels, fixed_labels
        Label maps on the grids of the images: moved by nearest neighbour, and, if there are both,
        compared before and after.
    uncertainty, report
        Whether to make these two, which take some seconds.
    overwrite
        Replace the results of an earlier registration in the folder.
    inputs
        What the results are made from, as JSON types, for the record in `metrics.json`.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the folder holds results already and `overwrite` is false, or cannot be written to.
    """
    if format not in _ENDINGS:
        raise InputError(
            f"format: expected one of {', '.join(_ENDINGS)}, found {format!r}; choose one."
        )
    dense, affine = _ENDINGS[format]
    fixed, moving = registration.fixed, registration.moving
    labels = _labels(registration, moving_labels, fixed_labels)
    with _new_folder(Path(folder), overwrite) as new:
        for name, image in (
            ("moved", registration.moved),
            ("moved_back", registration.moved_back),
            ("jacobian", registration.jacobian),
            *([("uncertainty", registration.uncertainty)] if uncertainty else []),
            *([("moved_labels", labels["moved"])] if "moved" in labels else []),
        ):
            nib.save(image, new / f"{name}.nii.gz")
        images = {"fixed": fixed.brain, "moving": moving.brain}
        write(registration.forward, new / f"forward{dense}", format, **images)
        swapped = {"fixed": moving.brain, "moving": fixed.brain}
        write(registration.inverse, new / f"inverse{dense}", format, **swapped)
        kind = "itk" if format == "voxel" else format
        write(registration.affine, new / f"affine{affine}", kind, **images)
        content = _content(registration, labels, uncertainty)
        metrics = {**measure(content), **_native_metrics(registration, labels)}
        record = {
            "metrics": metrics,
            "warnings": list(content.warnings),
            "seconds": {key: round(value, 2) for key, value in registration.seconds.items()},
            **({"refinement": registration.refinement} if registration.refinement else {}),
            **({"temperature": registration.temperature} if uncertainty else {}),
            "files": _names(registration),
            "provenance": _provenance(registration),
            **({} if inputs is None else {"inputs": dict(inputs)}),
        }
        atomic_write_text(new / "metrics.json", json.dumps(record, indent=1) + "\n")
        if report:
            write_report(new / "report.html", content)
    return Path(folder)


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that holds something, unless it is an earlier result to be replaced.

    Raises
    ------
    InputError
        If it is a file, holds other files, or holds results and `overwrite` is false.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for the results, found a file; rename it.")
    ours = (folder / "metrics.json").is_file()
    if folder.is_dir() and any(folder.iterdir()) and not (ours and overwrite):
        found = "the results of another registration" if ours else "other files"
        advice = "give another, or say --overwrite" if ours else "give another"
        raise InputError(f"{folder}: expected a new or empty folder, found {found}; {advice}.")


@contextmanager
def _new_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary folder that takes the final name when the block ends well."""
    check_folder(folder, overwrite)
    new = folder.with_name(f".part-{folder.name}")
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{folder}: expected a folder that can be made, found otherwise ({error.strerror}); "
            "give another place."
        ) from error
    try:
        yield new
        if folder.is_dir():
            shutil.rmtree(folder)
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _labels(
    registration: Registration, moving: Path | None, fixed: Path | None
) -> dict[str, nib.Nifti1Image]:
    """Label maps on the fixed grid: fixed, moving by the affine alone, and moved."""
    result = {}
    for role, path, brain in (
        ("moving", moving, registration.moving.brain),
        ("fixed", fixed, registration.fixed.brain),
    ):
        if path is None:
            continue
        volume = load_labels(path)
        if volume.shape != brain.shape or not np.allclose(volume.affine, brain.affine, atol=1e-3):
            raise InputError(
                f"{path}: expected labels on the grid of the {role} image, {brain.shape}, found "
                f"{volume.shape} or another affine; resample them to it."
            )
        result[role] = nib.Nifti1Image(compact_labels(volume.data), brain.affine)
    if "moving" in result:
        given = result.pop("moving")
        result["moved"] = apply_to_image(
            registration.forward, given, registration.fixed.image, order=0
        )
        result["before"] = apply_to_image(
            registration.affine, given, registration.fixed.image, order=0
        )
    return result


def _content(
    registration: Registration, labels: dict[str, nib.Nifti1Image], uncertainty: bool
) -> ReportContent:
    """Bring everything to the report's grid."""
    fixed, moving = registration.fixed, registration.moving
    brain = nib.Nifti1Image(fixed.brain.data, fixed.brain.affine)
    grid = display_grid(brain)

    def shown(image: nib.spatialimages.SpatialImage, **options: Any) -> np.ndarray:
        return to_display_grid(image, grid, **options)

    moving_brain = nib.Nifti1Image(moving.brain.data, moving.brain.affine)
    before = apply_to_image(registration.affine, moving_brain, brain)
    after = apply_to_image(registration.forward, moving_brain, brain)
    beyond = deformation(registration)
    displacement = shown(nib.Nifti1Image(beyond.displacement, beyond.affine), fill=None)
    determinant = shown(nib.Nifti1Image(jacobian_determinant(beyond), beyond.affine), fill=1.0)
    arrays = {
        "fixed": shown(brain),
        "moving": shown(before),
        "moved": shown(after),
        "displacement": displacement,
        "jacobian": determinant,
    }
    warnings = quality_warnings(**arrays, spacing=np.linalg.norm(grid.affine[:3, :3], axis=0))
    names = {"fixed_labels": "fixed", "moving_labels": "before", "moved_labels": "moved"}
    return ReportContent(
        **arrays,
        affine=grid.affine,
        fixed_name=Path(fixed.name).name,
        moving_name=Path(moving.name).name,
        uncertainty=shown(registration.uncertainty, fill=None) if uncertainty else None,
        **{key: shown(labels[name], order=0) for key, name in names.items() if name in labels},
        metrics=_native_metrics(registration, labels),
        warnings=warnings,
        provenance={
            **_provenance(registration),
            "files": _names(registration),
            "seconds": round(sum(registration.seconds.values()), 1),
        },
    )


def deformation(registration: Registration) -> DenseTransform:
    """What the forward transform does beyond its affine part, in the fixed space, RAS mm.

    x -> affine^-1 (forward(x)): so that its Jacobian does not count a difference of size.
    """
    forward, matrix = registration.forward, registration.affine.inverse().matrix
    grid = np.indices(forward.shape).reshape(3, -1).T
    points = nib.affines.apply_affine(forward.affine, grid)
    moved = points + forward.displacement.reshape(-1, 3)
    u = (nib.affines.apply_affine(matrix, moved) - points).astype(np.float32)
    return DenseTransform(u.reshape(*forward.shape, 3), forward.affine)


def _native_metrics(
    registration: Registration, labels: dict[str, nib.Nifti1Image]
) -> dict[str, float]:
    trip = registration.round_trip_error
    metrics = {
        "template_overlap_fixed": registration.fixed.overlap,
        "template_overlap_moving": registration.moving.overlap,
        **{f"round_trip_{key}": value for key, value in trip.items()},
    }
    if {"fixed", "moved"} <= labels.keys():
        target = np.asarray(labels["fixed"].dataobj)
        ids = [int(i) for i in np.unique(target) if i]
        for name in ("before", "moved"):
            dice = dice_per_label(np.asarray(labels[name].dataobj), target, ids)
            key = "dice_before" if name == "before" else "dice_after"
            metrics[key] = float(np.nanmean(list(dice.values())))
    return {key: round(float(value), 6) for key, value in metrics.items()}


def _names(registration: Registration) -> dict[str, str]:
    pair = {"moving": registration.moving, "fixed": registration.fixed}
    return {role: Path(brain.name).name for role, brain in pair.items()}


def _provenance(registration: Registration) -> dict[str, Any]:
    description = registration.weights
    training = description.get("training", {})
    return collect(
        {"network": description["network"], "spacing": description["spacing"]},
        {"weights": description["weights"], "trained_on": training.get("data", {})},
        training.get("seed"),
        training.get("steps"),
        description["sha256"],
    )
