"""Images with their headers: opened with every check, written all or nothing."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from pmrnet.data.compressed import save_nifti
from pmrnet.data.formats import check_file, ending_of
from pmrnet.data.placement import check_affine
from pmrnet.data.reading import default_mgh_affine, placement_of, read_volume
from pmrnet.data.room import explained_writing
from pmrnet.errors import InputError
from pmrnet.files import atomic_path
from pmrnet.transforms.reading import explained_reading

_MGH = (".mgz", ".mgh")
_WRITTEN = (".nii.gz", ".nii", *_MGH)


def open_image(path: str | Path, array: str = "vol") -> nib.spatialimages.SpatialImage:
    """Open an image of three axes or more; see `open_placed_image`."""
    return open_placed_image(path, array)[0]


def open_placed_image(
    path: str | Path, array: str = "vol"
) -> tuple[nib.spatialimages.SpatialImage, str | None]:
    """Open an image of three axes or more, with the type and header of its file.

    Parameters
    ----------
    path
        NIfTI, MGH, Analyze or ``.npz`` file. What nibabel cannot open as it stands, such as an
        ``.npz`` or LONI's pairs, is read as `pmrnet.data.reading.read_volume` does.
    array
        Which array of an ``.npz`` it is: ``vol``, the image, or ``seg``, its labels.

    Returns
    -------
    tuple
        The image, and what its file leaves open of its place and was assumed, in one clause; None
        where it leaves nothing open.

    Raises
    ------
    InputError
        If the file is missing, damaged, not what its ending says, no such image, or the place of
        its voxels cannot be right.
    """
    path = Path(path)
    check_file(path)
    image = None
    if ending_of(path) in (".nii", ".nii.gz", ".mgh", ".mgz"):
        with explained_reading(path, "a readable image"):
            image = nib.load(path)
            data = np.asanyarray(image.dataobj)
        if data.dtype.kind not in "biuf" or data.ndim < 3 or min(data.shape) < 1:
            raise InputError(
                f"{path}: expected real numbers on three axes or more, found {data.dtype} of the "
                f"shape {data.shape}; give an image of the brain."
            )
        check_affine(image.affine, str(path))
        _, assumed = placement_of(path, image)
        return _named(path, _with_default_axes(path, _in_memory(image, data), data)), assumed
    data, affine, assumed = read_volume(path, array)
    return _named(path, nib.Nifti1Image(_for_nifti(data), affine)), assumed


def _in_memory(
    image: nib.spatialimages.SpatialImage, data: np.ndarray
) -> nib.spatialimages.SpatialImage:
    """The same image with the values read, where they are what is stored: else it is read again."""
    if data.dtype != image.get_data_dtype() or not data.dtype.isnative:
        return image
    return type(image)(data, image.affine, image.header)


def _named(path: Path, image: nib.spatialimages.SpatialImage) -> nib.spatialimages.SpatialImage:
    """The image, knowing its file, for messages; one that nibabel could not have read, too."""
    image.file_map[image.files_types[0][0]].filename = str(path)
    return image


def _with_default_axes(
    path: Path, image: nib.spatialimages.SpatialImage, data: np.ndarray
) -> nib.spatialimages.SpatialImage:
    """An MGH file without axes of its own gets FreeSurfer's, not nibabel's."""
    affine = default_mgh_affine(path, image)
    return image if affine is None else nib.MGHImage(data, affine, image.header)


def _for_nifti(data: np.ndarray) -> np.ndarray:
    """Values in a type that nibabel writes without being asked twice."""
    if data.dtype in (np.int64, np.uint64):
        fits = np.iinfo(np.int32).min <= data.min() and data.max() <= np.iinfo(np.int32).max
        return data.astype(np.int32 if fits else np.float64)
    return storable(data)


def storable(data: np.ndarray) -> np.ndarray:
    """Values in a type that NIfTI has, where theirs is none."""
    other = {"bool": np.uint8, "float16": np.float32}.get(data.dtype.name)
    return data if other is None else data.astype(other)


def is_constant(image: nib.spatialimages.SpatialImage) -> bool:
    """Whether there is no more than one value in an image."""
    values = np.asanyarray(image.dataobj)
    return not values.size or bool(values.min() == values.max())


def write_image(path: str | Path, image: nib.spatialimages.SpatialImage) -> Path:
    """Write an image, all of it or nothing.

    Raises
    ------
    InputError
        If the name has none of the endings ``.nii.gz``, ``.nii``, ``.mgz``, ``.mgh``, or one of the
        last two for an image of five axes or more, or the folder cannot be written to.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(_WRITTEN):
        raise InputError(
            f"{path}: expected a name ending in {', '.join(_WRITTEN)}, found "
            f"{path.suffix or 'no ending'}; rename the output."
        )
    if name.endswith(_MGH) and image.ndim > 4:
        raise InputError(
            f"{path}: expected an image of at most four axes for this format, found the shape "
            f"{image.shape}; write .nii.gz."
        )
    size = int(np.prod(image.shape)) * image.get_data_dtype().itemsize
    with explained_writing(path.parent, size), atomic_path(path) as temporary:
        if name.endswith(_MGH):
            image = nib.MGHImage(_for_mgh(np.asanyarray(image.dataobj)), image.affine)
        save_nifti(image, temporary)
    return path


def _for_mgh(data: np.ndarray) -> np.ndarray:
    """Values in a type that MGH has."""
    if data.dtype in (np.uint8, np.int16, np.int32, np.float32):
        return data
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    whole = data.dtype.kind in "iu" or (data.dtype.kind == "f" and not (data % 1).any())
    if whole and low <= data.min(initial=0) and data.max(initial=0) <= high:
        return data.astype(np.int32)
    return data.astype(np.float32)
