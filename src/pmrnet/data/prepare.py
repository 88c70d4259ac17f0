"""From raw subjects to what the networks read: affine alignment, network grid, intensities.

The work is done in two stages, each of which is redone only if something changes that it depends
on: the alignment (`pmrnet.data.alignment`), then the image on the network grid. Only the image is
resampled, once. Labels stay in the subject's native grid: the evaluation carries them through the
composed map (``grid_to_native`` and the network's displacement) in one nearest-neighbour
interpolation. What is written is described in `pmrnet.data.prepared`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from rich.console import Console

from pmrnet.data.affine import AffineSettings
from pmrnet.data.alignment import align_to_template
from pmrnet.data.batch import raise_failures, try_batch
from pmrnet.data.intensity import normalise
from pmrnet.data.label_ids import label_ids
from pmrnet.data.manifest import write_manifest
from pmrnet.data.native import Orientation, load_native
from pmrnet.data.prepared import PreparedSubject, describe_inputs, is_prepared, write_prepared
from pmrnet.data.resampling import resample
from pmrnet.data.room import check_room
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.template import Grid, icbm152_brain, network_grid
from pmrnet.data.volume import Volume, load_labels
from pmrnet.errors import InputError
from pmrnet.folder_lock import folder_lock

# Trainings that are begun together all look first whether their data are prepared, which is quick.
_LONGEST_WAIT_S = 600.0
# Raise when the same settings and inputs would give another image than before.
FORMAT = 1

# Below this share of the brain inside the template's, the alignment has surely gone wrong. Right
# ones reach about 0.9, because brain masks keep some of the fluid around the brain.
POOR_OVERLAP = 0.8
#: share of a brain beyond the grid that is told of; the default grid cuts off less than 0.001
CUT_OFF = 0.01

# Bytes that the descriptions of a subject take at most.
_DESCRIPTIONS = 100_000


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


def _share_beyond(brain: Volume, template_to_subject: np.ndarray, grid: Grid) -> float:
    """Share of a brain's voxels that lie beyond the grid."""
    to_grid = np.linalg.inv(np.linalg.inv(brain.affine) @ template_to_subject @ grid.affine)
    at = nib.affines.apply_affine(to_grid, np.argwhere(brain.data))
    return float(((at < -0.5) | (at > np.array(grid.shape) - 0.5)).any(axis=-1).mean())


def prepare_subject(
    name: str,
    files: SubjectFiles,
    out: str | Path,
    settings: PrepareSettings | None = None,
    orientation: Orientation | None = None,
) -> PreparedSubject:
    """Align a brain to the template and write it on the network grid.

    Parameters
    ----------
    name
        Name of the subject, and of its folder.
    files
        T1 image; label map and brain mask on the same grid, or None. Without a mask the image is
        zero outside the brain.
    out
        Folder in which the subject's folder is made.
    settings
        Settings; the defaults if None.
    orientation
        Function of the label file's path and the labels that gives the voxel-to-RAS matrix of
        all files, for formats without one; the headers' if None, or if there are no labels.

    Returns
    -------
    PreparedSubject
        What lies in ``out/name``: prepared now, or before from the same inputs and settings.

    Raises
    ------
    InputError
        If an input cannot be used, the files are not on the same grid, the brain cannot be
        aligned, or `out` cannot be written to.
    """
    settings = settings or PrepareSettings()
    if Path(name).name != name or name in ("", "..") or "\\" in name:
        raise InputError(
            f"Subjects: expected names that can be those of folders, found {name!r}; rename it."
        )
    folder = Path(out) / name
    paths = {role: getattr(files, role) for role in SubjectFiles._fields}
    inputs = describe_inputs({r: Path(path) for r, path in paths.items() if path is not None})
    oriented_by = None if files.labels is None else _name_of(orientation)
    if is_prepared(folder, settings.hash(), settings.shape, inputs, oriented_by):
        return PreparedSubject.load(folder)
    check_room(folder, 4 * math.prod(settings.shape) + _DESCRIPTIONS)

    brain, notices = load_native(files, orientation)
    alignment = align_to_template(folder, brain, inputs, settings.affine)
    template_to_subject = np.array(alignment["template_to_subject"])
    grid = network_grid(1, settings.shape)
    aligned = resample(brain, grid.affine, grid.shape, template_to_subject, order=1).data
    inside = aligned != 0
    if not inside.any():
        raise InputError(
            f"{files.image}: expected a brain on the template after alignment, found nothing there;"
            " check that the image is skull-stripped and its header right."
        )
    overlap = float((inside & icbm152_brain(1, settings.shape)).sum() / inside.sum())
    if overlap < POOR_OVERLAP:
        notices.append(
            f"only {overlap:.0%} of the brain lies inside the template after alignment; look at "
            "its image.npy"
        )
    if (cut := _share_beyond(brain, template_to_subject, grid)) > CUT_OFF:
        notices.append(
            f"the grid of {' x '.join(map(str, grid.shape))} voxels cuts off {cut:.1%} of the "
            "brain; enlarge it (`data: shape:`), or look at its image.npy"
        )
    record = {
        "name": name,
        "grid_to_native": (
            np.linalg.inv(brain.affine) @ template_to_subject @ grid.affine
        ).tolist(),
        "grid_affine": grid.affine.tolist(),
        "spacing": 1,
        "native_affine": brain.affine.tolist(),
        "native_shape": list(brain.shape),
        "orientation": oriented_by,
        "label_ids": None if files.labels is None else label_ids(load_labels(files.labels).data),
        "affine": {key: value for key, value in alignment.items() if key != "identity"},
        "overlap": overlap,
        "notices": notices,
        "inputs": inputs,
        "settings": settings.as_dict(),
        "settings_hash": settings.hash(),
    }
    return write_prepared(folder, normalise(aligned, settings.clip), record)


def prepare_dataset(
    subjects: Mapping[str, SubjectFiles],
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
        Name to files.
    out
        Folder for the subjects' folders and ``manifest.json``, which says what they were made from
        and how (`pmrnet.data.manifest`).
    settings
        Settings; the defaults if None.
    orientation
        As in `prepare_subject`; a function of a module, so that other processes find it.
    processes
        Number of processes; as many as cores and memory allow if None.
    console
        Where progress and notices go; the standard error if None.

    Returns
    -------
    list of PreparedSubject
        In the order of `subjects`.

    Raises
    ------
    InputError
        If a subject cannot be prepared: as in `prepare_subject` if it is the only one, else after
        all others are done, with the sentences of the first few that failed. If another process
        prepares in the folder and takes long.
    """
    settings = settings or PrepareSettings()
    out = Path(out)
    title = "Preparing"
    with folder_lock(out, "preparation", _LONGEST_WAIT_S):
        done, failed = try_batch(
            title,
            prepare_subject,
            {name: (name, files, out, settings, orientation) for name, files in subjects.items()},
            processes,
            console,
            _notices,
        )
        write_manifest(out, settings.as_dict(), settings.hash(), done.values(), failed)
    raise_failures(title, failed, len(subjects))
    return list(done.values())


def _notices(subject: PreparedSubject) -> list[str]:
    return [f"{subject.name}: {notice}." for notice in subject.notices]


def _name_of(orientation: Orientation | None) -> str | None:
    if orientation is None:
        return None
    kind = orientation if hasattr(orientation, "__qualname__") else type(orientation)
    return f"{kind.__module__}.{kind.__qualname__}"
