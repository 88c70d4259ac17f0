"""Which files are volumes: by their names, and whether the content is what the name says."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from pmrnet.data.room import explained_permission
from pmrnet.errors import InputError

#: endings of the names of volumes, longer before shorter
ENDINGS = (".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img", ".mgz", ".mgh", ".npz")

_PAIR = (".hdr", ".img", ".hdr.gz", ".img.gz")
_NIFTI, _NIFTI_HEADER, _MGH = "a NIfTI file", "the header of a NIfTI pair", "an MGH file"
_GZIP, _ZIP = "gzip-compressed content", "a zip archive"
# Offset, bytes there, and what they tell; the first match counts.
_SIGNATURES = (
    (344, b"n+1\0", _NIFTI),
    (4, b"n+2\0", _NIFTI),
    (344, b"ni1\0", _NIFTI_HEADER),
    (4, b"ni2\0", _NIFTI_HEADER),
    (0, b"\x5c\x01\0\0", "an Analyze header"),
    (0, b"\0\0\x01\x5c", "an Analyze header"),
    (0, b"\0\0\0\x01", _MGH),
    (0, b"\x1f\x8b", _GZIP),
    (0, b"PK\x03\x04", _ZIP),
    (0, b"\x93NUMPY", "a .npy array"),
    (128, b"DICM", "a DICOM file"),
    (0, b"NRRD", "an NRRD file"),
    (0, b"\x89HDF", "an HDF5 or MINC file"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"version https://git-lfs", "a Git LFS pointer to content that was not fetched"),
    (0, b"<", "a web page or XML document"),
)
# What may be in a file of this ending, compression apart. Files with voxels alone show no sign.
_CONTENT = {
    ".nii": (_NIFTI,),
    ".hdr": (_NIFTI_HEADER, "an Analyze header"),
    ".mgh": (_MGH,),
    ".npz": (_ZIP,),
}
_ENOUGH = 600  # bytes: more than the longest header


def ending_of(path: str | Path) -> str:
    """Ending of a volume's name, in lower case; empty if it is none of `ENDINGS`."""
    name = Path(path).name.lower()
    return next((ending for ending in ENDINGS if name.endswith(ending)), "")


def is_volume_file(path: str | Path) -> bool:
    """Whether the name is one of a volume.

    Both files of a ``.hdr/.img`` pair are; their `image_stem` is the same. The file is not opened.
    """
    return bool(ending_of(path))


def image_stem(path: str | Path) -> str:
    """Name of a file without folder and without a volume's ending, such as ``.nii.gz``."""
    name = Path(path).name
    return name[: len(name) - len(ending_of(name))]


def file_pair(path: Path) -> tuple[Path, Path]:
    """Files with the header and with the voxels; twice the same, unless a ``.hdr/.img`` pair.

    Each of the two may be compressed or not: LONI distributes ``.hdr`` with ``.img.gz``.
    """
    ending = ending_of(path)
    if ending in _PAIR:
        base, written = str(path)[: -len(ending)], path.name[-len(ending) :]
        pair = []
        for part in (".hdr", ".img"):
            names = (base + (e.upper() if written.isupper() else e) for e in (part, part + ".gz"))
            pair.append(next((p for name in names if (p := Path(name)).is_file()), path))
        return pair[0], pair[1]
    return path, path


def spm_matrix(path: Path) -> Path | None:
    """File in which SPM keeps the matrix of an Analyze pair; None where there is none."""
    ending = ending_of(path)
    beside = Path(str(path)[: -len(ending)] + ".mat") if ending in _PAIR else path
    return beside if beside != path and beside.is_file() else None


def check_file(path: Path) -> None:
    """Refuse a file that is missing, or whose first bytes are not what its name says.

    Parameters
    ----------
    path
        The file that is about to be read.

    Raises
    ------
    InputError
        If it is missing, empty, has no ending of a volume, lacks the other file of its pair, is
        compressed though its name says otherwise or the other way round, is of another kind, or may
        not be read.
    """
    with explained_permission(path):
        _check_file(path)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: expected an image file, found none there; check the path.")
    ending = ending_of(path)
    if not ending:
        raise InputError(
            f"{path}: expected a name ending in {', '.join(ENDINGS)}, found {path.suffix or 'none'}"
            "; convert the file, or give it the ending that tells what it is."
        )
    header, voxels = file_pair(path)
    if ending in _PAIR and header == voxels:
        other = ".img or .img.gz" if ending.startswith(".hdr") else ".hdr or .hdr.gz"
        raise InputError(
            f"{path}: expected header and voxels side by side, found no {image_stem(path)}{other}; "
            "put the two files into one folder."
        )
    for part in dict.fromkeys((header, voxels)):
        _check_content(part)


def _check_content(path: Path) -> None:
    ending = ending_of(path)
    compressed = ending.endswith((".gz", ".mgz"))
    plain = ".mgh" if ending == ".mgz" else ending.removesuffix(".gz")
    with path.open("rb") as stream:
        start = stream.read(_ENOUGH)
    if not start:
        raise InputError(f"{path}: expected an image, found an empty file; fetch it again.")
    found = _kind(start)
    advice = "fetch or convert it again"
    if compressed and found == _GZIP:
        try:
            with gzip.open(path) as stream:
                found = _kind(stream.read(_ENOUGH))
        except (OSError, EOFError, zlib.error):
            return  # damaged, of which the reader will tell
    elif compressed:
        if found in _CONTENT.get(plain, ()):
            found += " that is not compressed"
            advice = f"rename it to {image_stem(path)}{plain}, or compress it with gzip"
        else:
            found = f"{found or 'content'} that is not compressed"
        raise _other_content(path, "gzip-compressed content", found, advice)
    expected = _CONTENT.get(plain)
    if expected and found not in expected:
        if found == _GZIP:
            name = image_stem(path) + (".mgz" if plain == ".mgh" else f"{plain}.gz")
            advice = f"rename it to {name}, or unpack it"
        raise _other_content(path, expected[0], found or "content of another kind", advice)


def _other_content(path: Path, expected: str, found: str, advice: str) -> InputError:
    return InputError(
        f"{path}: expected {expected}, as the ending {ending_of(path)} says, found {found}; "
        f"{advice}."
    )


def _kind(start: bytes) -> str | None:
    """Say what the first bytes of a file belong to, if they tell."""
    found = (what for at, sign, what in _SIGNATURES if start[at : at + len(sign)] == sign)
    return next(found, None)
