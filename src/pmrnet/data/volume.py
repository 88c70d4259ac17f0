"""Volumes on disk and in memory: reading with every check in one place, writing atomically.

A `Volume` is a 3-D array indexed (x, y, z) as nibabel gives it, with the affine that takes its
voxel indices to millimetres in RAS+ space.

Read are NIfTI, Analyze 7.5, MGH/MGZ and ``.npz`` as VoxelMorph has it: the image under ``vol``, the
labels under ``seg``, or a single array under any name, and perhaps a 4x4 ``affine``. What a file
leaves open is assumed and said in `Volume.assumed`: without a matrix, an ``.npz`` has voxels of
1 mm and RAS+ axes, the other formats the axes that nibabel takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike

from pmrnet.data.compressed import save_nifti

# Part of what this module offers, though it has no use for it itself.
from pmrnet.data.formats import file_pair as file_pair
from pmrnet.data.placement import check_affine
from pmrnet.data.reading import read_volume
from pmrnet.data.room import explained_writing
from pmrnet.errors import InputError
from pmrnet.files import atomic_path
from pmrnet.whole_numbers import is_whole

_LARGEST_LABEL = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D array and its place in space.

    Parameters
    ----------
    data
        Array of shape (nx, ny, nz), indexed (x, y, z).
    affine
        4x4 float64 matrix from homogeneous voxel indices to RAS+ millimetres.
    assumed
        What its file leaves open about the affine and was assumed, in one clause; None if nothing.
    """

    data: np.ndarray
    affine: np.ndarray
    assumed: str | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        return self.data.shape

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size along each array axis, in mm, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def load_image(path: str | Path) -> Volume:
    """Read a scalar 3-D image.

    Parameters
    ----------
    path
        A file of one of the formats above; a trailing singleton axis is dropped.

    Returns
    -------
    Volume
        Data of type float32, scaling of the header applied.

    Raises
    ------
    InputError
        If the file is missing, damaged, not a scalar 3-D image, empty (all voxels equal), not
        finite, or the place of its voxels cannot be right.
    """
    raw, affine, assumed = read_volume(path, "vol")
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(raw, dtype=np.float32)
    if not np.isfinite(data).all():
        raise InputError(
            f"{path}: expected values of at most 3.4e38, found {np.abs(raw).max():.3g}; scale the "
            "image down."
        )
    if data.min() == data.max():
        raise InputError(
            f"{path}: expected an image with content, found {data.flat[0]:g} in every voxel; "
            "check that it is the right file."
        )
    return Volume(data, affine, assumed)


def load_labels(path: str | Path) -> Volume:
    """Read a 3-D label map.

    Parameters
    ----------
    path
        A file of one of the formats above; a trailing singleton axis is dropped.

    Returns
    -------
    Volume
        Data of type int32; 0 is background.

    Raises
    ------
    InputError
        As `load_image`, or if a value is not an integer from 0 to 2147483647, or all are 0.
    """
    data, affine, assumed = read_volume(path, "seg")
    return label_volume(data, affine, str(path), assumed)


def label_volume(
    data: np.ndarray, affine: np.ndarray, name: str, assumed: str | None = None
) -> Volume:
    """Label map of an array.

    Parameters
    ----------
    data
        (X, Y, Z), real numbers.
    affine
        4x4, voxel to RAS mm.
    name
        What it is, for messages.
    assumed
        See `Volume`.

    Returns
    -------
    Volume
        Data of type int32; 0 is background.

    Raises
    ------
    InputError
        If a value is not an integer from 0 to 2147483647, or all are 0.
    """
    if data.dtype.kind == "f":
        if not (whole := is_whole(data)).all():
            raise InputError(
                f"{name}: expected integer labels, found the value {data[~whole].flat[0]:g}; give "
                "the label map, resampled by nearest neighbour."
            )
        data = np.rint(data)
    for bad in (data.min(), data.max()):
        if not 0 <= bad <= _LARGEST_LABEL:
            raise InputError(
                f"{name}: expected labels from 0 to {_LARGEST_LABEL}, found {bad:.12g}; renumber "
                "them, or check that it is a label map."
            )
    labels = np.ascontiguousarray(data, dtype=np.int32)
    if not labels.any():
        raise InputError(
            f"{name}: expected a label map, found no label other than 0; "
            "check that it is the right file."
        )
    return Volume(labels, affine, assumed)


def canonical(volume: Volume) -> Volume:
    """Reorder and flip the axes to the closest RAS+ orientation, without interpolation."""
    image = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.affine))
    affine = np.asarray(image.affine, dtype=np.float64)
    return replace(volume, data=np.asarray(image.dataobj), affine=affine)


def _write(path: str | Path, write: Callable[[Path], Any], size: int) -> Path:
    path = Path(path)
    with explained_writing(path.parent, size), atomic_path(path) as temporary:
        write(temporary)
    return path


def save_image(
    path: str | Path, data: np.ndarray, affine: ArrayLike, description: bytes = b""
) -> Path:
    """Write an array (nx, ny, nz[, ...]) and its voxel-to-RAS matrix as NIfTI, atomically.

    The description, of at most 79 bytes, goes into the header.

    Raises
    ------
    InputError
        If the name does not end in ``.nii`` or ``.nii.gz``, the affine cannot be inverted, or the
        folder cannot be written to.
    """
    if not str(path).endswith((".nii", ".nii.gz")):
        raise InputError(f"{path}: expected a name ending in .nii or .nii.gz; rename the output.")
    if data.dtype.kind == "b":
        data = data.astype(np.uint8)
    # Code 2 ("aligned"), because 64-bit integers need an explicit wish and a space needs a code.
    image = nib.Nifti1Image(data, check_affine(affine, str(path)), dtype=data.dtype)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description
    return _write(path, lambda temporary: save_nifti(image, temporary), data.nbytes)


def save_array(path: str | Path, data: np.ndarray) -> Path:
    """Write an array as ``.npy``, atomically and without pickles.

    Raises
    ------
    InputError
        If the folder cannot be written to, or is full.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.save(stream, data, allow_pickle=False)

    return _write(path, write, data.nbytes)


def load_array(path: str | Path, mmap: bool = True) -> np.ndarray:
    """Read a ``.npy`` array, by default mapped read-only instead of loaded.

    Raises
    ------
    InputError
        If the file is missing or is not a whole ``.npy`` file without pickles.
    """
    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: expected a NumPy array file, found {error}; prepare the data again."
        ) from error
