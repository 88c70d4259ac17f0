"""From raw subjects to what the networks read: affine alignment, network grid, intensities.

Only the image is resampled, once. Labels stay in the subject's native grid: the evaluation carries
them through the composed map (``grid_to_native`` and the network's displacement) in one
nearest-neighbour interpolation. What is written is described in `pmrnet.data.prepared`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import pmrnet
from pmrnet.data.affine import AffineSettings, estimate_affine, resample
from pmrnet.data.batch import run_batch
from pmrnet.data.intensity import normalise
from pmrnet.data.prepared import (
    PreparedSubject,
    describe_inputs,
    is_prepared,
    write_json,
    write_prepared,
)
from pmrnet.data.template import icbm152, icbm152_volume, network_grid
from pmrnet.data.volume import Volume, canonical, load_image, load_labels
from pmrnet.errors import InputError

Orientation = Callable[[Path, Volume], np.ndarray]

# Raise when the same settings and inputs would give other files than before.
FORMAT = 1

# Below this share of the brain inside the template's, the alignment has surely gone wrong. Right
# ones reach about 0.9, because brain masks keep some of the fluid around the brain.
POOR_OVERLAP = 0.8


@dataclass(frozen=True)
class PrepareSettings:
    """What decides the content of the prepared files.

    Parameters
    ----------
    shape
        Voxels of the network grid at 1 mm.
    clip
        Standard deviations from the brain's mean at which intensities are cut.
    affine
        Settings of the affine alignment.
    """

    shape: tuple[int, int, int] = (160, 192, 160)
    clip: float = 3.0
    affine: AffineSettings = field(default_factory=AffineSettings)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        grid = network_grid(1, self.shape).affine.tolist()
        return json.loads(json.dumps({"format": FORMAT, "grid": grid, **asdict(self)}))

    def hash(self) -> str:
        """Short SHA-256 of the settings."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _template() -> Volume:
    return icbm152_volume()


def prepare_subject(
    name: str,
    image: str | Path,
    labels: str | Path | None,
    out: str | Path,
    settings: PrepareSettings | None = None,
    orientation: Orientation | None = None,
) -> PreparedSubject:
    """Align a skull-stripped brain to the template and write it on the network grid.

    Parameters
    ----------
    name
        Name of the subject, and of its folder.
    image
        Skull-stripped T1 image, zero outside the brain.
    labels
        Label map on the same grid, or None.
    out
        Folder in which the subject's folder is made.
    settings
        Settings; the defaults if None.
    orientation
        Function of the label file's path and the labels that gives the voxel-to-RAS matrix of
        both files, for formats without one; the headers' if None.

    Returns
    -------
    PreparedSubject
        What lies in ``out/name``: prepared now, or before from the same inputs and settings.

    Raises
    ------
    InputError
        If an input cannot be used, or image and labels are not on the same grid.
    """
    settings = settings or PrepareSettings()
    folder = Path(out) / name
    paths = {"image": Path(image)} | ({} if labels is None else {"labels": Path(labels)})
    inputs = describe_inputs(paths)
    if is_prepared(folder, settings.hash(), settings.shape, inputs):
        return PreparedSubject.load(folder)

    native = load_image(image)
    if labels is not None:
        other = load_labels(labels)
        if other.shape != native.shape or not np.allclose(other.affine, native.affine, atol=1e-3):
            raise InputError(
                f"{labels}: expected the grid of the image {image}, {native.shape}, found "
                f"{other.shape} or another affine; resample the labels to the image's grid."
            )
        if orientation is not None:
            native = Volume(native.data, orientation(Path(labels), other))
    grid = network_grid(1, settings.shape)
    template_to_subject = estimate_affine(canonical(native), _template(), settings.affine)
    aligned = resample(native, grid.affine, grid.shape, template_to_subject, order=1).data
    brain = aligned != 0
    if not brain.any():
        raise InputError(
            f"{image}: expected a brain on the template after alignment, found nothing there; "
            "check that the image is skull-stripped and its header right."
        )
    overlap = float((brain & (icbm152(grid) > 0)).sum() / brain.sum())

    record = {
        "name": name,
        "grid_to_native": (
            np.linalg.inv(native.affine) @ template_to_subject @ grid.affine
        ).tolist(),
        "grid_affine": grid.affine.tolist(),
        "spacing": 1,
        "native_affine": native.affine.tolist(),
        "native_shape": list(native.shape),
        "overlap": overlap,
        "inputs": inputs,
        "settings": settings.as_dict(),
        "settings_hash": settings.hash(),
    }
    return write_prepared(folder, normalise(aligned, settings.clip), record)


def prepare_dataset(
    subjects: Mapping[str, tuple[Path, Path | None]],
    out: str | Path,
    settings: PrepareSettings | None = None,
    orientation: Orientation | None = None,
    processes: int | None = None,
    console: Console | None = None,
) -> list[PreparedSubject]:
    """Prepare many subjects in parallel; those already prepared are kept.

    Parameters
    ----------
    subjects
        Name to image and label paths, as `pmrnet.data.lpba40.find_subjects` gives it.
    out
        Folder for the subjects' folders and ``manifest.json``.
    settings
        Settings; the defaults if None.
    orientation
        As in `prepare_subject`; for LPBA40, `pmrnet.data.lpba40.label_orientation`.
    processes
        Number of processes; the number of usable cores if None.
    console
        Where progress and warnings go; the standard error if None.

    Returns
    -------
    list of PreparedSubject
        In the order given.

    Raises
    ------
    InputError
        If an input cannot be used. The others that were running are finished first.
    """
    settings = settings or PrepareSettings()
    out = Path(out)
    done = run_batch(
        "Preparing",
        prepare_subject,
        {
            name: (name, image, labels, out, settings, orientation)
            for name, (image, labels) in subjects.items()
        },
        processes,
        console,
        _notice,
    )
    manifest = {
        "settings": settings.as_dict(),
        "settings_hash": settings.hash(),
        "version": pmrnet.__version__,
        "subjects": list(done),
    }
    write_json(out / "manifest.json", manifest)
    return list(done.values())


def _notice(subject: PreparedSubject) -> str | None:
    if subject.overlap >= POOR_OVERLAP:
        return None
    return (
        f"{subject.name}: only {subject.overlap:.0%} of the brain lies inside the template after "
        "alignment; look at its image.npy."
    )
