"""The `data` section of a protocol's file: where its volumes come from, and their grid."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pmrnet.data.subject_files import SubjectFiles
from pmrnet.yaml_file import Checker

SOURCES = ("lpba40", "mindboggle", "demo", "files")
SPACES = ("native", "mni152")
# Networks halve their input four times at 2 mm, so 32 voxels of 1 mm make one at the bottom.
MULTIPLE = 32

# Keys that only some sources heed; the others refuse them rather than ignore them.
_HEEDED = {
    "space": ("mindboggle",),
    "shape": ("lpba40", "mindboggle", "files"),
    "subjects": ("files",),
}


@dataclass(frozen=True)
class DataSection:
    """Where a protocol's volumes come from, and the grid that the networks see.

    None of it is part of a protocol's hash.

    Attributes
    ----------
    source : {"lpba40", "mindboggle", "demo", "files"}
        A data set that is found by its own file names, the built-in one, or files named one by
        one.
    space : {"native", "mni152"}
        Which of Mindboggle-101's two versions of each volume is read.
    shape : tuple of int
        Voxels of the network grid along x, y and z at 1 mm, each a multiple of 32.
    subjects : mapping of str to SubjectFiles
        For the source ``files``: absolute paths by subject. Empty if the file has no `data`
        section.
    """

    source: str = "files"
    space: str = "native"
    shape: tuple[int, int, int] = (160, 192, 160)
    subjects: Mapping[str, SubjectFiles] = field(default_factory=dict, hash=False)


def default_source(name: str) -> str:
    """Source of a protocol that names none: a data set of the protocol's name, else files."""
    return name if name in SOURCES else "files"


def read_data_section(
    check: Checker,
    value: object,
    name: str,
    subjects: Collection[str],
    labelled: Collection[str],
) -> DataSection:
    """Check what is at `data` in a protocol's file.

    Parameters
    ----------
    check : Checker
        Checker of the file; relative paths are relative to its folder.
    value : object
        What was read at `data`.
    name : str
        The protocol's name.
    subjects : collection of str
        The subjects of all splits.
    labelled : collection of str
        Those that cannot do without labels.

    Returns
    -------
    DataSection

    Raises
    ------
    InputError
        If a key is missing, unknown, of the wrong type or not for the source.
    """
    section = check.mapping(value, "data")
    check.keys(list(section), (), ("source", *_HEEDED))
    source = section.get("source", default_source(name))
    if source not in SOURCES:
        check.fail("data: source", f"one of {', '.join(SOURCES)}", repr(source))
    for key, sources in _HEEDED.items():
        if key in section and source not in sources:
            check.fail(f"data: {key}", f"the source {' or '.join(sources)}", repr(source))
    space = section.get("space", DataSection.space)
    if space not in SPACES:
        check.fail("data: space", f"one of {', '.join(SPACES)}", repr(space))
    return DataSection(
        source,
        space,
        _shape(check, section["shape"]) if "shape" in section else DataSection.shape,
        _files(check, section.get("subjects"), subjects, labelled) if source == "files" else {},
    )


def _shape(check: Checker, value: object) -> tuple[int, int, int]:
    numbers = value if isinstance(value, list) else []
    right = [type(n) is int and n > 0 and n % MULTIPLE == 0 for n in numbers]
    if len(right) != 3 or not all(right):
        check.fail("data: shape", f"three positive multiples of {MULTIPLE}", repr(value))
    return tuple(numbers)


def _files(
    check: Checker, value: object, subjects: Collection[str], labelled: Collection[str]
) -> dict[str, SubjectFiles]:
    found: dict[str, SubjectFiles] = {}
    for name, content in check.mapping(value, "data: subjects").items():
        check.item(name, "data: subjects", str, "texts as names")
        found[name] = _subject(check, content, f"data: subjects: {name}")
    for name in subjects:
        if name not in found:
            check.fail("data: subjects", f"every subject of a split, {name!r} too", "none")
        if name in labelled and found[name].labels is None:
            key = f"data: subjects: {name}"
            check.fail(key, "labels, since the subject is scored", "an image alone")
    seen: dict[Path, str] = {}
    for name, files in found.items():
        # A line copied and left unchanged: the subject would be registered to itself.
        if files.image in seen:
            key = f"data: subjects: {name}"
            check.fail(key, "an image of its own", f"the one of {seen[files.image]!r}")
        seen[files.image] = name
    return found


def _subject(check: Checker, value: object, key: str) -> SubjectFiles:
    content = check.mapping(value, key)
    paths: dict[str, Path] = {}
    for kind, text in content.items():
        if kind not in SubjectFiles._fields:
            check.fail(key, f"only the keys {', '.join(SubjectFiles._fields)}", repr(kind))
        check.item(text, f"{key}: {kind}", str, "the path of a file")
        # Links are not followed: some stores give the files behind them names without an ending.
        paths[kind] = Path(os.path.abspath(check.path.parent / os.path.expanduser(text)))
    if "image" not in paths:
        check.fail(key, "an image", f"only {', '.join(paths)}")
    return SubjectFiles(**paths)
