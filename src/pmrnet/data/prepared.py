"""A subject as the networks and the scoring read it: a folder written by the preparation.

A prepared subject is a folder with ``image.npy`` and, written last, ``subject.json``. A folder
without a complete ``subject.json`` counts as not prepared, so the work can be stopped at any time.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

import pmrnet
from pmrnet.data.volume import Volume, file_pair, load_array, load_labels, save_array
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text


@dataclass(frozen=True, eq=False)
class PreparedSubject:
    """A subject as the preparation left it on disk.

    Parameters
    ----------
    name
        Name of the subject.
    folder
        Its folder.
    grid_to_native
        4x4 matrix taking homogeneous voxel indices of the network grid (of `spacing`) to voxel
        indices of the subject's native image grid.
    native_affine
        4x4 voxel-to-RAS matrix of the native image grid.
    native_shape
        Its number of voxels.
    image_path, labels_path
        Native files, absolute; there may be no labels.
    overlap
        Share of the aligned brain that lies inside the template's brain.
    spacing
        Voxel size in mm of the network grid that the image is stored on.
    """

    name: str
    folder: Path
    grid_to_native: np.ndarray
    native_affine: np.ndarray
    native_shape: tuple[int, int, int]
    image_path: Path
    labels_path: Path | None
    overlap: float
    spacing: int = 1

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
                # Folders from before there was another spacing do not name it.
                spacing=record.get("spacing", 1),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder}: expected a prepared subject (image.npy, subject.json), found none that "
                f"is complete ({error}); run the preparation."
            ) from error

    @property
    def image(self) -> np.ndarray:
        """float32 image on the network grid of `spacing`, in [0, 1], mapped from disk."""
        return load_array(self.folder / "image.npy")

    def image_at(self, spacing: int) -> np.ndarray:
        """Image on the network grid of this spacing in mm.

        Where that is coarser than the stored image, the image is smoothed against aliasing and
        every n-th voxel is kept, which are the voxels of ``network_grid(spacing)``.

        Raises
        ------
        InputError
            If the spacing is not a whole multiple of the stored one.
        """
        if spacing == self.spacing:
            return self.image
        if spacing % self.spacing:
            raise InputError(
                f"{self.name}: expected a spacing in whole multiples of the stored image's "
                f"{self.spacing} mm, found {spacing} mm; choose one."
            )
        return downsample(self.image, spacing // self.spacing)

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
        if not self.labels_path.is_file():
            raise InputError(
                f"{self.name}: expected its labels at {self.labels_path}, where they were when it "
                "was prepared, found none; run the preparation again with the folder they are in "
                "now, which keeps what is done."
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


def describe_inputs(paths: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Absolute path and SHA-256 of each input, by its role (``image``, ``labels``).

    Raises
    ------
    InputError
        If a file is missing.
    """
    return {role: _describe(path) for role, path in paths.items()}


def _describe(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise InputError(f"{path}: expected an image file, found none there; check the path.")
    result = {"path": str(path.resolve()), "sha256": _sha256(path)}
    if (data := file_pair(path)[1]) != path:  # an Analyze header counts together with its voxels
        result["data_sha256"] = _sha256(data)
    return result


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_prepared(
    folder: Path, settings_hash: str, shape: tuple[int, int, int], inputs: Mapping[str, Any]
) -> bool:
    """Whether the folder holds a complete subject from these inputs and settings.

    The same files in another place count as the same inputs; the new place is noted.
    """

    def sums(group: Mapping[str, Any]) -> dict[str, Any]:
        return {k: {n: s for n, s in v.items() if n != "path"} for k, v in group.items()}

    try:
        record = json.loads((folder / "subject.json").read_text())
        image = load_array(folder / "image.npy")
        same = record["settings_hash"] == settings_hash
        same = same and sums(record["inputs"]) == sums(inputs)
        if not (same and image.shape == shape and image.dtype == np.float32):
            return False
        if record["inputs"] != inputs:
            write_json(folder / "subject.json", record | {"inputs": inputs})
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_prepared(folder: Path, image: np.ndarray, record: Mapping[str, Any]) -> PreparedSubject:
    """Write a subject's image and description, the description last.

    Parameters
    ----------
    folder
        The subject's folder; what it held before is replaced.
    image
        Normalised image on the network grid.
    record
        The entries that `PreparedSubject` reads, ``settings``, ``settings_hash`` and what else is
        worth noting; the version of the package is added.
    """
    _remove_leftovers(folder)
    # The old description goes first: from here to the end the folder is "not prepared".
    (folder / "subject.json").unlink(missing_ok=True)
    save_array(folder / "image.npy", image)
    write_json(folder / "subject.json", {**record, "version": pmrnet.__version__})
    return PreparedSubject.load(folder)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that people can read, atomically."""
    atomic_write_text(path, json.dumps(content, indent=1) + "\n")


def _remove_leftovers(folder: Path) -> None:
    """Delete temporary files of killed runs; young ones may belong to a run beside this one."""
    for path in folder.glob(".*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > 3600:
                path.unlink()
