"""Finding the volumes in a folder and the folders below it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pmrnet.data.formats import file_pair, image_stem, is_volume_file
from pmrnet.errors import InputError

#: how many folders deep volumes are looked for
DEPTH = 6

_FREESURFER_MRI = ("brain.mgz", "norm.mgz", "brainmask.mgz", "aseg.mgz", "orig.mgz")


@dataclass(frozen=True)
class VolumeFile:
    """A volume and where it lies.

    Attributes
    ----------
    path
        The file; of a ``.hdr/.img`` pair the header.
    folders
        Names of the folders between the one that was searched and the file.
    stem
        The file's name without its ending.
    """

    path: Path
    folders: tuple[str, ...]
    stem: str

    @property
    def shown(self) -> str:
        """Path in the folder that was searched, for people."""
        return "/".join((*self.folders, self.path.name))


def find_volumes(root: str | os.PathLike[str]) -> list[VolumeFile]:
    """Volumes in a folder and up to `DEPTH` folders below it, in the order of their paths.

    Links to folders are followed. Hidden files and folders are left out, and of a FreeSurfer
    subject everything but its folder ``mri``.

    Raises
    ------
    InputError
        If there is no such folder, or no volume in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder of volumes, found none there; check the path.")
    found: dict[tuple[tuple[str, ...], str], VolumeFile] = {}
    others: Counter[str] = Counter()
    _walk(root, (), found, others, frozenset())
    if not found:
        seen = ", ".join(f"{n} of {ending}" for ending, n in others.most_common(3)) or "no files"
        advice = "give the folder that holds the volumes"
        if others[".dcm"] or others[".ima"]:
            advice = "convert DICOM series to NIfTI first, for example with dcm2niix"
        raise InputError(
            f"{root}: expected volumes (.nii, .nii.gz, .mgz, .hdr with .img, .npz) here or up to "
            f"{DEPTH} folders below, found {seen}; {advice}."
        )
    return [found[key] for key in sorted(found)]


def _walk(
    root: Path,
    folders: tuple[str, ...],
    found: dict[tuple[tuple[str, ...], str], VolumeFile],
    others: Counter[str],
    above: frozenset[str],
) -> None:
    here = root.joinpath(*folders)
    real = os.path.realpath(here)
    if real in above:  # a link to a folder that it lies in
        return
    try:
        with os.scandir(here) as entries:
            content = sorted(
                (e for e in entries if not e.name.startswith(".")), key=lambda e: e.name
            )
    except PermissionError as error:
        raise InputError(
            f"{here}: expected a folder that may be read, found that this user may not; change "
            "its permissions or move it elsewhere."
        ) from error
    names = {entry.name for entry in content}
    for entry in content:
        if entry.is_dir():
            if len(folders) < DEPTH and _holds_subjects(entry.name, folders, names):
                _walk(root, (*folders, entry.name), found, others, above | {real})
        elif is_volume_file(entry.name):
            path = file_pair(Path(entry.path))[0]
            stem = image_stem(path)
            # The first of a pair, or of a volume that lies here compressed and not.
            found.setdefault((folders, stem), VolumeFile(path, folders, stem))
        else:
            others[Path(entry.name).suffix.lower() or "other files"] += 1


def _holds_subjects(name: str, folders: tuple[str, ...], siblings: set[str]) -> bool:
    """Whether to look into a folder: in FreeSurfer's only into ``mri``, and no deeper."""
    if {"mri", "surf"} <= siblings:
        return name == "mri"
    return not (folders and folders[-1] == "mri" and siblings & set(_FREESURFER_MRI))
