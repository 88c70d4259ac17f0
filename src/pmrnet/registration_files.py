"""What a registration leaves in its folder: images, transforms, numbers and a report."""

from __future__ import annotations

import json
import math
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.image_files import write_image
from pmrnet.image_record import describe_image, mask_name
from pmrnet.provenance import collect
from pmrnet.registration_labels import Labels, dice_of, move_labels, read_labels
from pmrnet.registration_report import NativeResult, report_content
from pmrnet.report import measure, write_report
from pmrnet.report.measures import volume_changes
from pmrnet.result_folder import RECORD, REPORT, new_results
from pmrnet.transforms import write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    moving_labels: Labels | None = None,
    fixed_labels: Labels | None = None,
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
        `report.html` and, if moving labels are given, `moved_labels.nii.gz`; of a head whose skull
        a tool has stripped, `moving_mask.nii.gz` or `fixed_mask.nii.gz`.
    format
        Of the transforms: see `pmrnet.transforms.FORMATS`. ITK's is read by ANTs and 3D Slicer.
    moving_labels, fixed_labels
        Label maps on the grids of the images, files or nibabel images: moved by nearest neighbour,
        and, if there are both, compared before and after.
    uncertainty, report
        Whether to make these two, which take some seconds.
    overwrite
        Replace the results of an earlier registration in the folder; other files in it stay.
    inputs
        What the results are made from, as JSON types, for the record in `metrics.json`.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the folder holds results already and `overwrite` is false, or one of the inputs is
        among those that would be replaced, or it cannot be written to, or labels are none or on
        another grid.
    """
    if format not in _ENDINGS:
        raise InputError(
            f"format: expected one of {', '.join(_ENDINGS)}, found {format!r}; choose one."
        )
    dense, affine = _ENDINGS[format]
    fixed, moving = registration.fixed, registration.moving
    labels = {
        role: read_labels(given, role, aligned.brain)
        for role, given, aligned in (
            ("moving", moving_labels, moving),
            ("fixed", fixed_labels, fixed),
        )
    }
    inputs_named = [moving_labels, fixed_labels]
    for aligned in (moving, fixed):
        inputs_named += [aligned.source.name, aligned.source.mask_name]
    images = {"fixed": fixed.brain, "moving": moving.brain}
    swapped = {"fixed": moving.brain, "moving": fixed.brain}
    with new_results(Path(folder), overwrite, inputs_named) as new, _Writing(new) as writing:
        # Nearly all is made, compressed and written while the network draws its samples.
        transforms = []
        for name, spaces in (("forward", images), ("inverse", swapped)):
            transforms.append(writing.add(getattr, registration, name))
            writing.transform(name, dense, transforms[-1], format, **spaces)
        for name in ("moved", "moved_back", "jacobian"):
            writing.image(name, partial(getattr, registration, name))
        deviation = registration.uncertainty if uncertainty else None
        for transform in transforms:
            transform.result()
        if deviation is not None:
            writing.image("uncertainty", lambda: deviation)
        kind = "itk" if format == "voxel" else format
        write(registration.affine, new / f"affine{affine}", kind, **images)
        result = _native_result(registration, labels, deviation)
        if "moved" in result.labels:
            writing.image("moved_labels", lambda: result.labels["moved"])
        for role, aligned in (("moving", moving), ("fixed", fixed)):
            if aligned.source.stripped is not None:
                mask = aligned.source.stripped.mask
                writing.image(mask_name(role), partial(nib.Nifti1Image, mask.data, mask.affine))
        content = report_content(result)
        record = {
            "metrics": {**measure(content), **result.metrics},
            "warnings": list(content.warnings),
            "seconds": {key: round(value, 2) for key, value in registration.seconds.items()},
            **({"refinement": registration.refinement} if registration.refinement else {}),
            "files": dict(result.names),
            "images": {
                "moving": describe_image(moving.source, "moving"),
                "fixed": describe_image(fixed.source, "fixed"),
            },
            "provenance": _provenance(registration),
            **({} if inputs is None else {"inputs": dict(inputs)}),
        }
        atomic_write_text(new / RECORD, json.dumps(_without_nan(record), indent=1) + "\n")
        if report:
            write_report(new / REPORT, content)
    return Path(folder)


def _without_nan(value: Any) -> Any:
    """Content for JSON, which has no NaN: the correlation of brains that do not meet is null."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Writing:
    """Files written by threads of their own: most of the work leaves Python to the others."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._pool = folder, ThreadPoolExecutor(max_workers=1)
        self._writes: list[Future] = []

    def add(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future:
        """Call a function that writes, or makes what is to be written, in its turn."""
        self._writes.append(self._pool.submit(function, *arguments, **options))
        return self._writes[-1]

    def transform(self, name: str, ending: str, made: Future, format: str, **spaces: Any) -> None:
        """Write a transform that was made by then."""
        path = self._folder / f"{name}{ending}"
        self.add(lambda: write(made.result(), path, format, **spaces))

    def image(self, name: str, make: Callable[[], nib.Nifti1Image]) -> None:
        """Make an image and write it."""
        path = self._folder / f"{name}.nii.gz"
        self.add(lambda: write_image(path, make()))

    def __enter__(self) -> _Writing:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        """Wait for all files; what failed first is raised, if nothing was before."""
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for written in self._writes:
                written.result()


def _native_result(
    registration: Registration,
    labels: Mapping[str, nib.Nifti1Image | None],
    uncertainty: nib.Nifti1Image | None,
) -> NativeResult:
    fixed, moving = registration.fixed, registration.moving
    moved = move_labels(**labels, **_maps(registration), reference=fixed.image)
    size = float(np.linalg.det(registration.affine.matrix[:3, :3]))
    # On the image's own voxels: on the report's, interpolation would smooth folds away.
    determinant = np.asanyarray(registration.jacobian.dataobj)[fixed.brain.data != 0] / size
    metrics = {
        **volume_changes(determinant),
        "template_overlap_fixed": fixed.overlap,
        "template_overlap_moving": moving.overlap,
        "affine_volume_ratio": size,
        **{f"round_trip_{key}": value for key, value in registration.round_trip_error.items()},
        "uncertainty_temperature": None if uncertainty is None else registration.temperature,
        **dice_of(moved),
    }
    names = {"moving": Path(moving.name).name, "fixed": Path(fixed.name).name}
    return NativeResult(
        fixed=fixed.brain,
        moving=moving.brain,
        **_maps(registration),
        jacobian=registration.jacobian,
        uncertainty=uncertainty,
        labels=moved,
        names=names,
        # Nine digits: a share of folds is small, and none is said only of none.
        metrics={k: round(float(value), 9) for k, value in metrics.items() if value is not None},
        provenance={
            **_provenance(registration),
            "files": names,
            "seconds": round(sum(registration.seconds.values()), 1),
        },
    )


def _maps(registration: Registration) -> dict[str, Any]:
    return {"forward": registration.forward, "affine": registration.affine}


def _provenance(registration: Registration) -> dict[str, Any]:
    description = registration.weights
    training = description.get("training", {})
    used = {
        key: description[key] for key in ("network", "spacing", "symmetric") if key in description
    }
    return collect(
        used,
        {"weights": description["weights"], "trained_on": training.get("data", {})},
        training.get("seed"),
        training.get("steps"),
        description["sha256"],
    )
