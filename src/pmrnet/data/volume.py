"""Volumes on disk and in memory: reading with every check in one place, writing atomically.

A `Volume` is a 3-D array indexed (x, y, z) as nibabel gives it, with the affine that takes its
voxel indices to millimetres in RAS+ space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike

from pmrnet.errors import InputError
from pmrnet.files import atomic_path

_PAIR = (".hdr", ".img", ".hdr.gz", ".img.gz")


@dataclass(frozen=True)
class Volume:
    """A 3-D array and its place in space.

    Parameters
    ----------
    data
        Array of shape (nx, ny, nz), indexed (x, y, z).
    affine
        4x4 float64 matrix from homogeneous voxel indices to RAS+ millimetres.
    """

    data: np.ndarray
    affine: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        return self.data.shape

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size along each array axis, in mm, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def check_affine(affine: ArrayLike, what: str) -> np.ndarray:
    """Return `affine` as a 4x4 float64 matrix.

    Raises
    ------
    InputError
        If it is not 4x4, not finite, not homogeneous or not invertible.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    ok = matrix.shape == (4, 4) and np.isfinite(matrix).all()
    ok = ok and np.allclose(matrix[3], (0, 0, 0, 1))
    # Relative to the voxel size, so that a grid of micrometres is not called singular.
    if ok:
        sizes = np.linalg.norm(matrix[:3, :3], axis=0)
        ok = sizes.min() > 0 and abs(np.linalg.det(matrix[:3, :3] / sizes)) > 1e-6
    if not ok:
        raise InputError(
            f"{what}: expected an invertible 4x4 voxel-to-mm matrix, found "
            f"{matrix.tolist()}; repair the header (qform/sform) first."
        )
    return matrix


def file_pair(path: Path) -> tuple[Path, Path]:
    """Files with the header and with the voxels; twice the same, unless a ``.hdr/.img`` pair.

    Each of the two may be compressed or not: LONI distributes ``.hdr`` with ``.img.gz``.
    """
    for ending in _PAIR:
        if path.name.endswith(ending):
            base = str(path).removesuffix(ending)
            pair = [
                next((p for gz in ("", ".gz") if (p := Path(base + end + gz)).is_file()), path)
                for end in (".hdr", ".img")
            ]
            return pair[0], pair[1]
    return path, path


def _open(path: Path) -> nib.spatialimages.SpatialImage:
    """Open as `nibabel.load`, which wants both files of a pair compressed or neither."""
    header, voxels = file_pair(path)
    if (header.suffix == ".gz") == (voxels.suffix == ".gz"):
        return nib.load(path)
    with nib.openers.ImageOpener(header) as stream:
        block = stream.read(348)
    kinds = (nib.Nifti1Pair, nib.Spm2AnalyzeImage, nib.AnalyzeImage)
    kind = next(k for k in kinds if k.header_class.may_contain_header(block))
    files = kind.filespec_to_file_map(str(header).removesuffix(".gz"))
    files["header"], files["image"] = nib.FileHolder(str(header)), nib.FileHolder(str(voxels))
    return kind.from_file_map(files)


def _read(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Array and affine of a file, without a trailing singleton axis."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected an image file, found none there; check the path.")
    try:
        image = _open(path)
        data = np.asarray(image.dataobj)
        affine = image.affine
    # nibabel, gzip and zlib raise a dozen kinds of errors on a damaged file.
    except Exception as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise InputError(
            f"{path}: expected a readable NIfTI or Analyze image, found a damaged, truncated or "
            f"foreign file ({reason}); fetch or convert it again."
        ) from error
    if data.dtype.kind not in "biuf":
        raise InputError(
            f"{path}: expected one real number per voxel, found the type {data.dtype}; "
            "give a scalar image."
        )
    found = data.shape
    while data.ndim > 3 and data.shape[-1] == 1:  # Analyze files come as (x, y, z, 1)
        data = data[..., 0]
    if data.ndim != 3 or min(data.shape) < 1:
        raise InputError(
            f"{path}: expected one 3-D image with voxels in it, found the shape {found}; "
            "extract a single scalar volume."
        )
    if not np.isfinite(data).all():
        raise InputError(
            f"{path}: expected finite values, found {np.count_nonzero(~np.isfinite(data))} NaN or "
            "infinite voxels; replace them, for example by 0."
        )
    return data, check_affine(affine, str(path))


def load_image(path: str | Path) -> Volume:
    """Read a scalar 3-D image.

    Parameters
    ----------
    path
        A NIfTI or Analyze file, compressed or not; a trailing singleton axis is dropped.

    Returns
    -------
    Volume
        Data of type float32, scaling of the header applied.

    Raises
    ------
    InputError
        If the file is missing, damaged, not a scalar 3-D image, empty (all voxels equal), not
        finite, or its affine cannot be inverted.
    """
    data, affine = _read(path)
    data = np.ascontiguousarray(data, dtype=np.float32)
    if data.min() == data.max():
        raise InputError(
            f"{path}: expected an image with content, found {data.flat[0]:g} in every voxel; "
            "check that it is the right file."
        )
    return Volume(data, affine)


def load_labels(path: str | Path) -> Volume:
    """Read a 3-D label map.

    Parameters
    ----------
    path
        A NIfTI or Analyze file, compressed or not; a trailing singleton axis is dropped.

    Returns
    -------
    Volume
        Data of type int32; 0 is background.

    Raises
    ------
    InputError
        As `load_image`, or if a value is not an integer.
    """
    data, affine = _read(path)
    if data.dtype.kind == "f" and (data != np.rint(data)).any():
        bad = data[data != np.rint(data)].flat[0]
        raise InputError(
            f"{path}: expected integer labels, found the value {bad:g}; give the label map, "
            "resampled by nearest neighbour."
        )
    labels = np.ascontiguousarray(data, dtype=np.int32)
    if not labels.any():
        raise InputError(
            f"{path}: expected a label map, found no label other than 0; "
            "check that it is the right file."
        )
    return Volume(labels, affine)


def canonical(volume: Volume) -> Volume:
    """Reorder and flip the axes to the closest RAS+ orientation, without interpolation."""
    image = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.affine))
    return Volume(np.asarray(image.dataobj), np.asarray(image.affine, dtype=np.float64))


def _write(path: str | Path, write: Callable[[Path], Any]) -> Path:
    with atomic_path(path) as temporary:
        write(temporary)
    return Path(path)


def save_image(path: str | Path, data: np.ndarray, affine: ArrayLike) -> Path:
    """Write an array (nx, ny, nz[, ...]) and its voxel-to-RAS matrix as NIfTI, atomically.

    Raises
    ------
    InputError
        If the name does not end in ``.nii`` or ``.nii.gz``, or the affine cannot be inverted.
    """
    if not str(path).endswith((".nii", ".nii.gz")):
        raise InputError(f"{path}: expected a name ending in .nii or .nii.gz; rename the output.")
    if data.dtype.kind == "b":
        data = data.astype(np.uint8)
    # Code 2 ("aligned"), because 64-bit integers need an explicit wish and a space needs a code.
    image = nib.Nifti1Image(data, check_affine(affine, str(path)), dtype=data.dtype)
    image.header.set_xyzt_units("mm")
    return _write(path, lambda temporary: nib.save(image, temporary))


def save_array(path: str | Path, data: np.ndarray) -> Path:
    """Write an array as ``.npy``, atomically and without pickles."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.save(stream, data, allow_pickle=False)

    return _write(path, write)


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
