"""From raw subjects to what the networks read: affine alignment, network grid, intensities.

Only the image is resampled, once. Labels stay in the subject's native grid: the evaluation carries
them through the composed map (``grid_to_native`` and the network's displacement) in one
nearest-neighbour interpolation.

A prepared subject is a folder with ``image.npy`` and, written last, ``subject.json``. A folder
without a complete ``subject.json`` counts as not prepared, so the work can be stopped at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from scipy import ndimage

from pmrnet.data.affine import AffineSettings, estimate_affine, resample
from pmrnet.data.template import icbm152, icbm152_volume, network_grid
from pmrnet.data.volume import (
    Volume,
    atomic,
    canonical,
    file_pair,
    load_array,
    load_image,
    load_labels,
    save_array,
)
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


@dataclass(frozen=True, eq=False)
class PreparedSubject:
    """A subject as `prepare_subject` left it on disk.

    Parameters
    ----------
    name
        Name of the subject.
    folder
        Its folder.
    grid_to_native
        4x4 matrix taking homogeneous voxel indices of the network grid (1 mm) to voxel indices of
        the subject's native image grid.
    native_affine
        4x4 voxel-to-RAS matrix of the native image grid.
    native_shape
        Its number of voxels.
    image_path, labels_path
        Native files; there may be no labels.
    overlap
        Share of the aligned brain that lies inside the template's brain.
    """

    name: str
    folder: Path
    grid_to_native: np.ndarray
    native_affine: np.ndarray
    native_shape: tuple[int, int, int]
    image_path: Path
    labels_path: Path | None
    overlap: float

    @classmethod
    def load(cls, folder: str | Path) -> PreparedSubject:
        """Read the description of a prepared subject.

        Raises
        ------
        InputError
            If the folder was not, or not completely, prepared.
        """
        folder = Path(folder)
        try:
            record = json.loads((folder / "subject.json").read_text())
            return cls(
                name=record["name"],
                folder=folder,
                grid_to_native=np.array(record["grid_to_native"]),
                native_affine=np.array(record["native_affine"]),
                native_shape=tuple(record["native_shape"]),
                image_path=Path(record["inputs"]["image"]["path"]),
                labels_path=Path(p["path"]) if (p := record["inputs"].get("labels")) else None,
                overlap=record["overlap"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder}: expected a prepared subject (image.npy, subject.json), found none that "
                f"is complete ({error}); run the preparation."
            ) from error

    @property
    def image(self) -> np.ndarray:
        """float32 image on the network grid at 1 mm, in [0, 1], mapped from disk."""
        return load_array(self.folder / "image.npy")

    def image_at(self, spacing: int) -> np.ndarray:
        """Image on the network grid of this spacing in mm.

        At 2 mm the image is smoothed against aliasing and every other voxel is kept, which are
        the voxels of ``network_grid(2)``.
        """
        if spacing == 1:
            return self.image
        return downsample(self.image, spacing)

    def labels(self) -> Volume:
        """Labels in the native image grid.

        Raises
        ------
        InputError
            If the subject has no labels, or the file is gone.
        """
        if self.labels_path is None:
            raise InputError(
                f"{self.name}: expected labels, found that it was prepared without; prepare it "
                "with its label file."
            )
        # The affine of the preparation, which for Analyze is better than the header's.
        return Volume(load_labels(self.labels_path).data, self.native_affine)


def downsample(image: np.ndarray, factor: int) -> np.ndarray:
    """Smooth against aliasing and keep each `factor`-th voxel, starting with the first.

    Parameters
    ----------
    image
        Array of shape (nx, ny, nz).
    factor
        Whole number of voxels per coarse voxel.

    Returns
    -------
    ndarray
        float32 of shape (ceil(nx / factor), ...).

    Raises
    ------
    InputError
        If the factor is not a whole number of at least 1.
    """
    if int(factor) != factor or factor < 1:
        raise InputError(
            f"Downsampling: expected a whole factor of at least 1, found {factor}; use 2."
        )
    factor = int(factor)
    # 0.35 voxel widths of the coarse grid: 0.7 voxels at a factor of 2.
    smooth = np.asarray(image, dtype=np.float32)
    if factor > 1:
        smooth = ndimage.gaussian_filter(smooth, 0.35 * factor, mode="nearest", truncate=4)
    return np.ascontiguousarray(smooth[::factor, ::factor, ::factor])


def normalise(image: np.ndarray, clip: float = 3.0) -> np.ndarray:
    """Whiten over the brain and map to [0, 1]; the background stays 0.

    The mean and standard deviation over the non-zero voxels become 0 and 1, values are cut at
    ``-clip`` and ``clip``, and (v + clip) / (2 clip) maps them to [0, 1].

    Parameters
    ----------
    image
        Skull-stripped image, zero outside the brain, any shape.
    clip
        Standard deviations at which intensities are cut.

    Returns
    -------
    ndarray
        float32 of the same shape, in [0, 1].

    Raises
    ------
    InputError
        If the brain is empty or all of one intensity.
    """
    brain = image != 0
    values = image[brain].astype(np.float64)
    if values.size == 0 or values.std() == 0:
        raise InputError(
            "Normalisation: expected a brain with contrast, found "
            f"{'only zeros' if values.size == 0 else 'a single intensity'}; check the image."
        )
    whitened = np.clip((values - values.mean()) / values.std(), -clip, clip)
    result = np.zeros(image.shape, dtype=np.float32)
    result[brain] = (whitened + clip) / (2 * clip)
    return result


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _describe(path: Path) -> dict[str, Any]:
    """Path and checksum of an input; an Analyze header counts together with its voxels."""
    if not path.is_file():
        raise InputError(f"{path}: expected an image file, found none there; check the path.")
    result = {"path": str(path.resolve()), "sha256": _sha256(path)}
    if (data := file_pair(path)[1]) != path:
        result["data_sha256"] = _sha256(data)
    return result


def _is_current(folder: Path, settings: PrepareSettings, inputs: dict[str, Any]) -> bool:
    """Whether the folder holds this subject, complete, from the same inputs and settings."""

    def sums(group: dict[str, Any]) -> dict[str, Any]:
        return {k: {n: s for n, s in v.items() if n != "path"} for k, v in group.items()}

    try:
        record = json.loads((folder / "subject.json").read_text())
        image = load_array(folder / "image.npy")
        same = record["settings_hash"] == settings.hash()
        same = same and sums(record["inputs"]) == sums(inputs)
        if not (same and image.shape == settings.shape and image.dtype == np.float32):
            return False
        if record["inputs"] != inputs:  # the same files in another place: only note where
            _write_json(folder / "subject.json", record | {"inputs": inputs})
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False


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
    inputs = {key: _describe(path) for key, path in paths.items()}
    if _is_current(folder, settings, inputs):
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

    _remove_leftovers(folder)
    # The old description goes first: from here to the end the folder is "not prepared".
    (folder / "subject.json").unlink(missing_ok=True)
    save_array(folder / "image.npy", normalise(aligned, settings.clip))
    record = {
        "name": name,
        "grid_to_native": (
            np.linalg.inv(native.affine) @ template_to_subject @ grid.affine
        ).tolist(),
        "grid_affine": grid.affine.tolist(),
        "native_affine": native.affine.tolist(),
        "native_shape": list(native.shape),
        "overlap": overlap,
        "inputs": inputs,
        "settings": settings.as_dict(),
        "settings_hash": settings.hash(),
        "version": _version(),
    }
    _write_json(folder / "subject.json", record)
    return PreparedSubject.load(folder)


def _remove_leftovers(folder: Path) -> None:
    """Delete temporary files of killed runs; young ones may belong to a run beside this one."""
    for path in folder.glob(".*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > 3600:
                path.unlink()


def _version() -> str:
    from pmrnet import __version__

    return __version__


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


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
    console = console or Console(stderr=True)
    processes = processes or len(os.sched_getaffinity(0))
    done: dict[str, PreparedSubject] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # Not "fork": SimpleITK and BLAS threads of this process do not survive one.
    context = get_context("spawn")
    with (
        Progress(*columns, console=console) as progress,
        ProcessPoolExecutor(min(processes, max(len(subjects), 1)), mp_context=context) as pool,
    ):
        task = progress.add_task("Preparing", total=len(subjects))
        jobs = {
            pool.submit(prepare_subject, name, image, labels, out, settings, orientation): name
            for name, (image, labels) in subjects.items()
        }
        try:
            for job in as_completed(jobs):
                subject = done[jobs[job]] = job.result()
                if subject.overlap < POOR_OVERLAP:
                    console.print(
                        f"[yellow]Warning:[/] {subject.name}: only {subject.overlap:.0%} of the "
                        "brain lies inside the template after alignment; look at its image.npy."
                    )
                progress.advance(task)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    ordered = [done[name] for name in subjects]
    manifest = {
        "settings": settings.as_dict(),
        "settings_hash": settings.hash(),
        "version": _version(),
        "subjects": [s.name for s in ordered],
    }
    _write_json(out / "manifest.json", manifest)
    return ordered
