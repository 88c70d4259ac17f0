"""The voxels, matrix and known gaps of a volume's file, in any of the formats."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from pmrnet.data.formats import check_file, ending_of, file_pair, spm_matrix
from pmrnet.data.placement import axis_codes, check_affine, check_header, check_voxel_size
from pmrnet.errors import InputError

# In an MGH file: where a 16-bit 1 says that its matrix was written, and the axes where it was not.
# FreeSurfer takes them to point to the left, down and to the front; nibabel reads them otherwise.
_MGH_FLAG = slice(28, 30)
_MGH_AXES = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


class Content(NamedTuple):
    """What a volume's file holds.

    Attributes
    ----------
    data : numpy.ndarray
        Real and finite values, shape (nx, ny, nz), scaling of the header applied.
    affine : numpy.ndarray
        4x4 float64 voxel-to-RAS matrix in mm.
    assumed : str or None
        What the file leaves open and was assumed, in one clause.
    """

    data: np.ndarray
    affine: np.ndarray
    assumed: str | None


def read_volume(path: str | Path, key: str) -> Content:
    """Read a scalar 3-D volume.

    Parameters
    ----------
    path
        NIfTI, Analyze, MGH or ``.npz`` file; a trailing singleton axis is dropped.
    key
        Name of the array in an ``.npz`` of several.

    Raises
    ------
    InputError
        If the file is missing, damaged, not what its ending says, not one scalar 3-D volume, not
        finite, or the place of its voxels cannot be right.
    """
    path = Path(path)
    try:
        check_file(path)
        content = _read_npz(path, key) if ending_of(path) == ".npz" else _read_image(path)
    except InputError:
        raise
    # nibabel, gzip, zlib and zipfile raise a dozen kinds of errors on a damaged file.
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InputError(
            f"{path}: expected a readable image, found a damaged, truncated or foreign file "
            f"({reason}); fetch or convert it again."
        ) from error
    affine = check_affine(content.affine, str(path))
    check_voxel_size(np.linalg.norm(affine[:3, :3], axis=0), str(path))
    return content._replace(data=_scalar_3d(path, content.data), affine=affine)


def _read_image(path: Path) -> Content:
    """Read by nibabel."""
    image = _open(path)
    affine, assumed = placement_of(path, image)
    return Content(np.asarray(image.dataobj), affine, assumed)


def placement_of(
    path: Path, image: nib.spatialimages.SpatialImage
) -> tuple[np.ndarray, str | None]:
    """Voxel-to-RAS matrix of an image that was read from a file, and what is assumed of it.

    Raises
    ------
    InputError
        If its header contradicts itself, see `check_header`.
    """
    affine = image.affine
    if check_nifti(path, image):
        unset = int(image.header["qform_code"]) <= 0 and int(image.header["sform_code"]) <= 0
    elif isinstance(image.header, nib.freesurfer.mghformat.MGHHeader):
        default = default_mgh_affine(path, image)
        unset = default is not None
        affine = default if unset else affine
    else:  # Analyze has no place for a matrix; SPM writes one beside it
        header = type(image.header)(_header_block(path, image), check=False)
        check_voxel_size(np.abs(header["pixdim"][1:4]), str(path))
        unset = spm_matrix(path) is None
    if not unset:
        return affine, None
    codes = axis_codes(check_affine(affine, str(path)))
    return affine, f"its header has no orientation, so its voxel axes are taken to point to {codes}"


def check_nifti(path: Path, image: nib.spatialimages.SpatialImage) -> bool:
    """Whether the image is NIfTI; see `check_header` for what of its header is refused."""
    if not isinstance(image.header, nib.Nifti1Header):
        return False
    check_header(image.header, _header_block(path, image), image.shape, str(path))
    return True


def _header_block(path: Path, image: nib.spatialimages.SpatialImage) -> bytes:
    """Header as it is in the file, before nibabel repairs it."""
    with nib.openers.ImageOpener(file_pair(path)[0]) as stream:
        return stream.read(type(image.header).template_dtype.itemsize)


def default_mgh_affine(path: Path, image: nib.spatialimages.SpatialImage) -> np.ndarray | None:
    """Matrix that FreeSurfer takes for an MGH file without one; None of any other file."""
    if not isinstance(image.header, nib.freesurfer.mghformat.MGHHeader):
        return None
    with nib.openers.ImageOpener(path) as stream:
        flag = stream.read(_MGH_FLAG.stop)[_MGH_FLAG]
    if flag == b"\0\x01":
        return None
    middle = np.array(image.shape[:3]) / 2
    return nib.affines.from_matvec(_MGH_AXES, -_MGH_AXES @ middle)


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


def _read_npz(path: Path, key: str) -> Content:
    """Read VoxelMorph's form: the array `key` or the only one, and perhaps its ``affine``."""
    with np.load(path, allow_pickle=False) as content:
        names = [name for name in content.files if name != "affine"]
        if key not in names and len(names) != 1:
            raise InputError(
                f"{path}: expected an array named {key}, or a single one, found "
                f"{', '.join(names) or 'none'}; save it under that name."
            )
        data = content[key if key in names else names[0]]
        if "affine" in content.files:
            return Content(data, content["affine"], None)
    assumed = "it has no affine, so its voxels are taken for 1 mm and its axes to point to RAS"
    return Content(data, np.eye(4), assumed)


def without_trailing_axes(data: np.ndarray) -> np.ndarray:
    """Array without its singleton axes after the third: Analyze files come as (x, y, z, 1)."""
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    return data


def _scalar_3d(path: Path, data: np.ndarray) -> np.ndarray:
    """Array without trailing singleton axes, if it holds one finite number per voxel."""
    if data.dtype.kind not in "biuf":
        found = {"c": "complex numbers", "V": "colours or vectors"}.get(data.dtype.kind, "others")
        raise InputError(
            f"{path}: expected one real number per voxel, found {found} ({data.dtype}); give a "
            "scalar image."
        )
    found = data.shape
    data = without_trailing_axes(data)
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
    return data
