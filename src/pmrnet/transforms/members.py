"""Transforms as the command line names them: files, folders of registrations, inverses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pmrnet.data.template import Grid as ImageGrid
from pmrnet.errors import InputError
from pmrnet.result_folder import ENDINGS, RECORD
from pmrnet.transforms.chain import joined
from pmrnet.transforms.files import NoImagesError, read
from pmrnet.transforms.inversion import inverse_of
from pmrnet.transforms.transform import Grid, Transform

#: what a registration calls the transform from fixed to moving space, and the one back
FORWARD, INVERSE = "forward", "inverse"
_PREFIX = "inverse:"
_ROLES = ("fixed", "moving")


@dataclass(frozen=True)
class Member:
    """One transform of a chain, as it is named.

    Parameters
    ----------
    path
        A file, or the folder of a registration.
    inverse
        Whether its inverse is meant.
    """

    path: Path
    inverse: bool = False


def parse_member(text: str) -> Member:
    """Take ``path`` or ``inverse:path`` apart.

    A path that begins with ``inverse:`` itself can be given as ``./inverse:...``.

    Raises
    ------
    InputError
        If there is no path, or the prefix comes twice.
    """
    inverse = text.startswith(_PREFIX)
    name = text.removeprefix(_PREFIX)
    if not name or name.startswith(_PREFIX):
        raise InputError(
            f"Transform {text!r}: expected a file or folder, or {_PREFIX} before one, found "
            f"{'no path' if not name else 'the prefix twice'}; name the transform."
        )
    return Member(Path(name), inverse)


def named_inverse(texts: Sequence[str]) -> list[str]:
    """How the inverse of a chain is named: its members the other way round, each inverted."""
    return [
        text.removeprefix(_PREFIX) if text.startswith(_PREFIX) else f"{_PREFIX}{text}"
        for text in reversed(texts)
    ]


def transform_file(folder: Path, name: str) -> Path:
    """File of a transform in the folder of a registration, whichever format it has.

    Parameters
    ----------
    folder
        Of the registration.
    name
        `FORWARD`, `INVERSE` or ``affine``.

    Raises
    ------
    InputError
        If there is none.
    """
    files = (folder / f"{name}{ending}" for ending in ENDINGS)
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise InputError(
            f"{folder}: expected the folder of a registration, found no {name} transform in it; "
            "name the transform's file itself."
        )
    return found


def load_member(
    member: Member, *, fixed: Grid | None = None, moving: Grid | None = None
) -> Transform:
    """Read one transform, or its inverse.

    Parameters
    ----------
    member
        Of a folder, its forward transform is read, or for the inverse its inverse one. Of a file,
        the inverse is computed: exactly where it is affine, numerically (`inverse_of`) where
        it is dense.
    fixed, moving
        The two images that the file or the registration was made with, for FSL's formats, whether
        or not its inverse is meant: FLIRT's -ref and -in. The folder of a registration knows its
        own.

    Raises
    ------
    InputError
        If a file is missing or unusable, or the transform has no inverse.
    """
    path = member.path
    if not path.exists():
        raise InputError(
            f"{path}: expected the file of a transform or the folder of a registration, found no "
            "such file or folder; check the path."
        )
    if path.is_dir():
        # The inverse of the folder is a transform itself, from its moving to its fixed space.
        file = transform_file(path, INVERSE if member.inverse else FORWARD)
        fixed, moving = _grids(path) or (fixed, moving)
        if member.inverse:
            fixed, moving = moving, fixed
        return read(file, fixed=fixed, moving=moving)
    transform = read(path, fixed=fixed, moving=moving)
    if not member.inverse:
        return transform
    try:
        return inverse_of(transform)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def load_chain(
    texts: Sequence[str], *, fixed: Grid | None = None, moving: Grid | None = None
) -> Transform:
    """Read the transforms that a command line names, the one nearest to the fixed image first.

    Parameters
    ----------
    texts
        Each ``path`` or ``inverse:path``.
    fixed, moving
        The two images of the file, as in `load_member`, where no folder tells them; of use with a
        single transform only, since the images in between are not known.

    Returns
    -------
    Transform
        As `joined` makes it of them.

    Raises
    ------
    InputError
        If there is none, or one of them cannot be read or inverted.
    """
    return _load([parse_member(text) for text in texts], fixed, moving)


def _load(members: Sequence[Member], fixed: Grid | None, moving: Grid | None) -> Transform:
    if len(members) == 1:
        return load_member(members[0], fixed=fixed, moving=moving)
    try:
        return joined([load_member(member) for member in members])
    except NoImagesError as error:
        raise InputError(
            f"{error.path}: expected a transform that needs no images, since those between the "
            "members of a chain are not known, found one of FSL; convert it first: `pmrnet compose "
            "--transform FILE --reference FIXED --moving MOVING -o NEW`."
        ) from error


def load_written_inverse(
    texts: Sequence[str], *, fixed: Grid | None = None, moving: Grid | None = None
) -> Transform | None:
    """Read the inverse of what a command line names, where registrations have written it.

    Parameters
    ----------
    texts, fixed, moving
        As in `load_chain`, of the transform itself.

    Returns
    -------
    Transform or None
        None if a member is a file, not the folder of a registration.

    Raises
    ------
    InputError
        As `load_chain`.
    """
    members = [parse_member(text) for text in reversed(texts)]
    if not members or not all(member.path.is_dir() for member in members):
        return None
    return _load([replace(m, inverse=not m.inverse) for m in members], fixed, moving)


def known_grids(texts: Sequence[str]) -> tuple[Grid | None, Grid | None]:
    """Grids of the images that a chain begins at and leads to, where registrations tell them.

    Parameters
    ----------
    texts
        As in `load_chain`, one or more.

    Returns
    -------
    tuple of Grid or None
        None of a file, and of a folder without a record.
    """
    ends = []
    for text, place in ((texts[0], 0), (texts[-1], 1)):
        member = parse_member(text)
        grids = _grids(member.path) if member.path.is_dir() else None
        ends.append(grids[place ^ member.inverse] if grids else None)
    return tuple(ends)


def _grids(folder: Path) -> tuple[Grid, Grid] | None:
    """Grids of the fixed and the moving image of a registration, by its record; None without."""
    try:
        images = json.loads((folder / RECORD).read_text(encoding="utf-8"))["images"]
        return tuple(
            ImageGrid(tuple(images[r]["shape"]), np.array(images[r]["affine"], float))
            for r in _ROLES
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
