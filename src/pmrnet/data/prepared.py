"""A subject as the networks and the scoring read it: a folder written by the preparation.

A prepared subject is a folder with ``image.npy`` and, written last, ``subject.json``. A folder
without a complete ``subject.json``, or with another image than that describes, counts as not
prepared, so the work can be stopped at any time. Beside them may lie ``affine.json``, the alignment
(`pmrnet.data.alignment`), and ``image_<n>mm.npy``, coarser images (`pmrnet.data.in_memory`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import pmrnet
from pmrnet.data.downsampling import downsample
from pmrnet.data.formats import file_pair, spm_matrix
from pmrnet.data.label_merge import merge_labels
from pmrnet.data.room import explained_permission, explained_writing
from pmrnet.data.volume import Volume, load_array, load_labels, save_array
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text, remove_old

# What the content of the files depends on, besides the settings.
_PACKAGES = ("numpy", "scipy", "nibabel", "SimpleITK")


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
    notices
        What the preparation found noteworthy: assumptions, contradictions, a poor alignment.
    label_ids
        Labels that its label file holds, before any merging.
    merge
        Label numbers that `labels` replaces by others.
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
    notices: tuple[str, ...] = ()
    label_ids: tuple[int, ...] = ()
    merge: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path, merge: Mapping[int, int] | None = None) -> PreparedSubject:
        """Read the description of a prepared subject.

        Parameters
        ----------
        folder
            The subject's folder.
        merge
            Label number to the number that replaces it in what `labels` gives, all at once; the
            others stay. The files are left as they are. None replaces none.

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
                notices=tuple(record.get("notices", ())),
                label_ids=tuple(record.get("label_ids") or ()),
                merge=dict(merge or {}),
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
        """Labels in the native image grid, int32, those of `merge` replaced.

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
        data = load_labels(self.labels_path).data
        return Volume(merge_labels(data, self.merge), self.native_affine)


def describe_inputs(paths: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Absolute path and SHA-256 of each input, by its role (``image``, ``labels``, ``mask``).

    Raises
    ------
    InputError
        If a file is missing or may not be read.
    """
    return {role: _describe(path) for role, path in paths.items()}


def without_paths(inputs: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Checksums of `describe_inputs` alone: the same files in another place are the same inputs."""
    return {
        role: {key: text for key, text in entry.items() if key != "path"}
        for role, entry in inputs.items()
    }


def _describe(path: Path) -> dict[str, str]:
    with explained_permission(path):
        if not path.is_file():
            raise InputError(f"{path}: expected an image file, found none there; check the path.")
        # Not through links: some stores give the files behind them names without an ending.
        result = {"path": os.path.abspath(path), "sha256": _sha256(path)}
        # The files of a pair count together, whichever of them is named.
        for key, part in zip(("header_sha256", "data_sha256"), file_pair(path), strict=True):
            if part != path:
                result[key] = _sha256(part)
        if (matrix := spm_matrix(path)) is not None:
            result["matrix_sha256"] = _sha256(matrix)
        return result


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_prepared(
    folder: Path,
    settings_hash: str,
    shape: tuple[int, int, int],
    inputs: Mapping[str, Any],
    orientation: str | None = None,
) -> bool:
    """Whether the folder holds a complete subject from these inputs and settings.

    The same files in another place count as the same inputs; the new place is noted.

    Parameters
    ----------
    folder
        The subject's folder.
    settings_hash, shape
        Of the settings, and of the image that they give.
    inputs
        What `describe_inputs` gives.
    orientation
        Name of what gave the native matrix, if it was not the header.
    """
    try:
        record = json.loads((folder / "subject.json").read_text())
        image = load_array(folder / "image.npy")
        same = record["settings_hash"] == settings_hash
        same = same and record.get("orientation") == orientation
        same = same and without_paths(record["inputs"]) == without_paths(inputs)
        same = same and image.shape == shape and image.dtype == np.float32
        if not (same and record["outputs"] == {"image.npy": _sha256(folder / "image.npy")}):
            return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if record["inputs"] != inputs:
        write_json(folder / "subject.json", record | {"inputs": inputs})
    return True


def write_prepared(folder: Path, image: np.ndarray, record: Mapping[str, Any]) -> PreparedSubject:
    """Write a subject's image and description, the description last.

    Parameters
    ----------
    folder
        The subject's folder; what it held before is replaced, except its alignment.
    image
        Normalised image on the network grid.
    record
        The entries that `PreparedSubject` reads, ``settings``, ``settings_hash`` and what else is
        worth noting; the image's checksum and the versions of packages are added.

    Raises
    ------
    InputError
        If the folder cannot be written to, or is full.
    """
    with explained_writing(folder, image.nbytes):
        # Temporary files of killed runs; young ones may belong to a run beside this one.
        remove_old(folder.glob(".*"), 3600)
        # The old description goes first: from here to the end the folder is "not prepared".
        (folder / "subject.json").unlink(missing_ok=True)
        for coarser in folder.glob("image_*mm.npy"):
            coarser.unlink()
    path = save_array(folder / "image.npy", image)
    outputs = {path.name: _sha256(path)}
    write_json(folder / "subject.json", {**record, "outputs": outputs, "versions": versions()})
    return PreparedSubject.load(folder)


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide what the preparation writes."""
    return {"pmrnet": pmrnet.__version__, **{name: metadata.version(name) for name in _PACKAGES}}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that people can read, atomically.

    Raises
    ------
    InputError
        If the folder cannot be written to, or is full.
    """
    text = json.dumps(content, indent=1) + "\n"
    with explained_writing(path.parent, len(text)):
        atomic_write_text(path, text)
