"""A look into one file of each pattern: what it is, on which grid, and whether it can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pmrnet.data.draft.naming import Named
from pmrnet.data.draft.roles import Role, role_by_content, role_of
from pmrnet.data.label_ids import label_ids
from pmrnet.data.volume import Volume, load_image, load_labels
from pmrnet.data.whole_head import refuse_whole_head
from pmrnet.errors import InputError

# A single damaged file must not speak for all files of its pattern.
_TRIES = 3


@dataclass(frozen=True, eq=False)
class Look:
    """What files of one pattern are, as one of them shows.

    Attributes
    ----------
    role
        What they are.
    suits
        How well their name suits the role, the higher the better.
    subject
        Whose file was read; empty if none was.
    shape, affine
        Its grid.
    labels
        Number of labels in it, 0 if it has none. For an image above 0 only if one file holds both.
    whole_head
        Whether it is an image of more than a brain.
    assumed
        What the file leaves open of its place in space and was assumed.
    problem
        Why such files cannot be used.
    """

    role: Role
    suits: int = 0
    subject: str = ""
    shape: tuple[int, ...] = ()
    affine: np.ndarray | None = None
    labels: int = 0
    whole_head: bool = False
    assumed: str | None = None
    problem: str | None = None

    def same_grid(self, other: Look) -> bool | None:
        """Whether both lie on one grid; None if they were seen in different subjects."""
        if not self.subject or self.subject != other.subject:
            return None
        return self.shape == other.shape and np.allclose(self.affine, other.affine, atol=1e-3)


def look_at(members: Sequence[Named]) -> Look:
    """Look into the first file of a pattern that can be read.

    Parameters
    ----------
    members
        The files of the pattern, those to look at first at the beginning.
    """
    first = members[0]
    freesurfer = first.folders[-1:] == ("mri",) and first.file.path.suffix.lower() == ".mgz"
    role, suits = role_of("/".join(first.folders), first.stem, freesurfer)
    if role == "other":
        return Look("other", suits)
    problem = None
    for named in members[:_TRIES]:
        try:
            return _read(named, role, suits)
        except InputError as error:
            problem = str(error)
    return Look(role or "other", suits, problem=problem)


def _read(named: Named, role: Role | None, suits: int) -> Look:
    path = named.file.path
    both = False
    if path.suffix.lower() == ".npz":
        arrays = _arrays(path)
        both = {"vol", "seg"} <= arrays
        role = "image" if "vol" in arrays else "labels" if "seg" in arrays else role
    if role == "labels":
        return _seen(named, "labels", suits, load_labels(path))
    image = load_image(path)
    if role in (None, "mask"):
        shown = role_by_content(image.data)
        # Without a name that says mask, a map of one value is a label's.
        role = "labels" if role is None and shown == "mask" else shown
    if role == "labels":
        return _seen(named, "labels", suits, load_labels(path))
    return _seen(named, role, suits, image, load_labels(path) if both else None)


def _seen(
    named: Named, role: Role, suits: int, volume: Volume, labels: Volume | None = None
) -> Look:
    if role == "labels":
        labels = volume
    return Look(
        role,
        suits,
        named.subject,
        volume.shape,
        volume.affine,
        0 if labels is None else len(label_ids(labels.data)),
        role == "image" and _is_whole_head(named.file.path, volume),
        volume.assumed,
    )


def _is_whole_head(path: Path, image: Volume) -> bool:
    try:
        refuse_whole_head(path, image)
    except InputError:
        return True
    return False


def _arrays(path: Path) -> set[str]:
    """Names of the arrays in an ``.npz``; none if it cannot be read, which loading explains."""
    try:
        with np.load(path, allow_pickle=False) as content:
            return set(content.files) - {"affine"}
    except (OSError, ValueError):
        return set()
