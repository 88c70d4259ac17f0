"""Moving the points of a file: tables, surfaces and streamlines.

Points go the other way than images. An image of the moving space is resampled by the transform T
from fixed to moving space; points of the MOVING image are moved INTO the fixed space by the
INVERSE, from moving to fixed space. Whoever calls this gives the transform that is meant: the
inverse (``inverse.nii.gz`` of a registration) for points of the moving image, T itself
(``forward.nii.gz``) for points of the fixed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from pmrnet.data.placement import LPS
from pmrnet.data.room import explained_writing
from pmrnet.errors import InputError
from pmrnet.files import atomic_path, check_new_file
from pmrnet.transforms import csv_points, gifti_points, vtk_points
from pmrnet.transforms.chain import members_of
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.transform import Transform

_KINDS = {
    ".csv": csv_points.CsvPoints,
    ".tsv": csv_points.CsvPoints,
    ".gii": gifti_points.GiftiPoints,
    ".vtk": vtk_points.VtkPoints,
}


@dataclass(frozen=True)
class MovedPoints:
    """What was done to a file of points.

    Parameters
    ----------
    count
        Number of points.
    largest_mm
        Longest way that one of them went; 0 if there is none.
    assumed
        What the file leaves open and was assumed, in one clause; None if nothing.
    outside
        Number of points more than half a voxel outside of the grid of a field of the transform,
        which says nothing there: many are so in voxel indices, in LPS, or moved the wrong way.
    """

    count: int
    largest_mm: float
    assumed: str | None
    outside: int = 0


def move_points_file(
    transform: Transform,
    source: str | Path,
    target: str | Path,
    *,
    lps: bool = False,
    overwrite: bool = False,
) -> MovedPoints:
    """Move the points of a file and keep the rest of it.

    Parameters
    ----------
    transform
        From the space of the points to the one they are wanted in: for points of the moving image
        the inverse of what resamples it.
    source
        ``.csv`` or ``.tsv`` with columns x, y and z; ``.gii``, a GIFTI surface; ``.vtk``, a legacy
        VTK file with points. Other columns, the topology and other arrays are kept as they are;
        normals and other vectors among them are not turned.
    target
        New file, with the ending of `source`.
    lps
        Whether the coordinates are in LPS mm, as ITK and ANTs have them, instead of RAS mm; those
        written are too. Not for GIFTI, which states its space, nor against the ``SPACE=`` that 3D
        Slicer notes in a VTK file.
    overwrite
        Whether an existing file may be replaced; never `source` itself.

    Returns
    -------
    MovedPoints

    Raises
    ------
    InputError
        If the source is missing, damaged, without points or not finite, the target exists or has
        another ending, or the folder cannot be written to.
    """
    source, target = Path(source), Path(target)
    kind = _KINDS.get(source.suffix.lower())
    if kind is None:
        raise InputError(
            f"{source}: expected points in a file ending in {', '.join(_KINDS)}, found "
            f"{source.suffix or 'no ending'}; convert it to one of these."
        )
    if target.suffix.lower() != source.suffix.lower():
        raise InputError(
            f"{target}: expected a name ending in {source.suffix}, the form of {source}, found "
            f"{target.suffix or 'no ending'}; rename the output."
        )
    if source.exists() and target.exists() and target.samefile(source):
        raise InputError(
            f"{target}: expected a new file, found that input and output are the same one; give "
            "another name for the output."
        )
    check_new_file(target, overwrite)
    content = kind.read(source, lps)
    # The two spaces differ by signs, which are their own inverse.
    signs = np.diag(LPS)[:3] if content.lps else np.ones(3)
    before = content.points * signs
    after = transform.map_points(before)
    with explained_writing(target.parent, source.stat().st_size), atomic_path(target) as temporary:
        content.write(temporary, after * signs)
    way = np.linalg.norm(after - before, axis=1)
    outside = int(np.count_nonzero(_outside(transform, before)))
    return MovedPoints(len(way), float(way.max(initial=0.0)), content.assumed, outside)


def _outside(transform: Transform, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points (n, 3) come to lie outside of the grid of one of the transform's fields."""
    outside = np.zeros(len(points), bool)
    for member in members_of(transform):
        if isinstance(member, DenseTransform):
            at = apply_affine(np.linalg.inv(member.affine), points)
            outside |= ((at < -0.5) | (at > np.array(member.shape) - 0.5)).any(axis=1)
        points = member.map_points(points)
    return outside
