"""Reading and writing transforms in the formats of several tools."""

from __future__ import annotations

from pathlib import Path

from pmrnet.data.compressed import save_nifti
from pmrnet.data.room import explained_writing
from pmrnet.errors import InputError
from pmrnet.files import atomic_path, check_new_file
from pmrnet.transforms import itk_file
from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.chain import to_dense
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.field_image import (
    check_fsl_image,
    fsl_image,
    is_itk_image,
    itk_image,
    read_itk_image,
)
from pmrnet.transforms.fsl import (
    flirt_matrix,
    is_flirt_matrix,
    read_flirt_matrix,
    read_fsl_warp,
    to_fsl,
)
from pmrnet.transforms.transform import Grid, Transform, check_grid
from pmrnet.transforms.voxel_file import read_voxel_file, write_voxel_file
from pmrnet.transforms.x5 import read_x5, write_x5

_NIFTI = (".nii.gz", ".nii")
#: by format, the endings of a dense transform's file and of an affine one's
FORMATS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "itk": (_NIFTI, (".mat", ".txt", ".tfm")),
    "fsl": (_NIFTI, (".mat",)),
    "x5": ((".x5",), (".x5",)),
    "voxel": ((".npz",), ()),
}


class NoImagesError(InputError):
    """A file of FSL's was to be read or written without the images that it refers to.

    Parameters
    ----------
    path
        The file.
    fixed, moving
        Those of the two that are known.
    """

    def __init__(self, path: Path, fixed: Grid | None = None, moving: Grid | None = None) -> None:
        self.path = path
        missing = {"fixed": "-ref", "moving": "-in"}
        for role, image in (("fixed", fixed), ("moving", moving)):
            if image is not None:
                del missing[role]
        given = " and ".join(f"--{role} (FLIRT's {option})" for role, option in missing.items())
        super().__init__(
            f"{path}: expected the fixed and the moving image, since FSL's transforms are relative "
            f"to their headers, found no {' and no '.join(missing)} image; give {given}."
        )


def read(path: str | Path, *, fixed: Grid | None = None, moving: Grid | None = None) -> Transform:
    """Read a transform, in the format that its ending and its content tell.

    Parameters
    ----------
    path
        ``.nii`` and ``.nii.gz``: a displacement field of ITK (five axes) or a relative warp of FSL
        (four); ``.mat``, ``.txt``, ``.tfm``, ``.h5``: a transform of ITK, or a FLIRT matrix where
        it is sixteen numbers in plain text; ``.x5``; ``.npz``: displacements in voxels.
    fixed, moving
        The two images, anything with a shape and an affine; FSL's formats need both.

    Returns
    -------
    AffineTransform, DenseTransform or Chain
        From the fixed to the moving space; a `Chain` for a composite file.

    Raises
    ------
    InputError
        If the file is missing, damaged, of no known form, or a number in it cannot be right.
    """
    path = Path(path)
    name = path.name.lower()
    if name.endswith(_NIFTI):
        if is_itk_image(path):
            return read_itk_image(path)
        check_fsl_image(path)  # first: an image by mistake needs no two others
        return read_fsl_warp(path, *_both(path, fixed, moving))
    if name.endswith(".npz"):
        return read_voxel_file(path)
    if name.endswith(".x5"):
        return read_x5(path)
    if name.endswith(itk_file.ENDINGS):
        if is_flirt_matrix(path):
            return read_flirt_matrix(path, *_both(path, fixed, moving))
        return itk_file.read_itk_transform(path)
    known = ", ".join((*_NIFTI, *itk_file.ENDINGS, ".x5", ".npz"))
    raise InputError(
        f"{path}: expected a transform with one of the endings {known}, found "
        f"{path.suffix or 'none'}; convert it, or give it the ending that tells what it is."
    )


