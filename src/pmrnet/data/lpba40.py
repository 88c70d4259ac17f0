"""Finding the LPBA40 subjects on disk, in either of the two forms they circulate in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pmrnet.data.anatomy import anatomical_affine
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import Volume, file_pair
from pmrnet.errors import InputError

N_SUBJECTS = 40
SUBJECTS = tuple(f"S{i:02d}" for i in range(1, N_SUBJECTS + 1))

_IMAGE = "delineation.skullstripped"
_LABELS = "delineation.structure.label"
# Analyze is named by its header, which nibabel needs beside the (perhaps compressed) .img.
_ENDINGS = (".nii.gz", ".nii", ".hdr", ".hdr.gz")
# Where the folders S01 ... S40 are below the folder that the user unpacked into.
_ROOTS = (
    ".",
    "lpba40",
    "LPBA40/delineation_space",
    "LPBA40subjects.delineation_space/LPBA40/delineation_space",
)


def _find(folder: Path, stem: str) -> Path | None:
    """Find the file of a subject with this stem, in any format; None if absent or half there."""
    for ending in _ENDINGS:
        path = folder / f"{folder.name}.{stem}{ending}"
        if not path.is_file():
            continue
        header, voxels = file_pair(path)
        if not ending.startswith(".hdr") or header != voxels:
            return path
    return None


def label_orientation(path: Path, labels: Volume) -> np.ndarray:
    """Voxel-to-RAS matrix of a subject's grid, by its anatomy where the header does not tell.

    Analyze 7.5 carries no orientation, and readers disagree on what to assume, left and right
    included. The labels do tell: odd ones lie left and even ones right, the frontal lobe lies
    before the occipital one, the superior parietal gyrus above the temporal base.

    Parameters
    ----------
    path
        File that the labels were read from; anything but Analyze is believed.
    labels
        The LPBA40 labels.

    Returns
    -------
    ndarray
        4x4 matrix: the header's for NIfTI; for Analyze the voxel sizes along the axes found, with
        the middle of the grid at 0 mm.

    Raises
    ------
    InputError
        If the labels do not show the three directions.
    """
    if not path.name.endswith((".hdr", ".hdr.gz", ".img", ".img.gz")):
        return labels.affine
    ids = np.unique(labels.data)
    cerebral = ids[(ids > 0) & (ids < 181)]
    ends = (
        (cerebral[cerebral % 2 == 1], cerebral[cerebral % 2 == 0]),
        (range(61, 69), range(21, 27)),
        ((85, 86, 91, 92), (43, 44)),
    )
    affine = anatomical_affine(labels.data, labels.spacing, ends)
    if affine is None:
        raise InputError(
            f"{path}: expected LPBA40's labels, to tell left, front and top of this Analyze file, "
            f"found the ids {ids.tolist()[:60]}; give the LPBA40 label map, or convert to NIfTI."
        )
    return affine


def find_subjects(raw: Path | str, required: tuple[str, ...] = ()) -> dict[str, SubjectFiles]:
    """Find the LPBA40 subjects in delineation space.

    Two layouts are known: the official download (Analyze 7.5,
    ``S01/S01.delineation.skullstripped.hdr`` with ``.img`` or ``.img.gz``) and conversions to
    NIfTI of the same stem (``.nii.gz`` or ``.nii``). The folders ``S01 ... S40`` may lie in `raw`
    itself or where the official archive puts them below it.

    Parameters
    ----------
    raw
        Folder to look in.
    required
        Subjects that must be there, for example `SUBJECTS`; nothing but "at least one" if empty.

    Returns
    -------
    dict
        Files by subject, in the order of the names.

    Raises
    ------
    InputError
        If the folder is missing, holds no subject, a subject lacks one of its two files, or a
        required subject is absent.
    """
    raw = Path(raw)
    if not raw.is_dir():
        raise InputError(
            f"{raw}: expected the folder with the LPBA40 subjects, found none there; download "
            "'LPBA40 Subjects Delineation Space' from LONI and give the folder it was unpacked in."
        )
    found: dict[str, SubjectFiles] = {}
    missing: list[str] = []
    for root in (raw / r for r in _ROOTS):
        folders = [root / name for name in SUBJECTS if (root / name).is_dir()]
        if not folders:
            continue
        for folder in folders:
            files = {stem: _find(folder, stem) for stem in (_IMAGE, _LABELS)}
            missing += [str(folder / f"{folder.name}.{s}") for s, p in files.items() if p is None]
            if None not in files.values():
                found[folder.name] = SubjectFiles(files[_IMAGE], files[_LABELS])
        break
    if missing:
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise InputError(
            f"{raw}: expected an image and a label file for each subject, found no "
            f"{', '.join(missing[:4])}{more} (.nii.gz, .nii, or .hdr with .img or .img.gz); "
            "complete these folders or remove them."
        )
    if not found:
        raise InputError(
            f"{raw}: expected folders S01 ... S40 with Sxx.{_IMAGE}.nii.gz (or .hdr/.img.gz) and "
            f"Sxx.{_LABELS}.nii.gz, found none of them here nor in "
            f"{', '.join(r for r in _ROOTS[1:])}; give the folder that holds S01."
        )
    absent = [name for name in required if name not in found]
    if absent:
        raise InputError(
            f"{raw}: expected the subjects {required[0]} ... {required[-1]}, found no "
            f"{', '.join(absent)}; add them."
        )
    return found
