"""Displacement fields as NIfTI images: ITK's with LPS vectors, and FSL's."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pmrnet.data.formats import check_file
from pmrnet.data.placement import LPS, closest_perpendicular
from pmrnet.data.reading import check_nifti
from pmrnet.errors import InputError
from pmrnet.transforms.absolute import is_absolute
from pmrnet.transforms.chain import to_dense
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.reading import explained_reading

_DISPLACEMENT_VECTOR, _VECTOR = 1006, 1007
_RELATIVE = b"pmrnet: relative warp of FSL"
#: description of fields in voxels, which have the shape of FSL's
VOXELS = b"pmrnet: displacements in voxels"

# Whose fields have ITK's shape and intent and another meaning, by the name of their intent.
_OTHERS = {
    "Mapping": "a deformation of SPM, which has coordinates",
    "NREG_TRANS": "a transformation of NiftyReg, which has several kinds",
}


def is_itk_image(path: Path) -> bool:
    """Whether the NIfTI file has the five axes of ITK's fields, rather than FSL's four.

    Raises
    ------
    InputError
        If the file is missing or no NIfTI file.
    """
    with explained_reading(path, "a displacement field"):
        check_file(path)
        return len(nib.load(path).shape) == 5


def read_itk_image(path: Path) -> DenseTransform:
    """Read a displacement field as ITK, ANTs and 3D Slicer write it.

    Parameters
    ----------
    path
        NIfTI file of shape (X, Y, Z, 1, 3): vectors in LPS mm under intent 1007, or in RAS mm
        under intent 1006, which is how ITK reads the two.

    Raises
    ------
    InputError
        If the file is missing or damaged, has another shape or intent, is a deformation of SPM or
        NiftyReg, places its voxels in two ways, or a vector is not finite.
    """
    with explained_reading(path, "a displacement field of ITK"):
        check_file(path)
        image = nib.load(path)
        shape, intent = image.shape, int(image.header["intent_code"])
        if len(shape) != 5 or shape[3:] != (1, 3):
            raise InputError(
                f"{path}: expected a displacement field of shape (X, Y, Z, 1, 3), found {shape}; "
                "give the field that the registration wrote, not an image."
            )
        if intent not in (_VECTOR, _DISPLACEMENT_VECTOR):
            raise InputError(
                f"{path}: expected vectors (NIfTI intent 1007), found intent {intent}; if they are "
                "displacements in LPS mm, set the intent."
            )
        check_nifti(path, image)
        field = np.asarray(image.dataobj)[:, :, :, 0].astype(np.float32)
        if intent == _VECTOR:
            field[..., :2] *= -1
        transform = DenseTransform(field, image.affine)
        other = _OTHERS.get(image.header.get_intent()[2])
        if other is None and is_absolute(field, image.affine):
            other = "coordinates in place of displacements"
        if other is not None:
            raise InputError(
                f"{path}: expected displacements in mm as ITK writes them, found {other}; convert "
                "them to a displacement field (NiftyReg: `reg_transform -disp`; SPM: Deformations, "
                "and the voxels' own coordinates taken from it)."
            )
        return transform


def itk_image(transform: DenseTransform, path: Path) -> nib.Nifti1Image:
    """Field as ITK would write it: header and values.

    Parameters
    ----------
    transform
        The field; its grid becomes qform and sform. If its axes are not quite perpendicular, which
        ITK cannot express, the field is resampled onto the closest grid whose axes are.
    path
        The file that it will be written to, for messages.

    Raises
    ------
    InputError
        If the axes of the grid are far from perpendicular.
    """
    direction = closest_perpendicular(transform.affine)
    if direction is None:
        raise InputError(
            f"{path}: expected a grid with perpendicular axes, found the sheared affine "
            f"{transform.affine.tolist()}, which ITK cannot express; write the format x5, fsl or "
            "voxel, or resample the fixed image first."
        )
    sizes = np.linalg.norm(transform.affine[:3, :3], axis=0)
    affine = nib.affines.from_matvec(direction * sizes, transform.affine[:3, 3])
    transform = to_dense(transform, transform.shape, affine)
    data = transform.displacement[:, :, :, None] * np.diag(LPS)[:3].astype(np.float32)
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(data.shape)
    header["intent_code"] = _VECTOR
    header.set_xyzt_units("mm", "sec")
    header.set_qform(transform.affine, code=1)
    header.set_sform(transform.affine, code=1)
    header["pixdim"][4:], header["regular"] = 0, b"r"
    return nib.Nifti1Image(data, None, header)


def check_fsl_image(path: Path) -> None:
    """Refuse a file that is no warp of FSL, without reading its values.

    Raises
    ------
    InputError
        If the file is missing or damaged, has another shape, or holds spline coefficients.
    """
    with explained_reading(path, "a warp of FSL"):
        check_file(path)
        image = nib.load(path)
        if len(image.shape) != 4 or image.shape[3] != 3:
            raise InputError(
                f"{path}: expected a displacement field, of shape (X, Y, Z, 3) if it is FSL's and "
                f"(X, Y, Z, 1, 3) if it is ITK's, found {image.shape}; give the field that the "
                "registration wrote, not an image."
            )
        if bytes(image.header["descrip"]).rstrip(b"\0") == VOXELS:
            raise InputError(
                f"{path}: expected a displacement field in mm, found one in voxels, written for "
                "Learn2Reg; give the transform of a registration."
            )
        if 2007 <= int(image.header["intent_code"]) <= 2009:
            raise InputError(
                f"{path}: expected a displacement field, found spline coefficients of FNIRT; "
                "expand them by `fnirtfileutils --out=field`."
            )


def read_fsl_image(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64], bool]:
    """Read a warp of FSL: its values (X, Y, Z, 3), in FSL's own coordinates, and its affine.

    The third of the result is whether its header says that it is relative, which only those of
    `fsl_image` do.

    Raises
    ------
    InputError
        As `check_fsl_image`, or if the values cannot be read.
    """
    check_fsl_image(path)
    with explained_reading(path, "a warp of FSL"):
        image = nib.load(path)
        check_nifti(path, image)
        said = bytes(image.header["descrip"]).rstrip(b"\0") == _RELATIVE
        return np.asarray(image.dataobj, dtype=np.float32), image.affine, said


def fsl_image(values: NDArray[np.float32], affine: NDArray[np.float64]) -> nib.Nifti1Image:
    """Relative warp of FSL from values in FSL's coordinates, shape (X, Y, Z, 3)."""
    image = nib.Nifti1Image(values, affine)
    # FSL's "FNIRT displacement field", which may be relative or absolute.
    image.header["intent_code"] = 2006
    image.header["descrip"] = _RELATIVE
    image.header.set_xyzt_units("mm")
    return image