def write(
    transform: Transform,
    path: str | Path,
    format: str = "itk",
    *,
    fixed: Grid | None = None,
    moving: Grid | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a transform, all of it or nothing.

    Parameters
    ----------
    transform
        From the fixed to the moving space.
    path
        The ending says whether a dense or an affine form is meant: see `FORMATS`.
    format
        ``itk``: displacement field in LPS mm as NIfTI, read by SimpleITK, ANTs and 3D Slicer, or an
        affine file. ``fsl``: relative warp, or FLIRT matrix. ``x5``: as nitransforms has it.
        ``voxel``: displacements in voxels of the fixed grid, as VoxelMorph has them.
    fixed
        The fixed image, anything with a shape and an affine. A dense form is written on its grid;
        without it on the grid that a `DenseTransform` has already.
    moving
        The moving image; FSL's formats need both images.
    overwrite
        Whether an existing file may be replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If the format is unknown or cannot hold the transform, the ending does not fit, an image is
        missing, the file exists already, or the folder cannot be written to.
    """
    path = Path(path)
    as_affine = check_target(
        path, format, affine=isinstance(transform, AffineTransform), overwrite=overwrite
    )
    if format == "fsl":
        fixed, moving = _both(path, fixed, moving)
    if not as_affine:
        transform = _on_grid(transform, fixed, path)
    size = 4000 if as_affine else transform.displacement.nbytes
    with explained_writing(path.parent, size), atomic_path(path) as temporary:
        _write(transform, temporary, path, format, fixed, moving)
    return path


def check_target(path: Path, format: str, *, affine: bool, overwrite: bool = False) -> bool:
    """Refuse a name that a transform cannot be written to, before it is made.

    Parameters
    ----------
    path, format, overwrite
        As in `write`.
    affine
        Whether it is an `AffineTransform`.

    Returns
    -------
    bool
        Whether the affine form is meant.

    Raises
    ------
    InputError
        If the format is unknown, the ending does not fit, or the name is taken.
    """
    if format not in FORMATS:
        raise InputError(
            f"{path}: expected one of the formats {', '.join(FORMATS)}, found {format!r}; choose "
            "one of them."
        )
    check_new_file(path, overwrite)
    dense, exact = FORMATS[format]
    name = path.name.lower()
    as_affine = affine and name.endswith(exact)
    if not as_affine and not name.endswith(dense):
        fitting = dict.fromkeys((*dense, *(exact if affine else ())))
        raise InputError(
            f"{path}: expected a name ending in {' or '.join(fitting)} for this transform in the "
            f"format {format}, found {path.suffix or 'no ending'}; rename the output."
        )
    return as_affine


def _write(
    transform: AffineTransform | DenseTransform,
    temporary: Path,
    path: Path,
    format: str,
    fixed: Grid | None,
    moving: Grid | None,
) -> None:
    as_affine = isinstance(transform, AffineTransform)
    if format == "x5":
        write_x5(transform, temporary)
    elif format == "voxel":
        write_voxel_file(transform, temporary)
    elif format == "itk" and as_affine:
        itk_file.write_itk_affine(transform, temporary)
    elif format == "itk":
        save_nifti(itk_image(transform, path), temporary)
    elif as_affine:
        temporary.write_text(flirt_matrix(transform, fixed, moving), encoding="ascii")
    else:
        save_nifti(fsl_image(to_fsl(transform, moving), transform.affine), temporary)


def _on_grid(transform: Transform, fixed: Grid | None, path: Path) -> DenseTransform:
    """Displacement field of the transform on the fixed image's grid, or on its own."""
    if fixed is None:
        if not isinstance(transform, DenseTransform):
            raise InputError(
                f"{path}: expected the fixed image, whose grid the displacement field gets, found "
                "none; give it."
            )
        return transform
    shape, affine = check_grid(fixed.shape, fixed.affine, "fixed")
    return to_dense(transform, shape, affine)


def _both(path: Path, fixed: Grid | None, moving: Grid | None) -> tuple[Grid, Grid]:
    if fixed is None or moving is None:
        raise NoImagesError(path, fixed, moving)
    return fixed, moving
