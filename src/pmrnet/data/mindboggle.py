"""Finding the subjects of Mindboggle-101 (release 3) on disk, and reading their orientation.

All 101 subjects have DKT31 labels: 31 regions of the cortex, 1000 added on the left, 2000 on the
right.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from pmrnet.data.anatomy import anatomical_affine, is_misoriented
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError


def _numbered(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}-{number}" for number in range(1, count + 1))


#: subjects by the site whose folder they are in
SITES: dict[str, tuple[str, ...]] = {
    **{
        f"{stem}-{count}": _numbered(f"{stem}-{count}", count)
        for stem, count in (("OASIS-TRT", 20), ("NKI-RS", 22), ("NKI-TRT", 20), ("MMRR", 21))
    },
    "Extra-18": (
        *_numbered("HLN-12", 12),
        *_numbered("MMRR-3T7T-2", 2),
        "Colin27-1",
        *_numbered("Twins-2", 2),
        "Afterthought-1",
    ),
}
SUBJECTS = tuple(name for names in SITES.values() for name in names)

# The second is where earlier releases had the MNI152 versions.
_SITE_FOLDERS = ("{}_volumes", "{}_volumes_in_MNI152")
# Where the sites are below the folder that the user downloaded into.
_ROOTS = (
    ".",
    "mindboggle",
    "Mindboggle101_volumes",
    "Mindboggle101_release3/Mindboggle101_volumes",
    "Mindboggle101_individuals/Mindboggle101_release3/Mindboggle101_volumes",
)
_BRAIN = "t1weighted_brain"
_LABELS = "labels.DKT31.manual"
# Together these give the brain where it does not come cut out.
_HEAD = "t1weighted"
_MASK = "labels.DKT31.manual+aseg"
_VERSIONS = {"native": "", "mni152": ".MNI152"}
_ENDINGS = (".nii.gz", ".nii")
_GET = "`make data DATASET=mindboggle` downloads it"


def _both_sides(*regions: int) -> tuple[int, ...]:
    return tuple(side + region for side in (1000, 2000) for region in regions)


# Left and right hemisphere; cuneus, lateral occipital, lingual and pericalcarine cortex and the
# orbitofrontal and rostral middle frontal ones; base of the temporal lobe and the gyri around the
# central sulcus. In OASIS-TRT-20 each pair lies within 30 degrees of its axis.
_ENDS = (
    (range(1002, 1036), range(2002, 2036)),
    (_both_sides(5, 11, 13, 21), _both_sides(12, 14, 27)),
    (_both_sides(6, 7, 9, 16), _both_sides(17, 22, 24)),
)


def label_orientation(path: Path, labels: Volume) -> np.ndarray:
    """Voxel-to-RAS matrix of a subject's grid: the header's, unless the anatomy contradicts it.

    The native headers of 14 of the 101 subjects are wrong (nipy/mindboggle, issue 186): by them,
    axial slices show as coronal ones.

    Parameters
    ----------
    path
        File that the labels were read from. Not used: the labels themselves tell.
    labels
        DKT31 labels.

    Returns
    -------
    ndarray
        4x4 matrix: the header's, or, if its axes run in other directions than the labels show, the
        voxel sizes along the axes found, with the middle of the grid at 0 mm. Labels that do not
        show the three directions contradict nothing.
    """
    found = anatomical_affine(labels.data, labels.spacing, _ENDS)
    if found is None or not is_misoriented(labels.affine, found):
        return labels.affine
    return found


def find_subjects(
    raw: Path | str,
    required: tuple[str, ...] = (),
    space: str = "native",
    wanted: tuple[str, ...] = (),
) -> dict[str, SubjectFiles]:
    """Find subjects of Mindboggle-101 as it is distributed.

    A subject's folder, such as ``OASIS-TRT-20_volumes/OASIS-TRT-20-1``, holds
    ``t1weighted_brain.nii.gz`` and ``labels.DKT31.manual.nii.gz``, or the two
    ``*.MNI152.nii.gz`` of these names. The site's folder may lie in `raw`, be `raw`, or lie where
    the download puts it below `raw`; earlier releases called the one with the MNI152 versions
    ``OASIS-TRT-20_volumes_in_MNI152``.

    Parameters
    ----------
    raw
        Folder to look in.
    required
        Subjects that must be there; nothing but "at least one" if empty.
    space : {"native", "mni152"}
        Version of the volumes.
    wanted
        Subjects that may be absent but not incomplete, if none is required; all of them if empty.

    Returns
    -------
    dict
        Files by subject, in the order of `SUBJECTS`. The image is ``t1weighted`` with
        ``labels.DKT31.manual+aseg`` as its mask where there is no ``t1weighted_brain``.

    Raises
    ------
    InputError
        If the folder is missing, holds no subject, a subject lacks its image or its labels (if
        some are required or wanted: one of these), or a required subject is absent.
    """
    raw = Path(raw)
    if space not in _VERSIONS:
        raise InputError(
            f"Expected a space among {', '.join(_VERSIONS)}, found {space!r}: name one of them."
        )
    if unknown := [name for name in required if name not in SUBJECTS]:
        raise InputError(
            f"{raw}: expected names of Mindboggle-101's subjects, such as {SUBJECTS[0]}, found "
            f"{', '.join(unknown[:4])} among the required ones; correct the protocol."
        )
    if not raw.is_dir():
        raise InputError(
            f"{raw}: expected the folder with Mindboggle-101, found none there; {_GET}."
        )
    watched = required or wanted
    found: dict[str, SubjectFiles] = {}
    lacking: dict[str, Path] = {}
    for site, names in SITES.items():
        roots = [raw / root / form.format(site) for root in _ROOTS for form in _SITE_FOLDERS]
        folders = [folder for folder in (raw, *roots) if folder.is_dir()]
        for name in names:
            files = [_subject(folder / name, _VERSIONS[space]) for folder in folders]
            whole = [f for f in files if isinstance(f, SubjectFiles)]
            half = [f for f in files if isinstance(f, Path)]
            if whole:
                found[name] = whole[0]
            elif half and (name in watched or not watched):
                lacking[name] = half[0]
    _complain(raw, found, lacking, required, f"{_VERSIONS[space]}{_ENDINGS[0]}")
    return found


def _subject(folder: Path, version: str) -> SubjectFiles | Path | None:
    """Files in a subject's folder; the one missing if there is only half; None if there is none."""

    def find(stem: str) -> Path | None:
        paths = (folder / f"{stem}{version}{ending}" for ending in _ENDINGS)
        return next((path for path in paths if path.is_file()), None)

    labels, image, mask = find(_LABELS), find(_BRAIN), None
    if image is None and (mask := find(_MASK)) is not None:
        image = find(_HEAD)
    if image and labels:
        return SubjectFiles(image, labels, mask)
    if image or labels:
        return folder / f"{_LABELS if image else _BRAIN}{version}{_ENDINGS[0]}"
    return None


def _complain(
    raw: Path,
    found: Collection[str],
    lacking: dict[str, Path],
    required: tuple[str, ...],
    ending: str,
) -> None:
    if lacking:
        raise InputError(
            f"{raw}: expected an image and labels for each subject, found no "
            f"{_some([str(path) for path in lacking.values()])}; complete these folders or remove "
            f"them ({_GET})."
        )
    if not found:
        raise InputError(
            f"{raw}: expected folders such as {_SITE_FOLDERS[0].format('OASIS-TRT-20')} with "
            f"OASIS-TRT-20-1/{_BRAIN}{ending} and {_LABELS}{ending}, found none here nor in "
            f"{', '.join(_ROOTS[1:])}; give the folder that holds them ({_GET})."
        )
    if absent := [name for name in required if name not in found]:
        sites = [_SITE_FOLDERS[0].format(site) for site in SITES if set(absent) & set(SITES[site])]
        raise InputError(
            f"{raw}: expected {len(required)} subjects, found no {_some(absent)}; add them from "
            f"{', '.join(sites)} ({_GET})."
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{', '.join(names[:4])}{more}"
